//! Which lines of the image some units see, borders of all maps counted.

use std::ops::Range;

use super::{
    step::{Step, steps, units},
    support::{Run, Support},
};
use crate::arch::resolve::{ResolvedLayer, ResolvedModel, Source};

/// The rows (`axis` 0) or columns (1) of the image that ranges of units see, in order and apart: no upper bound as the
/// fields of [`ReceptiveFields`](super::ReceptiveFields) are, for what a padding stands for is not passed on. `None` if
/// there are too many gaps to hold, or numbers too large.
///
/// One walk from the last layer to the image, with the set of units that are needed of every map. What a unit reads is
/// looked at along this axis alone; units that read padding alone along the other one are counted.
pub(in crate::arch) fn seen_by(
    model: &ResolvedModel,
    axis: usize,
    starts: impl IntoIterator<Item = (Source, Range<i64>)>,
) -> Option<Vec<Range<i64>>> {
    let mut needed = Needed { image: None, layers: vec![None; model.layers.len()] };
    for (source, range) in starts {
        needed.add(source, Support::run(range.start, range.end))?;
    }
    for (place, layer) in model.layers.iter().enumerate().rev() {
        let Some(set) = needed.layers[place].take() else { continue };
        let step = steps(layer, false)[axis];
        for (&source, &shape) in layer.inputs.iter().zip(&layer.input_shapes) {
            let input = units(Some(shape))[axis];
            needed.add(source, read(step, layer, axis, input, &set)?)?;
        }
    }
    Some(
        needed.image.map_or_else(Vec::new, |seen| seen.runs().iter().map(|run| run.start..run.end).collect()),
    )
}

/// The units that are needed of the image and of every layer; `None` for none.
struct Needed {
    image: Option<Support>,
    layers: Vec<Option<Support>>,
}

impl Needed {
    /// `None` if there are too many gaps.
    fn add(&mut self, source: Source, set: Support) -> Option<()> {
        if set.runs().is_empty() {
            return Some(());
        }
        let slot = match source {
            Source::Image => &mut self.image,
            Source::Layer(place) => &mut self.layers[place],
        };
        *slot = Some(match slot.take() {
            Some(others) => others.union(&set)?,
            None => set,
        });
        Some(())
    }
}

/// The units of one of its inputs, which has `input` of them, that a layer reads for the units in `set`.
fn read(step: Step, layer: &ResolvedLayer, axis: usize, input: i64, set: &Support) -> Option<Support> {
    match step {
        Step::Keep | Step::Join => Some(set.clone()),
        Step::Everything => Some(Support::run(0, input)),
        Step::Slide { kernel, stride, dilation, before } => for_runs(set, |units| {
            let count = units.end - units.start;
            // In the order that leaves fewer gaps on the way.
            let taps = Support::run(0, 1)
                .spread(kernel, dilation)
                .and_then(|window| window.spread(count, stride))
                .or_else(|| Support::run(0, 1).spread(count, stride)?.spread(kernel, dilation))?;
            let first = units.start.checked_mul(stride)?.checked_sub(before?)?;
            Some(taps.shift(first)?.clip(0, input))
        }),
        Step::AtMostEverything => for_runs(set, |regions| {
            // Region u is from the floor of u * input / output to before the ceiling of (u + 1) * input / output.
            let output = units(Some(layer.output_shape))[axis];
            let start = regions.start.checked_mul(input)? / output;
            let end = regions.end.checked_mul(input)?.checked_add(output - 1)? / output;
            Some(Support::run(start, end))
        }),
    }
}

/// The union of what is read for each run of units.
fn for_runs(set: &Support, read: impl Fn(&Run) -> Option<Support>) -> Option<Support> {
    let (first, others) = set.runs().split_first()?;
    others.iter().try_fold(read(first)?, |all, run| all.union(&read(run)?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::arch::{
        AdaptiveAvgPool2d, AvgPool2d, Conv2d, Layer, LayerSpec, MaxPool2d, ModelSpec, Padding, Shape,
        ZeroPad2d,
    };

    type Choice = [u8; 6];

    fn layer([kind, kernel, stride, dilation, padding, to]: Choice) -> Layer {
        let (k, s, d) = (1 + i64::from(kernel % 4), 1 + i64::from(stride % 3), 1 + i64::from(dilation % 3));
        let sides = [i64::from(padding % 3), i64::from(padding / 3 % 3), 0, 0];
        match kind % 8 {
            0 => Conv2d::new(1, [k, 1]).stride([s, 1]).dilation([d, 1]).padding(Padding::Same).into(),
            1 | 2 => Conv2d::new(1, [k, 1]).stride([s, 1]).dilation([d, 1]).padding(sides).into(),
            3 => MaxPool2d::new([k, 1]).stride([s, 1]).ceil_mode(to > 127).into(),
            4 => AvgPool2d::new([k, 1]).stride([s, 1]).into(),
            5 => ZeroPad2d::new(sides).into(),
            6 => AdaptiveAvgPool2d::new([1 + i64::from(to % 9), 1]).into(),
            _ => Layer::Add,
        }
    }

    /// A random graph over a column of pixels: what no layer reads is made flat and joined.
    fn graph(height: i64, choices: &[(Choice, usize, usize)]) -> (ModelSpec, Vec<usize>) {
        let mut spec = ModelSpec {
            name: "random".into(),
            input: [1, height, 1],
            layers: Vec::new(),
            auxiliary: Vec::new(),
        };
        let joined = |spec: &ModelSpec| {
            let read: BTreeSet<&String> = spec.layers.iter().flat_map(|layer| &layer.inputs).collect();
            let ends: Vec<usize> =
                (0..spec.layers.len()).filter(|&at| !read.contains(&spec.layers[at].name)).collect();
            let mut whole = spec.clone();
            let mut push = |name: String, inputs: Vec<String>, layer| {
                whole.layers.push(LayerSpec { name, inputs, layer });
            };
            for end in &ends {
                push(format!("flat{end}"), vec![spec.layers[*end].name.clone()], Layer::Flatten);
            }
            let flat =
                ends.iter().map(|end| format!("flat{end}")).chain(["image".into(), "again".into()]).collect();
            push("image".into(), vec!["input".into()], Layer::Flatten);
            push("again".into(), vec!["input".into()], Layer::Flatten);
            push("end".into(), flat, Layer::Concat);
            (whole, ends)
        };
        for &(choice, from, other) in choices {
            let name = |at: usize| match at % (spec.layers.len() + 1) {
                0 => "input".to_owned(),
                at => spec.layers[at - 1].name.clone(),
            };
            let layer = layer(choice);
            let inputs = if layer.joins() { vec![name(from), name(other)] } else { vec![name(from)] };
            let mut longer = spec.clone();
            longer.layers.push(LayerSpec { name: format!("l{}", spec.layers.len()), inputs, layer });
            if joined(&longer).0.resolve().is_ok() {
                spec = longer;
            }
        }
        joined(&spec)
    }

    fn rows(shape: Shape) -> i64 {
        units(Some(shape))[0]
    }

    /// The rows that a unit sees: back from it tap by tap.
    fn plain(model: &ResolvedModel, source: Source, unit: i64, seen: &mut BTreeSet<i64>) {
        let Source::Layer(place) = source else {
            seen.insert(unit);
            return;
        };
        let layer = &model.layers[place];
        let (input, output) = (rows(layer.input_shapes[0]), rows(layer.output_shape));
        let reads: Vec<i64> = match (layer.window, layer.layer) {
            (Some(window), _) => (0..window.kernel.h)
                .map(|tap| unit * window.stride.h - window.padding.top + tap * window.dilation.h)
                .collect(),
            (_, Layer::ZeroPad2d(pad)) => match pad.padding {
                Padding::Fixed(sides) => vec![unit - sides.top],
                Padding::Same => unreachable!(),
            },
            (_, Layer::AdaptiveAvgPool2d(_)) => {
                let end = ((unit + 1) * input) as f64 / output as f64;
                (unit * input / output..end.ceil() as i64).collect()
            }
            _ => vec![unit],
        };
        for &input_of in &layer.inputs {
            for &read in reads.iter().filter(|read| (0..input).contains(read)) {
                plain(model, input_of, read, seen);
            }
        }
    }

    proptest! {
        #[test]
        fn rows_seen_are_those_found_tap_by_tap(
            height in 1_i64..24,
            choices in vec((any::<Choice>(), 0_usize..99, 0_usize..99), 1..7),
            from in 0_i64..24,
        ) {
            let (spec, ends) = graph(height, &choices);
            let model = spec.resolve().unwrap();
            let mut expected = BTreeSet::new();
            let mut starts = Vec::new();
            for &end in &ends {
                let units = rows(model.layers[end].output_shape);
                let (source, range) = (Source::Layer(end), from % units..units);
                range.clone().for_each(|unit| plain(&model, source, unit, &mut expected));
                starts.push((source, range));
            }
            let seen = seen_by(&model, 0, starts).unwrap();
            prop_assert!(seen.windows(2).all(|pair| pair[0].end < pair[1].start));
            prop_assert_eq!(seen.into_iter().flatten().collect::<BTreeSet<i64>>(), expected);
        }
    }
}
