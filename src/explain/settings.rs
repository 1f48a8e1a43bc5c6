//! What a user may set of the studies of the catalogue.

use super::fill::Fill;

/// Settings of studies by the names of the flags of `convscope explain`. `None` means the default of the study, which its
/// own documentation states. A study reads those that concern it.
///
/// ```
/// use convscope::explain::Settings;
///
/// let mut settings = Settings::default();
/// settings.patch = Some([7, 7]);
/// assert_eq!(settings.stride, None);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Settings {
    /// Occlusion: rows and columns of the patch, in pixels of the model's input.
    pub patch: Option<[i64; 2]>,
    /// Occlusion: rows and columns from one patch to the next.
    pub stride: Option<[i64; 2]>,
    /// Occlusion: what stands in place of hidden pixels.
    pub fill: Option<Fill>,
    /// Occlusion: whether forward passes are spent only where the map is extreme.
    pub coarse_to_fine: Option<bool>,
    /// Points or steps: of the path of integrated gradients, of the ascent of activation maximisation.
    pub steps: Option<usize>,
    /// Integrated gradients: the name of the rule of quadrature.
    pub rule: Option<String>,
    /// SmoothGrad, VarGrad, dropout: how many noisy copies.
    pub samples: Option<usize>,
    /// SmoothGrad, VarGrad: standard deviation of the noise, as a share of the input's range of values.
    pub noise: Option<f64>,
    /// Dropout: the share of values that is dropped, 0 to 1.
    pub drop: Option<f64>,
    /// The layer that is looked at (Grad-CAM, activation maximisation, features).
    pub layer: Option<String>,
    /// Activation maximisation, channel ablation: how many filters of a layer are shown.
    pub filters: Option<usize>,
    /// How many nearest neighbours are shown.
    pub neighbors: Option<usize>,
}
