//! Values of the page PR Curves: precision and recall of a yes-or-no decision at evenly spaced thresholds.

use std::{fmt, sync::Arc};

use prost::Message as _;

use super::{PrCounter, tensor};
use crate::{
    error::{Error, Result},
    proto::{DataClass, DataType, PrCurvePluginData, summary::value::Value},
};

pub(super) const PLUGIN: &str = "pr_curves";
pub(super) const DATA_CLASS: DataClass = DataClass::Tensor;

/// Number of thresholds that a curve may have: 6 rows of so many numbers are 25 MB.
const MAX_THRESHOLDS: usize = 1 << 20;
/// What the rows are called in messages, in the order of the file.
const ROWS: [&str; 6] =
    ["true positives", "false positives", "true negatives", "false negatives", "precision", "recall"];

/// Precision and recall at `n` evenly spaced thresholds `i / (n - 1)`, from 0 to 1, with the counts they come from.
/// Cheap to clone.
///
/// At a threshold `t` a sample is predicted positive if its score is at least `t`. With the weights of the samples
/// summed (1 each where there are none):
///
/// | row | sum over |
/// |---|---|
/// | true positives `tp` | positive samples with a score of at least `t` |
/// | false positives `fp` | negative samples with a score of at least `t` |
/// | true negatives `tn` | negative samples with a smaller score |
/// | false negatives `fn` | positive samples with a smaller score |
/// | precision | `tp / (tp + fp)`, 0 where nothing is predicted positive |
/// | recall | `tp / (tp + fn)`, 0 where nothing is positive |
///
/// Counted in 64 bits; kept in 32, as TensorBoard wants them: counts above 2^24 are rounded. TensorBoard shows counts
/// as whole numbers and leaves out the thresholds at the end where they are all below 1, so weights are best scaled to
/// 1 or more: precision and recall stay the same. A warning is logged where a part of the curve would not be seen.
///
/// ```
/// use convscope::PrCurve;
///
/// let curve = PrCurve::new(&[true, false, true], &[0.9, 0.6, 0.4], 3)?;
/// assert_eq!(curve.thresholds().collect::<Vec<_>>(), [0.0, 0.5, 1.0]);
/// assert_eq!(curve.true_positives(), [2.0, 1.0, 0.0]);
/// assert_eq!(curve.false_positives(), [1.0, 1.0, 0.0]);
/// assert_eq!(curve.precision(), [2.0 / 3.0, 0.5, 0.0]);
/// assert_eq!(curve.recall(), [1.0, 0.5, 0.0]);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct PrCurve {
    thresholds: usize,
    /// The six rows, one after the other.
    rows: Arc<[f32]>,
}

/// The rows of a curve that was computed elsewhere, all of one length: see [`PrCurve`] for what they mean.
#[derive(Debug, Clone, Copy)]
#[expect(missing_docs, reason = "the names say it")]
pub struct PrRows<'a> {
    pub true_positives: &'a [f32],
    pub false_positives: &'a [f32],
    pub true_negatives: &'a [f32],
    pub false_negatives: &'a [f32],
    pub precision: &'a [f32],
    pub recall: &'a [f32],
}

impl PrCurve {
    /// The curve of samples that all count the same. `scores` are from 0 (surely negative) to 1.
    ///
    /// # Errors
    /// As [`PrCounter::new`] and [`PrCounter::add`].
    pub fn new(labels: &[bool], scores: &[f32], thresholds: usize) -> Result<PrCurve> {
        let mut counter = PrCounter::new(thresholds)?;
        counter.add(labels, scores)?;
        counter.curve()
    }

    /// The curve of samples with weights, 0 or greater.
    ///
    /// # Errors
    /// As [`PrCounter::new`] and [`PrCounter::add_weighted`].
    pub fn weighted(labels: &[bool], scores: &[f32], weights: &[f32], thresholds: usize) -> Result<PrCurve> {
        let mut counter = PrCounter::new(thresholds)?;
        counter.add_weighted(labels, scores, weights)?;
        counter.curve()
    }

    /// One curve per class of a classifier: how well it tells the class from all the others. `scores` are the
    /// probabilities, one row of `classes` numbers per sample; `labels` are the true classes, counted from 0.
    ///
    /// # Errors
    /// No class; scores that are not `labels.len()` rows of `classes`; a label that is no class; and as
    /// [`PrCurve::new`].
    ///
    /// ```
    /// use convscope::PrCurve;
    ///
    /// let scores = [0.7, 0.2, 0.1, /* second sample */ 0.3, 0.3, 0.4];
    /// let curves = PrCurve::one_vs_rest(&scores, 3, &[0, 2], 101)?;
    /// assert_eq!(curves.len(), 3);
    /// assert_eq!(curves[0].precision()[50], 1.0); // at 0.5 it is sure of class 0 once, rightly
    /// # Ok::<(), convscope::Error>(())
    /// ```
    pub fn one_vs_rest(
        scores: &[f32],
        classes: usize,
        labels: &[usize],
        thresholds: usize,
    ) -> Result<Vec<PrCurve>> {
        if classes == 0 {
            return Err(Error::invalid("classes", "0 found, at least 1 expected"));
        }
        if labels.len().checked_mul(classes) != Some(scores.len()) {
            let found = format!(
                "{} found, {} samples of {classes} classes have {}",
                scores.len(),
                labels.len(),
                labels.len() as u128 * classes as u128
            );
            return Err(Error::invalid("scores", found));
        }
        if let Some(at) = labels.iter().position(|&label| label >= classes) {
            let found = format!("{} found, the last class is {}", labels[at], classes - 1);
            return Err(Error::invalid(format!("label of sample {at}"), found));
        }
        let curve_of = |class: usize| {
            let is_class: Vec<bool> = labels.iter().map(|&label| label == class).collect();
            let column: Vec<f32> = scores.iter().skip(class).step_by(classes).copied().collect();
            PrCurve::new(&is_class, &column, thresholds)
        };
        (0..classes).map(curve_of).collect()
    }

    /// A curve that was computed elsewhere, row by row, at evenly spaced thresholds from 0 to 1: TensorBoard knows no
    /// others.
    ///
    /// # Errors
    /// Rows of different lengths; fewer than 2 thresholds or more than 2^20; counts that are not finite or below 0;
    /// precision or recall outside 0 to 1.
    pub fn raw(rows: &PrRows<'_>) -> Result<PrCurve> {
        let rows = [
            rows.true_positives,
            rows.false_positives,
            rows.true_negatives,
            rows.false_negatives,
            rows.precision,
            rows.recall,
        ];
        let thresholds = rows[0].len();
        check_thresholds(thresholds)?;
        for (at, (name, row)) in ROWS.iter().zip(rows).enumerate() {
            if row.len() != thresholds {
                let why = format!("{} numbers found, {thresholds} expected, as {}", row.len(), ROWS[0]);
                return Err(Error::invalid(*name, why));
            }
            let (largest, range) = if at < 4 { (f32::MAX, "0 or greater") } else { (1.0, "0 to 1") };
            if let Some(at) = row.iter().position(|value| !(0.0..=largest).contains(value)) {
                return Err(Error::invalid(
                    *name,
                    format!("{} found at threshold {at}, {range} expected", row[at]),
                ));
            }
        }
        Ok(PrCurve::of_rows(thresholds, rows.concat()))
    }

    /// The curve of sums that are sound.
    pub(super) fn of_rows(thresholds: usize, rows: Vec<f32>) -> PrCurve {
        let curve = PrCurve { thresholds, rows: rows.into() };
        let hidden = curve.hidden();
        if hidden > 0 {
            tracing::warn!(
                "PR curve: TensorBoard leaves out {hidden} of {thresholds} thresholds, because fewer than one sample \
                 is predicted positive there. Scale the weights up: precision and recall stay the same"
            );
        }
        curve
    }

    /// Thresholds that TensorBoard leaves out although something is predicted positive there: it takes whole numbers.
    /// The first one is always shown.
    fn hidden(&self) -> usize {
        let positive = self.true_positives().iter().zip(self.false_positives());
        positive.skip(1).filter(|&(&tp, &fp)| tp + fp > 0.0 && tp < 1.0 && fp < 1.0).count()
    }

    /// The thresholds, from 0 to 1.
    pub fn thresholds(&self) -> impl ExactSizeIterator<Item = f64> + use<> {
        let n = self.thresholds;
        (0..n).map(move |i| threshold(i, n))
    }

    fn row(&self, row: usize) -> &[f32] {
        &self.rows[row * self.thresholds..][..self.thresholds]
    }

    /// Positive samples predicted positive, at each threshold.
    pub fn true_positives(&self) -> &[f32] {
        self.row(0)
    }

    /// Negative samples predicted positive.
    pub fn false_positives(&self) -> &[f32] {
        self.row(1)
    }

    /// Negative samples predicted negative.
    pub fn true_negatives(&self) -> &[f32] {
        self.row(2)
    }

    /// Positive samples predicted negative.
    pub fn false_negatives(&self) -> &[f32] {
        self.row(3)
    }

    /// Part of those predicted positive that are positive, 0 to 1.
    pub fn precision(&self) -> &[f32] {
        self.row(4)
    }

    /// Part of the positive that are predicted positive, 0 to 1.
    pub fn recall(&self) -> &[f32] {
        self.row(5)
    }

    /// What readers keep of a tag.
    pub(super) fn content(&self) -> Vec<u8> {
        PrCurvePluginData { num_thresholds: self.thresholds as u32, ..Default::default() }.encode_to_vec()
    }

    pub(super) fn encode(&self) -> Value {
        let values = self.rows.iter().map(|value| value.to_le_bytes());
        Value::Tensor(tensor::numbers(DataType::DtFloat, values, &[ROWS.len(), self.thresholds]))
    }

    /// Bytes held in memory.
    pub(super) fn size(&self) -> usize {
        size_of_val(&*self.rows)
    }
}

impl fmt::Debug for PrCurve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrCurve({} thresholds)", self.thresholds)
    }
}

/// The threshold number `i` of `n`.
pub(super) fn threshold(i: usize, n: usize) -> f64 {
    i as f64 / (n - 1) as f64
}

pub(super) fn check_thresholds(thresholds: usize) -> Result<()> {
    if !(2..=MAX_THRESHOLDS).contains(&thresholds) {
        let why = format!("{thresholds} found, 2 to {MAX_THRESHOLDS} expected; 201 is a usual number");
        return Err(Error::invalid("thresholds of a PR curve", why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_that_the_page_leaves_out_are_counted() {
        let hidden = |weight: f32| {
            PrCurve::weighted(&[true, false, true], &[0.9, 0.6, 0.3], &[weight; 3], 11)
                .map(|curve| curve.hidden())
        };
        // Of the 10 thresholds up to 0.9 those where no count reaches 1.
        assert_eq!(hidden(1.0).unwrap(), 0);
        assert_eq!(hidden(0.5).unwrap(), 6, "two positives reach 1 up to the threshold 0.3");
        assert_eq!(hidden(0.1).unwrap(), 9, "all but the first");
    }
}
