//! Training goes on although validation does not improve.

use super::{Observation, Persistence, Rule, Setting, Severity, Symptom, checks::Checks, words::number};

/// Training goes on although the validation loss has not improved for many passes: more epochs bring nothing.
///
/// AWS SageMaker Debugger's `Overtraining` has a patience of 10 validation passes and asks for an improvement of 0.01.
/// An absolute difference depends on the scale of the loss, so here it is a share of the lowest value. Keras and
/// Lightning count in the same way ([`EarlyStopping`](https://keras.io/api/callbacks/early_stopping/)), with a patience
/// of 0 and 3 that stop a training; this rule only tells. AWS's second patience, 5 epochs without a better training
/// loss, is the rule [`loss_plateau`](super::LossPlateau).
///
/// A pass is a validation pass, not an epoch. A loss that is not finite is no improvement. A warning. Subject:
/// `validation`.
///
/// ```
/// use convscope::rules::{Moment, Observation, Overtraining, Rule, Score};
///
/// let mut rule = Overtraining::default();
/// rule.patience = 2;
/// let mut check = |step: i64, loss: f64| {
///     let validation = Some(Score { loss: Some(loss), ..Score::default() });
///     let moment = Moment::Validation;
///     rule.examine(&Observation { step: step.into(), moment, validation, ..Observation::default() })
/// };
/// assert_eq!([check(1, 0.5), check(2, 0.4), check(3, 0.4)], [Some(vec![]), Some(vec![]), Some(vec![])]);
/// assert_eq!(check(4, 0.41).unwrap()[0].value, 2.0);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Overtraining {
    /// Validation passes without an improvement. Default 10 (AWS).
    pub patience: u64,
    /// Least improvement that counts, as a share of the lowest validation loss. Default 0.01 (AWS, there absolute).
    pub improvement: f64,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct State {
    checks: Checks,
    /// The lowest loss, with the number of its pass and its step.
    lowest: Option<(f64, u64, i64)>,
}

impl Default for Overtraining {
    fn default() -> Overtraining {
        Overtraining { patience: 10, improvement: 0.01, state: State::default() }
    }
}

impl Rule for Overtraining {
    fn name(&self) -> &str {
        "overtraining"
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        let loss = self.state.checks.new_score(observation)?.loss?;
        let pass = self.state.checks.count();
        let step = observation.step.get();
        let better = match self.state.lowest {
            None => loss.is_finite(),
            Some((lowest, ..)) => loss < lowest - self.improvement * lowest.abs(),
        };
        if better {
            self.state.lowest = Some((loss, pass, step));
        }
        let (lowest, best_pass, best_step) = self.state.lowest?;
        let waited = pass - best_pass;
        if waited < self.patience.max(1) {
            return Some(Vec::new());
        }
        Some(vec![Symptom {
            subject: "validation".to_owned(),
            severity: Severity::Warning,
            raises: true,
            value: waited as f64,
            threshold: self.patience as f64,
            message: format!(
                "the validation loss has not improved for {waited} passes: {} at batch {best_step}, {} now",
                number(lowest),
                number(loss)
            ),
            advice: format!(
                "Stop and take the checkpoint of batch {best_step}. The callback EarlyStopping does so by itself; or lower \
                 the learning rate and see whether it improves once more."
            ),
        }])
    }

    fn about(&self) -> &str {
        "Training goes on although the validation loss has not improved for long."
    }

    fn persistence(&self) -> Persistence {
        Persistence::at_once()
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        vec![
            Setting::whole(
                "patience",
                &mut self.patience,
                1..=1_000_000,
                "validation passes without an improvement",
            ),
            Setting::number(
                "improvement",
                &mut self.improvement,
                0.0..=1.0,
                "least improvement that counts, as a share of the lowest loss",
            ),
        ]
    }
}
