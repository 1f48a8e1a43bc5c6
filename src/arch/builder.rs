//! A model written in code.

use super::{
    layer::Layer,
    spec::{LayerSpec, ModelSpec},
};
use crate::error::Result;

/// Puts a [`ModelSpec`] together, layer by layer.
///
/// ```
/// use convscope::arch::{Conv2d, Layer, Linear, MaxPool2d, ModelSpec, Padding};
///
/// let spec = ModelSpec::builder("tiny", [1, 28, 28])
///     .layer("conv1", Conv2d::new(8, 3).padding(1))
///     .layer("relu1", Layer::Relu)
///     .layer("conv2", Conv2d::new(8, 3).padding(Padding::Same))
///     .layer_from("add", ["conv2", "relu1"], Layer::Add)
///     .layer("pool1", MaxPool2d::new(2))
///     .layer("flatten", Layer::Flatten)
///     .layer("fc1", Linear::new(10))
///     .build()?;
/// assert_eq!(spec.param_count()?, 8 * 10 + 8 * 73 + 10 * (8 * 14 * 14 + 1));
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "call `build`"]
pub struct ModelBuilder {
    spec: ModelSpec,
}

impl ModelBuilder {
    pub(super) fn new(name: String, input: [i64; 3]) -> ModelBuilder {
        ModelBuilder { spec: ModelSpec { name, input, auxiliary: Vec::new(), layers: Vec::new() } }
    }

    /// Adds a layer that reads the one above it (the first one: the image).
    pub fn layer(self, name: impl Into<String>, layer: impl Into<Layer>) -> ModelBuilder {
        self.push(name.into(), Vec::new(), layer.into())
    }

    /// Adds a layer that reads the layers named; `input` is the image.
    pub fn layer_from<S: Into<String>>(
        self,
        name: impl Into<String>,
        inputs: impl IntoIterator<Item = S>,
        layer: impl Into<Layer>,
    ) -> ModelBuilder {
        self.push(name.into(), inputs.into_iter().map(Into::into).collect(), layer.into())
    }

    /// Marks a layer as an output that only training uses. See [`ModelSpec::auxiliary`].
    pub fn auxiliary(mut self, layer: impl Into<String>) -> ModelBuilder {
        self.spec.auxiliary.push(layer.into());
        self
    }

    /// The model.
    ///
    /// # Errors
    /// As [`ModelSpec::validate`].
    pub fn build(self) -> Result<ModelSpec> {
        self.spec.validate()?;
        Ok(self.spec)
    }

    fn push(mut self, name: String, inputs: Vec<String>, layer: Layer) -> ModelBuilder {
        self.spec.layers.push(LayerSpec { name, inputs, layer });
        self
    }
}
