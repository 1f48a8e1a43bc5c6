//! What was captured.

use tch::Tensor;

use crate::{arch::Role, error::Result, tch_context::TchContext as _};

/// One layer's output.
#[derive(Debug)]
pub struct Activation {
    /// The layer, as named by its probe; `name:2` for the second pass within one capture.
    pub name: String,
    /// What the output is.
    pub role: Role,
    /// The output, as part of the graph. Do not change it in place.
    pub tensor: Tensor,
}

/// Outputs of layers, in the order in which they were computed.
#[derive(Debug, Default)]
pub struct Activations(pub(super) Vec<Activation>);

impl Activations {
    /// All outputs, in the order of the forward pass.
    pub fn iter(&self) -> std::slice::Iter<'_, Activation> {
        self.0.iter()
    }

    /// The output of the layer `name`.
    pub fn get(&self, name: &str) -> Option<&Activation> {
        self.0.iter().find(|activation| activation.name == name)
    }

    /// How many outputs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was captured.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The gradient of `loss` with respect to each output, in the order of [`iter`](Activations::iter). `None` where
    /// the loss does not depend on the output or the output has no graph.
    ///
    /// One extra backward pass that leaves every `.grad` alone and keeps the graph, so that the ordinary backward pass
    /// of the training step can follow.
    ///
    /// # Errors
    /// A loss without a graph (computed under `no_grad`), or whose graph was freed by a backward pass before.
    pub fn gradients(&self, loss: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let inputs: Vec<&Tensor> = self.iter().map(|a| &a.tensor).filter(|t| t.requires_grad()).collect();
        if inputs.is_empty() {
            return Ok(self.iter().map(|_| None).collect());
        }
        let mut gradients = Tensor::f_run_backward(&[loss], &inputs, true, false)
            .context(|| "gradients of activations".to_owned())?
            .into_iter();
        let of = |a: &Activation| if a.tensor.requires_grad() { gradients.next() } else { None };
        Ok(self.iter().map(of).map(|gradient| gradient.filter(Tensor::defined)).collect())
    }
}

impl IntoIterator for Activations {
    type Item = Activation;
    type IntoIter = std::vec::IntoIter<Activation>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Activations {
    type Item = &'a Activation;
    type IntoIter = std::slice::Iter<'a, Activation>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
