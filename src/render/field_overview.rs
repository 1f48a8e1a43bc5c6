//! How the receptive field grows from layer to layer.

use super::{
    boxes::Pen,
    caption::Caption,
    layer_field::LayerField,
    layout::{Cut, Layout, Matrix},
    page::{INK, Page},
    receptive_field::{self, by},
    scene::{Area, Scene},
    shape, text,
    tile::{TILE_LIMIT, Zoom},
};
use crate::{
    error::{Error, Result},
    summary::Image,
};

/// Most layers shown.
const MAX_LAYERS: usize = 64;
/// Smallest side of a tile, so that a label fits below it.
const TILE: usize = 120;
/// Most pixels a value.
const LARGEST_CELL: usize = 12;
/// Letters of a label that are not shortened.
const LABEL: usize = 18;

/// A picture of how the receptive field grows: a tile for each layer, in the order given, with the image and the box of
/// the layer's first unit on it, the field's size in its corner and the layer's name below. Around each image there is a
/// quarter of its longer side; edges of boxes that reach further are dashed.
///
/// Up to 64 layers are shown as far as they fit. 400 to 900 pixels wide, at most 1600 high.
///
/// # Errors
/// No layer at all, and as [`receptive_field`](super::receptive_field()).
///
/// ```
/// use convscope::{Image, Step, render::{Caption, LayerField, UnitField, receptive_fields}};
///
/// let image = Image::gray(28, 28, vec![128; 28 * 28])?;
/// let unit = |reach| UnitField { unit: [14, 14], top: 14 - reach, left: 14 - reach, bottom: 15 + reach, right: 15 + reach };
/// let layers = [1, 2, 3].map(|n| (format!("conv{n}"), LayerField::new("conv2d", [2 * n + 1; 2]).unit(unit(n))));
/// let picture = receptive_fields(&image, &layers, &Caption { layer: "tiny", step: Step::new(0), epoch: None })?;
/// assert!((400..=900).contains(&picture.width()));
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn receptive_fields(
    image: &Image,
    layers: &[(String, LayerField)],
    caption: &Caption<'_>,
) -> Result<Image> {
    if layers.is_empty() {
        return Err(Error::invalid("overview of receptive fields", "there is no layer to show"));
    }
    layers.iter().try_for_each(|(name, field)| field.check(name))?;
    let whole = Area::of_image(image);
    let area = whole.grown((whole.height().max(whole.width()) / 4).max(1));
    let tile = (area.height() as usize, area.width() as usize);
    let layout = Layout::best(&Matrix {
        rows: 1,
        columns: layers.len().min(MAX_LAYERS),
        tile,
        zooms: zooms(tile),
        cut: Cut::Columns,
        labels: layers.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(1).clamp(1, LABEL),
        label_lines: 1,
        lines: 3,
    });
    let note = note(layers, layout.columns, image);
    let (mut canvas, origin) = Page::around(&layout, caption, &note, None).open()?;
    for ((_, _, at), (name, field)) in layout.tiles(origin).zip(layers) {
        let scene = Scene { area, zoom: layout.zoom, at };
        let first = LayerField { units: field.units[..1].to_vec(), map: None, ..field.clone() };
        receptive_field::draw(&mut canvas, scene, image, &first, None)?;
        let pen = Pen { scale: 1, font: layout.font };
        let size = pen.plate(&by(field.size), receptive_field::color(0), scene.sides().0)?;
        canvas.paste(&size, at, 1);
        let label = text::shorten(name, scene.sides().0 / layout.font.advance());
        let below = (at.0, at.1 + scene.sides().1 + 1);
        text::draw(&mut canvas, below, &label, layout.font, false, INK);
    }
    canvas.into_image()
}

fn zooms(size: (usize, usize)) -> Vec<Zoom> {
    let least = TILE.div_ceil(size.0.min(size.1)).clamp(1, LARGEST_CELL);
    let mut zooms = Zoom::choices(size, least, LARGEST_CELL, TILE_LIMIT);
    zooms.extend((2..=size.0.min(size.1) / TILE).map(|down| Zoom { up: 1, down }));
    zooms
}

fn note(layers: &[(String, LayerField)], count: usize, image: &Image) -> String {
    let seen = shape::shown(count, layers.len(), "layer");
    let size = by([image.height().into(), image.width().into()]);
    format!(
        "{seen} in depth order: what a unit in the middle sees of the image of {size} pixels. Hatched: outside of it"
    )
}
