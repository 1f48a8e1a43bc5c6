//! A model with its receptive fields, as the checks look at it.

use crate::arch::{
    padding::Pair,
    receptive_field::{ReceptiveField, ReceptiveFields},
    resolve::{ResolvedLayer, ResolvedModel, Source},
    shape::Shape,
};

pub(super) struct Survey<'a> {
    pub model: &'a ResolvedModel,
    fields: &'a ReceptiveFields,
    /// For every layer, whether the output depends on it.
    feeds: Vec<bool>,
    /// Height and width of the image.
    pub image: [i64; 2],
    /// The last maps: places of layers, in the model's order.
    pub last_maps: Vec<usize>,
}

impl<'a> Survey<'a> {
    pub fn new(model: &'a ResolvedModel, fields: &'a ReceptiveFields) -> Survey<'a> {
        let image = model.image.size().unwrap_or([1, 1]);
        let mut survey = Survey { model, fields, feeds: model.feeds_output(), image, last_maps: Vec::new() };
        survey.last_maps = survey.find_last_maps();
        survey
    }

    /// The layers on which the output depends, with their places.
    pub fn layers(&self) -> impl Iterator<Item = (usize, &'a ResolvedLayer)> + '_ {
        self.model.layers.iter().enumerate().filter(|(place, _)| self.feeds[*place])
    }

    pub fn name(&self, source: Source) -> &'a str {
        self.model.source_name(source)
    }

    /// The field of the layer at a place, if it is known.
    pub fn field(&self, place: usize) -> Option<&'a ReceptiveField> {
        self.fields.get(&self.model.layers[place].name)
    }

    /// Size of the field of what a layer reads first. That of the image is one pixel.
    pub fn input_size(&self, layer: &ResolvedLayer) -> Option<[i64; 2]> {
        match *layer.inputs.first()? {
            Source::Image => Some([1, 1]),
            Source::Layer(place) => self.field(place).map(ReceptiveField::size),
        }
    }

    /// Whether the size of the field of what a layer reads first is no mere bound, along each axis.
    pub fn input_is_exact(&self, layer: &ResolvedLayer) -> [bool; 2] {
        match layer.inputs.first() {
            Some(&Source::Layer(place)) => {
                self.field(place).map_or([false; 2], |field| [field.rows.exact, field.columns.exact])
            }
            _ => [true; 2],
        }
    }

    /// The layers that the one at `place` depends on, itself included, in the model's order.
    pub fn ancestors(&self, place: usize) -> Vec<usize> {
        let found = self.model.ancestors(place);
        (0..=place).filter(|&at| found[at]).collect()
    }

    /// The layers whose units still have places of their own, where what reads them gives those up, or nothing does.
    fn find_last_maps(&self) -> Vec<usize> {
        let has_places = |place: usize| {
            let is_map = matches!(self.model.layers[place].output_shape, Shape::Map { .. });
            is_map && self.field(place).is_some_and(|field| field.stride().is_some())
        };
        let mut is_last = vec![false; self.model.layers.len()];
        if let Some(output) = is_last.last_mut() {
            *output = true;
        }
        for (_, layer) in self.layers().filter(|&(reader, _)| !has_places(reader)) {
            for source in &layer.inputs {
                if let Source::Layer(place) = *source {
                    is_last[place] = true;
                }
            }
        }
        (0..is_last.len()).filter(|&place| is_last[place] && has_places(place)).collect()
    }

    /// Names of layers.
    pub fn names(&self, places: &[usize]) -> Vec<String> {
        places.iter().map(|&place| self.model.layers[place].name.clone()).collect()
    }
}

/// Both directions of a pair.
pub(super) fn axes(pair: Pair) -> [i64; 2] {
    pair.into()
}

/// Whether a layer's window has more than one tap, along each axis.
pub(super) fn has_taps(layer: &ResolvedLayer) -> [bool; 2] {
    layer.window.map_or([false; 2], |window| axes(window.kernel).map(|taps| taps > 1))
}

/// Whether maps are joined by the layer.
pub(super) fn joins(layer: &ResolvedLayer) -> bool {
    layer.layer.joins()
}
