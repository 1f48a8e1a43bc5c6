//! Norms of tensors, and of several tensors as one long vector.

use std::borrow::Borrow;

use tch::{TchError, Tensor, no_grad_guard};

use super::pieces::{all_to_host, describe, for_each_piece, real_kind, wide_kind};
use crate::{error::Result, tch_context::TchContext as _};

/// Which norm of a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Norm {
    /// Sum of absolute values.
    L1,
    /// Root of the sum of squares. The default.
    #[default]
    L2,
    /// The greatest absolute value.
    Max,
}

impl Norm {
    fn order(self) -> f64 {
        match self {
            Norm::L1 => 1.0,
            Norm::L2 => 2.0,
            Norm::Max => f64::INFINITY,
        }
    }

    /// The norm of one long vector from the norms of its parts. NaN if a part is NaN, 0 without parts.
    fn of_parts(self, parts: &[f64]) -> f64 {
        match self {
            Norm::L1 => parts.iter().sum(),
            Norm::L2 => parts.iter().map(|part| part * part).sum::<f64>().sqrt(),
            Norm::Max => {
                parts.iter().fold(0.0, |max, &part| if part > max || part.is_nan() { part } else { max })
            }
        }
    }
}

/// The L2 norm of all values: the root of the sum of their squares. NaN if a value is NaN, infinite if one is infinite,
/// 0 for an empty tensor.
///
/// # Errors
/// Complex or quantised values, an undefined tensor.
pub fn norm(tensor: &Tensor) -> Result<f64> {
    Ok(norms(&[tensor], Norm::L2)?.into_iter().sum())
}

/// The norm of every tensor, in order: as [`norm`], with one copy to the host for all of them.
///
/// # Errors
/// As [`norm`].
pub fn norms(tensors: &[impl Borrow<Tensor>], norm: Norm) -> Result<Vec<f64>> {
    let _no_grad = no_grad_guard();
    let mut parts = Vec::new();
    let mut counts = Vec::with_capacity(tensors.len());
    for tensor in tensors.iter().map(Borrow::borrow) {
        let before = parts.len();
        real_kind(tensor)?;
        append_norms(tensor, norm, &mut parts).context(|| describe("norm", tensor))?;
        counts.push(parts.len() - before);
    }
    let parts = all_to_host(&parts).context(|| "norms: copy to the host".to_owned())?;
    let mut rest = parts.as_slice();
    let of_next = |count: usize| {
        let (head, tail) = rest.split_at(count.min(rest.len()));
        rest = tail;
        norm.of_parts(head)
    };
    Ok(counts.into_iter().map(of_next).collect())
}

/// The norm of all tensors taken as one long vector, from the norms of each: the p-norm of p-norms.
///
/// ```
/// use convscope::stats::{Norm, total_norm};
///
/// assert_eq!(total_norm(&[5.0, 12.0], Norm::L2), 13.0);
/// assert_eq!(total_norm(&[4.0, 12.0], Norm::Max), 12.0);
/// ```
pub fn total_norm(norms: &[f64], norm: Norm) -> f64 {
    norm.of_parts(norms)
}

/// Appends the norm of each piece, as a tensor of one value on the tensor's device.
fn append_norms(tensor: &Tensor, norm: Norm, parts: &mut Vec<Tensor>) -> Result<(), TchError> {
    let wide = wide_kind(tensor.device());
    for_each_piece(tensor, |piece| {
        parts.push(piece.f_to_kind(wide)?.f_norm_scalaropt_dtype(norm.order(), wide)?);
        Ok(())
    })
}
