//! What was measured at one moment of a training.

use super::{BatchObservation, LayerObservation, ParamObservation, Timing};
use crate::summary::Step;

/// When something was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Moment {
    /// After a batch, with the optimiser's step done.
    #[default]
    Batch,
    /// After a pass over the validation data: only `validation` is filled.
    Validation,
    /// At the end of an epoch: `training` is filled, and `validation` where the epoch had one.
    Epoch,
}

/// Mean results over many images.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Score {
    /// Mean loss per image, for cross-entropy in nats.
    pub loss: Option<f64>,
    /// Share of right answers, 0 to 1.
    pub accuracy: Option<f64>,
    /// Over how many images, where known: an accuracy over ten images tells little.
    pub images: Option<u64>,
}

/// What was measured at one moment of a training. Everything but the place is optional: a rule says nothing about what
/// was not measured.
///
/// ```
/// use convscope::{Step, rules::{Moment, Observation}};
///
/// let observation = Observation { step: Step::new(10), losses: vec![(Step::new(10), 2.3)], ..Observation::default() };
/// assert_eq!((observation.moment, observation.last_loss()), (Moment::Batch, Some(2.3)));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Observation {
    /// Batches seen.
    pub step: Step,
    /// Number of the epoch; the first is 1.
    pub epoch: u64,
    /// Batches in an epoch, where known.
    pub batches_per_epoch: Option<u64>,
    /// When this was measured.
    pub moment: Moment,
    /// The training loss of every batch since the observation before, oldest first. Not only of batches that were
    /// measured in full.
    pub losses: Vec<(Step, f64)>,
    /// The learning rate, where known.
    pub learning_rate: Option<f64>,
    /// Input, labels and predictions of the batch, where the loop shows them.
    pub batch: Option<BatchObservation>,
    /// The observed layers in the order of the forward pass. Empty where nothing was captured.
    pub layers: Vec<LayerObservation>,
    /// The parameters in the order of their layers; also frozen ones and running statistics.
    pub params: Vec<ParamObservation>,
    /// L2 norm of all gradients as one vector, before clipping.
    pub gradient_norm: Option<f64>,
    /// The same as the optimiser used it, after clipping. `None` where the loop does not announce the moment before it.
    pub clipped_gradient_norm: Option<f64>,
    /// Gradient noise scale tr(Σ)/|G|² in images (McCandlish et al. 2018), where per-microbatch gradients were given.
    pub gradient_noise_scale: Option<f64>,
    /// Where the time went since the observation before.
    pub timing: Option<Timing>,
    /// Means over the training images of the epoch.
    pub training: Option<Score>,
    /// Means over the validation images.
    pub validation: Option<Score>,
}

impl Observation {
    /// The loss of the last batch.
    pub fn last_loss(&self) -> Option<f64> {
        self.losses.last().map(|&(_, loss)| loss)
    }

    /// The layer `name`.
    pub fn layer(&self, name: &str) -> Option<&LayerObservation> {
        self.layers.iter().find(|layer| layer.name == name)
    }

    /// The parameter `name`.
    pub fn param(&self, name: &str) -> Option<&ParamObservation> {
        self.params.iter().find(|param| param.name == name)
    }
}
