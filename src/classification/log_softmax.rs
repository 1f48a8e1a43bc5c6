//! From logits to logarithms of probabilities and of odds.

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

/// Log-odds of a class, `ln(p / (1 - p))`, from the logarithms of all classes' probabilities. Infinite where the class, or
/// every other one, is impossible.
pub(super) fn log_odds(log_probabilities: &[f64], class: usize) -> f64 {
    let own = log_probabilities[class];
    let probability = own.exp();
    if probability <= 0.5 {
        return own - (-probability).ln_1p();
    }
    // 1 - p would cancel. At most one class of a sample comes here, so that many classes cost no square.
    let others =
        || log_probabilities.iter().enumerate().filter(|&(other, _)| other != class).map(|(_, log)| *log);
    let largest = others().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY {
        return f64::INFINITY;
    }
    own - largest - others().map(|log| (log - largest).exp()).sum::<f64>().ln()
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
    fn log_odds_of_two_classes_are_the_difference_of_their_logits() {
        for difference in [0.0f32, 0.5, 3.0, 40.0, 800.0, 3e38] {
            let log_probabilities = log_softmax(&[difference, 0.0]).unwrap();
            let found = [0, 1].map(|class| log_odds(&log_probabilities, class) as f32);
            assert_eq!(found, [difference, -difference]);
        }
        let sure = log_softmax(&[30.0, 0.0, 0.0]).unwrap();
        assert!((log_odds(&sure, 0) - (30.0 - 2f64.ln())).abs() < 1e-12, "{}", log_odds(&sure, 0));
        assert_eq!(log_odds(&log_softmax(&[7.0]).unwrap(), 0), f64::INFINITY);
        assert_eq!(log_odds(&log_softmax(&[7.0, f32::NEG_INFINITY]).unwrap(), 1), f64::NEG_INFINITY);
    }

    #[test]
    fn what_has_no_probability() {
        assert_eq!(log_softmax(&[0.0, f32::NAN]), None);
        assert_eq!(log_softmax(&[0.0, f32::INFINITY]), None);
        assert_eq!(log_softmax(&[f32::NEG_INFINITY; 2]), None);
        assert_eq!(log_softmax(&[]), None);
    }
}
