//! What a layer answers to the probe images.

use super::{
    caption::Caption,
    colormap::ColorMap,
    layout::{Cut, Layout, Matrix},
    legend::{Legend, Mark},
    normalize::{Normalization, Scale},
    page::Page,
    shape,
    tile::{self, Plane, TILE_LIMIT, Zoom},
};
use crate::{error::Result, summary::Image};

/// How [`feature_maps`] draws.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeatureMapOptions {
    /// Which values get which colour. The default is [`Normalization::Auto`].
    pub normalization: Normalization,
    /// Colours; where `None`, the default, blue to red on symmetric scales and viridis on others.
    pub color_map: Option<ColorMap>,
    /// Most probe images shown. The default is 8.
    pub max_images: usize,
    /// Most channels shown. The default is 64.
    pub max_channels: usize,
}

impl Default for FeatureMapOptions {
    fn default() -> FeatureMapOptions {
        FeatureMapOptions {
            normalization: Normalization::Auto,
            color_map: None,
            max_images: 8,
            max_channels: 64,
        }
    }
}

/// Up to this side maps are enlarged to at least three pixels a value.
const SMALL_MAP: usize = 16;
/// Maps with a longer side than this may be shown smaller than they are, but no side below it.
const LARGE_MAP: usize = 28;
/// Most pixels a value.
const LARGEST_CELL: usize = 24;

/// A picture of a layer's output for a probe batch: a row for each image, a column for each channel, in several bands
/// where one would be too wide. For a single image the channels are a list. Small maps are enlarged, large ones
/// averaged over blocks.
///
/// `maps` holds the values of shape `[N, C, H, W]`, row by row. Left-out channels, constant maps (crossed) and
/// non-finite values (magenta) are counted in the picture; scale and counts are those of the whole layer. Maps of one
/// value count as constant where they are the same for all images, of which there are two or more. 400 to 900 pixels
/// wide, at most 1600 high.
///
/// # Errors
/// A shape with an empty side or another number of values; caps of 0; a fixed range that is none.
///
/// ```
/// use convscope::{Step, render::{Caption, FeatureMapOptions, feature_maps}};
///
/// let maps: Vec<f32> = (0..2 * 8 * 49).map(|i| (i as f32).sin().max(0.0)).collect();
/// let caption = Caption { layer: "relu1", step: Step::new(100), epoch: Some(1) };
/// let image = feature_maps(&maps, [2, 8, 7, 7], &caption, &FeatureMapOptions::default())?;
/// assert!(image.height() <= 1600);
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn feature_maps(
    maps: &[f32],
    [images, channels, height, width]: [usize; 4],
    caption: &Caption<'_>,
    options: &FeatureMapOptions,
) -> Result<Image> {
    let what = || format!("feature maps of layer `{}`", caption.layer);
    shape::check(&what(), "N, C, H, W", [images, channels, height, width], maps.len())?;
    shape::check_cap(&what(), "max_images", options.max_images)?;
    shape::check_cap(&what(), "max_channels", options.max_channels)?;
    let scale = options.normalization.scale(maps)?;
    let drawing = Drawing { maps, images, channels, size: (height, width), scale, options };
    drawing.draw(caption)
}

struct Drawing<'a> {
    maps: &'a [f32],
    images: usize,
    channels: usize,
    /// Height and width of a map.
    size: (usize, usize),
    scale: Scale,
    options: &'a FeatureMapOptions,
}

impl<'a> Drawing<'a> {
    fn draw(&self, caption: &Caption<'_>) -> Result<Image> {
        let layout = Layout::best(&self.matrix());
        let (note, legend) = (self.note(&layout), self.legend());
        let (mut canvas, origin) = Page::around(&layout, caption, &note, Some(&legend)).open()?;
        if let Some(color) = self.color_map().separator() {
            layout.draw_separators(&mut canvas, origin, color);
        }
        layout.draw_labels(&mut canvas, origin, |row| format!("#{row}"));
        let colors = (self.scale.range, self.color_map());
        for (image, channel, at) in layout.tiles(origin) {
            let plane = Plane::new(self.map(image, channel), self.size.1);
            tile::plane(&mut canvas, at, plane, layout.zoom, colors, self.is_constant(image, channel));
        }
        canvas.into_image()
    }

    fn map(&self, image: usize, channel: usize) -> &'a [f32] {
        let len = self.size.0 * self.size.1;
        &self.maps[(image * self.channels + channel) * len..][..len]
    }

    fn is_constant(&self, image: usize, channel: usize) -> bool {
        if self.size != (1, 1) {
            return tile::is_constant(self.map(image, channel));
        }
        let answers: Vec<f32> = (0..self.images).map(|image| self.map(image, channel)[0]).collect();
        tile::is_constant(&answers)
    }

    fn matrix(&self) -> Matrix {
        let side = self.size.0.max(self.size.1);
        let least = if side <= SMALL_MAP { 3 } else { 1 };
        let mut zooms = Zoom::choices(self.size, least, LARGEST_CELL, TILE_LIMIT);
        zooms.extend((2..=side / LARGE_MAP).map(|down| Zoom { up: 1, down }));
        Matrix {
            rows: self.images.min(self.options.max_images),
            columns: self.channels.min(self.options.max_channels),
            tile: self.size,
            zooms,
            cut: Cut::Columns,
            labels: 0,
            label_lines: 1,
            lines: 6,
        }
    }

    fn color_map(&self) -> ColorMap {
        self.options
            .color_map
            .unwrap_or_else(|| self.scale.range.map_or(ColorMap::Viridis, ColorMap::suited_to))
    }

    fn note(&self, layout: &Layout) -> String {
        let (height, width) = self.size;
        let maps = match layout.zoom.down {
            1 => format!("feature maps {height} x {width}"),
            down => format!("feature maps {height} x {width}, each pixel the mean of {down} x {down}"),
        };
        let channels = shape::shown(layout.columns, self.channels, "channel");
        let images = shape::shown(layout.rows, self.images, "probe image");
        match layout.rows {
            1 => format!("{maps}: {channels}, {images}"),
            _ => format!("{maps}: {images} down, {channels} across"),
        }
    }

    fn legend(&self) -> Legend {
        let label = format!("activation{}", self.scale.words);
        let mut marks = Vec::new();
        marks.extend(self.constant_mark());
        marks.extend(Mark::non_finite(self.maps));
        Legend { map: self.color_map(), range: self.scale.range, ticks: Vec::new(), label, marks }
    }

    /// Counts the constant maps, and the channels that are constant for every image.
    fn constant_mark(&self) -> Option<(Mark, String)> {
        let (mut maps, mut channels) = (0, 0);
        for channel in 0..self.channels {
            let constant = (0..self.images).filter(|&image| self.is_constant(image, channel)).count();
            maps += constant;
            channels += usize::from(constant == self.images);
        }
        let total = self.images * self.channels;
        let everywhere = match self.images {
            1 => String::new(),
            _ => format!("; {channels} of {} channels on every image", self.channels),
        };
        (maps > 0).then(|| (Mark::Cross, format!("{maps} of {total} maps constant{everywhere}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(
        maps: &[f32],
        [images, channels, height, width]: [usize; 4],
        normalization: Normalization,
    ) -> (String, Legend) {
        let options = &FeatureMapOptions { normalization, ..FeatureMapOptions::default() };
        let scale = normalization.scale(maps).unwrap();
        let drawing = Drawing { maps, images, channels, size: (height, width), scale, options };
        (drawing.note(&Layout::best(&drawing.matrix())), drawing.legend())
    }

    #[test]
    fn left_out_channels_and_dead_ones_are_told() {
        let mut maps: Vec<f32> = (0..2 * 100 * 49).map(|i| (i as f32).sin().abs()).collect();
        maps[..49].fill(0.0);
        maps[99 * 49..101 * 49].fill(0.0);
        maps[60] = f32::INFINITY;
        let (note, legend) = words(&maps, [2, 100, 7, 7], Normalization::PerFilter);
        assert_eq!(note, "feature maps 7 x 7: 2 probe images down, the first 64 of 100 channels across");
        assert!(
            legend.label.starts_with("activation, each tile scaled by itself (all: 0 to"),
            "{}",
            legend.label
        );
        let marks: Vec<&str> = legend.marks.iter().map(|(_, text)| text.as_str()).collect();
        let constant = "3 of 200 maps constant; 1 of 100 channels on every image";
        assert_eq!(marks, [constant, "1 of 9800 values NaN or infinite"]);
    }

    #[test]
    fn the_scale_that_was_chosen_is_told() {
        let maps: Vec<f32> = (1..=1000).map(|i| i as f32).collect();
        let label = |normalization| words(&maps, [1, 1, 20, 50], normalization).1;
        let auto = label(Normalization::Auto);
        assert_eq!(auto.label, "activation, one scale up to the layer's 99th percentile (all: 1 to 1000)");
        assert_eq!(auto.range.map(|range| (range.lo, range.hi)), Some((0.0, 990.0)));
        let fixed = label(Normalization::Fixed { lo: -1.0, hi: 1.0 });
        assert_eq!(fixed.label, "activation, fixed scale (found: 1 to 1000)");
        assert_eq!(fixed.map, ColorMap::BlueRed);
    }
}
