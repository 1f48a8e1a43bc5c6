//! Nanoseconds per value from a slice to the histogram that is written, beside the usual way: a binary search in the
//! 1,549 fixed limits (powers of 1.1) that PyTorch's and TensorBoard's first writers use.
//!
//! `cargo bench --bench histogram --no-default-features`

use std::{hint::black_box, time::Instant};

use convscope::Histogram;

/// Uniform numbers from a splitmix64 sequence.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    fn student2(&mut self) -> f64 {
        let p = self.uniform();
        (2.0 * p - 1.0) / (2.0 * p * (1.0 - p)).sqrt()
    }
}

type Draw = fn(&mut Random) -> f64;

const SHAPES: [(&str, Draw); 4] = [
    ("weights, N(0, 0.02)", |r| 0.02 * r.normal()),
    ("scales, 1 + N(0, 0.001)", |r| 1.0 + 0.001 * r.normal()),
    ("gradients, Student's t", Random::student2),
    ("activations, ReLU of N(0, 1)", |r| r.normal().max(0.0)),
];

/// The usual way: fixed limits, a binary search per value, and the sums beside it.
struct FixedLimits {
    limits: Vec<f64>,
}

impl FixedLimits {
    fn new() -> FixedLimits {
        let positive: Vec<f64> = std::iter::successors(Some(1e-12), |limit| Some(limit * 1.1))
            .take_while(|&limit| limit < 1e20)
            .collect();
        let mut limits: Vec<f64> = positive.iter().rev().map(|limit| -limit).collect();
        limits.push(0.0);
        limits.extend(positive);
        limits.push(f64::MAX);
        FixedLimits { limits }
    }

    fn count(&self, values: &[f32]) -> (Vec<u64>, [f64; 4]) {
        let mut counts = vec![0; self.limits.len()];
        let [mut min, mut max, mut sum, mut squares] = [f64::INFINITY, f64::NEG_INFINITY, 0.0, 0.0];
        for &value in values {
            let value = f64::from(value);
            counts[self.limits.partition_point(|&limit| limit < value)] += 1;
            min = min.min(value);
            max = max.max(value);
            sum += value;
            squares += value * value;
        }
        (counts, [min, max, sum, squares])
    }
}

/// Nanoseconds per value: the fastest of several rounds, which other work of the computer disturbs least.
fn fastest<T>(values: &[f32], mut work: impl FnMut(&[f32]) -> T) -> f64 {
    let rounds = (20_000_000 / values.len()).clamp(5, 2_000);
    let round = |_| {
        let start = Instant::now();
        black_box(work(black_box(values)));
        start.elapsed().as_secs_f64()
    };
    let seconds = (0..rounds).map(round).fold(f64::INFINITY, f64::min);
    seconds * 1e9 / values.len() as f64
}

fn main() {
    if std::env::args().any(|argument| argument == "--test") {
        return; // `cargo test --benches` has nothing to measure
    }
    let fixed = FixedLimits::new();
    println!(
        "{:<30}{:>10}{:>10}{:>10}{:>10}{:>10}",
        "ns per value", "values", "count", "+ edges", "usual", "ratio"
    );
    for (name, draw) in SHAPES {
        for n in [1_000, 100_000, 10_000_000] {
            let mut random = Random(1);
            let values: Vec<f32> = (0..n).map(|_| draw(&mut random) as f32).collect();
            let count = fastest(&values, Histogram::from_f32);
            let whole = fastest(&values, |values| Histogram::from_f32(values).buckets());
            let usual = fastest(&values, |values| fixed.count(values));
            println!("{name:<30}{n:>10}{count:>10.2}{whole:>10.2}{usual:>10.2}{:>10.1}", usual / whole);
        }
    }
}
