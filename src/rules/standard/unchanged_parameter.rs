//! Parameters that training does not change.

use super::{
    Moment, Observation, ParamObservation, ParamRole, Persistence, Rule, Setting, Severity, Symptom,
    group::Group,
    losses::{LATEST, Losses},
    peak_rate::PeakRate,
    words::{count, names},
};
use crate::summary::Step;

/// Trainable parameters whose bits do not change from observation to observation, and frozen ones.
///
/// UnchangedTensor of Amazon SageMaker Debugger compares with a tolerance (1e-5 of the value), which takes slow learning
/// for none. Here a checksum tells: not one bit changed. A warning, which says whether there is a gradient at all;
/// critical where no weight of the network changes. Not while the loss is next to 0 or the learning rate's schedule ends.
///
/// Where a loop adds up the gradients of several batches before the optimiser's step, no weight moves between two steps.
/// So the rule learns the longest time in which none moved before some did, and speaks after more than twice that, and
/// after `pause` steps at least. Set `pause` to the number of batches that are added up, where that is more.
///
/// Frozen parameters are meant to be so: they are listed once, as worth knowing.
#[derive(Debug, Clone, PartialEq)]
pub struct UnchangedParameter {
    /// Below this loss nothing has to change: in nats for cross-entropy with known classes, else as a share of the first
    /// losses. Default 0.01.
    pub fitted_loss: f64,
    /// What did not change for so many steps may still do so: the batches whose gradients are added up. Default 16.
    pub pause: u64,
    losses: Losses,
    pauses: Pauses,
    group: Group,
    peak: PeakRate,
}

impl Default for UnchangedParameter {
    fn default() -> UnchangedParameter {
        UnchangedParameter {
            fitted_loss: 0.01,
            pause: 16,
            losses: Losses::default(),
            pauses: Pauses::default(),
            group: Group::default(),
            peak: PeakRate::default(),
        }
    }
}

/// How long no weight moved at all, before some did.
#[derive(Debug, Clone, PartialEq, Default)]
struct Pauses {
    since: Option<Step>,
    longest: u64,
}

impl Pauses {
    /// `still`: the step since which no weight moves, by the last that did.
    fn add(&mut self, step: Step, still: Option<Step>) {
        if let (Some(since), None) = (self.since, still) {
            self.longest = self.longest.max(steps(since, step));
        }
        self.since = still;
    }
}

fn steps(since: Step, now: Step) -> u64 {
    u64::try_from(now.get().saturating_sub(since.get())).unwrap_or(0)
}

/// What an optimiser could change.
fn is_learnable(param: &&ParamObservation) -> bool {
    !matches!(param.role, ParamRole::RunningMean | ParamRole::RunningVar | ParamRole::Other)
}

/// One symptom for all that is frozen.
fn frozen(params: &[&ParamObservation]) -> Option<Symptom> {
    let frozen: Vec<&str> =
        params.iter().filter(|param| !param.trainable).map(|param| param.name.as_str()).collect();
    if frozen.is_empty() {
        return None;
    }
    let message = format!(
        "{} of {} are frozen: {}",
        frozen.len(),
        count(params.len(), "parameter"),
        names(frozen.iter().copied())
    );
    Some(Symptom {
        subject: "frozen parameters".to_owned(),
        severity: Severity::Info,
        raises: true,
        value: frozen.len() as f64,
        threshold: 0.0,
        message,
        advice: "Nothing has to be done if they are meant to be; else let them ask for a gradient."
            .to_owned(),
    })
}

fn unchanged(param: &ParamObservation, observation: &Observation, severity: Severity) -> Option<Symptom> {
    let since = param.unchanged_since?;
    let steps = steps(since, observation.step);
    let (why, advice) = match &param.gradient {
        None => (
            "it has no gradient",
            "The loss does not depend on it: see whether its layer is used in the forward pass, and not detached. \
             Freeze it if that is meant.",
        ),
        Some(gradient) if gradient.l2 == 0.0 => (
            "its gradient is exactly 0",
            "Nothing comes back to it: look for dead units, saturated activations or weights of 0 behind it.",
        ),
        Some(_) => (
            "it has a gradient, but no step changes it",
            "See whether the optimiser was given it and its learning rate is not 0; a step far below the precision of \
             the value is lost by rounding.",
        ),
    };
    Some(Symptom {
        subject: param.name.clone(),
        severity,
        raises: true,
        value: steps as f64,
        threshold: 0.0,
        message: format!("not one bit of it changed since step {since}, though it is trainable; {why}"),
        advice: advice.to_owned(),
    })
}

impl Rule for UnchangedParameter {
    fn name(&self) -> &str {
        "unchanged_parameter"
    }

    fn about(&self) -> &str {
        "Trainable parameters do not change; frozen ones are listed."
    }

    fn explains(&self) -> &[&str] {
        &[
            "loss_divergence",
            "loss_not_decreasing",
            "loss_plateau",
            "prediction_collapse",
            "no_generalization",
        ]
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        self.losses.add(observation, LATEST);
        let params: Vec<&ParamObservation> = observation.params.iter().filter(is_learnable).collect();
        if observation.moment != Moment::Batch || params.is_empty() {
            return None;
        }
        let mut symptoms: Vec<Symptom> = frozen(&params).into_iter().collect();
        let ending = self.peak.is_ending(observation);
        let trainable = || params.iter().filter(|param| param.trainable);
        let weights = || trainable().filter(|param| param.role == ParamRole::Weight);
        let all = weights().all(|param| param.unchanged_since.is_some());
        let last_change = weights().filter_map(|param| param.unchanged_since).max();
        self.pauses.add(observation.step, last_change.filter(|_| all));
        if ending || self.losses.are_fitted(self.fitted_loss) {
            return Some(symptoms);
        }
        let patience = self.pause.max(self.pauses.longest.saturating_mul(2));
        let lasts = |symptom: &Symptom| symptom.value > patience as f64;
        let severity = if all { Severity::Critical } else { Severity::Warning };
        let mut found: Vec<Symptom> =
            trainable().filter_map(|param| unchanged(param, observation, severity)).filter(lasts).collect();
        if found.iter().all(|symptom| symptom.severity == Severity::Critical) && found.len() > 1 {
            // What a single layer would be told is too little for the whole network.
            let advice = "Nothing is trained: see whether the optimiser has these parameters, its learning rate is not \
                          0, and its step is taken.";
            found.iter_mut().for_each(|symptom| symptom.advice = format!("{advice} {}", symptom.advice));
        }
        symptoms.extend(self.group.one(found));
        Some(symptoms)
    }

    fn persistence(&self) -> Persistence {
        Persistence::new(3, 3).clear(2)
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        let fitted = "below this loss nothing has to change: nats, or a share of the first losses";
        let pause = "what did not change for so many steps may still do so";
        vec![
            Setting::number("fitted_loss", &mut self.fitted_loss, 0.0..=1e6, fitted),
            Setting::whole("pause", &mut self.pause, 0..=1_000_000_000, pause),
        ]
    }
}
