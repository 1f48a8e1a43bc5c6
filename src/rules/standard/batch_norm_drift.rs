//! Running statistics of BatchNorm that are not those of the batches.

use super::{
    Observation, ParamObservation, ParamRole, Persistence, Rule, Setting, Severity, Symptom, Threshold,
    group::Group, words::number,
};

/// The running mean and variance of a BatchNorm layer are far from those of the batches that go in, or the running
/// variance has blown up. Training normalises by the batch, evaluation by the running statistics: where they differ,
/// validation is bad while training looks fine.
///
/// * *Blow-up*: the greatest running variance of a channel above 1e6, critical above 1e10. Inputs of 0 to 255 make
///   some 1e4.
/// * *Drift*, where it is known what the layer reads: mean running variance over the variance of its input, above 10. The
///   input's variance is that of all channels together, which is more than that of a channel alone: a healthy layer
///   has less than 1. And the mean of the running means, in standard deviations of the input, more than 3 away.
///
/// These limits are convscope's own: the references have no such rule. With a momentum of 0.1 the statistics have
/// forgotten their beginning after some 50 batches; they do not count before step 100.
#[derive(Debug, Clone, PartialEq)]
pub struct BatchNormDrift {
    /// Greatest running variance of a channel: a warning above. Default 1e6.
    pub variance_warning: f64,
    /// The same: critical above. Default 1e10.
    pub variance_critical: f64,
    /// Mean running variance over the variance of the batch: a warning above. Default 10.
    pub variance_drift: f64,
    /// Running mean from the batch's in its standard deviations: a warning above. Default 3.
    pub mean_drift: f64,
    group: Group,
}

impl Default for BatchNormDrift {
    fn default() -> BatchNormDrift {
        BatchNormDrift {
            variance_warning: 1e6,
            variance_critical: 1e10,
            variance_drift: 10.0,
            mean_drift: 3.0,
            group: Group::default(),
        }
    }
}

const DRIFT_ADVICE: &str = "Evaluate with a smaller share of the past (a greater momentum in PyTorch's sense), use larger \
                            batches, lower the learning rate, and see whether training and evaluation see the same input.";

impl BatchNormDrift {
    fn blow_up(&self, variance: &ParamObservation) -> Option<Symptom> {
        let limits = [
            Threshold::above(Severity::Warning, self.variance_warning).clear_at(0.5 * self.variance_warning),
            Threshold::above(Severity::Critical, self.variance_critical),
        ];
        let value = variance.value.max;
        let grade = Threshold::worst(&limits, value)?;
        let message =
            format!("the greatest running variance is {} (limit {})", number(value), number(grade.threshold));
        let advice = "What goes in is very large: normalise the images, or lower the learning rate until activations \
                      stay bounded.";
        Some(symptom(variance, grade, value, message, advice))
    }

    fn drift(&self, observation: &Observation, variance: &ParamObservation) -> Option<Symptom> {
        let layer = observation.layer(&variance.layer)?;
        let input = observation.layer(layer.inputs.first()?)?;
        let deviation = input.output.std;
        let mean = observation
            .params
            .iter()
            .find(|param| param.role == ParamRole::RunningMean && param.layer == variance.layer)
            .map(|param| (param.value.mean - input.output.mean).abs() / deviation);
        let ratio = variance.value.mean / (deviation * deviation);
        let of_variance =
            Threshold::above(Severity::Warning, self.variance_drift).clear_at(0.5 * self.variance_drift);
        let of_mean = Threshold::above(Severity::Warning, self.mean_drift).clear_at(0.5 * self.mean_drift);
        if let Some(grade) = of_variance.grade(ratio) {
            let message = format!(
                "the running variance is {} times that of the batch (limit {})",
                number(ratio),
                number(self.variance_drift)
            );
            return Some(symptom(variance, grade, ratio, message, DRIFT_ADVICE));
        }
        let away = mean?;
        let message = format!(
            "the running mean is {} standard deviations from that of the batch (limit {})",
            number(away),
            number(self.mean_drift)
        );
        Some(symptom(variance, of_mean.grade(away)?, away, message, DRIFT_ADVICE))
    }
}

fn symptom(
    param: &ParamObservation,
    grade: super::Grade,
    value: f64,
    message: String,
    advice: &str,
) -> Symptom {
    Symptom {
        subject: param.layer.clone(),
        severity: grade.severity,
        raises: grade.raises,
        value,
        threshold: grade.threshold,
        message,
        advice: advice.to_owned(),
    }
}

impl Rule for BatchNormDrift {
    fn name(&self) -> &str {
        "batch_norm_drift"
    }

    fn about(&self) -> &str {
        "Running statistics of BatchNorm are far from those of the batches, or blow up: evaluation differs from training."
    }

    fn explains(&self) -> &[&str] {
        &["overfitting", "overtraining", "no_generalization"]
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        let variances: Vec<&ParamObservation> =
            observation.params.iter().filter(|param| param.role == ParamRole::RunningVar).collect();
        if variances.is_empty() {
            return None;
        }
        let found = variances
            .into_iter()
            .filter_map(|param| self.blow_up(param).or_else(|| self.drift(observation, param)));
        let found = found.collect();
        Some(self.group.one(found))
    }

    fn persistence(&self) -> Persistence {
        Persistence::new(4, 5).warm_up(100)
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        vec![
            Setting::number(
                "variance_warning",
                &mut self.variance_warning,
                0.0..=1e30,
                "greatest running variance: a warning above",
            ),
            Setting::number(
                "variance_critical",
                &mut self.variance_critical,
                0.0..=1e30,
                "the same: critical above",
            ),
            Setting::number(
                "variance_drift",
                &mut self.variance_drift,
                1.0..=1e30,
                "running variance over that of the batch: a warning above",
            ),
            Setting::number(
                "mean_drift",
                &mut self.mean_drift,
                0.0..=1e30,
                "running mean from the batch's in standard deviations: a warning above",
            ),
        ]
    }
}
