//! The linear model that stands for the network near an image, and how far it may be believed.

use tch::{Kind, TchError, Tensor};

use super::{
    classifier::{Classifier, Trace},
    planes::{Planes, answers},
};
use crate::{
    error::{Error, Result},
    render::number,
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
/// Units in the last place of the largest logit below which a difference of logits is rounding. A decision: sums of many
/// terms lose some bits.
const ROUNDING: f64 = 32.0;

/// How well a classifier is approximated by its Taylor series around an image:
///
/// f(x₀ + d) ≈ f(x₀) + w·d + ½ d·H d, with f the logit of a class, w its gradient at the image x₀ and H its second
/// derivatives there. With the first two terms f(x) ≈ w·x + b, b = f(x₀) − w·x₀: a linear model whose weights a saliency
/// map shows.
///
/// The error of the linear model is measured at rising distances |d|, along the gradient (both ways, the worse of the two)
/// and along random directions (root mean square over them). How fast it grows tells what the map is worth: the
/// [range of trust](RangeOfTrust) ends where it exceeds a tenth of what the linear model predicts.
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
    directions: usize,
    tolerance: f64,
    second_order: bool,
    seed: u64,
}

/// What [`LinearApproximation::expand`] finds.
#[derive(Debug, Clone, PartialEq)]
pub struct Expansion {
    /// The class whose logit is approximated.
    pub class: i64,
    /// f(x₀), the logit.
    pub score: f64,
    /// w, the gradient of the logit at the image, as long as the image has values.
    pub weights: Vec<f32>,
    /// b = f(x₀) − w·x₀.
    pub bias: f64,
    /// The length of the image minus its channel means; of the image itself where all its values are alike.
    pub contrast: f64,
    /// Below this a difference of logits is rounding: 32 units in the last place of the largest logit.
    pub rounding: f64,
    /// Along the gradient, up and down: the worse of the two.
    pub gradient: ErrorCurve,
    /// Along random directions: the root mean square.
    pub random: ErrorCurve,
}

/// Errors of the approximations over the distance.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorCurve {
    /// |d|, rising.
    pub distances: Vec<f64>,
    /// What the linear term is there: |w| |d| along the gradient; |w| |d| / √n along random directions, the root mean
    /// square of w·d over all of them.
    pub linear: Vec<f64>,
    /// |f(x₀ + d) − f(x₀) − w·d|.
    pub first: Vec<f64>,
    /// The same minus ½ d·H d; `None` where libtorch has no second derivative of a layer, or none was asked for.
    pub second: Option<Vec<f64>>,
    /// Errors below this are rounding.
    pub rounding: f64,
}

/// How far from an image its linear model may be believed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RangeOfTrust {
    /// The share of the linear term that the error may have.
    pub tolerance: f64,
    /// Along the gradient, up and down.
    pub gradient: Reach,
    /// Along random directions.
    pub random: Reach,
    /// See [`Expansion::contrast`].
    pub contrast: f64,
}

/// A distance that was looked for among measured ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reach {
    /// Nearer than the nearest one measured.
    Below(f64),
    /// Between two of them, interpolated.
    At(f64),
    /// As far as was measured, at least.
    Beyond(f64),
    /// The gradient is 0 or not finite: there is no linear term.
    Nowhere,
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

impl Expansion {
    /// The linear model's answer for `x`, which has as many values as the image: w·x + b.
    pub fn linear(&self, x: &[f64]) -> f64 {
        self.weights.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum::<f64>() + self.bias
    }

    /// The length of w.
    pub fn gradient_norm(&self) -> f64 {
        self.weights.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>().sqrt()
    }

    /// How far the linear model may be believed: as far as the first-order error is at most `tolerance` times the linear
    /// term at all distances up to there. Between measured distances it is interpolated on logarithmic axes.
    ///
    /// # Errors
    /// A tolerance that is not above 0.
    pub fn range(&self, tolerance: f64) -> Result<RangeOfTrust> {
        if !(tolerance.is_finite() && tolerance > 0.0) {
            let why = format!("{tolerance} found; a share above 0 expected, such as 0.1");
            return Err(Error::invalid("tolerance of the linear model", why));
        }
        let [gradient, random] = [&self.gradient, &self.random].map(|curve| curve.reach(tolerance));
        Ok(RangeOfTrust { tolerance, gradient, random, contrast: self.contrast })
    }
}

impl ErrorCurve {
    /// The slope of the first-order error on logarithmic axes: 2 where the second derivative rules, more where only higher
    /// ones do, about 1 where the function has kinks. By least squares over the errors above ten times the rounding;
    /// `None` where less than three are.
    pub fn slope(&self) -> Option<f64> {
        slope(&self.distances, &self.first, 10.0 * self.rounding)
    }

    /// The same with the second order: 3 for a smooth function. `None` also where there is no second order.
    pub fn second_slope(&self) -> Option<f64> {
        slope(&self.distances, self.second.as_ref()?, 10.0 * self.rounding)
    }

    /// Up to where the error is at most `tolerance` times the linear term.
    pub fn reach(&self, tolerance: f64) -> Reach {
        if !self.linear.iter().all(|linear| linear.is_finite() && *linear > 0.0) {
            return Reach::Nowhere;
        }
        let shares = self.first.iter().zip(&self.linear).map(|(&error, linear)| {
            let is_rounding = error <= self.rounding;
            if is_rounding { 0.0 } else { error / linear }
        });
        let mut before: Option<(f64, f64)> = None;
        for (&distance, share) in self.distances.iter().zip(shares) {
            if share > tolerance || share.is_nan() {
                return match before {
                    None => Reach::Below(distance),
                    Some((inside, within)) => {
                        Reach::At(crossing((inside, within), (distance, share), tolerance))
                    }
                };
            }
            before = Some((distance, share));
        }
        before.map_or(Reach::Nowhere, |(distance, _)| Reach::Beyond(distance))
    }
}

impl RangeOfTrust {
    /// In words for a caption: `linear to 10 % up to |d| = 0.82 (6 % of the contrast) along the gradient, 2.1 (15 %) along
    /// random directions`.
    pub fn words(&self) -> String {
        let part = |reach: Reach| reach.words(self.contrast);
        format!(
            "linear to {:.0} % up to |d| {} along the gradient, {} along random directions",
            100.0 * self.tolerance,
            part(self.gradient),
            part(self.random)
        )
    }

    /// As numbers for [`Attribution::measures`](super::Attribution::measures): shares of the contrast, at most 1 (as far
    /// as was measured), 0 where the range is nearer than was measured or there is no linear term.
    pub fn measures(&self) -> [(&'static str, f64); 2] {
        let share = |reach: Reach| reach.distance() / self.contrast;
        [("range_of_trust_gradient", share(self.gradient)), ("range_of_trust_random", share(self.random))]
    }
}

impl Reach {
    /// The distance up to which it is known to hold: 0 where that is nearer than was measured.
    pub fn distance(self) -> f64 {
        match self {
            Reach::At(distance) | Reach::Beyond(distance) => distance,
            Reach::Below(_) | Reach::Nowhere => 0.0,
        }
    }

    fn words(self, contrast: f64) -> String {
        let percent = |distance: f64| format!("{} % of the contrast", number(100.0 * distance / contrast));
        match self {
            Reach::Below(distance) => format!("< {} ({})", number(distance), percent(distance)),
            Reach::At(distance) => format!("= {} ({})", number(distance), percent(distance)),
            Reach::Beyond(distance) => {
                format!(">= {} ({}, the furthest measured)", number(distance), percent(distance))
            }
            Reach::Nowhere => "nowhere: there is no gradient".to_owned(),
        }
    }
}

/// The function at the image: its value, its gradient, and what second derivatives need.
struct Slope {
    score: f64,
    /// The largest magnitude of a logit.
    largest: f64,
    gradient: Tensor,
    /// The pass whose graph leads from the image to its gradient; `None` where no second order is wanted or possible.
    twice: Option<Trace>,
}

impl Slope {
    fn at(classifier: &Classifier<'_>, image: &Tensor, class: i64, second_order: bool) -> Result<Slope> {
        let trace = classifier.trace(image)?;
        let scores = trace.scores(class)?;
        let gradient =
            if second_order { gradient_with_graph(&trace, &scores)? } else { trace.gradient(&scores)? };
        let read = || -> Result<(f64, f64), TchError> {
            let largest = trace.logits.f_detach()?.f_abs()?.f_max()?.f_to_kind(Kind::Double)?;
            Ok((f64::try_from(&scores.f_detach()?.f_sum(Kind::Double)?)?, f64::try_from(&largest)?))
        };
        let (score, largest) = tch::no_grad(read).context(|| "logits of the image".to_owned())?;
        Ok(Slope { score, largest, gradient, twice: second_order.then_some(trace) })
    }

    /// The second derivative along a unit vector u, u·H u: the derivative of w·u along u. `None` where it is not wanted or
    /// libtorch cannot differentiate a layer twice.
    fn curvature(&self, direction: &[f64], planes: &Planes) -> Result<Option<f64>> {
        let Some(trace) = &self.twice else { return Ok(None) };
        if !self.gradient.requires_grad() {
            return Ok(Some(0.0)); // it depends on nothing: the function is linear
        }
        let direction = planes.restore(&tensor_like(direction, &planes.image)?)?;
        let along = || -> Result<f64, TchError> {
            let along = tch::with_grad(|| self.gradient.f_mul(&direction)?.f_sum(self.gradient.kind()))?;
            let of_image = Tensor::f_run_backward(&[&along], &[&trace.images], true, false)?;
            match of_image.first() {
                Some(row) if row.defined() => {
                    f64::try_from(&tch::no_grad(|| row.f_mul(&direction)?.f_sum(Kind::Double))?)
                }
                _ => Ok(0.0), // the gradient depends on weights alone
            }
        };
        match along() {
            Ok(curvature) => Ok(Some(curvature)),
            Err(why) => {
                tracing::warn!("the linear approximation has no second order: {why}");
                Ok(None)
            }
        }
    }
}

/// The gradient by the image as a function that can be differentiated again.
fn gradient_with_graph(trace: &Trace, scores: &Tensor) -> Result<Tensor> {
    if !scores.requires_grad() {
        return trace.gradient(scores); // which says why there is none
    }
    let run = || -> Result<Tensor, TchError> {
        let sum = tch::with_grad(|| scores.f_sum(scores.kind()))?;
        let gradient = Tensor::f_run_backward(&[&sum], &[&trace.images], true, true)?.pop();
        gradient.filter(Tensor::defined).map_or_else(|| trace.images.f_zeros_like(), Ok)
    };
    run().context(|| "gradient of the answer".to_owned())
}

/// Errors along one direction, or of several together.
struct Errors {
    first: Vec<f64>,
    second: Option<Vec<f64>>,
}

impl Errors {
    fn of(changes: &[f64], distances: &[f64], linear: f64, curvature: Option<f64>) -> Errors {
        let error = |curvature: f64| {
            let at = |(change, d): (&f64, &f64)| (change - linear * d - 0.5 * curvature * d * d).abs();
            changes.iter().zip(distances).map(at).collect()
        };
        Errors { first: error(0.0), second: curvature.map(error) }
    }

    fn combine(of: &[Errors], how: fn(&mut dyn Iterator<Item = f64>) -> f64) -> Errors {
        let along = |curves: &[&Vec<f64>]| {
            let count = curves.first().map_or(0, |curve| curve.len());
            (0..count).map(|i| how(&mut curves.iter().map(|curve| curve[i]))).collect()
        };
        let second: Option<Vec<&Vec<f64>>> = of.iter().map(|errors| errors.second.as_ref()).collect();
        Errors {
            first: along(&of.iter().map(|errors| &errors.first).collect::<Vec<_>>()),
            second: second.map(|curves| along(&curves)),
        }
    }
}

fn largest(errors: &mut dyn Iterator<Item = f64>) -> f64 {
    errors.fold(0.0, |most, error| if error > most || error.is_nan() { error } else { most })
}

fn root_mean_square(errors: &mut dyn Iterator<Item = f64>) -> f64 {
    let (sum, count) = errors.fold((0.0, 0.0), |(sum, count), error| (sum + error * error, count + 1.0));
    (sum / count).sqrt()
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

/// Values in the place of another tensor's.
fn tensor_like(values: &[f64], like: &Tensor) -> Result<Tensor> {
    let make = || {
        Tensor::f_from_slice(values)?
            .f_to_kind(like.kind())?
            .f_reshape(like.size())?
            .f_to_device(like.device())
    };
    make().context(|| "a direction".to_owned())
}

fn values(tensor: &Tensor) -> Result<Vec<f64>> {
    let read =
        || Vec::try_from(&tensor.f_detach()?.f_to_kind(Kind::Double)?.f_contiguous()?.f_reshape([-1])?);
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

/// Of log error over log distance, by least squares.
fn slope(distances: &[f64], errors: &[f64], floor: f64) -> Option<f64> {
    let points: Vec<(f64, f64)> = (distances.iter().zip(errors))
        .filter(|(_, error)| error.is_finite() && **error > floor)
        .map(|(distance, error)| (distance.ln(), error.ln()))
        .collect();
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let shared: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let own: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    (points.len() >= 3).then(|| shared / own)
}

/// Where a share crosses the tolerance between two distances, on logarithmic axes where both shares are above 0.
fn crossing((inside, within): (f64, f64), (outside, beyond): (f64, f64), tolerance: f64) -> f64 {
    if within <= 0.0 || !beyond.is_finite() {
        return inside;
    }
    let part = (tolerance / within).ln() / (beyond / within).ln();
    inside * (outside / inside).powf(part)
}
