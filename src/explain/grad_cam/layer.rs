//! The layer that a map is made of.

use tch::Tensor;

use crate::{
    capture::{Activation, Activations, Role},
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// A layer's output and the gradient of the score by it, both `[1, C, H, W]`.
pub(super) struct Looked<'a> {
    pub activation: &'a Tensor,
    pub gradient: Tensor,
}

/// The layer that is looked at: the named one, or the last with maps that the score depends on.
pub(super) fn look<'a>(
    activations: &'a Activations,
    score: &Tensor,
    name: Option<&str>,
    method: &str,
) -> Result<(&'a Activation, Looked<'a>)> {
    let found = match name {
        Some(name) => look_at(named(activations, name, method)?, score)?,
        None => {
            let mut found = None;
            for activation in candidates(activations) {
                found = look_at(activation, score)?;
                if found.is_some() {
                    break;
                }
            }
            found
        }
    };
    found.ok_or_else(|| match name {
        Some(name) => Error::invalid(
            format!("layer `{name}`"),
            format!("the class's logit does not depend on it, so `{method}` has nothing to show there"),
        ),
        None => Error::invalid(
            method.to_owned(),
            format!(
                "no observed convolution or activation function with an output [N, C, H, W] that the answer depends on; \
                 {}. Put a probe of the model's tap behind the last convolution",
                seen(activations)
            ),
        ),
    })
}

/// From the back; maps of one pixel come last, for they say nothing about places.
fn candidates(activations: &Activations) -> impl Iterator<Item = &Activation> {
    let has_maps = |activation: &&Activation| {
        activation.tensor.dim() == 4
            && (activation.role == Role::Convolution || activation.role.is_activation())
    };
    let is_pixel = |activation: &Activation| activation.tensor.size()[2..] == [1, 1];
    let mut from_the_back: Vec<&Activation> = activations.iter().filter(has_maps).collect();
    from_the_back.reverse();
    from_the_back.sort_by_key(|activation| is_pixel(activation)); // stable
    from_the_back.into_iter()
}

fn named<'a>(activations: &'a Activations, name: &str, method: &str) -> Result<&'a Activation> {
    let activation = activations.get(name).ok_or_else(|| {
        Error::invalid(
            format!("layer `{name}`"),
            format!("there is no observed layer of that name; {}", seen(activations)),
        )
    })?;
    if activation.tensor.dim() == 4 {
        return Ok(activation);
    }
    Err(Error::invalid(
        format!("layer `{name}`"),
        format!(
            "its output has shape {:?}; `{method}` needs maps, [N, C, H, W]: {}",
            activation.tensor.size(),
            seen(activations)
        ),
    ))
}

/// `None` where the score does not depend on the layer.
fn look_at<'a>(activation: &'a Activation, score: &Tensor) -> Result<Option<(&'a Activation, Looked<'a>)>> {
    if !activation.tensor.requires_grad() {
        return Ok(None);
    }
    let gradients = Tensor::f_run_backward(&[score], &[&activation.tensor], true, false);
    let gradients = gradients.context(|| format!("gradient by layer `{}`", activation.name))?;
    let defined = gradients.into_iter().find(Tensor::defined);
    Ok(defined.map(|gradient| (activation, Looked { activation: &activation.tensor, gradient })))
}

/// Names of the layers with maps, for errors.
fn seen(activations: &Activations) -> String {
    let names: Vec<&str> = activations
        .iter()
        .filter(|activation| activation.tensor.dim() == 4)
        .map(|a| a.name.as_str())
        .collect();
    match names.as_slice() {
        [] => "no observed layer has maps".to_owned(),
        names => format!("layers with maps: {}", names.join(", ")),
    }
}
