//! Where the tiles go: chosen among all arrangements by what can be read on a card.

use std::ops::RangeInclusive;

use super::{
    canvas::Canvas,
    page::{FAINT, MARGIN},
    text::{self, Font},
    tile::Zoom,
};

/// Width of a picture in pixels.
pub(super) const WIDTH: RangeInclusive<usize> = 400..=900;
/// Height that a picture never exceeds.
pub(super) const MAX_HEIGHT: usize = 1600;
/// What a card of TensorBoard leaves for a picture at its default size: width, height.
const CARD: (f64, f64) = (380.0, 260.0);
/// Lines of text that caption and legend may take.
const TEXT_LINES: usize = 10;

/// A matrix of tiles that may be cut into blocks.
#[derive(Debug, Clone)]
pub(super) struct Matrix {
    pub rows: usize,
    pub columns: usize,
    /// Values of a tile: height, width.
    pub tile: (usize, usize),
    pub zooms: Vec<Zoom>,
    pub cut: Cut,
    /// Extra lines of text below each tile.
    pub labels: usize,
    /// About how many lines caption and legend take.
    pub lines: usize,
}

/// How a matrix is cut into blocks where it does not fit in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Into ranges of rows, side by side.
    Rows,
    /// Into ranges of columns, one below the other.
    Columns,
}

/// The arrangement that was chosen.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub font: Font,
    pub zoom: Zoom,
    /// Rows and columns of the matrix that are shown.
    pub rows: usize,
    pub columns: usize,
    pub width: usize,
    /// Width and height of the tiles with their labels.
    pub body: (usize, usize),
    cut: Cut,
    per_block: usize,
    /// Pixels from a tile to the next: down, across.
    pitch: (usize, usize),
    /// Space for the labels of the rows and of the columns.
    gutter: usize,
    top: usize,
    gap: usize,
}

impl Layout {
    /// The arrangement that shows most tiles, and among those the one that reads best.
    pub fn best(matrix: &Matrix) -> Layout {
        let mut best = Layout::new(matrix, Font::Small, matrix.zooms[0], 1);
        let mut best_score = best.score(matrix);
        for font in Font::ALL {
            for &zoom in &matrix.zooms {
                for per_block in 1..=matrix.blockwise().min(*WIDTH.end()) {
                    let layout = Layout::new(matrix, font, zoom, per_block);
                    let score = layout.score(matrix);
                    if score > best_score {
                        (best, best_score) = (layout, score);
                    }
                }
            }
        }
        best
    }

    fn new(matrix: &Matrix, font: Font, zoom: Zoom, per_block: usize) -> Layout {
        let tile = (zoom.pixels(matrix.tile.0), zoom.pixels(matrix.tile.1));
        let separator = if tile.0.min(tile.1) < 48 { 1 } else { 2 };
        let pitch = (tile.0 + separator + matrix.labels * font.line(), tile.1 + separator);
        let gutter =
            if matrix.labels > 0 { 0 } else { font.measure(&matrix.longest_row_label()) + font.advance() };
        let top = if matrix.has_column_labels() { font.line() } else { 0 };
        let gap = if matrix.cut == Cut::Columns && top == 0 { 0 } else { font.advance() };
        let (width, height) = (WIDTH.end() - 2 * MARGIN, MAX_HEIGHT - 2 * MARGIN - TEXT_LINES * font.line());
        // What fits into one block each way; a zoom is chosen such that one tile always does.
        let down = ((height - top) / pitch.0).max(1);
        let across = (width.saturating_sub(gutter) / pitch.1).max(1);
        let (rows, columns, per_block) = match matrix.cut {
            Cut::Rows => {
                let (columns, per_block) = (across.min(matrix.columns), per_block.min(down));
                let blocks = ((width + gap) / (gutter + columns * pitch.1 + gap)).max(1);
                ((per_block * blocks).min(matrix.rows), columns, per_block)
            }
            Cut::Columns => {
                let (rows, per_block) = (down.min(matrix.rows), per_block.min(across));
                let blocks = ((height + gap) / (top + rows * pitch.0 + gap)).max(1);
                (rows, (per_block * blocks).min(matrix.columns), per_block)
            }
        };
        let (down, across) = match matrix.cut {
            Cut::Rows => (1, rows.div_ceil(per_block)),
            Cut::Columns => (columns.div_ceil(per_block), 1),
        };
        let (block_rows, block_columns) = match matrix.cut {
            Cut::Rows => (rows.min(per_block), columns),
            Cut::Columns => (rows, columns.min(per_block)),
        };
        let body = (
            (across * (gutter + block_columns * pitch.1 + gap)).saturating_sub(gap),
            (down * (top + block_rows * pitch.0 + gap)).saturating_sub(gap),
        );
        let width = (body.0 + 2 * MARGIN).max(*WIDTH.start());
        Layout { font, zoom, rows, columns, width, body, cut: matrix.cut, per_block, pitch, gutter, top, gap }
    }

    /// How many tiles are shown first, then how well text and tiles can be read on a card and enlarged.
    fn score(&self, matrix: &Matrix) -> (usize, f64) {
        let height = self.body.1 + matrix.lines * self.font.line() + 2 * MARGIN;
        let shrink = (CARD.0 / self.width as f64).min(CARD.1 / height as f64).min(1.0);
        let side = self.zoom.pixels(matrix.tile.0.min(matrix.tile.1)) as f64;
        let letters = (shrink * self.font.height() as f64 / 12.0).min(1.0);
        let tiles = (shrink * side / 40.0).min(1.0);
        let enlarged = (side / 64.0).min(1.0);
        let whole_blocks = if matrix.blockwise().is_multiple_of(self.per_block) { 1.0 } else { 0.85 };
        (self.rows * self.columns, letters * tiles * enlarged.sqrt() * whole_blocks)
    }

    /// Upper left corner of a tile within the body.
    pub fn tile(&self, row: usize, column: usize) -> (usize, usize) {
        let (block_x, block_y) = self.block(row, column);
        let (row, column) = match self.cut {
            Cut::Rows => (row % self.per_block, column),
            Cut::Columns => (row, column % self.per_block),
        };
        (block_x + self.gutter + column * self.pitch.1, block_y + self.top + row * self.pitch.0)
    }

    fn block(&self, row: usize, column: usize) -> (usize, usize) {
        match self.cut {
            Cut::Rows => ((row / self.per_block) * (self.gutter + self.columns * self.pitch.1 + self.gap), 0),
            Cut::Columns => (0, (column / self.per_block) * (self.top + self.rows * self.pitch.0 + self.gap)),
        }
    }

    /// Writes the numbers of rows and columns beside each block.
    pub fn draw_labels(
        &self,
        canvas: &mut Canvas,
        origin: (usize, usize),
        row_label: impl Fn(usize) -> String,
    ) {
        let (font, tile) = (self.font, self.pitch.0);
        let step = stride(font.line(), tile);
        for row in (0..self.rows).filter(|row| self.cut == Cut::Columns || (row % self.per_block) % step == 0)
        {
            for column in (0..self.columns).step_by(if self.cut == Cut::Columns {
                self.per_block
            } else {
                self.columns
            }) {
                if self.cut == Cut::Columns && self.rows > 1 && row % step != 0 {
                    continue;
                }
                let (x, y) = self.tile(row, column);
                let label = if self.top == 0 { column.to_string() } else { row_label(row) };
                let left =
                    (x - self.gutter) + (self.gutter - font.advance()).saturating_sub(font.measure(&label));
                let middle = (y + tile / 2).saturating_sub(font.height() / 2);
                text::draw(canvas, (origin.0 + left, origin.1 + middle), &label, font, false, FAINT);
            }
        }
        if self.top > 0 {
            self.draw_column_labels(canvas, origin);
        }
    }

    fn draw_column_labels(&self, canvas: &mut Canvas, origin: (usize, usize)) {
        let font = self.font;
        let step =
            stride(font.measure(&self.columns.saturating_sub(1).to_string()) + font.advance(), self.pitch.1);
        let blocks = match self.cut {
            Cut::Rows => (0..self.rows).step_by(self.per_block),
            Cut::Columns => (0..1).step_by(1),
        };
        for row in blocks {
            for column in 0..self.columns {
                let within = if self.cut == Cut::Columns { column % self.per_block } else { column };
                if within % step == 0 {
                    let (x, y) = self.tile(row, column);
                    text::draw(
                        canvas,
                        (origin.0 + x, origin.1 + y - font.line()),
                        &column.to_string(),
                        font,
                        false,
                        FAINT,
                    );
                }
            }
        }
    }
}

impl Matrix {
    /// How many rows or columns are dealt out to blocks.
    fn blockwise(&self) -> usize {
        match self.cut {
            Cut::Rows => self.rows,
            Cut::Columns => self.columns,
        }
    }

    /// A single row of tiles is a list: each line of it starts with the number of its first tile instead.
    fn has_column_labels(&self) -> bool {
        self.labels == 0 && (self.cut == Cut::Rows || self.rows > 1)
    }

    fn longest_row_label(&self) -> String {
        let last = if self.has_column_labels() { self.rows } else { self.columns };
        format!(
            "{}{}",
            if self.cut == Cut::Columns && self.rows > 1 { "#" } else { "" },
            last.saturating_sub(1)
        )
    }
}

/// The smallest power of two of pitches that `needed` pixels fit into.
fn stride(needed: usize, pitch: usize) -> usize {
    needed.div_ceil(pitch.max(1)).next_power_of_two()
}
