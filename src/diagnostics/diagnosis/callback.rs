//! The callback that ties measuring, rules and pictures together.

use std::ops::ControlFlow;

use super::{
    VerdictHandle,
    curves::Curves,
    extra,
    on_critical::{self, Asked, Done, OnCritical},
    pictures::{Occasion, Pictures},
    report::Report,
    statistic::Measured,
};
use crate::{
    arch::ModelSpec,
    callback::{BatchView, CONTINUE, Callback, Context, Flow, Metrics, Needs, Position, Preset, Schedule},
    diagnostics::Observer,
    error::{Error, Result},
    rules::{Changes, Examiner, Moment, Observation, RuleSet, Severity},
    writer::SummarySink,
};

/// Says what is wrong with a training while it runs: which layer, by which number, what to do first. An [`Observer`]
/// measures, the [rules](crate::rules) examine, and TensorBoard opens on the verdict.
///
/// | tag | run | kind | when |
/// |---|---|---|---|
/// | `diagnosis` | the run itself | text: the [`Verdict`](crate::rules::Verdict) | when it changes (behind 20 times in an epoch, every 100 steps), at the end of every epoch and of the training |
/// | `diagnosis/<rule>` | the run itself | scalar: 0 fine, 1 warning, 2 critical | every observation, for rules that had something to look at |
/// | `diagnosis/heat_map/<statistic>` | the run itself | image: layers by steps, the whole history so far | at the end of every epoch and of the training, in loops without epochs every 500 steps, and when something critical is found |
/// | `diagnosis/layers` | the run itself | image: all numbers of the layers, and what rules found in them | with the heat maps |
/// | `layers/<statistic>/<layer>` | `train` | scalar | every observation |
/// | `layers/gradient_relative/<layer>` | `train` | scalar: gradient RMS as a multiple of the median layer's | every observation, in the preset `full` |
/// | `layers/stable_rank/<layer>`, `layers/effective_rank/<layer>` | `train` | scalar: of a [spectrum](crate::rules::Spectrum), as a share of the full rank | step 1 and the end of every epoch, in the preset `full` |
/// | `norm/gradients_clipped` | `train` | scalar: L2 norm of all gradients as the optimiser used them | every observation in loops that announce the moment before clipping, but in the preset `economy` |
/// | `gradient_noise_scale` | `train` | scalar, in images | every observation, where it is measured ([`Observer::gradient_noise`]) |
/// | `custom_scalars__config__` | `train` | layout: curves of up to seven layers in one chart for each statistic | at the first observation, and when layers are new |
///
/// `<statistic>` is one of `gradient_rms` and `update_ratio` (of each layer's largest parameter), `activation_rms`,
/// `zero_fraction` (of ReLU and the like), `dead_share` (units that were silent for a window of images), and
/// `output_gradient_rms` in the preset `full`.
///
/// The layout stands in the run `train`, so that it does not replace one of the user's own in the run itself:
/// TensorBoard joins them.
///
/// | preset | observes | tags |
/// |---|---|---|
/// | [`Economy`](Preset::Economy) | every 50 steps | one for each rule, and 8: the same for a network of any depth |
/// | [`Standard`](Preset::Standard), the default | every 10 steps | also the norm after clipping, and the curves of at most 16 layers for each statistic |
/// | [`Full`](Preset::Full) | every 10 steps, with gradients by the layers' outputs (one more backward pass) | the curves of all layers, relative gradients and ranks |
///
/// `convscope logs inspect` counts the tags and bytes of a run. What it costs stands in the scalar `overhead_fraction`; [`Session::max_overhead`](crate::Session::max_overhead) bounds it: over
/// budget, pictures wait for the end of the training, but for those of the first critical finding.
///
/// Heat maps and dashboard show all layers in every preset (of more than 84, as many evenly spread). Curves and heat maps
/// begin anew where a training is resumed. All of it works without a spec ([`spec`](Diagnosis::spec) adds what layers read
/// from one another), without a tap (then nothing is known of outputs) and in own loops.
///
/// ```
/// use convscope::{MemorySink, Schedule, Session, diagnostics::Diagnosis};
/// use tch::{Device, Kind, Tensor, nn, nn::{Module as _, OptimizerConfig as _}};
///
/// let store = nn::VarStore::new(Device::Cpu);
/// let model = nn::linear(store.root() / "fc", 4, 3, Default::default());
/// let mut optimizer = nn::Sgd::default().build(&store, 1e-2)?;
///
/// let diagnosis = Diagnosis::new().schedule(Schedule::batch());
/// let verdict = diagnosis.verdict();
/// let mut sink = MemorySink::default();
/// let mut session = Session::new(&store, diagnosis, &mut sink);
/// for _ in 0..5 {
///     let scope = session.begin_step()?;
///     let images = Tensor::ones([2, 4], (Kind::Float, Device::Cpu));
///     let loss = model.forward(&images).cross_entropy_for_logits(&Tensor::from_slice(&[0i64, 2]));
///     optimizer.backward_step(&loss);
///     scope.end(&(loss * f64::NAN))?; // what a bug might do
/// }
/// session.finish()?;
/// assert_eq!(verdict.get().headline(), "Training does not work: numbers became NaN or infinite (`loss`).");
/// assert!(sink.entries.iter().any(|entry| entry.tag.as_str() == "diagnosis/heat_map/update_ratio"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Diagnosis {
    preset: Preset,
    spec: Option<ModelSpec>,
    schedule: Option<Schedule>,
    observer: Option<Observer>,
    rules: RuleSet,
    on_critical: OnCritical,
    handle: VerdictHandle,
    running: Option<Running>,
}

/// What there is once training has begun.
struct Running {
    preset: Preset,
    observer: Observer,
    examiner: Examiner,
    report: Report,
    curves: Curves,
    pictures: Pictures,
    on_critical: OnCritical,
    handle: VerdictHandle,
    /// What was asked of the loop, until it is known whether it was done.
    asked: Option<Asked>,
}

impl Default for Diagnosis {
    fn default() -> Diagnosis {
        Diagnosis::new()
    }
}

impl Diagnosis {
    /// The [standard rules](RuleSet::standard), the preset [`Standard`](Preset::Standard), and
    /// [`OnCritical::Warn`].
    pub fn new() -> Diagnosis {
        Diagnosis {
            preset: Preset::Standard,
            spec: None,
            schedule: None,
            observer: None,
            rules: RuleSet::standard(),
            on_critical: OnCritical::Warn,
            handle: VerdictHandle::default(),
            running: None,
        }
    }

    /// How often to observe, and how many tags to write. The default is [`Preset::Standard`].
    #[must_use]
    pub fn preset(mut self, preset: Preset) -> Diagnosis {
        self.preset = preset;
        self
    }

    /// The model's architecture, under the same layer names as the tap's: see [`Observer::spec`].
    #[must_use]
    pub fn spec(mut self, spec: &ModelSpec) -> Diagnosis {
        self.spec = Some(spec.clone());
        self
    }

    /// When a batch is observed, instead of when the preset says: see [`Observer::schedule`].
    #[must_use]
    pub fn schedule(mut self, schedule: Schedule) -> Diagnosis {
        self.schedule = Some(schedule);
        self
    }

    /// An observer with settings of its own, instead of the preset's. [`spec`](Diagnosis::spec) and
    /// [`schedule`](Diagnosis::schedule) are applied to it where they are given.
    #[must_use]
    pub fn observer(mut self, observer: Observer) -> Diagnosis {
        self.observer = Some(observer);
        self
    }

    /// Which rules look, with which thresholds. The default is [`RuleSet::standard`].
    #[must_use]
    pub fn rules(mut self, rules: RuleSet) -> Diagnosis {
        self.rules = rules;
        self
    }

    /// What to do about a critical finding. The default is [`OnCritical::Warn`].
    #[must_use]
    pub fn on_critical(mut self, on_critical: OnCritical) -> Diagnosis {
        self.on_critical = on_critical;
        self
    }

    /// Where the verdict can be read while the training runs and after it.
    pub fn verdict(&self) -> VerdictHandle {
        self.handle.clone()
    }

    fn build_observer(&mut self) -> Observer {
        let observer = self.observer.take().unwrap_or_else(|| match self.preset {
            Preset::Economy => Observer::new().schedule(Schedule::every(50)),
            Preset::Standard => Observer::new(),
            Preset::Full => Observer::new().gradients_of_activations(true).spectrum(Schedule::epoch()),
        });
        let observer = self.schedule.into_iter().fold(observer, Observer::schedule);
        self.spec.iter().fold(observer, Observer::spec)
    }
}

impl Running {
    /// Examines what was measured, if anything was: acts on it and writes it.
    fn examine(
        &mut self,
        cx: &Context<'_>,
        found: Result<Option<Observation>>,
        out: &mut dyn SummarySink,
    ) -> Flow {
        let observation = match found {
            Ok(Some(observation)) => observation,
            Ok(None) => return CONTINUE,
            Err(error) => {
                // What was found before shall not get lost with the error.
                self.report.write_end(cx, &self.handle.get(), out)?;
                return Err(error);
            }
        };
        let changes = self.examiner.examine(&observation);
        self.report.evidence.add(&observation);
        on_critical::log(&changes.raised, &changes.cleared);
        self.look_after_request(cx);
        let (flow, done) = self.on_critical.act(cx, &changes.raised)?;
        if let Some(Done { text, asked }) = done {
            tracing::warn!("diagnosis: {text}");
            self.report.actions.push((cx.step(), text));
            self.asked = asked;
        }
        self.write(cx, &observation, &changes, out)?;
        Ok(flow)
    }

    fn write(
        &mut self,
        cx: &Context<'_>,
        observation: &Observation,
        changes: &Changes,
        out: &mut dyn SummarySink,
    ) -> Result<()> {
        let measured = Measured::of(observation);
        self.pictures.add(observation.step, &measured);
        let verdict = self.report.verdict(&self.examiner);
        self.report.write_change(cx, &verdict, !changes.is_empty(), out)?;
        self.handle.set(verdict);
        if observation.moment == Moment::Batch || !changes.is_empty() {
            self.report.write_states(cx, &self.examiner, out)?;
        }
        if observation.moment != Moment::Validation {
            self.curves.write(observation.step, &measured, out)?;
            extra::write(observation, self.preset, out)?;
        }
        let critical = changes.raised.iter().filter(|finding| finding.severity == Severity::Critical);
        let critical: Vec<(String, String)> =
            critical.map(|finding| (finding.rule.clone(), finding.subject.clone())).collect();
        self.write_pictures(cx, Occasion::Batch(&critical), out)
    }

    fn write_pictures(
        &mut self,
        cx: &Context<'_>,
        occasion: Occasion<'_>,
        out: &mut dyn SummarySink,
    ) -> Result<()> {
        if self.pictures.is_due(occasion, cx.position()) {
            self.pictures.write(cx, &self.examiner.findings(), out)?;
        }
        Ok(())
    }

    /// Says of an action that was a request whether the loop did it.
    fn look_after_request(&mut self, cx: &Context<'_>) {
        let Some(outcome) = self.asked.and_then(|asked| asked.outcome(cx.step(), cx.learning_rate())) else {
            return;
        };
        self.asked = None;
        if let Some((_, action)) = self.report.actions.last_mut() {
            action.push_str(&format!("; {outcome}"));
        }
    }

    /// Writes what stands at the end of an epoch and of the training.
    fn write_end(
        &mut self,
        cx: &Context<'_>,
        occasion: Occasion<'_>,
        out: &mut dyn SummarySink,
    ) -> Result<()> {
        self.report.write_states(cx, &self.examiner, out)?;
        self.write_pictures(cx, occasion, out)?;
        let verdict = self.report.verdict(&self.examiner);
        self.report.write_end(cx, &verdict, out)?;
        self.handle.set(verdict);
        Ok(())
    }
}

impl Callback for Diagnosis {
    fn needs(&self, position: &Position) -> Needs {
        self.running.as_ref().map_or(Needs::NONE, |running| running.observer.needs(position))
    }

    fn on_train_start(&mut self, _: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
        self.on_critical.check()?;
        let examiner = Examiner::new(std::mem::take(&mut self.rules));
        if examiner.rules().contains(&TAKEN) {
            let why = "is the name of a picture of the diagnosis; give the rule another one";
            return Err(Error::invalid(format!("rule `{TAKEN}`"), why));
        }
        self.running = Some(Running {
            preset: self.preset,
            observer: self.build_observer(),
            examiner,
            report: Report::default(),
            curves: Curves::new(self.preset),
            pictures: Pictures::new(),
            on_critical: self.on_critical,
            handle: self.handle.clone(),
            asked: None,
        });
        CONTINUE
    }

    fn on_after_backward(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        let Some(running) = &mut self.running else { return CONTINUE };
        let found = running.observer.after_backward(cx);
        running.examine(cx, found, out)
    }

    fn on_batch_end(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        let Some(running) = &mut self.running else { return CONTINUE };
        let found = running.observer.batch_end(cx);
        running.examine(cx, found, out)
    }

    fn on_validation_batch(&mut self, _: &Context<'_>, batch: &BatchView, _: &mut dyn SummarySink) -> Flow {
        if let Some(running) = &mut self.running {
            running.observer.validation_batch(batch);
        }
        CONTINUE
    }

    fn on_validation_end(&mut self, cx: &Context<'_>, metrics: &Metrics, out: &mut dyn SummarySink) -> Flow {
        let Some(running) = &mut self.running else { return CONTINUE };
        let found = running.observer.validation_end(cx, metrics);
        running.examine(cx, found, out)
    }

    fn on_epoch_end(&mut self, cx: &Context<'_>, metrics: &Metrics, out: &mut dyn SummarySink) -> Flow {
        let Some(running) = &mut self.running else { return CONTINUE };
        let found = running.observer.epoch_end(cx, metrics);
        let flow = running.examine(cx, found, out)?;
        running.write_end(cx, Occasion::EpochEnd, out)?;
        Ok(flow)
    }

    /// An epoch that was begun ends here, as in a loop that does not count epochs, or after a stop.
    fn on_train_end(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        let Some(running) = &mut self.running else { return CONTINUE };
        let mut flow = ControlFlow::Continue(());
        if cx.position().batch > 0 {
            let found = running.observer.epoch_end(cx, &Metrics::default());
            flow = running.examine(cx, found, out)?;
        }
        running.write_end(cx, Occasion::TrainEnd, out)?;
        Ok(flow)
    }
}

/// What follows `diagnosis/` in a tag that is no rule.
const TAKEN: &str = "layers";
