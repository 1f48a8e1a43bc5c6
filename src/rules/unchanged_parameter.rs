//! Parameters that training does not change.

use super::{
    Moment, Observation, ParamObservation, ParamRole, Persistence, Rule, Setting, Severity, Symptom,
    group::Group,
    peak_rate::PeakRate,
    words::{count, names},
};

/// Trainable parameters whose bits do not change from observation to observation, and frozen ones.
///
/// UnchangedTensor of Amazon SageMaker Debugger compares with a tolerance (1e-5 of the value), which takes slow learning
/// for none. Here a checksum tells: not one bit changed. A warning, which says whether there is a gradient at all;
/// critical where no weight of the network changes. Not while the loss is next to 0 or the learning rate's schedule ends.
///
/// Frozen parameters are meant to be so: they are listed once, as worth knowing.
#[derive(Debug, Clone, PartialEq)]
pub struct UnchangedParameter {
    /// Below this loss nothing has to change. Default 0.01.
    pub fitted_loss: f64,
    group: Group,
    peak: PeakRate,
}

impl Default for UnchangedParameter {
    fn default() -> UnchangedParameter {
        UnchangedParameter { fitted_loss: 0.01, group: Group::default(), peak: PeakRate::default() }
    }
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
    let steps = observation.step.get().saturating_sub(since.get());
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
        let params: Vec<&ParamObservation> = observation.params.iter().filter(is_learnable).collect();
        if observation.moment != Moment::Batch || params.is_empty() {
            return None;
        }
        let mut symptoms: Vec<Symptom> = frozen(&params).into_iter().collect();
        let ending = self.peak.is_ending(observation);
        if ending || observation.last_loss().is_some_and(|loss| loss < self.fitted_loss) {
            return Some(symptoms);
        }
        let trainable = || params.iter().filter(|param| param.trainable);
        let all = trainable()
            .filter(|param| param.role == ParamRole::Weight)
            .all(|param| param.unchanged_since.is_some());
        let severity = if all { Severity::Critical } else { Severity::Warning };
        let mut found: Vec<Symptom> =
            trainable().filter_map(|param| unchanged(param, observation, severity)).collect();
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
        let about = "below this loss nothing has to change";
        vec![Setting::number("fitted_loss", &mut self.fitted_loss, 0.0..=1e6, about)]
    }
}
