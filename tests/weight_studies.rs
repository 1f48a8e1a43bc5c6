//! The studies of weights on a model and images: what they write, and what they say where they cannot.

#![allow(clippy::unwrap_used)]
#![cfg(feature = "tch")]

use convscope::{
    MemorySink, Network, Step,
    arch::{BatchNorm2d, Conv2d, Layer, Linear, MaxPool2d, ModelSpec},
    data::{self, Normalization},
    explain::{
        Case, ChannelAblation, Classifier, Evidence, LinearStudy, Pruning, Report, Sample, Study, Subject,
        Symmetry,
    },
};
use tch::{Device, Tensor};

fn spec() -> ModelSpec {
    ModelSpec::builder("small", [1, 28, 28])
        .layer("conv", Conv2d::new(4, 5).stride(2).bias(false))
        .layer("bn", BatchNorm2d::new())
        .layer("relu", Layer::Relu)
        .layer("pool", MaxPool2d::new(4))
        .layer("flatten", Layer::Flatten)
        .layer("fc", Linear::new(10))
        .build()
        .unwrap()
}

/// Sorted by name, with numbers of our own.
fn variables(spec: &ModelSpec) -> Vec<(String, Tensor)> {
    let mut random = fastrand::Rng::with_seed(8);
    let model = spec.resolve().unwrap();
    let mut variables = Vec::new();
    for layer in &model.layers {
        for param in &layer.params {
            let shift = if param.name == "running_var" { 0.6 } else { 0.0 };
            let values: Vec<f32> = (0..param.len()).map(|_| random.f32() - 0.5 + shift).collect();
            let tensor = Tensor::from_slice(&values).reshape(&param.dims);
            variables.push((format!("{}.{}", layer.name, param.name), tensor));
        }
    }
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    variables
}

struct Found {
    tags: Vec<String>,
    skipped: Vec<String>,
    values: serde_json::Value,
}

/// What a study writes with and without data, spec and images.
fn run(study: &mut dyn Study, with_data: bool, with_spec: bool, with_cases: bool) -> Found {
    let split = data::bundled().unwrap();
    let normalization = Normalization::of(&split.validation).unwrap();
    let (spec, variables) = (spec(), variables(&spec()));
    let network = Network::with_variables(&spec, &variables).unwrap();
    let classifier = Classifier::of_network(&network);
    let samples = Sample::of(&split.validation, &[0, 1], &normalization, Device::Cpu).unwrap();
    let cases: Vec<Case<'_>> = samples
        .iter()
        .map(|sample| {
            let prediction = classifier.predict(&sample.input).unwrap()[0];
            Case { sample, prediction, class: prediction.class }
        })
        .collect();
    let before: Vec<Tensor> = variables.iter().map(|(_, variable)| variable.copy()).collect();
    let subject = Subject {
        classifier: &classifier,
        cases: if with_cases { &cases } else { &[] },
        classes: split.validation.classes(),
        data: with_data.then_some(Evidence { images: &split.validation, normalization: &normalization }),
        variables: &variables,
        spec: with_spec.then_some(&spec),
        seed: 0,
    };
    let mut sink = MemorySink::default();
    let mut report = Report::new(&mut sink, Step::new(3), None).with_values();
    report.begin(study.name());
    study.run(&subject, &mut report).unwrap();
    let skipped = report.skipped().iter().map(|(_, why)| why.clone()).collect();
    let values = report.into_json();
    let tags = sink.entries.iter().map(|entry| entry.tag.as_str().to_owned()).collect();
    assert!(
        before.iter().zip(&variables).all(|(before, (_, after))| before.equal(after)),
        "no weight is changed"
    );
    assert!(!network.tap().is_armed(), "no edit is left behind");
    Found { tags, skipped, values }
}

fn prefixed(study: &str, tags: &[&str]) -> Vec<String> {
    tags.iter().map(|tag| format!("explain/{study}/{tag}")).collect()
}

#[test]
fn channel_ablation_writes_each_layer() {
    let mut study = ChannelAblation::new().images(20);
    let found = run(&mut study, true, false, false);
    let tags = ["overview", "table", "conv", "without_effect/conv", "relu", "without_effect/relu"];
    assert_eq!(found.tags, prefixed("channel_ablation", &tags));
    let conv = &found.values["channel_ablation"]["conv"];
    assert_eq!((conv["images"].as_u64(), conv["effects"].as_array().map(Vec::len)), (Some(20), Some(4)));
    let found = run(&mut study.layer("pool"), true, false, false);
    assert_eq!(found.tags[2..], prefixed("channel_ablation", &["pool", "without_effect/pool"]));
    let found = run(&mut ChannelAblation::new(), false, true, true);
    assert!(found.tags.is_empty());
    assert_eq!(found.skipped, ["the loss is measured on labelled images, and none are given"]);
}

#[test]
fn symmetry_writes_the_two_distances() {
    let found = run(&mut Symmetry::new(), true, true, false);
    let tags = ["logits", "weight_distance", "output_difference", "control_difference", "table"];
    assert_eq!(found.tags, prefixed("symmetry", &tags));
    let pair = &found.values["symmetry"]["pair"];
    assert_eq!((pair["first"].as_str(), pair["scaled"].as_str()), (Some("conv"), Some("bn")));
    assert_eq!(pair["second"], "fc");
    let number = |name: &str| pair[name].as_f64().unwrap();
    assert!(number("output_difference") < 1e-4 * number("output_scale"));
    assert!(number("control_difference") > 1e-2 * number("output_scale"));
    assert_eq!(run(&mut Symmetry::new(), false, true, true).tags.len(), 5, "the images of cases will do");
    assert!(
        run(&mut Symmetry::new(), true, false, true).skipped[0]
            .contains("cannot be built with other weights")
    );
    assert!(run(&mut Symmetry::new(), false, true, false).skipped[0].contains("none are given"));
    assert!(
        run(&mut Symmetry::new().layer("fc"), true, true, true).skipped[0].contains("it is the last layer")
    );
}

#[test]
fn pruning_writes_both_curves() {
    let mut study = Pruning::new().images(20).shares([0.0, 0.5, 1.0]);
    let found = run(&mut study, true, true, false);
    assert_eq!(found.tags, prefixed("pruning", &["accuracy", "loss", "prunable", "table"]));
    let curves = found.values["pruning"]["curves"]["curves"].as_array().unwrap();
    let names: Vec<&str> = curves.iter().map(|curve| curve["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["one threshold", "each layer alike", "conv", "fc"]);
    assert!(run(&mut study, false, true, true).skipped[0].contains("none are given"));
    assert!(run(&mut study, true, false, true).skipped[0].contains("cannot be built with other weights"));
}

#[test]
fn the_linear_end_is_drawn_for_each_image() {
    let found = run(&mut LinearStudy::new(), true, false, true);
    assert_eq!(found.tags[..3], prefixed("linear_model", &["weights", "predictors", "error"]));
    assert_eq!(found.tags.len(), 5);
    assert!(found.tags[3..].iter().all(|tag| tag.starts_with("explain/linear_model/log_odds/")));
    let values = &found.values["linear_model"];
    assert_eq!(values["model"]["place"], "pool");
    let of_image =
        values.as_object().unwrap().iter().find(|(name, _)| name.starts_with("log_odds/")).unwrap().1;
    let number = |name: &str| of_image[name].as_f64().unwrap();
    assert!((number("log_odds") - number("measured")).abs() < 1e-3, "{of_image}");
    assert!(number("measured") >= 0.0, "the likeliest class against the next");
    assert!(run(&mut LinearStudy::new(), false, false, false).skipped[0].contains("none are given"));
}
