//! Images in rows, each with a few lines of words below it.

use super::{
    canvas::{Canvas, Rect, Rgb},
    caption::Caption,
    layout::{Cut, Layout, Matrix},
    normalize::to_byte,
    page::{FAINT, INK, Page},
    shape, text,
    tile::{self, Plane, TILE_LIMIT, Zoom},
};
use crate::{
    error::{Error, Result},
    summary::Image,
};

/// An image with words.
#[derive(Debug, Clone, PartialEq)]
pub struct CaptionedTile<'a> {
    /// Brightness, 0 to 1, channel by channel, row by row.
    pub pixels: &'a [f32],
    /// Lines below it; the first is bold. What has no room loses its middle.
    pub lines: Vec<String>,
    /// What frame it has.
    pub frame: TileFrame,
}

/// The frame of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TileFrame {
    /// None.
    #[default]
    None,
    /// Blue.
    Blue,
    /// Orange.
    Orange,
    /// None; the tile is crossed out.
    Crossed,
}

/// Most tiles of a row.
const MOST: usize = 64;
/// Smallest side of a tile, so that words fit below it.
const TILE: usize = 96;
/// Most pixels a value.
const LARGEST_CELL: usize = 16;
/// Width of a frame.
const FRAME: usize = 4;

/// A picture of images with words below them, in `rows` rows of equal length that are cut into blocks where they would be
/// too wide. `tiles` holds them row by row, each of `shape`: channels (1 for grey, 3 for red, green, blue), rows, columns.
/// Up to 64 of a row are shown as far as they fit; the note says how many. 400 to 900 pixels wide, at most 1600 high.
///
/// # Errors
/// No tile, tiles that do not fill the rows, other than one or three channels, another number of pixels than the shape has.
///
/// ```
/// use convscope::{Step, render::{Caption, CaptionedTile, TileFrame, captioned_tiles}};
///
/// let pixels = vec![0.5; 64];
/// let tile = CaptionedTile { pixels: &pixels, lines: vec!["Coat".into(), "0.12".into()], frame: TileFrame::Blue };
/// let caption = Caption { layer: "neighbours of 3 Coat", step: Step::new(94), epoch: Some(1) };
/// let image = captioned_tiles(&[tile.clone(), tile], [1, 8, 8], 1, "below each: label, distance", &caption)?;
/// assert!((400..=900).contains(&image.width()));
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn captioned_tiles(
    tiles: &[CaptionedTile<'_>],
    [channels, height, width]: [usize; 3],
    rows: usize,
    note: &str,
    caption: &Caption<'_>,
) -> Result<Image> {
    check(tiles, [channels, height, width], rows)?;
    let columns = tiles.len() / rows;
    let size = (height, width);
    let words = tiles.iter().flat_map(|tile| &tile.lines).map(|line| line.chars().count());
    let layout = Layout::best(&Matrix {
        rows,
        columns: columns.min(MOST),
        tile: size,
        zooms: zooms(size),
        cut: Cut::Columns,
        labels: words.max().unwrap_or(1).clamp(1, 16),
        label_lines: tiles.iter().map(|tile| tile.lines.len()).max().unwrap_or(0),
        lines: 4,
    });
    let left_out = if layout.columns < columns {
        format!("; the first {} of {columns} are shown", layout.columns)
    } else {
        String::new()
    };
    let averaged = match layout.zoom.down {
        1 => String::new(),
        down => format!("; each pixel the mean of {down} x {down}"),
    };
    let note = format!("{note}{left_out}{averaged}");
    let (mut canvas, origin) = Page::around(&layout, caption, &note, None).open()?;
    let font = layout.font;
    for (row, column, at) in layout.tiles(origin) {
        let tile = &tiles[row * columns + column];
        let byte = |value: f32| value.is_finite().then(|| to_byte(value));
        if channels == 3 {
            tile::color_planes(&mut canvas, at, tile.pixels, size, layout.zoom, byte);
        } else {
            tile::grey_plane(&mut canvas, at, Plane::new(tile.pixels, width), layout.zoom, byte);
        }
        let outline = Rect::new(at.0, at.1, layout.zoom.pixels(width), layout.zoom.pixels(height));
        tile.frame.draw(&mut canvas, outline);
        // A gap to the words of the next tile.
        let room = (outline.width / font.advance()).saturating_sub(1);
        for (number, line) in tile.lines.iter().enumerate() {
            let below = (at.0, at.1 + outline.height + 1 + number * font.line());
            let color = if number < 2 { INK } else { FAINT };
            text::draw(&mut canvas, below, &text::shorten(line, room), font, number == 0, color);
        }
    }
    canvas.into_image()
}

fn check(tiles: &[CaptionedTile<'_>], shape: [usize; 3], rows: usize) -> Result<()> {
    let what = "images with captions";
    if rows == 0 || tiles.is_empty() || !tiles.len().is_multiple_of(rows) {
        let why = format!("{} images found for {rows} rows of equal length", tiles.len());
        return Err(Error::invalid(what, why));
    }
    let [channels, height, width] = shape;
    if channels != 1 && channels != 3 {
        let why = format!("{channels} channels found; 1 (grey) or 3 (red, green, blue) can be shown");
        return Err(Error::invalid(what, why));
    }
    tiles.iter().try_for_each(|tile| {
        shape::check(what, "N, C, H, W", [1, channels, height, width], tile.pixels.len())
    })
}

fn zooms(size: (usize, usize)) -> Vec<Zoom> {
    let side = size.0.min(size.1);
    let least = TILE.div_ceil(side.max(1)).clamp(1, LARGEST_CELL);
    let mut zooms = Zoom::choices(size, least, LARGEST_CELL, TILE_LIMIT);
    zooms.extend((2..=side / TILE).map(|down| Zoom { up: 1, down }));
    zooms
}

impl TileFrame {
    fn draw(self, canvas: &mut Canvas, outline: Rect) {
        let color: Rgb = match self {
            TileFrame::None => return,
            TileFrame::Crossed => {
                canvas.cross(outline, FAINT);
                return;
            }
            TileFrame::Blue => colorous::TABLEAU10[0].as_array(),
            TileFrame::Orange => colorous::TABLEAU10[1].as_array(),
        };
        for inset in 0..FRAME {
            let Rect { x, y, width, height } = outline;
            let inner = |side: usize| side.saturating_sub(2 * inset);
            canvas.frame(Rect::new(x + inset, y + inset, inner(width), inner(height)), color);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::summary::Step;

    fn draw(count: usize, shape: [usize; 3], rows: usize) -> Result<Image> {
        let pixels = vec![0.25; shape.iter().product()];
        let tile = CaptionedTile { pixels: &pixels, lines: vec!["Bag".into(); 3], frame: TileFrame::Orange };
        let caption = Caption { layer: "tiles", step: Step::new(1), epoch: None };
        captioned_tiles(&vec![tile; count], shape, rows, "note", &caption)
    }

    #[test]
    fn few_and_many_small_and_large_ones_fit() {
        for (count, shape, rows) in
            [(1, [1, 1, 1], 1), (200, [1, 28, 28], 2), (8, [3, 224, 224], 1), (24, [3, 64, 200], 2)]
        {
            let image = draw(count, shape, rows).unwrap();
            assert!(image.height() <= 1600 && (400..=900).contains(&image.width()), "{image:?}");
        }
    }

    #[test]
    fn what_fills_no_rows_is_refused() {
        for (count, shape, rows) in
            [(0, [1, 2, 2], 1), (3, [1, 2, 2], 2), (3, [2, 2, 2], 1), (2, [1, 2, 2], 0)]
        {
            assert!(draw(count, shape, rows).is_err(), "{count} {shape:?} {rows}");
        }
    }
}
