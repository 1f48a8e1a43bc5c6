//! Which inputs of a max pooling win their windows, and where the gradient goes.

use std::collections::BTreeMap;

use super::{
    canvas::{Canvas, Rect, Rgb},
    caption::Caption,
    colormap::{ColorMap, NON_FINITE},
    key::{self, Key},
    layout::WIDTH,
    legend::{self, Legend},
    normalize::Range,
    page::{FAINT, INK, MARGIN, Page},
    text::{self, Font},
};
use crate::{
    error::{Error, Result},
    summary::Image,
};

const FONT: Font = Font::Medium;
/// Pixels that a panel takes, about.
const PANEL: usize = 168;
/// Rows and columns of the input that a panel shows at most.
const MOST_VALUES: usize = 56;
/// Pixels of a value at most.
const MOST_ZOOM: usize = 28;
/// Channels that fit below each other.
const MOST_CHANNELS: usize = 4;
const GAP: usize = 12;
/// No map or kernel that makes sense is larger.
const MOST_SIDE: usize = 1 << 16;
const MOST_KERNEL: usize = 256;
/// An input that wins no window.
const LOSER: Rgb = [188, 190, 192];
/// Ground and lines of a window of zeros.
const HATCH: [Rgb; 2] = [[225, 226, 228], [150, 153, 157]];
const TITLES: [&str; 4] = ["1 input, winners", "2 winner's place", "3 gradient after", "4 gradient before"];

/// What a window of a max pooling holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WindowKind {
    /// One largest value.
    Single,
    /// Several equal largest values: the first one, row by row, wins.
    Tie,
    /// Zeros alone: the first one wins, and is no larger than the others.
    AllZero,
    /// NaN: the last one wins.
    Nan,
    /// Padding alone: nothing wins.
    Empty,
}

/// The outcome of one window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Switch {
    /// The input that won, row by row from 0; `None` where nothing did.
    pub input: Option<usize>,
    /// Its place in the kernel, row by row from 0.
    pub place: usize,
    /// What the window holds.
    pub kind: WindowKind,
}

/// One channel of a [`Routing`].
#[derive(Debug, Clone, PartialEq)]
pub struct RoutedChannel {
    /// Its number, from 0.
    pub channel: usize,
    /// What is pooled, row by row.
    pub input: Vec<f32>,
    /// The outcome of each window, row by row.
    pub switches: Vec<Switch>,
    /// The gradient by each output.
    pub gradient_after: Vec<f32>,
    /// The gradient by each input, as the pooling hands it on.
    pub gradient_before: Vec<f32>,
}

/// What a max pooling does with some channels of one image, forward and backward.
#[derive(Debug, Clone, PartialEq)]
pub struct Routing<'a> {
    /// Rows and columns of the input.
    pub input: [usize; 2],
    /// Rows and columns of the output.
    pub output: [usize; 2],
    /// Rows and columns of the kernel, without the holes of a dilation.
    pub kernel: [usize; 2],
    /// Step of the window.
    pub stride: [usize; 2],
    /// Distance of the kernel's taps; 1 is dense.
    pub dilation: [usize; 2],
    /// Rows above and columns to the left that are added to the input.
    pub padding: [usize; 2],
    /// The channels to be drawn; of more than four the first four are.
    pub channels: &'a [RoutedChannel],
    /// What the gradient is: `d logit / d value`.
    pub unit: &'a str,
}

/// A picture of four panels for each channel: the input with the winner of each window, the winner's place in its window, the
/// gradient behind the pooling, and the gradient that goes to the inputs. Of larger maps the part around the strongest
/// gradient is shown.
///
/// Gradients share one scale from `-m` to `m`, the largest magnitude of the shown channels. Windows of zeros are hatched,
/// ties have a dot, inputs that win nothing are grey.
///
/// # Errors
/// No channel; a channel with another number of values than the sizes say; an empty side; a kernel of more than 256 rows or
/// columns.
pub fn max_pool_routing(routing: &Routing<'_>, note: &str, caption: &Caption<'_>) -> Result<Image> {
    routing.check()?;
    let shown = &routing.channels[..routing.channels.len().min(MOST_CHANNELS)];
    let parts: Vec<Part> = shown.iter().map(|channel| routing.part(channel)).collect();
    let slot = parts.iter().fold((PANEL, 0), |(width, height), part| {
        let size = part.slot(routing);
        (width.max(size.0), height.max(size.1))
    });
    let scale = gradient_range(shown);
    let legend = gradient_legend(routing, shown, scale);
    let key = routing.key(shown);
    let inner = (4 * slot.0 + 3 * GAP).min(WIDTH.end() - 2 * MARGIN);
    let kernel_key = KernelKey::new(routing.kernel);
    let row = slot.1 + FONT.line() + GAP / 2;
    let keys = key.height(FONT, inner - kernel_key.width(inner)).max(kernel_key.height());
    let body = (inner, FONT.line() + shown.len() * row + GAP / 2 + keys);
    let note = full_note(routing, &parts, note);
    let page =
        Page { caption, note: &note, legend: Some(&legend), font: FONT, width: inner + 2 * MARGIN, body };
    let (mut canvas, (left, top)) = page.open()?;
    for (column, title) in TITLES.iter().enumerate() {
        text::draw(&mut canvas, (left + column * (slot.0 + GAP), top), title, FONT, true, INK);
    }
    for (at, (channel, part)) in shown.iter().zip(&parts).enumerate() {
        let y = top + FONT.line() + at * row;
        text::draw(&mut canvas, (left, y), &channel_line(channel), FONT, false, FAINT);
        let panel = |column: usize| (left + column * (slot.0 + GAP), y + FONT.line());
        let drawing = Drawing { routing, channel, part, scale };
        drawing.input(&mut canvas, panel(0));
        drawing.places(&mut canvas, panel(1));
        drawing.after(&mut canvas, panel(2));
        drawing.before(&mut canvas, panel(3));
    }
    let foot = top + FONT.line() + shown.len() * row + GAP / 2;
    kernel_key.draw(&mut canvas, (left, foot), inner);
    let indent = kernel_key.width(inner);
    key.draw(&mut canvas, (left + indent, foot), FONT, inner - indent);
    canvas.into_image()
}

impl Routing<'_> {
    fn check(&self) -> Result<()> {
        let invalid = |why: String| Err(Error::invalid("routing of a max pooling", why));
        let sides = [self.input, self.output, self.kernel, self.stride, self.dilation];
        let is_odd = |side: &usize| *side == 0 || *side > MOST_SIDE;
        if self.channels.is_empty() || sides.as_flattened().iter().any(is_odd) {
            let why =
                format!("{} channels, sizes {sides:?}: all 1 to {MOST_SIDE} expected", self.channels.len());
            return invalid(why);
        }
        if self.kernel.iter().any(|side| *side > MOST_KERNEL) {
            return invalid(format!("a kernel of {:?}; {MOST_KERNEL} can be shown", self.kernel));
        }
        let count = |[rows, columns]: [usize; 2]| rows.checked_mul(columns);
        let (inputs, outputs) = (count(self.input), count(self.output));
        for RoutedChannel { channel, input, switches, gradient_after, gradient_before } in self.channels {
            let found = [input.len(), gradient_before.len(), switches.len(), gradient_after.len()];
            if found.map(Some) != [inputs, inputs, outputs, outputs] {
                return invalid(format!(
                    "channel {channel} has {found:?} inputs, their gradients, switches and gradients; {inputs:?} and \
                     {outputs:?} of each expected"
                ));
            }
            let (inputs, places) = (input.len(), self.kernel[0] * self.kernel[1]);
            if switches.iter().any(|it| it.input.is_some_and(|at| at >= inputs) || it.place >= places) {
                return invalid(format!("channel {channel} has a switch outside of its input or kernel"));
            }
        }
        Ok(())
    }

    /// What is shown of a channel: all, or what lies around its strongest gradient.
    fn part(&self, channel: &RoutedChannel) -> Part {
        let strongest = (channel.gradient_after.iter().enumerate())
            .filter(|(_, value)| value.is_finite())
            .fold((0, 0.0), |best: (usize, f32), (at, v)| if v.abs() > best.1 { (at, v.abs()) } else { best })
            .0;
        let center = [strongest / self.output[1], strongest % self.output[1]];
        let axis = |axis: usize| {
            let windows = (MOST_VALUES / self.stride[axis]).clamp(1, self.output[axis]);
            let first = center[axis].saturating_sub(windows / 2).min(self.output[axis] - windows);
            let reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
            let start = (first * self.stride[axis]).saturating_sub(self.padding[axis]);
            let end = (first + windows - 1) * self.stride[axis] + reach;
            let mut end =
                end.saturating_sub(self.padding[axis]).clamp(start + 1, self.input[axis].max(start + 1));
            if windows == self.output[axis] {
                end = self.input[axis].min(start + MOST_VALUES); // also what no window reaches
            }
            Axis { windows: (first, windows), inputs: (start.min(self.input[axis] - 1), end) }
        };
        let axes = [axis(0), axis(1)];
        let values =
            axes.iter().enumerate().map(|(at, axis)| axis.values().max(axis.windows.1 * self.stride[at]));
        let zoom = (PANEL / values.max().unwrap_or(1)).clamp(1, MOST_ZOOM);
        Part { axes, zoom }
    }

    fn key(&self, shown: &[RoutedChannel]) -> Key {
        let mut counts: BTreeMap<WindowKind, usize> = BTreeMap::new();
        let mut windows = 0;
        for switch in shown.iter().flat_map(|channel| &channel.switches) {
            *counts.entry(switch.kind).or_default() += 1;
            windows += 1;
        }
        let mut key = Key::default();
        key.push(key::Mark::Cell(LOSER), ["wins no window: gets no gradient".to_owned()]);
        let mut mark = |kind, mark, meaning: &str| {
            if let Some(count) = counts.get(&kind) {
                key.push(mark, [format!("{count} of {windows} windows: {meaning}")]);
            }
        };
        mark(WindowKind::AllZero, key::Mark::Hatched(HATCH), "zeros alone, the first one wins");
        mark(WindowKind::Tie, key::Mark::Dot, "tie, the first one wins");
        mark(WindowKind::Nan, key::Mark::Cell(NON_FINITE), "NaN, the last one wins");
        mark(WindowKind::Empty, key::Mark::Cell([0; 3]), "padding alone");
        key
    }
}

/// Windows and inputs along one axis: first and number; first and end.
#[derive(Debug, Clone, Copy)]
struct Axis {
    windows: (usize, usize),
    inputs: (usize, usize),
}

impl Axis {
    fn values(self) -> usize {
        self.inputs.1 - self.inputs.0
    }
}

struct Part {
    axes: [Axis; 2],
    /// Pixels of a value.
    zoom: usize,
}

impl Part {
    /// Width and height that its largest panel takes.
    fn slot(&self, routing: &Routing<'_>) -> (usize, usize) {
        let side = |axis: usize| {
            let Axis { windows, .. } = self.axes[axis];
            self.zoom * self.axes[axis].values().max(windows.1 * routing.stride[axis])
        };
        (side(1), side(0))
    }

    fn is_whole(&self, routing: &Routing<'_>) -> bool {
        self.axes.iter().zip(routing.input).all(|(axis, side)| axis.values() == side)
    }
}

/// One channel's panels.
struct Drawing<'a> {
    routing: &'a Routing<'a>,
    channel: &'a RoutedChannel,
    part: &'a Part,
    scale: Range,
}

impl Drawing<'_> {
    fn input(&self, canvas: &mut Canvas, at: (usize, usize)) {
        let range = Range::of(&self.channel.input);
        let color = |value: f32| match range {
            Some(range) if value.is_finite() => ColorMap::Grey.at(range.unit(value)),
            _ => NON_FINITE,
        };
        self.draw_inputs(canvas, at, |place| color(self.channel.input[place]));
        for switch in &self.channel.switches {
            let cell = switch.input.and_then(|place| self.input_cell(at, place));
            if let (Some(cell), WindowKind::Single | WindowKind::Tie) = (cell, switch.kind) {
                winner(canvas, cell, place_color(switch.place, self.places_of_kernel()));
            }
        }
    }

    fn places(&self, canvas: &mut Canvas, at: (usize, usize)) {
        let places = self.places_of_kernel();
        self.windows(canvas, at, |canvas, cell, window| {
            let switch = self.channel.switches[window];
            match switch.kind {
                WindowKind::AllZero => key::hatch(canvas, cell, HATCH),
                WindowKind::Nan => canvas.fill(cell, NON_FINITE),
                WindowKind::Empty => canvas.fill(cell, [0; 3]),
                WindowKind::Single | WindowKind::Tie => canvas.fill(cell, place_color(switch.place, places)),
            }
            if switch.kind == WindowKind::Tie {
                key::dot(canvas, (cell.x + cell.width / 2, cell.y + cell.height / 2));
            }
        });
    }

    fn after(&self, canvas: &mut Canvas, at: (usize, usize)) {
        self.windows(canvas, at, |canvas, cell, window| {
            canvas.fill(cell, self.color(self.channel.gradient_after[window]));
        });
    }

    fn before(&self, canvas: &mut Canvas, at: (usize, usize)) {
        let mut wins = vec![false; self.channel.input.len()];
        for place in self.channel.switches.iter().filter_map(|switch| switch.input) {
            wins[place] = true;
        }
        self.draw_inputs(canvas, at, |place| match wins[place] {
            true => self.color(self.channel.gradient_before[place]),
            false => LOSER,
        });
    }

    fn color(&self, value: f32) -> Rgb {
        if value.is_finite() { ColorMap::BlueRed.at(self.scale.unit(value)) } else { NON_FINITE }
    }

    fn places_of_kernel(&self) -> usize {
        self.routing.kernel[0] * self.routing.kernel[1]
    }

    fn draw_inputs(&self, canvas: &mut Canvas, at: (usize, usize), color: impl Fn(usize) -> Rgb) {
        let [rows, columns] = self.part.axes.map(|axis| axis.inputs);
        for row in rows.0..rows.1 {
            for place in (columns.0..columns.1).map(|column| row * self.routing.input[1] + column) {
                if let Some(cell) = self.input_cell(at, place) {
                    canvas.fill(cell, color(place));
                }
            }
        }
        let [height, width] = self.part.axes.map(|axis| axis.values() * self.part.zoom);
        frame(canvas, at, width, height);
    }

    /// Where an input is drawn, if it is.
    fn input_cell(&self, at: (usize, usize), place: usize) -> Option<Rect> {
        let [rows, columns] = self.part.axes.map(|axis| axis.inputs.0..axis.inputs.1);
        let (row, column) = (place / self.routing.input[1], place % self.routing.input[1]);
        let zoom = self.part.zoom;
        (rows.contains(&row) && columns.contains(&column)).then(|| {
            Rect::new(at.0 + (column - columns.start) * zoom, at.1 + (row - rows.start) * zoom, zoom, zoom)
        })
    }

    /// Draws each window that is shown: `draw` is given its cell and number.
    fn windows(&self, canvas: &mut Canvas, at: (usize, usize), draw: impl Fn(&mut Canvas, Rect, usize)) {
        let [(first_row, rows), (first_column, columns)] = self.part.axes.map(|axis| axis.windows);
        let [height, width] = self.routing.stride.map(|stride| stride * self.part.zoom);
        // A thin line keeps cells apart where there is room for it.
        let line = usize::from(width.min(height) >= 8);
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            let cell = Rect::new(at.0 + column * width, at.1 + row * height, width - line, height - line);
            draw(canvas, cell, (first_row + row) * self.routing.output[1] + first_column + column);
        }
        frame(canvas, at, columns * width, rows * height);
    }
}

fn frame(canvas: &mut Canvas, at: (usize, usize), width: usize, height: usize) {
    let rect = Rect::new(at.0.saturating_sub(1), at.1.saturating_sub(1), width + 2, height + 2);
    canvas.frame(rect, FAINT);
}

/// A square in the middle of a cell, of the colour of its place, seen on any ground.
fn winner(canvas: &mut Canvas, cell: Rect, color: Rgb) {
    let side = (cell.width * 3 / 5).max(2);
    let inset = (cell.width - side.min(cell.width)) / 2;
    let (x, y) = (cell.x + inset, cell.y + inset);
    if side >= 5 {
        canvas.fill(Rect::new(x - 1, y - 1, side + 2, side + 2), [255; 3]);
    }
    canvas.fill(Rect::new(x, y, side, side), color);
}

/// The colour of a place in the kernel: a qualitative one, or from dark to bright where there are too many.
fn place_color(place: usize, places: usize) -> Rgb {
    match places {
        0..=9 => colorous::TABLEAU10[place % 9].as_array(),
        _ => ColorMap::Viridis.at(place as f64 / (places - 1) as f64),
    }
}

/// The kernel with the colour of each place.
struct KernelKey {
    kernel: [usize; 2],
    side: usize,
}

impl KernelKey {
    fn new(kernel: [usize; 2]) -> KernelKey {
        KernelKey { kernel, side: (54 / kernel[0].max(kernel[1])).clamp(2, 20) }
    }

    fn height(&self) -> usize {
        FONT.line() + self.side * self.kernel[0] + 2
    }

    fn width(&self, inner: usize) -> usize {
        (FONT.measure("place in its window:") + GAP).min(inner / 2)
    }

    fn draw(&self, canvas: &mut Canvas, (x, y): (usize, usize), inner: usize) {
        let most = self.width(inner) / FONT.advance();
        text::draw(canvas, (x, y), &text::shorten("place in its window:", most), FONT, false, INK);
        let [rows, columns] = self.kernel;
        let top = y + FONT.line();
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            let cell = Rect::new(x + column * self.side, top + row * self.side, self.side - 1, self.side - 1);
            canvas.fill(cell, place_color(row * columns + column, rows * columns));
        }
    }
}

fn gradient_range(channels: &[RoutedChannel]) -> Range {
    let all =
        channels.iter().flat_map(|channel| channel.gradient_after.iter().chain(&channel.gradient_before));
    let most = all.filter(|value| value.is_finite()).fold(0.0, |most: f32, value| most.max(value.abs()));
    Range { lo: -f64::from(most), hi: f64::from(most) }
}

fn gradient_legend(routing: &Routing<'_>, channels: &[RoutedChannel], range: Range) -> Legend {
    let label = if range.hi > 0.0 {
        format!("panels 3 and 4: {}, one scale", routing.unit)
    } else {
        format!(
            "panels 3 and 4: {} is 0 everywhere: the answer does not depend on these channels",
            routing.unit
        )
    };
    let gradients: Vec<f32> = channels.iter().flat_map(|channel| channel.gradient_after.clone()).collect();
    let marks = legend::Mark::non_finite(&gradients).into_iter().collect();
    Legend { map: ColorMap::BlueRed, range: Some(range), ticks: Vec::new(), label, marks }
}

fn channel_line(channel: &RoutedChannel) -> String {
    match Range::of(&channel.input) {
        Some(Range { lo, hi }) if lo == hi => {
            format!("channel {}: all inputs are {}", channel.channel, text::number(lo))
        }
        Some(Range { lo, hi }) => {
            let (lo, hi) = (text::number(lo), text::number(hi));
            format!("channel {}: input {lo} (black) to {hi} (white)", channel.channel)
        }
        None => format!("channel {}: no input is finite", channel.channel),
    }
}

fn full_note(routing: &Routing<'_>, parts: &[Part], note: &str) -> String {
    let [rows, columns] = routing.input;
    let mut notes = vec![note.to_owned()];
    if parts.iter().any(|part| !part.is_whole(routing)) {
        notes.push(format!("of {rows} x {columns} values what lies around the strongest gradient"));
    }
    if routing.channels.len() > MOST_CHANNELS {
        notes.push(format!("showing {MOST_CHANNELS} of {} channels", routing.channels.len()));
    }
    notes.retain(|note| !note.is_empty());
    notes.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Step;

    /// A map of `side` x `side` whose windows of 2x2 all win at `place`.
    fn channel(side: usize, place: usize, kind: WindowKind) -> RoutedChannel {
        let half = side / 2;
        let input_of = |window: usize| {
            let (row, column) = (2 * (window / half) + place / 2, 2 * (window % half) + place % 2);
            row * side + column
        };
        let switches: Vec<Switch> =
            (0..half * half).map(|window| Switch { input: Some(input_of(window)), place, kind }).collect();
        let mut gradient_before = vec![0.0; side * side];
        (0..half * half).for_each(|window| gradient_before[input_of(window)] = 1.0);
        RoutedChannel {
            channel: 3,
            input: (0..side * side).map(|at| at as f32).collect(),
            switches,
            gradient_after: vec![1.0; half * half],
            gradient_before,
        }
    }

    fn draw(side: usize, channels: &[RoutedChannel]) -> Result<Image> {
        let routing = Routing {
            input: [side, side],
            output: [side / 2, side / 2],
            kernel: [2, 2],
            stride: [2, 2],
            dilation: [1, 1],
            padding: [0, 0],
            channels,
            unit: "d logit / d value",
        };
        let caption = Caption { layer: "pool1", step: Step::new(1), epoch: None };
        max_pool_routing(&routing, "", &caption)
    }

    fn count(image: &Image, color: Rgb) -> usize {
        image.pixels().chunks_exact(3).filter(|pixel| *pixel == color).count()
    }

    #[test]
    fn losers_are_grey_and_winners_have_their_gradients_colour() {
        let image = draw(8, &[channel(8, 3, WindowKind::Single)]).unwrap();
        let zoom = PANEL / 8;
        let losers = count(&image, LOSER);
        assert!(
            (48 * zoom * zoom..48 * zoom * zoom + 400).contains(&losers),
            "three of four of 64: {losers}"
        );
        let red = ColorMap::BlueRed.at(1.0);
        assert!(count(&image, red) >= 16 * zoom * zoom + 16 * (2 * zoom - 1) * (2 * zoom - 1));
        assert!(count(&image, place_color(3, 4)) >= 16 * (2 * zoom - 1) * (2 * zoom - 1));
        let of_key = (54_usize / 2).clamp(2, 20) - 1;
        assert_eq!(count(&image, place_color(1, 4)), of_key * of_key, "nobody wins there: in the key alone");
    }

    #[test]
    fn windows_of_zeros_are_hatched_and_large_maps_are_cut() {
        let plain = draw(8, &[channel(8, 0, WindowKind::Single)]).unwrap();
        let zeros = draw(8, &[channel(8, 0, WindowKind::AllZero)]).unwrap();
        assert!(count(&zeros, HATCH[1]) > count(&plain, HATCH[1]) + 500);
        let large = draw(400, &[channel(400, 1, WindowKind::Tie)]).unwrap();
        assert!(large.width() <= 900 && large.height() <= 600, "{} x {}", large.width(), large.height());
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        assert!(draw(8, &[]).is_err());
        assert!(draw(8, &[channel(6, 0, WindowKind::Single)]).is_err());
        let mut outside = channel(8, 0, WindowKind::Single);
        outside.switches[0].input = Some(64);
        let error = draw(8, &[outside]).unwrap_err().to_string();
        assert!(error.contains("channel 3 has a switch outside"), "{error}");
        let mut blank = channel(8, 0, WindowKind::AllZero);
        blank.gradient_after.fill(0.0);
        blank.gradient_before.fill(f32::NAN);
        blank.input.fill(0.0);
        assert!(draw(8, &[blank]).is_ok());
    }
}
