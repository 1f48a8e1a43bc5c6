//! Gradients whose way back through ReLUs is changed: guided backpropagation and deconvolution.

mod cuts;
mod relu;

use tch::Tensor;

use self::{cuts::CutGraph, relu::Rule};
use super::{attribution::Attribution, attributor::Attributor, classifier::Classifier, values};
use crate::error::Result;

/// What a reader must know before believing such a picture.
const WARNING: &str = "It looks alike for trained and for random weights (Adebayo et al. 2018): it shows edges of the image, \
                       not what the network has learned. Not for finding faults.";

/// Guided backpropagation (Springenberg et al. 2015): the gradient of the class's logit by the image, where every ReLU hands
/// back only what is positive, and only where its input was: relu(g) · 1\[z > 0\]. Magnitudes, unless
/// [`signed`](GuidedBackprop::signed).
///
/// It fails the randomisation check of Adebayo et al. 2018, which the attribution's warning says.
///
/// All observed ReLUs are treated so ([`Role::Relu`](crate::capture::Role::Relu), and
/// [`Role::Activation`](crate::capture::Role::Activation), which is taken for one unless its output has a negative value).
/// A ReLU that no [`Probe`](crate::capture::Probe) or [`Tap::pass`](crate::capture::Tap::pass) stands behind keeps its
/// gradient: only its author knows of it. ReLU6 hands back what is positive where 0 < z < 6; leaky ReLU, GELU and all
/// others keep their gradient, as in captum.
///
/// ```
/// use convscope::{capture::Tap, explain::{Attributor as _, Classifier, GuidedBackprop}};
/// use tch::{Tensor, nn::Module as _};
///
/// // a - b, both behind a ReLU; b is negative.
/// let tap = Tap::new();
/// let probe = tap.probe("relu")?;
/// let sum = Tensor::from_slice(&[1.0f32, -1.0]).reshape([2, 1]);
/// let classifier = Classifier::new(|x| Ok(probe.forward(&x.relu()).matmul(&sum))).tap(&tap);
/// let attribute = |value: f32| {
///     let input = Tensor::from_slice(&[value, 2.0]).reshape([1, 2]);
///     GuidedBackprop::new().attribute(&classifier, &input, 0)
/// };
/// assert_eq!(attribute(3.0)?.values, [1.0, 0.0]); // -1 is held back
/// assert_eq!(attribute(-3.0)?.values, [0.0, 0.0]); // its input was negative
/// assert!(attribute(3.0)?.warning.is_some());
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GuidedBackprop {
    signed: bool,
}

impl GuidedBackprop {
    /// Magnitudes.
    pub fn new() -> GuidedBackprop {
        GuidedBackprop::default()
    }

    /// With the sign, as captum's values: positive where a brighter pixel raises what is left of the logit.
    #[must_use]
    pub fn signed(mut self) -> GuidedBackprop {
        self.signed = true;
        self
    }
}

impl Attributor for GuidedBackprop {
    fn name(&self) -> &'static str {
        "guided_backprop"
    }

    fn warning(&self) -> Option<&'static str> {
        Some(WARNING)
    }

    fn description(&self) -> &'static str {
        "**Guided backpropagation**: the gradient of the class's logit, of which every ReLU hands back only what is positive, \
         where its input was. **It looks alike for trained and for random weights**, so it says little about the network. \
         (Springenberg et al. 2015, *Striving for Simplicity*; the check: Adebayo et al. 2018, *Sanity Checks for Saliency \
         Maps*)"
    }

    fn attribute(&self, classifier: &Classifier<'_>, image: &Tensor, class: i64) -> Result<Attribution> {
        attribute(self.name(), Rule::Guided, self.signed, classifier, image, class)
    }
}

/// Deconvolution (Zeiler and Fergus 2014): the gradient of the class's logit by the image, where every ReLU hands back what
/// is positive, whatever its input was: relu(g).
///
/// As [`GuidedBackprop`] in all else, with one more thing to observe: the input of each ReLU must pass the tap too, as the
/// output of the layer before it. A [`Network`](crate::Network) shows all its layers. ReLU6 counts as ReLU.
///
/// ```
/// use convscope::{capture::{Role, Tap}, explain::{Attributor as _, Classifier, Deconvolution}};
/// use tch::Tensor;
///
/// let tap = Tap::new();
/// let classifier = Classifier::new(|x| {
///     let z = tap.pass("fc1", Role::Linear, x * 2.0);
///     Ok(tap.pass("relu", Role::Relu, z.relu()).sum_dim_intlist([1i64].as_slice(), true, None))
/// });
/// let classifier = classifier.tap(&tap);
/// let input = Tensor::from_slice(&[3.0f32, -3.0]).reshape([1, 2]);
/// // The second input is negative: the gradient passes all the same.
/// assert_eq!(Deconvolution::new().attribute(&classifier, &input, 0)?.values, [2.0, 2.0]);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Deconvolution {
    signed: bool,
}

impl Deconvolution {
    /// Magnitudes.
    pub fn new() -> Deconvolution {
        Deconvolution::default()
    }

    /// With the sign, as captum's values: positive where a brighter pixel raises what is left of the logit.
    #[must_use]
    pub fn signed(mut self) -> Deconvolution {
        self.signed = true;
        self
    }
}

impl Attributor for Deconvolution {
    fn name(&self) -> &'static str {
        "deconvolution"
    }

    fn warning(&self) -> Option<&'static str> {
        Some(WARNING)
    }

    fn description(&self) -> &'static str {
        "**Deconvolution**: the gradient of the class's logit, of which every ReLU hands back what is positive, whatever its \
         input was. **It looks alike for trained and for random weights**, so it says little about the network. (Zeiler and \
         Fergus 2014, *Visualizing and Understanding Convolutional Networks*; the check: Adebayo et al. 2018, *Sanity Checks \
         for Saliency Maps*)"
    }

    fn attribute(&self, classifier: &Classifier<'_>, image: &Tensor, class: i64) -> Result<Attribution> {
        attribute(self.name(), Rule::Deconvolution, self.signed, classifier, image, class)
    }
}

fn attribute(
    method: &'static str,
    rule: Rule,
    signed: bool,
    classifier: &Classifier<'_>,
    image: &Tensor,
    class: i64,
) -> Result<Attribution> {
    values::check_one(image)?;
    let graph = CutGraph::trace(method, rule, classifier, image)?;
    let gradient = graph.gradient(class, Tensor::f_relu)?;
    let mut found = values::gradient(method, class, &gradient, signed)?;
    found.unit.push_str(", only what is positive behind each ReLU");
    found.settings = vec![graph.words()];
    found.warning = Some(WARNING.to_owned());
    Ok(found)
}
