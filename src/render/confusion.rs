//! A confusion matrix: which classes are taken for which others.

use super::{
    canvas::{Canvas, Rect, Rgb},
    caption::Caption,
    colormap::{ColorMap, contrast},
    confusion_classes::{Chosen, Counts},
    layout::{CARD, MAX_HEIGHT, WIDTH},
    legend::{Legend, Mark},
    normalize::Range,
    page::{FAINT, INK, MARGIN, Page},
    text::{self, Font},
};
use crate::{
    error::{Error, Result},
    summary::Image,
};

/// How often samples of a class were answered with a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConfusionCells<'a> {
    /// Names of the classes.
    pub classes: &'a [String],
    /// True class, predicted class, how often; both are positions in `classes`. What is not listed is 0.
    pub cells: &'a [(usize, usize, u64)],
}

/// What the cells of a confusion matrix show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConfusionScale {
    /// Samples, from 0 to the largest count of all cells that are shown.
    Counts,
    /// Percent of the samples of the true class, from 0 to 100: the diagonal is the recall. Rows of classes without
    /// samples stay blank.
    Shares,
}

/// Up to so many classes have their numbers in the cells.
const MOST_NUMBERED: usize = 20;
/// Up to so many classes are shown as cells of one colour each; of more, the most confused ones with numbers.
const MOST_CELLS: usize = 180;
/// Most letters of a name at an axis.
const NAME: usize = 14;
/// Confusions that are named below a matrix without numbers.
const NAMED: usize = 8;
/// Free pixels in a cell around its number.
const PAD: usize = 3;
const COLORS: ColorMap = ColorMap::Viridis;
/// A row of which nothing is known.
const BLANK: Rgb = [255; 3];
const CORNER: [&str; 2] = ["predicted >", "true v"];

/// A picture of a confusion matrix: a row for each true class, a column for each predicted one.
///
/// Up to 20 classes have their numbers in the cells and their names at both axes. Up to 180 are cells of one colour
/// each, with the most frequent confusions named below. Of more, the 20 classes of the most frequent confusions are
/// shown, and the note says so. 400 to 900 pixels wide, at most 1600 high.
///
/// # Errors
/// No class; a cell of a class that there is not.
///
/// ```
/// use convscope::{Step, render::{Caption, ConfusionCells, ConfusionScale, confusion_matrix}};
///
/// let classes = ["cat".to_owned(), "dog".to_owned()];
/// let cells = ConfusionCells { classes: &classes, cells: &[(0, 0, 48), (0, 1, 2), (1, 1, 50)] };
/// let caption = Caption { layer: "confusion matrix", step: Step::new(94), epoch: Some(1) };
/// let image = confusion_matrix(&cells, ConfusionScale::Shares, "100 images", &caption)?;
/// assert_eq!(image.width(), 400);
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn confusion_matrix(
    cells: &ConfusionCells<'_>,
    scale: ConfusionScale,
    note: &str,
    caption: &Caption<'_>,
) -> Result<Image> {
    let counts = Counts::new(cells)?;
    let chosen = if cells.classes.len() <= MOST_CELLS {
        Chosen::all(cells.classes.len())
    } else {
        Chosen::most_confused(&counts, MOST_NUMBERED)
    };
    let matrix = Matrix::new(cells.classes, &counts, &chosen.classes, scale);
    let note = [note, &chosen.note, "rows: true class, columns: predicted"]
        .into_iter()
        .filter(|part| !part.is_empty());
    let note = note.collect::<Vec<_>>().join("; ");
    // Numbers of very many digits have no room in the cells.
    let cells_alone = Matrix { is_numbered: false, ..matrix };
    let best = Draft::best(&matrix, &note, caption).or_else(|| Draft::best(&cells_alone, &note, caption));
    best.unwrap_or_else(|| Draft::new(&cells_alone, Font::Small, &note, caption)).draw()
}

/// What is shown.
#[derive(Clone, Copy)]
struct Matrix<'a> {
    names: &'a [String],
    counts: &'a Counts,
    /// The classes that are shown, in their order.
    chosen: &'a [usize],
    scale: ConfusionScale,
    /// The largest value of the scale.
    highest: f64,
    /// Whether the cells hold their numbers.
    is_numbered: bool,
}

impl<'a> Matrix<'a> {
    fn new(
        names: &'a [String],
        counts: &'a Counts,
        chosen: &'a [usize],
        scale: ConfusionScale,
    ) -> Matrix<'a> {
        let highest = match scale {
            ConfusionScale::Shares => 100.0,
            ConfusionScale::Counts => {
                let counts = chosen.iter().flat_map(|&t| chosen.iter().map(move |&p| counts.get(t, p)));
                counts.max().unwrap_or(0).max(1) as f64
            }
        };
        Matrix { names, counts, chosen, scale, highest, is_numbered: chosen.len() <= MOST_NUMBERED }
    }

    fn name(&self, class: usize) -> String {
        text::shorten(&self.names[class], NAME)
    }

    /// `None` where there is no sample of the true class.
    fn value(&self, truth: usize, predicted: usize) -> Option<f64> {
        let count = self.counts.get(truth, predicted) as f64;
        match (self.scale, self.counts.row(truth)) {
            (ConfusionScale::Counts, _) => Some(count),
            (ConfusionScale::Shares, 0) => None,
            (ConfusionScale::Shares, row) => Some(100.0 * count / row as f64),
        }
    }

    /// What stands in a cell.
    fn label(&self, truth: usize, predicted: usize) -> String {
        match (self.scale, self.value(truth, predicted)) {
            (_, None) => String::new(),
            (ConfusionScale::Counts, Some(count)) => format!("{count}"),
            (ConfusionScale::Shares, Some(share)) => percent(share),
        }
    }
}

/// Whole percents, but what is not 0 or 100 does not look like it.
fn percent(share: f64) -> String {
    match share.round() {
        0.0 if share > 0.0 => "<1".to_owned(),
        100.0 if share < 100.0 => ">99".to_owned(),
        rounded => format!("{rounded}"),
    }
}

/// A matrix in letters of one size.
struct Draft<'a> {
    matrix: &'a Matrix<'a>,
    font: Font,
    note: &'a str,
    caption: &'a Caption<'a>,
    legend: Legend,
    /// Width and height of a cell.
    cell: (usize, usize),
    /// Room for the names of the rows, and for those of the columns.
    gutter: usize,
    top: usize,
    /// The most frequent confusions in words.
    named: Vec<String>,
}

impl<'a> Draft<'a> {
    fn new(matrix: &'a Matrix<'a>, font: Font, note: &'a str, caption: &'a Caption<'a>) -> Draft<'a> {
        let side = matrix.chosen.len();
        let cell = if matrix.is_numbered {
            let pairs = matrix.chosen.iter().flat_map(|&t| matrix.chosen.iter().map(move |&p| (t, p)));
            let widest = pairs.map(|(t, p)| font.measure(&matrix.label(t, p))).max().unwrap_or(0);
            (widest.max(font.line()) + 2 * PAD, font.line() + 2 * PAD - 1)
        } else {
            let pixels = (600 / side).clamp(3, 14);
            (pixels, pixels)
        };
        let stride = stride(font.line(), cell.1);
        let shown = matrix.chosen.iter().step_by(stride);
        let widest = shown.map(|&class| font.measure(&matrix.name(class))).max().unwrap_or(0);
        let corner = font.measure(CORNER[0]);
        let top = widest.max(2 * font.line()) + PAD;
        // A turned name may be wider than its column.
        let gutter = widest.max(corner) + 2 * PAD + font.line().saturating_sub(cell.0) / 2;
        let width = 40.max((gutter + side * cell.0) / font.advance());
        let named = if matrix.is_numbered { Vec::new() } else { named(matrix, width) };
        let mut marks = Vec::new();
        let blank = matrix.chosen.iter().filter(|&&class| matrix.counts.row(class) == 0).count();
        if blank > 0 && matrix.scale == ConfusionScale::Shares {
            marks.push((Mark::Swatch(BLANK), format!("no sample of the class ({blank} of {side} rows)")));
        }
        let label = match matrix.scale {
            ConfusionScale::Counts => "samples",
            ConfusionScale::Shares => "% of the samples of the true class",
        };
        let range = Some(Range { lo: 0.0, hi: matrix.highest });
        let legend = Legend { map: COLORS, range, label: label.to_owned(), marks, ticks: Vec::new() };
        Draft { matrix, font, note, caption, legend, cell, gutter, top, named }
    }

    /// The one in the font that is largest on a card; `None` where it fits in none.
    fn best(matrix: &'a Matrix<'a>, note: &'a str, caption: &'a Caption<'a>) -> Option<Draft<'a>> {
        let drafts = Font::ALL.into_iter().map(|font| Draft::new(matrix, font, note, caption));
        drafts.filter(Draft::fits).max_by(|a, b| a.letters().total_cmp(&b.letters()))
    }

    /// Width and height of the matrix with its names, and of what stands below it.
    fn body(&self) -> (usize, usize) {
        let side = self.matrix.chosen.len();
        let lines = if self.named.is_empty() { 0 } else { PAD + self.named.len() * self.font.line() };
        (self.gutter + side * self.cell.0, self.top + side * self.cell.1 + lines)
    }

    fn page(&self) -> Page<'_> {
        let body = self.body();
        let width = (body.0 + 2 * MARGIN).max(*WIDTH.start());
        let Draft { caption, note, legend, font, .. } = self;
        Page { caption, note, legend: Some(legend), font: *font, width, body }
    }

    fn fits(&self) -> bool {
        let page = self.page();
        page.width <= *WIDTH.end() && page.height() <= MAX_HEIGHT
    }

    /// Height of the letters on a card.
    fn letters(&self) -> f64 {
        let page = self.page();
        let shrink = (CARD.0 / page.width as f64).min(CARD.1 / page.height() as f64);
        shrink.min(1.0) * self.font.height() as f64
    }

    fn draw(&self) -> Result<Image> {
        let (mut canvas, origin) = self.page().open()?;
        self.draw_names(&mut canvas, origin);
        let (left, top) = (origin.0 + self.gutter, origin.1 + self.top);
        for (row, &truth) in self.matrix.chosen.iter().enumerate() {
            for (column, &predicted) in self.matrix.chosen.iter().enumerate() {
                let at = (left + column * self.cell.0, top + row * self.cell.1);
                self.draw_cell(&mut canvas, at, (truth, predicted));
            }
        }
        let foot = top + self.matrix.chosen.len() * self.cell.1 + PAD;
        for (number, line) in self.named.iter().enumerate() {
            let y = foot + number * self.font.line();
            text::draw(&mut canvas, (origin.0, y), line, self.font, false, INK);
        }
        canvas.into_image()
    }

    /// Numbered cells are set apart by a line.
    fn draw_cell(&self, canvas: &mut Canvas, (x, y): (usize, usize), (truth, predicted): (usize, usize)) {
        let value = self.matrix.value(truth, predicted);
        let color = value.map_or(BLANK, |value| COLORS.at(value / self.matrix.highest));
        let line = usize::from(self.matrix.is_numbered);
        canvas.fill(Rect::new(x, y, self.cell.0 - line, self.cell.1 - line), color);
        if self.matrix.is_numbered {
            let label = self.matrix.label(truth, predicted);
            let left = x + (self.cell.0 - line).saturating_sub(self.font.measure(&label)) / 2;
            text::draw(canvas, (left, y + PAD - 1), &label, self.font, truth == predicted, contrast(color));
        }
    }

    /// The names of the rows at the left, those of the columns above, turned; not all where they are too close.
    fn draw_names(&self, canvas: &mut Canvas, origin: (usize, usize)) {
        let font = self.font;
        let [predicted, truth] = CORNER;
        let right = origin.0 + self.gutter - 2 * PAD - font.line().saturating_sub(self.cell.0) / 2;
        let foot = origin.1 + self.top - PAD;
        text::draw(
            canvas,
            (right - font.measure(predicted), foot - 2 * font.line()),
            predicted,
            font,
            false,
            FAINT,
        );
        text::draw(canvas, (origin.0, foot - font.line()), truth, font, false, FAINT);
        let every = |pitch| stride(font.line(), pitch);
        for (row, &class) in self.matrix.chosen.iter().enumerate().step_by(every(self.cell.1)) {
            let name = self.matrix.name(class);
            let middle = origin.1 + self.top + row * self.cell.1 + self.cell.1 / 2;
            let at = (right - font.measure(&name), middle.saturating_sub(font.height() / 2 + 1));
            text::draw(canvas, at, &name, font, false, INK);
        }
        for (column, &class) in self.matrix.chosen.iter().enumerate().step_by(every(self.cell.0)) {
            let name = self.matrix.name(class);
            let middle = origin.0 + self.gutter + column * self.cell.0 + self.cell.0 / 2;
            let at = (middle.saturating_sub(font.height() / 2 + 1), foot - font.measure(&name));
            text::draw_upwards(canvas, at, &name, font, INK);
        }
    }
}

/// The most frequent confusions in words, in lines of at most so many letters.
fn named(matrix: &Matrix<'_>, width: usize) -> Vec<String> {
    let confusions = matrix.counts.confusions();
    let line = |&(truth, predicted, count): &(usize, usize, u64)| {
        let share = percent(100.0 * count as f64 / matrix.counts.row(truth) as f64);
        let words =
            format!("{share} % of {} taken for {} ({count})", matrix.name(truth), matrix.name(predicted));
        text::shorten(&words, width)
    };
    let mut lines: Vec<String> = confusions.iter().take(NAMED).map(line).collect();
    if confusions.len() > NAMED {
        lines.insert(0, format!("the {NAMED} most frequent of {} confusions:", confusions.len()));
    }
    lines
}

/// Every how many cells there is room for a name.
fn stride(needed: usize, pitch: usize) -> usize {
    needed.div_ceil(pitch.max(1)).max(1)
}

/// Refuses cells of classes that there are not.
pub(super) fn check(cells: &ConfusionCells<'_>) -> Result<()> {
    let classes = cells.classes.len();
    if classes == 0 {
        return Err(Error::invalid("confusion matrix", "no class found, at least 1 expected"));
    }
    match cells.cells.iter().find(|(truth, predicted, _)| *truth.max(predicted) >= classes) {
        None => Ok(()),
        Some((truth, predicted, _)) => {
            let why =
                format!("a cell of classes {truth} and {predicted} found, the last class is {}", classes - 1);
            Err(Error::invalid("confusion matrix", why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_makes_nothing_perfect() {
        let found = [0.0, 0.4, 0.6, 49.5, 99.4, 99.6, 100.0].map(percent);
        assert_eq!(found, ["0", "<1", "1", "50", "99", ">99", "100"]);
    }
}
