//! Matrices with their entries as text, side by side as on a blackboard: `M · diag(r) · x = y`.

use super::{
    canvas::{Canvas, Rect, Rgb},
    caption::Caption,
    key::{self, Key},
    layout::WIDTH,
    page::{FAINT, INK, MARGIN, PAPER, Page},
    text::{self, Font},
};
use crate::{
    error::{Error, Result},
    summary::Image,
};

const FONT: Font = Font::Small;
/// Height of a cell with text.
const CELL: usize = 21;
/// Width that a cell with text has at least.
const NARROW: usize = 22;
/// Side of a cell without text, where those with text would be too wide: largest and smallest.
const BARE: (usize, usize) = (12, 4);
/// Between a bracket and the cells.
const BRACKET: usize = 5;
/// Between the lines of an equation.
const GAP: usize = 14;
/// What was dropped.
const DROPPED: Rgb = [116, 121, 126];
/// A frame around what a reader shall look at.
const FRAME: Rgb = [203, 24, 29];

/// One entry of a [`Block`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    /// What stands in it; Latin-1 characters can be shown.
    pub text: String,
    /// Its ground.
    pub tone: Tone,
    /// Whether it has a red frame.
    pub framed: bool,
}

/// The ground of a [`Cell`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// A value.
    Plain,
    /// A value that is 0 by construction: its text is pale.
    Zero,
    /// Something that was switched off: dark.
    Dropped,
    /// One of a group, such as all places of one weight: each group has a pastel colour of its own; after twelve they come
    /// again.
    Group(usize),
}

impl Cell {
    /// A cell without a frame.
    pub fn new(text: impl Into<String>, tone: Tone) -> Cell {
        Cell { text: text.into(), tone, framed: false }
    }

    /// With a red frame where `framed` is true.
    #[must_use]
    pub fn framed(mut self, framed: bool) -> Cell {
        self.framed = framed;
        self
    }
}

/// A matrix of cells between brackets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// What it is, above it.
    pub title: String,
    /// Cells of a row.
    pub columns: usize,
    /// The cells, row by row.
    pub cells: Vec<Cell>,
    /// A remark below it; may be empty.
    pub foot: String,
}

/// A part of a line of an [`Equation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A matrix.
    Block(Block),
    /// What stands between two matrices: `=`, `·`, `->`.
    Sign(String),
}

/// Lines of matrices, and what their colours mean.
///
/// ```
/// use convscope::{Step, render::{Block, Caption, Cell, Equation, Part, Tone, equation}};
///
/// let weights = ["w1", "w2"].iter().enumerate().map(|(at, w)| Cell::new(*w, Tone::Group(at)));
/// let kernel = Block { title: "kernel".to_owned(), columns: 2, cells: weights.collect(), foot: String::new() };
/// let picture = equation(
///     &Equation { lines: vec![vec![Part::Block(kernel)]], key: Vec::new() },
///     "its weights",
///     &Caption { layer: "conv1", step: Step::new(0), epoch: None },
/// )?;
/// assert!((400..=900).contains(&picture.width()));
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Equation {
    /// The lines, each of parts from left to right.
    pub lines: Vec<Vec<Part>>,
    /// Grounds and frames that need a word: a cell as an example of each, and its meaning.
    pub key: Vec<(Cell, String)>,
}

/// A picture of an equation, 400 to 900 pixels wide. Where a line would be wider, the cells of its largest matrix are drawn
/// small and without text.
///
/// # Errors
/// No line, a matrix without cells or whose last row is not full, more cells than fit without text.
pub fn equation(equation: &Equation, note: &str, caption: &Caption<'_>) -> Result<Image> {
    check(equation)?;
    let lines: Vec<Line<'_>> = equation.lines.iter().map(|parts| Line::new(parts)).collect();
    let widest = lines.iter().map(|line| line.width).max().unwrap_or(0);
    let note_width = FONT.measure(note).min(560);
    let inner = widest.max(note_width).max(WIDTH.start() - 2 * MARGIN);
    if inner + 2 * MARGIN > *WIDTH.end() {
        let why = format!("{inner} pixels wide even without text; at most {} fit", WIDTH.end() - 2 * MARGIN);
        return Err(Error::invalid("equation", why));
    }
    let key = meanings(equation);
    let height = lines.iter().map(|line| line.height + GAP).sum::<usize>().saturating_sub(GAP);
    let foot = key.height(FONT, inner);
    let body = (inner, height + if foot > 0 { GAP + foot } else { 0 });
    let page = Page { caption, note, legend: None, font: FONT, width: inner + 2 * MARGIN, body };
    let (mut canvas, (left, mut top)) = page.open()?;
    for line in &lines {
        line.draw(&mut canvas, (left + (inner - line.width) / 2, top));
        top += line.height + GAP;
    }
    key.draw(&mut canvas, (left, top), FONT, inner);
    canvas.into_image()
}

fn check(equation: &Equation) -> Result<()> {
    let invalid = |why: String| Err(Error::invalid("equation", why));
    if equation.lines.is_empty() {
        return invalid("it has no lines; give one at least".to_owned());
    }
    for part in equation.lines.iter().flatten() {
        if let Part::Block(Block { title, columns, cells, .. }) = part
            && (cells.is_empty() || *columns == 0 || !cells.len().is_multiple_of(*columns))
        {
            return invalid(format!("`{title}` has {} cells in rows of {columns}", cells.len()));
        }
    }
    Ok(())
}

fn meanings(equation: &Equation) -> Key {
    let mut key = Key::default();
    for (cell, meaning) in &equation.key {
        let mark = match cell.tone {
            _ if cell.framed => key::Mark::Frame(FRAME),
            tone => key::Mark::Cell(ground(tone)),
        };
        key.push(mark, [meaning.clone()]);
    }
    key
}

/// A line with the place of each part.
struct Line<'a> {
    parts: Vec<Placed<'a>>,
    width: usize,
    height: usize,
}

struct Placed<'a> {
    part: &'a Part,
    /// Width and height of a cell; `None` for signs.
    cell: Option<(usize, usize)>,
    width: usize,
    height: usize,
}

impl<'a> Line<'a> {
    /// Blocks lose their text, the widest first, until the line fits.
    fn new(parts: &'a [Part]) -> Line<'a> {
        let mut parts: Vec<Placed<'a>> = parts.iter().map(Placed::with_text).collect();
        let total = |parts: &[Placed<'_>]| parts.iter().map(|part| part.width).sum::<usize>();
        let room = WIDTH.end() - 2 * MARGIN;
        while total(&parts) > room {
            let others = total(&parts);
            let written = parts.iter_mut().filter(|part| part.cell.is_some_and(|(_, height)| height == CELL));
            let Some(widest) = written.max_by_key(|part| part.width) else { break };
            let rest = room.saturating_sub(others - widest.width);
            widest.bare(rest);
        }
        let height = parts.iter().map(|part| part.height).max().unwrap_or(0);
        Line { width: total(&parts), parts, height }
    }

    fn draw(&self, canvas: &mut Canvas, (mut x, y): (usize, usize)) {
        for part in &self.parts {
            part.draw(canvas, Rect::new(x, y + (self.height - part.height) / 2, part.width, part.height));
            x += part.width;
        }
    }
}

impl<'a> Placed<'a> {
    fn with_text(part: &'a Part) -> Placed<'a> {
        match part {
            Part::Sign(sign) => Placed {
                part,
                cell: None,
                width: FONT.measure(sign) + 2 * FONT.advance(),
                height: FONT.line(),
            },
            Part::Block(block) => {
                let text = block.cells.iter().map(|cell| FONT.measure(&cell.text)).max().unwrap_or(0);
                let mut placed = Placed { part, cell: None, width: 0, height: 0 };
                placed.set_cell(block, ((text + FONT.advance()).max(NARROW), CELL));
                placed
            }
        }
    }

    /// Cells without text that take `room` pixels at most.
    fn bare(&mut self, room: usize) {
        if let Part::Block(block) = self.part {
            let side = (room.saturating_sub(2 * BRACKET) / block.columns).clamp(BARE.1, BARE.0);
            self.set_cell(block, (side, side));
        }
    }

    fn set_cell(&mut self, block: &Block, cell: (usize, usize)) {
        let rows = block.cells.len() / block.columns;
        let texts = FONT.measure(&block.title).max(FONT.measure(&block.foot));
        self.cell = Some(cell);
        self.width = (block.columns * cell.0 + 2 * BRACKET).max(texts) + FONT.advance();
        // As much above as below, so that the cells of all blocks are centred on one line.
        self.height = rows * cell.1 + 2 * (FONT.line() + 2);
    }

    fn draw(&self, canvas: &mut Canvas, area: Rect) {
        let middle = |width: usize| area.x + area.width.saturating_sub(width) / 2;
        let (block, (width, height)) = match (self.part, self.cell) {
            (Part::Block(block), Some(cell)) => (block, cell),
            (Part::Sign(sign), _) => {
                text::draw(canvas, (middle(FONT.measure(sign)), area.y), sign, FONT, true, INK);
                return;
            }
            (Part::Block(_), None) => return,
        };
        let head = FONT.line() + 2;
        let cells = Rect::new(
            middle(block.columns * width),
            area.y + head,
            block.columns * width,
            block.cells.len() / block.columns * height,
        );
        text::draw(canvas, (middle(FONT.measure(&block.title)), area.y), &block.title, FONT, true, INK);
        let foot = (middle(FONT.measure(&block.foot)), cells.y + cells.height + 3);
        text::draw(canvas, foot, &block.foot, FONT, false, FAINT);
        for (at, cell) in block.cells.iter().enumerate() {
            let (row, column) = (at / block.columns, at % block.columns);
            let place = Rect::new(cells.x + column * width, cells.y + row * height, width, height);
            draw_cell(canvas, place, cell, height == CELL);
        }
        brackets(canvas, cells);
    }
}

fn draw_cell(canvas: &mut Canvas, place: Rect, cell: &Cell, with_text: bool) {
    let inset = usize::from(place.width > BARE.1);
    let inner =
        Rect::new(place.x, place.y, place.width.saturating_sub(inset), place.height.saturating_sub(inset));
    canvas.fill(inner, ground(cell.tone));
    if with_text {
        let left = place.x + place.width.saturating_sub(FONT.measure(&cell.text)) / 2;
        let top = place.y + (CELL - FONT.height()) / 2;
        let color = match cell.tone {
            Tone::Zero => [160, 164, 168],
            Tone::Dropped => [255; 3],
            Tone::Plain | Tone::Group(_) => INK,
        };
        text::draw(canvas, (left, top), &cell.text, FONT, cell.framed, color);
    }
    if cell.framed {
        canvas.frame(inner, FRAME);
        if with_text {
            let Rect { x, y, width, height } = inner;
            canvas.frame(Rect::new(x + 1, y + 1, width - 2, height - 2), FRAME);
        }
    }
}

fn ground(tone: Tone) -> Rgb {
    match tone {
        Tone::Plain => [236, 238, 241],
        Tone::Zero => PAPER,
        Tone::Dropped => DROPPED,
        Tone::Group(group) => colorous::SET3[group % colorous::SET3.len()].as_array(),
    }
}

fn brackets(canvas: &mut Canvas, cells: Rect) {
    let (top, height) = (cells.y.saturating_sub(2), cells.height + 4);
    for (x, tick) in [
        (cells.x.saturating_sub(BRACKET), cells.x.saturating_sub(BRACKET)),
        (cells.x + cells.width + BRACKET - 2, cells.x + cells.width + BRACKET - 5),
    ] {
        canvas.fill(Rect::new(x, top, 2, height), INK);
        canvas.fill(Rect::new(tick, top, 5, 2), INK);
        canvas.fill(Rect::new(tick, top + height - 2, 5, 2), INK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Step;

    fn block(rows: usize, columns: usize, text: &str) -> Part {
        let cells = vec![Cell::new(text, Tone::Group(3)); rows * columns];
        Part::Block(Block { title: "M".to_owned(), columns, cells, foot: String::new() })
    }

    fn draw(lines: Vec<Vec<Part>>) -> Result<Image> {
        let caption = Caption { layer: "panel", step: Step::new(0), epoch: None };
        equation(&Equation { lines, key: Vec::new() }, "", &caption)
    }

    #[test]
    fn a_wide_matrix_loses_its_text_and_still_fits() {
        let line = [block(64, 64, "r1w5"), Part::Sign("·".to_owned()), block(64, 1, "x64")];
        let placed = Line::new(&line);
        assert!(placed.width <= WIDTH.end() - 2 * MARGIN);
        assert_eq!(placed.parts[0].cell, Some((BARE.0, BARE.0)));
        assert_eq!(placed.parts[2].cell.map(|cell| cell.1), Some(CELL), "the vector keeps its text");
        assert!(draw(vec![line.to_vec()]).is_ok());
    }

    #[test]
    fn what_has_no_rows_or_no_room_is_refused() {
        assert!(draw(Vec::new()).is_err());
        let ragged = Block {
            title: "M".to_owned(),
            columns: 2,
            cells: vec![Cell::new("", Tone::Plain); 3],
            foot: String::new(),
        };
        let error = draw(vec![vec![Part::Block(ragged)]]).unwrap_err().to_string();
        assert!(error.contains("`M` has 3 cells in rows of 2"), "{error}");
        let error = draw(vec![vec![block(1, 400, "w1")]]).unwrap_err().to_string();
        assert!(error.contains("pixels wide even without text"), "{error}");
    }
}
