//! What a callback may read.

use std::cell::Cell;

use tch::{Tensor, nn};

use super::Position;
use crate::{
    capture::{Activations, Tap},
    error::{Error, Result},
    params::Params,
    render::Caption,
    rules::Timing,
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
    pub params_before: Option<Vec<(String, Tensor)>>,
    pub batch: Option<BatchView>,
    /// Whether the loop itself announced that the gradients are computed.
    pub announced: bool,
}

impl BatchReport {
    /// What the batch counts in a mean over batches: its number of images, or 1 where that is unknown.
    pub fn weight(&self) -> f64 {
        self.images.map_or(1.0, |images| images as f64)
    }
}

/// A batch of a classifier, detached from the graph: the loop's own tensors, not copies. Do not change them in place.
#[derive(Debug)]
pub struct BatchView {
    /// What the model took, `[N, C, H, W]`.
    pub images: Tensor,
    /// Class of each image, integers `[N]`.
    pub labels: Tensor,
    /// What the model answered before softmax, `[N, classes]`.
    pub logits: Tensor,
}

impl BatchView {
    /// # Errors
    /// Logits that are not two-dimensional; another number of images, labels and rows of logits.
    pub(crate) fn new(images: &Tensor, labels: &Tensor, logits: &Tensor) -> Result<BatchView> {
        let sizes = [images.size(), labels.size(), logits.size()];
        let belong = matches!(&sizes, [images, labels, logits]
            if labels.len() == 1 && logits.len() == 2 && images.first() == labels.first() && labels[0] == logits[0]);
        if !belong {
            let [images, labels, logits] = sizes;
            return Err(Error::invalid(
                "batch",
                format!(
                    "images of shape {images:?}, labels {labels:?} and logits {logits:?} found; [N, ...], [N] and \
                     [N, classes] with one N expected"
                ),
            ));
        }
        let detach = |tensor: &Tensor| tensor.f_detach().context(|| "batch".to_owned());
        Ok(BatchView { images: detach(images)?, labels: detach(labels)?, logits: detach(logits)? })
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
    pub(crate) timing: Timing,
    /// The learning rate that a callback asked for.
    pub(crate) requested: &'a Cell<Option<f64>>,
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

    /// Asks for another learning rate. The [`Trainer`](crate::Trainer) sets it before the next batch; an own loop takes
    /// it from [`Session::requested_learning_rate`](crate::Session::requested_learning_rate).
    ///
    /// # Errors
    /// A rate that is not a positive number.
    pub fn set_learning_rate(&self, learning_rate: f64) -> Result<()> {
        if !(learning_rate.is_finite() && learning_rate > 0.0) {
            return Err(Error::invalid(
                "learning rate",
                format!("{learning_rate} found; give a positive number"),
            ));
        }
        self.requested.set(Some(learning_rate));
        Ok(())
    }

    /// Input, labels and logits of the batch, where the loop showed them ([`Scope::batch`](crate::Scope::batch); the
    /// [`Trainer`](crate::Trainer) does).
    pub fn batch(&self) -> Option<&BatchView> {
        self.report.batch.as_ref()
    }

    /// The trainable parameters as they were when the step began, sorted by name, if somebody asked for them
    /// ([`Needs::PARAMETERS_BEFORE`](super::Needs::PARAMETERS_BEFORE)). Gone after `on_batch_end`.
    pub fn params_before(&self) -> Option<&[(String, Tensor)]> {
        self.report.params_before.as_deref()
    }

    /// Whether the loop announced the moment after the backward pass: then the gradients that `on_after_backward` sees
    /// are not clipped yet, and the weights not moved.
    pub fn announced(&self) -> bool {
        self.report.announced
    }

    /// Where the time went since training began, until this call of the callbacks: take the difference of two readings
    /// for an interval.
    pub fn timing(&self) -> Timing {
        self.timing
    }

    /// Whether diagnostics have taken more than their share of the time: see
    /// [`Position::over_budget`](super::Position::over_budget).
    pub fn over_budget(&self) -> bool {
        self.position.over_budget
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
