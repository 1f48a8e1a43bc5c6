//! Precision and recall.

use super::numbers::numbers;
use crate::{
    logdir::{restarts::Restarts, stored::Stored},
    proto::summary::value::Value,
};

/// Precision and recall at growing thresholds: six lists of the same length.
///
/// The thresholds themselves are not in the file: TensorBoard takes them as evenly spaced from 0 to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedPrCurve {
    /// True positives at each threshold.
    pub true_positives: Vec<f64>,
    /// False positives.
    pub false_positives: Vec<f64>,
    /// True negatives.
    pub true_negatives: Vec<f64>,
    /// False negatives.
    pub false_negatives: Vec<f64>,
    /// Precision, 0 to 1.
    pub precision: Vec<f64>,
    /// Recall, 0 to 1.
    pub recall: Vec<f64>,
}

/// The curve of a value.
pub(in crate::logdir) fn pr_curve(stored: Stored, _: Restarts) -> Option<LoggedPrCurve> {
    let Stored::Value(Some(Value::Tensor(tensor))) = stored else { return None };
    let (shape, numbers) = numbers(&tensor)?;
    let [6, thresholds] = shape[..] else { return None };
    let row = |number: usize| numbers[number * thresholds..(number + 1) * thresholds].to_vec();
    Some(LoggedPrCurve {
        true_positives: row(0),
        false_positives: row(1),
        true_negatives: row(2),
        false_negatives: row(3),
        precision: row(4),
        recall: row(5),
    })
}
