//! Parameters and how they start: PyTorch's names and PyTorch's defaults.

use tch::{
    Tensor,
    nn::{self, Init},
};

use super::ops::Weights;
use crate::{
    arch::{ParamSpec, ResolvedLayer},
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// Refuses a layer whose parameters are in the store already: tch would add ours under another name.
pub(super) fn check_free(path: &nn::Path<'_>, layer: &ResolvedLayer) -> Result<()> {
    let path = below(path, &layer.name);
    match layer.params.iter().find(|param| path.get(param.name).is_some()) {
        None => Ok(()),
        Some(param) => Err(Error::invalid(
            format!("layer `{}`", layer.name),
            format!(
                "there is a variable `{}` already: build the network in another store or under another path",
                path.path(param.name)
            ),
        )),
    }
}

/// Makes the parameters of a layer.
pub(super) fn weights(path: &nn::Path<'_>, layer: &ResolvedLayer) -> Result<Weights> {
    let path = below(path, &layer.name);
    let bound = bound(&layer.params);
    let mut weights = Weights::default();
    for param in &layer.params {
        let tensor = make(&path, param, bound).context(|| {
            format!("layer `{}`: cannot make `{}` of size {:?}", layer.name, param.name, param.dims)
        })?;
        weights.set(param.name, tensor);
    }
    Ok(weights)
}

/// One variable. Kernels and matrices have two dimensions or more; a layer without one is a batch normalisation.
fn make(path: &nn::Path<'_>, param: &ParamSpec, bound: Option<f64>) -> Result<Tensor, tch::TchError> {
    match (param.name, bound) {
        ("running_mean", _) => path.f_zeros_no_train(param.name, &param.dims),
        ("running_var", _) => path.f_ones_no_train(param.name, &param.dims),
        (_, Some(bound)) => path.f_var(param.name, &param.dims, Init::Uniform { lo: -bound, up: bound }),
        ("weight", None) => path.f_ones(param.name, &param.dims),
        (_, None) => path.f_zeros(param.name, &param.dims),
    }
}

/// 1/√fan_in for convolutions and linear layers, where fan_in is the number of inputs of one output.
///
/// PyTorch writes it as `kaiming_uniform_(weight, a=√5)`: the bound √(6 / ((1 + 5) · fan_in)) is the same number, and
/// the bias has it too.
fn bound(params: &[ParamSpec]) -> Option<f64> {
    let weight = params.iter().find(|param| param.name == "weight" && param.dims.len() >= 2)?;
    let fan_in: i64 = weight.dims[1..].iter().product();
    Some(1.0 / (fan_in as f64).sqrt())
}

/// The path of a layer. tch joins its parts with dots and refuses dots in them.
fn below<'a>(path: &nn::Path<'a>, name: &str) -> nn::Path<'a> {
    name.split('.').fold(path.clone(), |path, part| path.sub(part))
}
