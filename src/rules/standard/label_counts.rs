//! How often each label occurred so far.

use std::collections::BTreeMap;

use super::{LabelStats, Observation};

/// The label that PyTorch's cross-entropy leaves out unless told otherwise (`ignore_index`).
pub(crate) const IGNORED: i64 = -100;
/// So many different labels are told apart; images with further ones are not counted.
const MOST: usize = 100_000;

/// Counts labels over the observed batches.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct LabelCounts {
    counts: BTreeMap<i64, u64>,
    total: u64,
    classes: Option<u64>,
}

impl LabelCounts {
    /// Takes a batch's labels, except `ignore`. Whether there were any.
    pub fn add(&mut self, observation: &Observation, ignore: i64) -> bool {
        let Some(batch) = &observation.batch else { return false };
        self.classes = batch.classes().or(self.classes);
        let Some(labels) = &batch.labels else { return false };
        let before = self.total;
        for (label, count) in without(labels, ignore) {
            if self.counts.len() < MOST || self.counts.contains_key(&label) {
                let sum = self.counts.entry(label).or_default();
                *sum = sum.saturating_add(count);
                self.total = self.total.saturating_add(count);
            }
        }
        self.total > before
    }

    /// Labels counted.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Classes that the model tells apart, where known.
    pub fn classes(&self) -> Option<u64> {
        self.classes.filter(|&classes| classes >= 2)
    }

    /// Labels that occurred, in ascending order, with how often each did.
    pub fn iter(&self) -> impl Iterator<Item = (i64, u64)> + '_ {
        self.counts.iter().map(|(&label, &count)| (label, count))
    }

    /// How many different labels occurred.
    pub fn different(&self) -> u64 {
        self.counts.len() as u64
    }

    /// The label that occurred most often, with how often it did.
    pub fn most_frequent(&self) -> Option<(i64, u64)> {
        self.iter().max_by_key(|&(_, count)| count)
    }

    /// The label that occurred least often, of those that did.
    pub fn least_frequent(&self) -> Option<(i64, u64)> {
        self.iter().min_by_key(|&(_, count)| count)
    }

    /// Share of right answers that the most frequent label alone earns, but at least 1/C: what an accuracy on the
    /// training data must exceed to tell anything.
    pub fn chance(&self) -> Option<f64> {
        let (_, most) = self.most_frequent()?;
        Some((most as f64 / self.total as f64).max(1.0 / self.classes()? as f64))
    }

    /// What the most frequent label alone earns beyond 1/C, where it has more than twice its share; else 0.
    pub fn imbalance(&self) -> f64 {
        let (Some(chance), Some(classes)) = (self.chance(), self.classes()) else { return 0.0 };
        let share = 1.0 / classes as f64;
        if chance > 2.0 * share { chance - share } else { 0.0 }
    }
}

/// A batch's labels without the one to ignore.
pub(crate) fn without(labels: &LabelStats, ignore: i64) -> impl Iterator<Item = (i64, u64)> + '_ {
    labels.counts.iter().copied().filter(move |&(label, count)| count > 0 && label != ignore)
}
