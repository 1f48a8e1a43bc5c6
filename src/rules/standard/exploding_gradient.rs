//! Gradients, or what they do to the weights and the loss, that grow without bounds.

use std::collections::VecDeque;

use super::{
    Moment, Observation, ParamRole, Persistence, Rule, Setting, Severity, Symptom, losses::deviation,
    median::median, words::number,
};
use crate::summary::Step;

/// The training diverges: gradients, updates or the loss become many times what they were.
///
/// * *Norm*: the L2 norm of all gradients above 1e4, as TorchLens's audit has it: a warning, because a loss that is summed
///   over the batch, targets of great numbers or the scaling of mixed precision make a norm of any size. Critical where
///   one of the others says so too: it grew by `growth_warning`, updates are large, or the loss is.
/// * *Growth*: the norm beside its own running median, so that loss scale and reduction do not matter; only above
///   `growth_norm`, because late in a training a single hard image makes a hundred times of nearly nothing.
/// * *Updates*: the median weight changes by more than a tenth of itself per step, three observations in a row. CS231n
///   asks for a thousandth. Adam's first steps change each weight by the learning rate, whatever its size, which is more
///   for small weights, and less as they grow: before step `update_from` only updates that rise count.
/// * *Loss*: `loss_growth` times the first loss or the deviation of the losses, as after steps that were far too large:
///   critical for `loss_times` of the last five batches, or where it is NaN by now, or gradients are; a warning for a
///   single batch, which may hold an outlier. Networks with BatchNorm diverge so: the scale of their weights grows, and the gradient shrinks with it.
///
/// Where gradients are clipped, the norm before clipping is a warning at most: the weights do not see it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplodingGradient {
    /// Norm of all gradients: a warning above. Default 1e4.
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
    /// Before this step only updates that rise count. Default 30.
    pub update_from: u64,
    /// Loss over the first one, the robust deviation of the losses or 1, whichever is greatest. Default 20.
    pub loss_growth: f64,
    /// Of the last five batches so many must have such a loss. Default 3.
    pub loss_times: u64,
    norms: VecDeque<f64>,
    large_updates: u64,
    last_update: f64,
    first_loss: Option<f64>,
    /// The last losses that were in bounds.
    usual: VecDeque<f64>,
    /// Which of the last losses were out of bounds, newest last.
    large: VecDeque<bool>,
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
            update_from: 30,
            loss_growth: 20.0,
            loss_times: 3,
            norms: VecDeque::new(),
            large_updates: 0,
            last_update: f64::INFINITY,
            first_loss: None,
            usual: VecDeque::new(),
            large: VecDeque::new(),
            diverged: None,
        }
    }
}

/// So many norms are remembered for their median, and so many are needed for one.
const WINDOW: usize = 50;
const ENOUGH: usize = 5;
/// Of so many of the last losses some must be out of bounds.
const BATCHES: usize = 5;

impl ExplodingGradient {
    fn norm_symptom(&self, observation: &Observation, norm: f64) -> Option<Symptom> {
        let clipped = observation.clipped_gradient_norm.is_some_and(|clipped| clipped < 0.99 * norm);
        let worst = if clipped { Severity::Warning } else { Severity::Critical };
        let median = if self.norms.len() >= ENOUGH { median(self.norms.iter().copied()) } else { None };
        let growth = median.map_or(0.0, |median| norm / median);
        let grows = growth > self.growth_warning;
        let confirmed = grows || self.large.contains(&true) || median_update(observation) > Some(self.update);
        let by_norm = if confirmed { worst } else { Severity::Warning };
        let limits = [
            (growth, self.growth_critical, norm > self.growth_norm, worst),
            (norm, self.norm, true, by_norm),
            (growth, self.growth_warning, norm > self.growth_norm, Severity::Warning),
        ];
        let (value, threshold, _, severity) =
            limits.into_iter().find(|&(value, limit, counts, _)| counts && value > limit)?;
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
        let update = median_update(observation)?;
        let early = observation.step.get() < i64::try_from(self.update_from).unwrap_or(i64::MAX);
        let counts = update > self.update && (!early || update > self.last_update);
        self.last_update = update;
        self.large_updates = if counts { self.large_updates + 1 } else { 0 };
        let message = format!(
            "each step changes the median weight by {} of itself (limit {}), {} observations in a row",
            number(update),
            number(self.update),
            self.large_updates
        );
        (self.large_updates >= self.update_times)
            .then(|| training(Severity::Critical, update, self.update, message))
    }

    /// Above this a loss is out of bounds.
    fn loss_limit(&self) -> f64 {
        let first = self.first_loss.unwrap_or(f64::NAN).abs();
        let spread = if self.usual.len() >= ENOUGH { deviation(self.usual.iter().copied()) } else { 0.0 };
        self.loss_growth * first.max(spread).max(1.0)
    }

    fn remember_loss(&mut self, loss: f64, large: bool) {
        if !large {
            self.usual.push_back(loss);
        }
        self.large.push_back(large);
        if self.usual.len() > WINDOW {
            self.usual.pop_front();
        }
        if self.large.len() > BATCHES {
            self.large.pop_front();
        }
    }

    fn loss_symptom(&mut self, observation: &Observation) -> Option<Symptom> {
        let mut seen_small = false;
        let mut lasting = false;
        let mut threshold = self.loss_limit();
        for &(step, loss) in &observation.losses {
            if loss.is_nan() {
                continue; // no word about size: what was before decides
            }
            self.first_loss.get_or_insert(loss);
            threshold = self.loss_limit();
            let large = loss > threshold;
            self.remember_loss(loss, large);
            lasting |= self.large.iter().filter(|&&large| large).count() as u64 >= self.loss_times;
            seen_small = !large;
            if large && self.diverged.is_none_or(|(_, greatest)| loss > greatest) {
                self.diverged = Some((step, loss));
            }
        }
        let (step, greatest) = self.diverged?;
        let first = self.first_loss.unwrap_or(f64::NAN);
        let ended = observation.last_loss().filter(|loss| !loss.is_finite());
        let spoiled = has_bad_gradients(observation);
        if seen_small && ended.is_none() {
            self.diverged = None; // said once more: it was seen in these losses
        }
        let after = match ended {
            Some(loss) => format!(", and is {loss} now"),
            None if spoiled => ", and gradients are not finite now".to_owned(),
            None => String::new(),
        };
        let critical = lasting || ended.is_some() || spoiled;
        Some(training(
            if critical { Severity::Critical } else { Severity::Warning },
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

/// Update ratio of the median weight, of those that moved.
fn median_update(observation: &Observation) -> Option<f64> {
    let weights = observation.params.iter().filter(|param| param.role == ParamRole::Weight);
    median(weights.filter_map(|param| param.update_ratio).filter(|&ratio| ratio > 0.0))
}

fn has_bad_gradients(observation: &Observation) -> bool {
    let mut gradients = observation.params.iter().filter_map(|param| param.gradient.as_ref());
    observation.gradient_norm.is_some_and(|norm| !norm.is_finite())
        || gradients.any(|gradient| gradient.non_finite() > 0)
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
        let by_loss = self.loss_symptom(observation); // before the norm, which asks for it
        let by_norm = norm.and_then(|norm| self.norm_symptom(observation, norm));
        self.norms.extend(norm);
        if self.norms.len() > WINDOW {
            self.norms.pop_front();
        }
        let all = [by_loss, self.update_symptom(observation), by_norm];
        Some(all.into_iter().flatten().max_by_key(|symptom| symptom.severity).into_iter().collect())
    }

    fn persistence(&self) -> Persistence {
        Persistence::at_once().clear(20)
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        vec![
            Setting::number(
                "norm",
                &mut self.norm,
                0.0..=1e30,
                "norm of all gradients: a warning above, critical with growth",
            ),
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
            Setting::whole(
                "update_from",
                &mut self.update_from,
                0..=1_000_000_000,
                "before this step only updates that rise count",
            ),
            Setting::number(
                "loss_growth",
                &mut self.loss_growth,
                1.0..=1e30,
                "loss over the first one or the deviation of the losses: out of bounds above",
            ),
            Setting::whole(
                "loss_times",
                &mut self.loss_times,
                1..=BATCHES as u64,
                "of the last five losses so many out of bounds are critical",
            ),
        ]
    }
}
