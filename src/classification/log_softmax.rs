//! From logits to logarithms of probabilities.

/// `x_i - ln(sum_j exp(x_j))` in 64 bits. The largest logit is subtracted first, so that nothing overflows.
///
/// `None` where that has no value: a logit that is NaN or positive infinity, or negative infinity for all classes.
pub(super) fn log_softmax(logits: &[f32]) -> Option<Vec<f64>> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if !largest.is_finite() || logits.iter().any(|logit| logit.is_nan()) {
        return None;
    }
    let shifted = logits.iter().map(|&logit| f64::from(logit) - f64::from(largest));
    let log_sum = shifted.clone().map(f64::exp).sum::<f64>().ln();
    Some(shifted.map(|logit| logit - log_sum).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_logits_do_not_overflow() {
        assert_eq!(log_softmax(&[3e38, 3e38]), Some(vec![-(2f64.ln()); 2]));
        assert_eq!(log_softmax(&[1000.0, 0.0]), Some(vec![0.0, -1000.0]));
        assert_eq!(log_softmax(&[5.0, f32::NEG_INFINITY]), Some(vec![0.0, f64::NEG_INFINITY]));
    }

    #[test]
    fn what_has_no_probability() {
        assert_eq!(log_softmax(&[0.0, f32::NAN]), None);
        assert_eq!(log_softmax(&[0.0, f32::INFINITY]), None);
        assert_eq!(log_softmax(&[f32::NEG_INFINITY; 2]), None);
        assert_eq!(log_softmax(&[]), None);
    }
}
