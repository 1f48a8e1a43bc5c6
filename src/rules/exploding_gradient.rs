//! Gradients, or what they do to the weights and the loss, that grow without bounds.

use std::collections::VecDeque;

use super::{
    Moment, Observation, ParamRole, Persistence, Rule, Setting, Severity, Symptom, median::median,
    words::number,
};
use crate::summary::Step;

/// The training diverges: gradients, updates or the loss become many times what they were.
///
/// * *Norm*: the L2 norm of all gradients above 1e4, as TorchLens's audit has it.
/// * *Growth*: the norm beside its own running median, so that loss scale and reduction do not matter; only above
///   `growth_norm`, because late in a training a single hard image makes a hundred times of nearly nothing.
/// * *Updates*: the median weight changes by more than a tenth of itself per step, three observations in a row. CS231n
///   asks for a thousandth.
/// * *Loss*: a batch's loss is many times the first one, as after a step that was far too large; also where it is
///   NaN by now. Networks with BatchNorm diverge so: the scale of their weights grows, and the gradient shrinks with it.
///
/// Where gradients are clipped, the norm before clipping is a warning at most: the weights do not see it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplodingGradient {
    /// Norm of all gradients: critical above. Default 1e4.
    pub norm: f64,
    /// Norm over its running median: a warning above. Default 100.
    pub growth_warning: f64,
    /// The same: critical above. Default 1000.
    pub growth_critical: f64,
    /// Below this norm growth does not count. Default 100.
    pub growth_norm: f64,
    /// Update ratio of the median weight: critical above. Default 0.1.
    pub update: f64,
    /// So many observations in a row for `update`. Default 3.
    pub update_times: u64,
    /// Loss over the first loss (or 1 nat, where that was less): critical above. Default 20.
    pub loss_growth: f64,
    norms: VecDeque<f64>,
    large_updates: u64,
    first_loss: Option<f64>,
    /// The greatest loss that was out of bounds, until the loss is small again.
    diverged: Option<(Step, f64)>,
}

impl Default for ExplodingGradient {
    fn default() -> ExplodingGradient {
        ExplodingGradient {
            norm: 1e4,
            growth_warning: 100.0,
            growth_critical: 1000.0,
            growth_norm: 100.0,
            update: 0.1,
            update_times: 3,
            loss_growth: 20.0,
            norms: VecDeque::new(),
            large_updates: 0,
            first_loss: None,
            diverged: None,
        }
    }
}

/// So many norms are remembered for their median, and so many are needed for one.
const WINDOW: usize = 50;
const ENOUGH: usize = 5;

impl ExplodingGradient {
    fn norm_symptom(&self, observation: &Observation, norm: f64) -> Option<Symptom> {
        let clipped = observation.clipped_gradient_norm.is_some_and(|clipped| clipped < 0.99 * norm);
        let worst = if clipped { Severity::Warning } else { Severity::Critical };
        let median = if self.norms.len() >= ENOUGH { median(self.norms.iter().copied()) } else { None };
        let growth = median.map_or(0.0, |median| norm / median);
        let limits = [
            (norm, self.norm, true, worst, "norm"),
            (growth, self.growth_critical, norm > self.growth_norm, worst, "growth"),
            (growth, self.growth_warning, norm > self.growth_norm, Severity::Warning, "growth"),
        ];
        let (value, threshold, _, severity, _) =
            limits.into_iter().find(|&(value, limit, counts, ..)| counts && value > limit)?;
        let usual = median.map_or_else(String::new, |median| {
            format!(", {} times its running median {}", number(growth), number(median))
        });
        let clipping = if clipped { "; clipping keeps it from the weights" } else { "" };
        Some(training(
            severity,
            value,
            threshold,
            format!(
                "the norm of all gradients is {}{usual} (limit {}){clipping}",
                number(norm),
                number(threshold)
            ),
        ))
    }

    fn update_symptom(&mut self, observation: &Observation) -> Option<Symptom> {
        let weights = observation.params.iter().filter(|param| param.role == ParamRole::Weight);
        let update = median(weights.filter_map(|param| param.update_ratio))?;
        self.large_updates = if update > self.update { self.large_updates + 1 } else { 0 };
        let message = format!(
            "each step changes the median weight by {} of itself (limit {}), {} observations in a row",
            number(update),
            number(self.update),
            self.large_updates
        );
        (self.large_updates >= self.update_times)
            .then(|| training(Severity::Critical, update, self.update, message))
    }

    fn loss_symptom(&mut self, observation: &Observation) -> Option<Symptom> {
        let mut seen_small = false;
        for &(step, loss) in &observation.losses {
            if loss.is_nan() {
                continue; // no word about size: what was before decides
            }
            let first = *self.first_loss.get_or_insert(loss);
            let large = loss > self.loss_growth * first.max(1.0);
            seen_small = !large;
            if large && self.diverged.is_none_or(|(_, greatest)| loss > greatest) {
                self.diverged = Some((step, loss));
            }
        }
        let (step, greatest) = self.diverged?;
        let first = self.first_loss.unwrap_or(f64::NAN);
        let ended = observation.last_loss().filter(|loss| !loss.is_finite());
        if seen_small && ended.is_none() {
            self.diverged = None; // said once more: it was seen in these losses
        }
        let after = ended.map_or_else(String::new, |loss| format!(", and is {loss} now"));
        let threshold = self.loss_growth * first.max(1.0);
        Some(training(
            Severity::Critical,
            greatest,
            threshold,
            format!(
                "the loss rose from {} to {} at step {step} (limit {}){after}",
                number(first),
                number(greatest),
                number(threshold)
            ),
        ))
    }
}

fn training(severity: Severity, value: f64, threshold: f64, message: String) -> Symptom {
    Symptom {
        subject: "training".to_owned(),
        severity,
        raises: true,
        value,
        threshold,
        message,
        advice: "Lower the learning rate tenfold first. If single batches do it, clip the norm of the gradients; if it \
                 happens in the first steps only, warm the learning rate up. Dead units or NaN that came with it stay: \
                 begin again."
            .to_owned(),
    }
}

/// The norm of all gradients, put together from those of the parameters where it was not measured.
fn gradient_norm(observation: &Observation) -> Option<f64> {
    let squares = observation.params.iter().filter_map(|param| param.gradient.as_ref());
    let together = squares.map(|gradient| gradient.l2 * gradient.l2).reduce(|sum, square| sum + square);
    observation.gradient_norm.or_else(|| together.map(f64::sqrt))
}

impl Rule for ExplodingGradient {
    fn name(&self) -> &str {
        "exploding_gradient"
    }

    fn about(&self) -> &str {
        "Gradients, updates or the loss grow without bounds."
    }

    fn explains(&self) -> &[&str] {
        &[
            "non_finite",
            "saturated_activation",
            "dead_relu",
            "sparse_activations",
            "vanishing_gradient",
            "update_ratio",
            "unchanged_parameter",
            "batch_norm_drift",
            "loss_divergence",
            "loss_not_decreasing",
            "loss_spike",
            "loss_plateau",
            "prediction_collapse",
            "overfitting",
            "overtraining",
            "no_generalization",
        ]
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        if observation.moment != Moment::Batch {
            return None;
        }
        let norm = gradient_norm(observation);
        let updates = observation.params.iter().any(|param| param.update_ratio.is_some());
        if norm.is_none() && !updates && observation.losses.is_empty() {
            return None;
        }
        let norm = norm.filter(|norm| norm.is_finite());
        let by_norm = norm.and_then(|norm| self.norm_symptom(observation, norm));
        self.norms.extend(norm);
        if self.norms.len() > WINDOW {
            self.norms.pop_front();
        }
        let all = [self.loss_symptom(observation), self.update_symptom(observation), by_norm];
        Some(all.into_iter().flatten().max_by_key(|symptom| symptom.severity).into_iter().collect())
    }

    fn persistence(&self) -> Persistence {
        Persistence::at_once().clear(20)
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        vec![
            Setting::number("norm", &mut self.norm, 0.0..=1e30, "norm of all gradients: critical above"),
            Setting::number(
                "growth_warning",
                &mut self.growth_warning,
                1.0..=1e30,
                "norm over its running median: a warning above",
            ),
            Setting::number(
                "growth_critical",
                &mut self.growth_critical,
                1.0..=1e30,
                "the same: critical above",
            ),
            Setting::number(
                "growth_norm",
                &mut self.growth_norm,
                0.0..=1e30,
                "below this norm growth does not count",
            ),
            Setting::number(
                "update",
                &mut self.update,
                0.0..=1e6,
                "update ratio of the median weight: critical above",
            ),
            Setting::whole(
                "update_times",
                &mut self.update_times,
                1..=1000,
                "so many observations in a row for `update`",
            ),
            Setting::number(
                "loss_growth",
                &mut self.loss_growth,
                1.0..=1e30,
                "loss over the first loss: critical above",
            ),
        ]
    }
}
