//! Branches that do not lie on each other where they are joined.

use super::{
    kinds::{Advice, AdviceKind},
    survey::{Survey, joins},
    words,
};
use crate::arch::{
    receptive_field::ReceptiveField,
    resolve::{ResolvedLayer, Source},
};

/// So many merges are described; of more, the number.
const MOST: usize = 3;

/// The adds and concats at which paths of different centres meet for the first time.
pub(super) fn advice(survey: &Survey<'_>) -> Option<Advice> {
    let found: Vec<(&ResolvedLayer, String)> = survey
        .layers()
        .filter(|(_, layer)| joins(layer))
        .filter_map(|(place, layer)| Some((layer, describe(survey, place, layer)?)))
        .collect();
    if found.is_empty() {
        return None;
    }
    let described: Vec<&str> = found.iter().take(MOST).map(|(_, words)| words.as_str()).collect();
    let more = match found.len().saturating_sub(MOST) {
        0 => String::new(),
        more => format!("; so do {more} more"),
    };
    Some(Advice {
        kind: AdviceKind::MisalignedMerge,
        layers: found.iter().map(|(layer, _)| layer.name.clone()).collect(),
        message: format!(
            "{}{more}. A unit then joins what lies at different places of the image: give the branches paddings with \
             which their centres agree",
            described.join("; ")
        ),
    })
}

/// The two branches whose centres are farthest from each other, where they are farther than before the merge.
fn describe(survey: &Survey<'_>, place: usize, layer: &ResolvedLayer) -> Option<String> {
    let field = survey.field(place)?;
    let inputs: Vec<(Source, [f64; 2], Option<&ReceptiveField>)> = layer
        .inputs
        .iter()
        .filter_map(|&source| match source {
            Source::Image => Some((source, [0.0, 0.0], None)),
            Source::Layer(at) => {
                let field = survey.field(at)?;
                Some((source, field.center()?, Some(field)))
            }
        })
        .collect();
    let is_new = |axis: usize| {
        let of = |field: &ReceptiveField| [&field.rows, &field.columns][axis].misalignment();
        let before = inputs.iter().filter_map(|(_, _, field)| field.and_then(of)).fold(0.0, f64::max);
        of(field).is_some_and(|here| here > before)
    };
    let axes: Vec<usize> = (0..2).filter(|&axis| is_new(axis)).collect();
    let axis = *axes.first()?;
    let by_center = |a: &&(Source, [f64; 2], _), b: &&(Source, [f64; 2], _)| a.1[axis].total_cmp(&b.1[axis]);
    let (least, most) = (inputs.iter().min_by(by_center)?, inputs.iter().max_by(by_center)?);
    let at = |center: [f64; 2]| format!("({}, {})", center[0], center[1]);
    Some(format!(
        "{} joins `{}`, whose unit (0, 0) has its centre at {}, with `{}`, whose has it at {}",
        words::names(&[&layer.name]),
        survey.name(least.0),
        at(least.1),
        survey.name(most.0),
        at(most.1),
    ))
}
