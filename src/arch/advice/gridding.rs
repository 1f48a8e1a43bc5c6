//! Holes in what the last maps see.

use super::{
    kinds::{Advice, AdviceKind},
    survey::{Survey, axes},
    words,
};
use crate::arch::{
    receptive_field::{AxisField, ReceptiveField},
    resolve::Source,
    shape::LINES,
};

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

    let begin =
        ancestors.iter().rev().find_map(|&at| (0..2).find_map(|axis| begin(survey, &holes, at, axis)));

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
            ". Dilated: {}, by {}{}. Dilation 1 throughout is dense. Larger ones are if they begin with 1 and M_2 is not \
             larger than the kernel, with M_n = r_n for the last dilation and M_i = max(M_(i+1) - 2 r_i, \
             M_(i+1) - 2 (M_(i+1) - r_i), r_i) before it (Wang et al., 2018), as for 1, 2, 5 with kernels of 3",
            words::names(&survey.names(&dilated)),
            list(&factors),
            begin.unwrap_or_default()
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

/// Where holes that remain begin: a dilated layer that has them along an axis, over an input that has none.
fn begin(survey: &Survey<'_>, holes: &[bool; 2], place: usize, axis: usize) -> Option<String> {
    let layer = &survey.model.layers[place];
    let dilation = axes(layer.window?.dilation)[axis];
    let along = |field: &'_ ReceptiveField| -> (i64, Option<i64>, Option<f64>) {
        let along = [&field.rows, &field.columns][axis];
        (along.size, along.stride, along.density)
    };
    let (size, stride) = match *layer.inputs.first()? {
        Source::Image => (1, 1),
        Source::Layer(input) => match along(survey.field(input)?) {
            (size, Some(stride), Some(1.0)) => (size, stride),
            _ => return None,
        },
    };
    let has_holes = along(survey.field(place)?).2.is_some_and(|density| density < 1.0);
    (holes[axis] && has_holes && dilation > 1).then(|| {
        format!(
            ". The holes begin at `{}`: its taps lie {} apart, where a unit of its input sees {size} in a row",
            layer.name,
            words::count(dilation.saturating_mul(stride), "pixel"),
        )
    })
}

/// A note where holes cannot be counted.
pub(super) fn unknown(survey: &Survey<'_>) -> Option<Advice> {
    let unknown: Vec<usize> =
        survey.last_maps.iter().copied().filter(|&place| !is_known(survey, place)).collect();
    (!unknown.is_empty()).then(|| {
        let layers = survey.names(&unknown);
        let message = format!(
            "holes: not known. What a unit of the last maps, {}, sees has too many pieces to hold",
            words::names(&layers)
        );
        Advice { kind: AdviceKind::Note, layers, message }
    })
}

fn is_known(survey: &Survey<'_>, place: usize) -> bool {
    survey.field(place).is_none_or(|field| field.density().is_some())
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
