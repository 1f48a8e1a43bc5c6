//! Gradients summed on the way from a baseline to the image.

use std::sync::OnceLock;

use tch::{Device, Kind, TchError, Tensor};

use super::{
    attribution::{Attribution, Sign},
    attributor::Attributor,
    classifier::{Classifier, select_class},
    quadrature::Quadrature,
    settings::Settings,
    values::{self, LOGIT},
};
use crate::{
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// Integrated gradients (Sundararajan et al. 2017): (x - x₀) ∫ ∇f(x₀ + α (x - x₀)) dα for α from 0 to 1, where f is the
/// class's logit, x the image and x₀ a baseline that stands for "nothing there".
///
/// The values sum to f(x) - f(x₀) (completeness); by how much they miss it because the integral is a sum of `steps` terms
/// is measured as `completeness_error`, beside `logit_difference`, f(x) - f(x₀).
///
/// Defaults as captum's: 50 steps of [`Quadrature::GaussLegendre`] from a baseline of 0. In a normalised image 0 is the
/// training images' mean brightness. Pixels that equal the baseline get 0, whatever they mean.
///
/// ```
/// use convscope::explain::{Attributor as _, Classifier, IntegratedGradients};
/// use tch::Tensor;
///
/// // captum's BasicModel2: relu(relu(a) - 1 - relu(b)).
/// let classifier = Classifier::new(|inputs| {
///     let (a, b) = (inputs.narrow(1, 0, 1), inputs.narrow(1, 1, 1));
///     Ok((a.relu() - 1.0 - b.relu()).relu())
/// });
/// let input = Tensor::from_slice(&[3.0f32, 1.0]).reshape([1, 2]);
/// let found = IntegratedGradients::new().steps(500).attribute(&classifier, &input, 0)?;
/// assert!((found.values[0] - 1.5).abs() < 0.01 && (found.values[1] + 0.5).abs() < 0.01);
/// assert!(found.measure("completeness_error").is_some_and(|error| error.abs() < 0.01));
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug)]
pub struct IntegratedGradients {
    steps: usize,
    rule: Quadrature,
    baseline: Baseline,
    /// Of `steps` and `rule`, once they were needed.
    points: OnceLock<Vec<(f64, f64)>>,
}

#[derive(Debug)]
enum Baseline {
    Value(f64),
    Image(Tensor),
}

impl IntegratedGradients {
    /// 50 steps of Gauss-Legendre from 0.
    pub fn new() -> IntegratedGradients {
        IntegratedGradients {
            steps: 50,
            rule: Quadrature::GaussLegendre,
            baseline: Baseline::Value(0.0),
            points: OnceLock::new(),
        }
    }

    /// How many gradients are summed.
    #[must_use]
    pub fn steps(mut self, steps: usize) -> IntegratedGradients {
        (self.steps, self.points) = (steps, OnceLock::new());
        self
    }

    /// Where on the way they are taken, and their weights.
    #[must_use]
    pub fn rule(mut self, rule: Quadrature) -> IntegratedGradients {
        (self.rule, self.points) = (rule, OnceLock::new());
        self
    }

    /// A baseline with one value everywhere, as the model sees it: after normalisation.
    #[must_use]
    pub fn baseline_value(mut self, value: f64) -> IntegratedGradients {
        self.baseline = Baseline::Value(value);
        self
    }

    /// A baseline image, of the image's shape or one that is repeated to it, such as `[1, C, 1, 1]`; normalised.
    #[must_use]
    pub fn baseline(mut self, image: Tensor) -> IntegratedGradients {
        self.baseline = Baseline::Image(image);
        self
    }

    /// What a user has set.
    ///
    /// # Errors
    /// A rule that does not exist, and too few or too many steps for it.
    pub(super) fn with(mut self, settings: &Settings) -> Result<IntegratedGradients> {
        self.steps = settings.steps.unwrap_or(self.steps);
        if let Some(rule) = &settings.rule {
            self.rule = rule.parse()?;
        }
        self.points = OnceLock::new();
        self.rule.check(self.steps).map(|()| self)
    }

    fn points(&self) -> Result<&[(f64, f64)]> {
        if let Some(points) = self.points.get() {
            return Ok(points);
        }
        let points = self.rule.points(self.steps)?;
        Ok(self.points.get_or_init(|| points))
    }

    fn baseline_for(&self, image: &Tensor) -> Result<Tensor> {
        match &self.baseline {
            Baseline::Value(value) => image.f_full_like(*value).context(|| "baseline".to_owned()),
            Baseline::Image(baseline) => {
                let fitting = || {
                    baseline
                        .f_to_kind(image.kind())?
                        .f_to_device(image.device())?
                        .f_expand(image.size(), false)
                };
                fitting().map_err(|_| {
                    Error::invalid(
                        "baseline of `integrated_gradients`",
                        format!(
                            "shape {:?} found; the image's, {:?}, or one that can be repeated to it expected",
                            if baseline.defined() { baseline.size() } else { Vec::new() },
                            image.size()
                        ),
                    )
                })
            }
        }
    }

    fn settings(&self) -> Vec<String> {
        let baseline = match &self.baseline {
            Baseline::Value(value) => format!("baseline {value}"),
            Baseline::Image(_) => "baseline: an image".to_owned(),
        };
        vec![format!("{} steps", self.steps), self.rule.to_string(), baseline]
    }
}

impl Default for IntegratedGradients {
    fn default() -> IntegratedGradients {
        IntegratedGradients::new()
    }
}

impl Attributor for IntegratedGradients {
    fn name(&self) -> &'static str {
        "integrated_gradients"
    }

    fn description(&self) -> &'static str {
        "**Integrated gradients**: what each pixel adds to the class's logit on the straight way from a baseline to the \
         image, summed over the colours. Positive speaks for the class, negative against it; the sum is the difference of \
         the two logits, up to the stated completeness error. Pixels that equal the baseline get 0. (Sundararajan et al. \
         2017, *Axiomatic Attribution for Deep Networks*)"
    }

    fn attribute(&self, classifier: &Classifier<'_>, image: &Tensor, class: i64) -> Result<Attribution> {
        values::check_one(image)?;
        let points = self.points()?;
        tch::no_grad(|| {
            let baseline = self.baseline_for(image)?;
            let difference = image.f_sub(&baseline).context(|| "image minus baseline".to_owned())?;
            let mean = mean_gradient(classifier, &baseline, &difference, points, class)?;
            let product = difference.f_mul(&mean).context(|| "gradient times difference".to_owned())?;
            let mut found = values::attribution(self.name(), class, &product, Sign::Signed, LOGIT)?;
            let change = logit_difference(classifier, image, &baseline, class)?;
            let sum: f64 = found.values.iter().copied().map(f64::from).sum();
            found.settings = self.settings();
            found.measures = vec![("completeness_error", sum - change), ("logit_difference", change)];
            Ok(found)
        })
    }
}

/// The weighted sum of the gradients at the points of the way, of the image's shape. Made in pieces that fit into the
/// memory.
fn mean_gradient(
    classifier: &Classifier<'_>,
    baseline: &Tensor,
    difference: &Tensor,
    points: &[(f64, f64)],
    class: i64,
) -> Result<Tensor> {
    let at_a_time = classifier.images_at_a_time(baseline)?;
    let mut total: Option<Tensor> = None;
    for piece in points.chunks(usize::try_from(at_a_time).unwrap_or(usize::MAX)) {
        let column = |values: Vec<f64>, like: &Tensor| -> Result<Tensor, TchError> {
            let mut shape = vec![1; like.dim()];
            shape[0] = values.len() as i64;
            Tensor::f_from_slice(&values)?
                .f_to_kind(like.kind())?
                .f_to_device(like.device())?
                .f_reshape(shape)
        };
        let (alphas, weights): (Vec<f64>, Vec<f64>) = piece.iter().copied().unzip();
        let images = || baseline.f_add(&column(alphas, baseline)?.f_mul(difference)?);
        let images = images().context(|| "images between baseline and image".to_owned())?;
        let gradients = classifier.gradients(&images, class)?.gradients;
        let add = || {
            let gradients = gradients.f_to_kind(values::exact(&gradients))?;
            let sum = gradients.f_mul(&column(weights, &gradients)?)?.f_sum_dim_intlist(
                [0i64].as_slice(),
                true,
                None,
            )?;
            match &total {
                Some(total) => total.f_add(&sum),
                None => Ok(sum),
            }
        };
        total = Some(add().context(|| "sum of gradients".to_owned())?);
    }
    total.ok_or_else(|| Error::invalid("steps", "0 found; at least 1 expected"))
}

/// f(x) - f(x₀).
fn logit_difference(
    classifier: &Classifier<'_>,
    image: &Tensor,
    baseline: &Tensor,
    class: i64,
) -> Result<f64> {
    let both = Tensor::f_cat(&[image, baseline], 0).context(|| "image and baseline".to_owned())?;
    let logits = select_class(&classifier.logits(&both)?, class)?;
    let logits = logits
        .f_to_device(Device::Cpu)
        .and_then(|logits| Vec::<f64>::try_from(&logits.f_to_kind(Kind::Double)?));
    let logits = logits.context(|| "logits of image and baseline".to_owned())?;
    Ok(logits[0] - logits[1])
}
