//! The kernels of a convolution.

use super::{
    canvas::Canvas,
    caption::Caption,
    colormap::ColorMap,
    layout::{Cut, Layout, Matrix},
    legend::{Legend, Mark},
    normalize::{Normalization, Range, Scale, to_byte},
    page::Page,
    shape,
    tile::{self, Plane, TILE_LIMIT, Zoom},
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
    /// Most input channels shown, four times as many for 1 x 1 kernels. The default is 16.
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
/// How many times more input channels are shown where each takes a single cell.
const POINTWISE: usize = 4;

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
        scale: options.normalization.scale(kernel)?,
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
    scale: Scale,
    options: &'a FilterOptions,
}

impl Drawing<'_> {
    fn draw(&self, caption: &Caption<'_>) -> Result<Image> {
        let layout = Layout::best(&self.matrix());
        let (note, legend) = (self.note(&layout), self.legend());
        let (mut canvas, origin) = Page::around(&layout, caption, &note, Some(&legend)).open()?;
        if let Some(color) = self.color_map().separator() {
            layout.draw_separators(&mut canvas, origin, color);
        }
        layout.draw_labels(&mut canvas, origin, |row| row.to_string());
        for (row, column, at) in layout.tiles(origin) {
            let index = if self.is_list() { column } else { row * self.inputs + column };
            self.draw_tile(&mut canvas, at, layout.zoom, index);
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
            let more = if self.size == (1, 1) { POINTWISE } else { 1 };
            (self.outputs.min(max_outputs), self.inputs.min(max_inputs.saturating_mul(more)), Cut::Rows)
        };
        let zooms = Zoom::choices(self.size, CELL.0, CELL.1, TILE_LIMIT);
        Matrix { rows, columns, tile: self.size, zooms, cut, labels: 0, label_lines: 1, lines: 6 }
    }

    /// Values of a tile, over all of its channels.
    fn tile_len(&self) -> usize {
        self.size.0 * self.size.1 * if self.rgb { 3 } else { 1 }
    }

    fn draw_tile(&self, canvas: &mut Canvas, at: (usize, usize), zoom: Zoom, index: usize) {
        let values = &self.kernel[index * self.tile_len()..][..self.tile_len()];
        let constant = tile::is_constant(values);
        if self.rgb {
            let range = self.scale.range.or_else(|| Range::of(values));
            tile::color_planes(canvas, at, values, self.size, zoom, |value| {
                range.filter(|_| value.is_finite()).map(|range| to_byte(range.unit(value) as f32))
            });
            if constant {
                tile::cross(canvas, at, self.size, zoom, [0; 3]);
            }
        } else {
            let plane = Plane::new(values, self.size.1);
            tile::plane(canvas, at, plane, zoom, (self.scale.range, self.color_map()), constant);
        }
    }

    fn color_map(&self) -> ColorMap {
        match (self.rgb, self.options.color_map) {
            (true, _) => ColorMap::Grey,
            (false, Some(map)) => map,
            (false, None) => self.scale.range.map_or(ColorMap::Viridis, ColorMap::suited_to),
        }
    }

    fn note(&self, layout: &Layout) -> String {
        let (height, width) = self.size;
        let kernel = match layout.zoom.down {
            1 => format!("filters {height} x {width}"),
            down => format!("filters {height} x {width}, each pixel the mean of {down} x {down}"),
        };
        if self.is_list() {
            let of = shape::shown(layout.columns, self.outputs, "output channel");
            let colors = if self.rgb { ", input channels as red, green, blue" } else { "" };
            return format!("{kernel}: {of}{colors}");
        }
        let rows = shape::shown(layout.rows, self.outputs, "output channel");
        let columns = shape::shown(layout.columns, self.inputs, "input channel");
        format!("{kernel}: {rows} down, {columns} across")
    }

    fn legend(&self) -> Legend {
        let tiles = self.kernel.chunks_exact(self.tile_len());
        let count = tiles.len();
        let constant = tiles.filter(|values| tile::is_constant(values)).count();
        let what = if self.rgb { "weight in each colour" } else { "weight" };
        let label = format!("{what}{}", self.scale.words);
        let mut marks = Vec::new();
        if constant > 0 {
            marks.push((Mark::Cross, format!("{constant} of {count} tiles constant")));
        }
        marks.extend(Mark::non_finite(self.kernel));
        Legend { map: self.color_map(), range: self.scale.range, ticks: Vec::new(), label, marks }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(kernel: &[f32], [outputs, inputs, height, width]: [usize; 4]) -> (String, Legend) {
        let options = &FilterOptions::default();
        let scale = options.normalization.scale(kernel).unwrap();
        let size = (height, width);
        let drawing = Drawing { kernel, outputs, inputs, size, rgb: inputs == 3, scale, options };
        (drawing.note(&Layout::best(&drawing.matrix())), drawing.legend())
    }

    #[test]
    fn left_out_channels_and_broken_weights_are_told() {
        let mut kernel: Vec<f32> = (0..128 * 64 * 9).map(|i| (i as f32).sin()).collect();
        kernel[..9].fill(0.25);
        kernel[10] = f32::NAN;
        let (note, legend) = words(&kernel, [128, 64, 3, 3]);
        let (rows, columns) =
            ("the first 64 of 128 output channels down", "the first 16 of 64 input channels across");
        assert_eq!(note, format!("filters 3 x 3: {rows}, {columns}"));
        assert_eq!(legend.label, "weight, one scale for the layer");
        let marks: Vec<&str> = legend.marks.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(marks, ["1 of 8192 tiles constant", "1 of 73728 values NaN or infinite"]);
    }

    #[test]
    fn colour_kernels_say_so() {
        let kernel: Vec<f32> = (0..8 * 3 * 25).map(|i| (i as f32).sin()).collect();
        let (note, legend) = words(&kernel, [8, 3, 5, 5]);
        assert_eq!(note, "filters 5 x 5: 8 output channels, input channels as red, green, blue");
        assert!(legend.label.starts_with("weight in each colour") && legend.marks.is_empty());
    }
}
