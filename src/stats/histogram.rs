//! The distribution of all values.

use tch::{Device, Kind, TchError, Tensor, no_grad_guard};

use super::pieces::{describe, for_each_piece, real_kind};
use crate::{error::Result, summary::Histogram, tch_context::TchContext as _};

/// The distribution of all values. NaN and infinities are counted apart: see [`Histogram::nan`].
///
/// Values come to the host as `f32`; those of `f64` and of integers of 32 bits and more as `f64`. An empty tensor gives
/// an empty histogram.
///
/// ```
/// use tch::Tensor;
///
/// let histogram = convscope::stats::histogram(&Tensor::from_slice(&[0.0f32, 3.0, f32::NAN]))?;
/// assert_eq!((histogram.count(), histogram.nan(), histogram.max()), (2, 1, Some(3.0)));
/// # Ok::<(), convscope::Error>(())
/// ```
///
/// # Errors
/// Complex or quantised values, an undefined tensor, too little memory.
pub fn histogram(tensor: &Tensor) -> Result<Histogram> {
    let _no_grad = no_grad_guard();
    let wide = matches!(real_kind(tensor)?, Kind::Double | Kind::Int64 | Kind::Int);
    let mut histogram = Histogram::default();
    let count = |piece: &Tensor| -> Result<(), TchError> {
        let piece = piece.f_to_device(Device::Cpu)?;
        let part = if wide {
            Histogram::from_f64(&Vec::try_from(&piece)?)
        } else {
            Histogram::from_f32(&Vec::try_from(&piece)?)
        };
        histogram.merge(&part);
        Ok(())
    };
    for_each_piece(tensor, count).context(|| describe("histogram", tensor))?;
    Ok(histogram)
}
