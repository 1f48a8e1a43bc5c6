//! The linear model near an image.

use super::{error_curve::ErrorCurve, range_of_trust::RangeOfTrust};
use crate::error::{Error, Result};

/// What [`LinearApproximation::expand`](crate::explain::LinearApproximation::expand) finds.
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
    /// Below this a difference of logits is rounding: 128 units in the last place of the largest logit.
    pub rounding: f64,
    /// Along the gradient, up and down: the worse of the two.
    pub gradient: ErrorCurve,
    /// Along random directions: the root mean square.
    pub random: ErrorCurve,
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
