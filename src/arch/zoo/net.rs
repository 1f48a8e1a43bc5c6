//! A network written down as its authors do: blocks of layers, one after the other.

use crate::{
    arch::{
        layer::Layer,
        spec::{LayerSpec, ModelSpec},
    },
    error::Result,
};

/// A model that grows at its tip: each layer reads the one that was added last, unless told otherwise.
pub(super) struct Net {
    spec: ModelSpec,
    /// Name of the layer that the next one reads; `input` for the image.
    tip: String,
    /// What names begin with, with the dot.
    prefix: String,
}

impl Net {
    pub(super) fn new(name: &str, input: [i64; 3]) -> Net {
        let spec = ModelSpec { name: name.to_owned(), input, auxiliary: Vec::new(), layers: Vec::new() };
        Net { spec, tip: ModelSpec::IMAGE.to_owned(), prefix: String::new() }
    }

    /// Adds a layer that reads the tip, and becomes the tip.
    pub(super) fn layer(&mut self, name: &str, layer: impl Into<Layer>) -> &mut Net {
        let above = self.spec.layers.last().map_or(ModelSpec::IMAGE, |layer| layer.name.as_str());
        let inputs = if self.tip == above { Vec::new() } else { vec![self.tip.clone()] };
        self.push(name, inputs, layer.into())
    }

    /// Adds a layer that joins several, and becomes the tip.
    pub(super) fn join<S: Into<String>>(
        &mut self,
        name: &str,
        inputs: impl IntoIterator<Item = S>,
        layer: Layer,
    ) -> &mut Net {
        self.push(name, inputs.into_iter().map(Into::into).collect(), layer)
    }

    /// Adds layers named by their number, as PyTorch's `Sequential` does.
    pub(super) fn sequential(&mut self, name: &str, layers: impl IntoIterator<Item = Layer>) -> &mut Net {
        self.block(name, |net| {
            for (index, layer) in layers.into_iter().enumerate() {
                net.layer(&index.to_string(), layer);
            }
        })
    }

    /// Names all layers that `add` adds below `name`.
    pub(super) fn block(&mut self, name: &str, add: impl FnOnce(&mut Net)) -> &mut Net {
        let outer = self.prefix.len();
        self.prefix.push_str(name);
        self.prefix.push('.');
        add(self);
        self.prefix.truncate(outer);
        self
    }

    /// The whole name of the layer that the next one reads.
    pub(super) fn tip(&self) -> String {
        self.tip.clone()
    }

    /// Goes on from another layer.
    pub(super) fn from(&mut self, tip: &str) -> &mut Net {
        tip.clone_into(&mut self.tip);
        self
    }

    /// Ends a head that only training uses.
    pub(super) fn auxiliary(&mut self) -> &mut Net {
        self.spec.auxiliary.push(self.tip.clone());
        self
    }

    /// The model, if it can be with this input and so many classes.
    pub(super) fn build(self) -> Result<ModelSpec> {
        self.spec.validate()?;
        Ok(self.spec)
    }

    fn push(&mut self, name: &str, inputs: Vec<String>, layer: Layer) -> &mut Net {
        let name = format!("{}{name}", self.prefix);
        self.tip.clone_from(&name);
        self.spec.layers.push(LayerSpec { name, inputs, layer });
        self
    }
}
