//! Outputs of activation functions where next to no gradient passes.

use tch::{TchError, Tensor, no_grad_guard};

use super::{
    packed::{Fetched, Packed, Slot},
    pieces::{describe, for_each_piece, real_kind, wide_kind},
};
use crate::{arch::Role, error::Result, tch_context::TchContext as _};

/// Share of the outputs of tanh or sigmoid, 0 to 1, where the function's derivative is below `derivative`. It follows from
/// the output y alone: 1 − y² for tanh, y·(1 − y) for the sigmoid. `None` for other functions and for an empty tensor.
///
/// 10⁻³ means inputs beyond ±4.1 for tanh and ±6.9 for the sigmoid. Values that are not finite count as not saturated.
///
/// ```
/// use convscope::{capture::Role, stats::saturated_fraction};
/// use tch::Tensor;
///
/// let outputs = Tensor::from_slice(&[-5.0f32, -1.0, 0.5, 5.0]).tanh();
/// assert_eq!(saturated_fraction(&outputs, Role::Tanh, 1e-3)?, Some(0.5));
/// assert_eq!(saturated_fraction(&outputs, Role::Relu, 1e-3)?, None);
/// # Ok::<(), convscope::Error>(())
/// ```
///
/// # Errors
/// Complex or quantised values, an undefined tensor.
pub fn saturated_fraction(output: &Tensor, role: Role, derivative: f64) -> Result<Option<f64>> {
    let mut packed = Packed::default();
    let pending = PendingShare::saturated(output, role, derivative, &mut packed)?;
    let fetched = packed.fetch()?;
    Ok(pending.and_then(|pending| pending.finish(&fetched)))
}

/// Share of values, 0 to 1, of which the absolute value is at most `share` of the root of the mean square of all finite
/// ones. For activation functions that are small but not zero where they let nothing pass. 1 for a tensor of zeros, `None`
/// for an empty one.
///
/// ```
/// use tch::Tensor;
///
/// let outputs = Tensor::from_slice(&[1.0f32, -1.0, 1e-6, 1.0]);
/// assert_eq!(convscope::stats::near_zero_fraction(&outputs, 1e-3)?, Some(0.25));
/// # Ok::<(), convscope::Error>(())
/// ```
///
/// # Errors
/// Complex or quantised values, an undefined tensor.
pub fn near_zero_fraction(tensor: &Tensor, share: f64) -> Result<Option<f64>> {
    let mut packed = Packed::default();
    let pending = PendingShare::near_zero(tensor, share, &mut packed)?;
    let fetched = packed.fetch()?;
    Ok(pending.finish(&fetched))
}

/// A share of a tensor's values that is counted on its device and not yet fetched.
#[derive(Debug)]
pub(crate) struct PendingShare {
    values: usize,
    pieces: Vec<Slot>,
}

impl PendingShare {
    pub(crate) fn saturated(
        output: &Tensor,
        role: Role,
        derivative: f64,
        packed: &mut Packed,
    ) -> Result<Option<PendingShare>> {
        // Both derivatives are a parabola of y about a centre: below `derivative` means far from the centre.
        let (centre, bound) = match role {
            Role::Tanh => (0.0, (1.0 - derivative).max(0.0).sqrt()),
            Role::Sigmoid => (0.5, (0.25 - derivative).max(0.0).sqrt()),
            _ => return Ok(None),
        };
        let count = |values: &Tensor| {
            let distance = values.f_sub_scalar(centre)?.f_abs()?.f_nan_to_num(0.0, 0.0, 0.0)?;
            distance.f_gt(bound)
        };
        PendingShare::count(output, count, packed).map(Some)
    }

    pub(crate) fn near_zero(tensor: &Tensor, share: f64, packed: &mut Packed) -> Result<PendingShare> {
        real_kind(tensor)?;
        let bound = near_zero_bound(tensor, share).context(|| describe("share near zero", tensor))?;
        PendingShare::count(tensor, |values| values.f_abs()?.f_le_tensor(&bound), packed)
    }

    /// Counts the values for which `test` is true.
    fn count(
        tensor: &Tensor,
        test: impl Fn(&Tensor) -> Result<Tensor, TchError>,
        packed: &mut Packed,
    ) -> Result<PendingShare> {
        let _no_grad = no_grad_guard();
        real_kind(tensor)?;
        let mut pieces = Vec::new();
        for_each_piece(tensor, |piece| {
            let wide = wide_kind(piece.device());
            pieces.push(packed.push(&test(&piece.f_to_kind(wide)?)?.f_sum(wide)?)?);
            Ok(())
        })
        .context(|| describe("share of values", tensor))?;
        Ok(PendingShare { values: tensor.numel(), pieces })
    }

    pub(crate) fn finish(&self, fetched: &Fetched) -> Option<f64> {
        (self.values > 0).then(|| fetched.sum(&self.pieces) / self.values as f64)
    }
}

/// `share` of the root of the mean square of the finite values, on the tensor's device.
fn near_zero_bound(tensor: &Tensor, share: f64) -> Result<Tensor, TchError> {
    let _no_grad = no_grad_guard();
    let wide = wide_kind(tensor.device());
    let mut squares = Tensor::f_zeros([], (wide, tensor.device()))?;
    let mut count = squares.f_zeros_like()?;
    for_each_piece(tensor, |piece| {
        let values = piece.f_to_kind(wide)?;
        count = count.f_add(&values.f_isfinite()?.f_sum(wide)?)?;
        let norm = values.f_nan_to_num(0.0, 0.0, 0.0)?.f_norm_scalaropt_dtype(2.0, wide)?;
        squares = squares.f_add(&norm.f_square()?)?;
        Ok(())
    })?;
    squares.f_div(&count)?.f_sqrt()?.f_mul_scalar(share)
}
