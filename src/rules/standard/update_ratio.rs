//! Steps of the optimiser that are too small or too large for the weights.

use super::{
    Moment, Observation, ParamRole, Persistence, Rule, Setting, Severity, Symptom,
    group::Group,
    losses::{LATEST, Losses},
    median::median,
    peak_rate::PeakRate,
    words::{count, number},
};

/// How much a step changes the weights, beside the weights: ‖Δw‖₂ / ‖w‖₂, with what the optimiser really did. CS231n
/// asks for about 1e-3.
///
/// * *All weights*, by their median: worth knowing outside 1e-4 to 1e-2, a warning outside 1e-6 to 1e-1, critical
///   outside 1e-8 to 10. The last is what WeightUpdateRatio of Amazon SageMaker Debugger has: five decades to either side
///   of the rule of thumb are for crashes, not for tuning.
/// * *A single weight* outside 1e-6 to 1e-1 is a warning that names it and the others like it.
///
/// Weights move faster at first: in the healthy trainings of `examples/pathologies` 2e-2 is usual in the first 60 steps. So
/// what is only worth knowing counts from step `info_from` on.
///
/// Small steps are no fault while the loss is small or the learning rate's schedule ends (below 1 % of its greatest).
/// Biases and the parameters of normalisations do not count: they begin at 0 or have a scale of their own. A weight
/// that does not change at all is for [`UnchangedParameter`](super::UnchangedParameter), also where none does: between the
/// optimiser's steps of a loop that adds up the gradients of several batches no weight moves.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateRatio {
    /// Median of the weights: worth knowing below. Default 1e-4.
    pub info_low: f64,
    /// The same, above. Default 1e-2.
    pub info_high: f64,
    /// The first step at which that is worth knowing. Default 200.
    pub info_from: u64,
    /// Median or a single weight: a warning below. Default 1e-6.
    pub warning_low: f64,
    /// The same, above. Default 1e-1.
    pub warning_high: f64,
    /// Median: critical below. Default 1e-8.
    pub critical_low: f64,
    /// The same, above. Default 10.
    pub critical_high: f64,
    /// Below this loss small steps are no fault: in nats for cross-entropy with known classes, else as a share of the
    /// first losses. Default 0.1.
    pub fitted_loss: f64,
    losses: Losses,
    group: Group,
    peak: PeakRate,
}

impl Default for UpdateRatio {
    fn default() -> UpdateRatio {
        UpdateRatio {
            info_low: 1e-4,
            info_high: 1e-2,
            info_from: 200,
            warning_low: 1e-6,
            warning_high: 1e-1,
            critical_low: 1e-8,
            critical_high: 10.0,
            fitted_loss: 0.1,
            losses: Losses::default(),
            group: Group::default(),
            peak: PeakRate::default(),
        }
    }
}

/// Values outside `low..=high` are bad; twice inside they are fine again.
struct Band {
    severity: Severity,
    low: f64,
    high: f64,
}

impl Band {
    /// Whether it raises (`false`: keeps), and the limit.
    fn grade(&self, ratio: f64, small_is_fine: bool) -> Option<(bool, f64)> {
        if ratio > self.high / 2.0 && ratio > self.low {
            return Some((ratio > self.high, self.high));
        }
        (ratio < 2.0 * self.low && !small_is_fine).then_some((ratio < self.low, self.low))
    }
}

impl UpdateRatio {
    fn bands(&self) -> [Band; 3] {
        [
            Band { severity: Severity::Critical, low: self.critical_low, high: self.critical_high },
            Band { severity: Severity::Warning, low: self.warning_low, high: self.warning_high },
            Band { severity: Severity::Info, low: self.info_low, high: self.info_high },
        ]
    }

    /// The median weight.
    fn overall(&self, ratio: f64, weights: usize, small_is_fine: bool) -> Option<Symptom> {
        let grades: Vec<_> = self
            .bands()
            .into_iter()
            .filter_map(|band| band.grade(ratio, small_is_fine).map(|grade| (band.severity, grade)))
            .collect();
        // The worst band that raises; else the least, which is the first to be left.
        let raising = grades.iter().find(|(_, (raises, _))| *raises);
        let &(severity, (raises, limit)) = raising.or_else(|| grades.last())?;
        let message = format!(
            "a step changes the median of {} by {} of its norm (limit {}; about 1e-3 is usual)",
            count(weights, "weight tensor"),
            number(ratio),
            number(limit)
        );
        Some(symptom("training", severity, raises, ratio, limit, message))
    }

    /// Single weights.
    fn singles(&mut self, ratios: &[(&str, f64)], small_is_fine: bool) -> Vec<Symptom> {
        let band = Band { severity: Severity::Warning, low: self.warning_low, high: self.warning_high };
        let mut symptoms: Vec<Symptom> = ratios
            .iter()
            .filter_map(|&(name, ratio)| {
                let (raises, limit) = band.grade(ratio, small_is_fine)?;
                let message =
                    format!("a step changes it by {} of its norm (limit {})", number(ratio), number(limit));
                Some(symptom(name, Severity::Warning, raises, ratio, limit, message))
            })
            .collect();
        symptoms.sort_by_key(|symptom| !symptom.raises);
        self.group.one(symptoms)
    }
}

fn symptom(
    subject: &str,
    severity: Severity,
    raises: bool,
    ratio: f64,
    limit: f64,
    message: String,
) -> Symptom {
    let advice = if ratio > limit / 4.0 && ratio > 1e-3 {
        "Lower the learning rate tenfold and watch the ratio; about 1e-3 is usual."
    } else {
        "Raise the learning rate tenfold and watch the ratio; about 1e-3 is usual. If the gradients are tiny too, mend \
         those first."
    };
    Symptom {
        subject: subject.to_owned(),
        severity,
        raises,
        value: ratio,
        threshold: limit,
        message,
        advice: advice.to_owned(),
    }
}

impl Rule for UpdateRatio {
    fn name(&self) -> &str {
        "update_ratio"
    }

    fn about(&self) -> &str {
        "A step of the optimiser changes the weights too little or too much."
    }

    fn explains(&self) -> &[&str] {
        &[
            "unchanged_parameter",
            "loss_divergence",
            "loss_not_decreasing",
            "loss_plateau",
            "prediction_collapse",
        ]
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        self.losses.add(observation, LATEST);
        if observation.moment != Moment::Batch {
            return None;
        }
        let ending = self.peak.is_ending(observation);
        let fitted = self.losses.are_fitted(self.fitted_loss);
        // Without a gradient there is no step to judge.
        let moved = |param: &&super::ParamObservation| {
            param.role == ParamRole::Weight
                && param.trainable
                && param.gradient.as_ref().is_none_or(|gradient| gradient.l2 > 0.0)
        };
        let weights = observation.params.iter().filter(moved);
        let ratios: Vec<(&str, f64)> = weights
            .filter_map(|param| Some((param.name.as_str(), param.update_ratio?)))
            .filter(|(_, ratio)| ratio.is_finite() && *ratio > 0.0)
            .collect();
        let middle = median(ratios.iter().map(|&(_, ratio)| ratio))?;
        let small_is_fine = ending || fitted;
        let overall = self.overall(middle, ratios.len(), small_is_fine);
        let settled = u64::try_from(observation.step.get()).unwrap_or(0) >= self.info_from;
        let overall = overall.filter(|symptom| settled || symptom.severity > Severity::Info);
        let mut symptoms = match &overall {
            Some(symptom) if symptom.severity >= Severity::Warning => Vec::new(), // they are all like that
            _ => self.singles(&ratios, small_is_fine),
        };
        symptoms.extend(overall);
        Some(symptoms)
    }

    fn persistence(&self) -> Persistence {
        Persistence::new(4, 5)
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        let ratio = 0.0..=1e6;
        vec![
            Setting::number(
                "info_low",
                &mut self.info_low,
                ratio.clone(),
                "median weight: worth knowing below",
            ),
            Setting::number("info_high", &mut self.info_high, ratio.clone(), "the same, above"),
            Setting::whole(
                "info_from",
                &mut self.info_from,
                0..=1_000_000_000,
                "the first step at which that counts",
            ),
            Setting::number(
                "warning_low",
                &mut self.warning_low,
                ratio.clone(),
                "median or a single weight: a warning below",
            ),
            Setting::number("warning_high", &mut self.warning_high, ratio.clone(), "the same, above"),
            Setting::number(
                "critical_low",
                &mut self.critical_low,
                ratio.clone(),
                "median weight: critical below",
            ),
            Setting::number("critical_high", &mut self.critical_high, ratio, "the same, above"),
            Setting::number(
                "fitted_loss",
                &mut self.fitted_loss,
                0.0..=1e6,
                "below this loss small steps are no fault: nats, or a share of the first losses",
            ),
        ]
    }
}
