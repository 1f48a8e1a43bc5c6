//! Sizes over steps: one picture that tells how fields grow while training.

use super::{
    canvas::{Canvas, Rect, Rgb},
    caption::Caption,
    page::{FAINT, INK, MARGIN, Page},
    text::{self, Font},
};
use crate::{
    error::{Error, Result},
    summary::{Image, Step},
};

/// One layer's curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GrowthCurve<'a> {
    /// Name of the layer.
    pub layer: &'a str,
    /// A size in pixels for each step; NaN where there is none.
    pub sizes: &'a [f64],
    /// The most that it can be, drawn as a dotted line.
    pub limit: Option<f64>,
}

/// More curves than this are not told apart.
const MOST_CURVES: usize = 7;
const FONT: Font = Font::Small;
/// The plot with its labels.
const BODY: (usize, usize) = (420, 260);
/// Room for the numbers of the vertical axis.
const LEFT: usize = 36;
/// Room for the curves' labels.
const RIGHT: usize = 165;
/// Room for the numbers of the horizontal axis and its name.
const FOOT: usize = 34;
/// Room for the unit above the vertical axis.
const HEAD: usize = 18;
const GRID: Rgb = [225, 226, 228];

/// A picture of up to seven curves of sizes in pixels over the steps of a training, each with its name, its last size and
/// its limit beside it. Curves beyond the seventh are counted in the note.
///
/// # Errors
/// No step or no curve, steps that do not rise, a curve with another number of sizes, a size that is negative or
/// infinite.
///
/// ```
/// use convscope::{Step, render::{Caption, GrowthCurve, growth}};
///
/// let steps = [0, 100, 200].map(Step::new);
/// let curve = GrowthCurve { layer: "conv3", sizes: &[8.0, 9.5, 11.0], limit: Some(18.0) };
/// let caption = Caption { layer: "effective receptive fields", step: steps[2], epoch: Some(2) };
/// let image = growth(&steps, &[curve], "rows and columns that hold 95 % of the mass", &caption)?;
/// assert_eq!(image.width(), 440);
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn growth(
    steps: &[Step],
    curves: &[GrowthCurve<'_>],
    note: &str,
    caption: &Caption<'_>,
) -> Result<Image> {
    check(steps, curves)?;
    let shown = &curves[..curves.len().min(MOST_CURVES)];
    let left_out = curves.len() - shown.len();
    let note =
        if left_out > 0 { format!("{note}; {left_out} more layers are not shown") } else { note.to_owned() };
    let page =
        Page { caption, note: &note, legend: None, font: FONT, width: BODY.0 + 2 * MARGIN, body: BODY };
    let (mut canvas, origin) = page.open()?;
    let area = Rect::new(origin.0 + LEFT, origin.1 + HEAD, BODY.0 - LEFT - RIGHT, BODY.1 - HEAD - FOOT);
    let highest = shown.iter().flat_map(|curve| curve.sizes.iter().copied().chain(curve.limit));
    let y = Axis::new(0.0, highest.fold(1.0, f64::max), area.height, 5);
    let x = Axis::new(steps[0].get() as f64, steps[steps.len() - 1].get() as f64, area.width, 4);
    let plot = Plot { area, x, y };
    plot.draw_grid(&mut canvas);
    for (curve, color) in shown.iter().zip(colors()) {
        plot.draw_limit(&mut canvas, curve, color);
    }
    for (curve, color) in shown.iter().zip(colors()) {
        plot.draw_curve(&mut canvas, steps, curve, color);
    }
    plot.draw_labels(&mut canvas, shown);
    canvas.into_image()
}

fn check(steps: &[Step], curves: &[GrowthCurve<'_>]) -> Result<()> {
    let refuse = |why: String| Err(Error::invalid("growth curves", why));
    if steps.is_empty() || curves.is_empty() {
        return refuse(format!(
            "{} steps and {} curves found; give one of each at least",
            steps.len(),
            curves.len()
        ));
    }
    if !steps.is_sorted_by(|a, b| a < b) {
        return refuse("the steps do not rise".to_owned());
    }
    for GrowthCurve { layer, sizes, limit } in curves {
        if sizes.len() != steps.len() {
            return refuse(format!("layer `{layer}`: {} sizes found for {} steps", sizes.len(), steps.len()));
        }
        if let Some(size) = sizes.iter().chain(limit).find(|size| size.is_infinite() || **size < 0.0) {
            return refuse(format!("layer `{layer}`: {size} found; sizes are pixels, 0 or more"));
        }
    }
    Ok(())
}

fn colors() -> impl Iterator<Item = Rgb> {
    colorous::TABLEAU10.iter().map(colorous::Color::as_array)
}

/// From a value to a pixel.
struct Axis {
    low: f64,
    high: f64,
    /// Distance of the numbers at the axis.
    tick: f64,
    pixels: usize,
}

impl Axis {
    /// An axis with about `ticks` round numbers; the upper end of the vertical one is the value itself.
    fn new(low: f64, high: f64, pixels: usize, ticks: usize) -> Axis {
        let extent = (high - low).max(1.0);
        let rough = extent / ticks as f64;
        let decade = 10f64.powf(rough.log10().floor());
        let tick = [1.0, 2.0, 5.0, 10.0].map(|part| part * decade).into_iter().find(|tick| *tick >= rough);
        Axis { low, high: low + extent, tick: tick.unwrap_or(rough).max(1.0), pixels }
    }

    fn pixel(&self, value: f64) -> usize {
        let unit = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        (unit * self.pixels.saturating_sub(1) as f64).round() as usize
    }

    fn ticks(&self) -> impl Iterator<Item = f64> + '_ {
        let first = (self.low / self.tick).ceil();
        (0..16).map(move |i| (first + f64::from(i)) * self.tick).take_while(|tick| *tick <= self.high)
    }
}

struct Plot {
    area: Rect,
    x: Axis,
    y: Axis,
}

impl Plot {
    fn row(&self, size: f64) -> usize {
        self.area.y + self.area.height - 1 - self.y.pixel(size)
    }

    fn column(&self, step: Step) -> usize {
        self.area.x + self.x.pixel(step.get() as f64)
    }

    fn draw_grid(&self, canvas: &mut Canvas) {
        let Rect { x, y, width, height } = self.area;
        let foot = y + height - 1;
        for tick in self.y.ticks() {
            let (row, label) = (self.row(tick), text::number(tick));
            canvas.fill(Rect::new(x, row, width, 1), GRID);
            let left = x.saturating_sub(FONT.measure(&label) + 5);
            text::draw(canvas, (left, row.saturating_sub(FONT.height() / 2)), &label, FONT, false, FAINT);
        }
        for tick in self.x.ticks() {
            let (column, label) = (x + self.x.pixel(tick), format!("{tick}"));
            canvas.fill(Rect::new(column, foot, 1, 4), FAINT);
            let left = column.saturating_sub(FONT.measure(&label) / 2);
            text::draw(canvas, (left, foot + 5), &label, FONT, false, FAINT);
        }
        canvas.fill(Rect::new(x, foot, width, 1), FAINT);
        canvas.fill(Rect::new(x, y, 1, height), FAINT);
        let name = "step";
        let middle = x + (width - FONT.measure(name)) / 2;
        text::draw(canvas, (middle, foot + 5 + FONT.line()), name, FONT, false, FAINT);
        text::draw(canvas, (x.saturating_sub(LEFT), y.saturating_sub(HEAD)), "pixels", FONT, false, FAINT);
    }

    fn draw_limit(&self, canvas: &mut Canvas, curve: &GrowthCurve<'_>, color: Rgb) {
        let Some(limit) = curve.limit.filter(|limit| limit.is_finite()) else { return };
        for dot in (0..self.area.width).step_by(6) {
            canvas.fill(Rect::new(self.area.x + dot, self.row(limit), 3, 1), color);
        }
    }

    /// A line two pixels wide, with a point at each end.
    fn draw_curve(&self, canvas: &mut Canvas, steps: &[Step], curve: &GrowthCurve<'_>, color: Rgb) {
        let points: Vec<(usize, usize)> = (steps.iter().zip(curve.sizes))
            .filter(|(_, size)| size.is_finite())
            .map(|(step, size)| (self.column(*step), self.row(*size)))
            .collect();
        for pair in points.windows(2) {
            for below in [0, 1] {
                canvas.line((pair[0].0, pair[0].1 + below), (pair[1].0, pair[1].1 + below), color);
            }
        }
        for (x, y) in points.first().into_iter().chain(points.last()) {
            canvas.fill(Rect::new(x.saturating_sub(2), y.saturating_sub(2), 5, 5), color);
        }
    }

    /// Name, last size and limit beside the end of each curve, pushed apart where they would lie on one another.
    fn draw_labels(&self, canvas: &mut Canvas, curves: &[GrowthCurve<'_>]) {
        let mut labels: Vec<(usize, String, Rgb)> = (curves.iter().zip(colors()))
            .map(|(curve, color)| {
                let last = curve.sizes.iter().rev().find(|size| size.is_finite());
                let row = last.map_or(self.area.y + self.area.height - 1, |size| self.row(*size));
                (row, label(curve, last.copied()), color)
            })
            .collect();
        labels.sort_by_key(|(row, ..)| *row);
        let foot = self.area.y + self.area.height;
        let room = labels.len() * FONT.line();
        let mut top = self.area.y.saturating_sub(HEAD / 2);
        for (number, (row, label, color)) in labels.iter().enumerate() {
            let lowest = foot.saturating_sub(room - number * FONT.line());
            let at = row.saturating_sub(FONT.height() / 2).min(lowest).max(top);
            let x = self.area.x + self.area.width + 6;
            canvas.fill(Rect::new(x, at + 3, 7, 7), *color);
            text::draw(canvas, (x + 11, at), label, FONT, false, INK);
            top = at + FONT.line();
        }
    }
}

/// `conv3 9.5/18`, within the room beside the plot.
fn label(curve: &GrowthCurve<'_>, last: Option<f64>) -> String {
    let size = last.map_or("none".to_owned(), text::number);
    let numbers = match curve.limit {
        Some(limit) => format!(" {size}/{}", text::number(limit)),
        None => format!(" {size}"),
    };
    let room = (RIGHT - 17) / FONT.advance();
    format!("{}{numbers}", text::shorten(curve.layer, room.saturating_sub(numbers.chars().count())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        for (low, high, expected) in [
            (0.0, 28.0, vec![0.0, 10.0, 20.0]),
            (0.0, 224.0, vec![0.0, 100.0, 200.0]),
            (0.0, 1.0, vec![0.0, 1.0]),
            (950.0, 1000.0, vec![960.0, 980.0, 1000.0]),
            (7.0, 7.0, vec![7.0, 8.0]),
        ] {
            assert_eq!(Axis::new(low, high, 100, 4).ticks().collect::<Vec<_>>(), expected, "{low} to {high}");
        }
    }

    #[test]
    fn labels_keep_their_numbers() {
        let curve = |layer| GrowthCurve { layer, sizes: &[], limit: Some(18.0) };
        assert_eq!(label(&curve("conv3"), Some(9.5)), "conv3 9.5/18");
        let long = label(&curve("features.stage1.block2.conv1"), Some(9.5));
        assert!(long.ends_with(" 9.5/18") && FONT.measure(&long) <= RIGHT - 17, "{long}");
    }
}
