//! What the layers of a spec read.

use std::collections::{BTreeMap, BTreeSet};

use crate::arch::{Layer, ResolvedModel, Source};

/// What is known of the layers, by name.
#[derive(Debug)]
pub(super) struct Architecture {
    layers: BTreeMap<String, Known>,
}

/// What is known of one layer.
#[derive(Debug)]
pub(super) struct Known {
    /// Whether it only hands on what it reads: pooling, flattening, padding.
    pub passes_on: bool,
    /// The layers that it reads, past those that only hand on and dropout.
    pub inputs: Vec<String>,
    /// What a convolution reads for each of its output channels.
    pub groups: Option<Groups>,
    /// Of dropout.
    pub dropout: Option<Dropout>,
    /// Whether it has parameters.
    pub has_params: bool,
    pub is_normalization: bool,
}

/// How a convolution divides its channels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Groups {
    pub inputs: u64,
    pub outputs: u64,
    pub groups: u64,
}

/// What is known of a dropout layer.
#[derive(Debug)]
pub(super) struct Dropout {
    /// The layer whose output it takes, itself; `None` for the image.
    pub reads: Option<String>,
    pub normalization: Option<String>,
    pub whole_maps: bool,
}

impl Architecture {
    pub fn new(model: &ResolvedModel) -> Architecture {
        let known = |(place, layer): (usize, &crate::arch::ResolvedLayer)| {
            let mut inputs = BTreeSet::new();
            for &source in &layer.inputs {
                collect_inputs(model, source, &mut inputs);
            }
            let known = Known {
                passes_on: passes_on(&layer.layer),
                inputs: inputs.into_iter().map(|place| model.layers[place].name.clone()).collect(),
                groups: groups(layer),
                dropout: dropout(model, place),
                has_params: !layer.params.is_empty(),
                is_normalization: matches!(layer.layer, Layer::BatchNorm2d(_)),
            };
            (layer.name.clone(), known)
        };
        Architecture { layers: model.layers.iter().enumerate().map(known).collect() }
    }

    /// Names of the layers with parameters.
    pub fn with_params(&self) -> impl Iterator<Item = &str> {
        self.layers.iter().filter(|(_, layer)| layer.has_params).map(|(name, _)| name.as_str())
    }

    pub fn get(&self, name: &str) -> Option<&Known> {
        self.layers.get(name)
    }

    /// The layer with parameters that a layer's units come from: the layer itself, or the one that an activation function
    /// without parameters reads.
    pub fn origin(&self, name: &str) -> Option<(&str, &Known)> {
        let (name, layer) = self.layers.get_key_value(name)?;
        if layer.has_params {
            return Some((name, layer));
        }
        match layer.inputs.as_slice() {
            [input] => {
                let (name, layer) = self.layers.get_key_value(input)?;
                layer.has_params.then_some((name.as_str(), layer))
            }
            _ => None,
        }
    }
}

fn passes_on(layer: &Layer) -> bool {
    matches!(
        layer,
        Layer::MaxPool2d(_)
            | Layer::AvgPool2d(_)
            | Layer::AdaptiveAvgPool2d(_)
            | Layer::GlobalAvgPool
            | Layer::Flatten
            | Layer::ZeroPad2d(_)
            | Layer::Identity
    )
}

fn is_dropout(layer: &Layer) -> bool {
    matches!(layer, Layer::Dropout(_) | Layer::Dropout2d(_))
}

/// The places of the layers that `source` stands for.
fn collect_inputs(model: &ResolvedModel, source: Source, found: &mut BTreeSet<usize>) {
    let Source::Layer(place) = source else { return };
    let layer = &model.layers[place];
    if passes_on(&layer.layer) || is_dropout(&layer.layer) {
        for &source in &layer.inputs {
            collect_inputs(model, source, found);
        }
    } else {
        found.insert(place);
    }
}

fn groups(layer: &crate::arch::ResolvedLayer) -> Option<Groups> {
    let Layer::Conv2d(conv) = &layer.layer else { return None };
    Some(Groups {
        inputs: layer.input_shapes.first()?.channels().unsigned_abs(),
        outputs: layer.output_shape.channels().unsigned_abs(),
        groups: conv.groups.unsigned_abs().max(1),
    })
}

fn dropout(model: &ResolvedModel, place: usize) -> Option<Dropout> {
    let layer = &model.layers[place];
    if !is_dropout(&layer.layer) {
        return None;
    }
    let reads = match layer.inputs.first()? {
        Source::Image => None,
        &Source::Layer(place) => Some(model.layers[place].name.clone()),
    };
    let normalization = next_normalization(model, place).map(|place| model.layers[place].name.clone());
    Some(Dropout { reads, normalization, whole_maps: matches!(layer.layer, Layer::Dropout2d(_)) })
}

/// The first normalisation that depends on the layer at `place` without another normalisation between.
fn next_normalization(model: &ResolvedModel, place: usize) -> Option<usize> {
    let mut reached = vec![false; model.layers.len()];
    reached[place] = true;
    for (at, layer) in model.layers.iter().enumerate().skip(place + 1) {
        reached[at] =
            layer.inputs.iter().any(|source| matches!(*source, Source::Layer(input) if reached[input]));
        if reached[at] && matches!(layer.layer, Layer::BatchNorm2d(_)) {
            return Some(at);
        }
    }
    None
}
