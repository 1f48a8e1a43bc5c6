//! One tile: a kernel's slice, a map, an image.

use std::ops;

use super::{
    canvas::{Canvas, Rect, Rgb},
    colormap::{ColorMap, NON_FINITE, contrast},
    normalize::Range,
};

/// Whole-factor enlargement, nearest neighbour, or reduction, mean of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Zoom {
    /// Pixels a cell.
    pub up: usize,
    /// Values a cell, in both directions.
    pub down: usize,
}

impl Zoom {
    /// Pixels that `values` values take.
    pub fn pixels(self, values: usize) -> usize {
        values.div_ceil(self.down) * self.up
    }

    /// Height and width of a tile in pixels.
    pub fn tile(self, size: (usize, usize)) -> (usize, usize) {
        (self.pixels(size.0), self.pixels(size.1))
    }

    /// `least..=most` pixels a value where the least fits into `limit` pixels (height, width), else the largest zoom
    /// that does.
    pub fn choices(size: (usize, usize), least: usize, most: usize, limit: (usize, usize)) -> Vec<Zoom> {
        let fits = |zoom: Zoom| zoom.pixels(size.0) <= limit.0 && zoom.pixels(size.1) <= limit.1;
        let up = |up| Zoom { up, down: 1 };
        if fits(up(least)) {
            return (least..=most).map(up).filter(|&zoom| fits(zoom)).collect();
        }
        let larger = (1..least).rev().map(up).find(|&zoom| fits(zoom));
        vec![larger.unwrap_or_else(|| Zoom {
            up: 1,
            down: size.0.div_ceil(limit.0.max(1)).max(size.1.div_ceil(limit.1.max(1))),
        })]
    }
}

/// Largest tile of a picture: height, width.
pub(super) const TILE_LIMIT: (usize, usize) = (1000, 760);

/// One channel's values, row by row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plane<'a> {
    pub values: &'a [f32],
    pub width: usize,
}

impl<'a> Plane<'a> {
    pub fn new(values: &'a [f32], width: usize) -> Plane<'a> {
        Plane { values, width }
    }

    /// The mean over the values of a cell; not finite where one of them is not.
    pub fn cell(self, zoom: Zoom, row: usize, column: usize) -> f32 {
        let span = |cell: usize| cell * zoom.down..(cell + 1) * zoom.down;
        self.mean(span(row), span(column))
    }

    /// The mean over a rectangle of values, as far as it lies within; not finite where one of them is not.
    pub fn mean(self, rows: ops::Range<usize>, columns: ops::Range<usize>) -> f32 {
        let columns = columns.start..columns.end.min(self.width);
        let rows = self.values.chunks(self.width).skip(rows.start).take(rows.len());
        let (mut sum, mut count) = (0.0, 0.0);
        for value in rows.flat_map(|values| values.get(columns.clone()).unwrap_or_default()) {
            sum += f64::from(*value);
            count += 1.0;
        }
        (sum / count) as f32
    }
}

/// Whether all values are one finite value. A single one says nothing about its map.
pub(super) fn is_constant(values: &[f32]) -> bool {
    match values {
        [first, rest @ ..] => first.is_finite() && !rest.is_empty() && rest.iter().all(|v| v == first),
        [] => false,
    }
}

/// Draws the cells of a tile of `size` (height, width) values at `(x, y)`.
pub(super) fn cells(
    canvas: &mut Canvas,
    (x, y): (usize, usize),
    size: (usize, usize),
    zoom: Zoom,
    color: impl Fn(usize, usize) -> Rgb,
) {
    for row in 0..size.0.div_ceil(zoom.down) {
        for column in 0..size.1.div_ceil(zoom.down) {
            let cell = Rect::new(x + column * zoom.up, y + row * zoom.up, zoom.up, zoom.up);
            canvas.fill(cell, color(row, column));
        }
    }
}

/// Draws three channels as red, green and blue; `byte` is `None` where a value is not finite.
pub(super) fn color_planes(
    canvas: &mut Canvas,
    at: (usize, usize),
    values: &[f32],
    size: (usize, usize),
    zoom: Zoom,
    byte: impl Fn(f32) -> Option<u8>,
) {
    let len = size.0 * size.1;
    let planes = [0, 1, 2].map(|channel| Plane::new(&values[channel * len..][..len], size.1));
    cells(canvas, at, size, zoom, |row, column| {
        match planes.map(|plane| byte(plane.cell(zoom, row, column))) {
            [Some(r), Some(g), Some(b)] => [r, g, b],
            _ => NON_FINITE,
        }
    });
}

/// Draws one channel as it is; `byte` is `None` where a value is not finite.
pub(super) fn grey_plane(
    canvas: &mut Canvas,
    at: (usize, usize),
    plane: Plane<'_>,
    zoom: Zoom,
    byte: impl Fn(f32) -> Option<u8>,
) {
    let size = (plane.values.len() / plane.width, plane.width);
    cells(canvas, at, size, zoom, |row, column| {
        byte(plane.cell(zoom, row, column)).map_or(NON_FINITE, |v| [v; 3])
    });
}

/// Crosses a tile out.
pub(super) fn cross(canvas: &mut Canvas, at: (usize, usize), size: (usize, usize), zoom: Zoom, color: Rgb) {
    canvas.cross(Rect::new(at.0, at.1, zoom.pixels(size.1), zoom.pixels(size.0)), color);
}

/// Draws one channel: by `range`, or by its own where there is none; crossed where it is `constant`.
pub(super) fn plane(
    canvas: &mut Canvas,
    at: (usize, usize),
    plane: Plane<'_>,
    zoom: Zoom,
    (range, map): (Option<Range>, ColorMap),
    constant: bool,
) {
    let size = (plane.values.len() / plane.width, plane.width);
    let range = range.or_else(|| Range::of(plane.values));
    let color = |value: f32| match range {
        Some(range) if value.is_finite() => map.at(range.unit(value)),
        _ => NON_FINITE,
    };
    cells(canvas, at, size, zoom, |row, column| color(plane.cell(zoom, row, column)));
    if constant {
        cross(canvas, at, size, zoom, contrast(color(plane.values[0])));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_the_mean_of_its_block() {
        let values = [1.0, 2.0, 10.0, 3.0, 4.0, 20.0, 5.0, f32::NAN, 30.0];
        let plane = Plane::new(&values, 3);
        let zoom = Zoom { up: 1, down: 2 };
        assert_eq!(plane.cell(zoom, 0, 0), 2.5);
        assert_eq!(plane.cell(zoom, 0, 1), 15.0, "a narrower block at the edge");
        assert!(plane.cell(zoom, 1, 0).is_nan());
        assert_eq!(plane.cell(zoom, 1, 1), 30.0);
        assert_eq!(plane.cell(Zoom { up: 5, down: 1 }, 1, 2), 20.0);
    }

    #[test]
    fn one_value_and_non_finite_ones_are_not_constant() {
        assert!(is_constant(&[2.0, 2.0]) && is_constant(&[0.0, -0.0]));
        assert!(!is_constant(&[2.0, 2.5]) && !is_constant(&[2.0]) && !is_constant(&[]));
        assert!(!is_constant(&[f32::INFINITY; 3]) && !is_constant(&[f32::NAN; 3]));
    }

    #[test]
    fn zooms_are_whole_factors_that_fit() {
        let ups = |size, limit| {
            Zoom::choices(size, 8, 10, limit).iter().map(|z| (z.up, z.down)).collect::<Vec<_>>()
        };
        assert_eq!(ups((3, 3), (100, 100)), [(8, 1), (9, 1), (10, 1)]);
        assert_eq!(ups((3, 12), (100, 100)), [(8, 1)]);
        assert_eq!(ups((3, 30), (100, 100)), [(3, 1)]);
        assert_eq!(ups((1000, 30), (100, 100)), [(1, 10)]);
    }
}
