//! A precision-recall curve as one number.

/// Average precision of a yes-or-no decision, 0 to 1: `sum over n of (R_n - R_(n-1)) P_n`, precision and recall being
/// taken at every score that occurs, from the highest to the lowest (scikit-learn's `average_precision_score`). Only the
/// order of the scores counts, and which are equal: they may be probabilities, logits or log-odds. Probabilities near 1
/// round to equal ones in 32 bits; logits and log-odds do not. It does not depend on the thresholds of a drawn curve, and
/// unlike the trapezoidal area it does not flatter by drawing
/// lines between points that cannot be reached (Davis and Goadrich 2006).
///
/// `None` where no sample is positive (scikit-learn warns and gives 0), where a score is NaN, or where numbers of labels
/// and scores differ.
///
/// ```
/// use convscope::classification::average_precision;
///
/// let labels = [false, false, true, true];
/// let scores = [0.1, 0.4, 0.35, 0.8];
/// let expected = 0.5 * 1.0 + 0.5 * (2.0 / 3.0); // scikit-learn's own example: 0.83
/// assert!((average_precision(&labels, &scores).unwrap() - expected).abs() < 1e-12);
/// ```
pub fn average_precision(labels: &[bool], scores: &[f32]) -> Option<f64> {
    if labels.len() != scores.len() || scores.iter().any(|score| score.is_nan()) {
        return None;
    }
    let positives = labels.iter().filter(|&&is_positive| is_positive).count();
    if positives == 0 {
        return None;
    }
    // Adding 0 makes -0 and 0 equal.
    let mut samples: Vec<(f32, bool)> =
        scores.iter().map(|score| score + 0.0).zip(labels.iter().copied()).collect();
    samples.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut seen, mut found, mut sum) = (0, 0, 0.0);
    // Samples of one score are decided together.
    for tied in samples.chunk_by(|a, b| a.0 == b.0) {
        let more = tied.iter().filter(|(_, is_positive)| *is_positive).count();
        seen += tied.len();
        found += more;
        sum += more as f64 * (found as f64 / seen as f64);
    }
    Some(sum / positives as f64)
}
