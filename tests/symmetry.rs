//! Symmetries of weights: which layers have them, and that the function stays.

#![allow(clippy::unwrap_used)]
#![cfg(feature = "tch")]

use convscope::{
    Network,
    arch::{BatchNorm2d, Conv2d, Layer, Linear, MaxPool2d, ModelSpec},
    explain::{Classifier, SymmetricPair, Symmetry},
};
use tch::{Kind, Tensor};

/// Variables of a spec with numbers of our own, in double precision.
fn variables(spec: &ModelSpec, seed: u64) -> Vec<(String, Tensor)> {
    let mut random = fastrand::Rng::with_seed(seed);
    let model = spec.resolve().unwrap();
    let tensors = model.layers.iter().flat_map(|layer| layer.params.iter().map(move |param| (layer, param)));
    tensors
        .map(|(layer, param)| {
            let shift = if param.name == "running_var" { 0.6 } else { 0.0 };
            let values: Vec<f64> = (0..param.len()).map(|_| random.f64() - 0.5 + shift).collect();
            (format!("{}.{}", layer.name, param.name), Tensor::from_slice(&values).reshape(&param.dims))
        })
        .collect()
}

fn images(spec: &ModelSpec, count: i64) -> Tensor {
    let [channels, height, width] = spec.input;
    let values: Vec<f64> = (0..count * channels * height * width).map(|i| (i as f64 * 0.7).sin()).collect();
    Tensor::from_slice(&values).reshape([count, channels, height, width])
}

fn logits(spec: &ModelSpec, variables: &[(String, Tensor)], images: &Tensor) -> Vec<f64> {
    let network = Network::with_variables(spec, variables).unwrap();
    Vec::try_from(&network.f_forward_t(images, false).unwrap().reshape([-1])).unwrap()
}

/// All that a pair can lead through: batch normalisation, ReLU, a depthwise convolution, pooling, dropout, flattening.
fn rich() -> ModelSpec {
    ModelSpec::builder("rich", [2, 8, 8])
        .layer("conv1", Conv2d::new(6, 3).padding(1))
        .layer("bn1", BatchNorm2d::new())
        .layer("relu1", Layer::Relu)
        .layer("depthwise", Conv2d::new(6, 3).groups(6))
        .layer("relu2", Layer::Relu)
        .layer("pool", MaxPool2d::new(2))
        .layer("conv2", Conv2d::new(4, 2))
        .layer("gelu", Layer::Gelu(convscope::arch::Gelu::new()))
        .layer("flatten", Layer::Flatten)
        .layer("fc1", Linear::new(5))
        .layer("relu3", Layer::Relu)
        .layer("fc2", Linear::new(3))
        .build()
        .unwrap()
}

#[test]
fn pairs_are_found_with_what_lies_between() {
    let (pairs, refused) = SymmetricPair::find(&rich().resolve().unwrap());
    let words: Vec<String> = pairs.iter().map(ToString::to_string).collect();
    assert_eq!(
        words,
        [
            "conv1 -> bn1 -> relu1 -> depthwise -> relu2 -> pool -> conv2",
            "conv2 -> gelu -> flatten -> fc1",
            "fc1 -> relu3 -> fc2",
        ]
    );
    let scaled: Vec<Option<&str>> = pairs.iter().map(|pair| pair.scaled.as_deref()).collect();
    assert_eq!(scaled, [Some("depthwise"), None, Some("fc1")], "GELU is not homogeneous");
    assert_eq!(pairs.iter().map(|pair| pair.positions).collect::<Vec<_>>(), [1, 4, 1]);
    let expected = [("depthwise", "it is a grouped convolution"), ("fc2", "it is the last layer")];
    assert_eq!(refused, expected.map(|(layer, why)| (layer.to_owned(), why.to_owned())));
}

#[test]
fn other_weights_give_the_same_logits() {
    let spec = rich();
    let (before, images) = (variables(&spec, 1), images(&spec, 3));
    let expected = logits(&spec, &before, &images);
    for pair in SymmetricPair::find(&spec.resolve().unwrap()).0 {
        let count = pair.channels;
        let permutation: Vec<i64> = (0..count).map(|channel| (channel + 2) % count).collect();
        let scales: Vec<f64> = (0..count)
            .map(|channel| if pair.scaled.is_some() { 0.5 + channel as f64 } else { 1.0 })
            .collect();
        let after = pair.apply(&before, &permutation, &scales).unwrap();
        let found = logits(&spec, &after, &images);
        for (found, expected) in found.iter().zip(&expected) {
            assert!(
                (found - expected).abs() < 1e-12 * expected.abs().max(1.0),
                "{pair}: {found} for {expected}"
            );
        }
        let moved: f64 = before
            .iter()
            .zip(&after)
            .map(|((_, a), (_, b))| (a - b).abs().max().double_value(&[]))
            .fold(0.0, f64::max);
        assert!(moved > 0.1, "{pair}: the weights are others");
        let control = logits(&spec, &pair.apply_to_first(&before, &permutation, &scales).unwrap(), &images);
        assert!(
            control.iter().zip(&expected).any(|(a, b)| (a - b).abs() > 1e-3),
            "{pair}: half of it is another function"
        );
    }
}

#[test]
fn a_permutation_by_hand() {
    let spec = ModelSpec::builder("hand", [1, 1, 1])
        .layer("flatten", Layer::Flatten)
        .layer("fc1", Linear::new(2))
        .layer("relu", Layer::Relu)
        .layer("fc2", Linear::new(2).bias(false))
        .build()
        .unwrap();
    let tensor = |values: &[f64], size: &[i64]| Tensor::from_slice(values).reshape(size);
    let before = vec![
        ("fc1.weight".to_owned(), tensor(&[1.0, 2.0], &[2, 1])),
        ("fc1.bias".to_owned(), tensor(&[3.0, 4.0], &[2])),
        ("fc2.weight".to_owned(), tensor(&[5.0, 6.0, 7.0, 8.0], &[2, 2])),
    ];
    let pair = SymmetricPair::find(&spec.resolve().unwrap()).0.remove(0);
    let after = pair.apply(&before, &[1, 0], &[2.0, 4.0]).unwrap();
    let values: Vec<Vec<f64>> = after.iter().map(|(_, t)| Vec::try_from(&t.reshape([-1])).unwrap()).collect();
    assert_eq!(values, [vec![4.0, 4.0], vec![8.0, 12.0], vec![3.0, 1.25, 4.0, 1.75]]);
}

#[test]
fn why_there_is_no_pair_is_said() {
    let spec = ModelSpec::builder("residual", [2, 4, 4])
        .layer("conv1", Conv2d::new(2, 1))
        .layer("conv2", Conv2d::new(2, 1))
        .layer_from("add", ["conv1", "conv2"], Layer::Add)
        .layer("pool", Layer::GlobalAvgPool)
        .layer("softmax", Layer::Softmax)
        .build()
        .unwrap();
    let (pairs, refused) = SymmetricPair::find(&spec.resolve().unwrap());
    assert!(pairs.is_empty());
    let why: Vec<&str> = refused.iter().map(|(_, why)| why.as_str()).collect();
    assert_eq!(why, ["2 layers read `conv1`", "`add` joins it with other outputs"]);
    let variables = variables(&spec, 2);
    let network = Network::with_variables(&spec, &variables).unwrap();
    let classifier = Classifier::of_network(&network);
    let refused =
        Symmetry::new().demonstrate(&classifier, &spec, &variables, &images(&spec, 1), 0).unwrap_err();
    assert!(refused.to_string().contains("no pair of layers"), "{refused}");
    assert!(refused.to_string().contains("`conv1`: 2 layers read `conv1`"), "{refused}");
}

#[test]
fn bad_permutations_and_scales_are_refused() {
    let spec = rich();
    let variables = variables(&spec, 3);
    let pairs = SymmetricPair::find(&spec.resolve().unwrap()).0;
    let refused = |pair: usize, permutation: &[i64], scales: &[f64]| {
        pairs[pair].apply(&variables, permutation, scales).unwrap_err().to_string()
    };
    assert!(refused(2, &[0, 1], &[1.0; 5]).contains("2 places and 5 scales found for 5 channels"));
    assert!(refused(2, &[0, 1, 2, 3, 3], &[1.0; 5]).contains("each channel from 0 to 4 once expected"));
    assert!(refused(2, &[0, 1, 2, 3, 4], &[1.0, 1.0, 0.0, 1.0, 1.0]).contains("a scale of 0 found"));
    assert!(refused(1, &[0, 1, 2, 3], &[2.0; 4]).contains("is not homogeneous"));
}

#[test]
fn the_demonstration_measures_both_spaces() {
    let spec = rich();
    let (variables, images) = (variables(&spec, 4), images(&spec, 4));
    let network = Network::with_variables(&spec, &variables).unwrap();
    let classifier = Classifier::of_network(&network);
    let found = Symmetry::new().demonstrate(&classifier, &spec, &variables, &images, 5).unwrap();
    assert_eq!(found.pair.first, "conv1");
    assert!(
        found.permutation.iter().enumerate().all(|(place, channel)| place as i64 != *channel),
        "all move"
    );
    assert!(found.scales.iter().all(|scale| (0.5..=2.0).contains(scale)));
    assert!(found.output_difference < 1e-12 * found.output_scale.max(1.0));
    assert!(found.control_difference > 1e-3);
    assert!(found.is_rounding() && found.rounding == 1e-4);
    let far =
        convscope::explain::SymmetryFound { output_difference: found.control_difference, ..found.clone() };
    assert!(!far.is_rounding(), "the control is another function");
    // The distance by hand: all tensors but the running statistics.
    let changed = found.pair.apply(&variables, &found.permutation, &found.scales).unwrap();
    let squares = variables
        .iter()
        .zip(&changed)
        .filter(|((name, _), _)| !name.contains("running"))
        .map(|((_, a), (_, b))| (a - b).square().sum(Kind::Double).double_value(&[]));
    assert!((found.weight_distance - squares.sum::<f64>().sqrt()).abs() < 1e-9);
    let again = Symmetry::new().demonstrate(&classifier, &spec, &variables, &images, 5).unwrap();
    assert_eq!(again, found, "the seed decides");
    let other = Symmetry::new().layer("fc1").demonstrate(&classifier, &spec, &variables, &images, 5).unwrap();
    assert_eq!(other.pair.first, "fc1");
}
