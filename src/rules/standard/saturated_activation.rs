//! tanh and sigmoid at their flat ends.

use std::collections::BTreeSet;

use super::{
    LayerObservation, Observation, Persistence, Rule, Setting, Severity, Symptom, Threshold,
    group::Group,
    losses::{LATEST, Losses},
    words::{number, percent},
};
use crate::arch::Role;

/// Most outputs of a tanh or sigmoid lie where its derivative is next to nothing, so that no gradient comes through.
///
/// The derivative below which an output counts is the measurement's ([`LayerObservation::saturated`]). Amazon
/// SageMaker Debugger alarms above 50 % of a layer, with constants for the input (9.4999, 16.99999) that do not follow
/// from the derivative of 1e-7 which it cites; here both functions are judged by one threshold of the derivative. It is a
/// warning above 50 %, and critical where one output in ten is left to learn from.
///
/// Outputs of the network may be at the ends: so a layer that no other reads is left out, by the architecture where it
/// is known, else the last observed one. A sigmoid inside the network may be a gate that is open or closed for good
/// reason: while the loss falls it is a warning at most.
///
/// [`LayerObservation::saturated`]: super::LayerObservation::saturated
#[derive(Debug, Clone, PartialEq)]
pub struct SaturatedActivation {
    /// Share of saturated outputs of a layer: a warning above. Default 0.5.
    pub warning: f64,
    /// The same: critical above. Default 0.9.
    pub critical: f64,
    losses: Losses,
    group: Group,
}

impl Default for SaturatedActivation {
    fn default() -> SaturatedActivation {
        SaturatedActivation {
            warning: 0.5,
            critical: 0.9,
            losses: Losses::default(),
            group: Group::default(),
        }
    }
}

/// The layers that others read, as far as that is known.
fn inner_layers(observation: &Observation) -> impl Iterator<Item = &LayerObservation> {
    let layers = &observation.layers;
    let read: BTreeSet<&str> = layers.iter().flat_map(|layer| &layer.inputs).map(String::as_str).collect();
    let last = layers.len().saturating_sub(1);
    let is_inner = move |(index, layer): &(usize, &LayerObservation)| {
        if read.is_empty() { *index != last } else { read.contains(layer.name.as_str()) }
    };
    layers.iter().enumerate().filter(is_inner).map(|(_, layer)| layer)
}

impl Rule for SaturatedActivation {
    fn name(&self) -> &str {
        "saturated_activation"
    }

    fn about(&self) -> &str {
        "Outputs of tanh or sigmoid lie at their flat ends, where no gradient comes through."
    }

    fn explains(&self) -> &[&str] {
        &[
            "vanishing_gradient",
            "update_ratio",
            "unchanged_parameter",
            "loss_divergence",
            "loss_not_decreasing",
            "loss_plateau",
            "prediction_collapse",
            "no_generalization",
        ]
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        self.losses.add(observation, LATEST);
        let limits = [
            Threshold::above(Severity::Warning, self.warning).clear_at(0.8 * self.warning),
            Threshold::above(Severity::Critical, self.critical),
        ];
        let measured: Vec<_> =
            inner_layers(observation).filter_map(|layer| Some((layer, layer.saturated?))).collect();
        if measured.is_empty() {
            return None;
        }
        let symptoms = measured.into_iter().filter_map(|(layer, share)| {
            let grade = Threshold::worst(&limits, share)?;
            let may_be_a_gate = layer.role == Role::Sigmoid && self.losses.fell();
            let most = if may_be_a_gate { Severity::Warning } else { Severity::Critical };
            Some(Symptom {
                subject: layer.name.clone(),
                severity: grade.severity.min(most),
                raises: grade.raises,
                value: share,
                threshold: grade.threshold,
                message: format!(
                    "{} of its outputs are saturated (limit {}; its outputs: mean {}, standard deviation {})",
                    percent(share),
                    percent(grade.threshold),
                    number(layer.output.mean),
                    number(layer.output.std)
                ),
                advice: "What goes in is too large: begin from smaller weights (Xavier), normalise the input, or put \
                         BatchNorm before it. ReLU in its place does not saturate."
                    .to_owned(),
            })
        });
        let symptoms = symptoms.collect(); // from the first layer on: it is nearest to the cause
        Some(self.group.one(symptoms))
    }

    fn persistence(&self) -> Persistence {
        Persistence::new(3, 4).warm_up(0)
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        vec![
            Setting::number(
                "warning",
                &mut self.warning,
                0.0..=1.0,
                "share of saturated outputs of a layer: a warning above",
            ),
            Setting::number("critical", &mut self.critical, 0.0..=1.0, "the same: critical above"),
        ]
    }
}
