//! Precision and recall of samples that come batch by batch.

use super::pr_curve::{PrCurve, check_thresholds, threshold};
use crate::error::{Error, Result};

/// How far a score may lie outside 0 to 1 and be taken for rounding.
const ROUNDING: f32 = 1e-6;

/// Counts samples batch by batch for a [`PrCurve`]: a validation set need not be held in memory.
///
/// ```
/// use convscope::{PrCounter, PrCurve};
///
/// let mut counter = PrCounter::new(201)?;
/// counter.add(&[true, false], &[0.8, 0.3])?;
/// counter.add(&[true], &[0.6])?;
/// assert_eq!(counter.curve()?, PrCurve::new(&[true, false, true], &[0.8, 0.3, 0.6], 201)?);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct PrCounter {
    /// Weight of the positive and of the negative samples whose score is at least the threshold of the same index, and
    /// less than the one after it.
    positive: Vec<f64>,
    negative: Vec<f64>,
}

impl PrCounter {
    /// Of no samples, at so many thresholds.
    ///
    /// # Errors
    /// Fewer than 2 thresholds, or more than 2^20.
    pub fn new(thresholds: usize) -> Result<PrCounter> {
        check_thresholds(thresholds)?;
        Ok(PrCounter { positive: vec![0.0; thresholds], negative: vec![0.0; thresholds] })
    }

    /// Adds samples: whether each is positive, and its score from 0 to 1. A score outside by no more than 1e-6 counts as
    /// rounding.
    ///
    /// # Errors
    /// Numbers of labels and scores that differ; a score outside 0 to 1, or NaN. Nothing is added then.
    pub fn add(&mut self, labels: &[bool], scores: &[f32]) -> Result<()> {
        check(labels, scores)?;
        for (&label, &score) in labels.iter().zip(scores) {
            self.count(label, score, 1.0);
        }
        Ok(())
    }

    /// Adds samples that count `weights` times, 0 or greater.
    ///
    /// # Errors
    /// As [`add`](PrCounter::add); a number of weights that is not that of the labels; a weight that is negative or not
    /// finite. Nothing is added then.
    pub fn add_weighted(&mut self, labels: &[bool], scores: &[f32], weights: &[f32]) -> Result<()> {
        check(labels, scores)?;
        if weights.len() != labels.len() {
            let why = format!("{} found for {} samples", weights.len(), labels.len());
            return Err(Error::invalid("weights of a PR curve", why));
        }
        if let Some(at) = weights.iter().position(|weight| !(0.0..=f32::MAX).contains(weight)) {
            let why = format!("{} found, a finite number of 0 or greater expected", weights[at]);
            return Err(Error::invalid(format!("weight of sample {at}"), why));
        }
        for ((&label, &score), &weight) in labels.iter().zip(scores).zip(weights) {
            self.count(label, score, weight.into());
        }
        Ok(())
    }

    fn count(&mut self, label: bool, score: f32, weight: f64) {
        let last = last_reached(score.clamp(0.0, 1.0), self.positive.len());
        let side = if label { &mut self.positive } else { &mut self.negative };
        side[last] += weight;
    }

    /// The curve of everything added so far.
    ///
    /// # Errors
    /// Weights whose sum is beyond the range of 32 bits.
    pub fn curve(&self) -> Result<PrCurve> {
        let (tp, fp) = (sums_from_end(&self.positive), sums_from_end(&self.negative));
        let (positive, negative) = (tp[0], fp[0]);
        if positive.max(negative) > f32::MAX.into() {
            let why = format!("they sum to {:e}, at most {:e} expected", positive.max(negative), f32::MAX);
            return Err(Error::invalid("weights of a PR curve", why));
        }
        let mut rows = Vec::with_capacity(6 * tp.len());
        rows.extend(tp.iter().map(|&tp| tp as f32));
        rows.extend(fp.iter().map(|&fp| fp as f32));
        rows.extend(fp.iter().map(|&fp| (negative - fp) as f32));
        rows.extend(tp.iter().map(|&tp| (positive - tp) as f32));
        rows.extend(tp.iter().zip(&fp).map(|(&tp, &fp)| part(tp, tp + fp)));
        rows.extend(tp.iter().map(|&tp| part(tp, positive)));
        Ok(PrCurve::of_rows(tp.len(), rows))
    }
}

fn part(some: f64, all: f64) -> f32 {
    if all > 0.0 { (some / all) as f32 } else { 0.0 }
}

/// What is at an index or after it, summed.
fn sums_from_end(values: &[f64]) -> Vec<f64> {
    let mut sums = values.to_vec();
    for at in (0..sums.len() - 1).rev() {
        sums[at] += sums[at + 1];
    }
    sums
}

/// The last of `n` thresholds that a score of 0 to 1 reaches. Thresholds are compared with the precision of scores, so
/// that a score of 0.7 reaches the threshold 0.7.
fn last_reached(score: f32, n: usize) -> usize {
    let reached = |i: usize| score >= threshold(i, n) as f32;
    // The product is off by rounding alone, which is less than one threshold.
    let guess = ((f64::from(score) * (n - 1) as f64) as usize).min(n - 1);
    if guess + 1 < n && reached(guess + 1) {
        guess + 1
    } else if reached(guess) {
        guess
    } else {
        guess.saturating_sub(1)
    }
}

fn check(labels: &[bool], scores: &[f32]) -> Result<()> {
    if labels.len() != scores.len() {
        let why = format!("{} found for {} labels", scores.len(), labels.len());
        return Err(Error::invalid("scores of a PR curve", why));
    }
    let range = -ROUNDING..=1.0 + ROUNDING;
    if let Some(at) = scores.iter().position(|score| !range.contains(score)) {
        let why = format!(
            "{} found, 0 to 1 expected; turn logits into probabilities with sigmoid or softmax",
            scores[at]
        );
        return Err(Error::invalid(format!("score of sample {at}"), why));
    }
    Ok(())
}
