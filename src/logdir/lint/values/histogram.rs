//! Distributions.

use super::{
    super::{
        Rule,
        finding::{Findings, Place},
    },
    tensor::{describe, dims, floats},
};
use crate::proto::{DataType, HistogramProto, TensorProto};

/// Rows of left edge, right edge and count.
pub(super) fn check(findings: &mut Findings, place: Place<'_>, tensor: &TensorProto) {
    let is_table = matches!(dims(tensor)[..], [_, 3]) && tensor.dtype == DataType::DtDouble as i32;
    let numbers = floats(tensor).filter(|_| is_table);
    let Some(numbers) = numbers else {
        return findings.add(Rule::HistogramShape, place, || {
            format!("a tensor {}, [k, 3] of DT_DOUBLE expected", describe(tensor))
        });
    };
    buckets(findings, place, numbers.as_chunks::<3>().0);
}

/// The old form: right edges, counts, smallest and largest value.
pub(super) fn legacy(findings: &mut Findings, place: Place<'_>, histogram: &HistogramProto) {
    let (limits, counts) = (&histogram.bucket_limit, &histogram.bucket);
    if limits.len() != counts.len() {
        return findings.add(Rule::HistogramShape, place, || {
            format!("{} limits and {} counts, as many expected", limits.len(), counts.len())
        });
    }
    let ends = [histogram.min, histogram.max];
    if ends.iter().any(|end| !end.is_finite()) && !limits.is_empty() {
        return findings.add(Rule::HistogramNotFinite, place, || {
            format!("smallest value {}, largest value {}", histogram.min, histogram.max)
        });
    }
    // Limits of +-DBL_MAX stand for infinity, and are cut off by the loaders.
    if let Some(bad) =
        limits.windows(2).find(|pair| pair[0] >= pair[1] || pair.iter().any(|limit| limit.is_nan()))
    {
        return findings
            .add(Rule::HistogramUnsorted, place, || format!("limit {} before {}", bad[0], bad[1]));
    }
    // The data server takes the smallest value for the left edge of the first bucket.
    if let Some(first) = limits.first().filter(|first| histogram.min > **first) {
        findings.add(Rule::HistogramLeadingEmpty, place, || {
            format!("the first bucket ends at {first}, before the smallest value {}", histogram.min)
        });
    }
    count(findings, place, counts.iter().copied());
}

fn buckets(findings: &mut Findings, place: Place<'_>, buckets: &[[f64; 3]]) {
    if let Some([left, right, _]) =
        buckets.iter().find(|[left, right, _]| !left.is_finite() || !right.is_finite())
    {
        return findings.add(Rule::HistogramNotFinite, place, || format!("a bucket from {left} to {right}"));
    }
    if let Some([left, right, _]) = buckets.iter().find(|[left, right, _]| left > right) {
        return findings.add(Rule::HistogramUnsorted, place, || format!("a bucket from {left} to {right}"));
    }
    if let Some(pair) = buckets.windows(2).find(|pair| pair[0][1] > pair[1][0]) {
        return findings.add(Rule::HistogramUnsorted, place, || {
            format!("a bucket that begins at {} after one that ends at {}", pair[1][0], pair[0][1])
        });
    }
    count(findings, place, buckets.iter().map(|bucket| bucket[2]));
}

fn count(findings: &mut Findings, place: Place<'_>, mut counts: impl Iterator<Item = f64>) {
    if let Some(bad) = counts.find(|count| !(count.is_finite() && *count >= 0.0)) {
        findings.add(Rule::HistogramCount, place, || format!("a count of {bad}"));
    }
}
