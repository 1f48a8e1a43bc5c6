//! How far an optimiser's step moves a parameter.

use std::borrow::Borrow;

use tch::{Device, TchError, Tensor, no_grad_guard};

use super::{
    packed::{Fetched, Packed, Slot},
    pieces::{HostValues, describe, flat, ranges, real_kind, wide_kind},
};
use crate::{
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// ‖after − before‖₂ / ‖before‖₂: the true update, whatever the optimiser (Stanford's course CS231n: about 10⁻³ is
/// healthy). `None` where ‖before‖ is 0, as for a bias that starts at zero, and for an empty tensor. NaN with a value that
/// is not finite.
///
/// ```
/// use convscope::stats::update_ratio;
/// use tch::Tensor;
///
/// let before = Tensor::from_slice(&[1.0, 2.0, 2.0]);
/// let after = Tensor::from_slice(&[1.0, 2.0, 2.3]);
/// assert!((update_ratio(&before, &after)?.unwrap() - 0.1).abs() < 1e-12);
/// assert_eq!(update_ratio(&before.zeros_like(), &after)?, None);
/// # Ok::<(), convscope::Error>(())
/// ```
///
/// # Errors
/// Tensors of different shapes; complex or quantised values; an undefined tensor.
pub fn update_ratio(before: &Tensor, after: &Tensor) -> Result<Option<f64>> {
    Ok(update_ratios(&[(before, after)])?.into_iter().next().flatten())
}

/// The same for every pair (before, after), in order, with one copy to the host for all of them.
///
/// # Errors
/// As [`update_ratio`].
pub fn update_ratios<T: Borrow<Tensor>>(pairs: &[(T, T)]) -> Result<Vec<Option<f64>>> {
    let mut packed = Packed::default();
    let mut queue =
        |(before, after): &(T, T)| PendingRatio::queue(before.borrow(), after.borrow(), &mut packed);
    let pending = pairs.iter().map(&mut queue).collect::<Result<Vec<_>>>()?;
    let fetched = packed.fetch()?;
    Ok(pending.iter().map(|pending| pending.finish(&fetched)).collect())
}

/// A ratio that is computed on its device and not yet fetched.
#[derive(Debug)]
pub(crate) struct PendingRatio {
    /// Of each piece: squared norms of the difference and of the values before.
    pieces: Vec<Slot>,
}

impl PendingRatio {
    pub(crate) fn queue(before: &Tensor, after: &Tensor, packed: &mut Packed) -> Result<PendingRatio> {
        let _no_grad = no_grad_guard();
        real_kind(before)?;
        real_kind(after)?;
        if before.size() != after.size() {
            return Err(Error::invalid(
                "update ratio",
                format!(
                    "shape {:?} before and {:?} after; the same parameter is expected",
                    before.size(),
                    after.size()
                ),
            ));
        }
        let mut queue = || -> Result<Vec<Slot>, TchError> {
            let (before, after) = (flat(before)?, flat(after)?.f_to_device(before.device())?);
            let mut pieces = Vec::new();
            for (start, len) in ranges(&before) {
                let of = |flat: &Tensor| flat.f_narrow(0, start, len);
                pieces.push(packed.push(&squares(&of(&before)?, &of(&after)?)?)?);
            }
            Ok(pieces)
        };
        let pieces = queue().context(|| describe("update ratio", before))?;
        Ok(PendingRatio { pieces })
    }

    pub(crate) fn finish(&self, fetched: &Fetched) -> Option<f64> {
        let of_piece = |slot: &Slot| match *fetched.get(slot) {
            [difference, before] => (difference, before),
            _ => (f64::NAN, f64::NAN),
        };
        let add = |(a, b): (f64, f64), (c, d): (f64, f64)| (a + c, b + d);
        let (difference, before) = self.pieces.iter().map(of_piece).fold((0.0, 0.0), add);
        (before != 0.0).then(|| (difference / before).sqrt())
    }
}

/// Squared norms of the difference and of the values before.
fn squares(before: &Tensor, after: &Tensor) -> Result<Tensor, TchError> {
    if before.device() == Device::Cpu {
        let squares = match (HostValues::of(before)?, HostValues::of(after)?) {
            (HostValues::Single(before), HostValues::Single(after)) => host_squares(&before, &after),
            (HostValues::Double(before), HostValues::Double(after)) => host_squares(&before, &after),
            (HostValues::Single(before), HostValues::Double(after)) => host_squares(&before, &after),
            (HostValues::Double(before), HostValues::Single(after)) => host_squares(&before, &after),
        };
        return Tensor::f_from_slice(&squares);
    }
    let wide = wide_kind(before.device());
    let (before, after) = (before.f_to_kind(wide)?, after.f_to_kind(wide)?);
    let square = |x: &Tensor| x.f_norm_scalaropt_dtype(2.0, wide)?.f_square();
    Tensor::f_stack(&[square(&after.f_sub(&before)?)?, square(&before)?], 0)
}

fn host_squares<T: Copy + Into<f64>, U: Copy + Into<f64>>(before: &[T], after: &[U]) -> [f64; 2] {
    let (mut moved, mut total) = (0.0, 0.0);
    for (&before, &after) in before.iter().zip(after) {
        let (before, after): (f64, f64) = (before.into(), after.into());
        moved += (after - before) * (after - before);
        total += before * before;
    }
    [moved, total]
}
