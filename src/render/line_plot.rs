//! Curves: one number against another.

use super::{
    canvas::{Rect, Rgb},
    caption::Caption,
    page::{MARGIN, Page},
    plot_axis::{PlotAxis, is_drawable},
    plot_drawing::Drawing,
    text::{self, Font},
};
use crate::{
    error::{Error, Result},
    summary::Image,
};

/// One curve of a [`LinePlot`].
///
/// ```
/// use convscope::render::{Curve, CurveMarks};
///
/// let curve = Curve::new("conv1", &[(0.0, 0.9), (0.5, f64::NAN), (1.0, 0.1)]).detail("0.1").marks(CurveMarks::All);
/// assert_eq!((curve.name, curve.detail), ("conv1", "0.1"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Curve<'a> {
    /// What stands beside its end; long names lose their middle.
    pub name: &'a str,
    /// What stands behind the name and is not shortened, such as the last value.
    pub detail: &'a str,
    /// Horizontal and vertical place of each point, in the order in which they are joined. A NaN is a gap.
    pub points: &'a [(f64, f64)],
    /// Which points are marked.
    pub marks: CurveMarks,
    /// Whether points are joined by lines; otherwise each one is marked.
    pub is_joined: bool,
}

/// Which points of a [`Curve`] have a mark. A point without a neighbour always has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CurveMarks {
    /// The first and the last.
    #[default]
    Ends,
    /// Every one: for few measured points.
    All,
    /// None.
    None,
}

impl<'a> Curve<'a> {
    /// A curve with marks at its ends.
    pub fn new(name: &'a str, points: &'a [(f64, f64)]) -> Curve<'a> {
        Curve { name, detail: "", points, marks: CurveMarks::Ends, is_joined: true }
    }

    /// The curve with words behind its name that are not shortened.
    #[must_use]
    pub fn detail(mut self, detail: &'a str) -> Curve<'a> {
        self.detail = detail;
        self
    }

    /// Points alone, without lines between them: one quantity against another.
    #[must_use]
    pub fn scattered(mut self) -> Curve<'a> {
        self.is_joined = false;
        self
    }

    /// The curve with these points marked.
    #[must_use]
    pub fn marks(mut self, marks: CurveMarks) -> Curve<'a> {
        self.marks = marks;
        self
    }
}

/// A dotted line across a [`LinePlot`]: a threshold, a limit, what was before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReferenceLine<'a> {
    /// Where it crosses its axis.
    pub at: f64,
    /// Whether it goes up, at a place of the horizontal axis; otherwise across, at a place of the vertical one.
    pub is_vertical: bool,
    /// What stands at it; may be empty.
    pub label: &'a str,
    /// The curve whose colour it has, counted from 0; grey for `None`.
    pub curve: Option<usize>,
}

impl<'a> ReferenceLine<'a> {
    /// A grey line across, at `y`.
    pub fn horizontal(y: f64, label: &'a str) -> ReferenceLine<'a> {
        ReferenceLine { at: y, is_vertical: false, label, curve: None }
    }

    /// A grey line upwards, at `x`.
    pub fn vertical(x: f64, label: &'a str) -> ReferenceLine<'a> {
        ReferenceLine { at: x, is_vertical: true, label, curve: None }
    }

    /// The line in the colour of a curve.
    #[must_use]
    pub fn of_curve(mut self, curve: usize) -> ReferenceLine<'a> {
        self.curve = Some(curve);
        self
    }
}

/// Curves over two axes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinePlot<'a> {
    /// The horizontal axis.
    pub x: PlotAxis<'a>,
    /// The vertical axis; its title stands above it.
    pub y: PlotAxis<'a>,
    /// The curves; more than seven are not told apart, so only the first seven are drawn.
    pub curves: &'a [Curve<'a>],
    /// Lines behind the curves. An axis without a range is long enough for them.
    pub lines: &'a [ReferenceLine<'a>],
    /// Width of the picture in pixels, 400 to 900.
    pub width: usize,
}

impl<'a> LinePlot<'a> {
    /// A plot of 440 pixels without reference lines.
    pub fn new(x: PlotAxis<'a>, y: PlotAxis<'a>, curves: &'a [Curve<'a>]) -> LinePlot<'a> {
        LinePlot { x, y, curves, lines: &[], width: 440 }
    }

    /// The plot with these lines behind the curves.
    #[must_use]
    pub fn lines(mut self, lines: &'a [ReferenceLine<'a>]) -> LinePlot<'a> {
        self.lines = lines;
        self
    }

    /// The plot so many pixels wide. Letters are larger from 500 on, and again from 700 on.
    #[must_use]
    pub fn width(mut self, width: usize) -> LinePlot<'a> {
        self.width = width;
        self
    }
}

/// More curves than this are not told apart.
pub(super) const MOST_CURVES: usize = 7;

/// A picture of up to seven curves, each with its name beside its end, on a light grid. Curves beyond the seventh and
/// points at an infinity are counted in the note; where no point can be drawn, the plot says so.
///
/// # Errors
/// No curve; a width outside of 400 to 900; a range or a floor that an axis cannot have; a reference line at NaN or an
/// infinity.
///
/// ```
/// use convscope::{Step, render::{Caption, Curve, LinePlot, PlotAxis, ReferenceLine, line_plot}};
///
/// let points = [(0.0, 0.89), (0.5, 0.88), (0.9, 0.4)];
/// let curves = [Curve::new("all layers", &points)];
/// let lines = [ReferenceLine::horizontal(0.1, "chance")];
/// let x = PlotAxis::linear("share of weights set to zero").range(0.0, 1.0);
/// let y = PlotAxis::linear("accuracy").range(0.0, 1.0);
/// let caption = Caption { layer: "pruning", step: Step::new(200), epoch: Some(2) };
/// let image = line_plot(&LinePlot::new(x, y, &curves).lines(&lines), "1000 images", &caption)?;
/// assert_eq!(image.width(), 440);
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn line_plot(plot: &LinePlot<'_>, note: &str, caption: &Caption<'_>) -> Result<Image> {
    check(plot)?;
    let shown = &plot.curves[..plot.curves.len().min(MOST_CURVES)];
    let note = full_note(note, shown, plot.curves.len() - shown.len());
    let font = match plot.width {
        ..500 => Font::Small,
        500..700 => Font::Medium,
        _ => Font::Large,
    };
    let inner = plot.width - 2 * MARGIN;
    let body = (inner, inner * 3 / 5);
    let page = Page { caption, note: &note, legend: None, font, width: plot.width, body };
    let (mut canvas, origin) = page.open()?;
    let drawing = Drawing::new(plot, shown, font, Rect::new(origin.0, origin.1, body.0, body.1));
    drawing.draw_grid(&mut canvas, plot);
    for line in plot.lines {
        drawing.draw_line(&mut canvas, line);
    }
    for (curve, color) in shown.iter().zip(colors()) {
        drawing.draw_curve(&mut canvas, curve, color);
    }
    for line in plot.lines.iter().filter(|line| !line.label.is_empty()) {
        drawing.draw_line_label(&mut canvas, line);
    }
    drawing.draw_names(&mut canvas, shown);
    canvas.into_image()
}

fn check(plot: &LinePlot<'_>) -> Result<()> {
    let refuse = |why: String| Err(Error::invalid("plot", why));
    if plot.curves.is_empty() {
        return refuse("no curve found; give one at least".to_owned());
    }
    if !(400..=900).contains(&plot.width) {
        return refuse(format!("width {} found; 400 to 900 pixels expected", plot.width));
    }
    if let Some(line) = plot.lines.iter().find(|line| !is_drawable(line.at)) {
        return refuse(format!("line `{}` at {} found; a finite number expected", line.label, line.at));
    }
    plot.x.check()?;
    plot.y.check()
}

fn full_note(note: &str, shown: &[Curve<'_>], left_out: usize) -> String {
    let mut parts = vec![note.to_owned()];
    if left_out > 0 {
        parts.push(format!("{left_out} more curves are not shown"));
    }
    // NaN means that there is nothing; an infinity is a value that has no place.
    let is_lost = |&&(x, y): &&(f64, f64)| !(x.is_nan() || y.is_nan() || is_drawable(x) && is_drawable(y));
    let lost = shown.iter().flat_map(|curve| curve.points).filter(is_lost).count();
    if lost > 0 {
        parts.push(format!("{lost} infinite values are not drawn"));
    }
    if shown.iter().all(|curve| drawable(curve).next().is_none()) {
        parts.push("no finite value".to_owned());
    }
    parts.retain(|part| !part.is_empty());
    parts.join("; ")
}

pub(super) fn drawable<'c>(curve: &Curve<'c>) -> impl Iterator<Item = (f64, f64)> + use<'c> {
    curve.points.iter().copied().filter(|&(x, y)| is_drawable(x) && is_drawable(y))
}

pub(super) fn colors() -> impl Iterator<Item = Rgb> {
    colorous::TABLEAU10.iter().map(colorous::Color::as_array)
}

/// Name and detail in so many characters.
pub(super) fn full_name(curve: &Curve<'_>, room: usize) -> String {
    if curve.detail.is_empty() {
        return text::shorten(curve.name, room);
    }
    let name = text::shorten(curve.name, room.saturating_sub(curve.detail.chars().count() + 1));
    format!("{name} {}", curve.detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_details() {
        let curve = Curve::new("conv3", &[]).detail("9.5/18");
        assert_eq!(full_name(&curve, 21), "conv3 9.5/18");
        let long = full_name(&Curve { name: "features.stage1.block2.conv1", ..curve }, 21);
        assert!(long.ends_with(" 9.5/18") && long.chars().count() <= 21, "{long}");
        assert_eq!(full_name(&Curve::new("conv3", &[]), 21), "conv3");
    }
}
