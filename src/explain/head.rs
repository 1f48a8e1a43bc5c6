//! The last layer of a classifier: found by what it does, and replaced to see whether an explanation depends on it.

use tch::{TchError, Tensor};

use super::{rounding, values::scalar};
use crate::{
    capture::{Activation, Activations},
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// How far logits may be from those that the head gives, relative to the largest: single-precision sums of a thousand
/// terms, in another order. More where the [device](rounding::of_logits) rounds more.
const TOLERANCE: f64 = 1e-3;

/// The linear layer at a classifier's end: logits = weight · features + bias.
#[derive(Debug)]
pub struct Head {
    /// Name of the observed layer whose output, flattened, is its input: the penultimate features.
    pub features: String,
    /// `[classes, features]`.
    pub weight: Tensor,
    /// `[classes]`.
    pub bias: Option<Tensor>,
}

impl Head {
    /// The head among `variables` (by name) and observed layers: a weight, its bias and an output that together give the
    /// `logits`. Nothing about the model has to be known. `None` where there is none: the model does not end with a linear
    /// layer, or nobody observes what goes into it.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn find(
        variables: &[(String, Tensor)],
        activations: &Activations,
        logits: &Tensor,
    ) -> Result<Option<Head>> {
        let classes = logits.size().get(1).copied().unwrap_or(0);
        let weights = variables.iter().filter(|(_, v)| v.dim() == 2 && v.size()[0] == classes);
        for (name, weight) in weights {
            let biases = name.strip_suffix("weight").map(|layer| format!("{layer}bias"));
            let bias = biases
                .and_then(|bias| variables.iter().find(|(name, _)| *name == bias))
                .map(|(_, bias)| bias);
            let width = weight.size()[1];
            let fits = |a: &&Activation| a.tensor.size().iter().skip(1).product::<i64>() == width;
            // From the back: reshaped copies of the same features come later, and the last is the one read.
            for activation in activations.iter().collect::<Vec<_>>().into_iter().rev().filter(fits) {
                let head = Head {
                    features: activation.name.clone(),
                    weight: weight.shallow_clone(),
                    bias: bias.map(Tensor::shallow_clone),
                };
                if head.gives(activations, logits)? {
                    return Ok(Some(head));
                }
            }
        }
        Ok(None)
    }

    /// The same layer with new weights, uniform in ±1/√features as PyTorch's are at first, from a seeded generator.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn randomized(&self, seed: u64) -> Result<Head> {
        let mut random = fastrand::Rng::with_seed(seed);
        let features = self.weight.size().get(1).copied().unwrap_or(1);
        let mut new = || -> Result<(Tensor, Option<Tensor>), TchError> {
            let weight = fresh(&self.weight, features, &mut random)?;
            Ok((weight, self.bias.as_ref().map(|bias| fresh(bias, features, &mut random)).transpose()?))
        };
        let (weight, bias) = new().context(|| "a random last layer".to_owned())?;
        Ok(Head { features: self.features.clone(), weight, bias })
    }

    /// The logits that follow from the layers' outputs.
    pub(super) fn answer(&self, activations: &Activations) -> Result<Tensor> {
        let features = activations.get(&self.features).ok_or_else(|| {
            Error::invalid(format!("layer `{}`", self.features), "it was not observed in this pass")
        })?;
        let apply = || features.tensor.f_flatten(1, -1)?.f_linear(&self.weight, self.bias.as_ref());
        apply().context(|| format!("last layer on `{}`", self.features))
    }

    fn gives(&self, activations: &Activations, logits: &Tensor) -> Result<bool> {
        let answer = self.answer(activations)?;
        let compare = || -> Result<bool, TchError> {
            let scale = scalar(&logits.f_abs()?.f_max()?)?;
            let off = scalar(&answer.f_sub(logits)?.f_abs()?.f_max()?)?;
            let tolerance = TOLERANCE.max(rounding::of_logits(logits.device()));
            Ok(off <= tolerance * scale.max(1e-6))
        };
        tch::no_grad(compare).context(|| "last layer".to_owned())
    }
}

/// New values for a parameter of a layer with so many inputs, uniform in ±1/√inputs as PyTorch's are at first.
pub(super) fn fresh(parameter: &Tensor, inputs: i64, random: &mut fastrand::Rng) -> Result<Tensor, TchError> {
    let bound = 1.0 / (inputs.max(1) as f64).sqrt();
    let values: Vec<f32> =
        (0..parameter.numel()).map(|_| ((2.0 * random.f64() - 1.0) * bound) as f32).collect();
    Tensor::f_from_slice(&values)?
        .f_reshape(parameter.size())?
        .f_to_kind(parameter.kind())?
        .f_to_device(parameter.device())
}
