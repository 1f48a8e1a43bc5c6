//! Means over batches that do not make the device wait at every batch.

use std::collections::BTreeMap;

use tch::Tensor;

use super::{Metrics, context::BatchReport};
use crate::{error::Result, stats, tch_context::TchContext as _};

/// How many values of a measure wait on the device before they are fetched together.
const FETCH: usize = 64;

/// Means of what batches reported (`loss`, `accuracy`, ...), each batch weighted by its number of images, so that a
/// short last batch counts less.
///
/// Values stay on their device and are fetched 64 at a time or when the means are read; sums are kept in `f64`.
#[derive(Debug, Default)]
pub(crate) struct Means(BTreeMap<String, Mean>);

#[derive(Debug, Default)]
struct Mean {
    waiting: Vec<(Tensor, f64)>,
    sum: f64,
    weight: f64,
}

impl Means {
    /// Adds what a batch reported.
    pub(crate) fn add(&mut self, report: &BatchReport) -> Result<()> {
        for measure in &report.measures {
            let mean = self.0.entry(measure.name.clone()).or_default();
            mean.waiting.push((measure.value.shallow_clone(), report.weight()));
            if mean.waiting.len() >= FETCH {
                mean.fetch()?;
            }
        }
        Ok(())
    }

    /// Whether nothing was added since the last [`take`](Means::take).
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The means so far.
    pub fn peek(&mut self) -> Result<Metrics> {
        let mut metrics = Metrics::default();
        for (name, mean) in &mut self.0 {
            mean.fetch()?;
            metrics.insert(name.clone(), mean.sum / mean.weight);
        }
        Ok(metrics)
    }

    /// The means so far; begins anew.
    pub fn take(&mut self) -> Result<Metrics> {
        let metrics = self.peek()?;
        self.0.clear();
        Ok(metrics)
    }
}

impl Mean {
    fn fetch(&mut self) -> Result<()> {
        let (values, weights): (Vec<Tensor>, Vec<f64>) = self.waiting.drain(..).unzip();
        if values.is_empty() {
            return Ok(());
        }
        let values = stats::all_to_host(&values)
            .context(|| "measures of the last batches: copy to the host".to_owned())?;
        for (value, weight) in values.iter().zip(weights) {
            self.sum += value * weight;
            self.weight += weight;
        }
        Ok(())
    }
}
