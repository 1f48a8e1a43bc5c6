//! A number of each layer at each step: the history of a training in one picture.

use super::{
    canvas::{Canvas, Rect, Rgb},
    caption::Caption,
    colormap::{ColorMap, NON_FINITE},
    layer_scale::{FLOOR, LayerScale},
    legend::{Legend, Mark},
    page::{FAINT, INK, MARGIN, Page},
    spread::spread,
    text::{self, Font},
};
use crate::{
    error::{Error, Result},
    summary::{Image, Step, thousands},
};

/// Columns that [`heat_map`] draws; of more, neighbours are merged.
pub const MOST_COLUMNS: usize = 90;
/// More rows would make the picture too high.
const MOST_ROWS: usize = 84;
const FONT: Font = Font::Small;
const WIDTH: usize = 440;
/// Longer names lose their middle.
const NAME: usize = 20;
/// Between the names and the cells.
const GAP: usize = 5;
/// Height of a row where there is room.
const TALL: usize = 26;
/// Height that few rows share.
const AREA: usize = 208;
/// Room for the steps.
const FOOT: usize = 20;
/// What was not measured: paler than every colour of the map but its end, and no shade of it.
const UNMEASURED: Rgb = [214, 214, 214];

/// One number of each layer at each step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeatMap<'a> {
    /// What is shown, with its unit, for the legend: `gradient RMS`.
    pub quantity: &'a str,
    /// Names of the layers in the order of depth: the first is drawn at the top.
    pub layers: &'a [&'a str],
    /// The steps at which the numbers were measured, rising.
    pub steps: &'a [Step],
    /// All steps of the first layer, then of the second: `layers * steps` numbers. NaN: not measured. Infinity: the
    /// layer had values that are NaN or infinite.
    pub values: &'a [f64],
    /// From a number to a colour.
    pub scale: LayerScale,
}

/// A picture of a number of each layer (rows, in the order of depth) at each step (columns). It holds the whole history
/// that it is given: of more steps than [`MOST_COLUMNS`], neighbours are merged to the mean of what was measured, which
/// the picture says; where one of them was not finite, the merged cell is. Of more than 84 layers as many are shown,
/// evenly spread.
///
/// Zero and what is at or below the floor of a logarithmic scale is black, what was not measured grey, what is not finite
/// magenta. 440 pixels wide, at most 1600 high.
///
/// # Errors
/// No layer or step, steps that do not rise, another number of values, a scale without extent.
///
/// ```
/// use convscope::{Step, render::{Caption, HeatMap, LayerScale, heat_map}};
///
/// let steps = [10, 20, 30].map(Step::new);
/// let map = HeatMap {
///     quantity: "gradient RMS",
///     layers: &["conv1", "fc"],
///     steps: &steps,
///     values: &[1e-6, 1e-7, 1e-9, 1e-2, 1e-2, 2e-2],
///     scale: LayerScale::Log { floor: 1e-8, top: 1.0 },
/// };
/// let caption = Caption { layer: "gradient RMS of the layers", step: steps[2], epoch: Some(1) };
/// let image = heat_map(&map, "of each layer's largest parameter", &caption)?;
/// assert_eq!(image.width(), 440);
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn heat_map(map: &HeatMap<'_>, note: &str, caption: &Caption<'_>) -> Result<Image> {
    map.check()?;
    let rows = spread(&(0..map.layers.len()).collect::<Vec<_>>(), MOST_ROWS);
    let merged = map.steps.len().div_ceil(MOST_COLUMNS);
    let cells = map.merge(&rows, merged);
    let note = full_note(note, map, rows.len(), merged);
    let names: Vec<String> = rows.iter().map(|&row| text::shorten(map.layers[row], NAME)).collect();
    let gutter =
        names.iter().map(|name| FONT.measure(name)).max().unwrap_or(0).max(FONT.measure("step")) + GAP;
    let height = (AREA / rows.len()).clamp(FONT.line(), TALL);
    let inner = WIDTH - 2 * MARGIN;
    let legend = legend(map, &cells);
    let body = (inner, rows.len() * height + FOOT);
    let page = Page { caption, note: &note, legend: Some(&legend), font: FONT, width: WIDTH, body };
    let (mut canvas, (left, top)) = page.open()?;
    let area = Rect::new(left + gutter, top, inner - gutter, rows.len() * height);
    let columns = map.steps.len().div_ceil(merged);
    for (row, name) in names.iter().enumerate() {
        let y = top + row * height;
        let x = area.x - GAP - FONT.measure(name);
        text::draw(&mut canvas, (x, y + (height - FONT.height()) / 2), name, FONT, false, INK);
        for (column, value) in cells[row * columns..][..columns].iter().enumerate() {
            let (from, to) = (column * area.width / columns, (column + 1) * area.width / columns);
            // A line of paper keeps the rows apart.
            canvas.fill(Rect::new(area.x + from, y, to - from, height - 1), color(*value, map.scale));
        }
    }
    draw_steps(&mut canvas, area, map.steps, merged);
    canvas.into_image()
}

impl HeatMap<'_> {
    fn check(&self) -> Result<()> {
        let what = || format!("heat map of {}", self.quantity);
        let (layers, steps) = (self.layers.len(), self.steps.len());
        if layers == 0 || steps == 0 {
            let why = format!("{layers} layers and {steps} steps found; give one of each at least");
            return Err(Error::invalid(what(), why));
        }
        if !self.steps.is_sorted_by(|a, b| a < b) {
            return Err(Error::invalid(what(), "the steps do not rise"));
        }
        if layers.checked_mul(steps) != Some(self.values.len()) {
            let why = format!("{} values found for {layers} layers and {steps} steps", self.values.len());
            return Err(Error::invalid(what(), why));
        }
        self.scale.check(&what())
    }

    /// The cells of the shown rows, each of `merged` neighbouring steps.
    fn merge(&self, rows: &[usize], merged: usize) -> Vec<f64> {
        let steps = self.steps.len();
        let row = |&row: &usize| self.values[row * steps..][..steps].chunks(merged).map(mean_of_measured);
        rows.iter().flat_map(row).collect()
    }
}

/// Of what was measured: NaN where nothing was. Infinite where a number is: that must not get lost among others.
pub(crate) fn mean_of_measured(values: &[f64]) -> f64 {
    let measured: Vec<f64> = values.iter().copied().filter(|value| !value.is_nan()).collect();
    if measured.iter().any(|value| value.is_infinite()) {
        return f64::INFINITY;
    }
    measured.iter().sum::<f64>() / measured.len() as f64
}

fn color(value: f64, scale: LayerScale) -> Rgb {
    if value.is_nan() {
        UNMEASURED
    } else if value.is_infinite() {
        NON_FINITE
    } else {
        scale.color(value)
    }
}

fn full_note(note: &str, map: &HeatMap<'_>, rows: usize, merged: usize) -> String {
    let (layers, steps) = (map.layers.len(), map.steps.len());
    let mut parts = vec![note.to_owned()];
    if merged > 1 {
        parts.push(format!("each column is the mean of {merged} of {} measurements", thousands(&steps)));
    }
    if rows < layers {
        parts.push(format!("showing {rows} of {layers} layers, evenly spread from first to last"));
    }
    parts.retain(|part| !part.is_empty());
    parts.join("; ")
}

fn legend(map: &HeatMap<'_>, cells: &[f64]) -> Legend {
    let mut legend = map.scale.legend(format!("{}, {}", map.quantity, map.scale.words()));
    let range = map.scale.range();
    let finite = || cells.iter().filter(|value| value.is_finite());
    let mut mark = |mark: Mark, count: usize, meaning: &str| {
        if count > 0 {
            legend.marks.push((mark, format!("{count} of {} cells: {meaning}", cells.len())));
        }
    };
    let floor = format!("{} or less", text::number(range.lo));
    mark(Mark::Swatch(FLOOR), finite().filter(|value| map.scale.is_floor(**value)).count(), &floor);
    let above = format!("more than {}", text::number(range.hi));
    let end = Mark::Swatch(ColorMap::Viridis.at(1.0));
    mark(end, finite().filter(|value| **value > range.hi).count(), &above);
    let broken = cells.iter().filter(|value| value.is_infinite()).count();
    mark(Mark::NonFinite, broken, "NaN or infinite values in the layer");
    mark(Mark::Swatch(UNMEASURED), cells.iter().filter(|value| value.is_nan()).count(), "not measured");
    legend
}

/// The first and the last step, and one between them where there is room.
fn draw_steps(canvas: &mut Canvas, area: Rect, steps: &[Step], merged: usize) {
    let columns = steps.len().div_ceil(merged);
    let foot = area.y + area.height;
    canvas.fill(Rect::new(area.x, foot, area.width, 1), FAINT);
    text::draw(canvas, (area.x - GAP - FONT.measure("step"), foot + 5), "step", FONT, false, FAINT);
    let mut free = area.x;
    let end = area.x + area.width;
    let last =
        if columns > 1 { FONT.measure(&label(steps, merged, columns - 1)) + 2 * FONT.advance() } else { 0 };
    let mut draw = |canvas: &mut Canvas, column: usize, is_last: bool| {
        let middle = area.x + (2 * column + 1) * area.width / (2 * columns);
        let label = label(steps, merged, column);
        let width = FONT.measure(&label);
        let left = middle.saturating_sub(width / 2).clamp(area.x, (end - width).max(area.x));
        if left >= free && (is_last || left + width + last <= end) {
            canvas.fill(Rect::new(middle, foot, 1, 4), FAINT);
            text::draw(canvas, (left, foot + 5), &label, FONT, false, FAINT);
            free = left + width + 2 * FONT.advance();
        }
    };
    for column in [0, columns / 2] {
        if column + 1 < columns {
            draw(canvas, column, false);
        }
    }
    draw(canvas, columns - 1, true);
}

/// The last step of a column.
fn label(steps: &[Step], merged: usize, column: usize) -> String {
    let last = ((column + 1) * merged).min(steps.len()) - 1;
    thousands(&steps[last])
}
