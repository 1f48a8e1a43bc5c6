//! The smallest images that a model can take.

use super::{
    layer::Layer,
    padding::{Padding, Pair, Sides},
    resolve::{self, Source},
    shape::Shape,
    shapes::{self, Fault, MOST},
    spec::ModelSpec,
};

/// So many outputs and inputs of layers are worked out at most while lengths are tried one by one, so that a refusal
/// takes no longer than a fraction of a second.
const MOST_WORK: usize = 400_000;
/// So many lengths are tried in a row at most.
const MOST_TRIES: usize = 256;

/// Sizes of images, with the model's own number of channels, that pass all layers.
pub(super) struct Sizes {
    /// The smallest height and width.
    pub(super) smallest: [i64; 3],
    /// The smallest height and width that are not below the model's own, if they were found.
    pub(super) next: Option<[i64; 3]>,
}

/// One of the two directions of an image.
#[derive(Debug, Clone, Copy)]
enum Axis {
    Rows,
    Columns,
}

/// The sizes that work: `None` if no size helps.
///
/// Rows and columns do not touch each other, so each is searched alone. Along one, the length of every output grows
/// with that of the image, or stays: below some length a window is larger than its input, above it none is. From
/// there on lengths are tried one by one, because an `add` or `concat` can ask for more than windows that fit; a model
/// whose joins refuse some hundred lengths in a row counts as one that no size helps.
pub(super) fn sizes_that_work(model: &ModelSpec) -> Option<Sizes> {
    let sources = resolve::all_sources(model)?;
    let [channels, height, width] = model.input;
    let rows = Strip::along(model, &sources, Axis::Rows);
    let columns = Strip::along(model, &sources, Axis::Columns);
    let (fit_rows, fit_columns) = (rows.windows_fit_from()?, columns.windows_fit_from()?);
    let input = |height: Option<i64>, width: Option<i64>| {
        let input = [channels, height?, width?];
        resolve::resolve_as_stated(&ModelSpec { input, ..model.clone() }).is_ok().then_some(input)
    };
    let smallest = input(rows.first_from(fit_rows), columns.first_from(fit_columns))?;
    let next = input(rows.first_from(height.max(fit_rows)), columns.first_from(width.max(fit_columns)));
    Some(Sizes { smallest, next })
}

/// A model for images of one column, in which every window has one too: only one axis, laid along the rows, is left.
struct Strip<'a> {
    channels: i64,
    layers: Vec<Layer>,
    /// What each layer reads.
    sources: &'a [Vec<Source>],
}

/// What is made of maps of different lengths that are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Joins {
    /// They are refused, as the model does.
    Strict,
    /// They are cut to the shortest, so that what is found depends on the windows alone.
    Cut,
}

impl Strip<'_> {
    fn along<'a>(model: &ModelSpec, sources: &'a [Vec<Source>], axis: Axis) -> Strip<'a> {
        let layers = model.layers.iter().map(|spec| layer_along(&spec.layer, axis)).collect();
        Strip { channels: model.input[0], layers, sources }
    }

    /// From which length on no window is larger than its input.
    fn windows_fit_from(&self) -> Option<i64> {
        // A fault of another kind is met again when lengths are tried one by one.
        let fit = |length: i64| self.fault(length, Joins::Cut).is_none_or(|fault| fault.misfit.is_none());
        let (mut fails, mut fits) = (0, MOST);
        if !fit(fits) {
            return None;
        }
        while fits - fails > 1 {
            let middle = fails + (fits - fails) / 2;
            if fit(middle) {
                fits = middle;
            } else {
                fails = middle;
            }
        }
        Some(fits)
    }

    /// The first length from `start` on that all layers take.
    fn first_from(&self, start: i64) -> Option<i64> {
        let work: usize = self.sources.iter().map(|sources| 1 + sources.len()).sum();
        let tries = (MOST_WORK / work.max(1)).clamp(4, MOST_TRIES);
        for length in (start..=MOST).take(tries) {
            match self.fault(length, Joins::Strict) {
                None => return Some(length),
                Some(Fault { misfit: Some(_), .. }) => {}
                Some(_) => return None, // whatever the length
            }
        }
        None
    }

    /// What is wrong with the first layer that does not take an image of so many rows.
    fn fault(&self, length: i64, joins: Joins) -> Option<Fault> {
        let image = Shape::map(self.channels, length, 1);
        let mut outputs: Vec<Shape> = Vec::with_capacity(self.layers.len());
        let mut inputs = Vec::new();
        for (layer, sources) in self.layers.iter().zip(self.sources) {
            inputs.clear();
            inputs.extend(sources.iter().map(|source| match *source {
                Source::Image => image,
                Source::Layer(place) => outputs[place],
            }));
            if joins == Joins::Cut {
                cut_to_shortest(&mut inputs);
            }
            match shapes::output(layer, &inputs) {
                Ok(shape) => outputs.push(shape),
                Err(fault) => return Some(fault),
            }
        }
        None
    }
}

/// The layer with its windows of one column.
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
