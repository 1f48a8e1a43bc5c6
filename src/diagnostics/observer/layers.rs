//! What is measured of the layers' outputs.

use tch::Tensor;

use super::{
    architecture::{Architecture, Known},
    windows::Windows,
};
use crate::{
    capture::{Activation, Activations, Role},
    error::Result,
    rules::{DropoutShift, LayerObservation},
    stats::{
        Fetched, Packed, PendingActivity, PendingKeepRate, PendingShare, PendingStats, Quantiles,
        dropout_variance_ratio,
    },
    summary::Step,
};

/// What is measured of the layers.
#[derive(Debug)]
pub(super) struct LayerOptions {
    pub outputs: bool,
    pub gradients: bool,
    pub saturation: f64,
    pub near_zero: f64,
}

impl Default for LayerOptions {
    fn default() -> LayerOptions {
        LayerOptions { outputs: true, gradients: false, saturation: 1e-3, near_zero: 1e-3 }
    }
}

/// What there is to be measured.
pub(super) struct Source<'a> {
    pub activations: &'a Activations,
    pub gradients: Option<&'a [Option<Tensor>]>,
    pub architecture: Option<&'a Architecture>,
}

/// What is computed and not yet fetched.
#[derive(Debug, Default)]
pub(super) struct PendingLayers(Vec<PendingLayer>);

#[derive(Debug)]
struct PendingLayer {
    name: String,
    role: Role,
    inputs: Vec<String>,
    output: PendingStats,
    gradient: Option<PendingStats>,
    saturated: Option<PendingShare>,
    near_zero: Option<PendingShare>,
    units: Option<PendingActivity>,
    dropout: Option<PendingDropout>,
}

#[derive(Debug)]
struct PendingDropout {
    /// With the figures of a dropout that keeps everything.
    shift: DropoutShift,
    input: PendingStats,
    keep_rate: PendingKeepRate,
}

impl Source<'_> {
    pub fn queue(
        &self,
        options: &LayerOptions,
        mut windows: Option<&mut Windows>,
        quantiles: Quantiles,
        step: Step,
        packed: &mut Packed,
    ) -> Result<PendingLayers> {
        let mut layers = Vec::new();
        for (index, activation) in self.activations.iter().enumerate() {
            let known = self.architecture.and_then(|architecture| architecture.get(&activation.name));
            if known.is_some_and(|known| known.passes_on) {
                continue;
            }
            let gradient = self.gradients.and_then(|gradients| gradients.get(index)?.as_ref());
            let Activation { name, role, tensor } = activation;
            layers.push(PendingLayer {
                name: name.clone(),
                role: *role,
                inputs: known.map_or_else(Vec::new, |known| known.inputs.clone()),
                output: PendingStats::queue(tensor, quantiles, packed)?,
                gradient: gradient
                    .map(|gradient| PendingStats::queue(gradient, quantiles, packed))
                    .transpose()?,
                saturated: PendingShare::saturated(tensor, *role, options.saturation, packed)?,
                near_zero: match role {
                    Role::SoftRelu => Some(PendingShare::near_zero(tensor, options.near_zero, packed)?),
                    _ => None,
                },
                units: match &mut windows {
                    Some(windows) => windows.queue(activation, step, packed)?,
                    None => None,
                },
                dropout: self.dropout(activation, known, packed)?,
            });
        }
        Ok(PendingLayers(layers))
    }

    fn dropout(
        &self,
        activation: &Activation,
        known: Option<&Known>,
        packed: &mut Packed,
    ) -> Result<Option<PendingDropout>> {
        let Some(dropout) = known.and_then(|known| known.dropout.as_ref()) else { return Ok(None) };
        let input = dropout.reads.as_ref().and_then(|name| self.activations.get(name));
        let Some(input) = input.filter(|input| input.tensor.size() == activation.tensor.size()) else {
            return Ok(None);
        };
        Ok(Some(PendingDropout {
            shift: DropoutShift {
                dropout: activation.name.clone(),
                normalization: dropout.normalization.clone(),
                keep_rate: 1.0,
                variance_ratio: 1.0,
                whole_maps: dropout.whole_maps,
            },
            input: PendingStats::queue(&input.tensor, Quantiles::No, packed)?,
            keep_rate: PendingKeepRate::queue(&input.tensor, &activation.tensor, packed)?,
        }))
    }
}

impl PendingLayers {
    pub fn finish(self, fetched: &Fetched) -> Vec<LayerObservation> {
        self.0.into_iter().map(|layer| layer.finish(fetched)).collect()
    }
}

impl PendingLayer {
    fn finish(self, fetched: &Fetched) -> LayerObservation {
        LayerObservation {
            inputs: self.inputs,
            gradient: self.gradient.map(|gradient| gradient.finish(fetched)),
            saturated: self.saturated.and_then(|share| share.finish(fetched)),
            near_zero: self.near_zero.and_then(|share| share.finish(fetched)),
            units: self.units.map(|units| units.finish(fetched)),
            dropout: self.dropout.and_then(|dropout| dropout.finish(fetched)),
            ..LayerObservation::new(self.name, self.role, self.output.finish(fetched))
        }
    }
}

impl PendingDropout {
    fn finish(self, fetched: &Fetched) -> Option<DropoutShift> {
        let input = self.input.finish(fetched);
        let keep_rate = self.keep_rate.finish(fetched)?;
        let variance_ratio = dropout_variance_ratio(input.mean, input.std * input.std, keep_rate)?;
        Some(DropoutShift { keep_rate, variance_ratio, ..self.shift })
    }
}
