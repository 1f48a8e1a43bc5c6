//! The earliest place from which on a network is linear.

use std::result::Result as Found;

use tch::{Kind, TchError, Tensor};

use super::LinearModel;
use crate::{
    error::Result,
    explain::{
        classifier::{Classifier, Trace},
        rounding,
        values::scalar,
    },
    tch_context::TchContext as _,
};

/// Lengths of the random directions, in standard deviations of the values at the place: short ones find kinks near the
/// images, long ones what saturates.
const LENGTHS: [f64; 3] = [0.1, 1.0, 10.0];
/// Most weights that are taken: 64 MiB.
const MOST_WEIGHTS: i64 = 16 << 20;

/// Where `x` is.
#[derive(Debug, Clone, PartialEq)]
enum Place {
    Image,
    Layer(String),
}

pub(super) fn find(
    classifier: &Classifier<'_>,
    images: &Tensor,
    seed: u64,
) -> Result<Found<LinearModel, String>> {
    let images = two(images)?;
    let mut random = fastrand::Rng::with_seed(seed);
    let search = Search { classifier, images };
    if let Some(error) = search.linearity(&Place::Image, &search.images, &mut random)? {
        return search.model(&Place::Image, &search.images, error);
    }
    let activations = classifier.activations(&search.images)?;
    let logits = classifier.logits(&search.images)?;
    let mut best = None;
    let all: Vec<_> = activations.iter().collect();
    for (number, activation) in all.iter().enumerate().rev() {
        let (name, values) = (&activation.name, &activation.tensor);
        // The logits are linear in themselves.
        let is_answer = number + 1 == all.len()
            && values.size() == logits.size()
            && is_close(values, &logits, search.tolerance())?;
        if is_answer {
            continue;
        }
        let place = Place::Layer(name.clone());
        let Some(error) = search.linearity(&place, values, &mut random)? else { break };
        if search.is_cut(&place, values)? {
            best = Some((place, values, error));
        }
    }
    match best {
        Some((place, values, error)) => search.model(&place, values, error),
        None => Ok(Err("no observed layer is followed by linear layers alone".to_owned())),
    }
}

struct Search<'a> {
    classifier: &'a Classifier<'a>,
    /// Two of them.
    images: Tensor,
}

impl Search<'_> {
    /// How far from linear rounding may take the network, relative to its largest logit.
    fn tolerance(&self) -> f64 {
        rounding::of_logits(self.images.device())
    }

    /// A pass with `x` at the place: its logits, the leaf of the graph that `x` is, and the graph.
    fn run(&self, place: &Place, x: &Tensor, images: &Tensor) -> Result<Option<(Trace, Tensor)>> {
        let Place::Layer(layer) = place else {
            let trace = self.classifier.trace(x)?;
            let leaf = trace.images.shallow_clone();
            return Ok(Some((trace, leaf)));
        };
        let leaf =
            x.f_detach().and_then(|x| x.f_set_requires_grad(true)).context(|| format!("layer `{layer}`"))?;
        let (name, in_place) = (layer.clone(), leaf.shallow_clone());
        let edit = self
            .classifier
            .observed()
            .edit(move |passing, _, _| Ok((passing == name).then(|| in_place.shallow_clone())));
        let trace = self.classifier.trace(images);
        // The tap may only observe the layer: then nothing can be put in its place.
        if edit.finish()? == 0 {
            return Ok(None);
        }
        Ok(Some((trace?, leaf)))
    }

    /// The logits with `x` at the place, in double precision on the host.
    fn logits(&self, place: &Place, x: &Tensor, images: &Tensor) -> Result<Option<Tensor>> {
        let Some((trace, _)) = self.run(place, x, images)? else { return Ok(None) };
        let logits =
            tch::no_grad(|| trace.logits.f_detach()?.f_to_device(tch::Device::Cpu)?.f_to_kind(Kind::Double));
        logits.context(|| "logits".to_owned()).map(Some)
    }

    /// The largest second difference f(x + d + e) - f(x + d) - f(x + e) + f(x), relative to the largest logit, where it is
    /// rounding: 0 for every affine function. `None` where the network is not linear from the place on.
    fn linearity(&self, place: &Place, x: &Tensor, random: &mut fastrand::Rng) -> Result<Option<f64>> {
        let deviation = tch::no_grad(|| scalar(&x.f_to_kind(Kind::Float)?.f_std(false)?));
        let deviation = deviation.context(|| "spread of a layer's output".to_owned())?;
        let unit = if deviation.is_finite() && deviation > 0.0 { deviation } else { 1.0 };
        let mut worst = 0.0f64;
        for length in LENGTHS {
            let (d, e) = (noise(x, length * unit, random)?, noise(x, length * unit, random)?);
            let moved = |by: &[&Tensor]| -> Result<Option<Tensor>> {
                let x = tch::no_grad(|| by.iter().try_fold(x.shallow_clone(), |x, by| x.f_add(by)));
                self.logits(place, &x.context(|| "moving a layer's output".to_owned())?, &self.images)
            };
            let all = (moved(&[])?, moved(&[&d])?, moved(&[&e])?, moved(&[&d, &e])?);
            let (Some(at), Some(d), Some(e), Some(both)) = all else { return Ok(None) };
            let second = || -> Result<f64, TchError> {
                let scale = [&at, &d, &e, &both].into_iter().map(largest).collect::<Result<Vec<_>, _>>()?;
                let scale = scale.into_iter().fold(1e-12, f64::max);
                Ok(largest(&both.f_sub(&d)?.f_sub(&e)?.f_add(&at)?)? / scale)
            };
            let error = second().context(|| "second difference of the logits".to_owned())?;
            // NaN is no rounding.
            if error.is_nan() || error > self.tolerance() {
                return Ok(None);
            }
            worst = worst.max(error);
        }
        Ok(Some(worst))
    }

    /// Whether all goes through the layer: its output decides the logits, whatever the image is.
    fn is_cut(&self, place: &Place, x: &Tensor) -> Result<bool> {
        let swapped = self.images.f_flip([0]).context(|| "images".to_owned())?;
        let (own, other) = (self.logits(place, x, &self.images)?, self.logits(place, x, &swapped)?);
        match (own, other) {
            (Some(own), Some(other)) => is_close(&own, &other, self.tolerance()),
            _ => Ok(false),
        }
    }

    /// Weights by gradients, biases by what is left, and a check of both on the other image.
    fn model(&self, place: &Place, x: &Tensor, linearity: f64) -> Result<Found<LinearModel, String>> {
        let shape = x.size().split_off(1);
        let features: i64 = shape.iter().product();
        let Some((trace, leaf)) = self.run(place, x, &self.images)? else {
            return Ok(Err("a layer's output cannot be replaced".to_owned()));
        };
        let classes = trace.logits.size()[1];
        if classes.saturating_mul(features) > MOST_WEIGHTS {
            let why = format!(
                "{classes} classes of {features} features are more weights than are taken, {MOST_WEIGHTS}"
            );
            return Ok(Err(why));
        }
        let mut weights: Vec<f32> = Vec::with_capacity((classes * features) as usize);
        for class in 0..classes {
            let gradients = trace.gradients_by(&trace.scores(class)?, &[&leaf])?;
            let first = tch::no_grad(|| {
                let first =
                    gradients.first().map_or_else(|| leaf.f_zeros_like(), |found| found.f_select(0, 0))?;
                Vec::<f32>::try_from(
                    &first.f_to_kind(Kind::Float)?.f_reshape([-1])?.f_to_device(tch::Device::Cpu)?,
                )
            });
            weights.extend(first.context(|| format!("weights of class {class}"))?);
        }
        let affine = || -> Result<(Vec<f64>, f64), TchError> {
            let host =
                |tensor: &Tensor| tensor.f_detach()?.f_to_device(tch::Device::Cpu)?.f_to_kind(Kind::Double);
            let weights =
                Tensor::f_from_slice(&weights)?.f_to_kind(Kind::Double)?.f_reshape([classes, features])?;
            let products = host(x)?.f_reshape([-1, features])?.f_matmul(&weights.f_tr()?)?;
            let (logits, scale) = (host(&trace.logits)?, largest(&host(&trace.logits)?)?.max(1e-12));
            let bias = logits.f_sub(&products)?.f_select(0, 0)?;
            let error = largest(&products.f_add(&bias)?.f_sub(&logits)?)? / scale;
            Ok((Vec::try_from(&bias)?, error))
        };
        let (bias, error) = tch::no_grad(affine).context(|| "biases of the linear model".to_owned())?;
        if error.is_nan() || error > 10.0 * self.tolerance() {
            return Ok(Err(format!(
                "weights and biases of one image are not those of another: {error:e} apart"
            )));
        }
        let layer = match place {
            Place::Image => None,
            Place::Layer(name) => Some(name.clone()),
        };
        Ok(Ok(LinearModel { layer, shape, weights, bias, error: error.max(linearity) }))
    }
}

/// The first two images; one twice where there is no other.
fn two(images: &Tensor) -> Result<Tensor> {
    let two = tch::no_grad(|| match images.size().first() {
        Some(1) => Tensor::f_cat(&[images, &images.f_neg()?], 0),
        _ => images.f_narrow(0, 0, 2),
    });
    two.context(|| "two images to compare a network on".to_owned())
}

/// Normal noise of the shape of `like`, with this deviation, from our own generator (Box and Muller 1958).
fn noise(like: &Tensor, deviation: f64, random: &mut fastrand::Rng) -> Result<Tensor> {
    let normal = |random: &mut fastrand::Rng| {
        let radius = (-2.0 * (1.0 - random.f64()).ln()).sqrt();
        (deviation * radius * (std::f64::consts::TAU * random.f64()).cos()) as f32
    };
    let values: Vec<f32> = (0..like.numel()).map(|_| normal(random)).collect();
    let noise = || {
        let noise = Tensor::f_from_slice(&values)?.f_reshape(like.size())?;
        noise.f_to_kind(like.kind())?.f_to_device(like.device())
    };
    noise().context(|| "noise".to_owned())
}

fn largest(values: &Tensor) -> Result<f64, TchError> {
    scalar(&values.f_abs()?.f_max()?)
}

fn is_close(values: &Tensor, other: &Tensor, tolerance: f64) -> Result<bool> {
    let compare = || -> Result<bool, TchError> {
        let host = |tensor: &Tensor| tensor.f_to_device(tch::Device::Cpu)?.f_to_kind(Kind::Double);
        let (values, other) = (host(values)?, host(other)?);
        Ok(largest(&values.f_sub(&other)?)? <= tolerance * largest(&values)?.max(1e-12))
    };
    tch::no_grad(compare).context(|| "comparing outputs".to_owned())
}
