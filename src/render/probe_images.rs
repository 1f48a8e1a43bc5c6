//! The fixed images whose feature maps are shown.

use super::{
    caption::Caption,
    layout::{Cut, Layout, Matrix},
    normalize::to_byte,
    page::{INK, Page},
    shape, text,
    tile::{self, Plane, TILE_LIMIT, Zoom},
};
use crate::{
    error::{Error, Result},
    summary::Image,
};

/// Most images shown.
const MAX_IMAGES: usize = 256;
/// Smallest side of a tile, so that a label fits below it.
const TILE: usize = 96;
/// Most pixels a value.
const LARGEST_CELL: usize = 16;

/// A picture of a probe batch as it goes into the network, except that brightness is 0 to 1: grey for one channel,
/// colour for three, and a label below each image. The images are numbered as in the pictures of feature maps.
///
/// `pixels` holds the brightness of shape `[N, C, H, W]`, row by row; `labels` has a text for each image, or none at
/// all. Up to 256 images are shown as far as they fit. 400 to 900 pixels wide, at most 1600 high.
///
/// # Errors
/// A shape with an empty side or another number of values; other than one or three channels; another number of labels.
///
/// ```
/// use convscope::{Step, render::{Caption, probe_images}};
///
/// let pixels = vec![0.5; 2 * 8 * 8];
/// let labels = ["Bag".to_owned(), "Coat".to_owned()];
/// let caption = Caption { layer: "probe images", step: Step::new(0), epoch: None };
/// let image = probe_images(&pixels, [2, 1, 8, 8], &labels, &caption)?;
/// assert!((400..=900).contains(&image.width()));
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn probe_images(
    pixels: &[f32],
    [images, channels, height, width]: [usize; 4],
    labels: &[String],
    caption: &Caption<'_>,
) -> Result<Image> {
    let what = "probe images";
    shape::check(what, "N, C, H, W", [images, channels, height, width], pixels.len())?;
    if channels != 1 && channels != 3 {
        return Err(Error::invalid(
            what,
            format!("{channels} channels found; 1 (grey) or 3 (red, green, blue) can be shown"),
        ));
    }
    if !labels.is_empty() && labels.len() != images {
        return Err(Error::invalid(
            what,
            format!("{} labels found for {images} images; give one each, or none", labels.len()),
        ));
    }
    let size = (height, width);
    let least = TILE.div_ceil(height.min(width)).clamp(1, LARGEST_CELL);
    let layout = Layout::best(&Matrix {
        rows: 1,
        columns: images.min(MAX_IMAGES),
        tile: size,
        zooms: zooms(size, least),
        cut: Cut::Columns,
        labels: labels.iter().map(|label| label.chars().count()).max().unwrap_or(0).min(24) + 4,
        label_lines: 1,
        lines: 3,
    });
    let note = note(size, images, layout.columns, layout.zoom);
    let (mut canvas, origin) = Page::around(&layout, caption, &note, None).open()?;
    for ((_, image, at), values) in layout.tiles(origin).zip(pixels.chunks_exact(channels * height * width)) {
        let byte = |value: f32| value.is_finite().then(|| to_byte(value));
        if channels == 3 {
            tile::color_planes(&mut canvas, at, values, size, layout.zoom, byte);
        } else {
            let plane = Plane::new(values, width);
            tile::grey_plane(&mut canvas, at, plane, layout.zoom, byte);
        }
        let label =
            labels.get(image).map_or_else(|| format!("#{image}"), |label| format!("#{image} {label}"));
        let label = text::shorten(&label, layout.zoom.pixels(width) / layout.font.advance());
        let below = (at.0, at.1 + layout.zoom.pixels(height) + 1);
        text::draw(&mut canvas, below, &label, layout.font, false, INK);
    }
    canvas.into_image()
}

fn zooms(size: (usize, usize), least: usize) -> Vec<Zoom> {
    let mut zooms = Zoom::choices(size, least, LARGEST_CELL, TILE_LIMIT);
    zooms.extend((2..=size.0.min(size.1) / TILE).map(|down| Zoom { up: 1, down }));
    zooms
}

fn note((height, width): (usize, usize), images: usize, shown: usize, zoom: Zoom) -> String {
    let images = shape::shown(shown, images, "image");
    match zoom.down {
        1 => format!("{images} of {height} x {width} pixels, brightness 0 to 1"),
        down => format!(
            "{images} of {height} x {width} pixels (each pixel the mean of {down} x {down}), brightness 0 to 1"
        ),
    }
}
