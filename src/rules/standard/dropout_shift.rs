//! Dropout before a normalisation.

use super::{
    DropoutShift, Observation, Persistence, Rule, Setting, Severity, Symptom, Threshold,
    group::Group,
    words::{number, percent},
};

/// Dropout stands before a normalisation, whose running variance then learns the noise of the training, which
/// evaluation does not have.
///
/// In a convolutional layer dropout removes no weights, as it does in a fully connected one: a kernel's weight is used
/// at every position, so that it still learns. It multiplies Bernoulli noise into the feature maps. With a keep rate q, mean μ
/// and variance σ² the variance behind it is (σ² + μ²)/q − μ² while training and σ² in evaluation (variance shift, Li et
/// al. 2019): for q = 0.5, μ = 1, σ² = 2 that is 5 against 2. A warning where it is half as much again.
/// That is measured at the dropout; what layers between it and the normalisation make of it is not.
#[derive(Debug, Clone, PartialEq)]
pub struct DropoutShiftRule {
    /// Variance while training over that in evaluation: a warning above. Default 1.5.
    pub warning: f64,
    group: Group,
}

impl Default for DropoutShiftRule {
    fn default() -> DropoutShiftRule {
        DropoutShiftRule { warning: 1.5, group: Group::default() }
    }
}

impl DropoutShiftRule {
    fn symptom(&self, shift: &DropoutShift) -> Option<Symptom> {
        let normalization = shift.normalization.as_ref()?;
        let limit =
            Threshold::above(Severity::Warning, self.warning).clear_at(1.0 + 0.8 * (self.warning - 1.0));
        let grade = limit.grade(shift.variance_ratio)?;
        let noise = if shift.whole_maps { "whole maps" } else { "single values" };
        Some(Symptom {
            subject: shift.dropout.clone(),
            severity: grade.severity,
            raises: grade.raises,
            value: shift.variance_ratio,
            threshold: grade.threshold,
            message: format!(
                "dropout of {noise} (keeps {}) makes the variance of its output {} times that of evaluation (limit {}), \
                 and `{normalization}` behind it learns from that",
                percent(shift.keep_rate),
                number(shift.variance_ratio),
                number(grade.threshold)
            ),
            advice: format!(
                "Move the dropout behind `{normalization}`, best before the last fully connected layer, or leave it \
                 out: in a convolutional network it removes no weights, it multiplies noise into the feature maps."
            ),
        })
    }
}

impl Rule for DropoutShiftRule {
    fn name(&self) -> &str {
        "dropout_shift"
    }

    fn about(&self) -> &str {
        "Dropout before a normalisation: its running variance learns noise that evaluation does not have."
    }

    fn explains(&self) -> &[&str] {
        &["batch_norm_drift", "overfitting", "overtraining", "no_generalization"]
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        let measured: Vec<&DropoutShift> =
            observation.layers.iter().filter_map(|layer| layer.dropout.as_ref()).collect();
        if measured.is_empty() {
            return None;
        }
        let mut symptoms: Vec<Symptom> =
            measured.into_iter().filter_map(|shift| self.symptom(shift)).collect();
        symptoms.dedup_by(|a, b| a.subject == b.subject); // several layers may stand behind one dropout
        Some(self.group.one(symptoms))
    }

    fn persistence(&self) -> Persistence {
        Persistence::new(3, 5)
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        let about = "variance while training over that in evaluation: a warning above";
        vec![Setting::number("warning", &mut self.warning, 1.0..=1e6, about)]
    }
}
