//! Numbers of layers that are shown.

use std::collections::HashMap;

use crate::{
    render::LayerScale,
    rules::{LayerObservation, Observation, ParamObservation, TensorStats, UnitActivity},
};

/// What one observation tells of each statistic, computed once for all who show it.
#[derive(Debug)]
pub(super) struct Measured<'o>(Vec<(Statistic, Vec<(&'o str, f64)>)>);

impl<'o> Measured<'o> {
    pub fn of(observation: &'o Observation) -> Measured<'o> {
        let measured = Statistic::ALL.map(|statistic| (statistic, statistic.of(observation)));
        Measured(measured.into_iter().filter(|(_, layers)| !layers.is_empty()).collect())
    }

    /// Those of which something was measured, with layers in the order of depth.
    pub fn iter(&self) -> impl Iterator<Item = (Statistic, &[(&'o str, f64)])> {
        self.0.iter().map(|(statistic, layers)| (*statistic, layers.as_slice()))
    }

    /// Empty where nothing was measured.
    pub fn get(&self, statistic: Statistic) -> &[(&'o str, f64)] {
        self.iter().find(|(known, _)| *known == statistic).map_or(&[], |(_, layers)| layers)
    }
}

/// A number of each layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statistic {
    GradientRms,
    OutputGradientRms,
    ActivationRms,
    ZeroFraction,
    UpdateRatio,
    DeadShare,
}

impl Statistic {
    /// In the order in which they are shown.
    pub const ALL: [Statistic; 6] = [
        Statistic::GradientRms,
        Statistic::OutputGradientRms,
        Statistic::ActivationRms,
        Statistic::ZeroFraction,
        Statistic::UpdateRatio,
        Statistic::DeadShare,
    ];

    /// As part of a tag.
    pub fn name(self) -> &'static str {
        match self {
            Statistic::GradientRms => "gradient_rms",
            Statistic::OutputGradientRms => "output_gradient_rms",
            Statistic::ActivationRms => "activation_rms",
            Statistic::ZeroFraction => "zero_fraction",
            Statistic::UpdateRatio => "update_ratio",
            Statistic::DeadShare => "dead_share",
        }
    }

    /// In pictures and charts.
    pub fn title(self) -> &'static str {
        match self {
            Statistic::GradientRms => "gradient RMS",
            Statistic::OutputGradientRms => "output gradient RMS",
            Statistic::ActivationRms => "activation RMS",
            Statistic::ZeroFraction => "zero fraction",
            Statistic::UpdateRatio => "update ratio",
            Statistic::DeadShare => "dead share",
        }
    }

    /// Two short words for the head of a column.
    pub fn short(self) -> &'static str {
        match self {
            Statistic::OutputGradientRms => "out.grad RMS",
            Statistic::ActivationRms => "activ. RMS",
            Statistic::ZeroFraction => "zero fract.",
            other => other.title(),
        }
    }

    /// What was measured, in one line.
    pub fn meaning(self) -> &'static str {
        match self {
            Statistic::GradientRms => "of the loss by each layer's largest parameter",
            Statistic::OutputGradientRms => "of the loss by each layer's output",
            Statistic::ActivationRms => "of each layer's output",
            Statistic::ZeroFraction => "share of each activation's outputs that are exactly 0",
            Statistic::UpdateRatio => {
                "size of a step by that of the weights, of each layer's largest parameter"
            }
            Statistic::DeadShare => "share of units that were never active in the last window of images",
        }
    }

    /// The same in all pictures, so that those of different steps and trainings can be compared.
    pub fn scale(self) -> LayerScale {
        match self {
            Statistic::GradientRms | Statistic::OutputGradientRms => {
                LayerScale::Log { floor: 1e-8, top: 1.0 }
            }
            Statistic::ActivationRms => LayerScale::Log { floor: 1e-3, top: 1e3 },
            Statistic::UpdateRatio => LayerScale::Log { floor: 1e-7, top: 0.1 },
            Statistic::ZeroFraction | Statistic::DeadShare => LayerScale::Linear { low: 0.0, high: 1.0 },
        }
    }

    /// What was measured of the layers, in the order of depth. Infinity where values are NaN or infinite.
    pub fn of(self, observation: &Observation) -> Vec<(&str, f64)> {
        let layers = |value: fn(&LayerObservation) -> Option<f64>| -> Vec<(&str, f64)> {
            let layers = observation.layers.iter();
            layers.filter_map(|layer| Some((layer.name.as_str(), value(layer)?))).collect()
        };
        let params = |value: fn(&ParamObservation) -> Option<f64>| -> Vec<(&str, f64)> {
            let params = largest_of_each_layer(&observation.params).into_iter();
            params.filter_map(|param| Some((param.layer.as_str(), value(param)?))).collect()
        };
        match self {
            Statistic::GradientRms => params(|param| param.gradient.as_ref().map(rms)),
            Statistic::OutputGradientRms => layers(|layer| layer.gradient.as_ref().map(rms)),
            Statistic::ActivationRms => layers(|layer| Some(rms(&layer.output))),
            Statistic::ZeroFraction => layers(|layer| {
                layer.role.is_silent_at_zero().then(|| or_infinite(&layer.output, TensorStats::zero_fraction))
            }),
            Statistic::UpdateRatio => params(|param| {
                param.update_ratio.map(|ratio| if ratio.is_nan() { f64::INFINITY } else { ratio })
            }),
            Statistic::DeadShare => layers(|layer| layer.units.as_ref().map(UnitActivity::silent_share)),
        }
    }
}

fn rms(stats: &TensorStats) -> f64 {
    or_infinite(stats, TensorStats::rms)
}

fn or_infinite(stats: &TensorStats, value: fn(&TensorStats) -> f64) -> f64 {
    if stats.non_finite() > 0 { f64::INFINITY } else { value(stats) }
}

/// The trainable parameter with the most values of each layer: its kernel or matrix.
fn largest_of_each_layer(params: &[ParamObservation]) -> Vec<&ParamObservation> {
    let size = |param: &ParamObservation| param.value.count + param.value.non_finite();
    let mut largest: Vec<&ParamObservation> = Vec::new();
    let mut places = HashMap::<&str, usize>::new();
    for param in params.iter().filter(|param| param.trainable) {
        let place = *places.entry(&param.layer).or_insert(largest.len());
        match largest.get_mut(place) {
            Some(known) if size(known) < size(param) => *known = param,
            Some(_) => {}
            None => largest.push(param),
        }
    }
    largest
}
