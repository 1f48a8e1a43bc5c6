//! Layers as they are drawn.

use crate::{
    arch::{
        padding::Pair,
        receptive_field::{AxisField, ReceptiveField, ReceptiveFields},
        resolve::{ResolvedLayer, ResolvedModel, Source},
    },
    render::{LayerField, Taps, UnitField},
};

/// Offsets of a larger field are not listed: its holes could not be seen.
const MOST_SEEN: i64 = 1 << 14;

/// The layers that change what a unit sees, with their fields: those with windows larger than 1x1.
pub(super) fn with_windows<'a>(
    model: &'a ResolvedModel,
    fields: &'a ReceptiveFields,
) -> Vec<(&'a ResolvedLayer, &'a ReceptiveField)> {
    let has_window =
        |layer: &&ResolvedLayer| layer.window.is_some_and(|window| window.kernel != Pair::from(1));
    let field = |layer: &'a ResolvedLayer| Some((layer, fields.get(&layer.name)?));
    model.layers.iter().filter(has_window).filter_map(field).collect()
}

/// A layer's field with the unit in the middle, the one in the upper left corner, and one between. `None` where places
/// are not known.
pub(super) fn layer_field(layer: &ResolvedLayer, field: &ReceptiveField) -> Option<LayerField> {
    let map = layer.output_shape.size().unwrap_or([1, 1]);
    let mut units: Vec<[i64; 2]> = if field.stride().is_some() {
        vec![map.map(|side| side / 2), [0, 0], map.map(|side| side / 4)]
    } else {
        vec![[0, 0]]
    };
    let mut drawn = LayerField::new(layer.layer.type_name(), field.size()).map(map);
    drawn.stride = field.stride();
    drawn.padding = field.padding();
    drawn.seen = [seen(&field.rows), seen(&field.columns)];
    let mut done = Vec::new();
    units.retain(|unit| {
        let is_new = !done.contains(unit);
        done.push(*unit);
        is_new
    });
    for unit in units {
        let seen = field.unit_box(unit[0], unit[1])?;
        drawn = drawn.unit(UnitField {
            unit,
            top: seen.top,
            left: seen.left,
            bottom: seen.bottom,
            right: seen.right,
        });
    }
    Some(drawn)
}

/// The offsets that are seen, where there are holes.
fn seen(axis: &AxisField) -> Option<Vec<i64>> {
    let has_holes = axis.density.is_some_and(|density| density < 1.0);
    (has_holes && axis.size <= MOST_SEEN).then(|| axis.support().map(Iterator::collect)).flatten()
}

/// The kernels with holes: each layer, and where its taps lie on the image.
pub(super) fn dilated<'a>(
    model: &'a ResolvedModel,
    fields: &ReceptiveFields,
) -> Vec<(&'a ResolvedLayer, Taps)> {
    let taps = |layer: &'a ResolvedLayer| {
        let window = layer.window?;
        let (kernel, dilation): ([i64; 2], [i64; 2]) = (window.kernel.into(), window.dilation.into());
        (0..2).any(|axis| kernel[axis] > 1 && dilation[axis] > 1).then_some(())?;
        let stride = match *layer.inputs.first()? {
            Source::Image => [1, 1],
            Source::Layer(place) => fields.get(&model.layers[place].name)?.stride()?,
        };
        Some((layer, Taps::new(kernel, dilation).stride(stride)))
    };
    model.layers.iter().filter_map(taps).collect()
}
