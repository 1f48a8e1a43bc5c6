//! Values of the pages Histograms and Distributions.
//!
//! `moments` sums what one number tells, `cells` holds the counts, `count` fills both from slices, and `edges`
//! reduces the counts to the few buckets that are written.

mod cells;
mod count;
mod edges;
mod moments;

use self::{cells::Cells, moments::Moments};
use super::tensor;
use crate::{
    error::{Error, Result},
    proto::{DataClass, summary::value::Value},
};

pub(super) const PLUGIN: &str = "histograms";
pub(super) const DATA_CLASS: DataClass = DataClass::Tensor;

/// How many of the values lie from `left` to `right`. Where both are equal, all of them have that one value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bucket {
    /// Lower edge.
    pub left: f64,
    /// Upper edge, not below `left`.
    pub right: f64,
    /// Number of values.
    pub count: u64,
}

/// A distribution: the counts of a fine grid, and exact extremes, sums and numbers of what is zero or not finite.
///
/// One pass over the values. [`merge`](Histogram::merge) joins the histograms of parts: counts, extremes, buckets and
/// quantiles are then, bit for bit, those of one pass over all values, however they were split; the sums differ from
/// it by rounding alone (a relative 1e-12 of the sum of magnitudes or squares).
///
/// The grid follows the values. Up to 2,048 different values are kept as they are; more of them are counted in cells
/// of equal relative width, in the finest of eight grids of which the values take few enough cells. It holds at most
/// 65,536 cells of 16 bytes (1 MiB); a thread that counts keeps a table of 2 MiB for the next time.
///
/// ```
/// use convscope::Histogram;
///
/// let mut histogram = Histogram::from_f32(&[0.0, 0.0, 1.0, 3.0]);
/// histogram.merge(&Histogram::from_f64(&[-4.0, f64::NAN]));
/// assert_eq!((histogram.len(), histogram.count(), histogram.nan(), histogram.zeros()), (6, 5, 1, 2));
/// assert_eq!((histogram.min(), histogram.max(), histogram.mean()), (Some(-4.0), Some(3.0), Some(0.0)));
/// assert_eq!(histogram.zero_fraction(), Some(0.4));
/// assert_eq!(histogram.quantile(0.5), Some(0.0));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Histogram {
    moments: Moments,
    cells: Cells,
}

impl Histogram {
    /// Of no values.
    pub fn new() -> Histogram {
        Histogram::default()
    }

    /// Counts the values. NaN and infinities are counted apart.
    pub fn from_f32(values: &[f32]) -> Histogram {
        count::slice(values)
    }

    /// Counts the values. NaN and infinities are counted apart. The same numbers give the same histogram as `f32`.
    pub fn from_f64(values: &[f64]) -> Histogram {
        count::slice(values)
    }

    /// Adds the values of another part.
    ///
    /// ```
    /// use convscope::Histogram;
    ///
    /// let values: Vec<f32> = (0..10_000).map(|i| (i as f32).sin()).collect();
    /// let mut parts = Histogram::new();
    /// for chunk in values.chunks(999) {
    ///     parts.merge(&Histogram::from_f32(chunk));
    /// }
    /// assert_eq!(parts.buckets(), Histogram::from_f32(&values).buckets());
    /// ```
    pub fn merge(&mut self, other: &Histogram) {
        self.moments.merge(&other.moments);
        self.cells.merge(&other.cells);
    }

    /// Number of all values, finite or not.
    pub fn len(&self) -> u64 {
        self.count() + self.nan() + self.pos_inf() + self.neg_inf()
    }

    /// Whether there was no value at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of finite values. What follows is of these alone.
    pub fn count(&self) -> u64 {
        self.moments.count
    }

    /// The smallest value, exactly. `None` where no value is finite.
    pub fn min(&self) -> Option<f64> {
        (self.count() > 0).then_some(self.moments.min)
    }

    /// The largest value, exactly. `None` where no value is finite.
    pub fn max(&self) -> Option<f64> {
        (self.count() > 0).then_some(self.moments.max)
    }

    /// Sum of the values, added in 64 bits: infinite where it leaves their range.
    pub fn sum(&self) -> f64 {
        self.moments.sum
    }

    /// Sum of the squares, added in 64 bits: infinite where it leaves their range.
    pub fn sum_squares(&self) -> f64 {
        self.moments.sum_squares
    }

    /// Arithmetic mean. `None` where no value is finite.
    pub fn mean(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.sum() / self.count() as f64)
    }

    /// Standard deviation of the values as a population (divided by their number, not by one less). `None` where no
    /// value is finite.
    ///
    /// From the sums: where the deviation is less than a millionth of the mean, few digits of it are right.
    pub fn std(&self) -> Option<f64> {
        let mean = self.mean()?;
        let variance = self.sum_squares() / self.count() as f64 - mean * mean;
        Some(variance.max(0.0).sqrt())
    }

    /// Euclidean norm: the root of the sum of squares.
    pub fn l2(&self) -> f64 {
        self.sum_squares().sqrt()
    }

    /// Number of values that are exactly zero, of either sign.
    pub fn zeros(&self) -> u64 {
        self.moments.zeros
    }

    /// Share of the finite values that is exactly zero, from 0 to 1. `None` where no value is finite.
    pub fn zero_fraction(&self) -> Option<f64> {
        (self.count() > 0).then(|| self.zeros() as f64 / self.count() as f64)
    }

    /// Number of values that are not a number.
    pub fn nan(&self) -> u64 {
        self.moments.nan
    }

    /// Number of values that are plus infinity.
    pub fn pos_inf(&self) -> u64 {
        self.moments.pos_inf
    }

    /// Number of values that are minus infinity.
    pub fn neg_inf(&self) -> u64 {
        self.moments.neg_inf
    }

    /// The value below which a share `q` of the finite values lies, 0 to 1: linear between the edges of the grid's
    /// cells, exact at 0 and 1. `None` where no value is finite or `q` is not from 0 to 1.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        if !(0.0..=1.0).contains(&q) {
            return None;
        }
        edges::quantile(&self.pieces(), q)
    }

    /// The distribution in at most 84 buckets (2,016 bytes in the file): sorted, each beginning where the one before
    /// ends, the first at [`min`](Histogram::min), the last ending at [`max`](Histogram::max), their counts exact.
    /// Empty where no value is finite.
    ///
    /// The edges are chosen so that quantiles read from the buckets by linear interpolation, as TensorBoard reads
    /// them, are as close as can be to those of the values. A value that many share, such as the zeros behind a ReLU,
    /// gets a bucket without width.
    ///
    /// ```
    /// use convscope::{Bucket, Histogram};
    ///
    /// let relu = Histogram::from_f32(&[0.0, 0.0, 0.0, 2.0]);
    /// assert_eq!(
    ///     relu.buckets(),
    ///     [
    ///         Bucket { left: 0.0, right: 0.0, count: 3 },
    ///         Bucket { left: 0.0, right: 2.0, count: 0 },
    ///         Bucket { left: 2.0, right: 2.0, count: 1 },
    ///     ]
    /// );
    /// ```
    pub fn buckets(&self) -> Vec<Bucket> {
        edges::reduce(&self.pieces())
    }

    /// The grid's cells with the zeros among them, inside of the extremes.
    fn pieces(&self) -> Vec<Bucket> {
        self.cells.pieces(&self.moments)
    }
}

/// Refuses buckets that TensorBoard would draw wrong or not at all.
pub(super) fn check(buckets: &[Bucket]) -> Result<()> {
    let refuse = |why: String| Err(Error::invalid("histogram", why));
    for (at, Bucket { left, right, .. }) in buckets.iter().enumerate() {
        if !left.is_finite() || !right.is_finite() {
            return refuse(format!("bucket {at} goes from {left} to {right}; both edges must be finite"));
        }
        if left > right {
            return refuse(format!("bucket {at} goes from {left} down to {right}; exchange its edges"));
        }
    }
    for (at, pair) in buckets.windows(2).enumerate() {
        let (end, begin) = (pair[0].right, pair[1].left);
        if begin < end {
            let (before, next) = (at, at + 1);
            return refuse(format!(
                "bucket {next} begins at {begin}, before bucket {before} ends at {end}; sort them, without overlap"
            ));
        }
    }
    Ok(())
}

/// Rows of left edge, right edge and count. No values at all are one row of zeros, which both pages show as empty.
pub(super) fn encode(buckets: &[Bucket]) -> Value {
    let empty = [Bucket { left: 0.0, right: 0.0, count: 0 }];
    let rows = if buckets.is_empty() { &empty } else { buckets };
    let numbers = rows.iter().flat_map(|bucket| [bucket.left, bucket.right, bucket.count as f64]);
    Value::Tensor(tensor::doubles(numbers, &[rows.len(), 3]))
}
