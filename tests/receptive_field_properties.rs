//! Receptive fields of random graphs against sets of pixels that are carried from layer to layer by plain loops.

#![allow(clippy::unwrap_used)]

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use convscope::arch::{
    AdaptiveAvgPool2d, AvgPool2d, Conv2d, Layer, LayerSpec, Linear, MaxPool2d, ModelSpec, Padding,
    ReceptiveField, ResolvedLayer, ResolvedModel, Shape, Source, ZeroPad2d,
};
use proptest::{collection::vec, prelude::*};

type Pixels = BTreeSet<[i64; 2]>;

// ---- random graphs ----

/// A number for each decision that a layer asks for.
type Choice = [u8; 10];

fn pair(choice: u8, from: [i64; 4]) -> [i64; 2] {
    [from[usize::from(choice) % 4], from[usize::from(choice / 4) % 4]]
}

fn padding(choice: &[u8]) -> Padding {
    match choice[0] % 5 {
        0 | 1 => Padding::Same,
        2 => Padding::NONE,
        3 => Padding::from(i64::from(choice[1] % 3)),
        _ => Padding::from([0, 2, 4, 6].map(|shift| i64::from(choice[1] >> shift) % 3)),
    }
}

/// A layer of random kind over one input.
fn layer(choice: Choice, input: Shape) -> Layer {
    let (kernel, stride) = (pair(choice[1], [3, 1, 2, 3]), pair(choice[2], [1, 2, 1, 3]));
    let (dilation, padding) = (pair(choice[3], [1, 1, 2, 3]), padding(&choice[4..6]));
    match choice[0] % 12 {
        0..=4 => Conv2d::new(1, kernel).stride(stride).dilation(dilation).padding(padding).into(),
        5 => MaxPool2d::new(kernel).stride(stride).dilation(dilation).ceil_mode(choice[6] > 127).into(),
        6 => AvgPool2d::new(kernel).stride(stride).padding(Padding::Same).into(),
        7 => ZeroPad2d::new(pair(choice[3], [0, 1, 2, 1])).into(),
        8 => match input {
            // Equal regions, uneven ones, and as many as there are units.
            Shape::Map { height, width, .. } => AdaptiveAvgPool2d::new([
                [height, (height / 2).max(1), 1, 3][usize::from(choice[6]) % 4],
                [width, (width / 3).max(1), width, 2][usize::from(choice[7]) % 4],
            ])
            .into(),
            Shape::Flat { .. } => Linear::new(2).into(),
        },
        9 => [Layer::GlobalAvgPool, Layer::Flatten, Layer::Relu, Layer::Relu][usize::from(choice[6]) % 4],
        _ => Layer::Relu,
    }
}

/// A model of all those layers that can be. What nothing reads is flattened and joined at the end.
fn model(size: [i64; 2], choices: &[Choice]) -> ModelSpec {
    let mut spec =
        ModelSpec::builder("random", [1, size[0], size[1]]).layer("0", Layer::Identity).build().unwrap();
    for choice in choices {
        let shapes = spec.output_shapes_unfinished();
        let nodes = shapes.len();
        let pick = |byte: u8| nodes - 1 - usize::from(byte) % nodes.min(4);
        let first = pick(choice[8]);
        let mut inputs = vec![first];
        let mut layer = layer(*choice, shapes[first]);
        // Another of the same size beside it, if there is one.
        let like: Vec<usize> =
            (0..nodes).filter(|&node| node != first && shapes[node] == shapes[first]).collect();
        if choice[9] > 127 && !like.is_empty() {
            inputs.push(like[usize::from(choice[7]) % like.len()]);
            layer = if choice[1] > 127 { Layer::Add } else { Layer::Concat };
        }
        let mut longer = spec.clone();
        longer.layers.push(LayerSpec {
            name: nodes.to_string(),
            inputs: inputs.into_iter().map(|node| node.to_string()).collect(),
            layer,
        });
        if longer.sound() {
            spec = longer;
        }
    }
    spec.joined()
}

trait Unfinished {
    fn joined(&self) -> ModelSpec;
    fn sound(&self) -> bool;
    fn output_shapes_unfinished(&self) -> Vec<Shape>;
}

impl Unfinished for ModelSpec {
    /// With a last layer that reads what no layer reads.
    fn joined(&self) -> ModelSpec {
        let read: BTreeSet<&String> = self.layers.iter().flat_map(|layer| &layer.inputs).collect();
        let ends: Vec<String> =
            self.layers.iter().map(|layer| layer.name.clone()).filter(|name| !read.contains(name)).collect();
        let mut spec = self.clone();
        if ends.len() > 1 {
            let mut push = |name: String, inputs: Vec<String>, layer| {
                spec.layers.push(LayerSpec { name, inputs, layer });
            };
            for end in &ends {
                push(format!("flat{end}"), vec![end.clone()], Layer::Flatten);
            }
            push("end".into(), ends.iter().map(|end| format!("flat{end}")).collect(), Layer::Concat);
        }
        spec
    }

    fn sound(&self) -> bool {
        // Small enough for the plain loops.
        let small = |shape: &Shape| shape.len() <= 900;
        self.joined().output_shapes().is_ok_and(|shapes| {
            shapes.iter().all(|(name, shape)| name.starts_with(['f', 'e']) || small(shape))
        })
    }

    fn output_shapes_unfinished(&self) -> Vec<Shape> {
        let mut shapes = self.joined().output_shapes().unwrap();
        shapes.truncate(self.layers.len());
        shapes.into_iter().map(|(_, shape)| shape).collect()
    }
}

// ---- the plain way ----

/// Which pixels a unit sees, by going back from it tap by tap.
struct Plain<'a> {
    model: &'a ResolvedModel,
    image: [i64; 2],
    /// Units outside a map are padding and see nothing. Without, maps go on beyond their borders.
    borders: bool,
    known: BTreeMap<(usize, [i64; 2]), Pixels>,
}

fn size(shape: Shape) -> [i64; 2] {
    match shape {
        Shape::Map { height, width, .. } => [height, width],
        Shape::Flat { .. } => [1, 1],
    }
}

/// Along each axis: kernel, stride, dilation, and padding before. `None`: not a window.
fn geometry(layer: &ResolvedLayer) -> Option<[[i64; 4]; 2]> {
    let input = size(layer.input_shapes[0]);
    let same = |k: i64, s: i64, d: i64, n: i64| {
        let total = ((n + s - 1) / s - 1) * s + d * (k - 1) + 1 - n;
        total.max(0) / 2
    };
    let (k, s, d, padding) = match layer.layer {
        Layer::Conv2d(conv) => (conv.kernel_size, conv.stride, conv.dilation, conv.padding),
        Layer::MaxPool2d(pool) => (pool.kernel_size, pool.stride, pool.dilation, pool.padding),
        Layer::AvgPool2d(pool) => (pool.kernel_size, pool.stride, 1.into(), pool.padding),
        Layer::ZeroPad2d(pad) => (1.into(), 1.into(), 1.into(), pad.padding),
        _ => return None,
    };
    let before = match padding {
        Padding::Fixed(sides) => [sides.top, sides.left],
        Padding::Same => [same(k.h, s.h, d.h, input[0]), same(k.w, s.w, d.w, input[1])],
    };
    Some([[k.h, s.h, d.h, before[0]], [k.w, s.w, d.w, before[1]]])
}

/// The units of an input that a unit reads along one axis, by PyTorch's rule for regions.
fn region(unit: i64, input: i64, output: i64) -> Range<i64> {
    (unit * input).div_euclid(output)..((unit + 1) * input + output - 1).div_euclid(output)
}

impl<'a> Plain<'a> {
    fn new(model: &'a ResolvedModel, borders: bool) -> Plain<'a> {
        Plain { model, image: size(model.image), borders, known: BTreeMap::new() }
    }

    /// Along which axes all units of a layer are taken to see the same.
    fn blind(&self, source: Source) -> [bool; 2] {
        let Source::Layer(place) = source else { return [false; 2] };
        let layer = &self.model.layers[place];
        let above: Vec<[bool; 2]> = layer.inputs.iter().map(|&input| self.blind(input)).collect();
        let (input, output) = (size(layer.input_shapes[0]), size(layer.output_shape));
        [0, 1].map(|axis| {
            let own = match layer.layer {
                Layer::Linear(_) | Layer::GlobalAvgPool => true,
                Layer::Flatten => input[axis] > 1,
                Layer::AdaptiveAvgPool2d(_) => {
                    input[axis] != output[axis] && (output[axis] == 1 || input[axis] % output[axis] != 0)
                }
                _ => false,
            };
            own || above.iter().any(|above| above[axis])
        })
    }

    /// The pixels that a unit sees.
    fn seen(&mut self, source: Source, unit: [i64; 2]) -> Pixels {
        let shape = match source {
            Source::Image => self.image,
            Source::Layer(place) => size(self.model.layers[place].output_shape),
        };
        if self.borders && !(0..2).all(|axis| (0..shape[axis]).contains(&unit[axis])) {
            return Pixels::new();
        }
        let Source::Layer(place) = source else { return Pixels::from([unit]) };
        if let Some(pixels) = self.known.get(&(place, unit)) {
            return pixels.clone();
        }
        let pixels = self.through(source, &self.model.layers[place], unit);
        self.known.insert((place, unit), pixels.clone());
        pixels
    }

    fn through(&mut self, source: Source, layer: &ResolvedLayer, unit: [i64; 2]) -> Pixels {
        let (input, output) = (size(layer.input_shapes[0]), size(layer.output_shape));
        let blind = self.blind(source);
        let mut pixels = Pixels::new();
        for &above in &layer.inputs {
            let blind_above = self.blind(above);
            // The units read along each axis; whether they are all there are.
            let reads = [0, 1].map(|axis| -> (Vec<i64>, bool) {
                if blind[axis] && !blind_above[axis] && !self.borders {
                    return ((0..input[axis]).collect(), true);
                }
                let unit = unit[axis];
                let read = match (geometry(layer), layer.layer) {
                    (Some(axes), _) => {
                        let [k, s, d, before] = axes[axis];
                        (0..k).map(|tap| unit * s - before + tap * d).collect()
                    }
                    (_, Layer::AdaptiveAvgPool2d(_)) => region(unit, input[axis], output[axis]).collect(),
                    (_, Layer::Linear(_) | Layer::GlobalAvgPool | Layer::Flatten) => {
                        (0..input[axis]).collect()
                    }
                    _ => vec![unit],
                };
                (read, false)
            });
            for &y in &reads[0].0 {
                for &x in &reads[1].0 {
                    pixels.extend(self.seen(above, [y, x]).into_iter().filter(|pixel| {
                        // Where everything is seen, it is what the image has of it.
                        (0..2).all(|axis| !reads[axis].1 || (0..self.image[axis]).contains(&pixel[axis]))
                    }));
                }
            }
        }
        pixels
    }

    /// Twice the centres of all paths to a place in a layer, along one axis; places may be between units.
    fn centers(&self, source: Source, axis: usize, place: f64) -> BTreeSet<i64> {
        let Source::Layer(index) = source else { return BTreeSet::from([(place * 2.0) as i64]) };
        let layer = &self.model.layers[index];
        let place = match (geometry(layer), layer.layer) {
            (Some(axes), _) => {
                let [k, s, d, before] = axes[axis].map(|number| number as f64);
                place * s - before + (k - 1.0) * d / 2.0
            }
            (_, Layer::AdaptiveAvgPool2d(_)) => {
                let regions = size(layer.input_shapes[0])[axis] / size(layer.output_shape)[axis];
                place * regions as f64 + (regions - 1) as f64 / 2.0
            }
            _ => place,
        };
        layer.inputs.iter().flat_map(|&input| self.centers(input, axis, place)).collect()
    }

    /// The strides of all paths to a layer; 0 where everything is seen.
    fn strides(&self, source: Source, axis: usize) -> BTreeSet<i64> {
        let Source::Layer(index) = source else { return BTreeSet::from([1]) };
        let layer = &self.model.layers[index];
        let above: Vec<BTreeSet<i64>> = layer.inputs.iter().map(|&input| self.strides(input, axis)).collect();
        if self.blind(source)[axis] && above.iter().all(|strides| strides.len() == 1) {
            return BTreeSet::from([0]);
        }
        let own = match (geometry(layer), layer.layer) {
            (Some(axes), _) => axes[axis][1],
            (_, Layer::AdaptiveAvgPool2d(_)) => {
                size(layer.input_shapes[0])[axis] / size(layer.output_shape)[axis]
            }
            _ => 1,
        };
        above.into_iter().flatten().map(|stride| stride * own).collect()
    }

    /// Whether paths of different strides were joined, which is only possible where there is a single unit: a map that
    /// goes on beyond it has no meaning.
    fn mixes_strides(&self, source: Source) -> bool {
        (0..2).any(|axis| self.strides(source, axis).len() > 1)
    }

    /// Whether all paths have the same centre. Where everything is seen, that is asked of the inputs.
    fn aligned(&self, source: Source, axis: usize) -> bool {
        let Source::Layer(index) = source else { return true };
        let above = self.model.layers[index].inputs.iter().all(|&input| self.aligned(input, axis));
        above && (self.blind(source)[axis] || self.centers(source, axis, 0.0).len() == 1)
    }
}

// ---- the comparison ----

/// From the first to the last of the positions along one axis.
fn hull(pixels: &Pixels, axis: usize) -> (i64, i64) {
    let along = || pixels.iter().map(|pixel| pixel[axis]);
    (along().min().unwrap(), along().max().unwrap() + 1)
}

/// The box and density of a unit are those of the pixels found the plain way.
fn check_unit(field: &ReceptiveField, unit: [i64; 2], pixels: &Pixels) -> Result<(), TestCaseError> {
    let seen = field.unit_box(unit[0], unit[1]).unwrap();
    prop_assert_eq!(((seen.top, seen.bottom), (seen.left, seen.right)), (hull(pixels, 0), hull(pixels, 1)));
    for (axis, along) in [&field.rows, &field.columns].into_iter().enumerate() {
        let positions: BTreeSet<i64> = pixels.iter().map(|pixel| pixel[axis]).collect();
        let start = along.unit_range(unit[axis]).unwrap().start;
        let support: BTreeSet<i64> = along.support().unwrap().map(|offset| start + offset).collect();
        prop_assert_eq!(&support, &positions);
        prop_assert_eq!(along.density, Some(positions.len() as f64 / along.size as f64));
    }
    Ok(())
}

/// Units at the corners, and one of those between.
fn samples([height, width]: [i64; 2], choice: i64) -> [[i64; 2]; 3] {
    [[0, 0], [height - 1, width - 1], [choice % height, choice % width]]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn fields_of_random_graphs_are_the_pixels_found_tap_by_tap(
        height in 1_i64..13,
        width in 1_i64..13,
        choices in vec(any::<Choice>(), 1..10),
        choice in 0_i64..100,
    ) {
        let spec = model([height, width], &choices);
        let resolved = spec.resolve().unwrap();
        let (fields, conflict) = convscope::arch::ReceptiveFields::partial(&resolved);
        if let Some(conflict) = &conflict {
            prop_assert!(conflict.to_string().contains("joins branches of different strides"), "{conflict}");
        }
        let (mut plain, mut true_to_life) = (Plain::new(&resolved, false), Plain::new(&resolved, true));
        for (place, layer) in resolved.layers.iter().enumerate() {
            let Some(field) = fields.get(&layer.name) else {
                prop_assert!(conflict.is_some());
                continue;
            };
            let source = Source::Layer(place);
            let blind = plain.blind(source);
            prop_assert_eq!([field.rows.stride.is_none(), field.columns.stride.is_none()], blind, "{}", &layer.name);
            let mixed = plain.mixes_strides(source);
            for (axis, along) in [&field.rows, &field.columns].into_iter().enumerate() {
                if !mixed {
                    prop_assert_eq!(along.aligned, plain.aligned(source, axis), "{} of {:#?}", &layer.name, &spec);
                }
                prop_assert!(!along.aligned || along.misalignment().is_none_or(|pixels| pixels == 0.0));
            }
            // Where a unit sees padding alone, the axes are no longer apart: that has tests of its own.
            let padding_alone = blind != [false; 2] && sees_padding_alone(&mut plain, source);
            for unit in samples(size(layer.output_shape), choice) {
                let pixels = plain.seen(source, unit);
                if !mixed && !padding_alone && !pixels.is_empty() {
                    check_unit(field, unit, &pixels)?;
                }
                check_borders(field, unit, [height, width], &true_to_life.seen(source, unit))?;
            }
        }
    }
}

/// The box, cut to the image, lies in it and holds all pixels that a unit sees where maps have borders.
fn check_borders(
    field: &ReceptiveField,
    unit: [i64; 2],
    [height, width]: [i64; 2],
    pixels: &Pixels,
) -> Result<(), TestCaseError> {
    let Some(seen) = field.unit_box(unit[0], unit[1]).unwrap().clip(height, width) else {
        prop_assert!(pixels.is_empty());
        return Ok(());
    };
    prop_assert!(0 <= seen.top && seen.top < seen.bottom && seen.bottom <= height);
    prop_assert!(0 <= seen.left && seen.left < seen.right && seen.right <= width);
    prop_assert!(pixels.iter().all(|&[y, x]| seen.contains(y, x)), "{seen} of {pixels:?}");
    for (axis, along) in [&field.rows, &field.columns].into_iter().enumerate() {
        let start = along.unit_range(unit[axis]).unwrap().start;
        let support: BTreeSet<i64> = along.support().unwrap().map(|offset| start + offset).collect();
        prop_assert!(pixels.iter().all(|pixel| support.contains(&pixel[axis])), "{support:?} of {pixels:?}");
    }
    Ok(())
}

/// Whether a layer above sees no pixel of the image with one of its units.
fn sees_padding_alone(plain: &mut Plain<'_>, source: Source) -> bool {
    let Source::Layer(place) = source else { return false };
    let layer = &plain.model.layers[place];
    let [height, width] = size(layer.output_shape);
    let image = plain.image;
    for y in 0..height {
        for x in 0..width {
            let pixels = plain.seen(source, [y, x]);
            if !pixels.iter().any(|pixel| (0..2).all(|axis| (0..image[axis]).contains(&pixel[axis]))) {
                return true;
            }
        }
    }
    layer.inputs.iter().any(|&input| sees_padding_alone(plain, input))
}
