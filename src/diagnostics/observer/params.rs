//! What is measured of the parameters.

use std::collections::{BTreeMap, BTreeSet};

use tch::{Tensor, nn};

use super::unchanged::Unchanged;
use crate::{
    callback::Context,
    error::Result,
    params::{Param, Params},
    rules::{ParamObservation, ParamRole, Spectrum, TensorStats},
    stats::{self, Fetched, Norm, Packed, PendingRatio, PendingStats, Quantiles},
    summary::{Step, layer_and_part},
};

/// Statistics of the parameters' gradients, computed on their device and not yet fetched.
#[derive(Debug, Default)]
pub(super) struct Gradients {
    packed: Packed,
    stats: BTreeMap<String, PendingStats>,
    /// Whether the optimiser may use others, clipped behind this moment.
    may_be_clipped: bool,
}

impl Gradients {
    /// As they are now.
    pub fn queue(cx: &Context<'_>, quantiles: Quantiles) -> Result<Gradients> {
        let mut gradients = Gradients::default();
        for param in &cx.params() {
            if let Some(gradient) = param.grad() {
                let stats = PendingStats::queue(&gradient, quantiles, &mut gradients.packed)?;
                gradients.stats.insert(param.name().to_owned(), stats);
            }
        }
        Ok(gradients)
    }

    /// As they are now, with those that the optimiser will have used to be looked at too.
    pub fn queue_before_clipping(cx: &Context<'_>, quantiles: Quantiles) -> Result<Gradients> {
        Ok(Gradients { may_be_clipped: true, ..Gradients::queue(cx, quantiles)? })
    }

    fn finish(self) -> Result<BTreeMap<String, TensorStats>> {
        let fetched = self.packed.fetch()?;
        Ok(self.stats.into_iter().map(|(name, stats)| (name, stats.finish(&fetched))).collect())
    }
}

/// Whether the optimiser has made its step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moved {
    Yes,
    /// So there is no update, and what is as at the observation before need not stay so.
    No,
}

/// Statistics of the parameters, computed and not yet fetched.
#[derive(Debug)]
pub(super) struct PendingParams {
    params: Vec<PendingParam>,
    moved: Moved,
}

#[derive(Debug)]
struct PendingParam {
    name: String,
    tensor: Tensor,
    role: ParamRole,
    value: PendingStats,
    update: Option<PendingRatio>,
}

/// All of it.
#[derive(Debug)]
pub(super) struct Measured {
    pub observations: Vec<ParamObservation>,
    pub gradient_norm: Option<f64>,
    pub clipped_norm: Option<f64>,
    /// Whether the gradients were set to zero before they could be measured.
    pub cleared: bool,
}

impl PendingParams {
    pub fn queue(
        cx: &Context<'_>,
        quantiles: Quantiles,
        moved: Moved,
        packed: &mut Packed,
    ) -> Result<PendingParams> {
        let before: BTreeMap<&str, &Tensor> = cx
            .params_before()
            .filter(|_| moved == Moved::Yes)
            .unwrap_or_default()
            .iter()
            .map(|(name, tensor)| (name.as_str(), tensor))
            .collect();
        let queue = |(name, tensor, role): (String, Tensor, ParamRole)| {
            let value = PendingStats::queue(&tensor, quantiles, packed)?;
            let before = before.get(name.as_str()).filter(|before| before.size() == tensor.size());
            let update = before.map(|before| PendingRatio::queue(before, &tensor, packed)).transpose()?;
            Ok(PendingParam { name, tensor, role, value, update })
        };
        let params = in_order(cx.var_store()).into_iter().map(queue).collect::<Result<Vec<_>>>()?;
        Ok(PendingParams { params, moved })
    }

    pub fn finish(
        self,
        fetched: &Fetched,
        gradients: Gradients,
        spectra: bool,
        unchanged: &mut Unchanged,
        step: Step,
    ) -> Result<Measured> {
        let moved = self.moved;
        let clipped = if gradients.may_be_clipped { self.norms()? } else { BTreeMap::new() };
        let announced = gradients.may_be_clipped;
        let mut gradients = gradients.finish()?;
        let mut observations = Vec::with_capacity(self.params.len());
        for PendingParam { name, tensor, role, value, update } in self.params {
            let value = value.finish(fetched);
            let trainable = tensor.requires_grad();
            let unchanged_since = match moved {
                Moved::Yes if trainable => unchanged.since(&name, &tensor, &value, step)?,
                _ => None, // of what is frozen, nobody asks: that would bring it to the host each time
            };
            observations.push(ParamObservation {
                trainable,
                gradient: gradients.get(&name).copied(),
                clipped_norm: clipped.get(&name).copied(),
                update_ratio: update.and_then(|update| update.finish(fetched)),
                unchanged_since,
                spectrum: if spectra { spectrum(&name, &tensor, role) } else { None },
                ..ParamObservation::new(name, role, value)
            });
        }
        let cleared = !announced && moved == Moved::Yes && are_cleared(&gradients, &observations);
        if cleared {
            gradients.clear();
            observations.iter_mut().for_each(|param| param.gradient = None);
        }
        let gradient_norms: Vec<f64> = gradients.values().map(norm).collect();
        let clipped: Vec<f64> = clipped.into_values().collect();
        let total = |norms: &[f64]| (!norms.is_empty()).then(|| stats::total_norm(norms, Norm::L2));
        Ok(Measured {
            observations,
            gradient_norm: total(&gradient_norms),
            clipped_norm: total(&clipped),
            cleared,
        })
    }

    /// Norms of the gradients as they are now, by name.
    fn norms(&self) -> Result<BTreeMap<String, f64>> {
        let gradient = |param: &PendingParam| {
            let gradient = param.tensor.f_grad().ok().filter(Tensor::defined)?;
            Some((param.name.clone(), gradient))
        };
        let (names, gradients): (Vec<String>, Vec<Tensor>) = self.params.iter().filter_map(gradient).unzip();
        Ok(names.into_iter().zip(stats::norms(&gradients, Norm::L2)?).collect())
    }
}

/// Whether the gradients were set to zero before they were looked at: all are exactly 0, and yet a parameter has moved, as
/// far as that was measured.
fn are_cleared(gradients: &BTreeMap<String, TensorStats>, params: &[ParamObservation]) -> bool {
    let mut ratios = params.iter().filter_map(|param| param.update_ratio).peekable();
    let may_move = ratios.peek().is_none() || ratios.any(|ratio| ratio > 0.0);
    !gradients.is_empty() && may_move && gradients.values().all(|gradient| norm(gradient) == 0.0)
}

/// The L2 norm of all values, not only of the finite ones.
fn norm(stats: &TensorStats) -> f64 {
    match stats {
        TensorStats { nan: 1.., .. } => f64::NAN,
        TensorStats { infinite: 1.., .. } => f64::INFINITY,
        TensorStats { count: 0, .. } => 0.0,
        TensorStats { l2, .. } => *l2,
    }
}

fn spectrum(name: &str, tensor: &Tensor, role: ParamRole) -> Option<Spectrum> {
    if role != ParamRole::Weight {
        return None;
    }
    // Too large: known, and not worth a warning at every epoch.
    stats::spectrum(tensor).inspect_err(|error| tracing::debug!("`{name}`: {error}")).ok()
}

/// All variables in the order in which their layers were made, each with its role. Running statistics follow the
/// parameters of their layer.
fn in_order(store: &nn::VarStore) -> Vec<(String, Tensor, ParamRole)> {
    let all = Params::all(store);
    let normalizations: BTreeSet<&str> = all
        .iter()
        .filter(|param| matches!(layer_and_part(param.name()).1, "running_mean" | "running_var"))
        .map(Param::layer)
        .collect();
    let observed = all.in_order(store).into_iter().map(|param| {
        let (layer, part) = layer_and_part(param.name());
        let one_dimensional = param.tensor().dim() <= 1;
        let normalizes = normalizations.contains(layer)
            || all.get(&format!("{layer}.weight")).is_some_and(|weight| weight.tensor().dim() == 1);
        let role = match part {
            "running_mean" => ParamRole::RunningMean,
            "running_var" => ParamRole::RunningVar,
            "weight" if normalizes && one_dimensional => ParamRole::Scale,
            "bias" if normalizes => ParamRole::Shift,
            "bias" => ParamRole::Bias,
            _ if !one_dimensional => ParamRole::Weight,
            _ => ParamRole::Other,
        };
        (param.name().to_owned(), param.tensor().shallow_clone(), role)
    });
    observed.collect()
}
