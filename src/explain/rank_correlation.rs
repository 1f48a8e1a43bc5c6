//! How alike two maps order the pixels.

/// Spearman's rank correlation of two lists of equal length: Pearson's correlation of their ranks, -1 to 1. Equal values
/// share the mean of their ranks. Whatever rises with the values changes nothing: scale and contrast of a map do not count.
///
/// `None` where it is not defined: fewer than two values, lists of different lengths, all values of a list equal, or a
/// value that is NaN. Infinities have their ranks.
///
/// ```
/// use convscope::explain::rank_correlation;
///
/// assert_eq!(rank_correlation(&[1.0, 2.0, 3.0], &[10.0, 100.0, 1000.0]), Some(1.0));
/// assert_eq!(rank_correlation(&[1.0, 2.0, 3.0], &[9.0, 4.0, 1.0]), Some(-1.0));
/// assert_eq!(rank_correlation(&[1.0, 2.0, 3.0], &[5.0, 5.0, 5.0]), None);
/// ```
pub fn rank_correlation(a: &[f32], b: &[f32]) -> Option<f64> {
    if a.len() != b.len() || a.iter().chain(b).any(|value| value.is_nan()) {
        return None;
    }
    let (a, b) = (ranks(a), ranks(b));
    // Of n ranks, shared or not, the mean is (n + 1) / 2.
    let mean = (a.len() as f64 + 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    let (own, other) = (product(&a, &a), product(&b, &b));
    (own > 0.0 && other > 0.0).then(|| (product(&a, &b) / (own * other).sqrt()).clamp(-1.0, 1.0))
}

/// The place of each value in order, counted from 1; the mean place of equal ones.
fn ranks(values: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let mean = first as f64 + (equal.len() as f64 + 1.0) / 2.0;
        equal.iter().for_each(|&place| ranks[place] = mean);
        first += equal.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts, for every value, those below it and those like it.
    fn slow(a: &[f32], b: &[f32]) -> Option<f64> {
        let rank = |of: &[f32], value: f32| {
            let below = of.iter().filter(|other| **other < value).count() as f64;
            let equal = of.iter().filter(|other| **other == value).count() as f64;
            below + (1.0 + equal) / 2.0
        };
        let n = a.len() as f64;
        let (mut x, mut y, mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for (&p, &q) in a.iter().zip(b) {
            let (p, q) = (rank(a, p), rank(b, q));
            (x, y, xx, yy, xy) = (x + p, y + q, xx + p * p, yy + q * q, xy + p * q);
        }
        let (of_a, of_b) = (n * xx - x * x, n * yy - y * y);
        (of_a > 0.0 && of_b > 0.0).then(|| (n * xy - x * y) / (of_a * of_b).sqrt())
    }

    #[test]
    fn as_a_slow_twin_with_many_ties_and_with_none() {
        let mut random = fastrand::Rng::with_seed(7);
        for round in 0..200 {
            let count = random.usize(2..40);
            let levels = if round % 2 == 0 { 4 } else { 100_000 };
            let mut list =
                || -> Vec<f32> { (0..count).map(|_| random.i32(-levels..levels) as f32).collect() };
            let (a, b) = (list(), list());
            match (rank_correlation(&a, &b), slow(&a, &b)) {
                (Some(found), Some(expected)) => assert!((found - expected).abs() < 1e-12, "{a:?} {b:?}"),
                (found, expected) => assert_eq!(found, expected, "{a:?} {b:?}"),
            }
        }
    }

    #[test]
    fn a_textbook_case() {
        // The example of Wikipedia's "Spearman's rank correlation coefficient": IQ and hours of television, -29/165.
        let iq = [106.0, 100.0, 86.0, 101.0, 99.0, 103.0, 97.0, 113.0, 112.0, 110.0];
        let hours = [7.0, 27.0, 2.0, 50.0, 28.0, 29.0, 20.0, 12.0, 6.0, 17.0];
        let found = rank_correlation(&iq, &hours).unwrap_or_default();
        assert!((found + 29.0 / 165.0).abs() < 1e-12, "{found}");
    }

    #[test]
    fn what_has_no_order_has_no_correlation() {
        assert_eq!(rank_correlation(&[], &[]), None);
        assert_eq!(rank_correlation(&[1.0], &[1.0]), None);
        assert_eq!(rank_correlation(&[1.0, 2.0], &[1.0]), None);
        assert_eq!(rank_correlation(&[1.0, f32::NAN], &[1.0, 2.0]), None);
        assert_eq!(rank_correlation(&[0.0, -0.0], &[1.0, 2.0]), None, "zeros are equal");
        assert_eq!(rank_correlation(&[1.0, f32::INFINITY], &[1.0, 2.0]), Some(1.0));
    }
}
