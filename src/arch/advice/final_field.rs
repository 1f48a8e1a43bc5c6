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
    let found = survey.last_maps.iter().map(|&place| (place, survey.field(place).map(ReceptiveField::size)));
    let small: Vec<(usize, [i64; 2])> = found
        .filter_map(|(place, size)| size.filter(|&size| is_small(size)).map(|size| (place, size)))
        .collect();
    // Of several last maps one that sees enough is enough.
    if small.is_empty() || small.len() < survey.last_maps.len() {
        return None;
    }
    let layers = survey.names(&small.iter().map(|&(place, _)| place).collect::<Vec<_>>());
    let largest = small.iter().map(|&(_, size)| size).max_by_key(|size| size[0].saturating_mul(size[1]))?;
    let maps =
        format!("a unit of the last maps, {}, sees {} pixels", words::names(&layers), words::size(largest));
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
