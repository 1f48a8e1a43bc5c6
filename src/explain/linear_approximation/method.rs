//! Moves an image along directions and compares what the model says with the Taylor series.

use tch::{Device, Kind, Tensor};

use super::{
    derivatives::{Slope, tensor_like},
    error_curve::{ErrorCurve, Errors, largest, root_mean_square},
    expansion::Expansion,
    range_of_trust::RangeOfTrust,
};
use crate::{
    error::{Error, Result},
    explain::{
        classifier::Classifier,
        planes::{Planes, answers},
    },
    tch_context::TchContext as _,
};

/// Distances of the error curves, as shares of the image's contrast: four for each factor of ten.
const NEAREST: f64 = 1e-3;
const PER_DECADE: i32 = 4;
const DECADES: i32 = 3;
/// Random directions whose errors are averaged.
const DIRECTIONS: usize = 4;
/// Share of the linear term that the error may have where the linear model counts as right. A decision.
const TOLERANCE: f64 = 0.1;
/// Units in the last place of the largest logit below which a difference of logits is rounding. A decision: a small CNN in
/// single precision with logits up to 3.4 has differences of 4.6e-5, 113 units, that do not depend on the distance.
const ROUNDING: f64 = 128.0;

/// How well a classifier is approximated by its Taylor series around an image:
///
/// f(x₀ + d) ≈ f(x₀) + w·d + ½ d·H d, with f the logit of a class, w its gradient at the image x₀ and H its second
/// derivatives there. With the first two terms f(x) ≈ w·x + b, b = f(x₀) − w·x₀: a linear model whose weights a saliency
/// map shows.
///
/// The error of the linear model is measured at rising distances |d|, along the gradient (both ways, the worse of the two)
/// and along random directions (root mean square over them). How fast it grows tells what the map is worth: the
/// [range of trust](super::RangeOfTrust) ends where it exceeds a tenth of what the linear model predicts.
///
/// Distances are lengths of d in the values that the model sees. Beside them stand shares of the image's **contrast**, the
/// length of x₀ minus its channel means: at 100 % one is as far from the image as a grey one is.
///
/// ```
/// use convscope::explain::{Classifier, LinearApproximation};
/// use tch::Tensor;
///
/// // f(x) = sigmoid(w·x), the lecture's logistic regression
/// let weight = Tensor::from_slice(&[0.5f64, -1.0, 2.0]).reshape([1, 3]);
/// let classifier = Classifier::new(|x| Ok(x.linear(&weight, None::<&Tensor>).sigmoid()));
/// let x0 = Tensor::from_slice(&[1.0f64, 2.0, 0.5]).reshape([1, 3]);
///
/// let found = LinearApproximation::new().expand(&classifier, &x0, 0)?;
/// assert!((found.bias - 0.495).abs() < 1e-3);
/// assert!((found.linear(&[1.1, 2.0, 0.5]) - 0.3893).abs() < 1e-4);
/// // A smooth function: the error of the linear model grows with the square of the distance.
/// assert!((found.random.slope().unwrap() - 2.0).abs() < 0.2);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LinearApproximation {
    pub(super) directions: usize,
    pub(super) tolerance: f64,
    pub(super) second_order: bool,
    pub(super) seed: u64,
}

impl Default for LinearApproximation {
    fn default() -> LinearApproximation {
        LinearApproximation { directions: DIRECTIONS, tolerance: TOLERANCE, second_order: true, seed: 0 }
    }
}

impl LinearApproximation {
    /// 13 distances from 0.1 % to 100 % of the contrast, 4 random directions, second order too, tolerance 10 %, seed 0.
    pub fn new() -> LinearApproximation {
        LinearApproximation::default()
    }

    /// How many random directions are averaged; the default is 4. Each costs 13 forward passes of one image, as do the two
    /// ways along the gradient.
    #[must_use]
    pub fn directions(mut self, directions: usize) -> LinearApproximation {
        self.directions = directions;
        self
    }

    /// The share of the linear term that the error may have within the range of trust; the default is 0.1.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f64) -> LinearApproximation {
        self.tolerance = tolerance;
        self
    }

    /// Without the second order.
    #[must_use]
    pub fn first_order(mut self) -> LinearApproximation {
        self.second_order = false;
        self
    }

    /// Where the random numbers begin; the default is 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> LinearApproximation {
        self.seed = seed;
        self
    }

    /// How far the gradient at `image` may be believed: for the caption of a map that shows it. First order alone.
    ///
    /// # Errors
    /// As [`expand`](LinearApproximation::expand); a tolerance that is not above 0.
    pub fn range(&self, classifier: &Classifier<'_>, image: &Tensor, class: i64) -> Result<RangeOfTrust> {
        self.clone().first_order().expand(classifier, image, class)?.range(self.tolerance)
    }

    /// The expansion of the logit of `class` around `image`, `[1, C, H, W]` or `[1, …]`, and its errors.
    ///
    /// # Errors
    /// What the model refuses; a class that it does not have; an image that is not one; no direction.
    pub fn expand(&self, classifier: &Classifier<'_>, image: &Tensor, class: i64) -> Result<Expansion> {
        if self.directions == 0 {
            return Err(Error::invalid("random directions", "0 found; give at least 1"));
        }
        let planes = Planes::of(image)?;
        let slope = Slope::at(classifier, image, class, self.second_order)?;
        let x0 = values(&planes.image)?;
        let weights = values(&slope.gradient)?;
        let length = norm(&weights);
        let contrast = contrast(&planes.image, &x0)?;
        let distances: Vec<f64> = (0..=PER_DECADE * DECADES)
            .map(|i| contrast * NEAREST * 10f64.powf(f64::from(i) / f64::from(PER_DECADE)))
            .collect();
        let rounding = ROUNDING * epsilon(image.kind()) * slope.largest;

        let along = |direction: &[f64]| -> Result<Errors> {
            let linear: f64 = weights.iter().zip(direction).map(|(w, d)| w * d).sum();
            let curvature = slope.curvature(direction, &planes)?;
            let moved = moved(classifier, &planes, direction, &distances, class)?;
            let changes: Vec<f64> = moved.iter().map(|score| score - slope.score).collect();
            Ok(Errors::of(&changes, &distances, linear, curvature))
        };
        let uphill = if length > 0.0 && length.is_finite() { 1.0 / length } else { 0.0 };
        let gradient = [uphill, -uphill].map(|scale| {
            let direction: Vec<f64> = weights.iter().map(|w| w * scale).collect();
            along(&direction)
        });
        let mut random = fastrand::Rng::with_seed(self.seed);
        let by_chance = (0..self.directions)
            .map(|_| along(&unit_vector(&mut random, x0.len())))
            .collect::<Result<Vec<_>>>()?;

        let curve = |errors: Errors, linear: f64| ErrorCurve {
            linear: distances.iter().map(|distance| linear * distance).collect(),
            distances: distances.clone(),
            first: errors.first,
            second: errors.second,
            rounding,
        };
        let [up, down] = gradient;
        Ok(Expansion {
            class,
            score: slope.score,
            bias: slope.score - weights.iter().zip(&x0).map(|(w, x)| w * x).sum::<f64>(),
            gradient: curve(Errors::combine(&[up?, down?], largest), length),
            random: curve(Errors::combine(&by_chance, root_mean_square), length / (x0.len() as f64).sqrt()),
            weights: weights.iter().map(|w| *w as f32).collect(),
            contrast,
            rounding,
        })
    }
}

/// The scores of the image moved by all distances along a direction, in pieces.
fn moved(
    classifier: &Classifier<'_>,
    planes: &Planes,
    direction: &[f64],
    distances: &[f64],
    class: i64,
) -> Result<Vec<f64>> {
    let step = tensor_like(direction, &planes.image)?;
    let mut scores = Vec::with_capacity(distances.len());
    for piece in distances.chunks(planes.at_a_time(classifier)?) {
        let move_by = || {
            let lengths = Tensor::f_from_slice(piece)?.f_reshape([-1, 1, 1, 1])?;
            let lengths = lengths.f_to_kind(planes.image.kind())?.f_to_device(planes.image.device())?;
            step.f_mul(&lengths)?.f_add(&planes.image)
        };
        let images =
            planes.restore(&tch::no_grad(move_by).context(|| "images beside the image".to_owned())?)?;
        scores.extend(answers(classifier, &images, class)?.iter().map(|answer| answer.logit));
    }
    Ok(scores)
}

fn values(tensor: &Tensor) -> Result<Vec<f64>> {
    let read = || {
        let on_host = tensor.f_detach()?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?;
        Vec::try_from(&on_host.f_contiguous()?.f_reshape([-1])?)
    };
    tch::no_grad(read).context(|| "values of the image".to_owned())
}

fn norm(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}

/// The length of the image without its channel means. An image of one value has its own length, and a black one √n: a step
/// of 1 for each value.
fn contrast(image: &Tensor, values: &[f64]) -> Result<f64> {
    let channels = image.size()[1].max(1).unsigned_abs() as usize;
    let centred: f64 = (values.chunks(values.len() / channels))
        .map(|channel| {
            let mean = channel.iter().sum::<f64>() / channel.len() as f64;
            channel.iter().map(|value| (value - mean).powi(2)).sum::<f64>()
        })
        .sum();
    let lengths = [centred.sqrt(), norm(values), (values.len() as f64).sqrt()];
    if !lengths[0].is_finite() {
        return Err(Error::invalid(
            "image",
            "it holds values that are not finite: there is nothing to approximate",
        ));
    }
    // Rounding of equal values leaves a little.
    Ok(lengths.into_iter().find(|length| *length > 1e-6 * lengths[1] && *length > 0.0).unwrap_or(1.0))
}

/// Distance of 1 to the next larger number.
fn epsilon(kind: Kind) -> f64 {
    match kind {
        Kind::Double => f64::EPSILON,
        Kind::Half => 2f64.powi(-10),
        Kind::BFloat16 => 2f64.powi(-7),
        _ => f64::from(f32::EPSILON),
    }
}

/// A random direction, all alike: normal numbers (Box and Muller 1958) over their length.
fn unit_vector(random: &mut fastrand::Rng, count: usize) -> Vec<f64> {
    let mut normal =
        || (-2.0 * (1.0 - random.f64()).ln()).sqrt() * (std::f64::consts::TAU * random.f64()).cos();
    let drawn: Vec<f64> = (0..count).map(|_| normal()).collect();
    let length = norm(&drawn).max(f64::MIN_POSITIVE);
    drawn.into_iter().map(|value| value / length).collect()
}
