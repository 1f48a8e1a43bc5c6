//! Class activation maps: where in a layer the class is seen.

mod cam;
mod layer;

use tch::{TchError, Tensor};

use self::{cam::Cam, layer::Looked};
use super::{attribution::Attribution, attributor::Attributor, classifier::Classifier, settings::Settings};
use crate::error::Result;

/// Grad-CAM (Selvaraju et al. 2017): the maps A of a layer, weighted with the mean gradient of the class's logit S over each
/// map, ReLU(Σ_c mean(∂S/∂A_c) · A_c). The result has the layer's rows and columns.
///
/// The layer is the last observed convolution or activation function with maps of more than one pixel; where that is one of
/// several branches, the layer that brings them together, such as a sum or a concatenation: all that the logit sees of the
/// image goes through it. [`layer`](GradCam::layer) names another one. The map's smallest and largest value before the ReLU are measured as
/// `raw_min` and `raw_max`. Where no value is above 0, the ReLU leaves nothing, and the attribution's warning says so;
/// [`signed`](GradCam::signed) leaves the ReLU out, as captum does unless asked.
///
/// ```
/// use convscope::{capture::{Role, Tap}, explain::{Attributor as _, Classifier, GradCam}};
/// use tch::{Kind, Tensor};
///
/// // Two maps, of which the class wants the first and not the second.
/// let tap = Tap::new();
/// let classifier = Classifier::new(|images| {
///     let maps = tap.pass("maps", Role::Convolution, images * 2.0);
///     let means = maps.mean_dim([2i64, 3].as_slice(), false, Kind::Float);
///     Ok(means * Tensor::from_slice(&[4.0f32, -4.0]))
/// });
/// let classifier = classifier.tap(&tap);
/// let image = Tensor::from_slice(&[1.0f32, 0.0, 0.0, 0.0, 0.0, 3.0, 0.0, 0.0]).reshape([1, 2, 2, 2]);
/// let found = GradCam::new().attribute(&classifier, &image, 0)?;
/// assert_eq!((found.shape, found.values), ([1, 2, 2], vec![2.0, 0.0, 0.0, 0.0]));
/// let signed = GradCam::new().layer("maps").signed().attribute(&classifier, &image, 1)?;
/// assert_eq!(signed.values, [0.0, -6.0, 0.0, 0.0]);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GradCam {
    cam: Cam,
}

impl GradCam {
    /// With the ReLU, at the last layer that has maps.
    pub fn new() -> GradCam {
        GradCam::default()
    }

    /// Looks at the observed layer of this name, whatever it is, if its output is `[N, C, H, W]`.
    #[must_use]
    pub fn layer(mut self, name: impl Into<String>) -> GradCam {
        self.cam.layer = Some(name.into());
        self
    }

    /// Without the ReLU: places that speak against the class stay, with negative values.
    #[must_use]
    pub fn signed(mut self) -> GradCam {
        self.cam.signed = true;
        self
    }
}

impl From<&Settings> for GradCam {
    fn from(settings: &Settings) -> GradCam {
        settings.layer.iter().fold(GradCam::new(), GradCam::layer)
    }
}

impl Attributor for GradCam {
    fn name(&self) -> &'static str {
        "grad_cam"
    }

    fn description(&self) -> &'static str {
        "**Grad-CAM**: where a layer's maps raise the class's logit: the maps are summed, weighted with their mean gradients. \
         As coarse as the layer; enlarged onto the image, where one value stands for all pixels that the layer's unit sees. \
         (Selvaraju et al. 2017, *Grad-CAM: Visual Explanations from Deep Networks*)"
    }

    fn attribute(&self, classifier: &Classifier<'_>, image: &Tensor, class: i64) -> Result<Attribution> {
        self.cam.attribute(self.name(), classifier, image, class, |Looked { gradient, .. }| {
            gradient.f_mean_dim([2i64, 3].as_slice(), true, None)
        })
    }
}

/// Grad-CAM++ (Chattopadhay et al. 2018): as [`GradCam`], with the positive gradients of a map weighted by
/// α = g² / (2 g² + Σ A · g³), where g = ∂S/∂A and the sum goes over the map (their equation 19), so that several places
/// of one class count alike.
///
/// Exact where the network behind the layer is piecewise linear (ReLU). The factor exp(S), which is the same for all maps,
/// is left out: it overflows. α is 0 where its denominator is.
///
/// ```
/// use convscope::{capture::{Role, Tap}, explain::{Attributor as _, Classifier, GradCamPlusPlus}};
/// use tch::{Kind, Tensor};
///
/// let tap = Tap::new();
/// let classifier = Classifier::new(|images| {
///     let maps = tap.pass("maps", Role::Convolution, images.shallow_clone());
///     Ok(maps.sum_dim_intlist([2i64, 3].as_slice(), false, Kind::Float))
/// });
/// let classifier = classifier.tap(&tap);
/// let image = Tensor::from_slice(&[1.0f32, 0.0, 0.0, 1.0]).reshape([1, 1, 2, 2]);
/// // g = 1 everywhere, the sum over the map is 2: α = 1 / (2 + 2), and the weight 4 α = 1.
/// let found = GradCamPlusPlus::new().attribute(&classifier, &image, 0)?;
/// assert_eq!(found.values, [1.0, 0.0, 0.0, 1.0]);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GradCamPlusPlus {
    cam: Cam,
}

impl GradCamPlusPlus {
    /// With the ReLU, at the last layer that has maps.
    pub fn new() -> GradCamPlusPlus {
        GradCamPlusPlus::default()
    }

    /// Looks at the observed layer of this name, whatever it is, if its output is `[N, C, H, W]`.
    #[must_use]
    pub fn layer(mut self, name: impl Into<String>) -> GradCamPlusPlus {
        self.cam.layer = Some(name.into());
        self
    }

    /// Without the last ReLU.
    #[must_use]
    pub fn signed(mut self) -> GradCamPlusPlus {
        self.cam.signed = true;
        self
    }
}

impl From<&Settings> for GradCamPlusPlus {
    fn from(settings: &Settings) -> GradCamPlusPlus {
        settings.layer.iter().fold(GradCamPlusPlus::new(), GradCamPlusPlus::layer)
    }
}

impl Attributor for GradCamPlusPlus {
    fn name(&self) -> &'static str {
        "grad_cam_plus_plus"
    }

    fn description(&self) -> &'static str {
        "**Grad-CAM++**: as Grad-CAM, with weights by which several places of one class count alike, from positive gradients \
         alone. (Chattopadhay et al. 2018, *Grad-CAM++: Improved Visual Explanations for Deep Convolutional Networks*)"
    }

    fn attribute(&self, classifier: &Classifier<'_>, image: &Tensor, class: i64) -> Result<Attribution> {
        self.cam.attribute(self.name(), classifier, image, class, |looked| plus_plus_weights(&looked))
    }
}

/// A map from 0 to 1 as pytorch-grad-cam draws it: (x - min) / (1e-7 + max(x - min)). For pictures that are laid beside
/// those of other programs: it hides how strong a map is, and makes a map of equal values, however large, all 0. The card
/// of an attribution draws raw values on a scale with numbers.
///
/// ```
/// use convscope::explain::scale_cam_image;
///
/// assert_eq!(scale_cam_image(&[3.0, 3.0]), [0.0, 0.0]);
/// assert!((scale_cam_image(&[0.0, 4.0, 28.0, 32.5])[1] - 0.123_077).abs() < 1e-6);
/// ```
pub fn scale_cam_image(map: &[f32]) -> Vec<f32> {
    let least = map.iter().copied().fold(f32::INFINITY, f32::min);
    let most = map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    map.iter().map(|value| (value - least) / (1e-7 + (most - least))).collect()
}

/// Σ α · ReLU(g) of each map, `[1, C, 1, 1]`.
fn plus_plus_weights(Looked { activation, gradient }: &Looked<'_>) -> Result<Tensor, TchError> {
    let over_map = |values: &Tensor| values.f_sum_dim_intlist([2i64, 3].as_slice(), true, None);
    // g² cancels: α = 1 / (2 + g Σ A), which small gradients cannot make 0 / 0. Where g is 0, α is multiplied by 0.
    let denominator = gradient.f_mul(&over_map(activation)?)?.f_add_scalar(2.0)?;
    let alpha = denominator.f_reciprocal()?.f_masked_fill(&denominator.f_eq(0.0)?, 0.0)?;
    over_map(&alpha.f_mul(&gradient.f_relu()?)?)
}
