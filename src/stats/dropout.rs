//! What a dropout layer did, read from its input and output: no random number is drawn for it.

use tch::{TchError, Tensor, no_grad_guard};

use super::{
    packed::{Fetched, Packed, Slot},
    pieces::{describe, flat, ranges, real_kind, wide_kind},
};
use crate::{
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// The share of values that a dropout layer kept, 0 to 1: of those that were not 0 at its input, how many are not 0 at its
/// output. `None` where the input was 0 everywhere.
///
/// ```
/// use convscope::stats::dropout_keep_rate;
/// use tch::Tensor;
///
/// let input = Tensor::from_slice(&[1.0f32, 2.0, 0.0, 3.0, 4.0]);
/// let output = Tensor::from_slice(&[2.0f32, 0.0, 0.0, 0.0, 8.0]);
/// assert_eq!(dropout_keep_rate(&input, &output)?, Some(0.5));
/// # Ok::<(), convscope::Error>(())
/// ```
///
/// # Errors
/// Tensors of different shapes; complex or quantised values; an undefined tensor.
pub fn dropout_keep_rate(input: &Tensor, output: &Tensor) -> Result<Option<f64>> {
    let mut packed = Packed::default();
    let pending = PendingKeepRate::queue(input, output, &mut packed)?;
    let fetched = packed.fetch()?;
    Ok(pending.finish(&fetched))
}

/// How much larger the variance of values of mean `mean` and variance `variance` is behind dropout while training than in
/// evaluation: ((σ² + μ²) / q − μ²) / σ², where dropout keeps a share q of the values and divides them by q. At least 1;
/// `None` without variance or where nothing is kept.
///
/// The running variance of a batch normalisation behind the dropout learns the former and is used on the latter (Li et al.
/// 2018, "Understanding the disharmony between dropout and batch normalization by variance shift").
///
/// ```
/// assert_eq!(convscope::stats::dropout_variance_ratio(1.0, 2.0, 0.5), Some(2.5));
/// ```
pub fn dropout_variance_ratio(mean: f64, variance: f64, keep_rate: f64) -> Option<f64> {
    let square = mean * mean;
    let ratio = ((variance + square) / keep_rate - square) / variance;
    (variance > 0.0 && keep_rate > 0.0 && ratio.is_finite()).then_some(ratio)
}

/// A keep rate that is counted on its device and not yet fetched.
#[derive(Debug)]
pub(crate) struct PendingKeepRate {
    /// Of each piece: values that were not 0, and those of them that were kept.
    pieces: Vec<Slot>,
}

impl PendingKeepRate {
    pub(crate) fn queue(input: &Tensor, output: &Tensor, packed: &mut Packed) -> Result<PendingKeepRate> {
        let _no_grad = no_grad_guard();
        real_kind(input)?;
        real_kind(output)?;
        if input.size() != output.size() {
            return Err(Error::invalid(
                "dropout",
                format!("an input of shape {:?} and an output of shape {:?}", input.size(), output.size()),
            ));
        }
        let mut queue = || -> Result<Vec<Slot>, TchError> {
            let (input, output) = (flat(input)?, flat(output)?);
            let wide = wide_kind(input.device());
            let mut pieces = Vec::new();
            for (start, len) in ranges(&input) {
                let nonzero = |flat: &Tensor| flat.f_narrow(0, start, len)?.f_ne(0);
                let there = nonzero(&input)?;
                let kept = nonzero(&output)?.f_logical_and(&there)?;
                pieces.push(packed.push_scalars(&[&there.f_sum(wide)?, &kept.f_sum(wide)?])?);
            }
            Ok(pieces)
        };
        let pieces = queue().context(|| describe("dropout", input))?;
        Ok(PendingKeepRate { pieces })
    }

    pub(crate) fn finish(&self, fetched: &Fetched) -> Option<f64> {
        let count =
            |at: usize| -> f64 { self.pieces.iter().filter_map(|slot| fetched.get(slot).get(at)).sum() };
        let (there, kept) = (count(0), count(1));
        (there > 0.0).then(|| kept / there)
    }
}
