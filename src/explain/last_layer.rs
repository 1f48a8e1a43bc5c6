//! The same model with a last layer that was never trained.

use tch::Tensor;

use super::{
    classifier::Classifier,
    head::{Head, fresh},
    study::Subject,
};
use crate::{
    arch::{Layer, ModelSpec},
    error::Result,
    network::Network,
    tch_context::TchContext as _,
};

/// A model's last layer with weights, found such that it can be replaced.
pub(super) enum LastLayer<'a> {
    /// A linear layer at the end, whatever the model is made of.
    Head(Head),
    /// Any other, such as a 1x1 convolution before a mean over the image: in a network that is built once more.
    Spec { spec: &'a ModelSpec, variables: &'a [(String, Tensor)], layer: String },
}

impl<'a> LastLayer<'a> {
    /// Looks at how the model answers `image`. `None` where neither a linear layer is found at its end nor its spec is
    /// known.
    pub fn find(subject: &Subject<'a>, image: &Tensor) -> Result<Option<LastLayer<'a>>> {
        let trace = subject.classifier.trace(image)?;
        if let Some(head) = Head::find(subject.variables, &trace.activations, &trace.logits)? {
            return Ok(Some(LastLayer::Head(head)));
        }
        let Some(spec) = subject.spec else { return Ok(None) };
        let model = spec.without_auxiliary().resolve()?;
        let has_weights = |layer: &Layer| matches!(layer, Layer::Conv2d(_) | Layer::Linear(_));
        let layer = model.layers.iter().rev().find(|layer| has_weights(&layer.layer));
        let named =
            |layer: &str| subject.variables.iter().any(|(name, _)| *name == format!("{layer}.weight"));
        let layer = layer.map(|layer| layer.name.clone()).filter(|layer| named(layer));
        Ok(layer.map(|layer| LastLayer::Spec { spec, variables: subject.variables, layer }))
    }

    /// Asks the model with random weights in this layer.
    pub fn randomized<T>(
        &self,
        classifier: &Classifier<'_>,
        seed: u64,
        ask: impl FnOnce(&Classifier<'_>) -> Result<T>,
    ) -> Result<T> {
        match self {
            LastLayer::Head(head) => ask(&classifier.with_head(head.randomized(seed)?)),
            LastLayer::Spec { spec, variables, layer } => {
                let network = Network::with_variables(spec, &replaced(variables, layer, seed)?)?;
                ask(&classifier.with_network(&network))
            }
        }
    }
}

/// The variables with new ones for `layer`.
fn replaced(variables: &[(String, Tensor)], layer: &str, seed: u64) -> Result<Vec<(String, Tensor)>> {
    let mut random = fastrand::Rng::with_seed(seed);
    let weight = format!("{layer}.weight");
    let inputs = variables
        .iter()
        .find(|(name, _)| *name == weight)
        .map_or(1, |(_, weight)| weight.size().iter().skip(1).product());
    let of_layer =
        |name: &str| name.strip_prefix(layer).is_some_and(|end| matches!(end, ".weight" | ".bias"));
    variables
        .iter()
        .map(|(name, tensor)| {
            let tensor =
                if of_layer(name) { fresh(tensor, inputs, &mut random)? } else { tensor.shallow_clone() };
            Ok((name.clone(), tensor))
        })
        .collect::<Result<_, tch::TchError>>()
        .context(|| format!("a random layer `{layer}`"))
}
