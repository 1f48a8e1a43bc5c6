//! First and second derivatives of a logit at an image.

use tch::{Device, Kind, TchError, Tensor};

use crate::{
    error::Result,
    explain::{
        classifier::{Classifier, Trace},
        planes::Planes,
        values::scalar,
    },
    tch_context::TchContext as _,
};

/// The function at the image: its value, its gradient, and what second derivatives need.
pub(super) struct Slope {
    pub score: f64,
    /// The largest magnitude of a logit.
    pub largest: f64,
    pub gradient: Tensor,
    /// The pass whose graph leads from the image to its gradient; `None` where no second order is wanted or possible.
    twice: Option<Trace>,
}

impl Slope {
    pub fn at(classifier: &Classifier<'_>, image: &Tensor, class: i64, second_order: bool) -> Result<Slope> {
        let trace = classifier.trace(image)?;
        let scores = trace.scores(class)?;
        let gradient =
            if second_order { gradient_with_graph(&trace, &scores)? } else { trace.gradient(&scores)? };
        let read = || -> Result<(f64, f64), TchError> {
            let largest = trace.logits.f_detach()?.f_abs()?.f_max()?;
            Ok((scalar(&scores.f_detach()?.f_sum(scores.kind())?)?, scalar(&largest)?))
        };
        let (score, largest) = tch::no_grad(read).context(|| "logits of the image".to_owned())?;
        Ok(Slope { score, largest, gradient, twice: second_order.then_some(trace) })
    }

    /// The second derivative along a unit vector u, u·H u: the derivative of w·u along u. `None` where it is not wanted or
    /// libtorch cannot differentiate a layer twice.
    pub fn curvature(&self, direction: &[f64], planes: &Planes) -> Result<Option<f64>> {
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
                    let products = tch::no_grad(|| row.f_mul(&direction)?.f_to_device(Device::Cpu))?;
                    f64::try_from(&products.f_sum(Kind::Double)?)
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

/// Values in the place of another tensor's.
pub(super) fn tensor_like(values: &[f64], like: &Tensor) -> Result<Tensor> {
    let make = || {
        Tensor::f_from_slice(values)?
            .f_to_kind(like.kind())?
            .f_reshape(like.size())?
            .f_to_device(like.device())
    };
    make().context(|| "a direction".to_owned())
}
