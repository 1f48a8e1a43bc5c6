//! Pixels that reach no unit of the last maps.

use super::{
    kinds::{Advice, AdviceKind},
    survey::{LINES, Survey, axes, map_size},
    words,
};
use crate::arch::{receptive_field::AxisField, resolve::ResolvedLayer};

/// What is not seen along one axis, in lines of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Unseen {
    before: i64,
    after: i64,
    /// Between the first and the last one seen.
    between: i64,
}

/// Rows and columns of the image that no unit of the last maps sees, with the layers that leave them out.
pub(super) fn advice(survey: &Survey<'_>) -> Option<Advice> {
    let unseen = [along(survey, 0)?, along(survey, 1)?];
    let lost = unseen.map(|unseen| unseen.before + unseen.after + unseen.between);
    if lost == [0, 0] {
        return None;
    }
    let parts: Vec<String> =
        (0..2).filter(|&axis| lost[axis] > 0).map(|axis| describe(unseen[axis], LINES[axis])).collect();
    let [height, width] = survey.image.map(|side| side as f64);
    let pixels = height * width;
    let seen = (height - lost[0] as f64) * (width - lost[1] as f64);
    let names = survey.names(&survey.last_maps);
    let mut message = format!(
        "no unit of the last maps, {}, sees {} of the image of {} ({} of its pixels)",
        words::names(&names),
        parts.join(" and "),
        words::size(survey.image),
        words::percent(pixels - seen, pixels)
    );
    let causes: Vec<(&ResolvedLayer, String)> =
        survey.layers().filter_map(|(_, layer)| Some((layer, left_out(layer, unseen)?))).collect();
    let listed: Vec<&str> = causes.iter().take(3).map(|(_, words)| words.as_str()).collect();
    if !listed.is_empty() {
        let more = if causes.len() > listed.len() { "; so do later layers" } else { "" };
        message.push_str(&format!(
            ": {}{more}. Choose an image size or paddings with which the windows come out even",
            listed.join("; ")
        ));
    }
    if unseen.iter().any(|unseen| unseen.between > 0) {
        message.push_str(". Fields with gaps between them come of strides larger than what the windows see");
    }
    let layers = causes.iter().map(|(layer, _)| layer.name.clone()).collect();
    Some(Advice { kind: AdviceKind::UnseenPixels, layers, message })
}

/// What all last maps together leave out along an axis. `None` where it is not known.
fn along(survey: &Survey<'_>, axis: usize) -> Option<Unseen> {
    let length = survey.image[axis];
    let all: Vec<AxisField> = survey
        .last_maps
        .iter()
        .map(|&place| {
            let field = survey.field(place)?;
            let units = map_size(survey.model.layers[place].output_shape)?[axis];
            [&field.rows, &field.columns][axis].everything(units, length)
        })
        .collect::<Option<_>>()?;
    let (first, others) = all.split_first()?;
    let seen = others.iter().try_fold(first.clone(), |all, other| all.union(other))?;
    let start = -seen.padding?;
    let count = seen.density.map_or(seen.size, |density| (density * seen.size as f64).round() as i64);
    Some(Unseen { before: start, after: length - start - seen.size, between: seen.size - count })
}

/// `the last 3 rows`.
fn describe(unseen: Unseen, line: &str) -> String {
    let side = |which: &str, number: i64| {
        (number > 0).then(|| format!("the {which} {}", words::count(number, line)))
    };
    let between =
        (unseen.between > 0).then(|| format!("{} between its fields", words::count(unseen.between, line)));
    let parts: Vec<String> =
        [side("first", unseen.before), side("last", unseen.after), between].into_iter().flatten().collect();
    parts.join(" and ")
}

/// The lines at the end of its input that a window does not reach, along the axes where pixels are lost there.
fn left_out(layer: &ResolvedLayer, unseen: [Unseen; 2]) -> Option<String> {
    let window = layer.window?;
    let input = map_size(*layer.input_shapes.first()?)?;
    let output = map_size(layer.output_shape)?;
    let sides = window.padding;
    let (before, stride, reach) = ([sides.top, sides.left], axes(window.stride), axes(window.reach()));
    let left: Vec<String> = (0..2)
        .filter(|&axis| unseen[axis].after > 0)
        .filter_map(|axis| {
            let end = (output[axis] - 1) * stride[axis] + reach[axis] - before[axis];
            let left = input[axis] - end;
            (left > 0).then(|| format!("the last {} of {}", words::count(left, LINES[axis]), input[axis]))
        })
        .collect();
    (!left.is_empty()).then(|| {
        format!(
            "`{}` (window {}, stride {}) leaves out {}",
            layer.name,
            window.reach(),
            window.stride,
            left.join(" and ")
        )
    })
}
