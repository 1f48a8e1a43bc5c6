//! A reliability diagram: whether answers are as often right as they claim.

use super::{
    canvas::{Canvas, Rect, Rgb},
    caption::Caption,
    key::{Key, Mark},
    page::{FAINT, INK, MARGIN, Page},
    text::{self, Font},
};
use crate::{
    error::{Error, Result},
    summary::Image,
};

/// Answers whose confidence lies in one of evenly wide bins.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ReliabilityBin {
    /// How many.
    pub count: u64,
    /// Share of right ones, 0 to 1; without meaning where there are none.
    pub accuracy: f64,
    /// Mean probability of the answered class, 0 to 1; without meaning where there are none.
    pub confidence: f64,
}

const FONT: Font = Font::Medium;
/// The plots with their labels.
const BODY: (usize, usize) = (480, 250);
/// Room for the numbers of the vertical axis.
const LEFT: usize = 44;
/// Room for the key at the right.
const RIGHT: usize = 170;
/// Room for the numbers of the horizontal axis and its name.
const FOOT: usize = 42;
/// Height of the histogram, and the gap above it.
const HISTOGRAM: usize = 50;
const GAP: usize = 10;
const MOST_BINS: usize = 100;
const GRID: Rgb = [225, 226, 228];
/// Of the fixed palette: accuracy, what is missing to the confidence, what exceeds it.
const ACCURACY: Rgb = [78, 121, 167];
const OVER: Rgb = [225, 87, 89];
const UNDER: Rgb = [118, 183, 178];

/// A reliability diagram (Guo et al. 2017): a bar of the accuracy for each bin of confidence, the gap to its mean
/// confidence in another colour, the diagonal on which both are equal, and below it how many answers each bin has.
///
/// `note` says how many samples there are and what the calibration error is. The bins go evenly from 0 to 1.
///
/// # Errors
/// No bin or more than 100; an accuracy or confidence outside 0 to 1 of a bin that is not empty.
///
/// ```
/// use convscope::{Step, render::{Caption, ReliabilityBin, reliability}};
///
/// let bin = |count, accuracy, confidence| ReliabilityBin { count, accuracy, confidence };
/// let bins = [bin(0, 0.0, 0.0), bin(40, 0.5, 0.7), bin(60, 0.9, 0.95)];
/// let caption = Caption { layer: "calibration", step: Step::new(94), epoch: Some(1) };
/// let image = reliability(&bins, "100 images, ECE 11 %", &caption)?;
/// assert_eq!(image.width(), 500);
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn reliability(bins: &[ReliabilityBin], note: &str, caption: &Caption<'_>) -> Result<Image> {
    check(bins)?;
    let page = Page { caption, note, legend: None, font: FONT, width: BODY.0 + 2 * MARGIN, body: BODY };
    let (mut canvas, (x, y)) = page.open()?;
    let (left, width) = (x + LEFT, BODY.0 - LEFT - RIGHT);
    let height = BODY.1 - FOOT - HISTOGRAM - GAP - FONT.height() / 2;
    let area = Rect::new(left, y + FONT.height() / 2, width, height);
    let histogram = Rect::new(left, area.y + height + GAP, width, HISTOGRAM);
    draw_axes(&mut canvas, area, histogram);
    for (number, bin) in bins.iter().enumerate().filter(|(_, bin)| bin.count > 0) {
        draw_bar(&mut canvas, area, span(area, number, bins.len()), bin);
    }
    draw_diagonal(&mut canvas, area);
    draw_histogram(&mut canvas, histogram, bins);
    let at = (left + width + 14, area.y);
    key(bins).draw(&mut canvas, at, FONT, (x + BODY.0).saturating_sub(at.0));
    canvas.into_image()
}

fn check(bins: &[ReliabilityBin]) -> Result<()> {
    let refuse = |why: String| Err(Error::invalid("reliability diagram", why));
    if !(1..=MOST_BINS).contains(&bins.len()) {
        return refuse(format!("{} bins found, 1 to {MOST_BINS} expected", bins.len()));
    }
    for (number, bin) in bins.iter().enumerate().filter(|(_, bin)| bin.count > 0) {
        for (what, value) in [("accuracy", bin.accuracy), ("confidence", bin.confidence)] {
            if !(0.0..=1.0).contains(&value) {
                return refuse(format!("bin {number}: {what} {value} found, 0 to 1 expected"));
            }
        }
    }
    Ok(())
}

fn key(bins: &[ReliabilityBin]) -> Key {
    let mut key = Key::default();
    let is_there = |is: fn(&ReliabilityBin) -> bool| bins.iter().any(|bin| bin.count > 0 && is(bin));
    key.push(Mark::Cell(ACCURACY), ["accuracy".to_owned()]);
    if is_there(|bin| bin.accuracy < bin.confidence) {
        key.push(Mark::Cell(OVER), ["gap: too sure".to_owned()]);
    }
    if is_there(|bin| bin.accuracy > bin.confidence) {
        key.push(Mark::Cell(UNDER), ["gap: not sure enough".to_owned()]);
    }
    key.push(Mark::None, ["dotted: no gap".to_owned()]);
    key
}

/// The columns of a bin: where it begins and how wide it is, a pixel free beside it where there is room.
fn span(area: Rect, number: usize, bins: usize) -> (usize, usize) {
    let edge = |number: usize| area.x + 1 + number * (area.width - 1) / bins;
    let (left, right) = (edge(number), edge(number + 1));
    let width = right - left;
    (left, if width > 3 { width - 1 } else { width.max(1) })
}

/// The row of a share.
fn row(area: Rect, share: f64) -> usize {
    area.y + ((1.0 - share) * (area.height - 1) as f64).round() as usize
}

fn draw_axes(canvas: &mut Canvas, area: Rect, histogram: Rect) {
    for (share, label) in [(0.0, "0"), (0.5, "0.5"), (1.0, "1")] {
        let y = row(area, share);
        canvas.fill(Rect::new(area.x, y, area.width, 1), GRID);
        let x = area.x.saturating_sub(FONT.measure(label) + 5);
        text::draw(canvas, (x, y.saturating_sub(FONT.height() / 2)), label, FONT, false, FAINT);
    }
    let foot = histogram.y + histogram.height - 1;
    for (share, label) in [(0.0, "0"), (0.5, "0.5"), (1.0, "1")] {
        let x = area.x + (share * (area.width - 1) as f64).round() as usize;
        canvas.fill(Rect::new(x, area.y, 1, area.height), GRID);
        canvas.fill(Rect::new(x, foot, 1, 4), FAINT);
        let left = x.saturating_sub(FONT.measure(label) / 2);
        text::draw(canvas, (left, foot + 5), label, FONT, false, FAINT);
    }
    for Rect { x, y, width, height } in [area, histogram] {
        canvas.fill(Rect::new(x, y + height - 1, width, 1), FAINT);
        canvas.fill(Rect::new(x, y, 1, height), FAINT);
    }
    let name = "confidence";
    let left = area.x + area.width.saturating_sub(FONT.measure(name)) / 2;
    text::draw(canvas, (left, foot + 5 + FONT.line()), name, FONT, false, FAINT);
}

/// The accuracy, and the gap between it and the confidence.
fn draw_bar(canvas: &mut Canvas, area: Rect, (x, width): (usize, usize), bin: &ReliabilityBin) {
    let foot = area.y + area.height - 1;
    let (accuracy, confidence) = (row(area, bin.accuracy), row(area, bin.confidence));
    // Where more is right than is claimed, the part above the confidence is the gap.
    canvas.fill(Rect::new(x, accuracy, width, foot.saturating_sub(accuracy)), ACCURACY);
    let color = if bin.accuracy < bin.confidence { OVER } else { UNDER };
    let (top, end) = (accuracy.min(confidence), accuracy.max(confidence));
    canvas.fill(Rect::new(x, top, width, end - top), color);
}

fn draw_diagonal(canvas: &mut Canvas, area: Rect) {
    for at in (0..area.width).filter(|at| at % 6 < 3) {
        let share = at as f64 / (area.width - 1) as f64;
        canvas.fill(Rect::new(area.x + at, row(area, share), 1, 2), INK);
    }
}

/// How many answers each bin has, up to the fullest one.
fn draw_histogram(canvas: &mut Canvas, area: Rect, bins: &[ReliabilityBin]) {
    let total = bins.iter().fold(0_u64, |sum, bin| sum.saturating_add(bin.count)).max(1);
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(0).max(1);
    let foot = area.y + area.height - 1;
    for (number, bin) in bins.iter().enumerate().filter(|(_, bin)| bin.count > 0) {
        let (x, width) = span(area, number, bins.len());
        let height = (bin.count as f64 / most as f64 * (area.height - 1) as f64).round() as usize;
        let height = height.max(1); // few answers are not none
        canvas.fill(Rect::new(x, foot - height, width, height), FAINT);
    }
    let label = format!("{}%", text::number((100.0 * most as f64 / total as f64).round()));
    let left = area.x.saturating_sub(FONT.measure(&label) + 5);
    text::draw(canvas, (left, area.y.saturating_sub(2)), &label, FONT, false, FAINT);
    let at = (area.x + area.width + 14, area.y + area.height / 2 - FONT.height() / 2);
    text::draw(canvas, at, "share of answers", FONT, false, INK);
}
