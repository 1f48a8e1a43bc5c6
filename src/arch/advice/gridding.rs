//! Holes in what the last maps see.

use super::{
    kinds::{Advice, AdviceKind},
    survey::{LINES, Survey, axes},
    words,
};
use crate::arch::receptive_field::{AxisField, ReceptiveField};

/// Holes in the fields of the last maps, with the layers that leave them. Holes that later layers fill do not count.
pub(super) fn advice(survey: &Survey<'_>) -> Option<Advice> {
    let (place, field) = survey
        .last_maps
        .iter()
        .filter_map(|&place| Some((place, survey.field(place)?)))
        .find(|(_, field)| holes(field).contains(&true))?;
    let ancestors = survey.ancestors(place);
    let holes = holes(field);
    let causes = |is_cause: &dyn Fn(usize, usize) -> bool| -> Vec<usize> {
        ancestors.iter().copied().filter(|&at| (0..2).any(|axis| holes[axis] && is_cause(at, axis))).collect()
    };
    let window = |at: usize| survey.model.layers[at].window;
    let dilated = causes(&|at, axis| {
        window(at).is_some_and(|window| axes(window.dilation)[axis] > 1 && axes(window.kernel)[axis] > 1)
    });
    let striding = causes(&|at, axis| {
        window(at).is_some_and(|window| axes(window.stride)[axis] > axes(window.reach())[axis])
    });

    let mut message = format!(
        "a unit of the last maps, `{}`, sees {} of its field (density {:.2}): no path leads to the pixels between",
        survey.model.layers[place].name,
        seen(field),
        field.density().unwrap_or(1.0),
    );
    if !dilated.is_empty() {
        let factors: Vec<String> = dilated
            .iter()
            .filter_map(|&at| Some(window(at)?.dilation))
            .map(|pair| if pair.h == pair.w { pair.h.to_string() } else { pair.to_string() })
            .collect();
        message.push_str(&format!(
            ". Dilated are {} (by {}). Let dilations grow without a common factor, such as 1, 2, 5",
            words::names(&survey.names(&dilated)),
            list(&factors)
        ));
    }
    if !striding.is_empty() {
        message.push_str(&format!(
            ". {} step{} further than {} window{} reach{}: use strides that are not larger than the windows",
            words::names(&survey.names(&striding)),
            if striding.len() == 1 { "s" } else { "" },
            if striding.len() == 1 { "its" } else { "their" },
            if striding.len() == 1 { "" } else { "s" },
            if striding.len() == 1 { "es" } else { "" },
        ));
    }
    let mut layers = dilated;
    layers.extend(striding);
    layers.sort_unstable();
    layers.dedup();
    Some(Advice { kind: AdviceKind::Gridding, layers: survey.names(&layers), message })
}

/// Along which axes there are holes. Where that is not known, none are claimed.
fn holes(field: &ReceptiveField) -> [bool; 2] {
    [&field.rows, &field.columns].map(|axis| axis.density.is_some_and(|density| density < 1.0))
}

/// `7 of 13 rows and 7 of 13 columns`.
fn seen(field: &ReceptiveField) -> String {
    let words = |axis: &AxisField, line: &str| {
        let seen = (axis.density.unwrap_or(1.0) * axis.size as f64).round();
        format!("{seen} of {} {line}s", axis.size)
    };
    format!("{} and {}", words(&field.rows, LINES[0]), words(&field.columns, LINES[1]))
}

/// The numbers in order, without an end where they go on for long.
fn list(factors: &[String]) -> String {
    const MOST: usize = 8;
    let more = if factors.len() > MOST { ", ..." } else { "" };
    format!("{}{more}", factors[..factors.len().min(MOST)].join(", "))
}
