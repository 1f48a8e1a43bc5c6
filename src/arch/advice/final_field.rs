//! The field of the last maps against the size of an object.

use super::{
    kinds::{Advice, AdviceKind, AdviceOptions},
    survey::Survey,
    words,
};
use crate::arch::receptive_field::ReceptiveField;

/// That the last maps see less than an object; or, where its size is not given, less than the image, which is a note.
pub(super) fn advice(survey: &Survey<'_>, options: &AdviceOptions) -> Option<Advice> {
    let wanted = options.object_size.unwrap_or(survey.image);
    let is_small = |size: [i64; 2]| size[0] < wanted[0] || size[1] < wanted[1];
    if let Some(object) =
        options.object_size.filter(|&size| size[0] > survey.image[0] || size[1] > survey.image[1])
    {
        return Some(Advice {
            kind: AdviceKind::SmallFinalField,
            layers: Vec::new(),
            message: format!(
                "an object of {} pixels is larger than the image of {}: no unit can see a whole one. Give the model \
                 images that hold an object, or state its size in pixels of these images",
                words::size(object),
                words::size(survey.image)
            ),
        });
    }
    let mut sizes =
        survey.last_maps.iter().filter_map(|&place| survey.field(place)).map(ReceptiveField::size);
    // Of several last maps one that sees enough is enough.
    if !sizes.all(is_small) {
        return None;
    }
    let layers = survey.names(&survey.last_maps);
    let maps = describe(survey)?;
    Some(match options.object_size {
        Some(object) => Advice {
            kind: AdviceKind::SmallFinalField,
            layers,
            message: format!(
                "{maps}, less than an object of {}: no unit sees a whole one, and only the layers behind can put its \
                 parts together. Add layers, strides or dilations that grow the field, or give the model smaller images",
                words::size(object)
            ),
        },
        None => Advice {
            kind: AdviceKind::Note,
            layers,
            message: format!(
                "{maps} of the image's {}. That is enough where objects are not larger: give the size of an object to \
                 have it compared",
                words::size(survey.image)
            ),
        },
    })
}

/// What a unit of the last maps sees; of several maps, of the one whose units see most. `None` if there are none.
pub(super) fn describe(survey: &Survey<'_>) -> Option<String> {
    let sizes = survey.last_maps.iter().filter_map(|&place| Some((place, survey.field(place)?.size())));
    let (most, size) = sizes.max_by_key(|(_, size)| size[0].saturating_mul(size[1]))?;
    let names = words::names(&survey.names(&survey.last_maps));
    let size = words::size(size);
    Some(match survey.last_maps.len() {
        1 => format!("a unit of the last maps, {names}, sees {size} pixels"),
        _ => format!(
            "of the last maps, {names}, a unit of `{}` sees most: {size} pixels",
            survey.model.layers[most].name
        ),
    })
}
