//! Dropout's noise, what it does to answers, and which weights learn behind it.

#![allow(clippy::unwrap_used)] // in helpers of tests
#![cfg(feature = "tch")]

use convscope::{
    MemorySink, Network, Step,
    arch::{Conv2d, Dropout, Layer, Linear, MaxPool2d, ModelSpec},
    explain::{
        Case, Classifier, DropoutNoise, DropoutStudy, DropoutUnit, Report, Sample, Study, Subject,
        answers_with_dropout, convolution_part, dropout_mask, surviving_weights,
    },
    render::WeightState,
    stats::dropout_keep_rate,
};
use fastrand::Rng;
use tch::{Device, Kind, Tensor};

fn numbers(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(tensor.to_kind(Kind::Double).contiguous().reshape([-1])).unwrap()
}

/// Numbers between -1 and 1 from a generator of our own.
fn random(shape: &[i64], seed: u64) -> Tensor {
    let mut rng = Rng::with_seed(seed);
    let count: i64 = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|_| rng.f32() * 2.0 - 1.0).collect();
    Tensor::from_slice(&values).reshape(shape)
}

#[test]
fn masks_drop_values_or_whole_channels() {
    let maps = random(&[2, 50, 6, 6], 1);
    for unit in [DropoutUnit::Element, DropoutUnit::Channel] {
        let draw = |seed| numbers(&dropout_mask(&maps, 0.2, unit, &mut Rng::with_seed(seed)).unwrap());
        let factors = draw(7);
        assert_eq!(factors, draw(7), "the seed decides");
        assert_ne!(factors, draw(8));
        assert!(factors.iter().all(|factor| *factor == 0.0 || (*factor - 1.25).abs() < 1e-6));
        let same: usize =
            factors.chunks(36).filter(|channel| channel.iter().all(|r| *r == channel[0])).count();
        assert_eq!(same, if unit == DropoutUnit::Channel { 100 } else { 0 });
        let kept = factors.iter().filter(|factor| **factor != 0.0).count() as f64 / 3600.0;
        assert!((kept - 0.8).abs() < 0.15, "{kept}");
    }
    for p in [-0.1, 1.0, f64::NAN] {
        assert!(dropout_mask(&maps, p, DropoutUnit::Element, &mut Rng::with_seed(0)).is_err(), "{p}");
    }
    assert!(dropout_mask(&random(&[4], 0), 0.5, DropoutUnit::Element, &mut Rng::with_seed(0)).is_err());
}

#[test]
fn sums_over_masks_are_those_of_the_slow_twin() {
    let maps = random(&[1, 8, 5, 5], 3).relu();
    let mut rng = Rng::with_seed(5);
    let mut noise = DropoutNoise::new(0.4);
    let (mut values, mut factors) = (Vec::new(), Vec::new());
    let mut single = 0.0;
    for _ in 0..20 {
        let mask = dropout_mask(&maps, 0.4, DropoutUnit::Element, &mut rng).unwrap();
        noise.add(&maps, &mask).unwrap();
        single += dropout_keep_rate(&maps, &(&maps * &mask)).unwrap().unwrap() / 20.0;
        values.extend(numbers(&maps).into_iter().zip(numbers(&mask)).map(|(x, r)| x * r));
        factors.extend(numbers(&mask));
    }
    let moments = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        (mean, values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64)
    };
    let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    let (mean, variance) = moments(&numbers(&maps));
    let (noisy_mean, noisy_variance) = moments(&values);
    close(noise.clean().unwrap().0, mean);
    close(noise.clean().unwrap().1, variance);
    close(noise.noisy().unwrap().0, noisy_mean);
    close(noise.noisy().unwrap().1, noisy_variance);
    close(noise.variance_ratio().unwrap(), noisy_variance / variance);
    let kept = factors.iter().filter(|r| **r != 0.0).count() as f64 / factors.len() as f64;
    close(noise.keep_rate().unwrap(), kept);
    close(noise.keep_rate_of_nonzero().unwrap(), single);
    assert_eq!(DropoutNoise::new(0.5).variance_ratio(), None);
}

/// Mean 1, variance 2: the shift of the variance for keep rates 0.9, 0.8 and 0.5.
#[test]
fn the_variance_grows_as_published() {
    let mut maps = vec![1.0 + 2.0_f64.sqrt(); 32_768];
    maps[..16_384].fill(1.0 - 2.0_f64.sqrt());
    let maps = Tensor::from_slice(&maps).to_kind(Kind::Float).reshape([1, 512, 8, 8]);
    for (q, train_variance, ratio) in [(0.9, 2.333_333, 1.166_667), (0.8, 2.75, 1.375), (0.5, 5.0, 2.5)] {
        for (unit, masks, tolerance) in [(DropoutUnit::Element, 8, 0.02), (DropoutUnit::Channel, 64, 0.04)] {
            let mut rng = Rng::with_seed(11);
            let mut noise = DropoutNoise::new(1.0 - q);
            for _ in 0..masks {
                noise.add(&maps, &dropout_mask(&maps, 1.0 - q, unit, &mut rng).unwrap()).unwrap();
            }
            assert!((noise.expected_ratio().unwrap() - ratio).abs() < 1e-5);
            let measured = noise.variance_ratio().unwrap();
            assert!((measured / ratio - 1.0).abs() < tolerance, "q {q}: {measured}, {ratio} expected");
            assert!((noise.noisy().unwrap().1 / train_variance - 1.0).abs() < tolerance);
            assert!((noise.keep_rate().unwrap() - q).abs() < 0.01);
            let expected_of_masks = (noise.noisy().unwrap().0 - 1.0).abs();
            assert!(expected_of_masks < 0.03, "the mean stays: {expected_of_masks}");
        }
    }
}

/// A convolution of ones, dropout on its maps, the mean of each map, two classes.
fn spec() -> ModelSpec {
    ModelSpec::builder("small", [1, 8, 8])
        .layer("conv1", Conv2d::new(4, 3).padding(1))
        .layer("relu1", Layer::Relu)
        .layer("drop1", Layer::Dropout2d(Dropout::new().p(0.25)))
        .layer("conv2", Conv2d::new(5, 3).padding(1))
        .layer("relu2", Layer::Relu)
        .layer("pool", MaxPool2d::new(2))
        .layer("flatten", Layer::Flatten)
        .layer("fc1", Linear::new(6))
        .layer("fc2", Linear::new(2))
        .build()
        .unwrap()
}

/// Weights from a generator of our own, so that tests beside this one change nothing.
fn variables(spec: &ModelSpec) -> Vec<(String, Tensor)> {
    let model = spec.resolve().unwrap();
    let mut found = Vec::new();
    for (at, layer) in model.layers.iter().enumerate() {
        for param in &layer.params {
            let weight = random(&param.dims, at as u64).set_requires_grad(true);
            found.push((format!("{}.{}", layer.name, param.name), weight));
        }
    }
    found
}

#[test]
fn answers_with_masks_are_those_of_masked_maps() {
    let spec = spec();
    let variables = variables(&spec);
    let network = Network::with_variables(&spec, &variables).unwrap();
    let classifier = Classifier::of_network(&network);
    let image = random(&[1, 1, 8, 8], 2);
    for unit in [DropoutUnit::Element, DropoutUnit::Channel] {
        let noisy = answers_with_dropout(&classifier, &image, 1, "relu1", (0.5, unit), 3, 9).unwrap();

        // The rest of the network by hand, one mask after the other.
        let mut rng = Rng::with_seed(9);
        let weight = |name: &str| &variables.iter().find(|(known, _)| known == name).unwrap().1;
        let conv = |x: &Tensor, name: &str| {
            let (w, b) = (weight(&format!("{name}.weight")), weight(&format!("{name}.bias")));
            x.conv2d(w, Some(b), [1, 1], [1, 1], [1, 1], 1).relu()
        };
        let linear = |x: &Tensor, name: &str| {
            x.linear(weight(&format!("{name}.weight")), Some(weight(&format!("{name}.bias"))))
        };
        let maps = conv(&image, "conv1").detach().expand([3, -1, -1, -1], false).contiguous();
        let mask = dropout_mask(&maps, 0.5, unit, &mut rng).unwrap();
        let pooled = conv(&(maps * mask), "conv2").max_pool2d([2, 2], [2, 2], [0, 0], [1, 1], false);
        let logits = linear(&linear(&pooled.flatten(1, -1), "fc1"), "fc2");
        let expected = numbers(&logits.detach().softmax(1, Kind::Double).select(1, 1));
        for (found, expected) in noisy.probabilities.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
        let won = expected.iter().filter(|p| **p > 0.5).count();
        assert_eq!((noisy.won, noisy.probabilities.len()), (won, 3));
        let clean = classifier.log_probabilities(&image).unwrap().exp().double_value(&[0, 1]);
        assert!((noisy.clean - clean).abs() < 1e-6);
        // Masks do not depend on how many images fit into a pass.
        let small = Classifier::of_network(&network).memory(1);
        let one_by_one = answers_with_dropout(&small, &image, 1, "relu1", (0.5, unit), 3, 9).unwrap();
        for (a, b) in noisy.probabilities.iter().zip(&one_by_one.probabilities) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
        assert_eq!(numbers(&classifier.logits(&image).unwrap()).len(), 2, "no edit is left behind");
    }
    let refused = |layer: &str, class: i64, p: f64| {
        let dropout = (p, DropoutUnit::Element);
        answers_with_dropout(&classifier, &image, class, layer, dropout, 2, 0).unwrap_err().to_string()
    };
    assert!(refused("conv9", 0, 0.5).contains("cannot be changed"));
    assert!(refused("relu1", 2, 0.5).contains("2 classes"));
    assert!(refused("relu1", 0, 1.0).contains("p = 1"));
}

#[test]
fn a_convolution_learns_behind_dropout_and_columns_of_a_dense_layer_do_not() {
    let spec = spec();
    let variables = variables(&spec);
    let network = Network::with_variables(&spec, &variables).unwrap();
    let classifier = Classifier::of_network(&network);
    let image = random(&[1, 1, 8, 8], 4);
    let found = surviving_weights(&classifier, &spec, &variables, &image, 0, 0.5, 3).unwrap();
    let [conv, dense] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((conv.layer.as_str(), conv.size, conv.convolution), ("conv2", [5, 36], true));
    assert_eq!((dense.layer.as_str(), dense.size, dense.convolution), ("fc1", [6, 80], false));
    assert!(conv.lost_share().unwrap() < 0.15, "{:?}", conv.lost_share());
    let lost = dense.lost_share().unwrap();
    assert!((0.25..0.75).contains(&lost), "about the half: {lost}");
    for column in 0..80 {
        let of_column = |state| (0..6).filter(|row| dense.states[row * 80 + column] == state).count();
        let (learning, lost) = (of_column(WeightState::Learning), of_column(WeightState::Lost));
        assert!(learning == 0 || lost == 0, "a whole column learns or does not: {learning} {lost}");
    }
    assert!(variables.iter().all(|(_, variable)| !variable.grad().defined()), "no gradient is written");

    // Weights of others, or none at all, are left out.
    assert!(surviving_weights(&classifier, &spec, &[], &image, 0, 0.5, 3).unwrap().is_empty());
    assert!(surviving_weights(&classifier, &spec, &variables, &image, 7, 0.5, 3).is_err());
}

#[test]
fn weights_that_learn_only_behind_the_mask_are_counted() {
    // One hidden unit, relu(x1 - x2): silent for (1, 2) unless x2 is dropped and x1 is not.
    let spec = ModelSpec::builder("silent", [2, 1, 1])
        .layer("flatten", Layer::Flatten)
        .layer("fc1", Linear::new(1).bias(false))
        .layer("relu", Layer::Relu)
        .layer("fc2", Linear::new(2).bias(false))
        .build()
        .unwrap();
    let weight =
        |values: &[f32], shape: [i64; 2]| Tensor::from_slice(values).reshape(shape).set_requires_grad(true);
    let variables = [
        ("fc1.weight".to_owned(), weight(&[1.0, -1.0], [1, 2])),
        ("fc2.weight".to_owned(), weight(&[1.0, -1.0], [2, 1])),
    ];
    let network = Network::with_variables(&spec, &variables).unwrap();
    let classifier = Classifier::of_network(&network);
    let image = Tensor::from_slice(&[1.0f32, 2.0]).reshape([1, 2, 1, 1]);
    let mut gained = 0;
    for seed in 0..40 {
        let found = surviving_weights(&classifier, &spec, &variables, &image, 0, 0.5, seed).unwrap();
        let [fc1] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((fc1.learning, fc1.lost, fc1.lost_share()), (0, 0, None));
        let of_first = if fc1.gained == 1 { WeightState::Gained } else { WeightState::Silent };
        assert_eq!(fc1.states, [of_first, WeightState::Silent], "x2 cannot wake the unit");
        gained += fc1.gained;
    }
    assert!((3..=20).contains(&gained), "about a quarter of 40: {gained}");
}

#[test]
fn the_study_follows_the_weights_of_the_class_that_is_explained() {
    // Logits 0 and 1000 x: the second class is certain, and its loss has no gradient.
    let spec = ModelSpec::builder("certain", [1, 4, 4])
        .layer("same", Layer::Identity)
        .layer("flatten", Layer::Flatten)
        .layer("fc", Linear::new(2).bias(false))
        .build()
        .unwrap();
    let weight =
        Tensor::cat(&[&Tensor::zeros([1, 16], (Kind::Float, Device::Cpu)), &random(&[1, 16], 3).abs()], 0);
    let variables = [("fc.weight".to_owned(), (weight * 1000.0).detach().set_requires_grad(true))];
    let network = Network::with_variables(&spec, &variables).unwrap();
    let classifier = Classifier::of_network(&network);
    let pixels = random(&[1, 1, 4, 4], 6).abs();
    let sample = Sample::new("0 Bag", pixels.shallow_clone(), &pixels, None).unwrap();
    let prediction = classifier.predict(&sample.input).unwrap()[0];
    assert_eq!((prediction.class, prediction.probability()), (1, 1.0));
    let lost = |class: i64| {
        let cases = [Case { sample: &sample, prediction, class }];
        let subject = Subject {
            classifier: &classifier,
            cases: &cases,
            classes: &[],
            data: None,
            variables: &variables,
            spec: Some(&spec),
            seed: 1,
        };
        scalar(&run(&mut DropoutStudy::new(), &subject).0, "weights/fc")
    };
    assert_eq!(lost(1), None, "nothing is left to learn");
    assert!((0.2..0.8).contains(&lost(0).unwrap()), "about the half: {:?}", lost(0));
}

fn run(study: &mut dyn Study, subject: &Subject<'_>) -> (MemorySink, Vec<(&'static str, String)>) {
    let mut sink = MemorySink::default();
    let mut report = Report::new(&mut sink, Step::new(1), None).with_values();
    report.begin("dropout");
    study.run(subject, &mut report).unwrap();
    let skipped = report.skipped().to_vec();
    (sink, skipped)
}

fn scalar(sink: &MemorySink, tag: &str) -> Option<f64> {
    let tag = format!("explain/dropout/{tag}");
    let entry = sink.entries.iter().find(|entry| entry.tag.as_str() == tag);
    entry.and_then(|entry| entry.summary.as_scalar())
}

#[test]
fn the_study_takes_the_networks_own_dropout_and_changes_nothing() {
    let spec = spec();
    let variables = variables(&spec);
    let before: Vec<Vec<f64>> = variables.iter().map(|(_, tensor)| numbers(&tensor.detach())).collect();
    let network = Network::with_variables(&spec, &variables).unwrap();
    let classifier = Classifier::of_network(&network);
    let pixels = random(&[1, 1, 8, 8], 6);
    let sample = Sample::new("0 Bag", pixels.shallow_clone(), &pixels, None).unwrap();
    let prediction = classifier.predict(&sample.input).unwrap()[0];
    let cases = [Case { sample: &sample, prediction, class: prediction.class }];
    let subject = |spec| Subject {
        classifier: &classifier,
        cases: &cases,
        classes: &[],
        data: None,
        variables: &variables,
        spec,
        seed: 1,
    };
    let (sink, skipped) = run(&mut DropoutStudy::new().masks(32), &subject(Some(&spec)));
    assert!(skipped.is_empty(), "{skipped:?}");
    let keep = scalar(&sink, "drop1/keep_rate_element").unwrap();
    assert!((keep - 0.75).abs() < 0.03, "p of the layer is 0.25: {keep}");
    let ratio = scalar(&sink, "drop1/variance_ratio_element").unwrap();
    let expected = scalar(&sink, "drop1/variance_ratio_expected").unwrap();
    assert!((ratio / expected - 1.0).abs() < 0.1, "{ratio} {expected}");
    assert!(scalar(&sink, "weights/fc1").unwrap() > scalar(&sink, "weights/conv2").unwrap());
    let tags: Vec<&str> = sink.entries.iter().map(|entry| entry.tag.as_str()).collect();
    assert!(tags.contains(&"explain/dropout/drop1/0_Bag") && tags.contains(&"explain/dropout/weights/0_Bag"));
    let after: Vec<Vec<f64>> = variables.iter().map(|(_, tensor)| numbers(&tensor.detach())).collect();
    assert_eq!(before, after);

    // Without a spec: the first activation's maps, with p = 0.5.
    let (sink, skipped) = run(&mut DropoutStudy::new(), &subject(None));
    assert!(skipped.is_empty(), "{skipped:?}");
    assert!((scalar(&sink, "relu1/keep_rate_element").unwrap() - 0.5).abs() < 0.05);
    assert_eq!(scalar(&sink, "weights/fc1"), None);
    let p = DropoutStudy::new().p(0.9).unwrap();
    let (sink, _) = run(&mut p.clone(), &subject(Some(&spec)));
    assert!((scalar(&sink, "drop1/keep_rate_element").unwrap() - 0.1).abs() < 0.05);
    assert!(DropoutStudy::new().p(1.0).is_err());
}

#[test]
fn a_model_that_only_shows_its_layers_is_explained_as_far_as_possible() {
    use convscope::capture::{Role, Tap};
    let tap = Tap::new();
    let shown = tap.clone();
    let weight = random(&[3, 1, 3, 3], 1);
    let classifier = Classifier::new(move |images| {
        let maps = images.conv2d::<Tensor>(&weight, None, [1, 1], [1, 1], [1, 1], 1).relu();
        shown.observe("maps", Role::Relu, &maps);
        Ok(maps.mean_dim([2i64, 3].as_slice(), false, Kind::Float))
    })
    .tap(&tap);
    let pixels = random(&[1, 1, 8, 8], 6);
    let sample = Sample::new("0 Bag", pixels.shallow_clone(), &pixels, None).unwrap();
    let prediction = classifier.predict(&sample.input).unwrap()[0];
    let cases = [Case { sample: &sample, prediction, class: prediction.class }];
    let subject = Subject {
        classifier: &classifier,
        cases: &cases,
        classes: &[],
        data: None,
        variables: &[],
        spec: None,
        seed: 1,
    };
    let (sink, skipped) = run(&mut DropoutStudy::new(), &subject);
    assert!(skipped[0].1.contains("`maps` only shows its output"), "{skipped:?}");
    assert!(scalar(&sink, "maps/variance_ratio_element").is_some());
    assert_eq!(scalar(&sink, "maps/answer_std_element"), None);
    assert!(sink.entries.iter().any(|entry| entry.tag.as_str() == "explain/dropout/maps/0_Bag"));
}

#[test]
fn a_part_of_the_first_convolution_is_what_the_network_computes() {
    let specs = [
        ("3x3", Conv2d::new(3, 3).padding(1), [1, 10, 12]),
        ("colours", Conv2d::new(4, 3).stride(2).padding(1), [3, 9, 9]),
        ("groups", Conv2d::new(4, 2).groups(2), [4, 7, 7]),
        ("wide", Conv2d::new(2, [1, 7]).dilation([1, 1]).bias(false), [1, 9, 9]),
    ];
    for (name, conv, input) in specs {
        let spec = ModelSpec::builder(name, input)
            .layer("conv1", conv)
            .layer("pool", Layer::GlobalAvgPool)
            .build()
            .unwrap();
        let variables = variables(&spec);
        let network = Network::with_variables(&spec, &variables).unwrap();
        let classifier = Classifier::of_network(&network);
        let image = random(&[1, input[0], input[1], input[2]], 8);
        let part = convolution_part(&classifier, &spec, &variables, &image).unwrap().unwrap();
        assert_eq!(part.channels[0], part.channels[1], "{name}: all channels fit");
        let difference = part.largest_difference.unwrap();
        assert!(difference < 1e-5, "{name}: {difference}");
        // It is where the channel answers most, of the places that were possible.
        let largest = part.matrix.apply(&part.kernel, &part.part).unwrap();
        assert!(largest.iter().any(|y| y.abs() > 0.1), "{name}: {largest:?}");
    }
    let large = ModelSpec::builder("large", [1, 20, 20])
        .layer("conv1", Conv2d::new(1, 9))
        .layer("pool", Layer::GlobalAvgPool)
        .build()
        .unwrap();
    let variables = variables(&large);
    let network = Network::with_variables(&large, &variables).unwrap();
    let image = random(&[1, 1, 20, 20], 8);
    let why = convolution_part(&Classifier::of_network(&network), &large, &variables, &image).unwrap();
    assert!(why.unwrap_err().contains("more than 64 inputs"));
}
