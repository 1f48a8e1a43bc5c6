//! Parameters start as PyTorch's do.

#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use convscope::{
    Network,
    arch::{BatchNorm2d, Conv2d, Layer, Linear, ModelSpec},
};
use tch::{Device, Kind, Tensor, nn};

/// libtorch has one generator for all threads, and the tests of this file run on several.
static GENERATOR: Mutex<()> = Mutex::new(());

fn parameters(seed: i64, spec: &ModelSpec) -> BTreeMap<String, Tensor> {
    let _guard = GENERATOR.lock().unwrap_or_else(PoisonError::into_inner);
    tch::manual_seed(seed);
    let store = nn::VarStore::new(Device::Cpu);
    Network::new(&store.root(), spec).unwrap();
    store.variables().into_iter().collect()
}

fn spec() -> ModelSpec {
    ModelSpec::builder("init", [8, 12, 12])
        .layer("conv", Conv2d::new(512, [5, 3]))
        .layer("grouped", Conv2d::new(1024, 3).groups(64))
        .layer("bn", BatchNorm2d::new())
        .layer("pool", Layer::GlobalAvgPool)
        .layer("fc", Linear::new(300))
        .build()
        .unwrap()
}

/// A uniform distribution in ±bound has the mean 0, the variance bound²/3 and the kurtosis 9/5.
#[test]
fn weights_and_biases_are_uniform_within_one_over_the_root_of_fan_in() {
    let parameters = parameters(1, &spec());
    for (name, fan_in) in [("conv", 8 * 5 * 3), ("grouped", 512 / 64 * 9), ("fc", 1024)] {
        let bound = 1.0 / f64::from(fan_in).sqrt();
        for part in ["weight", "bias"] {
            let tensor = parameters[&format!("{name}.{part}")].to_kind(Kind::Double) / bound;
            let n = tensor.numel() as f64;
            let moment = |k: f64| tensor.pow_tensor_scalar(k).mean(Kind::Double).double_value(&[]);
            let what = format!("{name}.{part}");
            // Five standard deviations of each mean over n values.
            assert!(moment(1.0).abs() < 5.0 * (1.0 / 3.0 / n).sqrt(), "{what}: mean {}", moment(1.0));
            assert!(
                (moment(2.0) - 1.0 / 3.0).abs() < 5.0 * (4.0 / 45.0 / n).sqrt(),
                "{what}: {}",
                moment(2.0)
            );
            assert!((moment(4.0) - 0.2).abs() < 5.0 * (16.0 / 225.0 / n).sqrt(), "{what}: {}", moment(4.0));
            let most = tensor.abs().max().double_value(&[]);
            // The chance that n values all miss the outermost 20/n of the range is e^-20.
            assert!(most <= 1.0 + 1e-6 && most > 1.0 - 20.0 / n, "{what}: {most}");
        }
    }
}

#[test]
fn batch_normalisation_starts_as_the_identity() {
    let parameters = parameters(1, &spec());
    for (part, value) in [("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)] {
        let tensor = &parameters[&format!("bn.{part}")];
        assert!(tensor.equal(&Tensor::full([1024], value, (Kind::Float, Device::Cpu))), "{part}");
    }
}

#[test]
fn the_seed_decides() {
    let [one, again, other] = [7, 7, 8].map(|seed| parameters(seed, &spec()));
    for (name, tensor) in &one {
        assert!(tensor.equal(&again[name]), "{name}");
    }
    assert!(!one["conv.weight"].equal(&other["conv.weight"]));
    assert!(!one["fc.bias"].equal(&other["fc.bias"]));
}
