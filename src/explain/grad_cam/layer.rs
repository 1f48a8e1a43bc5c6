//! The layer that a map is made of.

use tch::Tensor;

use crate::{
    capture::{Activation, Activations, Role},
    error::{Error, Result},
    explain::classifier::Classifier,
    tch_context::TchContext as _,
};

/// A layer's output and the gradient of the score by it, both `[1, C, H, W]`.
pub(super) struct Looked<'a> {
    pub activation: &'a Tensor,
    pub gradient: Tensor,
}

/// Where the layer stands in the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// As the caller said.
    Named,
    /// All that the score sees of the image goes through it.
    Whole,
    /// One of several branches.
    Branch,
}

/// The layer that is looked at: the named one, or [the last](last_of_all) with maps that the score depends on.
/// `carries_all` tells whether all that the score sees of the image goes through the layer of that name.
pub(super) fn look<'a>(
    activations: &'a Activations,
    score: &Tensor,
    name: Option<&str>,
    method: &str,
    carries_all: impl Fn(&str) -> Result<bool>,
) -> Result<(&'a Activation, Looked<'a>, Place)> {
    let found = match name {
        Some(name) => look_at(named(activations, name, method)?, score)?.map(|found| (found, Place::Named)),
        None => last_of_all(activations, score, carries_all)?,
    };
    let found = found.map(|((activation, looked), place)| (activation, looked, place));
    found.ok_or_else(|| match name {
        Some(name) => Error::not_applicable(
            format!("layer `{name}`"),
            format!("the class's logit does not depend on it, so `{method}` has nothing to show there"),
        ),
        None => Error::not_applicable(
            method.to_owned(),
            format!(
                "no observed convolution or activation function with an output [N, C, H, W] that the answer depends on; \
                 {}. Put a probe of the model's tap behind the last convolution",
                seen(activations)
            ),
        ),
    })
}

/// The last convolution or activation function, if all paths from the image to the score go through it. Where it is one
/// branch of several, the layer that brings them together: of the outputs behind it through which all paths go (a sum, a
/// concatenation, a pooling) the one with the most pixels, or else the last one before the branches.
fn last_of_all<'a>(
    activations: &'a Activations,
    score: &Tensor,
    carries_all: impl Fn(&str) -> Result<bool>,
) -> Result<Option<(Found<'a>, Place)>> {
    let mut last = None;
    for activation in candidates(activations) {
        last = look_at(activation, score)?;
        if last.is_some() {
            break;
        }
    }
    let Some(last) = last else { return Ok(None) };
    if carries_all(&last.0.name)? {
        return Ok(Some((last, Place::Whole)));
    }
    let whole = |activation: &'a Activation| -> Result<Option<Found<'a>>> {
        let found = if pixels(activation) > 1 { look_at(activation, score)? } else { None };
        Ok(match found {
            Some(found) if carries_all(&activation.name)? => Some(found),
            _ => None,
        })
    };
    let layers: Vec<&Activation> = activations.iter().collect();
    let place = layers.iter().position(|layer| layer.name == last.0.name).unwrap_or(0);
    let mut widest: Option<Found<'a>> = None;
    for &layer in &layers[place + 1..] {
        if let Some(found) = whole(layer)?
            && widest.as_ref().is_none_or(|(widest, _)| pixels(layer) > pixels(widest))
        {
            widest = Some(found);
        }
    }
    if let Some(widest) = widest {
        return Ok(Some((widest, Place::Whole)));
    }
    for &layer in layers[..place].iter().rev() {
        if let Some(found) = whole(layer)? {
            return Ok(Some((found, Place::Whole)));
        }
    }
    Ok(Some((last, Place::Branch)))
}

/// Pixels of a map; 0 of what has no maps.
fn pixels(activation: &Activation) -> i64 {
    match activation.tensor.size().as_slice() {
        &[_, _, height, width] => height * width,
        _ => 0,
    }
}

/// From the back; maps of one pixel come last, for they say nothing about places.
fn candidates(activations: &Activations) -> impl Iterator<Item = &Activation> {
    let has_maps = |activation: &&Activation| {
        pixels(activation) > 0 && (activation.role == Role::Convolution || activation.role.is_activation())
    };
    let mut from_the_back: Vec<&Activation> = activations.iter().filter(has_maps).collect();
    from_the_back.reverse();
    from_the_back.sort_by_key(|activation| pixels(activation) == 1); // stable
    from_the_back.into_iter()
}

/// Whether all that the logit of `class` sees of the image goes through the layer: without its gradient there is none. Yes,
/// too, where the tap only observes the layer, so that nobody can tell.
pub(super) fn carries_all(
    classifier: &Classifier<'_>,
    image: &Tensor,
    class: i64,
    layer: &str,
) -> Result<bool> {
    let context = || format!("paths around layer `{layer}`");
    let name = layer.to_owned();
    let edit = classifier.observed().edit(move |passed, _, output| {
        let detached = (passed == name).then(|| output.f_detach()).transpose();
        detached.context(|| format!("layer `{passed}`"))
    });
    let trace = classifier.trace(image)?;
    if edit.finish()? == 0 {
        return Ok(true);
    }
    let score = trace.scores(class)?;
    if !score.requires_grad() {
        return Ok(true);
    }
    let around = Tensor::f_run_backward(&[&score], &[&trace.images], false, false).context(context)?;
    Ok(!around.iter().any(Tensor::defined))
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
    Err(Error::not_applicable(
        format!("layer `{name}`"),
        format!(
            "its output has shape {:?}; `{method}` needs maps, [N, C, H, W]: {}",
            activation.tensor.size(),
            seen(activations)
        ),
    ))
}

/// A layer, and what is looked at there.
type Found<'a> = (&'a Activation, Looked<'a>);

/// `None` where the score does not depend on the layer.
fn look_at<'a>(activation: &'a Activation, score: &Tensor) -> Result<Option<Found<'a>>> {
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
