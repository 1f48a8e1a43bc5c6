//! Numbers of named things, one bar each, in the order in which they are given.

use super::{
    canvas::{Canvas, Rect, Rgb},
    caption::Caption,
    page::{FAINT, INK, MARGIN, Page},
    plot_axis::{Axis, PlotAxis, is_drawable},
    text::{self, Font},
};
use crate::{
    error::{Error, Result},
    summary::Image,
};

/// One bar of [`ranked_bars`].
///
/// ```
/// use convscope::render::RankedBar;
///
/// let bar = RankedBar::new("channel 3", 0.4).interval(0.1);
/// assert_eq!((bar.value, bar.interval), (0.4, 0.1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RankedBar<'a> {
    /// Its name; long ones lose their middle.
    pub label: &'a str,
    /// How long it is, in the unit of the picture.
    pub value: f64,
    /// Half the width of its confidence interval, drawn as a whisker; 0 for none.
    pub interval: f64,
    /// Whether it is grey: of no account.
    pub is_faint: bool,
}

impl<'a> RankedBar<'a> {
    /// A bar without an interval.
    pub fn new(label: &'a str, value: f64) -> RankedBar<'a> {
        RankedBar { label, value, interval: 0.0, is_faint: false }
    }

    /// The bar with a whisker from `value - half` to `value + half`.
    #[must_use]
    pub fn interval(mut self, half: f64) -> RankedBar<'a> {
        self.interval = half;
        self
    }

    /// The bar in grey where `is_faint`.
    #[must_use]
    pub fn faint(mut self, is_faint: bool) -> RankedBar<'a> {
        self.is_faint = is_faint;
        self
    }
}

/// More bars than this are too many for a picture.
pub(crate) const MOST_BARS: usize = 48;
const FONT: Font = Font::Small;
const WIDTH: usize = 440;
/// Characters of a label and of a number.
const LABEL: usize = 26;
const NUMBER: usize = 9;
const GRID: Rgb = [225, 226, 228];
/// Of the diverging map's ends: above and below 0.
const POSITIVE: Rgb = [178, 24, 43];
const NEGATIVE: Rgb = [33, 102, 172];
const NONE: Rgb = [176, 178, 181];
/// Where values are of no account.
const BAND: Rgb = [236, 232, 216];

/// A picture of one bar for each thing, from 0 on, red to the right and blue to the left, with its number behind it.
/// `quantity` is what is measured, with its unit, for the axis. `band` is a distance from 0 within which a value is of no
/// account, drawn behind the bars. Bars beyond the 48th are counted in the note; values that are not finite have no bar
/// and are written. 440 pixels wide, at most 900 high.
///
/// # Errors
/// No bar; a band that is not a finite number above 0.
///
/// ```
/// use convscope::{Step, render::{Caption, RankedBar, ranked_bars}};
///
/// let bars = [RankedBar::new("channel 3", 0.4).interval(0.1), RankedBar::new("channel 0", 0.001).faint(true)];
/// let caption = Caption { layer: "conv1", step: Step::new(200), epoch: Some(2) };
/// let image = ranked_bars(&bars, Some(0.01), "loss change, nats", "100 images", &caption)?;
/// assert_eq!(image.width(), 440);
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn ranked_bars(
    bars: &[RankedBar<'_>],
    band: Option<f64>,
    quantity: &str,
    note: &str,
    caption: &Caption<'_>,
) -> Result<Image> {
    if bars.is_empty() {
        return Err(Error::invalid("bars", "none found; give one at least"));
    }
    if let Some(band) = band.filter(|band| !(is_drawable(*band) && *band > 0.0)) {
        return Err(Error::invalid(
            "bars",
            format!("a band of {band} found; a finite number above 0 expected"),
        ));
    }
    let shown = &bars[..bars.len().min(MOST_BARS)];
    let left_out = bars.len() - shown.len();
    let note = if left_out > 0 { format!("{note}; {left_out} more are not shown") } else { note.to_owned() };
    let inner = WIDTH - 2 * MARGIN;
    let rows = shown.len() * FONT.line();
    let body = (inner, rows + 2 * FONT.line() + 6);
    let page = Page { caption, note: &note, legend: None, font: FONT, width: WIDTH, body };
    let (mut canvas, (left, top)) = page.open()?;
    let labels: Vec<String> = shown.iter().map(|bar| text::shorten(bar.label, LABEL)).collect();
    let gutter = labels.iter().map(|label| FONT.measure(label)).max().unwrap_or(0) + 6;
    let width = inner - gutter - NUMBER * FONT.advance();
    let drawing = Drawing::new(shown, band, Rect::new(left + gutter, top, width, rows));
    drawing.draw_ground(&mut canvas, band, quantity, left, inner);
    for (number, (bar, label)) in shown.iter().zip(&labels).enumerate() {
        let y = top + number * FONT.line();
        let at = (left + gutter - 6 - FONT.measure(label), y);
        text::draw(&mut canvas, at, label, FONT, false, INK);
        drawing.draw_bar(&mut canvas, bar, y);
        let at = (left + gutter + width + 6, y);
        text::draw(&mut canvas, at, &text::number(bar.value), FONT, false, INK);
    }
    canvas.into_image()
}

struct Drawing {
    area: Rect,
    axis: Axis,
}

impl Drawing {
    fn new(bars: &[RankedBar<'_>], band: Option<f64>, area: Rect) -> Drawing {
        let ends = |bar: &RankedBar<'_>| {
            let half = if is_drawable(bar.interval) { bar.interval } else { 0.0 };
            [bar.value, bar.value - half, bar.value + half]
        };
        let band = band.into_iter().flat_map(|band| [-band, band]);
        let values = bars.iter().flat_map(ends).chain(band).chain([0.0]);
        Drawing { area, axis: PlotAxis::linear("").fit(values, area.width, 4, true) }
    }

    fn column(&self, value: f64) -> usize {
        self.area.x + self.axis.pixel(value).round().clamp(0.0, (self.area.width - 1) as f64) as usize
    }

    fn draw_ground(&self, canvas: &mut Canvas, band: Option<f64>, quantity: &str, left: usize, inner: usize) {
        let Rect { y, height, .. } = self.area;
        if let Some(band) = band {
            let (from, to) = (self.column(-band), self.column(band));
            canvas.fill(Rect::new(from, y, to - from + 1, height), BAND);
        }
        let mut free = 0;
        for (tick, label) in &self.axis.ticks {
            let column = self.column(*tick);
            canvas.fill(Rect::new(column, y, 1, height + 4), GRID);
            let at = column.saturating_sub(FONT.measure(label) / 2);
            if at >= free {
                text::draw(canvas, (at, y + height + 5), label, FONT, false, FAINT);
                free = at + FONT.measure(label) + FONT.advance();
            }
        }
        canvas.fill(Rect::new(self.column(0.0), y, 1, height + 4), FAINT);
        let name = text::shorten(quantity, inner / FONT.advance());
        let middle = (self.area.x + self.area.width / 2).saturating_sub(FONT.measure(&name) / 2);
        let at = middle.clamp(left, left + inner - FONT.measure(&name));
        text::draw(canvas, (at, y + height + 5 + FONT.line()), &name, FONT, false, FAINT);
    }

    fn draw_bar(&self, canvas: &mut Canvas, bar: &RankedBar<'_>, y: usize) {
        if !is_drawable(bar.value) {
            return;
        }
        let color = match bar.is_faint {
            true => NONE,
            false if bar.value < 0.0 => NEGATIVE,
            false => POSITIVE,
        };
        let (zero, end) = (self.column(0.0), self.column(bar.value));
        let (from, to) = (zero.min(end), zero.max(end));
        canvas.fill(Rect::new(from, y + 2, to - from + 1, FONT.line() - 5), color);
        if bar.interval > 0.0 && is_drawable(bar.interval) {
            let (from, to) = (self.column(bar.value - bar.interval), self.column(bar.value + bar.interval));
            let middle = y + 2 + (FONT.line() - 5) / 2;
            canvas.fill(Rect::new(from, middle, to - from + 1, 1), INK);
            for end in [from, to] {
                canvas.fill(Rect::new(end, middle - 2, 1, 5), INK);
            }
        }
    }
}
