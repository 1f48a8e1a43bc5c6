//! The kernels of a convolution.

use super::{
    canvas::Canvas,
    caption::Caption,
    colormap::ColorMap,
    layout::{Cut, Layout, Matrix},
    legend::{Legend, Mark},
    normalize::{Normalization, Range, to_byte},
    page::Page,
    shape,
    tile::{self, Plane, Zoom},
};
use crate::{error::Result, summary::Image};

/// How [`filters`] draws.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FilterOptions {
    /// Which weights get which colour. The default is [`Normalization::Symmetric`].
    pub normalization: Normalization,
    /// Colours; where `None`, the default, blue to red on symmetric scales and viridis on others.
    pub color_map: Option<ColorMap>,
    /// Whether kernels of three input channels are shown as colour images. The default is true.
    pub rgb: bool,
    /// Most output channels shown. The default is 64.
    pub max_outputs: usize,
    /// Most input channels shown. The default is 16.
    pub max_inputs: usize,
}

impl Default for FilterOptions {
    fn default() -> FilterOptions {
        FilterOptions {
            normalization: Normalization::Symmetric,
            color_map: None,
            rgb: true,
            max_outputs: 64,
            max_inputs: 16,
        }
    }
}

/// Pixels a weight, at least and at most.
const CELL: (usize, usize) = (8, 32);
/// Largest tile: height, width.
const TILE_LIMIT: (usize, usize) = (1000, 760);

/// A picture of a convolution's kernel, a tile for each pair of output and input channel: rows are outputs, columns are
/// inputs. Where a filter is one tile (one input channel, or three shown as red, green and blue), the tiles are a list,
/// and up to `max_outputs * max_inputs` are shown. Weights are enlarged to at least 8 pixels a side where the kernel
/// is not larger than a card, averaged over blocks where it is larger than a picture.
///
/// `kernel` holds the weights of shape `[out, in, kh, kw]`, row by row. Left-out channels, constant tiles (crossed) and
/// non-finite weights (magenta) are counted in the picture; scale and counts are those of the whole layer. 400 to 900
/// pixels wide, at most 1600 high.
///
/// # Errors
/// A shape with an empty side or another number of weights; caps of 0; a fixed range that is none.
///
/// ```
/// use convscope::{Step, render::{Caption, FilterOptions, filters}};
///
/// let kernel: Vec<f32> = (0..8 * 4 * 9).map(|i| (i as f32).sin()).collect();
/// let caption = Caption { layer: "conv1", step: Step::new(100), epoch: Some(1) };
/// let image = filters(&kernel, [8, 4, 3, 3], &caption, &FilterOptions::default())?;
/// assert!((400..=900).contains(&image.width()));
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn filters(
    kernel: &[f32],
    [outputs, inputs, height, width]: [usize; 4],
    caption: &Caption<'_>,
    options: &FilterOptions,
) -> Result<Image> {
    let what = || format!("filters of layer `{}`", caption.layer);
    shape::check(&what(), "out, in, kh, kw", [outputs, inputs, height, width], kernel.len())?;
    shape::check_cap(&what(), "max_outputs", options.max_outputs)?;
    shape::check_cap(&what(), "max_inputs", options.max_inputs)?;
    let drawing = Drawing {
        kernel,
        outputs,
        inputs,
        size: (height, width),
        rgb: options.rgb && inputs == 3,
        range: options.normalization.layer_range(kernel)?,
        options,
    };
    drawing.draw(caption)
}

struct Drawing<'a> {
    kernel: &'a [f32],
    outputs: usize,
    inputs: usize,
    /// Height and width of a kernel.
    size: (usize, usize),
    /// Whether three input channels make one colour tile.
    rgb: bool,
    range: Option<Range>,
    options: &'a FilterOptions,
}

impl Drawing<'_> {
    fn draw(&self, caption: &Caption<'_>) -> Result<Image> {
        let layout = Layout::best(&self.matrix());
        let (note, legend) = (self.note(&layout), self.legend());
        let (mut canvas, origin) = Page::around(&layout, caption, &note, Some(&legend)).open()?;
        layout.draw_labels(&mut canvas, origin, |row| row.to_string());
        for row in 0..layout.rows {
            for column in 0..layout.columns {
                let (x, y) = layout.tile(row, column);
                let at = (origin.0 + x, origin.1 + y);
                match self.is_list() {
                    true => self.draw_tile(&mut canvas, at, layout.zoom, column),
                    false => self.draw_tile(&mut canvas, at, layout.zoom, row * self.inputs + column),
                }
            }
        }
        canvas.into_image()
    }

    /// Whether each filter is one tile.
    fn is_list(&self) -> bool {
        self.rgb || self.inputs == 1
    }

    fn matrix(&self) -> Matrix {
        let FilterOptions { max_outputs, max_inputs, .. } = *self.options;
        let (rows, columns, cut) = if self.is_list() {
            (1, self.outputs.min(max_outputs.saturating_mul(max_inputs)), Cut::Columns)
        } else {
            (self.outputs.min(max_outputs), self.inputs.min(max_inputs), Cut::Rows)
        };
        let zooms = Zoom::choices(self.size, CELL.0, CELL.1, TILE_LIMIT);
        Matrix { rows, columns, tile: self.size, zooms, cut, labels: 0, lines: 6 }
    }

    /// Values of a tile, over all of its channels.
    fn tile_len(&self) -> usize {
        self.size.0 * self.size.1 * if self.rgb { 3 } else { 1 }
    }

    fn draw_tile(&self, canvas: &mut Canvas, at: (usize, usize), zoom: Zoom, index: usize) {
        let values = &self.kernel[index * self.tile_len()..][..self.tile_len()];
        let constant = tile::is_constant(values);
        if self.rgb {
            let range = self.range.or_else(|| Range::of(values));
            tile::color_planes(canvas, at, values, self.size, zoom, |value| {
                range.filter(|_| value.is_finite()).map(|range| to_byte(range.unit(value) as f32))
            });
            if constant {
                tile::cross(canvas, at, self.size, zoom, [0; 3]);
            }
        } else {
            let plane = Plane::new(values, self.size.1);
            tile::plane(canvas, at, plane, zoom, (self.range, self.color_map()), constant);
        }
    }

    fn color_map(&self) -> ColorMap {
        match (self.rgb, self.options.color_map) {
            (true, _) => ColorMap::Grey,
            (false, Some(map)) => map,
            (false, None) => self.range.map_or(ColorMap::Viridis, ColorMap::suited_to),
        }
    }

    fn note(&self, layout: &Layout) -> String {
        let (height, width) = self.size;
        let kernel = match layout.zoom.down {
            1 => format!("filters {height} x {width}"),
            down => format!("filters {height} x {width}, each pixel the mean of {down} x {down}"),
        };
        if self.is_list() {
            let of = shape::shown(layout.columns, self.outputs, "output channels");
            let colors = if self.rgb { ", input channels as red, green, blue" } else { "" };
            return format!("{kernel}: {of}{colors}");
        }
        let rows = shape::shown(layout.rows, self.outputs, "output channels");
        let columns = shape::shown(layout.columns, self.inputs, "input channels");
        format!("{kernel}: {rows} down, {columns} across")
    }

    fn legend(&self) -> Legend {
        let tiles = self.kernel.chunks_exact(self.tile_len());
        let count = tiles.len();
        let constant = tiles.filter(|values| tile::is_constant(values)).count();
        let what = if self.rgb { "weight, in each colour" } else { "weight" };
        let label = format!("{what}, {}", self.options.normalization.words(self.range));
        let mut marks = Vec::new();
        if constant > 0 {
            marks.push((Mark::Cross, format!("{constant} of {count} tiles constant")));
        }
        marks.extend(Mark::non_finite(self.kernel));
        Legend { map: self.color_map(), range: self.range, label, marks }
    }
}
