//! Activations that are nearly all zero.

use super::{
    Observation, Persistence, Rule, Setting, Severity, Symptom, Threshold, group::Group, words::percent,
};

/// Nearly all outputs of an activation function are 0, or tiny for those that have no exact zeros.
///
/// Behind a ReLU half of the values are zeros from the start, and deep layers of healthy networks reach 90 %: that is
/// the sparse code that one hopes for. With two values in a hundred little information goes on, and little gradient
/// comes back. AllZero of Amazon SageMaker Debugger waits for 100 %. A warning at most: whether units are dead is for
/// [`DeadRelu`](super::DeadRelu) to say. Zeros that dropout makes do not count.
#[derive(Debug, Clone, PartialEq)]
pub struct SparseActivations {
    /// Share of zeros (ReLU) or of tiny values (leaky and smooth functions): a warning above. Default 0.98.
    pub warning: f64,
    group: Group,
}

impl Default for SparseActivations {
    fn default() -> SparseActivations {
        SparseActivations { warning: 0.98, group: Group::default() }
    }
}

impl Rule for SparseActivations {
    fn name(&self) -> &str {
        "sparse_activations"
    }

    fn about(&self) -> &str {
        "Nearly all outputs of a layer are zero, so that little goes on."
    }

    fn explains(&self) -> &[&str] {
        &["loss_plateau"]
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        let limit = Threshold::above(Severity::Warning, self.warning).clear_at(self.warning - 0.01);
        let share = |layer: &super::LayerObservation| match layer.near_zero {
            Some(share) => Some((share, "tiny beside its RMS")),
            None if layer.role.is_silent_at_zero() => Some((layer.output.zero_fraction(), "0")),
            None => None,
        };
        let measured: Vec<_> =
            observation.layers.iter().filter_map(|layer| Some((layer, share(layer)?))).collect();
        if measured.is_empty() {
            return None;
        }
        let symptoms = measured.into_iter().filter_map(|(layer, (share, what))| {
            let grade = limit.grade(share)?;
            Some(Symptom {
                subject: layer.name.clone(),
                severity: grade.severity,
                raises: grade.raises,
                value: share,
                threshold: grade.threshold,
                message: format!(
                    "{} of its outputs are {what} (limit {})",
                    percent(share),
                    percent(grade.threshold)
                ),
                advice: "See whether its biases are far below 0, and lower the learning rate. If training goes well \
                         all the same, the layer has more units than it needs."
                    .to_owned(),
            })
        });
        let symptoms = symptoms.collect();
        Some(self.group.one(symptoms))
    }

    fn persistence(&self) -> Persistence {
        Persistence::new(4, 5)
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        let about = "share of zeros or tiny values of a layer: a warning above";
        vec![Setting::number("warning", &mut self.warning, 0.0..=1.0, about)]
    }
}
