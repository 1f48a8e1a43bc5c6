//! The callback that writes what stock TensorBoard shows.

mod distributions;
mod pictures;
mod scalars;

use std::collections::BTreeSet;

use super::{CONTINUE, Callback, Context, Flow, Metrics, Needs, Position, Preset, Schedule};
use crate::{
    capture::Activation,
    error::Result,
    params::{Filter, Param, Params},
    render::spread,
    summary::Step,
    writer::SummarySink,
};

pub use self::pictures::ProbeImages;
use self::{distributions::Distributions, pictures::Pictures, scalars::Scalars};

/// Sub-run for what is measured while training.
pub(crate) const TRAIN: &str = "train";
/// Sub-run for what is measured on the validation data.
pub(crate) const VALIDATION: &str = "validation";

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
/// | `health/without_gradient` | `train` | scalar: trainable parameters that got no gradient | `histogram_freq` |
/// | `filters/<layer>`, `feature_maps/<layer>` | `train` | image | with the histograms |
/// | `probe_images` | `train` | image | once |
///
/// All of them lie on the global step. `<param>` is the parameter's name, `<layer>` the name of a probe or of a node of a
/// [`Network`](crate::Network), both with `/` for `.`. Filters are drawn for frozen layers too.
///
/// The last point of the scalars stands at the end of training, whatever the schedule. An epoch that is open then, as in
/// a loop that never calls [`Session::end_epoch`](crate::Session::end_epoch), counts as ended.
///
/// In batch mode gradients are those of that batch. In a loop that clips gradients and does not call
/// [`Scope::after_backward`](crate::Scope::after_backward) they are the clipped ones.
#[derive(Debug)]
pub struct TensorBoard {
    scalars: Scalars,
    distributions: Distributions,
    pictures: Pictures,
    chosen: Chosen,
    /// Step at which histograms and pictures were written last, so that an epoch's end does not write them again.
    written: Option<Step>,
}

/// Which parameters and layers are logged.
#[derive(Debug)]
struct Chosen {
    params: Filter,
    layers: Filter,
    /// So many layers have tags of their own.
    most: usize,
}

impl Chosen {
    /// All that are logged.
    fn params(&self, cx: &Context<'_>) -> Params {
        cx.params().matching(&self.params)
    }

    /// Those that have tags of their own: those of layers that are spread from the first to the last.
    fn tagged<'p>(&self, params: &'p Params, cx: &Context<'_>) -> Vec<&'p Param> {
        let mut layers: Vec<&str> = params.in_order(cx.var_store()).into_iter().map(Param::layer).collect();
        layers.dedup(); // those of one layer stand together
        let layers: BTreeSet<&str> = spread(&layers, self.most).into_iter().collect();
        params.iter().filter(|param| layers.contains(param.layer())).collect()
    }

    /// Those that have tags of their own.
    fn activations<'a>(
        &self,
        activations: impl IntoIterator<Item = &'a Activation>,
        fits: impl Fn(&Activation) -> bool,
    ) -> Vec<&'a Activation> {
        let chosen = activations.into_iter().filter(|a| self.layers.matches(&a.name) && fits(a));
        spread(&chosen.collect::<Vec<_>>(), self.most)
    }
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
            distributions: Distributions::new(Schedule::epoch().within_budget()),
            pictures: Pictures { enabled: true, probe: None },
            chosen: Chosen { params: Filter::all(), layers: Filter::all(), most: Preset::Full.layers() },
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

    /// When to write histograms and images, as a [`Schedule`]. They wait while diagnostics take more than their share of
    /// the time ([`Session::max_overhead`](crate::Session::max_overhead)).
    #[must_use]
    pub fn histograms(mut self, schedule: Schedule) -> TensorBoard {
        self.distributions.schedule = schedule.within_budget();
        self
    }

    /// Whether to write filter images and feature maps together with the histograms. The default is yes (Keras: no).
    #[must_use]
    pub fn write_images(mut self, yes: bool) -> TensorBoard {
        self.pictures.enabled = yes;
        self
    }

    /// Narrows `weights`, `gradients`, `norm` and `filters` to these parameters. The default is all.
    #[must_use]
    pub fn params(mut self, filter: Filter) -> TensorBoard {
        self.chosen.params = filter;
        self
    }

    /// Narrows `activations`, `sparsity` and `feature_maps` to these layers. The default is all.
    #[must_use]
    pub fn layers(mut self, filter: Filter) -> TensorBoard {
        self.chosen.layers = filter;
        self
    }

    /// How many layers and parameters have tags of their own. The default is [`Preset::Full`].
    ///
    /// - [`Economy`](Preset::Economy): none. There is what is of the training as a whole: `loss` and other measures,
    ///   `learning_rate`, `throughput`, `norm/weights`, `norm/gradients`, `health/without_gradient` and `probe_images`, at
    ///   most 10 tags for any network.
    /// - [`Standard`](Preset::Standard): of each kind those of up to 16 layers, evenly spread from the first to the last;
    ///   the totals stay totals of all. What is below 16 layers is all there.
    /// - [`Full`](Preset::Full): all. That is four for each parameter, and up to four for each layer: their number grows
    ///   with the depth.
    #[must_use]
    pub fn preset(mut self, preset: Preset) -> TensorBoard {
        self.chosen.most = preset.layers();
        self
    }

    /// The fixed images whose feature maps are drawn; without them there are none. They also need the model
    /// ([`Session::model`](crate::Session::model)).
    #[must_use]
    pub fn probe_images(mut self, images: ProbeImages) -> TensorBoard {
        self.pictures.probe = Some(images);
        self
    }

    /// Writes what the end of an epoch makes due, unless the loop said beforehand which batch would be the last: then it
    /// is written already.
    fn write_end_of_epoch(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Result<()> {
        if self.scalars.schedule.epoch_is_due(cx.position()) {
            self.write_pending_scalars(cx, out)?;
        }
        if self.distributions.schedule.epoch_is_due(cx.position()) && self.written != Some(cx.step()) {
            self.distributions.write_gradients(&self.chosen, cx, out)?;
            self.write_histograms_and_pictures(cx, out)?;
        }
        Ok(())
    }

    fn write_pending_scalars(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Result<()> {
        if self.scalars.is_pending() {
            self.scalars.write_gradient_norms(&self.chosen, cx, out)?;
            self.scalars.write(&self.chosen, cx, out)?;
        }
        Ok(())
    }

    fn write_histograms_and_pictures(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Result<()> {
        self.written = Some(cx.step());
        if self.chosen.most == 0 {
            return Ok(());
        }
        self.distributions.write_weights(&self.chosen, cx, out)?;
        self.distributions.write_activations(&self.chosen, cx, out)?;
        self.distributions.write_health(cx, out)?;
        self.pictures.write(cx, &self.chosen, out)
    }
}

impl Callback for TensorBoard {
    fn needs(&self, position: &Position) -> Needs {
        let fetches = self.scalars.schedule.is_due(position) || self.distributions.schedule.is_due(position);
        Needs::ACTIVATIONS.when(self.chosen.most > 0 && self.distributions.schedule.may_be_due(position))
            | Needs::VALUES.when(fetches)
    }

    fn on_train_start(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        self.scalars.start_clock();
        self.pictures.write_probe(cx, &mut out.sub_run(TRAIN))?;
        CONTINUE
    }

    fn on_after_backward(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        let out = &mut out.sub_run(TRAIN);
        if self.scalars.schedule.is_due(cx.position()) {
            self.scalars.write_gradient_norms(&self.chosen, cx, out)?;
        }
        if self.distributions.schedule.is_due(cx.position()) {
            self.distributions.write_gradients(&self.chosen, cx, out)?;
        }
        CONTINUE
    }

    fn on_batch_end(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        let out = &mut out.sub_run(TRAIN);
        self.scalars.add(cx)?;
        if self.scalars.schedule.is_due(cx.position()) {
            self.scalars.write(&self.chosen, cx, out)?;
        }
        if self.distributions.schedule.is_due(cx.position()) {
            self.write_histograms_and_pictures(cx, out)?;
        }
        CONTINUE
    }

    fn on_validation_end(&mut self, cx: &Context<'_>, metrics: &Metrics, out: &mut dyn SummarySink) -> Flow {
        scalars::write_validation(cx, metrics, &mut out.sub_run(VALIDATION))?;
        self.scalars.start_clock();
        CONTINUE
    }

    fn on_epoch_end(&mut self, cx: &Context<'_>, _: &Metrics, out: &mut dyn SummarySink) -> Flow {
        self.write_end_of_epoch(cx, &mut out.sub_run(TRAIN))?;
        self.scalars.start_clock();
        CONTINUE
    }

    /// An epoch that was begun ends here, as in a loop that does not count epochs, or after a stop. And the mean of the
    /// batches since the last point is written, so that none is lost.
    fn on_train_end(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        let out = &mut out.sub_run(TRAIN);
        if cx.position().batch > 0 {
            self.write_end_of_epoch(cx, out)?;
        }
        if self.scalars.schedule != Schedule::never() {
            self.write_pending_scalars(cx, out)?;
        }
        CONTINUE
    }
}
