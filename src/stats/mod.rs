//! Floor 5: numbers about tensors, computed on the tensor's own device; only scalars come to the host, except where a
//! function says that it needs the values.
//!
//! Any kind of integers, floats or booleans will do. Nothing here touches the graph, `.grad` or libtorch's random
//! numbers. Results are taken in `f64` (`f32` on devices that lack it), piece by piece, so that a half-precision
//! gradient does not overflow and a big tensor does not need another of its size.
//!
//! | file | what it holds |
//! |---|---|
//! | `tensor_stats` | [`tensor_stats`]: counts, moments, extremes, norms and quantiles from one pass |
//! | `histogram`, `zero_fraction`, `norms` | one of them alone |
//! | `spectrum` | [`spectrum`]: norm and ranks of a weight |
//! | `update_ratio` | [`update_ratio`]: how far a step moved a parameter |
//! | `fingerprint` | [`fingerprint`]: whether a tensor is still the same |
//! | `unit_window` | [`UnitWindow`]: which units are silent |
//! | `saturation` | [`saturated_fraction`], [`near_zero_fraction`]: where next to no gradient passes |
//! | `dropout` | [`dropout_keep_rate`], [`dropout_variance_ratio`] |
//! | `gradient_noise` | [`GradientNoise`]: how much the gradients of single images disagree |
//! | `moments` | counts, moments and extremes of values on the host |
//! | `pieces`, `packed` | big tensors in pieces, results of many computations in one copy |

mod dropout;
mod fingerprint;
mod gradient_noise;
mod histogram;
mod moments;
mod norms;
mod packed;
mod pieces;
mod saturation;
mod spectrum;
mod tensor_stats;
mod unit_window;
mod update_ratio;
mod zero_fraction;

pub use self::{
    dropout::{dropout_keep_rate, dropout_variance_ratio},
    fingerprint::fingerprint,
    gradient_noise::GradientNoise,
    histogram::histogram,
    norms::{Norm, norm, norms, total_norm},
    saturation::{near_zero_fraction, saturated_fraction},
    spectrum::spectrum,
    tensor_stats::{Quantiles, tensor_stats, tensor_stats_all},
    unit_window::UnitWindow,
    update_ratio::{update_ratio, update_ratios},
    zero_fraction::{channel_zero_fractions, zero_fraction},
};

pub(crate) use self::{
    dropout::PendingKeepRate,
    packed::{Fetched, Packed, Slot},
    pieces::all_to_host,
    saturation::PendingShare,
    tensor_stats::PendingStats,
    unit_window::PendingActivity,
    update_ratio::PendingRatio,
};
