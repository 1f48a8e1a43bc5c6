//! What a callback may read.

use tch::{Tensor, nn};

use super::Position;
use crate::{
    capture::{Activations, Tap},
    error::Result,
    params::Params,
    render::Caption,
    summary::Step,
    tch_context::TchContext as _,
};

/// What the loss is called among the measures of a batch.
pub(crate) const LOSS: &str = "loss";

/// A number that a batch reported, such as `loss`: a tensor of one element on its device, detached from the graph.
#[derive(Debug)]
pub struct Measure {
    /// `loss`, `accuracy`, or an own name.
    pub name: String,
    /// Shape `[]`.
    pub value: Tensor,
}

/// What one batch left for the callbacks.
#[derive(Debug, Default)]
pub(crate) struct BatchReport {
    pub measures: Vec<Measure>,
    pub images: Option<u64>,
    pub activations: Option<Activations>,
    pub activation_gradients: Option<Vec<Option<Tensor>>>,
}

impl BatchReport {
    /// What the batch counts in a mean over batches: its number of images, or 1 where that is unknown.
    pub fn weight(&self) -> f64 {
        self.images.map_or(1.0, |images| images as f64)
    }
}

/// Runs the model without training it.
pub(crate) type Forward<'a> = dyn Fn(&Tensor) -> Result<Tensor> + 'a;

/// What a callback may read: where training stands, the parameters, and what the last batch left.
pub struct Context<'a> {
    pub(crate) position: Position,
    pub(crate) var_store: &'a nn::VarStore,
    pub(crate) report: &'a BatchReport,
    pub(crate) learning_rate: Option<f64>,
    pub(crate) tap: &'a Tap,
    pub(crate) model: Option<&'a Forward<'a>>,
}

impl Context<'_> {
    /// Where training stands.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// The global step: number of batches seen, the running one included. What is written now belongs here.
    pub fn step(&self) -> Step {
        self.position.step
    }

    /// The caption of a picture of `layer` that is drawn now.
    pub(crate) fn caption<'c>(&self, layer: &'c str) -> Caption<'c> {
        let Position { step, batch, epoch, .. } = self.position;
        Caption { layer, step, epoch: (batch > 0).then_some(epoch) }
    }

    /// All variables of the model, running statistics of batch normalisation included.
    pub fn var_store(&self) -> &nn::VarStore {
        self.var_store
    }

    /// The trainable parameters and their gradients, sorted by name.
    pub fn params(&self) -> Params {
        Params::trainable(self.var_store)
    }

    /// What the batch reported: `loss` first, then what the loop added.
    pub fn measures(&self) -> &[Measure] {
        &self.report.measures
    }

    /// The batch's loss; `None` before it is known. Waits for the device.
    ///
    /// # Errors
    /// A loss that is not a single number.
    pub fn loss(&self) -> Result<Option<f64>> {
        let loss = self.report.measures.iter().find(|measure| measure.name == LOSS);
        loss.map(|loss| loss.value.f_double_value(&[]).context(|| "loss".to_owned())).transpose()
    }

    /// How many images the batch held, where the loop said so.
    pub fn images(&self) -> Option<u64> {
        self.report.images
    }

    /// The learning rate, where the loop said so: tch's optimisers do not tell it.
    pub fn learning_rate(&self) -> Option<f64> {
        self.learning_rate
    }

    /// Outputs of the observed layers in the batch's forward pass, if somebody asked for them
    /// ([`Needs::ACTIVATIONS`](super::Needs::ACTIVATIONS)).
    pub fn activations(&self) -> Option<&Activations> {
        self.report.activations.as_ref()
    }

    /// Gradients of the loss by each of [`activations`](Context::activations), in the same order, if somebody asked for
    /// them ([`Needs::ACTIVATION_GRADIENTS`](super::Needs::ACTIVATION_GRADIENTS)) and the loop announces the moment
    /// before the backward pass. `None` for a layer that the loss does not depend on.
    pub fn activation_gradients(&self) -> Option<&[Option<Tensor>]> {
        self.report.activation_gradients.as_deref()
    }

    /// Runs the model on `images` as in validation (no gradient, `train = false`) and returns the outputs of the observed
    /// layers; `None` where the loop gave no model. Training does not notice.
    ///
    /// # Errors
    /// Images that the model cannot take; a layer whose output was changed in place after it was observed.
    pub fn observe(&self, images: &Tensor) -> Result<Option<Activations>> {
        let Some(model) = self.model else { return Ok(None) };
        tch::no_grad(|| {
            let capture = self.tap.capture();
            drop(model(images)?);
            capture.finish().map(Some)
        })
    }

    /// Whether the loop gave a model.
    pub(crate) fn has_model(&self) -> bool {
        self.model.is_some()
    }

    /// As [`observe`](Context::observe), but with the graph from `images` to the outputs, for gradients by
    /// [`Tensor::f_run_backward`], which leaves every `.grad` alone. `images` must ask for a gradient and be no tensor of
    /// the training: [`ForwardGraph`](crate::diagnostics::ForwardGraph) does both.
    ///
    /// # Errors
    /// As [`observe`](Context::observe).
    pub(crate) fn observe_with_graph(&self, images: &Tensor) -> Result<Option<Activations>> {
        let Some(model) = self.model else { return Ok(None) };
        tch::with_grad(|| {
            let capture = self.tap.capture();
            drop(model(images)?);
            capture.finish().map(Some)
        })
    }
}
