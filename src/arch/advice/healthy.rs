//! What is said of a model without a defect.

use super::{
    kinds::{Advice, AdviceKind},
    survey::{Survey, has_taps, joins},
    words,
};

/// Why nothing is wrong, with the numbers; `sees_all_pixels` unless that is not known.
pub(super) fn advice(survey: &Survey<'_>, sees_all_pixels: bool) -> Advice {
    let has_windows = survey.layers().any(|(_, layer)| has_taps(layer).contains(&true));
    let mut reasons = Vec::new();
    if has_windows {
        reasons.push("every window larger than 1x1 still adds context".to_owned());
        reasons.push("no holes in what the last maps see".to_owned());
    }
    match survey.layers().filter(|(_, layer)| joins(layer)).count() {
        0 => {}
        1 => reasons.push("the branches that are joined lie on each other".to_owned()),
        merges => reasons.push(format!("at all {merges} merges the branches lie on each other")),
    }
    reasons.push(match sees_all_pixels {
        true => "every pixel of the image is seen".to_owned(),
        false => "whether every pixel of the image is seen is not known, there are too many gaps".to_owned(),
    });
    let fields = survey.last_maps.last().and_then(|&place| Some((place, survey.field(place)?)));
    let message = match fields {
        None => {
            "the model has no maps of which a unit sees a part of the image: nothing to compare".to_owned()
        }
        Some((place, field)) => format!(
            "the last maps, `{}`, see {} pixels of the image of {}; {}",
            survey.model.layers[place].name,
            words::size(field.size()),
            words::size(survey.image),
            reasons.join("; ")
        ),
    };
    Advice { kind: AdviceKind::Healthy, layers: Vec::new(), message }
}
