//! Numbers about tensors from one pass on their device.

use std::borrow::Borrow;

use tch::{Device, Kind, TchError, Tensor, no_grad_guard};

use super::{
    moments::Moments,
    packed::{Fetched, Packed, Slot},
    pieces::{HostValues, describe, flat, for_each_piece, length, real_kind, wide_kind},
};
use crate::{error::Result, rules::TensorStats, tch_context::TchContext as _};

/// Quantiles are exact up to this many values. Of a larger tensor they are those of so many values, spread evenly over
/// it; a share is then off by a standard error of 0.004 at most.
const EXACT: i64 = 1 << 14;

/// The fractional part of the golden ratio: its multiples, taken modulo 1, fill an interval evenly (Weyl 1916) and keep
/// no step with rows or channels.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

/// Whether quantiles are wanted: they sort values, where everything else is sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Quantiles {
    /// No. The default.
    #[default]
    No,
    /// At [`TensorStats::SHARES`], with linear interpolation between neighbours: exact for tensors of up to 16 384
    /// values, otherwise of 16 384 values spread evenly over the tensor.
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
    pieces: Vec<Slot>,
    quantiles: Option<Slot>,
}

impl PendingStats {
    pub(crate) fn queue(tensor: &Tensor, quantiles: Quantiles, packed: &mut Packed) -> Result<PendingStats> {
        let _no_grad = no_grad_guard();
        let kind = real_kind(tensor)?;
        let mut queue = || -> Result<PendingStats, TchError> {
            let mut pieces = Vec::new();
            for_each_piece(tensor, |piece| {
                pieces.push(packed.push(&piece_figures(piece)?)?);
                Ok(())
            })?;
            let wanted = quantiles == Quantiles::Yes && tensor.numel() > 0;
            let quantiles = if wanted { Some(packed.push(&quantile_figures(tensor, kind)?)?) } else { None };
            Ok(PendingStats { pieces, quantiles })
        };
        queue().context(|| describe("statistics", tensor))
    }

    pub(crate) fn finish(&self, fetched: &Fetched) -> TensorStats {
        let mut total = Moments::default();
        for moments in self.pieces.iter().filter_map(|slot| Moments::from_slice(fetched.get(slot))) {
            total.add(&moments);
        }
        let quantiles = self.quantiles.as_ref().and_then(|slot| match *fetched.get(slot) {
            [finite, ref quantiles @ ..] if finite > 0.0 => quantiles.try_into().ok(),
            _ => None,
        });
        stats(&total, quantiles)
    }
}

/// The [`Moments`] of one piece.
fn piece_figures(piece: &Tensor) -> Result<Tensor, TchError> {
    if piece.device() == Device::Cpu {
        let moments = match HostValues::of(piece)? {
            HostValues::Single(values) => Moments::of(&values),
            HostValues::Double(values) => Moments::of(&values),
        };
        return Tensor::f_from_slice(&moments.to_array());
    }
    device_figures(piece)
}

/// The same without a way to the host.
fn device_figures(piece: &Tensor) -> Result<Tensor, TchError> {
    let wide = wide_kind(piece.device());
    let values = piece.f_to_kind(wide)?;
    let zeroed = values.f_nan_to_num(0.0, 0.0, 0.0)?;
    let bad = zeroed.f_ne_tensor(&values)?;
    let bad_count = bad.f_sum(wide)?;
    let finite = bad_count.f_neg()?.f_add_scalar(length(piece))?;
    let nan = values.f_isnan()?.f_sum(wide)?;
    let mean = zeroed.f_sum(wide)?.f_div(&finite)?;
    // The mean in the place of what is not finite changes neither extremes nor deviations.
    let filled = zeroed.f_masked_fill_tensor(&bad, &mean)?;
    let deviation = filled.f_sub(&mean)?.f_norm_scalaropt_dtype(2.0, wide)?.f_square()?;
    let (min, max) = filled.f_aminmax(None, false)?;
    let nonzero = zeroed.f_count_nonzero(None)?.f_to_kind(wide)?;
    let l1 = zeroed.f_norm_scalaropt_dtype(1.0, wide)?;
    let infinite = bad_count.f_sub(&nan)?;
    Tensor::f_stack(&[finite, nan, infinite, nonzero, mean, deviation, min, max, l1], 0)
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

fn stats(moments: &Moments, quantiles: Option<[f64; 7]>) -> TensorStats {
    let &Moments { finite, nan, infinite, nonzero, mean, deviation, min, max, l1 } = moments;
    let (nan, infinite) = (nan as u64, infinite as u64);
    if finite == 0.0 {
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
    TensorStats {
        count: finite as u64,
        zeros: (finite - nonzero) as u64,
        nan,
        infinite,
        mean,
        std: (deviation / finite).sqrt(),
        min,
        max,
        l1,
        // Σx² = Σ(x − mean)² + n·mean²: a sum of what is not negative, so nothing cancels.
        l2: (deviation + finite * mean * mean).sqrt(),
        quantiles,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_find_the_same() {
        let mut values: Vec<f64> = (0..5000).map(|i| f64::from(i * 7919 % 1013 - 300) / 7.0).collect();
        for bad in [None, Some(f64::NAN), Some(f64::INFINITY), Some(f64::NEG_INFINITY)] {
            values.extend(bad);
            let tensor = Tensor::from_slice(&values);
            let [host, device] = [piece_figures(&tensor).unwrap(), device_figures(&tensor).unwrap()];
            let difference = (&host - &device).abs().max().double_value(&[]);
            assert!(difference < 1e-5, "{host} {device}");
            let nonfinite = values.iter().filter(|value| !value.is_finite()).count() as f64;
            assert_eq!(host.double_value(&[1]) + host.double_value(&[2]), nonfinite);
        }
        let nothing = Tensor::from_slice(&[f64::NAN, f64::INFINITY]);
        for figures in [piece_figures(&nothing).unwrap(), device_figures(&nothing).unwrap()] {
            let counts: Vec<f64> = Vec::try_from(&figures.narrow(0, 0, 4)).unwrap();
            assert_eq!(counts, [0.0, 1.0, 1.0, 0.0]);
        }
    }
}
