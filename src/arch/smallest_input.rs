//! The smallest image that a model can take.

use super::{
    layer::Layer,
    padding::{Padding, Pair, Sides},
    resolve::{self, Source},
    shape::Shape,
    shapes,
    spec::{LayerSpec, ModelSpec},
};

/// No image is larger along an axis.
const MOST: i64 = i32::MAX as i64;
/// So many layers are resolved at most while sizes are tried, so that a refusal takes no longer than a fraction of a
/// second.
const MOST_WORK: usize = 200_000;

/// One of the two directions of an image.
#[derive(Debug, Clone, Copy)]
enum Axis {
    Rows,
    Columns,
}

/// The smallest image, with the model's own number of channels, that passes all layers: `None` if no size helps.
///
/// Rows and columns do not touch each other, so each is searched alone. Along one, the length of every output grows
/// with that of the image, or stays: below some length a window is larger than its input, above it none is. From
/// there on lengths are tried one by one, because an `add` or `concat` can ask for more than windows that fit; a model
/// whose joins refuse some hundred lengths in a row counts as one that no size helps.
pub(super) fn smallest_input(model: &ModelSpec) -> Option<[i64; 3]> {
    let [channels, ..] = model.input;
    let height = smallest(model, Axis::Rows)?;
    let width = smallest(model, Axis::Columns)?;
    let input = [channels, height, width];
    works(&ModelSpec { input, ..model.clone() }).then_some(input)
}

fn works(model: &ModelSpec) -> bool {
    resolve::resolve_as_stated(model).is_ok()
}

/// The smallest length of the image along `axis`.
fn smallest(model: &ModelSpec, axis: Axis) -> Option<i64> {
    let sources = resolve::all_sources(model)?;
    let mut strip = along(model, axis);
    let (mut fails, mut fits) = (0, MOST);
    if !windows_fit(&strip, &sources, fits) {
        return None;
    }
    while fits - fails > 1 {
        let middle = fails + (fits - fails) / 2;
        if windows_fit(&strip, &sources, middle) {
            fits = middle;
        } else {
            fails = middle;
        }
    }
    let tries = (MOST_WORK / model.layers.len()).clamp(1, 256) as i64;
    (fits..=MOST).take(tries as usize).find(|&length| {
        strip.input = [model.input[0], length, 1];
        works(&strip)
    })
}

/// The model for an image of one column, in which every window has one too: only `axis`, laid along the rows, is left.
fn along(model: &ModelSpec, axis: Axis) -> ModelSpec {
    let layer = |spec: &LayerSpec| LayerSpec { layer: layer_along(&spec.layer, axis), ..spec.clone() };
    ModelSpec { layers: model.layers.iter().map(layer).collect(), ..model.clone() }
}

fn layer_along(layer: &Layer, axis: Axis) -> Layer {
    let pair = |pair: Pair| match axis {
        Axis::Rows => Pair { h: pair.h, w: 1 },
        Axis::Columns => Pair { h: pair.w, w: 1 },
    };
    let padding = |padding: Padding| match padding {
        Padding::Same => Padding::Same,
        Padding::Fixed(sides) => {
            let (top, bottom) = match axis {
                Axis::Rows => (sides.top, sides.bottom),
                Axis::Columns => (sides.left, sides.right),
            };
            Padding::Fixed(Sides { top, bottom, ..Sides::NONE })
        }
    };
    let mut layer = *layer;
    match &mut layer {
        Layer::Conv2d(conv) => {
            conv.kernel_size = pair(conv.kernel_size);
            conv.stride = pair(conv.stride);
            conv.dilation = pair(conv.dilation);
            conv.padding = padding(conv.padding);
        }
        Layer::MaxPool2d(pool) => {
            pool.kernel_size = pair(pool.kernel_size);
            pool.stride = pair(pool.stride);
            pool.dilation = pair(pool.dilation);
            pool.padding = padding(pool.padding);
        }
        Layer::AvgPool2d(pool) => {
            pool.kernel_size = pair(pool.kernel_size);
            pool.stride = pair(pool.stride);
            pool.padding = padding(pool.padding);
        }
        Layer::AdaptiveAvgPool2d(pool) => pool.output_size = pair(pool.output_size),
        Layer::ZeroPad2d(pad) => pad.padding = padding(pad.padding),
        _ => {}
    }
    layer
}

/// Whether no window is larger than its input when the image has `length` rows and one column. Where a join would
/// refuse its inputs it takes the shortest, so that the answer depends on the windows alone.
fn windows_fit(strip: &ModelSpec, sources: &[Vec<Source>], length: i64) -> bool {
    let image = Shape::map(strip.input[0], length, 1);
    let mut outputs: Vec<Shape> = Vec::with_capacity(sources.len());
    for (spec, sources) in strip.layers.iter().zip(sources) {
        let mut inputs: Vec<Shape> = sources
            .iter()
            .map(|source| match *source {
                Source::Image => image,
                Source::Layer(place) => outputs[place],
            })
            .collect();
        cut_to_shortest(&mut inputs);
        match shapes::output(&spec.layer, &inputs) {
            Ok(shape) => outputs.push(shape),
            // Another fault is none of the window's: the lengths that are tried afterwards meet it again.
            Err(fault) => return !fault.needs_larger_input,
        }
    }
    true
}

fn cut_to_shortest(shapes: &mut [Shape]) {
    let lengths = shapes.iter().filter_map(|shape| match shape {
        Shape::Map { height, .. } => Some(*height),
        Shape::Flat { .. } => None,
    });
    let Some(shortest) = lengths.min() else { return };
    for shape in shapes {
        if let Shape::Map { height, .. } = shape {
            *height = shortest;
        }
    }
}
