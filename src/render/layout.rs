//! Where the tiles go: chosen among all arrangements by what can be read on a card.

use std::ops::{Range, RangeInclusive};

use super::{
    canvas::{Canvas, Rect, Rgb},
    page::{FAINT, MARGIN},
    text::{self, Font},
    tile::Zoom,
};

/// Width of a picture in pixels.
pub(super) const WIDTH: RangeInclusive<usize> = 400..=900;
/// Height that a picture never exceeds.
pub(super) const MAX_HEIGHT: usize = 1600;
/// What a card of TensorBoard leaves for a picture at its default size: width, height.
pub(super) const CARD: (f64, f64) = (380.0, 260.0);
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
    /// Characters of the label below each tile; 0 for none.
    pub labels: usize,
    /// Lines of the label below each tile, where there is one.
    pub label_lines: usize,
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
    separator: usize,
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
        let tile = zoom.tile(matrix.tile);
        let separator = if tile.0.min(tile.1) < 48 { 1 } else { 2 };
        let label = if matrix.labels > 0 { matrix.label_lines * font.line() } else { 0 };
        let pitch = (tile.0 + separator + label, tile.1 + separator);
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
        Layout {
            font,
            zoom,
            rows,
            columns,
            width,
            body,
            cut: matrix.cut,
            per_block,
            pitch,
            gutter,
            top,
            gap,
            separator,
        }
    }

    /// How many tiles are shown first, then how well text and tiles can be read on a card and enlarged.
    fn score(&self, matrix: &Matrix) -> (usize, f64) {
        let height = self.body.1 + matrix.lines * self.font.line() + 2 * MARGIN;
        let shrink = (CARD.0 / self.width as f64).min(CARD.1 / height as f64).min(1.0);
        let side = self.zoom.pixels(matrix.tile.0.min(matrix.tile.1)) as f64;
        let letters = (shrink * self.font.height() as f64 / 12.0).min(1.0);
        let tiles = (shrink * side / 40.0).min(1.0);
        let enlarged = (side / 56.0).min(1.0);
        let whole_blocks = if matrix.blockwise().is_multiple_of(self.per_block) { 1.0 } else { 0.6 };
        let label_room =
            self.zoom.pixels(matrix.tile.1) as f64 / (matrix.labels.max(1) * self.font.advance()) as f64;
        (self.rows * self.columns, letters * tiles * enlarged * whole_blocks * label_room.min(1.0))
    }

    /// Row, column and upper left corner of every tile, where the body begins at `origin`.
    pub fn tiles(&self, origin: (usize, usize)) -> impl Iterator<Item = (usize, usize, (usize, usize))> {
        (0..self.rows).flat_map(move |row| {
            (0..self.columns).map(move |column| {
                let (x, y) = self.tile(row, column);
                (row, column, (origin.0 + x, origin.1 + y))
            })
        })
    }

    /// Upper left corner of a tile within the body.
    fn tile(&self, row: usize, column: usize) -> (usize, usize) {
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

    /// Fills what the tiles and the thin lines between them take, so that near-white tiles can be told apart.
    pub fn draw_separators(&self, canvas: &mut Canvas, origin: (usize, usize), color: Rgb) {
        for row in 0..self.rows {
            for column in 0..self.columns {
                let (x, y) = self.tile(row, column);
                let line = self.separator;
                let (left, top) = ((origin.0 + x).saturating_sub(line), (origin.1 + y).saturating_sub(line));
                canvas.fill(Rect::new(left, top, self.pitch.1 + line, self.pitch.0 + line), color);
            }
        }
    }

    /// Writes the numbers of rows and columns beside each block. Each line of a list starts with the number of its first
    /// tile instead.
    pub fn draw_labels(
        &self,
        canvas: &mut Canvas,
        origin: (usize, usize),
        row_label: impl Fn(usize) -> String,
    ) {
        let font = self.font;
        let mut write = |x: usize, y: usize, label: &str| {
            text::draw(canvas, (origin.0 + x, origin.1 + y), label, font, false, FAINT);
        };
        let every_row = stride(font.line(), self.pitch.0);
        let widest = font.measure(&self.columns.saturating_sub(1).to_string());
        let every_column = stride(widest + font.advance(), self.pitch.1);
        let is_list = self.top == 0;
        for (rows, columns) in self.blocks() {
            let first = columns.start;
            for row in rows.clone().step_by(if is_list { 1 } else { every_row }) {
                let label = if is_list { first.to_string() } else { row_label(row) };
                let (x, y) = self.tile(row, first);
                let left = x.saturating_sub(font.advance() + font.measure(&label));
                write(left, (y + self.pitch.0 / 2).saturating_sub(font.height() / 2), &label);
            }
            for column in columns.step_by(every_column).filter(|_| !is_list) {
                let (x, y) = self.tile(rows.start, column);
                write(x, y - font.line(), &column.to_string());
            }
        }
    }

    /// Rows and columns of each block.
    fn blocks(&self) -> Vec<(Range<usize>, Range<usize>)> {
        let count = match self.cut {
            Cut::Rows => self.rows,
            Cut::Columns => self.columns,
        };
        let parts = (0..count).step_by(self.per_block).map(|at| at..(at + self.per_block).min(count));
        match self.cut {
            Cut::Rows => parts.map(|rows| (rows, 0..self.columns)).collect(),
            Cut::Columns => parts.map(|columns| (0..self.rows, columns)).collect(),
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

#[cfg(test)]
mod tests {
    use super::{super::tile::TILE_LIMIT, *};

    fn matrix(rows: usize, columns: usize, tile: (usize, usize), cut: Cut) -> Matrix {
        let zooms = Zoom::choices(tile, 8, 32, TILE_LIMIT);
        Matrix { rows, columns, tile, zooms, cut, labels: 0, label_lines: 1, lines: 6 }
    }

    #[test]
    fn tiles_lie_in_the_body_and_on_no_other() {
        for cut in [Cut::Rows, Cut::Columns] {
            for (rows, columns) in [(1, 1), (1, 64), (32, 16), (64, 16), (7, 13), (16, 5)] {
                for tile in [(1, 1), (3, 3), (7, 5), (60, 40), (2000, 3)] {
                    let layout = Layout::best(&matrix(rows, columns, tile, cut));
                    let size = layout.zoom.tile(tile);
                    let mut taken = vec![false; layout.body.0 * layout.body.1];
                    for (row, column) in
                        (0..layout.rows).flat_map(|r| (0..layout.columns).map(move |c| (r, c)))
                    {
                        let (x, y) = layout.tile(row, column);
                        assert!(x + size.1 <= layout.body.0 && y + size.0 <= layout.body.1, "{layout:?}");
                        for at in (y..y + size.0).flat_map(|y| (x..x + size.1).map(move |x| (x, y))) {
                            let pixel = &mut taken[at.1 * layout.body.0 + at.0];
                            assert!(!*pixel, "{layout:?}");
                            *pixel = true;
                        }
                    }
                    assert!(
                        layout.rows >= 1 && layout.columns >= 1 && WIDTH.contains(&layout.width),
                        "{layout:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn the_cap_of_an_ordinary_kernel_fits() {
        let layout = Layout::best(&matrix(64, 16, (3, 3), Cut::Rows));
        assert_eq!((layout.rows, layout.columns), (64, 16));
        assert!(layout.zoom.up >= 8);
        assert_eq!(layout.blocks().len(), 2, "side by side");
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let layout = Layout::best(&matrix(64, 16, (11, 11), Cut::Rows));
        assert!(layout.rows * layout.columns < 64 * 16);
        assert!(layout.zoom.up == 8, "not shown smaller than promised");
    }

    #[test]
    fn lists_of_a_power_of_two_have_even_lines() {
        let layout = Layout::best(&matrix(1, 64, (7, 7), Cut::Columns));
        assert!(64 % layout.per_block == 0, "{layout:?}");
    }
}
