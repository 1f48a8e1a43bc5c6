//! The lecture's panels: max pooling forward and backward, a convolution as a matrix, and what dropout does to it. Each is
//! a picture of a small case with all its numbers.
//!
//! [`lecture`](super::lecture) has them with the lecture's numbers.

use super::{
    convolution_matrix::{ConvolutionMatrix, dense_weight_gradients},
    layer::MaxPool2d,
    max_pool_switches::MaxPoolSwitches,
};
use crate::{
    error::{Error, Result},
    render::{Block, Caption, Cell, Equation, Part, Tone, WindowKind, equation, number},
    summary::Image,
};

/// Max pooling of a small map: which value of each window wins, what comes out, and how the gradient goes back to the
/// winners alone.
///
/// # Errors
/// Another number of values or gradients; a window that does not fit; a map that is too wide to be shown.
///
/// ```
/// use convscope::{Step, arch::{MaxPool2d, panels}, render::Caption};
///
/// let map = [1.0, 3.0, 2.0, 4.0, 5.0, 6.0, 8.0, 7.0, 9.0, 2.0, 1.0, 0.0, 3.0, 4.0, 5.0, 6.0];
/// let caption = Caption { layer: "max pooling 2x2, stride 2", step: Step::new(0), epoch: None };
/// let picture = panels::max_pool(&map, [4, 4], &MaxPool2d::new(2), &[1.0, 2.0, 3.0, 4.0], &caption)?;
/// assert!(picture.width() >= 400);
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn max_pool(
    map: &[f32],
    [height, width]: [usize; 2],
    pool: &MaxPool2d,
    gradient: &[f32],
    caption: &Caption<'_>,
) -> Result<Image> {
    let pooled = MaxPoolSwitches::new(map, [height, width], pool)?;
    let routed = pooled.backward(gradient)?;
    // Windows that lie side by side have a colour each; a place of overlapping ones would need several.
    let apart = pool.stride.h >= pool.kernel_size.h && pool.stride.w >= pool.kernel_size.w;
    let dense = pool.dilation.h == 1 && pool.dilation.w == 1;
    let window_at = |place: usize| {
        let side = |at: usize, stride: i64, kernel: i64, windows: usize| {
            let (window, within) = (at / stride as usize, at % stride as usize);
            (within < kernel as usize && window < windows).then_some(window)
        };
        let row = side(place / width, pool.stride.h, pool.kernel_size.h, pooled.size[0])?;
        let column = side(place % width, pool.stride.w, pool.kernel_size.w, pooled.size[1])?;
        Some(row * pooled.size[1] + column)
    };
    let colored = apart && dense && pool.padding == super::Padding::NONE;
    let tone = |place: usize| window_at(place).filter(|_| colored).map_or(Tone::Plain, Tone::Group);
    let of_window = |at: usize| if colored { Tone::Group(at) } else { Tone::Plain };
    let wins = |place: usize| pooled.switches.contains(&Some(place));
    let text = |value: f32| number(f64::from(value));

    let input = map.iter().enumerate().map(|(at, value)| Cell::new(text(*value), tone(at)).framed(wins(at)));
    let output = pooled.output.iter().enumerate().map(|(at, value)| Cell::new(text(*value), of_window(at)));
    let after = gradient.iter().enumerate().map(|(at, value)| Cell::new(text(*value), of_window(at)));
    let before = routed.iter().enumerate().map(|(at, value)| {
        let tone = if wins(at) { tone(at) } else { Tone::Zero };
        Cell::new(text(*value), tone).framed(wins(at))
    });
    let winners = (0..map.len()).filter(|&place| wins(place)).count();
    let share = format!("{winners} of {} inputs", map.len());
    let lines = vec![
        vec![
            block("forward: input", width, input, ""),
            sign("- largest of each window ->"),
            block("output", pooled.size[1], output, ""),
        ],
        vec![
            block("backward: gradient before", width, before, &share),
            sign("<- to the winner alone -"),
            block("gradient after", pooled.size[1], after, ""),
        ],
    ];
    let winner = Cell::new("", Tone::Plain).framed(true);
    let mut key =
        vec![(winner, "wins its window: its gradient is the window's, all others get 0".to_owned())];
    let count = |kind: WindowKind| pooled.kinds.iter().filter(|found| **found == kind).count();
    let remarks = [
        (WindowKind::Tie, "with several equal maxima: the first one, row by row, wins, as in libtorch"),
        (WindowKind::AllZero, "with zeros alone: the first one wins without being larger"),
        (WindowKind::Nan, "with NaN: the last NaN wins"),
    ];
    for (kind, meaning) in remarks {
        if count(kind) > 0 {
            let windows = format!("{} of {} windows", count(kind), pooled.kinds.len());
            key.push((Cell::new("", Tone::Zero), format!("{windows} {meaning}")));
        }
    }
    let note = if colored {
        "one colour for each window"
    } else {
        "windows overlap or have gaps: gradients of one input add up"
    };
    equation(&Equation { lines, key }, note, caption)
}

/// A convolution as a matrix in symbols: M x, where each weight has a colour of its own, and `marked` (counted from 0) is
/// framed.
///
/// # Errors
/// A matrix that is too wide to be shown.
pub fn symbols(matrix: &ConvolutionMatrix, marked: Option<usize>, caption: &Caption<'_>) -> Result<Image> {
    let [outputs, inputs] = matrix.size();
    let rows = format!("{outputs} outputs x {inputs} inputs");
    let cells = matrix.symbols().concat();
    let lines = vec![vec![
        block("M", inputs, weight_cells(matrix, &cells, None, marked), &rows),
        block("x", 1, named("x", inputs), ""),
    ]];
    equation(&Equation { lines, key: key(matrix, marked, false) }, &shares(matrix), caption)
}

/// A convolution as a matrix in numbers: M x = y.
///
/// # Errors
/// Another number of weights or inputs; a matrix that is too wide to be shown.
pub fn numbers(
    matrix: &ConvolutionMatrix,
    kernel: &[f64],
    image: &[f64],
    caption: &Caption<'_>,
) -> Result<Image> {
    let [outputs, inputs] = matrix.size();
    let texts: Vec<String> = matrix.values(kernel)?.into_iter().map(number).collect();
    let rows = format!("{outputs} outputs x {inputs} inputs");
    let lines = vec![vec![
        block("M", inputs, weight_cells(matrix, &texts, None, None), &rows),
        block("x", 1, numbered(image), ""),
        sign("="),
        block("y", 1, numbered(&matrix.apply(kernel, image)?), ""),
    ]];
    equation(&Equation { lines, key: key(matrix, None, false) }, &shares(matrix), caption)
}

/// What dropout in front of a convolution does, in symbols: M diag(r) x and its product, where `kept` says of each input
/// whether it is kept, and `marked` is the weight to follow. Empty `kept` leaves r open: `r1w5`.
///
/// # Errors
/// Another number of inputs; a matrix that is too wide to be shown.
pub fn masked_symbols(
    matrix: &ConvolutionMatrix,
    kept: &[bool],
    marked: Option<usize>,
    caption: &Caption<'_>,
) -> Result<Image> {
    let [_, inputs] = matrix.size();
    if !kept.is_empty() && kept.len() != inputs {
        return Err(Error::invalid("mask", format!("{} found for {inputs} inputs", kept.len())));
    }
    let open = kept.is_empty();
    let keeps = |column: usize| kept.get(column).copied().unwrap_or(true);
    let diagonal = (0..inputs * inputs).map(|at| match (at / inputs, at % inputs) {
        (row, column) if row != column => Cell::new("0", Tone::Zero),
        (_, column) if open => Cell::new(format!("r{}", column + 1), Tone::Plain),
        (_, column) if keeps(column) => Cell::new("1", Tone::Plain),
        _ => Cell::new("0", Tone::Dropped),
    });
    let symbols = matrix.symbols();
    let product: Vec<String> = (symbols.iter().flat_map(|row| row.iter().enumerate()))
        .map(|(column, symbol)| match symbol.as_str() {
            "0" => "0".to_owned(),
            weight if open => format!("r{}{weight}", column + 1),
            weight if keeps(column) => weight.to_owned(),
            _ => "0".to_owned(),
        })
        .collect();
    let plain = weight_cells(matrix, &symbols.concat(), None, marked);
    let masked = weight_cells(matrix, &product, Some(&keeps), marked);
    let x = || block("x", 1, named("x", inputs), "");
    let lines = vec![
        vec![block("M", inputs, plain, ""), block("diag(r)", inputs, diagonal, ""), x()],
        vec![sign("="), block("M diag(r)", inputs, masked, ""), x()],
    ];
    let dropped = (0..inputs).filter(|&column| !keeps(column)).count();
    let note = if open {
        "dropout multiplies each input by r = 0 or 1".to_owned()
    } else {
        format!("dropout: {dropped} of {inputs} inputs are dropped")
    };
    equation(&Equation { lines, key: key(matrix, marked, dropped > 0) }, &note, caption)
}

/// Which weights still learn when inputs are dropped, in a convolution and in a fully connected layer of the same size, side
/// by side: the gradient of the sum of all outputs by each weight, one line for each of `masks`.
///
/// # Errors
/// No mask, another number of inputs; a matrix that is too wide to be shown.
pub fn surviving_gradients(
    matrix: &ConvolutionMatrix,
    kernel_columns: usize,
    image: &[f64],
    masks: &[(&str, Vec<bool>)],
    caption: &Caption<'_>,
) -> Result<Image> {
    let [outputs, inputs] = matrix.size();
    let upstream = vec![1.0; outputs];
    let mut lines = Vec::new();
    for (name, kept) in masks {
        let mask: Vec<f64> = kept.iter().map(|&kept| f64::from(u8::from(kept))).collect();
        let convolution = matrix.weight_gradients(&mask, image, &upstream)?;
        let dense = dense_weight_gradients(&mask, image, &upstream)?;
        let inputs_left = image.iter().zip(kept).map(|(x, &kept)| match kept {
            true => Cell::new(number(*x), Tone::Plain),
            false => Cell::new("0", Tone::Dropped),
        });
        let columns = square(inputs);
        lines.push(vec![
            block(name, columns, inputs_left, "inputs x"),
            sign("->"),
            block(
                "dL/dw, convolution",
                kernel_columns,
                gradient_cells(&convolution),
                &learning(&convolution),
            ),
            block("dL/dW, fully connected", inputs, gradient_cells(&dense), &learning(&dense)),
        ]);
    }
    let key = vec![
        (Cell::new("", Tone::Group(6)), "this weight learns".to_owned()),
        (
            Cell::new("", Tone::Dropped),
            "no gradient: this input was dropped, this weight does not learn".to_owned(),
        ),
    ];
    let note = format!(
        "L is the sum of the {outputs} outputs; a weight of the kernel stands at many places and learns at all of them"
    );
    equation(&Equation { lines, key }, &note, caption)
}

/// A convolution of a small part of an image: kernel * part = output in numbers, and below the same as a matrix.
/// `kernel_columns`, `columns` and `output_columns` say how the values lie.
///
/// # Errors
/// Another number of weights or inputs; a matrix that is too wide to be shown.
pub fn convolution(
    matrix: &ConvolutionMatrix,
    (kernel, kernel_columns): (&[f64], usize),
    (part, columns): (&[f64], usize),
    note: &str,
    caption: &Caption<'_>,
) -> Result<Image> {
    let [outputs, inputs] = matrix.size();
    let output = matrix.apply(kernel, part)?;
    let text = |value: f64| format!("{value:.2}");
    let weights = kernel.iter().enumerate().map(|(at, value)| Cell::new(text(*value), Tone::Group(at)));
    let plain =
        |values: &[f64]| values.iter().map(|value| Cell::new(text(*value), Tone::Plain)).collect::<Vec<_>>();
    let [_, _, output_columns] = matrix.output_shape();
    let symbols = matrix.symbols().concat();
    let rows = format!("{outputs} outputs x {inputs} inputs");
    let lines = vec![
        vec![
            block("kernel", kernel_columns, weights, ""),
            sign("*"),
            block("part of the input", columns, plain(part), ""),
            sign("="),
            block("output", output_columns, plain(&output), ""),
        ],
        vec![block("the same as a matrix M", inputs, weight_cells(matrix, &symbols, None, None), &rows)],
    ];
    let note = format!("{note}; {}", shares(matrix));
    equation(&Equation { lines, key: key(matrix, None, false) }, &note, caption)
}

fn block(title: &str, columns: usize, cells: impl IntoIterator<Item = Cell>, foot: &str) -> Part {
    let cells = cells.into_iter().collect();
    Part::Block(Block { title: title.to_owned(), columns, cells, foot: foot.to_owned() })
}

fn sign(sign: &str) -> Part {
    Part::Sign(sign.to_owned())
}

/// `x1`, `x2`, ...
fn named(name: &str, count: usize) -> impl Iterator<Item = Cell> {
    (1..=count).map(move |at| Cell::new(format!("{name}{at}"), Tone::Plain))
}

fn numbered(values: &[f64]) -> impl Iterator<Item = Cell> {
    values.iter().map(|value| Cell::new(number(*value), Tone::Plain))
}

/// The matrix with a colour for each weight; columns that are not kept are dark.
fn weight_cells(
    matrix: &ConvolutionMatrix,
    texts: &[String],
    keeps: Option<&dyn Fn(usize) -> bool>,
    marked: Option<usize>,
) -> Vec<Cell> {
    let [_, inputs] = matrix.size();
    let cell = |(at, text): (usize, &String)| {
        let (row, column) = (at / inputs, at % inputs);
        match matrix.entry(row, column) {
            None => Cell::new(text, Tone::Zero),
            Some(_) if keeps.is_some_and(|keeps| !keeps(column)) => Cell::new(text, Tone::Dropped),
            Some(weight) => Cell::new(text, Tone::Group(weight)).framed(Some(weight) == marked),
        }
    };
    texts.iter().enumerate().map(cell).collect()
}

fn gradient_cells(gradients: &[f64]) -> impl Iterator<Item = Cell> {
    gradients.iter().map(|&gradient| match gradient {
        0.0 => Cell::new("0", Tone::Dropped),
        _ => Cell::new(number(gradient), Tone::Group(6)),
    })
}

fn learning(gradients: &[f64]) -> String {
    let learning = gradients.iter().filter(|gradient| **gradient != 0.0).count();
    format!("{learning} of {} learn", gradients.len())
}

/// Columns that show so many values as a square, if they are one.
fn square(count: usize) -> usize {
    let side = count.isqrt();
    if side * side == count { side } else { count }
}

/// How often weights stand in the matrix.
fn shares(matrix: &ConvolutionMatrix) -> String {
    let [outputs, inputs] = matrix.size();
    let entries =
        (0..outputs).flat_map(|row| (0..inputs).filter(move |&column| matrix.entry(row, column).is_some()));
    format!("{} weights stand at {} of {} places", matrix.weights(), entries.count(), outputs * inputs)
}

fn key(matrix: &ConvolutionMatrix, marked: Option<usize>, dropped: bool) -> Vec<(Cell, String)> {
    let [outputs, inputs] = matrix.size();
    let mut key = vec![(
        Cell::new("", Tone::Group(0)),
        "one colour for each weight: the convolution uses it again in each row".to_owned(),
    )];
    if let Some(weight) = marked {
        let places =
            (0..outputs * inputs).filter(|at| matrix.entry(at / inputs, at % inputs) == Some(weight));
        let meaning = format!(
            "w{} stands at {} places: it learns while one of them is left",
            weight + 1,
            places.count()
        );
        key.push((Cell::new("", Tone::Plain).framed(true), meaning));
    }
    if dropped {
        key.push((Cell::new("", Tone::Dropped), "r = 0: this input is dropped".to_owned()));
    }
    key
}
