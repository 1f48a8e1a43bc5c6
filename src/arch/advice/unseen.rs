//! Pixels that reach no unit of the last maps.

use std::ops::Range;

use super::{
    kinds::{Advice, AdviceKind},
    survey::{Survey, axes},
    words,
};
use crate::arch::{
    receptive_field::seen_by,
    resolve::{ResolvedLayer, Source},
    shape::LINES,
};

/// So many layers are looked at as causes.
const MOST_CAUSES: usize = 64;

/// What is not seen along one axis, in lines of pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Unseen {
    before: i64,
    after: i64,
    /// Between the first and the last one seen.
    between: i64,
    /// The lines that are seen.
    seen: Vec<Range<i64>>,
}

impl Unseen {
    fn lines(&self) -> i64 {
        self.before + self.between + self.after
    }
}

/// What all last maps together leave out, along each axis. `None` where it is not known, or there are no maps.
pub(super) fn find(survey: &Survey<'_>) -> Option<[Unseen; 2]> {
    Some([along(survey, 0)?, along(survey, 1)?])
}

/// Rows and columns of the image that no unit of the last maps sees, with the layers that leave them out.
pub(super) fn advice(survey: &Survey<'_>, unseen: &[Unseen; 2]) -> Option<Advice> {
    let lost = [unseen[0].lines(), unseen[1].lines()];
    if lost == [0, 0] {
        return None;
    }
    let parts: Vec<String> =
        (0..2).filter(|&axis| lost[axis] > 0).map(|axis| describe(&unseen[axis], LINES[axis])).collect();
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
    let causes: Vec<(&ResolvedLayer, String)> = survey
        .layers()
        .filter_map(|(_, layer)| Some((layer, left_out(layer)?)))
        .take(MOST_CAUSES)
        .filter_map(|(layer, left)| Some((layer, cause(survey, unseen, layer, &left)?)))
        .collect();
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

fn along(survey: &Survey<'_>, axis: usize) -> Option<Unseen> {
    let length = survey.image[axis];
    let starts = survey.last_maps.iter().map(|&place| {
        let units = survey.model.layers[place].output_shape.size()?[axis];
        Some((Source::Layer(place), 0..units))
    });
    let starts: Vec<(Source, Range<i64>)> = starts.collect::<Option<_>>()?;
    if starts.is_empty() {
        return None;
    }
    let seen = seen_by(survey.model, axis, starts)?;
    let (before, after) = match (seen.first(), seen.last()) {
        (Some(first), Some(last)) => (first.start, length - last.end),
        _ => (0, length),
    };
    let between = seen.windows(2).map(|pair| pair[1].start - pair[0].end).sum();
    Some(Unseen { before, after, between, seen })
}

/// `the last 3 rows`.
fn describe(unseen: &Unseen, line: &str) -> String {
    let side = |which: &str, number: i64| {
        (number > 0).then(|| format!("the {which} {}", words::count(number, line)))
    };
    let between =
        (unseen.between > 0).then(|| format!("{} between its fields", words::count(unseen.between, line)));
    let parts: Vec<String> =
        [side("first", unseen.before), side("last", unseen.after), between].into_iter().flatten().collect();
    parts.join(" and ")
}

/// The lines at the end of its input that a layer's window does not reach, along each axis.
fn left_out(layer: &ResolvedLayer) -> Option<[Range<i64>; 2]> {
    let window = layer.window?;
    let input = layer.input_shapes.first()?.size()?;
    let output = layer.output_shape.size()?;
    let sides = window.padding;
    let (before, stride, reach) = ([sides.top, sides.left], axes(window.stride), axes(window.reach()));
    let left = [0, 1].map(|axis| {
        let end = (output[axis] - 1) * stride[axis] + reach[axis] - before[axis];
        end.clamp(0, input[axis])..input[axis]
    });
    left.iter().any(|left| !left.is_empty()).then_some(left)
}

/// What a layer leaves out, if pixels are lost by it: the lines left out see some that no last map sees.
fn cause(
    survey: &Survey<'_>,
    unseen: &[Unseen; 2],
    layer: &ResolvedLayer,
    left: &[Range<i64>; 2],
) -> Option<String> {
    let (window, input) = (layer.window?, layer.input_shapes.first()?.size()?);
    let source = *layer.inputs.first()?;
    let loses = |axis: usize| {
        !left[axis].is_empty()
            && seen_by(survey.model, axis, [(source, left[axis].clone())]).is_some_and(|lines| {
                let is_seen = |lines: &Range<i64>| {
                    unseen[axis].seen.iter().any(|seen| seen.start <= lines.start && lines.end <= seen.end)
                };
                !lines.iter().all(is_seen)
            })
    };
    let lost: Vec<String> = (0..2)
        .filter(|&axis| loses(axis))
        .map(|axis| {
            let lines = left[axis].end - left[axis].start;
            format!("the last {} of {}", words::count(lines, LINES[axis]), input[axis])
        })
        .collect();
    (!lost.is_empty()).then(|| {
        format!(
            "`{}` (window {}, stride {}) leaves out {}",
            layer.name,
            window.reach(),
            window.stride,
            lost.join(" and ")
        )
    })
}
