//! Measures a training from the inside, for rules to look at.
//!
//! | file | what it holds |
//! |---|---|
//! | `due` | when something is measured |
//! | `guard` | finds the step where a loss or a gradient stops being finite |
//! | `losses` | the loss of every step, fetched together |
//! | `architecture` | what the layers of a spec read |
//! | `layers`, `windows`, `cause` | outputs of layers, and why units are silent |
//! | `params`, `prefix`, `unchanged` | parameters and their gradients, and the layers that they belong to |
//! | `batch` | input, labels and predictions |

mod architecture;
mod batch;
mod cause;
mod due;
mod guard;
mod layers;
mod losses;
mod params;
mod prefix;
mod unchanged;
mod windows;

use self::{
    architecture::Architecture,
    batch::PendingBatch,
    due::Due,
    guard::Guard,
    layers::LayerOptions,
    losses::Losses,
    params::{Gradients, Moved, PendingParams},
    unchanged::Unchanged,
    windows::Windows,
};
use crate::{
    arch::ModelSpec,
    callback::{BatchView, Context, Metrics, Needs, Position, Schedule},
    capture::{Activations, Role},
    error::Result,
    rules::{Moment, Observation, Score, Timing},
    stats::{GradientNoise, Packed, Quantiles},
    summary::Step,
};

/// Fills an [`Observation`] from what a [`Session`](crate::Session) shows its callbacks, on due steps: statistics of
/// layers, parameters and gradients, true update ratios, silent units, input, labels and predictions, and the loss of every
/// step. [`Diagnosis`](crate::diagnostics) drives one; an own callback may do so too, by handing on the calls that it gets.
///
/// On steps that are not due it keeps the loss on its device and looks whether loss and gradients are finite
/// ([`guard`](Observer::guard)); in the first steps also which units are active, until it has seen
/// [`window`](Observer::window) images. It changes nothing of the training. Due observations wait while diagnostics
/// are over their budget ([`Session::max_overhead`](crate::Session::max_overhead)).
///
/// ```
/// use convscope::{
///     MemorySink, Needs, Schedule, Session,
///     callback::{CONTINUE, Callback, Context, Flow, Position},
///     diagnostics::Observer, rules::Observation, writer::SummarySink,
/// };
/// use tch::{Device, Kind, Tensor, nn, nn::{Module as _, OptimizerConfig as _}};
///
/// /// Prints how much each parameter moves.
/// struct Updates(Observer);
///
/// impl Callback for Updates {
///     fn needs(&self, position: &Position) -> Needs {
///         self.0.needs(position)
///     }
///     fn on_batch_end(&mut self, cx: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
///         let Some(observation) = self.0.batch_end(cx)? else { return CONTINUE };
///         let ratio = |name| observation.param(name).and_then(|param| param.update_ratio);
///         assert!(ratio("fc.weight").is_some_and(|ratio| ratio > 0.0 && ratio < 0.1));
///         assert_eq!(observation.losses.len(), 1);
///         CONTINUE
///     }
/// }
///
/// let store = nn::VarStore::new(Device::Cpu);
/// let model = nn::linear(store.root() / "fc", 4, 3, Default::default());
/// let mut optimizer = nn::Sgd::default().build(&store, 1e-2)?;
/// let observer = Observer::new().schedule(Schedule::batch());
/// let mut session = Session::new(&store, Updates(observer), MemorySink::default());
/// for _ in 0..3 {
///     let scope = session.begin_step()?;
///     let images = Tensor::ones([2, 4], (Kind::Float, Device::Cpu));
///     let loss = model.forward(&images).cross_entropy_for_logits(&Tensor::from_slice(&[0i64, 2]));
///     optimizer.backward_step(&loss);
///     scope.end(&loss)?;
/// }
/// session.finish()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Observer {
    due: Due,
    layers: LayerOptions,
    /// Not looked at yet.
    spec: Option<ModelSpec>,
    architecture: Option<Architecture>,
    noise: Option<GradientNoise>,
    guard: Guard,
    losses: Losses,
    windows: Windows,
    unchanged: Unchanged,
    gradients: Option<Gradients>,
    /// Whether it was said that gradients are set to zero too early.
    told_cleared: bool,
    /// The step of the last observation of a batch.
    observed: Option<Step>,
    /// The reading of the clock at the last observation of a batch.
    timing: Timing,
    /// The last validation pass of the epoch that is running.
    validation: Option<Score>,
    /// Images of the validation pass that is running.
    validation_images: u64,
}

impl Default for Observer {
    fn default() -> Observer {
        Observer::new()
    }
}

impl Observer {
    /// An observer that is due at step 1 and every 10 steps.
    pub fn new() -> Observer {
        Observer {
            due: Due::default(),
            layers: LayerOptions::default(),
            spec: None,
            architecture: None,
            noise: None,
            guard: Guard::default(),
            losses: Losses::default(),
            windows: Windows::new(500),
            unchanged: Unchanged::default(),
            gradients: None,
            told_cleared: false,
            observed: None,
            timing: Timing::default(),
            validation: None,
            validation_images: 0,
        }
    }

    /// When a batch is measured in full. The default is every 10 steps. Unless it is never, step 1 is measured too: it
    /// shows what the initialisation does.
    #[must_use]
    pub fn schedule(mut self, schedule: Schedule) -> Observer {
        self.due.schedule = schedule;
        self
    }

    /// The model's architecture, under the same layer names as the tap's: then it is known what each layer reads, which
    /// layers only hand on (pooling, flattening, padding: they are left out), what dropout does to the normalisation
    /// behind it, and why units are silent.
    #[must_use]
    pub fn spec(mut self, spec: &ModelSpec) -> Observer {
        self.spec = Some(spec.clone());
        self
    }

    /// Whether outputs of layers are measured. The default is yes, where the session has a tap.
    #[must_use]
    pub fn activations(mut self, wanted: bool) -> Observer {
        self.layers.outputs = wanted;
        self
    }

    /// Whether the gradients by the layers' outputs are measured: one more backward pass on due steps, in loops that call
    /// [`Scope::before_backward`](crate::Scope::before_backward). The default is no.
    #[must_use]
    pub fn gradients_of_activations(mut self, wanted: bool) -> Observer {
        self.layers.gradients = wanted;
        self
    }

    /// How many images a window of observations must hold before units are called silent. The default is 500: a channel
    /// that fires for 1 % of the images is then overlooked with a probability of 0.7 %.
    #[must_use]
    pub fn window(mut self, images: u64) -> Observer {
        self.windows = Windows::new(images);
        self
    }

    /// The derivative of tanh and sigmoid below which an output counts as saturated, from 0 to 0.25. The default is 0.001:
    /// an input beyond ±4.1 for tanh, ±6.9 for the sigmoid.
    #[must_use]
    pub fn saturation(mut self, derivative: f64) -> Observer {
        self.layers.saturation = derivative;
        self
    }

    /// The share of a layer's RMS up to which an output of a leaky or smooth activation function counts as near zero. The
    /// default is 0.001.
    #[must_use]
    pub fn near_zero(mut self, share: f64) -> Observer {
        self.layers.near_zero = share;
        self
    }

    /// When quantiles of outputs, parameters and gradients are added to an observation. The default is never: they sort
    /// values, which costs more than everything else, and no rule of this crate looks at them.
    #[must_use]
    pub fn quantiles(mut self, schedule: Schedule) -> Observer {
        self.due.quantiles = schedule;
        self
    }

    /// When the singular values of weights are added to the next observation. The default is never: large weights take up
    /// to a second each, and no rule of this crate looks at them. Weights that are too large for [`spectrum`](crate::stats::spectrum) are left out.
    #[must_use]
    pub fn spectrum(mut self, schedule: Schedule) -> Observer {
        self.due.spectrum = schedule;
        self
    }

    /// In which steps it is checked that loss and gradients are finite. The default is in all: the step where it goes wrong
    /// is then observed in full at once. In loops that call [`Scope::after_backward`](crate::Scope::after_backward) that is
    /// before the weights are spoiled, and the model runs once more on the batch with `train = false`, so that the first bad
    /// layer is known. [`Schedule::never`] turns it off.
    ///
    /// A check takes one sum of each gradient and one copy to the host. On an accelerator it also costs what the host could
    /// have done while the device still computes gradients: reading the next batch.
    #[must_use]
    pub fn guard(mut self, schedule: Schedule) -> Observer {
        self.guard = Guard::new(schedule);
        self
    }

    /// The gradient noise scale, measured from what the training loop gives to another clone of `noise`.
    #[must_use]
    pub fn gradient_noise(mut self, noise: &GradientNoise) -> Observer {
        self.noise = Some(noise.clone());
        self
    }

    /// What the session must capture at `position`: to be handed on by [`Callback::needs`](crate::Callback::needs).
    pub fn needs(&self, position: &Position) -> Needs {
        let now = self.due.is_due(position);
        let maybe = now || self.due.may_end_epoch(position);
        let opening = self.due.begins(position) && self.windows.are_opening(position);
        Needs::VALUES.when(self.guard.is_due(position))
            | Needs::PARAMETERS_BEFORE.when(now)
            | Needs::ACTIVATIONS.when((maybe || opening) && self.layers.outputs)
            | Needs::ACTIVATION_GRADIENTS.when(maybe && self.layers.outputs && self.layers.gradients)
    }

    /// In [`on_after_backward`](crate::Callback::on_after_backward). An observation means that the loss or a gradient is not
    /// finite.
    ///
    /// # Errors
    /// A spec that is not valid; what cannot be measured, with its name.
    pub fn after_backward(&mut self, cx: &Context<'_>) -> Result<Option<Observation>> {
        self.prepare()?;
        self.gradients = None;
        if self.guard.finds(cx)? {
            return self.alarm(cx).map(Some);
        }
        if cx.announced() && self.due.is_due(cx.position()) {
            let quantiles = self.due.quantiles(cx.position());
            self.gradients = Some(Gradients::queue_before_clipping(cx, quantiles)?);
        }
        Ok(None)
    }

    /// In [`on_batch_end`](crate::Callback::on_batch_end). Also where nothing is due, 256 losses are handed on together.
    ///
    /// # Errors
    /// As [`after_backward`](Observer::after_backward).
    pub fn batch_end(&mut self, cx: &Context<'_>) -> Result<Option<Observation>> {
        self.prepare()?;
        self.due.end_batch(cx.position());
        if self.observed == Some(cx.step()) {
            return Ok(None); // with the alarm
        }
        self.losses.keep(cx, self.guard.loss(cx.step()))?;
        if !self.due.is_due(cx.position()) {
            self.open_windows(cx)?;
            if self.losses.are_many() {
                return Ok(Some(Observation { losses: self.losses.take()?, ..place(cx) }));
            }
            return Ok(None);
        }
        let gradients = self.gradients.take();
        let observation = self.observe(cx, cx.activations(), gradients, Moved::Yes)?;
        Ok(Some(Observation { moment: Moment::Batch, ..observation }))
    }

    /// In [`on_validation_batch`](crate::Callback::on_validation_batch): counts the images that the pass is over.
    pub fn validation_batch(&mut self, batch: &BatchView) {
        self.validation_images += batch.images.size().first().copied().unwrap_or(0).unsigned_abs();
    }

    /// In [`on_validation_end`](crate::Callback::on_validation_end).
    ///
    /// # Errors
    /// None so far.
    pub fn validation_end(&mut self, cx: &Context<'_>, metrics: &Metrics) -> Result<Option<Observation>> {
        let images = Some(std::mem::take(&mut self.validation_images)).filter(|&images| images > 0);
        self.validation = Some(Score { images, ..score(metrics) });
        Ok(Some(Observation { moment: Moment::Validation, validation: self.validation, ..place(cx) }))
    }

    /// In [`on_epoch_end`](crate::Callback::on_epoch_end). Where the length of an epoch is unknown and the schedule counts
    /// epochs, the last batch is measured here, but for update ratios.
    ///
    /// # Errors
    /// As [`after_backward`](Observer::after_backward).
    pub fn epoch_end(&mut self, cx: &Context<'_>, metrics: &Metrics) -> Result<Option<Observation>> {
        self.prepare()?;
        self.due.end_epoch(cx.position());
        let missed = self.due.epoch_end_is_due(cx.position()) && self.observed != Some(cx.step());
        let observation =
            if missed { self.observe(cx, cx.activations(), None, Moved::Yes)? } else { place(cx) };
        let losses = if missed { observation.losses } else { self.losses.take()? };
        Ok(Some(Observation {
            moment: Moment::Epoch,
            losses,
            training: Some(score(metrics)),
            validation: self.validation.take(),
            ..observation
        }))
    }

    /// Looks at the spec, the first time.
    fn prepare(&mut self) -> Result<()> {
        if let Some(spec) = self.spec.take() {
            self.architecture = Some(Architecture::new(&spec.resolve()?));
        }
        Ok(())
    }

    /// Fills the first windows of silent units.
    fn open_windows(&mut self, cx: &Context<'_>) -> Result<()> {
        match cx.activations() {
            Some(activations) if self.windows.are_opening(cx.position()) => {
                self.windows.add(activations, cx.step())
            }
            _ => Ok(()),
        }
    }

    /// Observes a step at the moment where something is not finite.
    fn alarm(&mut self, cx: &Context<'_>) -> Result<Observation> {
        self.losses.keep(cx, self.guard.loss(cx.step()))?;
        let gradients = Gradients::queue(cx, self.due.quantiles(cx.position()))?;
        // Without the announcement the weights have moved, and would show something else.
        let moved = if cx.announced() { Moved::No } else { Moved::Yes };
        let captured = cx.activations().is_some();
        let replayed = if !captured && moved == Moved::No { guard::replay(cx) } else { None };
        self.observe(cx, cx.activations().or(replayed.as_ref()), Some(gradients), moved)
    }

    /// Everything about this batch.
    fn observe(
        &mut self,
        cx: &Context<'_>,
        activations: Option<&Activations>,
        gradients: Option<Gradients>,
        moved: Moved,
    ) -> Result<Observation> {
        let quantiles = self.due.quantiles(cx.position());
        let gradients = match gradients {
            Some(gradients) => gradients,
            None => Gradients::queue(cx, quantiles)?,
        };
        let mut packed = Packed::default();
        let layers = self.queue_layers(cx, activations, quantiles, &mut packed)?;
        let params = PendingParams::queue(cx, quantiles, moved, &mut packed)?;
        let batch = cx.batch().map(|batch| PendingBatch::queue(batch, &mut packed)).transpose()?;
        let fetched = packed.fetch()?;

        let mut layers = layers.finish(&fetched);
        let prefix = self.prefix(cx, activations);
        if let (Some(architecture), Some(activations), Some(prefix)) =
            (&self.architecture, activations, &prefix)
        {
            cause::explain(&mut layers, architecture, activations, prefix, cx.var_store())?;
        }
        let spectra = self.due.take_spectrum(cx.position());
        let mut params = params.finish(&fetched, gradients, spectra, &mut self.unchanged, cx.step())?;
        for param in &mut params.observations {
            if let Some(layer) = prefix.as_ref().and_then(|prefix| param.layer.strip_prefix(prefix.as_str()))
            {
                param.layer = layer.to_owned();
            }
        }
        if params.cleared && !std::mem::replace(&mut self.told_cleared, true) {
            tracing::warn!(
                "step {}: all gradients are exactly 0 where the step ends, so they are not known: call zero_grad before \
                 the backward pass instead of behind the optimiser's step, or Scope::after_backward between the two",
                cx.step()
            );
        }
        let timing = cx.timing();
        let before = std::mem::replace(&mut self.timing, timing);
        self.observed = Some(cx.step());
        Ok(Observation {
            losses: self.losses.take()?,
            learning_rate: cx.learning_rate(),
            batch: batch.map(|batch| batch.finish(&fetched)),
            layers,
            gradient_norm: params.gradient_norm,
            clipped_gradient_norm: params.clipped_norm,
            params: params.observations,
            gradient_noise_scale: self.noise.as_ref().and_then(GradientNoise::scale),
            timing: Some(Timing {
                data: timing.data - before.data,
                training: timing.training - before.training,
                diagnostics: timing.diagnostics - before.diagnostics,
            }),
            ..place(cx)
        })
    }

    /// What stands before the names of layers in the paths of their parameters, where that is known.
    fn prefix(&self, cx: &Context<'_>, activations: Option<&Activations>) -> Option<String> {
        let has_params = |role| matches!(role, Role::Convolution | Role::Linear | Role::Normalization);
        let layers: Vec<&str> = match (&self.architecture, activations) {
            (Some(architecture), _) => architecture.with_params().collect(),
            (None, Some(activations)) => {
                let layers = activations.iter().filter(|layer| has_params(layer.role));
                layers.map(|layer| layer.name.as_str()).collect()
            }
            (None, None) => return None,
        };
        let variables = cx.var_store().variables();
        prefix::prefix(&layers, variables.keys().map(String::as_str))
    }

    fn queue_layers(
        &mut self,
        cx: &Context<'_>,
        activations: Option<&Activations>,
        quantiles: Quantiles,
        packed: &mut Packed,
    ) -> Result<layers::PendingLayers> {
        let Some(activations) = activations else { return Ok(layers::PendingLayers::default()) };
        // A replay has no gradients, and belongs to no window: it is made with other statistics.
        let captured = cx.activations().is_some();
        let gradients = cx.activation_gradients().filter(|_| captured);
        let windows = captured.then_some(&mut self.windows);
        let source = layers::Source { activations, gradients, architecture: self.architecture.as_ref() };
        source.queue(&self.layers, windows, quantiles, cx.step(), packed)
    }
}

/// An observation of nothing, at this place.
fn place(cx: &Context<'_>) -> Observation {
    let Position { step, epoch, batches, .. } = *cx.position();
    Observation { step, epoch, batches_per_epoch: batches, ..Observation::default() }
}

fn score(metrics: &Metrics) -> Score {
    Score { loss: metrics.get("loss"), accuracy: metrics.get("accuracy"), ..Score::default() }
}
