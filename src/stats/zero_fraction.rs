//! How much of a tensor is exactly zero.

use tch::{Tensor, no_grad_guard};

use super::pieces::{describe, real_kind, to_host};
use crate::{
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// The fraction of values that are exactly zero, in `0..=1`. NaN and infinities count as values that are not zero.
/// NaN for an empty tensor.
///
/// ```
/// use tch::Tensor;
///
/// assert_eq!(convscope::stats::zero_fraction(&Tensor::from_slice(&[0.0f32, 2.0, -0.0, 0.5]))?, 0.5);
/// # Ok::<(), convscope::Error>(())
/// ```
///
/// # Errors
/// An undefined or quantised tensor.
pub fn zero_fraction(tensor: &Tensor) -> Result<f64> {
    let _no_grad = no_grad_guard();
    real_kind(tensor)?;
    let nonzero = || i64::try_from(tensor.f_detach()?.f_count_nonzero(None)?);
    let nonzero = nonzero().context(|| describe("zero fraction", tensor))?;
    Ok(zero_part(nonzero, tensor.numel()))
}

/// The fraction of exact zeros of every channel (dimension 1), over all images and positions. A fraction of 1 says
/// that the channel was silent in this batch, which is not yet a proof that it is dead.
///
/// # Errors
/// A tensor without a dimension 1, an undefined or quantised tensor.
pub fn channel_zero_fractions(tensor: &Tensor) -> Result<Vec<f64>> {
    let _no_grad = no_grad_guard();
    real_kind(tensor)?;
    let size = tensor.size();
    let Some(&channels) = size.get(1) else {
        return Err(Error::invalid(
            "zero fraction per channel",
            format!(
                "the tensor has the shape {size:?}; channels are expected in dimension 1, as in [N, C, H, W]"
            ),
        ));
    };
    let others: Vec<i64> = (0..).take(size.len()).filter(|&dim| dim != 1).collect();
    let nonzero =
        || Vec::<i64>::try_from(&to_host(&tensor.f_detach()?.f_count_nonzero_dim_intlist(others)?)?);
    let nonzero = nonzero().context(|| describe("zero fraction per channel", tensor))?;
    let values = tensor.numel() / usize::try_from(channels).unwrap_or(1).max(1);
    Ok(nonzero.into_iter().map(|nonzero| zero_part(nonzero, values)).collect())
}

#[allow(clippy::cast_precision_loss)] // tensors have far fewer than 2^53 values
fn zero_part(nonzero: i64, values: usize) -> f64 {
    if values == 0 { f64::NAN } else { 1.0 - nonzero as f64 / values as f64 }
}
