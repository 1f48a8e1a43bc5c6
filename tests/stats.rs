//! Floor 5: numbers about tensors, against known values and against plain loops.

#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)]

use convscope::stats::{self, Norm};
use tch::{Device, Kind, Tensor};

/// Values with zeros, as bytes, so that every kind can hold them.
fn sample(count: usize) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(11);
    (0..count).map(|_| f64::from(random.u8(0..=20).saturating_sub(8))).collect()
}

fn tensor(values: &[f64]) -> Tensor {
    Tensor::from_slice(values)
}

fn close(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() <= 1e-12 * expected.abs().max(1.0),
        "{found} found, {expected} expected"
    );
}

/// Two images, three channels, 2 x 2: channel 1 is silent.
fn activation() -> Tensor {
    #[rustfmt::skip]
    let values = [
        1.0, 0.0, 2.0, 0.0,  0.0, 0.0, 0.0, 0.0,  5.0, 0.0, 0.0, 0.0,
        0.0, 0.0, 0.0, 3.0,  0.0, 0.0, 0.0, 0.0,  1.0, 0.0, 0.0, 0.0,
    ];
    tensor(&values).view([2, 3, 2, 2]).to_kind(Kind::Float)
}

#[test]
fn sparsity_of_a_known_activation() {
    close(stats::zero_fraction(&activation()).unwrap(), 19.0 / 24.0);
    assert_eq!(stats::channel_zero_fractions(&activation()).unwrap(), [0.625, 1.0, 0.75]);
}

#[test]
fn sparsity_of_every_kind_and_shape() {
    let values = sample(4 * 5 * 3);
    let expected: Vec<f64> = (0..5)
        .map(|channel| {
            let of_channel = values.iter().enumerate().filter(|(i, _)| i / 3 % 5 == channel);
            of_channel.filter(|&(_, &value)| value == 0.0).count() as f64 / 12.0
        })
        .collect();
    let zeros = values.iter().filter(|&&value| value == 0.0).count() as f64 / 60.0;
    assert!(zeros > 0.2 && zeros < 0.8);
    for kind in [Kind::Half, Kind::BFloat16, Kind::Float, Kind::Double, Kind::Uint8, Kind::Int64, Kind::Bool]
    {
        let tensor = tensor(&values).view([4, 5, 3]).to_kind(kind);
        close(stats::zero_fraction(&tensor).unwrap(), zeros);
        for (found, &expected) in stats::channel_zero_fractions(&tensor).unwrap().into_iter().zip(&expected) {
            close(found, expected);
        }
        // The same tensor, not contiguous.
        let transposed = tensor.transpose(1, 2).contiguous().transpose(1, 2);
        assert!(!transposed.is_contiguous());
        close(stats::channel_zero_fractions(&transposed).unwrap()[2], expected[2]);
    }
}

#[test]
fn sparsity_at_the_edges() {
    let nonfinite = tensor(&[f64::NAN, f64::INFINITY, 0.0, -0.0]);
    assert_eq!(stats::zero_fraction(&nonfinite).unwrap(), 0.5);
    let empty = Tensor::zeros([0, 3], (Kind::Float, Device::Cpu));
    assert!(stats::zero_fraction(&empty).unwrap().is_nan());
    let of_empty = stats::channel_zero_fractions(&empty).unwrap();
    assert!(of_empty.len() == 3 && of_empty.iter().all(|fraction| fraction.is_nan()));
    let no_channels = Tensor::zeros([3, 0], (Kind::Float, Device::Cpu));
    assert!(stats::channel_zero_fractions(&no_channels).unwrap().is_empty());
    assert_eq!(
        stats::channel_zero_fractions(&Tensor::ones([2, 2], (Kind::Float, Device::Cpu))).unwrap(),
        [0.0; 2]
    );

    let error = stats::channel_zero_fractions(&tensor(&[1.0])).unwrap_err().to_string();
    assert!(error.contains("[1]") && error.contains("dimension 1"), "{error}");
}

#[test]
fn norms_of_known_vectors() {
    let gradients = [tensor(&[3.0, 4.0]), tensor(&[12.0])];
    let cases =
        [(Norm::L2, [5.0, 12.0], 13.0), (Norm::L1, [7.0, 12.0], 19.0), (Norm::Max, [4.0, 12.0], 12.0)];
    for (norm, expected, total) in cases {
        let found = stats::norms(&gradients, norm).unwrap();
        assert_eq!(found, expected, "{norm:?}");
        close(stats::total_norm(&found, norm), total);
    }
    assert_eq!(stats::norm(&gradients[0]).unwrap(), 5.0);
    assert_eq!(stats::norms(&[] as &[Tensor], Norm::L2).unwrap(), [0.0; 0]);
    assert_eq!(stats::total_norm(&[], Norm::Max), 0.0);
}

#[test]
fn norms_of_every_kind_agree_with_a_loop() {
    let values = sample(1000);
    let slow = |tensor: &Tensor| -> [f64; 3] {
        let values: Vec<f64> = Vec::try_from(&tensor.flatten(0, -1)).unwrap();
        let l1 = values.iter().map(|value| value.abs()).sum();
        let l2 = values.iter().map(|value| value * value).sum::<f64>().sqrt();
        [l1, l2, values.iter().fold(0.0, |max: f64, value| max.max(value.abs()))]
    };
    for kind in [Kind::Half, Kind::BFloat16, Kind::Float, Kind::Double, Kind::Uint8, Kind::Int, Kind::Bool] {
        let tensor = tensor(&values).view([10, 100]).to_kind(kind).transpose(0, 1);
        for (norm, expected) in [Norm::L1, Norm::L2, Norm::Max].into_iter().zip(slow(&tensor)) {
            close(stats::norms(&[&tensor], norm).unwrap()[0], expected);
        }
    }
}

#[test]
fn norms_at_the_edges() {
    let norm = |values: &[f64]| stats::norm(&tensor(values)).unwrap();
    assert!(norm(&[1.0, f64::NAN]).is_nan());
    assert!(norm(&[f64::INFINITY, f64::NAN]).is_nan());
    assert_eq!(norm(&[1.0, f64::NEG_INFINITY]), f64::INFINITY);
    assert_eq!(norm(&[]), 0.0);
    for norm in [Norm::L1, Norm::L2, Norm::Max] {
        assert_eq!(stats::norms(&[tensor(&[]), tensor(&[2.0])], norm).unwrap(), [0.0, 2.0]);
        assert!(stats::norms(&[tensor(&[f64::NAN, 1.0])], norm).unwrap()[0].is_nan());
        assert!(stats::total_norm(&[1.0, f64::NAN, 2.0], norm).is_nan());
        assert_eq!(stats::total_norm(&[1.0, f64::INFINITY], norm), f64::INFINITY);
    }
    // The sum of squares would overflow where the values are stored: 60000^2 > 65504, 1e30^2 > 3.4e38.
    let half = tensor(&[60000.0; 100]).to_kind(Kind::Half);
    close(stats::norm(&half).unwrap(), 10.0 * 60000.0);
    let float = Tensor::from_slice(&[3e30f32, 4e30]);
    close(stats::norm(&float).unwrap() / 5e30, f64::from(3e30f32).hypot(f64::from(4e30f32)) / 5e30);
}

#[test]
fn tensors_of_more_than_a_chunk() {
    let len = (1 << 22) + 3;
    let ones = Tensor::ones([len], (Kind::Float, Device::Cpu));
    close(stats::norm(&ones).unwrap(), (len as f64).sqrt());
    close(stats::norms(&[&ones, &ones], Norm::L1).unwrap()[1], len as f64);
    let histogram = stats::histogram(&ones.slice(0, 0, 1, 1).expand([len], false)).unwrap();
    assert_eq!((histogram.count(), histogram.sum()), (len as u64, len as f64));
}

#[test]
fn a_histogram_counts_what_is_not_finite() {
    let values = [1.0, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0, -2.0, f64::NAN];
    for kind in [Kind::Half, Kind::Float, Kind::Double] {
        let histogram = stats::histogram(&tensor(&values).to_kind(kind)).unwrap();
        assert_eq!(histogram.len(), 7);
        assert_eq!((histogram.nan(), histogram.pos_inf(), histogram.neg_inf()), (2, 1, 1));
        assert_eq!((histogram.count(), histogram.zeros()), (3, 1));
        assert_eq!((histogram.min(), histogram.max()), (Some(-2.0), Some(1.0)));
        assert_eq!(histogram.mean(), Some(-1.0 / 3.0));
    }
}

#[test]
fn histograms_of_every_kind() {
    let values = sample(300);
    for kind in [
        Kind::Half,
        Kind::BFloat16,
        Kind::Float,
        Kind::Double,
        Kind::Uint8,
        Kind::Int8,
        Kind::Int16,
        Kind::Int64,
    ] {
        let histogram =
            stats::histogram(&tensor(&values).view([3, 100]).to_kind(kind).transpose(0, 1)).unwrap();
        assert_eq!((histogram.count(), histogram.sum()), (300, values.iter().sum()), "{kind:?}");
        assert_eq!(histogram.zeros(), values.iter().filter(|&&value| value == 0.0).count() as u64);
    }
    let flags = stats::histogram(&Tensor::from_slice(&[true, false, true])).unwrap();
    assert_eq!((flags.zeros(), flags.max()), (1, Some(1.0)));
    // Beyond what an f32 tells apart.
    let large = stats::histogram(&Tensor::from_slice(&[(1i64 << 40) + 1])).unwrap();
    assert_eq!(large.max(), Some(((1i64 << 40) + 1) as f64));
    assert_eq!(stats::histogram(&tensor(&[])).unwrap().len(), 0);
}

#[test]
fn what_is_not_a_real_number_is_refused() {
    let complex = Tensor::zeros([2], (Kind::ComplexFloat, Device::Cpu));
    for (tensor, expected) in [(complex, "ComplexFloat"), (Tensor::new(), "undefined")] {
        for error in [
            stats::histogram(&tensor).unwrap_err(),
            stats::zero_fraction(&tensor).unwrap_err(),
            stats::channel_zero_fractions(&tensor).unwrap_err(),
            stats::norm(&tensor).unwrap_err(),
        ] {
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}

/// Neither the graph, nor `.grad`, nor libtorch's random numbers. The only test here that draws from those.
#[test]
fn looking_changes_nothing() {
    let look = |tensor: &Tensor| {
        stats::histogram(tensor).unwrap();
        stats::zero_fraction(tensor).unwrap();
        stats::channel_zero_fractions(tensor).unwrap();
        stats::norm(tensor).unwrap();
    };
    let leaf = tensor(&[1.0, -2.0]).view([1, 2]).set_requires_grad(true);
    let hidden = leaf.relu();
    let version = hidden.internal_version();
    look(&leaf);
    look(&hidden);
    assert!(!leaf.grad().defined());
    assert_eq!(hidden.internal_version(), version);
    hidden.sum(Kind::Double).backward();
    assert_eq!(Vec::<f64>::try_from(&leaf.grad().view(-1)).unwrap(), [1.0, 0.0]);
    assert!((&leaf * 2.0).requires_grad(), "the graph is recorded as before");

    let draw = |between: &dyn Fn()| {
        tch::manual_seed(3);
        between();
        Vec::<f64>::try_from(&Tensor::rand([4], (Kind::Double, Device::Cpu))).unwrap()
    };
    assert_eq!(draw(&|| look(&leaf)), draw(&|| ()));
}
