//! How often each class was taken for each other.

use std::{cmp::Reverse, collections::BTreeMap};

use crate::error::{Error, Result};

/// Counts of answers by true and predicted class, both from 0. Rows are the true classes, columns the predicted ones, as
/// in scikit-learn.
///
/// Only pairs that occur take memory, so a thousand classes are no burden.
///
/// ```
/// use convscope::classification::ConfusionMatrix;
///
/// let matrix = ConfusionMatrix::of(3, &[2, 0, 2, 2, 0, 1], &[0, 0, 2, 2, 0, 2])?;
/// assert_eq!(matrix.count(2, 2), 2);
/// assert_eq!(matrix.share(2, 0), Some(1.0 / 3.0)); // of three images of class 2 one was taken for class 0
/// assert_eq!(matrix.accuracy(), Some(4.0 / 6.0));
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    /// By true and predicted class; only counts above 0.
    counts: BTreeMap<(usize, usize), u64>,
    /// Sums of the rows.
    support: Vec<u64>,
    /// Sums of the columns.
    predicted: Vec<u64>,
}

/// A class that was taken for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Confusion {
    /// The true class.
    pub truth: usize,
    /// The class it was taken for.
    pub predicted: usize,
    /// How often.
    pub count: u64,
}

impl ConfusionMatrix {
    /// Of no answers yet.
    ///
    /// # Errors
    /// No class.
    pub fn new(classes: usize) -> Result<ConfusionMatrix> {
        if classes == 0 {
            return Err(Error::invalid("classes", "0 found, at least 1 expected"));
        }
        Ok(ConfusionMatrix {
            counts: BTreeMap::new(),
            support: vec![0; classes],
            predicted: vec![0; classes],
        })
    }

    /// Of answers that are all known: the true and the predicted class of each sample.
    ///
    /// # Errors
    /// No class; numbers of true and predicted classes that differ; and as [`add`](ConfusionMatrix::add).
    pub fn of(classes: usize, truths: &[usize], predictions: &[usize]) -> Result<ConfusionMatrix> {
        let mut matrix = ConfusionMatrix::new(classes)?;
        if truths.len() != predictions.len() {
            let why = format!("{} found for {} samples", predictions.len(), truths.len());
            return Err(Error::invalid("predicted classes", why));
        }
        for (&truth, &predicted) in truths.iter().zip(predictions) {
            matrix.add(truth, predicted)?;
        }
        Ok(matrix)
    }

    /// Counts one answer.
    ///
    /// # Errors
    /// A class that the matrix does not have. Nothing is counted then.
    pub fn add(&mut self, truth: usize, predicted: usize) -> Result<()> {
        for (what, class) in [("true class", truth), ("predicted class", predicted)] {
            if class >= self.classes() {
                let why = format!("{class} found, the last class is {}", self.classes() - 1);
                return Err(Error::invalid(what, why));
            }
        }
        *self.counts.entry((truth, predicted)).or_default() += 1;
        self.support[truth] += 1;
        self.predicted[predicted] += 1;
        Ok(())
    }

    /// Number of classes, 1 or more.
    pub fn classes(&self) -> usize {
        self.support.len()
    }

    /// Answers counted so far.
    pub fn total(&self) -> u64 {
        self.support.iter().sum()
    }

    /// Right answers.
    pub fn correct(&self) -> u64 {
        (0..self.classes()).map(|class| self.count(class, class)).sum()
    }

    /// Share of right answers, 0 to 1; `None` of no answers.
    pub fn accuracy(&self) -> Option<f64> {
        ratio(self.correct(), self.total())
    }

    /// How often samples of class `truth` were taken for class `predicted`; 0 for classes that there are not.
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        self.counts.get(&(truth, predicted)).copied().unwrap_or(0)
    }

    /// The same as share of the samples of class `truth`, 0 to 1 (scikit-learn's `normalize="true"`). `None` where there
    /// is no such sample: blank, not 0/0.
    pub fn share(&self, truth: usize, predicted: usize) -> Option<f64> {
        ratio(self.count(truth, predicted), *self.support.get(truth)?)
    }

    /// Samples of each class.
    pub fn support(&self) -> &[u64] {
        &self.support
    }

    /// How often each class was predicted.
    pub fn predicted(&self) -> &[u64] {
        &self.predicted
    }

    /// What is not 0: true class, predicted class, count, row by row.
    pub fn cells(&self) -> impl Iterator<Item = (usize, usize, u64)> + '_ {
        self.counts.iter().map(|(&(truth, predicted), &count)| (truth, predicted, count))
    }

    /// Which classes were taken for which others, most frequent first; among equals in the order of the classes.
    pub fn confusions(&self) -> Vec<Confusion> {
        let off_diagonal = self.cells().filter(|(truth, predicted, _)| truth != predicted);
        let mut confusions: Vec<Confusion> =
            off_diagonal.map(|(truth, predicted, count)| Confusion { truth, predicted, count }).collect();
        confusions.sort_by_key(|confusion| Reverse(confusion.count)); // stable
        confusions
    }
}

/// Part of a whole; `None` of nothing.
pub(super) fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
