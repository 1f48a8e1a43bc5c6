//! What a model is made of and what it costs: outputs, parameters, multiply-adds, memory and receptive fields.

mod machine;
mod table;

use super::{
    advice::{self, Advice, AdviceOptions},
    error::ModelError,
    layer::Layer,
    receptive_field::{ReceptiveField, ReceptiveFields},
    resolve::{ResolvedLayer, ResolvedModel},
    shape::Shape,
    spec::ModelSpec,
};
use crate::error::{Error, Result};

/// Bytes of a value of type `float32`.
const FLOAT32: i64 = 4;

/// Layers and totals of a model, made by [`ModelSpec::summary`].
///
/// ```
/// use convscope::arch::{Conv2d, Layer, Linear, MaxPool2d, ModelSpec};
///
/// let spec = ModelSpec::builder("tiny", [1, 28, 28])
///     .layer("conv1", Conv2d::new(8, 3).padding(1))
///     .layer("relu1", Layer::Relu)
///     .layer("pool1", MaxPool2d::new(2))
///     .layer("flatten", Layer::Flatten)
///     .layer("fc1", Linear::new(10))
///     .build()?;
/// let summary = spec.summary()?;
/// assert_eq!(summary.params, (9 + 1) * 8 + (8 * 14 * 14 + 1) * 10);
/// assert_eq!(summary.macs, 8 * 28 * 28 * 9 + 8 * 14 * 14 * 10);
/// // conv1 and relu1, pool1, fc1; flatten is the memory of pool1.
/// assert_eq!(summary.activation_bytes, 4 * (2 * 8 * 28 * 28 + 8 * 14 * 14 + 10));
///
/// let pool1 = summary.layers[2].receptive_field.as_ref().expect("no conflict in a chain");
/// assert_eq!((pool1.size(), pool1.stride(), pool1.padding()), ([4, 4], Some([2, 2]), Some([1, 1])));
/// print!("{}", summary.to_table().to_text());
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ModelSummary {
    /// The model's name.
    pub name: String,
    /// Channels, height and width of one image.
    pub input: [i64; 3],
    /// Trainable values of all layers.
    pub params: i64,
    /// Multiply-adds of all layers for one image.
    pub macs: i64,
    /// Bytes of the outputs of all layers together, for one image: more than training keeps of them. See
    /// [`LayerSummary::activation_bytes`].
    pub activation_bytes: i64,
    /// The layers in the model's order.
    pub layers: Vec<LayerSummary>,
    /// Why the receptive fields of some layers are not known: where strides do not agree, both branches. `None`: all
    /// are known.
    pub conflict: Option<String>,
    /// What the receptive fields say about the model: see [`ModelSpec::advice`].
    pub advice: Vec<Advice>,
}

/// One layer of a [`ModelSummary`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LayerSummary {
    /// Its name.
    pub name: String,
    /// Its type as in TOML: `conv2d`, `max_pool2d`, ...
    pub type_name: &'static str,
    /// Names of what it reads; `input` is the image.
    pub inputs: Vec<String>,
    /// The shape of its output for one image.
    pub output: Shape,
    /// Trainable values.
    pub params: i64,
    /// Multiply-adds for one image: of a convolution output values · (input channels / groups) · kernel height ·
    /// kernel width, of a linear layer inputs · outputs, of all others 0. Biases, normalisation, activations, pooling
    /// and sums are not counted; that is how the tables of torchvision count, which call them FLOPs. Others count a
    /// multiplication and an addition as two.
    pub macs: i64,
    /// Bytes of its output for one image in `float32`; 0 of `flatten` and `identity`, which put out the memory of their
    /// input. All together are an upper estimate of the outputs that training keeps for the backward pass, which needs
    /// some of them alone. What else training keeps, such as the places of maxima in pooling, is not counted.
    pub activation_bytes: i64,
    /// Whether it feeds [auxiliary](ModelSpec::auxiliary) outputs alone, which only training computes.
    pub auxiliary: bool,
    /// What its units see of the image. `None`: not known, see [`ModelSummary::conflict`].
    pub receptive_field: Option<ReceptiveField>,
}

impl ModelSpec {
    /// Outputs, parameters, multiply-adds, memory and receptive fields of all layers, with their totals.
    ///
    /// Branches whose strides do not agree are no error here: the fields behind them stay unknown, and
    /// [`ModelSummary::conflict`] says why.
    ///
    /// # Errors
    /// As [`validate`](ModelSpec::validate); more multiply-adds or bytes than an `i64` can count.
    pub fn summary(&self) -> Result<ModelSummary> {
        self.summary_with(&AdviceOptions::default())
    }

    /// [`summary`](ModelSpec::summary) with advice that knows more than the model.
    ///
    /// # Errors
    /// As [`summary`](ModelSpec::summary) and [`advice`](ModelSpec::advice).
    pub fn summary_with(&self, options: &AdviceOptions) -> Result<ModelSummary> {
        let model = self.resolve()?;
        let (fields, conflict) = ReceptiveFields::partial(&model);
        ModelSummary::of(self, &model, &fields, conflict, options)
    }
}

impl ModelSummary {
    /// The summary of `spec`, which was resolved to `model`; `conflict` stood in the way of some of its `fields`.
    pub(in crate::arch) fn of(
        spec: &ModelSpec,
        model: &ResolvedModel,
        fields: &ReceptiveFields,
        conflict: Option<Error>,
        options: &AdviceOptions,
    ) -> Result<ModelSummary> {
        let feeds_output = model.feeds_output();
        let mut layers = Vec::with_capacity(model.layers.len());
        for (layer, feeds_output) in model.layers.iter().zip(feeds_output) {
            layers.push(LayerSummary {
                name: layer.name.clone(),
                type_name: layer.layer.type_name(),
                inputs: layer.inputs.iter().map(|&input| model.source_name(input).to_owned()).collect(),
                output: layer.output_shape,
                params: layer.param_count(),
                macs: counted(layer, "multiply-adds", layer.multiply_adds())?,
                activation_bytes: counted(layer, "bytes", activation_bytes(layer))?,
                auxiliary: !feeds_output,
                receptive_field: fields.get(&layer.name).cloned(),
            });
        }
        let sum = |what: &str, value: fn(&LayerSummary) -> i64| {
            let sum = layers.iter().map(value).try_fold(0_i64, i64::checked_add);
            sum.ok_or_else(|| ModelError::new(format!("has more {what} than can be counted")))
        };
        Ok(ModelSummary {
            name: spec.name.clone(),
            input: spec.input,
            params: model.param_count(),
            macs: sum("multiply-adds", |layer| layer.macs)?,
            activation_bytes: sum("bytes of activations", |layer| layer.activation_bytes)?,
            layers,
            conflict: conflict.as_ref().map(ToString::to_string),
            advice: advice::advice(model, fields, conflict, options)?,
        })
    }
}

fn counted(layer: &ResolvedLayer, what: &str, number: Option<i64>) -> Result<i64, ModelError> {
    let why = || ModelError::new(format!("has more {what} than can be counted")).layer(&layer.name);
    number.ok_or_else(why)
}

fn activation_bytes(layer: &ResolvedLayer) -> Option<i64> {
    match layer.layer {
        Layer::Flatten | Layer::Identity => Some(0),
        _ => layer.output_shape.checked_len()?.checked_mul(FLOAT32),
    }
}
