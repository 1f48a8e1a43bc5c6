//! What a layer makes of its input's shape, and which arguments and inputs it refuses.

use super::{
    layer::{BatchNorm2d, Conv2d, Layer, LeakyRelu},
    padding::{Padding, Pair, Sides},
    shape::Shape,
    window::Window,
};

/// Why a layer cannot be: the field that is wrong, if it is one, and what was found and expected.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) field: Option<&'static str>,
    pub(super) why: String,
    /// What images of other sizes may not have.
    pub(super) misfit: Option<Misfit>,
    /// For a join, the place of the first input that does not go with the first one.
    pub(super) unlike: Option<usize>,
}

/// A fault that comes of the sizes of maps alone, so that another size of the image may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misfit {
    /// A window is larger than its input.
    Window,
    /// Maps of different sizes are joined.
    Join,
}

impl Fault {
    pub(super) fn new(why: impl Into<String>) -> Fault {
        Fault { field: None, why: why.into(), misfit: None, unlike: None }
    }

    fn field(field: &'static str, why: impl Into<String>) -> Fault {
        Fault { field: Some(field), ..Fault::new(why) }
    }
}

type Check = Result<(), Fault>;

/// No dimension or argument is larger, so that the arithmetic below cannot overflow.
pub(super) const MOST: i64 = i32::MAX as i64;

const TOO_MANY: &str = "has more values than can be counted";

/// The output of `layer` over `inputs` (of which there are as many as it wants), or what is wrong with it.
pub(super) fn output(layer: &Layer, inputs: &[Shape]) -> Result<Shape, Fault> {
    let Some(&input) = inputs.first() else { return Err(Fault::new("has no input")) };
    match layer {
        Layer::Conv2d(conv) => {
            check_conv(conv, maps(layer, input)?)?;
            let size = slide(layer, input)?;
            Ok(Shape::map(conv.out_channels, size.h, size.w))
        }
        Layer::Linear(linear) => {
            at_least("out_features", linear.out_features, 1)?;
            flat(input)?;
            Ok(Shape::flat(linear.out_features))
        }
        Layer::MaxPool2d(pool) => {
            pair_at_least("kernel_size", pool.kernel_size, 1)?;
            pair_at_least("stride", pool.stride, 1)?;
            pair_at_least("dilation", pool.dilation, 1)?;
            pooled(layer, pool.padding, input)
        }
        Layer::AvgPool2d(pool) => {
            pair_at_least("kernel_size", pool.kernel_size, 1)?;
            pair_at_least("stride", pool.stride, 1)?;
            pooled(layer, pool.padding, input)
        }
        Layer::AdaptiveAvgPool2d(pool) => {
            pair_at_least("output_size", pool.output_size, 1)?;
            let channels = maps(layer, input)?;
            Ok(Shape::map(channels, pool.output_size.h, pool.output_size.w))
        }
        Layer::GlobalAvgPool => Ok(Shape::flat(maps(layer, input)?)),
        Layer::ZeroPad2d(pad) => {
            let Padding::Fixed(sides) = pad.padding else {
                return Err(Fault::field(
                    "padding",
                    "found \"same\", which needs a kernel: expected numbers",
                ));
            };
            check_sides(sides)?;
            padded(layer, sides, input)
        }
        Layer::Flatten => input.checked_len().map(Shape::flat).ok_or_else(|| Fault::new(TOO_MANY)),
        Layer::Add => sum(inputs),
        Layer::Concat => concatenation(inputs),
        Layer::BatchNorm2d(norm) => {
            check_norm(norm)?;
            maps(layer, input)?;
            Ok(input)
        }
        Layer::Dropout(dropout) => {
            fraction("p", dropout.p)?;
            Ok(input)
        }
        Layer::Dropout2d(dropout) => {
            fraction("p", dropout.p)?;
            maps(layer, input)?;
            Ok(input)
        }
        Layer::LeakyRelu(LeakyRelu { negative_slope }) if !negative_slope.is_finite() => {
            Err(Fault::field("negative_slope", format!("found {negative_slope}, expected a finite number")))
        }
        Layer::LeakyRelu(_)
        | Layer::Relu
        | Layer::Relu6
        | Layer::Gelu(_)
        | Layer::Silu
        | Layer::Tanh
        | Layer::Sigmoid
        | Layer::Identity
        | Layer::Softmax => Ok(input),
    }
}

/// The window of a convolution or pooling over maps of this shape (channels, rows, columns), and its output's shape.
pub(super) fn windowed(layer: &Layer, input: [i64; 3]) -> crate::error::Result<(Window, [i64; 3])> {
    let found = || {
        let input = check_image(input).map_err(Fault::new)?;
        match (Window::of(layer, input), output(layer, &[input])?) {
            (Some(window), Shape::Map { channels, height, width }) => Ok((window, [channels, height, width])),
            _ => Err(needs_maps(layer, input)),
        }
    };
    found().map_err(|Fault { field, why, .. }: Fault| {
        let what = field.map_or_else(String::new, |field| format!(", field `{field}`"));
        crate::error::Error::invalid(format!("{} over {input:?}{what}", layer.type_name()), why)
    })
}

/// Checks the image's shape.
pub(super) fn check_image(dims: [i64; 3]) -> Result<Shape, String> {
    if dims.iter().any(|dim| !(1..=MOST).contains(dim)) {
        return Err(format!("found {dims:?}, expected [channels, height, width], each 1 to {MOST}"));
    }
    Ok(Shape::map(dims[0], dims[1], dims[2]))
}

fn check_conv(conv: &Conv2d, in_channels: i64) -> Check {
    at_least("out_channels", conv.out_channels, 1)?;
    pair_at_least("kernel_size", conv.kernel_size, 1)?;
    pair_at_least("stride", conv.stride, 1)?;
    pair_at_least("dilation", conv.dilation, 1)?;
    if let Padding::Fixed(sides) = conv.padding {
        check_sides(sides)?;
    }
    let groups = conv.groups;
    at_least("groups", groups, 1)?;
    for (what, channels) in [("input", in_channels), ("output", conv.out_channels)] {
        if channels % groups != 0 {
            return Err(Fault::field(
                "groups",
                format!("found {groups}, which does not divide the {channels} {what} channels"),
            ));
        }
    }
    Ok(())
}

fn check_norm(norm: &BatchNorm2d) -> Check {
    if !(norm.eps.is_finite() && norm.eps > 0.0) {
        return Err(Fault::field("eps", format!("found {}, expected a number above 0", norm.eps)));
    }
    fraction("momentum", norm.momentum)
}

fn check_sides(sides: Sides) -> Check {
    sides.to_array().into_iter().try_for_each(|side| at_least("padding", side, 0))
}

/// The output of a pooling, whose kernel, stride and dilation are checked already.
fn pooled(layer: &Layer, padding: Padding, input: Shape) -> Result<Shape, Fault> {
    let channels = maps(layer, input)?;
    if let Padding::Fixed(sides) = padding {
        check_sides(sides)?;
    }
    if let Some(window) = Window::of(layer, input) {
        let (reach, sides) = (window.reach(), window.padding);
        for (side, reach) in [(sides.top.max(sides.bottom), reach.h), (sides.left.max(sides.right), reach.w)]
        {
            // More, and a window could lie in the padding alone: libtorch refuses it too.
            if side > reach / 2 {
                return Err(Fault::field(
                    "padding",
                    format!("found {side}, expected at most {}, half the window", reach / 2),
                ));
            }
        }
    }
    let size = slide(layer, input)?;
    Ok(Shape::map(channels, size.h, size.w))
}

/// The number of places of a layer's window on the map.
fn slide(layer: &Layer, input: Shape) -> Result<Pair, Fault> {
    let (Some(window), Shape::Map { height, width, .. }) = (Window::of(layer, input), input) else {
        return Err(needs_maps(layer, input));
    };
    window.output(height, width).ok_or_else(|| {
        let (size, padded, reach) =
            (Pair { h: height, w: width }, window.padded(height, width), window.reach());
        let dilation =
            if reach == window.kernel { String::new() } else { format!(" ({reach} with its dilation)") };
        let padding = if padded == size { String::new() } else { format!(" ({padded} with its padding)") };
        let why = format!("found {}{dilation}, larger than the input {size}{padding}", window.kernel);
        Fault { misfit: Some(Misfit::Window), ..Fault::field("kernel_size", why) }
    })
}

fn padded(layer: &Layer, sides: Sides, input: Shape) -> Result<Shape, Fault> {
    let Shape::Map { channels, height, width } = input else { return Err(needs_maps(layer, input)) };
    Ok(Shape::map(channels, height + sides.top + sides.bottom, width + sides.left + sides.right))
}

fn sum(inputs: &[Shape]) -> Result<Shape, Fault> {
    match inputs.iter().position(|&shape| shape != inputs[0]) {
        None => Ok(inputs[0]),
        Some(unlike) => {
            let same_channels = inputs.iter().all(|shape| shape.channels() == inputs[0].channels());
            Err(cannot_join("add needs equal shapes", inputs, unlike, same_channels))
        }
    }
}

fn concatenation(inputs: &[Shape]) -> Result<Shape, Fault> {
    let size = inputs[0].size();
    if let Some(unlike) = inputs.iter().position(|shape| shape.size() != size) {
        return Err(cannot_join("concat needs maps of equal height and width", inputs, unlike, true));
    }
    let channels = inputs.iter().try_fold(0_i64, |sum, shape| sum.checked_add(shape.channels()));
    let channels = channels.ok_or_else(|| Fault::new(TOO_MANY))?;
    Ok(size.map_or(Shape::flat(channels), |[height, width]| Shape::map(channels, height, width)))
}

/// `by_size`: whether the inputs, if they are all maps, differ in their sizes alone.
fn cannot_join(why: &str, inputs: &[Shape], unlike: usize, by_size: bool) -> Fault {
    let all_maps = inputs.iter().all(|shape| shape.size().is_some());
    let misfit = (all_maps && by_size).then_some(Misfit::Join);
    Fault { misfit, unlike: Some(unlike), ..Fault::field("inputs", why) }
}

/// The channels of maps.
fn maps(layer: &Layer, input: Shape) -> Result<i64, Fault> {
    match input {
        Shape::Map { channels, .. } => Ok(channels),
        Shape::Flat { .. } => Err(needs_maps(layer, input)),
    }
}

fn needs_maps(layer: &Layer, input: Shape) -> Fault {
    let kind = layer.type_name();
    Fault::field(
        "inputs",
        format!("{kind} needs maps, channels x height x width, and its input is flat: {input} features"),
    )
}

fn flat(input: Shape) -> Check {
    match input {
        Shape::Flat { .. } => Ok(()),
        Shape::Map { .. } => Err(Fault::field(
            "inputs",
            format!(
                "linear needs flat input and gets maps of {input}: put a flatten or global_avg_pool layer before it"
            ),
        )),
    }
}

fn at_least(field: &'static str, value: i64, least: i64) -> Check {
    if (least..=MOST).contains(&value) {
        return Ok(());
    }
    let bound = if value < least { format!("at least {least}") } else { format!("at most {MOST}") };
    Err(Fault::field(field, format!("found {value}, expected {bound}")))
}

fn pair_at_least(field: &'static str, pair: Pair, least: i64) -> Check {
    at_least(field, pair.h, least)?;
    at_least(field, pair.w, least)
}

fn fraction(field: &'static str, value: f64) -> Check {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(Fault::field(field, format!("found {value}, expected 0 to 1")))
}
