//! The histogram against slow twins: sorted values, and plain sums.

use convscope::{Bucket, Histogram};

/// Uniform numbers from a splitmix64 sequence, and the shapes that the tensors of a CNN have.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In the open interval from 0 to 1.
    fn uniform(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    /// Standard normal, by Box and Muller.
    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// Student's t with two degrees of freedom, by its inverse distribution function.
    fn student2(&mut self) -> f64 {
        let p = self.uniform();
        (2.0 * p - 1.0) / (2.0 * p * (1.0 - p)).sqrt()
    }

    fn sample(seed: u64, n: usize, draw: impl Fn(&mut Random) -> f64) -> Vec<f32> {
        let mut random = Random(seed);
        (0..n).map(|_| draw(&mut random) as f32).collect()
    }
}

type Draw = fn(&mut Random) -> f64;

/// The four shapes that the tensors of a CNN have.
const SHAPES: [(&str, Draw); 4] = [
    ("weights: N(0, 0.02)", |r| 0.02 * r.normal()),
    ("scales of batch normalisation: 1 + N(0, 0.001)", |r| 1.0 + 0.001 * r.normal()),
    ("gradients: Student's t, 2 degrees of freedom", Random::student2),
    ("activations: ReLU of N(0, 1)", |r| r.normal().max(0.0)),
];

/// Harder ones, each with its limit for the quantiles that are drawn.
const HARDER: [(&str, Draw, f64); 8] = [
    ("1 + N(0, 0.0001)", |r| 1.0 + 0.0001 * r.normal(), 0.01),
    ("1 + N(0, 0.00001), a hundred steps of f32", |r| 1.0 + 0.000_01 * r.normal(), 0.01),
    ("-300 + N(0, 0.01)", |r| -300.0 + 0.01 * r.normal(), 0.01),
    ("uniform", Random::uniform, 0.01),
    ("256 levels", |r| (r.uniform() * 256.0).floor() / 255.0, 0.01),
    ("log-normal", |r| (2.0 * r.normal()).exp(), 0.02),
    ("two clusters", |r| if r.uniform() < 0.5 { -2.0 } else { 3.0 } + 0.1 * r.normal(), 0.01),
    // Nine values of ten within a thousandth of 1, the tenth anywhere from 0 to 1.
    (
        "saturated sigmoid",
        |r| if r.uniform() < 0.9 { 1.0 + 0.001 * r.uniform().ln() } else { r.uniform() },
        0.1,
    ),
];

/// What TensorBoard's Distributions page makes of the buckets: it takes the right edge of the bucket before as the
/// left edge of each, and passes over empty ones.
fn tensorboard_quantile(buckets: &[Bucket], q: f64) -> f64 {
    let total: u64 = buckets.iter().map(|b| b.count).sum();
    let rank = q * total as f64;
    let (mut below, mut left) = (0.0, buckets[0].left);
    for bucket in buckets {
        let above = below + bucket.count as f64;
        if above > rank && bucket.count > 0 {
            return left + (rank - below) * (bucket.right - left) / (above - below);
        }
        if above > 0.0 {
            left = bucket.right;
        }
        below = above;
    }
    buckets[buckets.len() - 1].right
}

/// Quantile of sorted values, linear between them.
fn exact_quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let (low, share) = (at.floor() as usize, at.fract());
    sorted[low] * (1.0 - share) + sorted[(low + 1).min(sorted.len() - 1)] * share
}

fn sorted(values: &[f32]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().map(|&v| f64::from(v)).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Worst deviation of a quantile, in units of the interquartile range. At a step between two values of the sample the
/// quantile is anything from the one to the other, hence deviations are measured from the nearer one.
fn worst_error(sorted: &[f64], qs: impl Iterator<Item = f64>, of: impl Fn(f64) -> f64) -> f64 {
    let iqr = exact_quantile(sorted, 0.75) - exact_quantile(sorted, 0.25);
    let n = sorted.len();
    let mut worst: f64 = 0.0;
    for q in qs {
        let rank = q * n as f64;
        let low = sorted[(rank.floor() as usize).saturating_sub(1)];
        let high = sorted[(rank.ceil() as usize).min(n - 1)];
        worst = worst.max(low - of(q)).max(of(q) - high);
    }
    worst / iqr
}

/// The quantiles that the Distributions page draws.
const DRAWN: [f64; 9] = [0.0, 0.0668, 0.1587, 0.3085, 0.5, 0.6915, 0.8413, 0.9332, 1.0];

fn steps(n: usize) -> impl Iterator<Item = f64> {
    (1..n).map(move |i| i as f64 / n as f64)
}

#[test]
fn quantiles_are_close() {
    for (name, draw) in SHAPES {
        let values = Random::sample(7, 1_000_000, draw);
        let sorted = sorted(&values);
        let histogram = Histogram::from_f32(&values);
        let buckets = histogram.buckets();
        let drawn = worst_error(&sorted, DRAWN.into_iter(), |q| tensorboard_quantile(&buckets, q));
        let dense = worst_error(&sorted, steps(1000), |q| tensorboard_quantile(&buckets, q));
        let fine = worst_error(&sorted, steps(1000), |q| histogram.quantile(q).unwrap());
        println!("{name}: drawn {drawn:.5}, dense {dense:.5}, fine {fine:.5}, {} buckets", buckets.len());
        assert!(drawn <= 0.002 && dense <= 0.02 && fine <= 0.002, "{name}: {drawn} {dense} {fine}");
        check_buckets(&sorted, &buckets);
    }
}

#[test]
fn drawn_quantiles_are_close_for_harder_shapes() {
    for (name, draw, limit) in HARDER {
        for n in [2_000, 100_000] {
            let values = Random::sample(11, n, draw);
            let sorted = sorted(&values);
            let buckets = Histogram::from_f32(&values).buckets();
            let drawn = worst_error(&sorted, DRAWN.into_iter(), |q| tensorboard_quantile(&buckets, q));
            println!("{name}: drawn {drawn:.5}, {} buckets", buckets.len());
            assert!(drawn <= limit, "{name}, {n} values: {drawn}");
            check_buckets(&sorted, &buckets);
        }
    }
}

/// What readers rely on: sorted edges without gaps, extremes at the ends, and as many values up to an edge as lie
/// there.
fn check_buckets(sorted: &[f64], buckets: &[Bucket]) {
    assert!((1..=84).contains(&buckets.len()), "{} buckets", buckets.len());
    assert_eq!(buckets[0].left, sorted[0]);
    assert_eq!(buckets[buckets.len() - 1].right, sorted[sorted.len() - 1]);
    let mut rank = 0;
    for (i, bucket) in buckets.iter().enumerate() {
        assert!(bucket.left <= bucket.right, "{bucket:?}");
        assert!(i == 0 || buckets[i - 1].right == bucket.left, "a gap before {bucket:?}");
        rank += bucket.count as usize;
        let below = sorted.partition_point(|&value| value < bucket.right);
        let up_to = sorted.partition_point(|&value| value <= bucket.right);
        assert!((below..=up_to).contains(&rank), "{rank} values up to {}: {below} to {up_to}", bucket.right);
    }
    assert_eq!(rank, sorted.len());
}

#[test]
fn parts_join_to_the_whole() {
    for (name, draw) in SHAPES.into_iter().chain(HARDER.map(|(name, draw, _)| (name, draw))) {
        let values = Random::sample(3, 150_000, draw);
        let whole = Histogram::from_f32(&values);
        for size in [1_000, 2_049, 70_001] {
            let mut forward = Histogram::new();
            values.chunks(size).for_each(|part| forward.merge(&Histogram::from_f32(part)));
            let mut backward = Histogram::new();
            values.rchunks(size).for_each(|part| backward.merge(&Histogram::from_f32(part)));
            for joined in [forward, backward] {
                assert_same(&joined, &whole, name);
            }
        }
        let wide: Vec<f64> = values.iter().map(|&value| value.into()).collect();
        assert_same(&Histogram::from_f64(&wide), &whole, name);
    }
}

/// Bit for bit, but for the sums.
fn assert_same(a: &Histogram, b: &Histogram, what: &str) {
    assert_eq!(a.buckets(), b.buckets(), "{what}");
    for i in 0..=100 {
        let q = f64::from(i) / 100.0;
        assert_eq!(a.quantile(q).map(f64::to_bits), b.quantile(q).map(f64::to_bits), "{what}, quantile {q}");
    }
    assert_eq!((a.len(), a.count(), a.zeros()), (b.len(), b.count(), b.zeros()), "{what}");
    assert_eq!((a.nan(), a.pos_inf(), a.neg_inf()), (b.nan(), b.pos_inf(), b.neg_inf()), "{what}");
    assert_eq!((a.min(), a.max()), (b.min(), b.max()), "{what}");
    let magnitudes = (a.sum_squares() * a.count() as f64).sqrt(); // at least the sum of magnitudes
    assert!((a.sum() - b.sum()).abs() <= 1e-12 * magnitudes, "{what}: {} {}", a.sum(), b.sum());
    assert!((a.sum_squares() - b.sum_squares()).abs() <= 1e-12 * b.sum_squares(), "{what}");
}

#[test]
fn sums_are_those_of_a_plain_loop() {
    let values = Random::sample(5, 100_003, |r| if r.uniform() < 0.3 { 0.0 } else { 2.0 + r.normal() });
    let histogram = Histogram::from_f32(&values);
    let (mut sum, mut squares, mut zeros) = (0.0, 0.0, 0);
    for &value in &values {
        sum += f64::from(value);
        squares += f64::from(value) * f64::from(value);
        zeros += u64::from(value == 0.0);
    }
    let n = values.len() as f64;
    let mean = sum / n;
    let deviation = values.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>() / n;
    let close = |a: f64, b: f64| (a - b).abs() <= 1e-10 * b.abs();
    assert!(close(histogram.sum(), sum) && close(histogram.sum_squares(), squares));
    assert!(close(histogram.mean().unwrap(), mean) && close(histogram.std().unwrap(), deviation.sqrt()));
    assert!(close(histogram.l2(), squares.sqrt()));
    assert_eq!(histogram.zeros(), zeros);
    assert_eq!(histogram.zero_fraction(), Some(zeros as f64 / n));
}

#[test]
fn no_finite_value_is_an_empty_histogram() {
    for (values, len) in [(&[][..], 0), (&[f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::NAN][..], 4)] {
        let histogram = Histogram::from_f32(values);
        assert_eq!((histogram.len(), histogram.count(), histogram.is_empty()), (len, 0, len == 0));
        assert_eq!(
            (histogram.min(), histogram.max(), histogram.mean(), histogram.std()),
            (None, None, None, None)
        );
        assert_eq!((histogram.quantile(0.5), histogram.zero_fraction()), (None, None));
        assert_eq!((histogram.sum(), histogram.l2()), (0.0, 0.0));
        assert!(histogram.buckets().is_empty());
    }
}

#[test]
fn what_is_not_finite_is_counted_apart() {
    let mut values = Random::sample(2, 50_000, Random::normal);
    let finite = Histogram::from_f32(&values);
    values.extend([f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::INFINITY, -f32::NAN, f32::NAN]);
    values.rotate_right(20_000);
    let histogram = Histogram::from_f32(&values);
    assert_eq!((histogram.nan(), histogram.pos_inf(), histogram.neg_inf()), (3, 2, 1));
    assert_eq!((histogram.len(), histogram.count()), (50_006, 50_000));
    assert_eq!(histogram.buckets(), finite.buckets());
}

#[test]
fn zeros_of_either_sign_and_the_smallest_numbers_differ() {
    let tiny = f32::from_bits(1);
    let histogram = Histogram::from_f32(&[0.0, -0.0, tiny, -tiny, -tiny]);
    assert_eq!(histogram.zeros(), 2);
    let tiny = f64::from(tiny);
    assert_eq!((histogram.min(), histogram.max()), (Some(-tiny), Some(tiny)));
    let occupied: Vec<(f64, f64, u64)> =
        histogram.buckets().iter().filter(|b| b.count > 0).map(|b| (b.left, b.right, b.count)).collect();
    assert_eq!(occupied, [(-tiny, -tiny, 2), (0.0, 0.0, 2), (tiny, tiny, 1)]);

    let only = Histogram::from_f32(&[-0.0, -0.0]);
    assert_eq!(only.min().map(f64::to_bits), Some(0));
    assert_eq!(only.buckets(), [Bucket { left: 0.0, right: 0.0, count: 2 }]);
}

#[test]
fn numbers_at_the_ends_of_the_range_have_their_place() {
    let mut random = Random(1);
    // Every exponent, subnormal numbers and both signs, and a wide middle that takes the coarse grid.
    let narrow: Vec<f32> = (0..60_000)
        .map(|_| f32::from_bits(random.bits() as u32))
        .filter(|value| value.is_finite())
        .chain((1..3_000).map(f32::from_bits))
        .chain([f32::MAX, f32::MIN])
        .collect();
    let sorted_narrow = sorted(&narrow);
    let whole = Histogram::from_f32(&narrow);
    check_buckets(&sorted_narrow, &whole.buckets());
    let mut joined = Histogram::new();
    narrow.chunks(700).for_each(|part| joined.merge(&Histogram::from_f32(part)));
    assert_eq!(joined.buckets(), whole.buckets());
    assert_eq!(joined.quantile(0.3), whole.quantile(0.3));

    let mut wide: Vec<f64> =
        (0..60_000).map(|_| f64::from_bits(random.bits())).filter(|value| value.is_finite()).collect();
    wide.extend([f64::MAX, f64::MIN, 1e300, -1e300, 5e-324]);
    let whole = Histogram::from_f64(&wide);
    let mut joined = Histogram::new();
    wide.chunks(700).for_each(|part| joined.merge(&Histogram::from_f64(part)));
    assert_eq!(joined.buckets(), whole.buckets());
    wide.sort_by(f64::total_cmp);
    check_buckets(&wide, &whole.buckets());
}

#[test]
fn numbers_closer_than_f32_can_tell_are_told_apart() {
    let mut random = Random(9);
    let values: Vec<f64> = (0..50_000).map(|_| 1e6 + 1e-6 * random.normal()).collect();
    let buckets = Histogram::from_f64(&values).buckets();
    let mut sorted = values;
    sorted.sort_by(f64::total_cmp);
    check_buckets(&sorted, &buckets);
    let drawn = worst_error(&sorted, DRAWN.into_iter(), |q| tensorboard_quantile(&buckets, q));
    assert!(drawn <= 0.02, "{drawn}");
}

#[test]
fn a_spread_beyond_all_measure_is_reduced_too() {
    let mut values: Vec<f64> = (1..=3_000).map(|i| f64::from(i) * 5e-324).collect();
    values.extend([f64::MAX, f64::MIN]);
    let buckets = Histogram::from_f64(&values).buckets();
    values.sort_by(f64::total_cmp);
    check_buckets(&values, &buckets);
}

#[test]
fn quantiles_outside_of_the_range_are_none() {
    let histogram = Histogram::from_f32(&[1.0, 2.0]);
    assert_eq!((histogram.quantile(0.0), histogram.quantile(1.0)), (Some(1.0), Some(2.0)));
    assert_eq!(
        (histogram.quantile(-0.1), histogram.quantile(1.1), histogram.quantile(f64::NAN)),
        (None, None, None)
    );
}
