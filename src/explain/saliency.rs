//! The gradient of a logit by the image, and its product with the image.

use tch::Tensor;

use super::{
    attribution::{Attribution, Sign},
    attributor::Attributor,
    classifier::Classifier,
    values::{self, LOGIT},
};
use crate::{error::Result, tch_context::TchContext as _};

/// The gradient of the class's logit by every value of the image (Simonyan et al. 2014, section 3): how much the logit
/// changes with a small change of that value. Magnitudes, unless [`signed`](Saliency::signed).
///
/// Of the logit, not of the probability: the gradient of a probability vanishes where the model is sure.
///
/// ```
/// use convscope::explain::{Attributor as _, Classifier, Saliency};
/// use tch::Tensor;
///
/// // Two logits of two pixels: 3 a - 2 b, and 0.
/// let weight = Tensor::from_slice(&[3.0f32, -2.0, 0.0, 0.0]).reshape([2, 2]);
/// let classifier = Classifier::new(|images| Ok(images.flatten(1, -1).matmul(&weight.tr())));
/// let image = Tensor::from_slice(&[0.5f32, 1.0]).reshape([1, 1, 1, 2]);
///
/// assert_eq!(Saliency::new().attribute(&classifier, &image, 0)?.values, [3.0, 2.0]);
/// assert_eq!(Saliency::new().signed().attribute(&classifier, &image, 0)?.values, [3.0, -2.0]);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Saliency {
    signed: bool,
}

impl Saliency {
    /// Magnitudes of the gradient.
    pub fn new() -> Saliency {
        Saliency::default()
    }

    /// The gradient with its sign: positive where a brighter pixel raises the logit.
    #[must_use]
    pub fn signed(mut self) -> Saliency {
        self.signed = true;
        self
    }
}

impl Attributor for Saliency {
    fn name(&self) -> &'static str {
        "saliency"
    }

    fn description(&self) -> &'static str {
        "**Saliency**: how much the class's logit changes with a small change of each pixel: the magnitude of the \
         gradient, the largest over the colours. It says what the answer is *sensitive* to near this image, not what it \
         is made of. (Simonyan et al. 2014, *Deep Inside Convolutional Networks*)"
    }

    fn attribute(&self, classifier: &Classifier<'_>, image: &Tensor, class: i64) -> Result<Attribution> {
        values::check_one(image)?;
        let gradient = classifier.gradients(image, class)?.gradients;
        values::gradient(self.name(), class, &gradient, self.signed)
    }
}

/// The gradient of the class's logit times the image, value by value (Shrikumar et al. 2016, *Not Just a Black Box*). Of a
/// linear model without bias these are the parts of the logit: they sum to it.
///
/// The input is the *normalised* image, so a value at the mean of the training images gets 0, whatever its gradient.
///
/// ```
/// use convscope::explain::{Attributor as _, Classifier, GradientXInput};
/// use tch::Tensor;
///
/// let weight = Tensor::from_slice(&[3.0f32, -2.0, 0.0, 0.0]).reshape([2, 2]);
/// let classifier = Classifier::new(|images| Ok(images.flatten(1, -1).matmul(&weight.tr())));
/// let image = Tensor::from_slice(&[0.5f32, 1.0]).reshape([1, 1, 1, 2]);
/// assert_eq!(GradientXInput::new().attribute(&classifier, &image, 0)?.values, [1.5, -2.0]);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GradientXInput {}

impl GradientXInput {
    /// The method; it has no settings.
    pub fn new() -> GradientXInput {
        GradientXInput::default()
    }
}

impl Attributor for GradientXInput {
    fn name(&self) -> &'static str {
        "gradient_x_input"
    }

    fn description(&self) -> &'static str {
        "**Gradient x input**: the gradient of the class's logit times the normalised image, summed over the colours. \
         Positive speaks for the class, negative against it, to first order. Pixels at the training images' mean brightness \
         get 0 whatever they mean. (Shrikumar et al. 2016, *Not Just a Black Box*)"
    }

    fn attribute(&self, classifier: &Classifier<'_>, image: &Tensor, class: i64) -> Result<Attribution> {
        values::check_one(image)?;
        let gradient = classifier.gradients(image, class)?.gradients;
        let product = tch::no_grad(|| gradient.f_mul(image)).context(|| "gradient times image".to_owned())?;
        values::attribution(self.name(), class, &product, Sign::Signed, LOGIT)
    }
}
