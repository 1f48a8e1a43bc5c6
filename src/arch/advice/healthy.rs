//! What is said of a model without a defect.

use super::{
    final_field,
    kinds::{Advice, AdviceKind},
    survey::{Survey, has_taps, joins},
    words,
};

/// Why nothing is wrong, with the numbers. Whether every pixel of the image is seen need not be known; what the notes
/// say is not said again.
pub(super) fn advice(survey: &Survey<'_>, pixels_are_known: bool, notes: &[Advice]) -> Advice {
    Advice {
        kind: AdviceKind::Healthy,
        layers: Vec::new(),
        message: message(survey, pixels_are_known, notes),
    }
}

fn message(survey: &Survey<'_>, pixels_are_known: bool, notes: &[Advice]) -> String {
    let Some(maps) = final_field::describe(survey) else {
        return "the model has no maps of which a unit sees a part of the image: nothing to compare"
            .to_owned();
    };
    let mut reasons = Vec::new();
    if !notes.iter().any(|note| note.message.starts_with(&maps)) {
        reasons.push(format!("{maps} of the image of {}", words::size(survey.image)));
    }
    if survey.layers().any(|(_, layer)| has_taps(layer).contains(&true)) {
        reasons.push("every window larger than 1x1 still adds context".to_owned());
        let mut fields = survey.last_maps.iter().filter_map(|&place| survey.field(place));
        if fields.all(|field| field.density() == Some(1.0)) {
            reasons.push("no holes in what the last maps see".to_owned());
        }
    }
    match survey.layers().filter(|(_, layer)| joins(layer)).count() {
        0 => {}
        1 => reasons.push("the branches that are joined lie on each other".to_owned()),
        merges => reasons.push(format!("at all {merges} merges the branches lie on each other")),
    }
    reasons.push(match pixels_are_known {
        true => "every pixel of the image is seen".to_owned(),
        false => "whether every pixel of the image is seen is not known, there are too many gaps".to_owned(),
    });
    reasons.join("; ")
}
