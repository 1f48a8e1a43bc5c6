//! Layers whose windows bring in nothing new.

use super::{
    kinds::{Advice, AdviceKind},
    survey::{Survey, has_taps, joins},
    words,
};
use crate::{arch::resolve::ResolvedLayer, summary::thousands};

/// The unproductive layers, if there are any.
pub(super) fn advice(survey: &Survey<'_>) -> Option<Advice> {
    let windows = survey.layers().filter(|(_, layer)| has_taps(layer).contains(&true));
    let count = windows.count();
    let tail: Vec<(&ResolvedLayer, [i64; 2])> =
        survey.layers().filter_map(|(_, layer)| Some((layer, covering_input(survey, layer)?))).collect();
    let ((first, least), (last, most)) = (*tail.first()?, *tail.last()?);
    let names: Vec<String> = tail.iter().map(|(layer, _)| layer.name.clone()).collect();
    let params: i64 = tail.iter().map(|(layer, _)| layer.param_count()).fold(0, i64::saturating_add);
    let all_params = survey.layers().map(|(_, layer)| layer.param_count()).fold(0, i64::saturating_add);
    let heads = if survey.model.auxiliary.is_empty() { "" } else { " without auxiliary heads" };
    let range = if tail.len() == 1 {
        format!("it sees {}", words::size(least))
    } else {
        format!(
            "that of `{}` sees {}, that of `{}` {}",
            first.name,
            words::size(least),
            last.name,
            words::size(most)
        )
    };
    let params = if params > 0 {
        let share = words::percent(params as f64, all_params as f64);
        let subject = if tail.len() == 1 { "It holds" } else { "They hold" };
        format!(" {subject} {share} of the model's {} parameters{heads}.", thousands(&all_params))
    } else {
        String::new()
    };
    let shortcuts = if survey.layers().any(|(_, layer)| joins(layer)) {
        " Sizes are those of the longest path; shortcuts see less."
    } else {
        ""
    };
    let verb = if tail.len() == 1 { "adds" } else { "add" };
    let message = format!(
        "{} of {} with windows larger than 1x1 {verb} no context: {}. The input already sees as much as the image of {} \
         has: {range}.{params}{shortcuts} Give the model larger images, shrink the maps later, or leave layers out",
        tail.len(),
        words::count(count as i64, "layer"),
        words::names(&names),
        words::size(survey.image),
    );
    Some(Advice { kind: AdviceKind::UnproductiveTail, layers: names, message })
}

/// The size of the input's field, where it is as large as the image along all axes in which the window has several taps.
/// An upper bound, as behind an adaptive pooling with regions of different sizes, does not tell.
fn covering_input(survey: &Survey<'_>, layer: &ResolvedLayer) -> Option<[i64; 2]> {
    let taps = has_taps(layer);
    let input = survey.input_size(layer)?;
    let exact = survey.input_is_exact(layer);
    let covers =
        (0..2).filter(|&axis| taps[axis]).all(|axis| exact[axis] && input[axis] >= survey.image[axis]);
    (taps.contains(&true) && covers).then_some(input)
}
