//! Numbers about tensors from one pass on their device.

use std::borrow::Borrow;

use tch::{Device, Kind, TchError, Tensor, no_grad_guard};

use super::{
    packed::{Fetched, Packed, Slot},
    pieces::{describe, flat, for_each_piece, length, real_kind, wide_kind},
};
use crate::{error::Result, rules::TensorStats, tch_context::TchContext as _};

/// Quantiles are exact up to this many values. Of a larger tensor they are those of so many values, spread evenly over
/// it; a share is then off by a standard error of 0.002 at most.
const EXACT: i64 = 1 << 16;

/// The fractional part of the golden ratio: its multiples, taken modulo 1, fill an interval evenly (Weyl 1916) and keep
/// no step with rows or channels.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// Whether quantiles are wanted: they sort values, where everything else is sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Quantiles {
    /// No. The default.
    #[default]
    No,
    /// At [`TensorStats::SHARES`], with linear interpolation between neighbours: exact for tensors of up to 65 536
    /// values, otherwise of 65 536 values spread evenly over the tensor.
    Yes,
}

/// Counts, moments, norms and extremes of all values; everything but the counts of the finite ones. Taken in `f64`
/// (`f32` on devices that lack it), piece by piece.
///
/// ```
/// use convscope::stats::{Quantiles, tensor_stats};
/// use tch::Tensor;
///
/// let stats = tensor_stats(&Tensor::from_slice(&[1.0f32, f32::NAN, f32::INFINITY, 0.0, -2.0]), Quantiles::Yes)?;
/// assert_eq!((stats.count, stats.nan, stats.infinite, stats.zeros), (3, 1, 1, 1));
/// assert_eq!((stats.min, stats.max, stats.l1), (-2.0, 1.0, 3.0));
/// assert_eq!(stats.quantiles.map(|quantiles| quantiles[3]), Some(0.0)); // the median
/// # Ok::<(), convscope::Error>(())
/// ```
///
/// # Errors
/// Complex or quantised values, an undefined tensor, too little memory.
pub fn tensor_stats(tensor: &Tensor, quantiles: Quantiles) -> Result<TensorStats> {
    Ok(tensor_stats_all(&[tensor], quantiles)?.into_iter().next().unwrap_or_default())
}

/// The same for every tensor, in order, with one copy to the host for all of them.
///
/// # Errors
/// As [`tensor_stats`].
pub fn tensor_stats_all(tensors: &[impl Borrow<Tensor>], quantiles: Quantiles) -> Result<Vec<TensorStats>> {
    let mut packed = Packed::default();
    let queue = |tensor: &Tensor| PendingStats::queue(tensor, quantiles, &mut packed);
    let pending = tensors.iter().map(Borrow::borrow).map(queue).collect::<Result<Vec<_>>>()?;
    let fetched = packed.fetch()?;
    Ok(pending.iter().map(|pending| pending.finish(&fetched)).collect())
}

/// Statistics of one tensor that are computed on its device and not yet fetched.
#[derive(Debug)]
pub(crate) struct PendingStats {
    pieces: Vec<(u64, Slot)>,
    quantiles: Option<Slot>,
}

impl PendingStats {
    pub(crate) fn queue(tensor: &Tensor, quantiles: Quantiles, packed: &mut Packed) -> Result<PendingStats> {
        let _no_grad = no_grad_guard();
        let kind = real_kind(tensor)?;
        let mut queue = || -> Result<PendingStats, TchError> {
            let mut pieces = Vec::new();
            for_each_piece(tensor, |piece| {
                pieces.push((piece.numel() as u64, piece_figures(piece, packed)?));
                Ok(())
            })?;
            let wanted = quantiles == Quantiles::Yes && tensor.numel() > 0;
            let quantiles = if wanted { Some(packed.push(&quantile_figures(tensor, kind)?)?) } else { None };
            Ok(PendingStats { pieces, quantiles })
        };
        queue().context(|| describe("statistics", tensor))
    }

    pub(crate) fn finish(&self, fetched: &Fetched) -> TensorStats {
        let mut total = Sums::default();
        for (len, slot) in &self.pieces {
            total.add(*len, fetched.get(slot));
        }
        let quantiles = self.quantiles.as_ref().and_then(|slot| match *fetched.get(slot) {
            [finite, ref quantiles @ ..] if finite > 0.0 => quantiles.try_into().ok(),
            _ => None,
        });
        total.stats(quantiles)
    }
}

/// Of one piece: values that are not finite, NaN, values that are finite and not 0, mean, sum of squared deviations from
/// it, least, greatest, and sum of absolute values.
fn piece_figures(piece: &Tensor, packed: &mut Packed) -> Result<Slot, TchError> {
    let wide = wide_kind(piece.device());
    let values = piece.f_to_kind(wide)?;
    let sum = values.f_sum(wide)?;
    // A finite sum has finite summands. Asking costs nothing on the host, and would stop an accelerator.
    if piece.device() == Device::Cpu && sum.f_double_value(&[])?.is_finite() {
        let none = sum.f_zeros_like()?;
        let mean = sum.f_div_scalar(length(piece))?;
        return dispersion(&[&none, &none], &values, &values, &mean, packed);
    }
    let finite = values.f_nan_to_num(0.0, 0.0, 0.0)?;
    let bad = finite.f_ne_tensor(&values)?;
    let bad_count = bad.f_sum(wide)?;
    let count = bad_count.f_neg()?.f_add_scalar(length(piece))?;
    let mean = finite.f_sum(wide)?.f_div(&count)?;
    let nan = values.f_isnan()?.f_sum(wide)?;
    // The mean changes neither extremes nor deviations.
    let filled = finite.f_masked_fill_tensor(&bad, &mean)?;
    dispersion(&[&bad_count, &nan], &finite, &filled, &mean, packed)
}

/// `zeroed` has 0 and `filled` has the mean where a value is not finite.
fn dispersion(
    counts: &[&Tensor; 2],
    zeroed: &Tensor,
    filled: &Tensor,
    mean: &Tensor,
    packed: &mut Packed,
) -> Result<Slot, TchError> {
    let wide = zeroed.kind();
    let nonzero = zeroed.f_count_nonzero(None)?.f_to_kind(wide)?;
    let l1 = zeroed.f_norm_scalaropt_dtype(1.0, wide)?;
    let (min, max) = filled.f_aminmax(None, false)?;
    let deviation = filled.f_sub(mean)?.f_norm_scalaropt_dtype(2.0, wide)?.f_square()?;
    packed.push_scalars(&[counts[0], counts[1], &nonzero, mean, &deviation, &min, &max, &l1])
}

/// The number of finite values that were looked at, then the quantiles. libtorch sorts −∞ first, and NaN behind +∞.
fn quantile_figures(tensor: &Tensor, kind: Kind) -> Result<Tensor, TchError> {
    let values = flat(tensor)?;
    let (wide, device, len) = (wide_kind(values.device()), values.device(), length(&values));
    let values = if len > EXACT {
        let share = Tensor::f_arange(EXACT, (wide, device))?.f_mul_scalar(GOLDEN)?.f_frac()?;
        let at = share.f_mul_scalar(len)?.f_to_kind(Kind::Int64)?.f_clamp_max(len - 1)?;
        values.f_index_select(0, &at)?
    } else {
        values
    };
    let exact_in_single = !matches!(kind, Kind::Double | Kind::Int64 | Kind::Int);
    let values = values.f_to_kind(if exact_in_single { Kind::Float } else { wide })?;
    let below = values.f_eq(f64::NEG_INFINITY)?.f_sum(wide)?;
    let finite = values.f_isfinite()?.f_sum(wide)?;
    let (sorted, _) = values.f_sort(0, false)?;
    let last = length(&sorted) - 1;
    let shares = Tensor::f_from_slice(&TensorStats::SHARES)?.f_to_kind(wide)?.f_to_device(device)?;
    let place = shares.f_mul(&finite.f_sub_scalar(1)?)?.f_add(&below)?;
    let floor = place.f_floor()?;
    let at = |place: &Tensor| -> Result<Tensor, TchError> {
        sorted.f_index_select(0, &place.f_to_kind(Kind::Int64)?.f_clamp(0, last)?)?.f_to_kind(wide)
    };
    let next = place.f_ceil()?;
    let quantiles = at(&floor)?.f_lerp_tensor(&at(&next)?, &place.f_sub(&floor)?)?;
    Tensor::f_cat(&[finite.f_reshape([1])?, quantiles], 0)
}

/// Pieces put together.
#[derive(Default)]
struct Sums {
    stats: TensorStats,
    /// Sum of squared deviations from the mean.
    deviation: f64,
}

impl Sums {
    /// Mean and deviations of two sets from those of each (Chan, Golub and LeVeque 1979).
    fn add(&mut self, len: u64, figures: &[f64]) {
        let &[bad, nan, nonzero, mean, deviation, min, max, l1] = figures else { return };
        let TensorStats { count, .. } = self.stats;
        let new = len - bad as u64;
        self.stats.nan += nan as u64;
        self.stats.infinite += (bad - nan) as u64;
        if new == 0 {
            return;
        }
        let both = (count + new) as f64;
        let step = mean - self.stats.mean;
        self.deviation += deviation + step * step * (count as f64) * (new as f64) / both;
        self.stats.mean += step * new as f64 / both;
        self.stats.min = if count == 0 { min } else { self.stats.min.min(min) };
        self.stats.max = if count == 0 { max } else { self.stats.max.max(max) };
        self.stats.zeros += new - nonzero as u64;
        self.stats.l1 += l1;
        self.stats.count += new;
    }

    fn stats(self, quantiles: Option<[f64; 7]>) -> TensorStats {
        let TensorStats { count, zeros, nan, infinite, mean, min, max, l1, .. } = self.stats;
        if count == 0 {
            let none = f64::NAN;
            return TensorStats {
                nan,
                infinite,
                mean: none,
                std: none,
                min: none,
                max: none,
                l1: none,
                l2: none,
                ..TensorStats::default()
            };
        }
        let n = count as f64;
        // Σx² = Σ(x − mean)² + n·mean²: a sum of what is not negative, so nothing cancels.
        let l2 = (self.deviation + n * mean * mean).sqrt();
        TensorStats {
            count,
            zeros,
            nan,
            infinite,
            mean,
            std: (self.deviation / n).sqrt(),
            min,
            max,
            l1,
            l2,
            quantiles,
        }
    }
}
