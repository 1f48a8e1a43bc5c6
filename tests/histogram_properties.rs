//! Properties of the histogram for any values in any split.

use convscope::Histogram;
use proptest::{collection::vec, prelude::*};

/// Any bits, and values that tensors hold often.
fn value() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => any::<u32>().prop_map(f32::from_bits),
        4 => -1.0_f32..1.0,
        2 => (-1.0_f32..1.0).prop_map(|x| 1.0 + 1e-4 * x),
        1 => prop_oneof![Just(0.0_f32), Just(-0.0), Just(1.0), Just(f32::NAN), Just(f32::INFINITY)],
        1 => (1_u32..100).prop_map(f32::from_bits),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn buckets_hold_every_finite_value(values in vec(value(), 0..5_000)) {
        let histogram = Histogram::from_f32(&values);
        let mut finite: Vec<f64> =
            values.iter().filter(|value| value.is_finite()).map(|&value| f64::from(value) + 0.0).collect();
        finite.sort_by(f64::total_cmp);
        let count = |holds: fn(f32) -> bool| values.iter().filter(|&&value| holds(value)).count() as u64;

        prop_assert_eq!(histogram.len(), values.len() as u64);
        prop_assert_eq!(histogram.count(), finite.len() as u64);
        prop_assert_eq!(histogram.nan(), count(f32::is_nan));
        prop_assert_eq!(histogram.pos_inf(), count(|value| value == f32::INFINITY));
        prop_assert_eq!(histogram.neg_inf(), count(|value| value == f32::NEG_INFINITY));
        prop_assert_eq!(histogram.zeros(), count(|value| value == 0.0));
        prop_assert_eq!(histogram.min(), finite.first().copied());
        prop_assert_eq!(histogram.max(), finite.last().copied());

        let buckets = histogram.buckets();
        prop_assert!(buckets.len() <= 84);
        prop_assert_eq!(buckets.iter().map(|bucket| bucket.count).sum::<u64>(), finite.len() as u64);
        prop_assert_eq!(buckets.first().map(|bucket| bucket.left), finite.first().copied());
        prop_assert_eq!(buckets.last().map(|bucket| bucket.right), finite.last().copied());
        let mut rank = 0;
        for (i, bucket) in buckets.iter().enumerate() {
            prop_assert!(bucket.left <= bucket.right);
            prop_assert!(i == 0 || buckets[i - 1].right == bucket.left);
            rank += bucket.count as usize;
            prop_assert!(finite.partition_point(|&value| value < bucket.right) <= rank);
            prop_assert!(finite.partition_point(|&value| value <= bucket.right) >= rank);
        }
    }

    #[test]
    fn the_split_does_not_matter(
        mut values in vec(value(), 1..6_000),
        repeats in 1_usize..4,
        size in 1_usize..4_000,
    ) {
        let once = values.clone();
        (1..repeats).for_each(|_| values.extend_from_slice(&once));
        let whole = Histogram::from_f32(&values);
        let mut joined = Histogram::new();
        values.chunks(size).for_each(|part| joined.merge(&Histogram::from_f32(part)));
        prop_assert_eq!(joined.buckets(), whole.buckets());
        prop_assert_eq!(joined.zeros(), whole.zeros());
        for q in [0.0, 0.01, 0.25, 0.5, 0.9, 1.0] {
            prop_assert_eq!(joined.quantile(q), whole.quantile(q));
        }
        let wide: Vec<f64> = values.iter().map(|&value| f64::from(value)).collect();
        prop_assert_eq!(Histogram::from_f64(&wide).buckets(), whole.buckets());
    }

    #[test]
    fn quantiles_rise(mut values in vec(value(), 1..3_000), repeats in 1_usize..4) {
        // Few values are as likely as many: all shares then lie between the same two edges.
        if repeats > 1 {
            values.truncate(repeats);
        }
        let histogram = Histogram::from_f32(&values);
        let quantiles: Vec<f64> = (0..=50).filter_map(|i| histogram.quantile(f64::from(i) / 50.0)).collect();
        prop_assert!(quantiles.windows(2).all(|pair| pair[0] <= pair[1]));
    }
}
