//! Where a network is linear, its weights and log-odds against weights chosen by hand.

#![allow(clippy::unwrap_used)]
#![cfg(feature = "tch")]

use convscope::{
    MemorySink, Network, Step,
    arch::{AvgPool2d, BatchNorm2d, Conv2d, Dropout, Layer, Linear, ModelSpec},
    explain::{Case, Classifier, LinearModel, LinearStudy, Report, Sample, Study, Subject},
};
use tch::Tensor;

fn numbers(count: i64, seed: u64) -> Vec<f32> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..count).map(|_| random.f32() - 0.5).collect()
}

fn variables(spec: &ModelSpec) -> Vec<(String, Tensor)> {
    let model = spec.resolve().unwrap();
    let tensors = model.layers.iter().flat_map(|layer| layer.params.iter().map(move |param| (layer, param)));
    tensors
        .zip(1..)
        .map(|((layer, param), seed)| {
            let tensor = Tensor::from_slice(&numbers(param.len(), seed)).reshape(&param.dims);
            let tensor = if param.name == "running_var" { tensor + 1.0 } else { tensor };
            (format!("{}.{}", layer.name, param.name), tensor)
        })
        .collect()
}

fn values(variables: &[(String, Tensor)], name: &str) -> Vec<f32> {
    Vec::try_from(&variables.iter().find(|(known, _)| known == name).unwrap().1.reshape([-1])).unwrap()
}

fn images(spec: &ModelSpec, count: i64) -> Tensor {
    let [channels, height, width] = spec.input;
    Tensor::from_slice(&numbers(count * channels * height * width, 77))
        .reshape([count, channels, height, width])
}

fn found(spec: &ModelSpec, variables: &[(String, Tensor)]) -> Result<LinearModel, String> {
    let network = Network::with_variables(spec, variables).unwrap();
    let classifier = Classifier::of_network(&network);
    let found = LinearModel::find(&classifier, &images(spec, 3), 9).unwrap();
    assert!(!network.tap().is_armed(), "no edit is left behind");
    found
}

fn assert_close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-5, "{found} for {expected}");
    }
}

#[test]
fn logistic_regression_on_pixels() {
    let spec = ModelSpec::builder("softmax_regression", [1, 3, 4])
        .layer("flatten", Layer::Flatten)
        .layer("drop", Dropout::new())
        .layer("fc", Linear::new(3))
        .build()
        .unwrap();
    let variables = variables(&spec);
    let model = found(&spec, &variables).unwrap();
    assert_eq!(
        (model.layer.as_deref(), model.place(), model.shape.as_slice()),
        (None, "image", &[1, 3, 4][..])
    );
    let (weights, bias) = (values(&variables, "fc.weight"), values(&variables, "fc.bias"));
    assert_close(&model.weights, &weights);
    assert_close(&model.bias.iter().map(|bias| *bias as f32).collect::<Vec<_>>(), &bias);
    assert!(model.error < 1e-4);
    assert_eq!((model.classes(), model.features(), model.predictors()), (3, 12, 12));
    assert_eq!(model.predictor(7), "pixel (1, 3)");

    // ln(P(k) / P(j)) of the network's own probabilities.
    let network = Network::with_variables(&spec, &variables).unwrap();
    let image = images(&spec, 1);
    let log_probabilities = Classifier::of_network(&network).log_probabilities(&image).unwrap();
    let pixels: Vec<f32> = Vec::try_from(&image.reshape([-1])).unwrap();
    for (k, j) in [(0, 1), (2, 0), (1, 1)] {
        let measured = log_probabilities.double_value(&[0, k]) - log_probabilities.double_value(&[0, j]);
        let (k, j) = (k as usize, j as usize);
        assert!((model.log_odds(&pixels, k, j).unwrap() - measured).abs() < 1e-5);
        let by_hand =
            |pixel: usize| f64::from((weights[12 * k + pixel] - weights[12 * j + pixel]) * pixels[pixel]);
        for (pixel, contribution) in model.contributions(&pixels, k, j).unwrap().into_iter().enumerate() {
            assert!((contribution - by_hand(pixel)).abs() < 1e-6);
        }
    }
    // Weights less their mean over the classes.
    let centred = model.centred();
    let mean = (weights[5] + weights[17] + weights[29]) / 3.0;
    assert!((centred[1][5] - f64::from(weights[17] - mean)).abs() < 1e-6);
    assert!(
        model
            .log_odds(&pixels[1..], 0, 1)
            .unwrap_err()
            .to_string()
            .contains("11 found; the linear model has 12")
    );
    assert!(model.log_odds(&pixels, 0, 3).unwrap_err().to_string().contains("the model has 3 classes"));
}

#[test]
fn a_deep_network_without_activations_is_linear_too() {
    let spec = ModelSpec::builder("deep", [2, 6, 6])
        .layer("conv", Conv2d::new(3, 3).padding(1))
        .layer("bn", BatchNorm2d::new())
        .layer("pool", AvgPool2d::new(2))
        .layer("flatten", Layer::Flatten)
        .layer("fc", Linear::new(2))
        .build()
        .unwrap();
    let variables = variables(&spec);
    let model = found(&spec, &variables).unwrap();
    assert_eq!((model.layer.as_deref(), model.features()), (None, 72));
    assert_eq!(model.predictor(36 + 8), "channel 1 pixel (1, 2)");
    // Each logit of an image of one pixel, less that of an empty one, is the pixel's weight.
    let network = Network::with_variables(&spec, &variables).unwrap();
    let empty = Tensor::zeros([1, 2, 6, 6], (tch::Kind::Float, tch::Device::Cpu));
    let base = network.f_forward_t(&empty, false).unwrap();
    for feature in [0, 35, 44, 71] {
        let mut pixels = vec![0.0f32; 72];
        pixels[feature] = 1.0;
        let image = Tensor::from_slice(&pixels).reshape([1, 2, 6, 6]);
        let moved = network.f_forward_t(&image, false).unwrap() - &base;
        for class in 0..2 {
            let expected = moved.double_value(&[0, class]) as f32;
            assert!((model.class_weights(class as usize)[feature] - expected).abs() < 1e-5);
        }
    }
}

#[test]
fn weights_behind_a_global_average_are_those_of_the_maps() {
    let spec = ModelSpec::builder("gap", [1, 6, 6])
        .layer("conv", Conv2d::new(4, 3))
        .layer("relu", Layer::Relu)
        .layer("pool", Layer::GlobalAvgPool)
        .layer("drop", Dropout::new())
        .layer("fc", Linear::new(3))
        .build()
        .unwrap();
    let variables = variables(&spec);
    let model = found(&spec, &variables).unwrap();
    assert_eq!((model.place(), model.shape.as_slice()), ("relu", &[4, 4, 4][..]));
    let weights = values(&variables, "fc.weight");
    let expected: Vec<f32> = weights.iter().flat_map(|weight| [weight / 16.0; 16]).collect();
    assert_close(&model.weights, &expected);
    assert!(model.is_of_means());
    // A channel that grows by 1 everywhere is a mean that does: the weight of the linear layer.
    assert_eq!((model.predictors(), model.predictor(2)), (4, "relu channel 2".to_owned()));
    let mean = (weights[2] + weights[6] + weights[10]) / 3.0;
    assert!((model.centred()[0][2] - f64::from(weights[2] - mean)).abs() < 1e-5);
}

#[test]
fn weights_behind_an_average_pooling_and_flattening_keep_their_places() {
    let spec = ModelSpec::builder("pooled", [1, 4, 4])
        .layer("relu", Layer::Relu)
        .layer("pool", AvgPool2d::new(2))
        .layer("flatten", Layer::Flatten)
        .layer("fc", Linear::new(2).bias(false))
        .build()
        .unwrap();
    let variables = variables(&spec);
    let model = found(&spec, &variables).unwrap();
    assert_eq!((model.place(), model.shape.as_slice(), model.is_of_means()), ("relu", &[1, 4, 4][..], false));
    let weights = values(&variables, "fc.weight");
    for class in 0..2 {
        for (row, column) in [(0, 0), (1, 1), (0, 3), (3, 2)] {
            let expected = weights[4 * class + 2 * (row / 2) + column / 2] / 4.0;
            assert!((model.class_weights(class)[4 * row + column] - expected).abs() < 1e-6);
        }
    }
}

#[test]
fn a_layer_beside_the_way_is_no_place() {
    // The linear end begins behind `relu`, but `skip` leads around it: only the sum decides.
    let spec = ModelSpec::builder("residual", [2, 3, 3])
        .layer("conv", Conv2d::new(2, 1))
        .layer("relu", Layer::Relu)
        .layer_from("add", ["relu", "conv"], Layer::Add)
        .layer("pool", Layer::GlobalAvgPool)
        .layer("fc", Linear::new(2))
        .build()
        .unwrap();
    assert_eq!(found(&spec, &variables(&spec)).unwrap().place(), "add");
}

#[test]
fn a_network_that_ends_otherwise_has_none() {
    let spec = ModelSpec::builder("curved", [1, 3, 3])
        .layer("flatten", Layer::Flatten)
        .layer("fc", Linear::new(2))
        .layer("tanh", Layer::Tanh)
        .build()
        .unwrap();
    let why = found(&spec, &variables(&spec)).unwrap_err();
    assert_eq!(why, "no observed layer is followed by linear layers alone");
}

/// As many predictors of each class as were asked for, where there are so many.
#[test]
fn the_table_has_as_many_predictors_as_were_asked_for() {
    let spec = ModelSpec::builder("logistic", [1, 3, 4])
        .layer("flatten", Layer::Flatten)
        .layer("fc", Linear::new(3))
        .build()
        .unwrap();
    let variables = variables(&spec);
    let network = Network::with_variables(&spec, &variables).unwrap();
    let classifier = Classifier::of_network(&network);
    let image = images(&spec, 1);
    let sample = Sample::new("one", image.shallow_clone(), &(&image + 0.5), None).unwrap();
    let prediction = classifier.predict(&image).unwrap()[0];
    let cases = [Case { sample: &sample, prediction, class: prediction.class }];
    let subject = Subject {
        classifier: &classifier,
        cases: &cases,
        classes: &[],
        data: None,
        variables: &variables,
        spec: Some(&spec),
        seed: 0,
    };
    for (top, rows) in [(2, 2), (7, 7), (100, 12)] {
        let mut sink = MemorySink::default();
        let mut report = Report::new(&mut sink, Step::new(1), None);
        let mut study = LinearStudy::new().top(top);
        report.begin(study.name());
        study.run(&subject, &mut report).unwrap();
        let text = sink.entries.iter().find_map(|entry| entry.summary.markdown()).unwrap();
        let lines = text.lines().filter(|line| line.starts_with('|')).count();
        assert_eq!(lines, 2 + 3 * rows, "{text}");
    }
}
