//! Magnitude pruning and symmetries of weights against values made by hand.

#![allow(clippy::unwrap_used)]
#![cfg(feature = "tch")]

use convscope::{
    Network,
    arch::{Conv2d, Layer, Linear, ModelSpec},
    data::{Dataset, Normalization},
    explain::{Classifier, Evidence, Pruning, PruningScope, prune},
};
use tch::{Device, Kind, Tensor, nn};

fn named(name: &str, values: &[f32]) -> (String, Tensor) {
    (name.to_owned(), Tensor::from_slice(values))
}

fn values(variables: &[(String, Tensor)], name: &str) -> Vec<f32> {
    Vec::try_from(&variables.iter().find(|(known, _)| known == name).unwrap().1.reshape([-1])).unwrap()
}

/// The definition: sort all magnitudes, zero the first `round(share n)` of them and all that are equal to the last. NaN comes
/// last.
fn slow(values: &[f32], share: f64) -> Vec<f32> {
    let mut magnitudes: Vec<f32> = values.iter().map(|value| value.abs()).collect();
    magnitudes.sort_by(f32::total_cmp);
    let count = (share * values.len() as f64).round() as usize;
    let Some(limit) = count.checked_sub(1).map(|last| magnitudes[last]) else { return values.to_vec() };
    values.iter().map(|value| if value.abs() <= limit { 0.0 } else { *value }).collect()
}

#[test]
fn the_smallest_magnitudes_go() {
    let mut random = fastrand::Rng::with_seed(3);
    let numbers: Vec<f32> = (0..200).map(|_| random.f32() - 0.5).collect();
    let variables =
        [named("a.weight", &numbers[..50]), named("b.weight", &numbers[50..]), named("a.bias", &[0.001])];
    let names = ["a.weight", "b.weight"];
    for share in [0.0, 0.004, 0.1, 0.333, 0.5, 0.99, 1.0] {
        let global = prune(&variables, &names, share, PruningScope::Global).unwrap();
        let expected = slow(&numbers, share);
        assert_eq!(values(&global, "a.weight"), expected[..50], "{share}");
        assert_eq!(values(&global, "b.weight"), expected[50..], "{share}");
        let layers = prune(&variables, &names, share, PruningScope::PerLayer).unwrap();
        assert_eq!(values(&layers, "a.weight"), slow(&numbers[..50], share), "{share}");
        assert_eq!(values(&layers, "b.weight"), slow(&numbers[50..], share), "{share}");
        assert_eq!(values(&global, "a.bias"), [0.001], "biases stay");
    }
    assert_eq!(values(&variables, "a.weight"), numbers[..50], "nothing is changed in place");
}

#[test]
fn equal_magnitudes_go_together_and_nan_goes_last() {
    let variables = [named("a.weight", &[1.0, -1.0, 1.0, 5.0])];
    let pruned = prune(&variables, &["a.weight"], 0.25, PruningScope::Global).unwrap();
    assert_eq!(values(&pruned, "a.weight"), [0.0, 0.0, 0.0, 5.0]);
    let variables = [named("a.weight", &[f32::NAN, 2.0])];
    let pruned = values(&prune(&variables, &["a.weight"], 0.5, PruningScope::PerLayer).unwrap(), "a.weight");
    assert!(pruned[0].is_nan() && pruned[1] == 0.0);

    let variables = [named("a.weight", &[f32::NAN, 2.0, 3.0, f32::INFINITY])];
    for scope in [PruningScope::Global, PruningScope::PerLayer] {
        // Of NaN, 2, 3 and infinity: how many are left.
        for (share, left) in [(0.0, 4), (0.25, 3), (0.5, 2), (0.75, 1), (1.0, 0)] {
            let pruned = values(&prune(&variables, &["a.weight"], share, scope).unwrap(), "a.weight");
            assert_eq!(pruned.iter().filter(|value| **value != 0.0).count(), left, "{share}: {pruned:?}");
            assert_eq!(pruned[0].is_nan(), share < 1.0, "{share}: {pruned:?}");
        }
    }
}

#[test]
fn what_cannot_be_pruned_is_refused() {
    let variables = [named("a.weight", &[1.0])];
    for share in [-0.1, 1.1, f64::NAN] {
        let error = prune(&variables, &["a.weight"], share, PruningScope::Global).unwrap_err().to_string();
        assert!(error.contains("0 to 1 expected"), "{error}");
    }
    let error = prune(&variables, &["b.weight"], 0.5, PruningScope::Global).unwrap_err().to_string();
    assert!(error.starts_with("weight `b.weight`: "), "{error}");
}

/// Two pixels, two classes: the logits are 4 a + 1 b and 2 b.
fn model() -> (ModelSpec, Vec<(String, Tensor)>) {
    let spec = ModelSpec::builder("two", [2, 1, 1])
        .layer("flatten", Layer::Flatten)
        .layer("fc", Linear::new(2).bias(false))
        .build()
        .unwrap();
    let weight = Tensor::from_slice(&[4.0f32, 1.0, 0.0, 2.0]).reshape([2, 2]);
    (spec, vec![("fc.weight".to_owned(), weight)])
}

fn data(pixels: &[f32], labels: &[i64]) -> Dataset {
    let images = Tensor::from_slice(pixels).reshape([-1, 2, 1, 1]);
    Dataset::new(&images, &Tensor::from_slice(labels), vec!["k".to_owned(), "j".to_owned()]).unwrap()
}

#[test]
fn curves_are_those_computed_by_hand() {
    let (spec, variables) = model();
    let network = Network::with_variables(&spec, &variables).unwrap();
    let classifier = Classifier::of_network(&network);
    let (data, normalization) = (data(&[1.0, 0.0, 0.0, 1.0], &[0, 1]), Normalization::identity(2));
    let evidence = Evidence { images: &data, normalization: &normalization };
    let curves = Pruning::new()
        .shares([0.75, 1.0, 0.5, 0.75]) // 0 is measured too, and they rise
        .measure(&classifier, &spec, &variables, &evidence)
        .unwrap();
    let names: Vec<&str> = curves.iter().map(|curve| curve.name.as_str()).collect();
    assert_eq!(names, ["one threshold", "each layer alike", "fc"]);
    // The logits of the two images at each share: 4 0 / 1 2, then 4 0 / 0 2, 4 0 / 0 0, 0 0 / 0 0.
    let loss = |right: f64, wrong: f64| (1.0 + (wrong - right).exp()).ln();
    let expected = [
        (0.25, 1.0, (loss(4.0, 0.0) + loss(2.0, 1.0)) / 2.0),
        (0.5, 1.0, (loss(4.0, 0.0) + loss(2.0, 0.0)) / 2.0),
        (0.75, 0.5, (loss(4.0, 0.0) + loss(0.0, 0.0)) / 2.0),
        (1.0, 0.5, 2f64.ln()),
    ];
    for curve in &curves {
        assert_eq!(curve.points.len(), expected.len(), "{}", curve.name);
        for (point, (share, accuracy, loss)) in curve.points.iter().zip(expected) {
            assert_eq!((point.share, point.accuracy), (share, accuracy), "{}", curve.name);
            assert!((point.loss - loss).abs() < 1e-6, "{}: {} for {loss}", curve.name, point.loss);
        }
    }
}

/// The weight of a head that feeds no output is the smallest of all, and stays.
#[test]
fn auxiliary_heads_are_left_out() {
    let spec = ModelSpec::builder("aside", [2, 1, 1])
        .layer("flatten", Layer::Flatten)
        .layer("aside", Linear::new(2).bias(false))
        .auxiliary("aside")
        .layer_from("fc", ["flatten"], Linear::new(2).bias(false))
        .build()
        .unwrap();
    let weight = |name: &str, values: [f32; 4]| {
        (format!("{name}.weight"), Tensor::from_slice(&values).reshape([2, 2]))
    };
    let variables = [weight("aside", [0.1, 0.1, 0.1, 0.1]), weight("fc", [4.0, 1.0, 0.0, 2.0])];
    let network = Network::with_variables(&spec, &variables).unwrap();
    let classifier = Classifier::of_network(&network);
    let (data, normalization) = (data(&[1.0, 0.0, 0.0, 1.0], &[0, 1]), Normalization::identity(2));
    let evidence = Evidence { images: &data, normalization: &normalization };
    let curves = Pruning::new().shares([0.5]).measure(&classifier, &spec, &variables, &evidence).unwrap();
    let shares: Vec<(&str, Vec<f64>)> = (curves.iter())
        .map(|curve| (curve.name.as_str(), curve.points.iter().map(|point| point.share).collect()))
        .collect();
    let names = ["one threshold", "each layer alike", "fc"];
    assert_eq!(shares, names.map(|name| (name, vec![0.25, 0.5])));
}

#[test]
fn one_layer_alone_leaves_the_others() {
    let spec = ModelSpec::builder("two_layers", [1, 4, 4])
        .layer("conv", Conv2d::new(3, 3))
        .layer("flatten", Layer::Flatten)
        .layer("fc", Linear::new(2))
        .build()
        .unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec).unwrap();
    let mut variables: Vec<(String, Tensor)> = store.variables().into_iter().collect();
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    let images =
        Tensor::from_slice(&(0..32).map(|i| (i as f32).sin()).collect::<Vec<_>>()).reshape([2, 1, 4, 4]);
    let data = Dataset::new(&images, &Tensor::from_slice(&[0i64, 1]), vec!["k".into(), "j".into()]).unwrap();
    let normalization = Normalization::identity(1);
    let evidence = Evidence { images: &data, normalization: &normalization };
    let classifier = Classifier::of_network(&network);
    let curves = Pruning::new().shares([1.0]).measure(&classifier, &spec, &variables, &evidence).unwrap();
    // Without weights of `fc` its biases are the logits, whatever `conv` makes of the images; the same with those of all.
    let bias: Vec<f64> =
        Vec::try_from(variables.iter().find(|(name, _)| name == "fc.bias").unwrap().1.to_kind(Kind::Double))
            .unwrap();
    let loss = |right: f64, wrong: f64| (1.0 + (wrong - right).exp()).ln();
    let expected = (loss(bias[0], bias[1]) + loss(bias[1], bias[0])) / 2.0;
    let of = |name: &str| curves.iter().find(|curve| curve.name == name).unwrap().points[1].loss;
    for name in ["fc", "one threshold", "each layer alike"] {
        assert!((of(name) - expected).abs() < 1e-6, "{name}");
    }
    assert!((of("conv") - expected).abs() > 1e-9, "the weights of `fc` see the biases of `conv`");
    assert!(classifier.passed() > 0, "images of changed networks count too");
}
