//! Bare tiles in torchvision's layout.

use super::{
    normalize::{Normalization, Range, to_byte},
    shape,
};
use crate::{
    error::{Error, Result},
    summary::Image,
};

/// How [`make_grid`] lays tiles out. The defaults are torchvision's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GridOptions {
    /// Tiles in a row (torchvision's `nrow`). The default is 8.
    pub columns: usize,
    /// Pixels around each tile. The default is 2.
    pub padding: usize,
    /// Brightness of the padding. The default is 0.
    pub pad_value: f32,
    /// Scales the values to 0..=1. [`Normalization::PerLayer`] is torchvision's `normalize`,
    /// [`PerFilter`](Normalization::PerFilter) its `scale_each`, [`Fixed`](Normalization::Fixed) its `value_range`.
    /// The default is `None`: values as they are.
    pub normalization: Option<Normalization>,
}

impl Default for GridOptions {
    fn default() -> GridOptions {
        GridOptions { columns: 8, padding: 2, pad_value: 0.0, normalization: None }
    }
}

/// A grid of tiles: three planes (red, green, blue) of `height * width` values.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    /// Planes one after the other, each row by row.
    pub values: Vec<f32>,
    /// Rows of pixels.
    pub height: usize,
    /// Pixels in a row.
    pub width: usize,
}

/// Pixels that a grid can have.
const MAX_PIXELS: usize = 1 << 24;

/// Tiles of shape `[N, C, H, W]`, C being 1 or 3, beside each other in torchvision's layout: `columns` in a row, padding
/// around each, one channel repeated in all three. A single tile stands without padding.
///
/// NaN and infinities stay what they are and do not count for the scale (torchvision's whole grid becomes NaN).
///
/// # Errors
/// A shape with an empty side or another number of values; other than one or three channels; no columns; a grid of more
/// than 2^24 pixels; a fixed range that is none.
///
/// ```
/// use convscope::render::{GridOptions, make_grid};
///
/// let grid = make_grid(&vec![0.0; 5 * 3 * 10 * 10], [5, 3, 10, 10], &GridOptions::default())?;
/// assert_eq!((grid.height, grid.width), (14, 62));
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn make_grid(values: &[f32], shape: [usize; 4], options: &GridOptions) -> Result<Grid> {
    shape::check("grid", "N, C, H, W", shape, values.len())?;
    shape::check_cap("grid", "columns", options.columns)?;
    let [tiles, channels, height, width] = shape;
    if channels != 1 && channels != 3 {
        return Err(Error::invalid("grid", format!("{channels} channels found; 1 or 3 can be shown")));
    }
    let columns = options.columns.min(tiles);
    let padding = if tiles == 1 { 0 } else { options.padding };
    let side =
        |count: usize, size: usize| size.checked_add(padding)?.checked_mul(count)?.checked_add(padding);
    let mut grid = match (side(tiles.div_ceil(columns), height), side(columns, width)) {
        (Some(height), Some(width))
            if height.checked_mul(width).is_some_and(|pixels| pixels <= MAX_PIXELS) =>
        {
            Grid { values: vec![options.pad_value; 3 * height * width], height, width }
        }
        _ => {
            return Err(Error::invalid(
                "grid",
                format!(
                    "{tiles} tiles of {height} x {width} with padding {padding} need more than {MAX_PIXELS} pixels; show fewer"
                ),
            ));
        }
    };
    let scale = options.normalization.map(|choice| choice.scale(values)).transpose()?;
    for (index, tile) in values.chunks_exact(channels * height * width).enumerate() {
        let range = scale.as_ref().and_then(|scale| scale.range.or_else(|| Range::of(tile)));
        let at =
            (padding + index / columns * (height + padding), padding + index % columns * (width + padding));
        for plane in 0..3 {
            let source = &tile[plane.min(channels - 1) * height * width..][..height * width];
            grid.put(plane, at, source, width, range);
        }
    }
    Ok(grid)
}

impl Grid {
    fn put(
        &mut self,
        plane: usize,
        (top, left): (usize, usize),
        source: &[f32],
        width: usize,
        range: Option<Range>,
    ) {
        for (row, line) in source.chunks_exact(width).enumerate() {
            let at = (plane * self.height + top + row) * self.width + left;
            for (target, &value) in self.values[at..at + width].iter_mut().zip(line) {
                *target = match range {
                    Some(range) if value.is_finite() => range.unit(value) as f32,
                    _ => value,
                };
            }
        }
    }

    /// The picture of it: brightness 0 to 1 as [`to_byte`] rounds it.
    ///
    /// # Errors
    /// A size that no picture can have.
    pub fn to_image(&self) -> Result<Image> {
        let plane = self.height * self.width;
        let bytes =
            (0..plane).flat_map(|at| [0, 1, 2].map(|channel| to_byte(self.values[channel * plane + at])));
        Image::rgb(self.width as u32, self.height as u32, bytes.collect())
    }
}
