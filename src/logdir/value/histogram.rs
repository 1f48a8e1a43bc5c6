//! Distributions.

use super::numbers::numbers;
use crate::{
    logdir::{restarts::Restarts, stored::Stored},
    proto::{HistogramProto, summary::value::Value},
};

/// A bucket of a distribution, as a file has it. Other writers' buckets are not always as good as ours: the count can be
/// a fraction, and what the data server makes of old forms can begin with an empty bucket whose `left` is beyond `right`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoggedBucket {
    /// Lower edge.
    pub left: f64,
    /// Upper edge.
    pub right: f64,
    /// Number of values.
    pub count: f64,
}

/// The buckets of a value.
pub(in crate::logdir) fn buckets(stored: Stored, restarts: Restarts) -> Option<Vec<LoggedBucket>> {
    match stored {
        Stored::Value(Some(Value::Tensor(tensor))) => {
            let (shape, numbers) = numbers(&tensor)?;
            let [_, 3] = shape[..] else { return None };
            let (rows, _) = numbers.as_chunks::<3>();
            Some(rows.iter().map(|&[left, right, count]| LoggedBucket { left, right, count }).collect())
        }
        Stored::Value(Some(Value::Histo(histogram))) => match restarts {
            Restarts::Python => Some(trimmed(&histogram)),
            Restarts::DataServer | Restarts::KeepAll => untrimmed(&histogram),
        },
        _ => None,
    }
}

/// As the data server turns the old form into the new one: all buckets, the outermost edges replaced by the extremes.
/// It refuses edges and counts that are not as many as each other.
fn untrimmed(histogram: &HistogramProto) -> Option<Vec<LoggedBucket>> {
    (histogram.bucket.len() == histogram.bucket_limit.len())
        .then(|| between(histogram, 0, histogram.bucket.len()))
}

/// As the Python loader does it: without the empty buckets at both ends, in 32 bits.
fn trimmed(histogram: &HistogramProto) -> Vec<LoggedBucket> {
    let filled = |count: &f64| *count > 0.0;
    let Some(start) = histogram.bucket.iter().position(filled) else { return Vec::new() };
    let end = histogram.bucket.iter().rposition(filled).map_or(start, |last| last + 1);
    let narrow = |number: f64| f64::from(number as f32);
    between(histogram, start, end)
        .into_iter()
        .map(|bucket| LoggedBucket {
            left: narrow(bucket.left),
            right: narrow(bucket.right),
            count: narrow(bucket.count),
        })
        .collect()
}

/// The buckets from `start` to `end`, which reach from the smallest value to the largest.
fn between(histogram: &HistogramProto, start: usize, end: usize) -> Vec<LoggedBucket> {
    let edges = histogram.bucket_limit.get(start..end.saturating_sub(1)).unwrap_or_default();
    let lefts = std::iter::once(histogram.min).chain(edges.iter().copied());
    let rights = edges.iter().copied().chain(std::iter::once(histogram.max));
    let counts = histogram.bucket[start..end].iter().copied();
    lefts.zip(rights).zip(counts).map(|((left, right), count)| LoggedBucket { left, right, count }).collect()
}
