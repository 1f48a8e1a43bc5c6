//! Why units are silent, as far as the parameters before them tell.

use std::collections::BTreeMap;

use tch::{TchError, Tensor, nn};

use super::architecture::{Architecture, Groups, Known};
use crate::{
    capture::Activations,
    error::Result,
    rules::{Cause, LayerObservation, UnitActivity},
    stats::{Fetched, Packed, Slot},
    tch_context::TchContext as _,
};

/// A normalisation whose scale is below this gives next to nothing: what it scales has a standard deviation of 1.
const ZERO_SCALE: f64 = 1e-2;

/// Which units of a layer are silent, by layer.
type Silent = BTreeMap<String, Vec<bool>>;

/// Names the cause of every silent unit that has one: first an input that is silent itself, then a normalisation's scale,
/// then a bias. `prefix` stands before the names of layers in the paths of parameters.
pub(super) fn explain(
    layers: &mut [LayerObservation],
    architecture: &Architecture,
    activations: &Activations,
    prefix: &str,
    store: &nn::VarStore,
) -> Result<()> {
    let silent: Silent = layers
        .iter()
        .filter_map(|layer| layer.units.as_ref().map(|units| (layer.name.clone(), silence(units))))
        .collect();
    let variables = store.variables();
    let param = |layer: &str, part: &str| variables.get_key_value(format!("{prefix}{layer}.{part}").as_str());
    let mut packed = Packed::default();
    let mut origins = Vec::new();
    for layer in layers.iter_mut() {
        let Some(units) = layer.units.as_mut().filter(|units| !units.silent.is_empty()) else { continue };
        let Some((name, known)) = architecture.origin(&layer.name) else { continue };
        let origin = Origin::queue(name, known, architecture, activations, &param, &mut packed)
            .context(|| format!("layer `{}`: why units are silent", layer.name))?;
        origins.push((units, origin));
    }
    let fetched = packed.fetch()?;
    for (units, origin) in origins {
        for unit in &mut units.silent {
            unit.cause = origin.cause(unit.index, &silent, &fetched);
        }
    }
    Ok(())
}

fn silence(units: &UnitActivity) -> Vec<bool> {
    let mut silent = vec![false; units.units as usize];
    for unit in &units.silent {
        if let Some(place) = silent.get_mut(unit.index as usize) {
            *place = true;
        }
    }
    silent
}

/// What lies before the units of an activation function.
struct Origin<'a> {
    /// Name and values of the normalisation's scale.
    scale: Option<(String, Slot)>,
    bias: Option<(String, Slot)>,
    /// The greatest output of a convolution or linear layer, per unit.
    greatest: Option<Slot>,
    /// The layers that the last convolution or linear layer reads.
    inputs: &'a [String],
    groups: Option<Groups>,
}

impl<'a> Origin<'a> {
    fn queue<'p>(
        name: &str,
        known: &'a Known,
        architecture: &'a Architecture,
        activations: &Activations,
        params: &impl Fn(&str, &str) -> Option<(&'p String, &'p Tensor)>,
        packed: &mut Packed,
    ) -> Result<Origin<'a>, TchError> {
        let mut param = |part: &str| -> Result<Option<(String, Slot)>, TchError> {
            let found = params(name, part);
            found.map(|(path, tensor)| Ok((path.clone(), packed.push(tensor)?))).transpose()
        };
        let bias = param("bias")?;
        let scale = if known.is_normalization { param("weight")? } else { None };
        // Behind a normalisation, the inputs of the convolution before it.
        let reader = if known.is_normalization {
            known.inputs.first().and_then(|input| architecture.get(input)).filter(|input| input.has_params)
        } else {
            Some(known)
        };
        let output =
            activations.get(name).filter(|output| !known.is_normalization && output.tensor.dim() >= 2);
        let greatest = match output {
            Some(output) if output.tensor.numel() > 0 => Some(packed.push(&greatest(&output.tensor)?)?),
            _ => None,
        };
        Ok(Origin {
            scale,
            bias,
            greatest,
            inputs: reader.map_or(&[], |reader| reader.inputs.as_slice()),
            groups: reader.and_then(|reader| reader.groups),
        })
    }

    fn cause(&self, unit: u64, silent: &Silent, fetched: &Fetched) -> Option<Cause> {
        if let Some(layer) = self.silent_input(unit, silent) {
            return Some(Cause::SilentInput { layer: layer.to_owned() });
        }
        let at = |slot: &Slot| fetched.get(slot).get(unit as usize).copied();
        let (param, slot) = self.bias.as_ref()?;
        let bias = at(slot)?;
        if let Some((param, slot)) = &self.scale {
            let value = at(slot)?;
            if value.abs() < ZERO_SCALE {
                return (bias <= 0.0).then(|| Cause::ZeroScale { param: param.clone(), value });
            }
        }
        // A normalised value has mean 0 in its batch, so some are positive: only the shift can keep the unit silent.
        // Elsewhere, the unit would be active without its bias.
        let outweighs = match (&self.scale, &self.greatest) {
            (Some(_), _) => true,
            (None, Some(greatest)) => at(greatest)? - bias > 0.0,
            (None, None) => false,
        };
        (bias < 0.0 && outweighs).then(|| Cause::NegativeBias { param: param.clone(), value: bias })
    }

    /// The first of the layers that the unit reads, if all of what it reads is silent.
    fn silent_input(&self, unit: u64, silent: &Silent) -> Option<&str> {
        let is_silent = |input: &String| {
            let channels = silent.get(input)?;
            let read = match self.groups {
                Some(Groups { inputs, outputs, groups }) if groups > 1 && inputs == channels.len() as u64 => {
                    let (of_inputs, of_outputs) = (inputs / groups, (outputs / groups).max(1));
                    let first = (unit / of_outputs * of_inputs) as usize;
                    channels.get(first..first + of_inputs as usize)?
                }
                _ => channels.as_slice(),
            };
            Some(read.iter().all(|&silent| silent))
        };
        let first = self.inputs.first()?;
        self.inputs.iter().all(|input| is_silent(input) == Some(true)).then_some(first.as_str())
    }
}

/// The greatest value of each channel of `[N, C, ...]`.
fn greatest(output: &Tensor) -> Result<Tensor, TchError> {
    tch::no_grad(|| {
        let channels = output.size()[1];
        output.f_detach()?.f_transpose(0, 1)?.f_reshape([channels, -1])?.f_amax([1], false)
    })
}
