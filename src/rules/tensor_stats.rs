//! Numbers about one tensor.

/// What one pass over a tensor tells. All but the counts are over its finite values, and NaN where there are none.
///
/// ```
/// use convscope::rules::TensorStats;
///
/// let stats = TensorStats { count: 4, zeros: 1, l2: 6.0, nan: 1, ..TensorStats::default() };
/// assert_eq!((stats.zero_fraction(), stats.rms(), stats.non_finite()), (0.25, 3.0, 1));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TensorStats {
    /// Number of finite values.
    pub count: u64,
    /// Exact zeros among them.
    pub zeros: u64,
    /// Values that are not a number.
    pub nan: u64,
    /// Values that are plus or minus infinity.
    pub infinite: u64,
    /// Mean.
    pub mean: f64,
    /// Standard deviation, biased: the root of the mean squared deviation.
    pub std: f64,
    /// Smallest value.
    pub min: f64,
    /// Greatest value.
    pub max: f64,
    /// Sum of absolute values.
    pub l1: f64,
    /// Root of the sum of squares.
    pub l2: f64,
    /// Quantiles at [`TensorStats::SHARES`]; `None` where they were not asked for.
    pub quantiles: Option<[f64; 7]>,
}

impl TensorStats {
    /// Where [`quantiles`](TensorStats::quantiles) are taken.
    pub const SHARES: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

    /// Root of the mean square: the magnitude of a typical value. NaN without finite values.
    pub fn rms(&self) -> f64 {
        self.l2 / (self.count as f64).sqrt()
    }

    /// Mean of absolute values. NaN without finite values.
    pub fn mean_abs(&self) -> f64 {
        self.l1 / self.count as f64
    }

    /// The greatest absolute value: the max norm.
    pub fn max_abs(&self) -> f64 {
        self.min.abs().max(self.max.abs())
    }

    /// Share of the finite values that is exactly 0, from 0 to 1. NaN without finite values.
    pub fn zero_fraction(&self) -> f64 {
        self.zeros as f64 / self.count as f64
    }

    /// Number of values that are NaN or infinite.
    pub fn non_finite(&self) -> u64 {
        self.nan.saturating_add(self.infinite)
    }
}
