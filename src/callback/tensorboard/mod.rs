//! The callback that writes what stock TensorBoard shows.

mod distributions;
mod pictures;
mod scalars;

use super::{CONTINUE, Callback, Context, Flow, Metrics, Needs, Position, Schedule};
use crate::{error::Result, summary::Step, writer::SummarySink};

pub use self::pictures::ProbeImages;
use self::{distributions::Distributions, pictures::Pictures, scalars::Scalars};

/// Sub-run for what is measured while training.
const TRAIN: &str = "train";
/// Sub-run for what is measured on the validation data.
const VALIDATION: &str = "validation";

/// Writes loss and metrics, norms, learning rate and throughput; histograms of weights, gradients and activations;
/// sparsity; filter images and feature maps.
///
/// The knobs are those of Keras's callback of the same name and mean the same, but the log folder is chosen where the
/// [`SummaryWriter`](crate::SummaryWriter) is made, and histograms and images are on by default.
///
/// | tag | run | kind | when |
/// |---|---|---|---|
/// | `loss`, `accuracy` and other measures | `train` | scalar: mean since the last point | `update_freq` |
/// | the same | `validation` | scalar | after each validation pass |
/// | `learning_rate`, `throughput/images_per_second`, `throughput/batches_per_second` | `train` | scalar | `update_freq` |
/// | `norm/weights`, `norm/gradients` | `train` | scalar: L2 norm over all parameters | `update_freq` |
/// | `norm/weights/<param>`, `norm/gradients/<param>` | `train` | scalar: L2 norm | `update_freq` |
/// | `weights/<param>`, `gradients/<param>` | `train` | histogram | `histogram_freq` |
/// | `activations/<layer>` | `train` | histogram of the batch's outputs | `histogram_freq` |
/// | `sparsity/<layer>` | `train` | scalar: share of exact zeros, 0 to 1 | `histogram_freq` |
/// | `channel_sparsity/<layer>` | `train` | histogram over channels of that share | `histogram_freq` |
/// | `health/non_finite` | `train` | scalar: NaN and infinite values in all of these | `histogram_freq` |
/// | `health/non_finite/<tag>` | `train` | the same for one tensor, from the first time it has any | `histogram_freq` |
/// | `filters/<layer>`, `feature_maps/<layer>` | `train` | image | with the histograms |
/// | `probe_images` | `train` | image | once |
///
/// All of them lie on the global step. `<param>` is the parameter's name with `/` for `.`; `<layer>` is the name of a
/// probe, or of a node of a [`Network`](crate::Network).
///
/// In batch mode gradients are those of that batch. In a loop that clips gradients and does not call
/// [`Scope::after_backward`](crate::Scope::after_backward) they are the clipped ones.
#[derive(Debug)]
pub struct TensorBoard {
    scalars: Scalars,
    distributions: Distributions,
    pictures: Option<Pictures>,
    /// Step at which histograms and pictures were written last, so that an epoch's end does not write them again.
    written: Option<Step>,
}

impl Default for TensorBoard {
    fn default() -> TensorBoard {
        TensorBoard::new()
    }
}

impl TensorBoard {
    /// Scalars, histograms and images at the end of every epoch.
    pub fn new() -> TensorBoard {
        TensorBoard {
            scalars: Scalars::new(Schedule::epoch()),
            distributions: Distributions::new(Schedule::epoch()),
            pictures: Some(Pictures::default()),
            written: None,
        }
    }

    /// When to write scalars. The default is [`Schedule::epoch`]; each point is the mean since the last one.
    #[must_use]
    pub fn update_freq(mut self, schedule: Schedule) -> TensorBoard {
        self.scalars.schedule = schedule;
        self
    }

    /// Every how many epochs to write histograms and images; 0 is never. The default is 1 (Keras: 0).
    #[must_use]
    pub fn histogram_freq(self, epochs: u64) -> TensorBoard {
        self.histograms(Schedule::epochs(epochs))
    }

    /// When to write histograms and images, as a [`Schedule`].
    #[must_use]
    pub fn histograms(mut self, schedule: Schedule) -> TensorBoard {
        self.distributions.schedule = schedule;
        self
    }

    /// Whether to write filter images and feature maps together with the histograms. The default is yes (Keras: no).
    #[must_use]
    pub fn write_images(mut self, yes: bool) -> TensorBoard {
        match (yes, &self.pictures) {
            (true, None) => self.pictures = Some(Pictures::default()),
            (false, _) => self.pictures = None,
            (true, Some(_)) => {}
        }
        self
    }

    /// The fixed images whose feature maps are drawn; without them there are none. They also need the model
    /// ([`Session::model`](crate::Session::model)).
    #[must_use]
    pub fn probe_images(mut self, images: ProbeImages) -> TensorBoard {
        self.pictures.get_or_insert_default().probe = Some(images);
        self
    }

    fn write_histograms_and_pictures(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Result<()> {
        self.written = Some(cx.step());
        self.distributions.write_weights(cx, out)?;
        self.distributions.write_activations(cx, out)?;
        self.distributions.write_health(cx, out)?;
        self.pictures.as_ref().map_or(Ok(()), |pictures| pictures.write(cx, out))
    }
}

impl Callback for TensorBoard {
    fn needs(&self, position: &Position) -> Needs {
        Needs::ACTIVATIONS.when(self.distributions.schedule.may_be_due(position))
    }

    fn on_train_start(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        self.scalars.start_clock();
        if let Some(pictures) = &self.pictures {
            pictures.write_probe(cx, &mut out.sub_run(TRAIN))?;
        }
        CONTINUE
    }

    fn on_after_backward(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        let out = &mut out.sub_run(TRAIN);
        if self.scalars.schedule.is_due(cx.position()) {
            self.scalars.write_gradient_norms(cx, out)?;
        }
        if self.distributions.schedule.is_due(cx.position()) {
            self.distributions.write_gradients(cx, out)?;
        }
        CONTINUE
    }

    fn on_batch_end(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        let out = &mut out.sub_run(TRAIN);
        self.scalars.add(cx)?;
        if self.scalars.schedule.is_due(cx.position()) {
            self.scalars.write(cx, out)?;
        }
        if self.distributions.schedule.is_due(cx.position()) {
            self.write_histograms_and_pictures(cx, out)?;
        }
        CONTINUE
    }

    fn on_validation_end(&mut self, cx: &Context<'_>, metrics: &Metrics, out: &mut dyn SummarySink) -> Flow {
        scalars::write_validation(cx, metrics, &mut out.sub_run(VALIDATION))?;
        CONTINUE
    }

    /// Writes what the end of the epoch makes due, unless the loop said beforehand which batch would be the last: then
    /// it is written already.
    fn on_epoch_end(&mut self, cx: &Context<'_>, _: &Metrics, out: &mut dyn SummarySink) -> Flow {
        let out = &mut out.sub_run(TRAIN);
        if self.scalars.schedule.epoch_is_due(cx.position()) && self.scalars.is_pending() {
            self.scalars.write_gradient_norms(cx, out)?;
            self.scalars.write(cx, out)?;
        }
        if self.distributions.schedule.epoch_is_due(cx.position()) && self.written != Some(cx.step()) {
            self.distributions.write_gradients(cx, out)?;
            self.write_histograms_and_pictures(cx, out)?;
        }
        self.scalars.start_clock();
        CONTINUE
    }

    /// Writes the mean of the batches since the last point, so that none is lost.
    fn on_train_end(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        if self.scalars.is_pending() {
            self.scalars.write(cx, &mut out.sub_run(TRAIN))?;
        }
        CONTINUE
    }
}
