//! Floor 5: statistics of tensors against plain loops in `f64`, known values, and properties.

#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)]

use convscope::{
    capture::Role,
    rules::TensorStats,
    stats::{self, GradientNoise, Quantiles, tensor_stats},
};
use proptest::prelude::*;
use tch::{Device, Kind, Tensor};

fn tensor(values: &[f64]) -> Tensor {
    Tensor::from_slice(values)
}

/// Normal numbers by the Box-Muller transform, the same in every run.
fn normal(count: usize, seed: u64) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut one = || (-2.0 * (1.0 - random.f64()).ln()).sqrt() * (std::f64::consts::TAU * random.f64()).cos();
    (0..count).map(|_| one()).collect()
}

fn close_to(found: f64, expected: f64, tolerance: f64) {
    let near = (found - expected).abs() <= tolerance * expected.abs().max(1.0);
    assert!(near || (found.is_nan() && expected.is_nan()), "{found} found, {expected} expected");
}

fn close(found: f64, expected: f64) {
    close_to(found, expected, 1e-12);
}

/// The same figures by plain loops: two passes, sorted values.
fn slow(values: &[f64]) -> TensorStats {
    let mut finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let nan = values.iter().filter(|value| value.is_nan()).count() as u64;
    let infinite = values.iter().filter(|value| value.is_infinite()).count() as u64;
    if finite.is_empty() {
        let none = f64::NAN;
        return TensorStats {
            nan,
            infinite,
            mean: none,
            std: none,
            min: none,
            max: none,
            l1: none,
            l2: none,
            ..TensorStats::default()
        };
    }
    let n = finite.len() as f64;
    let mean = finite.iter().sum::<f64>() / n;
    let variance = finite.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
    finite.sort_by(f64::total_cmp);
    let quantile = |share: f64| {
        let place = share * (n - 1.0);
        let (low, high) = (finite[place.floor() as usize], finite[place.ceil() as usize]);
        low + (high - low) * place.fract()
    };
    TensorStats {
        count: finite.len() as u64,
        zeros: finite.iter().filter(|&&value| value == 0.0).count() as u64,
        nan,
        infinite,
        mean,
        std: variance.sqrt(),
        min: finite[0],
        max: finite[finite.len() - 1],
        l1: finite.iter().map(|value| value.abs()).sum(),
        l2: finite.iter().map(|value| value * value).sum::<f64>().sqrt(),
        quantiles: Some(TensorStats::SHARES.map(quantile)),
    }
}

fn agree(found: &TensorStats, expected: &TensorStats, tolerance: f64) {
    let counts = |stats: &TensorStats| (stats.count, stats.zeros, stats.nan, stats.infinite);
    assert_eq!(counts(found), counts(expected));
    let figures = |stats: &TensorStats| [stats.mean, stats.std, stats.min, stats.max, stats.l1, stats.l2];
    for (found, expected) in figures(found).into_iter().zip(figures(expected)) {
        close_to(found, expected, tolerance);
    }
    assert_eq!(found.quantiles.is_some(), expected.quantiles.is_some());
    for (found, expected) in found.quantiles.iter().flatten().zip(expected.quantiles.iter().flatten()) {
        close_to(*found, *expected, tolerance);
    }
}

#[test]
fn known_values_with_some_that_are_not_finite() {
    let values = [1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -2.0, f64::NAN];
    for kind in [Kind::Half, Kind::BFloat16, Kind::Float, Kind::Double] {
        let found = tensor_stats(&tensor(&values).to_kind(kind), Quantiles::Yes).unwrap();
        assert_eq!((found.count, found.nan, found.infinite, found.zeros), (3, 2, 2, 1));
        assert_eq!((found.min, found.max), (-2.0, 1.0));
        close(found.mean, -1.0 / 3.0);
        agree(&found, &slow(&values), 1e-12);
    }
}

#[test]
fn figures_of_every_kind_and_layout_agree_with_a_loop() {
    let mut random = fastrand::Rng::with_seed(5);
    let values: Vec<f64> = (0..600).map(|_| f64::from(random.u8(0..=100).saturating_sub(30))).collect();
    for kind in [
        Kind::Half,
        Kind::BFloat16,
        Kind::Float,
        Kind::Double,
        Kind::Uint8,
        Kind::Int8,
        Kind::Int16,
        Kind::Int,
        Kind::Int64,
        Kind::Bool,
    ] {
        let flat = tensor(&values).to_kind(kind);
        let seen: Vec<f64> = Vec::try_from(&flat.to_kind(Kind::Double)).unwrap();
        let transposed = flat.view([20, 30]).transpose(0, 1);
        assert!(!transposed.is_contiguous());
        for tensor in [&flat, &transposed] {
            agree(&tensor_stats(tensor, Quantiles::Yes).unwrap(), &slow(&seen), 1e-12);
        }
    }
    let strided = tensor(&values).slice(0, 3, 500, 7);
    let seen: Vec<f64> = values[3..500].iter().copied().step_by(7).collect();
    agree(&tensor_stats(&strided, Quantiles::Yes).unwrap(), &slow(&seen), 1e-12);
}

#[test]
fn large_means_do_not_swallow_small_deviations() {
    // A sum of squares minus a squared mean would lose all digits of the deviation.
    let values: Vec<f64> = normal(200_000, 3).iter().map(|value| 1e8 + value * 1e-2).collect();
    let found = tensor_stats(&tensor(&values), Quantiles::No).unwrap();
    close_to(found.std, slow(&values).std, 1e-6);
    assert!((found.std - 1e-2).abs() < 1e-4, "{}", found.std);
}

#[test]
fn half_precision_does_not_overflow() {
    let found = tensor_stats(&tensor(&[60000.0; 100]).to_kind(Kind::Half), Quantiles::Yes).unwrap();
    let value = 60000.0;
    agree(&found, &slow(&[value; 100]), 1e-12);
    assert_eq!(found.l1, 100.0 * value);
}

#[test]
fn pieces_are_put_together() {
    // More than three pieces on the host, with NaN in the second alone.
    let mut values = normal(200_000, 7);
    values[70_000] = f64::NAN;
    values[70_001] = f64::INFINITY;
    values[100] = 0.0;
    let found = tensor_stats(&tensor(&values), Quantiles::No).unwrap();
    agree(&found, &TensorStats { quantiles: None, ..slow(&values) }, 1e-10);
    // A piece without a single finite value.
    let mut values = vec![f64::NAN; 70_000];
    values.extend([1.0, 3.0]);
    let found = tensor_stats(&tensor(&values), Quantiles::No).unwrap();
    assert_eq!((found.count, found.nan, found.mean, found.std), (2, 70_000, 2.0, 1.0));
}

#[test]
fn quantiles_of_large_tensors_are_those_of_an_even_sample() {
    // Rows of 64: a sample at every 64th value would see one column alone.
    let values: Vec<f64> = (0..1 << 20).map(|i| f64::from(i % 64)).collect();
    let found = tensor_stats(&tensor(&values), Quantiles::Yes).unwrap();
    let exact = slow(&values);
    for (found, exact) in found.quantiles.unwrap().iter().zip(exact.quantiles.unwrap()) {
        assert!((found - exact).abs() <= 1.0, "{found} found, {exact} exact");
    }
    let values = normal(300_000, 9);
    let found = tensor_stats(&tensor(&values), Quantiles::Yes).unwrap();
    let quantiles = found.quantiles.unwrap();
    for (quantile, share) in quantiles.iter().zip(TensorStats::SHARES) {
        let below = values.iter().filter(|&value| value < quantile).count() as f64 / values.len() as f64;
        assert!((below - share).abs() < 0.015, "{below} of the values below the quantile at {share}");
    }
}

#[test]
fn edges_of_tensor_stats() {
    let empty = tensor_stats(&Tensor::zeros([0, 3], (Kind::Float, Device::Cpu)), Quantiles::Yes).unwrap();
    agree(&empty, &slow(&[]), 0.0);
    let nan = tensor_stats(&tensor(&[f64::NAN, f64::INFINITY]), Quantiles::Yes).unwrap();
    agree(&nan, &slow(&[f64::NAN, f64::INFINITY]), 0.0);
    let one = tensor_stats(&Tensor::from(2.5f64), Quantiles::Yes).unwrap();
    agree(&one, &slow(&[2.5]), 0.0);
    let minus_zero = tensor_stats(&tensor(&[-0.0, 1.0]), Quantiles::No).unwrap();
    assert_eq!(minus_zero.zeros, 1);
    assert!(tensor_stats(&Tensor::new(), Quantiles::No).unwrap_err().to_string().contains("undefined"));

    let several = [tensor(&[1.0]), tensor(&[]), tensor(&[2.0, 4.0])];
    let found = stats::tensor_stats_all(&several, Quantiles::Yes).unwrap();
    let expected = [slow(&[1.0]), slow(&[]), slow(&[2.0, 4.0])];
    found.iter().zip(&expected).for_each(|(found, expected)| agree(found, expected, 0.0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_values_agree_with_a_loop(values in prop::collection::vec(
        prop_oneof![
            8 => -1e6..1e6f64,
            2 => Just(0.0),
            1 => Just(f64::NAN),
            1 => Just(f64::INFINITY),
            1 => Just(f64::NEG_INFINITY),
        ],
        0..200,
    )) {
        let found = tensor_stats(&tensor(&values), Quantiles::Yes).unwrap();
        agree(&found, &slow(&values), 1e-9);
        if found.count > 0 {
            let quantiles = found.quantiles.unwrap();
            prop_assert!(quantiles.is_sorted() && found.min <= quantiles[0] && quantiles[6] <= found.max);
        }
        prop_assert_eq!(found.count + found.non_finite(), values.len() as u64);
    }

    #[test]
    fn scaling_a_parameter_and_its_update_keeps_their_ratio(
        values in prop::collection::vec(0.1..10.0f64, 1..50), scale in 0.01..100.0f64
    ) {
        let before = tensor(&values);
        let after = tensor(&values.iter().map(|value| value * 1.01 + 0.003).collect::<Vec<_>>());
        let ratio = stats::update_ratio(&before, &after).unwrap().unwrap();
        let scaled = stats::update_ratio(&(&before * scale), &(&after * scale)).unwrap().unwrap();
        close_to(scaled, ratio, 1e-9);
    }

    #[test]
    fn ranks_lie_between_one_and_the_full_rank(
        values in prop::collection::vec(-1.0..1.0f64, 12), scale in 0.1..10.0f64
    ) {
        let matrix = tensor(&values).view([3, 4]);
        let found = stats::spectrum(&matrix).unwrap();
        prop_assert_eq!(found.full_rank, 3);
        for rank in [found.stable_rank, found.effective_rank] {
            prop_assert!((1.0 - 1e-9..=3.0 + 1e-9).contains(&rank), "{}", rank);
        }
        prop_assert!(found.stable_rank <= found.effective_rank * (1.0 + 1e-9));
        let scaled = stats::spectrum(&(&matrix * scale)).unwrap();
        close_to(scaled.norm, found.norm * scale, 1e-9);
        close_to(scaled.effective_rank, found.effective_rank, 1e-6);
    }
}

#[test]
fn spectra_of_known_matrices() {
    let diagonal = Tensor::from_slice(&[3.0, 2.0, 1.0, 0.0]).diag(0);
    let found = stats::spectrum(&diagonal).unwrap();
    close(found.norm, 3.0);
    close(found.stable_rank, 1.555_555_555_555_555_6);
    close(found.effective_rank, 2.749_459_273_997_205);
    assert_eq!(found.full_rank, 4);

    let zero = stats::spectrum(&Tensor::zeros([3, 2, 5, 5], (Kind::Float, Device::Cpu))).unwrap();
    assert_eq!((zero.norm, zero.stable_rank, zero.effective_rank, zero.full_rank), (0.0, 0.0, 0.0, 3));
    let empty = stats::spectrum(&Tensor::zeros([3, 0], (Kind::Float, Device::Cpu))).unwrap();
    assert_eq!((empty.norm, empty.full_rank), (0.0, 0));
    // u·vᵀ has rank 1, wide or tall.
    let (u, v) = (tensor(&[1.0, -2.0, 2.0]), tensor(&[3.0, 0.0, 4.0, 0.0, 0.0]));
    for outer in [u.outer(&v), v.outer(&u)] {
        let one = stats::spectrum(&outer).unwrap();
        close(one.norm, 15.0);
        close(one.stable_rank, 1.0);
        close(one.effective_rank, 1.0);
    }
    let nan = stats::spectrum(&tensor(&[1.0, f64::NAN]).view([1, 2])).unwrap();
    assert!(nan.norm.is_nan() && nan.stable_rank.is_nan() && nan.effective_rank.is_nan());
}

#[test]
fn a_kernel_is_a_matrix_of_one_row_per_output() {
    // Singular values by libtorch's own decomposition.
    let kernel = tensor(&normal(6 * 2 * 9, 4)).view([6, 2, 3, 3]);
    let (_, singular, _) = kernel.view([6, 18]).svd(true, true);
    let singular: Vec<f64> = Vec::try_from(&singular).unwrap();
    let sum: f64 = singular.iter().sum();
    let entropy: f64 = singular.iter().map(|s| -(s / sum) * (s / sum).ln()).sum();
    let squares: f64 = singular.iter().map(|s| s * s).sum();
    for kernel in [kernel.shallow_clone(), kernel.transpose(2, 3).contiguous().transpose(2, 3)] {
        let found = stats::spectrum(&kernel).unwrap();
        close_to(found.norm, singular[0], 1e-10);
        close_to(found.stable_rank, squares / (singular[0] * singular[0]), 1e-10);
        close_to(found.effective_rank, entropy.exp(), 1e-8);
        assert_eq!(found.full_rank, 6);
    }
    let error = stats::spectrum(&tensor(&[1.0, 2.0])).unwrap_err().to_string();
    assert!(error.contains("[2]") && error.contains("two or more dimensions"), "{error}");
    let huge = Tensor::zeros([1], (Kind::Float, Device::Cpu)).expand([4096, 9216], false);
    let error = stats::spectrum(&huge).unwrap_err().to_string();
    assert!(error.contains("4096 × 9216") && error.contains("too large"), "{error}");
}

#[test]
fn update_ratios_of_known_optimisers() {
    // Gradient [0.1, 0.2, 0.2], norm 0.3, on weights of norm 3.
    let weights = [1.0, 2.0, 2.0];
    let gradient = [0.1, 0.2, 0.2];
    let minus = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a - b).collect::<Vec<f64>>();
    let times = |a: &[f64], factor: f64| a.iter().map(|a| a * factor).collect::<Vec<f64>>();
    let ratio = |before: &[f64], after: &[f64]| {
        stats::update_ratio(&tensor(before), &tensor(after)).unwrap().unwrap()
    };
    let after = minus(&weights, &times(&gradient, 0.01));
    close(ratio(&weights, &after), 0.000_999_999_999_999_999_8);
    // Momentum 0.9, second step: 0.01 · 1.9 · g.
    let second = minus(&after, &times(&gradient, 0.019));
    close(ratio(&after, &second), 0.001_901_901_901_901_902);
    // Adam's first step moves every weight by the learning rate, but for its epsilon of 1e-8.
    let adam: Vec<f64> = gradient.iter().map(|g| 0.001 * g / (g + 1e-8)).collect();
    close(ratio(&weights, &minus(&weights, &adam)), 0.000_577_350_230_699_610_9);
}

#[test]
fn update_ratios_at_the_edges() {
    let ratio = |before: &[f64], after: &[f64]| stats::update_ratio(&tensor(before), &tensor(after)).unwrap();
    assert_eq!(ratio(&[0.0, 0.0], &[-0.001, -0.001]), None);
    assert_eq!(ratio(&[1.0, 1.0], &[1.0, 1.0]), Some(0.0));
    assert_eq!(ratio(&[], &[]), None);
    assert!(ratio(&[1.0, 1.0], &[1.0, f64::NAN]).unwrap().is_nan());
    let pairs = [(tensor(&[2.0]), tensor(&[1.0])), (tensor(&[0.0]), tensor(&[1.0]))];
    assert_eq!(stats::update_ratios(&pairs).unwrap(), [Some(0.5), None]);
    let error = stats::update_ratio(&tensor(&[1.0]), &tensor(&[1.0, 2.0])).unwrap_err().to_string();
    assert!(error.contains("[1]") && error.contains("[2]"), "{error}");
    // More than one piece; half precision, where the difference is exact.
    let before = Tensor::ones([100_000], (Kind::Half, Device::Cpu));
    close(stats::update_ratio(&before, &(&before * 1.5)).unwrap().unwrap(), 0.5);
}

/// CRC-32 bit by bit.
fn crc(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()))
    };
    !bytes.iter().fold(!0, step)
}

#[test]
fn a_fingerprint_is_the_checksum_of_the_bits() {
    assert_eq!(crc(b"123456789"), 0xCBF4_3926, "the published check value");
    let values: Vec<f32> = normal(70_000, 6).iter().map(|&value| value as f32).collect();
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_ne_bytes()).collect();
    let found = Tensor::from_slice(&values);
    assert_eq!(stats::fingerprint(&found).unwrap(), crc(&bytes));
    // The logical order counts, not that of the memory.
    let transposed = found.view([700, 100]).transpose(0, 1).contiguous().transpose(0, 1);
    assert_eq!(stats::fingerprint(&transposed).unwrap(), crc(&bytes));
    assert_eq!(stats::fingerprint(&Tensor::from_slice(&[true, false])).unwrap(), crc(&[1, 0]));
    let print = |value: f64, kind| stats::fingerprint(&tensor(&[value]).to_kind(kind)).unwrap();
    assert_eq!(print(1.0, Kind::Half), crc(&0x3C00u16.to_ne_bytes()));
    assert_eq!(print(1.0, Kind::BFloat16), crc(&0x3F80u16.to_ne_bytes()));
    assert_ne!(print(0.0, Kind::Float), print(-0.0, Kind::Float));
    assert_eq!(stats::fingerprint(&tensor(&[])).unwrap(), crc(&[]));
}

#[test]
fn saturation_follows_from_the_derivative() {
    let inputs: Vec<f64> = (-200..=200).map(|i| f64::from(i) / 10.0).collect();
    let tensor = tensor(&inputs);
    for threshold in [1e-7, 1e-3, 0.1, 0.2] {
        let slow = |derivative: &dyn Fn(f64) -> f64| {
            inputs.iter().filter(|&&input| derivative(input) < threshold).count() as f64 / inputs.len() as f64
        };
        let tanh = slow(&|x: f64| 1.0 / x.cosh().powi(2));
        let sigmoid = slow(&|x: f64| 1.0 / (1.0 + (-x).exp()) * (1.0 - 1.0 / (1.0 + (-x).exp())));
        assert!(tanh > 0.0 && sigmoid > 0.0);
        let found =
            |output: Tensor, role| stats::saturated_fraction(&output, role, threshold).unwrap().unwrap();
        close(found(tensor.tanh(), Role::Tanh), tanh);
        close(found(tensor.sigmoid(), Role::Sigmoid), sigmoid);
    }
    // The places that 1e-7 stands for.
    let share = |values: &[f64], role| {
        let output = self::tensor(values);
        let output = if role == Role::Tanh { output.tanh() } else { output.sigmoid() };
        stats::saturated_fraction(&output, role, 1e-7).unwrap().unwrap()
    };
    assert_eq!(share(&[8.75, 8.76], Role::Tanh), 0.5);
    assert_eq!(share(&[-16.11, -16.13], Role::Sigmoid), 0.5);

    for kind in [Kind::Half, Kind::BFloat16, Kind::Float] {
        let output = self::tensor(&[-9.0, -0.5, 0.5, 9.0]).tanh().to_kind(kind);
        assert_eq!(stats::saturated_fraction(&output, Role::Tanh, 1e-3).unwrap(), Some(0.5));
    }
    let nan = self::tensor(&[f64::NAN, 1.0]);
    assert_eq!(stats::saturated_fraction(&nan, Role::Tanh, 1e-3).unwrap(), Some(0.5));
    assert_eq!(stats::saturated_fraction(&self::tensor(&[]), Role::Tanh, 1e-3).unwrap(), None);
    assert_eq!(stats::saturated_fraction(&nan, Role::SoftRelu, 1e-3).unwrap(), None);
}

#[test]
fn near_zero_is_relative_to_the_rms() {
    let values = normal(100_000, 8);
    let rms = (values.iter().map(|value| value * value).sum::<f64>() / values.len() as f64).sqrt();
    let slow = values.iter().filter(|value| value.abs() <= 0.1 * rms).count() as f64 / values.len() as f64;
    close(stats::near_zero_fraction(&tensor(&values), 0.1).unwrap().unwrap(), slow);
    // A factor changes nothing.
    close(stats::near_zero_fraction(&(tensor(&values) * 1e-9), 0.1).unwrap().unwrap(), slow);
    assert_eq!(stats::near_zero_fraction(&tensor(&[0.0, 0.0]), 0.1).unwrap(), Some(1.0));
    assert_eq!(stats::near_zero_fraction(&tensor(&[]), 0.1).unwrap(), None);
    // What is not finite is neither near zero nor in the RMS.
    assert_eq!(
        stats::near_zero_fraction(&tensor(&[1.0, 0.0, f64::NAN, f64::INFINITY]), 0.1).unwrap(),
        Some(0.25)
    );
}

#[test]
fn dropout_is_read_from_its_input_and_output() {
    let input = tensor(&normal(100_000, 10));
    let mut random = fastrand::Rng::with_seed(11);
    let kept: Vec<f64> = (0..100_000).map(|_| f64::from(u8::from(random.f64() < 0.8))).collect();
    let expected = kept.iter().sum::<f64>() / kept.len() as f64;
    // Behind a ReLU half of the values are 0 already: these are not dropped.
    for input in [input.shallow_clone(), input.relu()] {
        let output = &input * tensor(&kept) / 0.8;
        let found = stats::dropout_keep_rate(&input, &output).unwrap().unwrap();
        assert!((found - expected).abs() < 0.005, "{found}");
        // The formula against the variance of what dropout put out.
        let before = tensor_stats(&input, Quantiles::No).unwrap();
        let after = tensor_stats(&output, Quantiles::No).unwrap();
        let ratio = stats::dropout_variance_ratio(before.mean, before.std.powi(2), found).unwrap();
        close_to(ratio, after.std.powi(2) / before.std.powi(2), 0.01);
    }
    assert_eq!(stats::dropout_keep_rate(&tensor(&[0.0]), &tensor(&[0.0])).unwrap(), None);
    assert!(stats::dropout_keep_rate(&tensor(&[0.0]), &tensor(&[0.0, 1.0])).is_err());
    for (keep, ratio) in [(0.9, 1.166_666_666_666_666_5), (0.8, 1.375), (0.5, 2.5)] {
        close(stats::dropout_variance_ratio(1.0, 2.0, keep).unwrap(), ratio);
    }
    assert_eq!(stats::dropout_variance_ratio(1.0, 0.0, 0.5), None);
    assert_eq!(stats::dropout_variance_ratio(1.0, 2.0, 0.0), None);
    assert_eq!(stats::dropout_variance_ratio(1.0, 2.0, 1.0), Some(1.0));
}

/// Gradients of images scatter about [3, 4] with variance 4 and 1: |G|² = 25, tr(Σ) = 5.
#[test]
fn gradient_noise_finds_what_the_gradients_were_made_of() {
    let noise = GradientNoise::new().decay(0.999);
    let draws = normal(2 * 24 * 4000, 12);
    for batch in draws.chunks(2 * 24) {
        let mut images = batch.chunks(2).map(|draw| [3.0 + 2.0 * draw[0], 4.0 + draw[1]]);
        // Parts of different sizes, and the parameters in two tensors.
        for size in [4usize, 8, 12] {
            let mut mean = [0.0; 2];
            for image in images.by_ref().take(size) {
                mean.iter_mut().zip(image).for_each(|(mean, value)| *mean += value / size as f64);
            }
            noise.add(&[tensor(&mean[..1]), tensor(&mean[1..])], size as u64).unwrap();
        }
        noise.end_batch().unwrap();
    }
    close_to(noise.squared_gradient().unwrap(), 25.0, 0.02);
    close_to(noise.trace().unwrap(), 5.0, 0.05);
    close_to(noise.scale().unwrap(), 0.2, 0.05);
}

#[test]
fn gradient_noise_of_one_batch_by_hand() {
    // Two parts of one image each: g = [2, 0], |g|² = 4, mean |gᵢ|² = (1 + 9) / 2 = 5.
    let noise = GradientNoise::new();
    assert_eq!((noise.scale(), noise.trace()), (None, None));
    noise.add(&[tensor(&[1.0, 0.0])], 1).unwrap();
    noise.add(&[tensor(&[3.0, 0.0]).to_kind(Kind::Half)], 1).unwrap();
    noise.end_batch().unwrap();
    // |G|² = (2·4 − 1·5) / (2 − 1) = 3; tr(Σ) = (5 − 4) / (1 − 1/2) = 2.
    close(noise.squared_gradient().unwrap(), 3.0);
    close(noise.trace().unwrap(), 2.0);
    close(noise.scale().unwrap(), 2.0 / 3.0);
    // A batch of one part says nothing; opposite gradients leave no estimate of |G|².
    noise.add(&[tensor(&[9.0, 9.0])], 1).unwrap();
    noise.end_batch().unwrap();
    close(noise.scale().unwrap(), 2.0 / 3.0);
    let only_noise = GradientNoise::new();
    for sign in [1.0, -1.0] {
        only_noise.add(&[tensor(&[sign])], 4).unwrap();
    }
    only_noise.end_batch().unwrap();
    assert!(only_noise.squared_gradient().unwrap() < 0.0 && only_noise.scale().is_none());

    noise.add(&[tensor(&[1.0, 0.0])], 1).unwrap();
    let error = noise.add(&[tensor(&[1.0])], 1).unwrap_err().to_string();
    assert!(error.contains("[[1]]") && error.contains("[[2]]"), "{error}");
    assert!(noise.add(&[tensor(&[1.0, 0.0])], 0).unwrap_err().to_string().contains("no images"));
}
