//! Explanations draw nothing from libtorch's random generator, and do not set it.
//!
//! One test only: the generator is shared by the process.

#![allow(clippy::unwrap_used)]
#![cfg(feature = "tch")]

use convscope::{
    MemorySink, Network, Step,
    arch::ModelSpec,
    data::{Dataset, Normalization},
    explain::{Case, Classifier, Evidence, Report, Sample, Settings, Subject, catalogue},
};
use tch::{Device, Kind, Tensor, nn};

/// All that a study may look at: batch normalisation, pooling, dropout, two convolutions in a row.
const MODEL: &str = r#"
    name = "drawn"
    input = [1, 12, 12]
    [[layer]]
    name = "conv1"
    type = "conv2d"
    out_channels = 4
    kernel_size = 3
    padding = 1
    [[layer]]
    name = "bn1"
    type = "batch_norm2d"
    [[layer]]
    name = "relu1"
    type = "relu"
    [[layer]]
    name = "pool1"
    type = "max_pool2d"
    kernel_size = 2
    [[layer]]
    name = "conv2"
    type = "conv2d"
    out_channels = 4
    kernel_size = 3
    [[layer]]
    name = "relu2"
    type = "relu"
    [[layer]]
    name = "drop"
    type = "dropout"
    p = 0.5
    [[layer]]
    name = "flatten"
    type = "flatten"
    [[layer]]
    name = "fc"
    type = "linear"
    out_features = 3
"#;

/// What the generator gives next.
fn next() -> Vec<f32> {
    Vec::try_from(Tensor::rand([64], (Kind::Float, Device::Cpu))).unwrap()
}

fn bits(variables: &[(String, Tensor)]) -> Vec<Vec<u32>> {
    let of_one = |(_, tensor): &(String, Tensor)| {
        let values: Vec<f32> = Vec::try_from(tensor.detach().reshape([-1]).to_kind(Kind::Float)).unwrap();
        values.into_iter().map(f32::to_bits).collect()
    };
    variables.iter().map(of_one).collect()
}

#[test]
fn no_study_of_the_catalogue_draws_or_changes_anything() {
    let spec = ModelSpec::from_toml(MODEL).unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec).unwrap();
    let mut variables: Vec<(String, Tensor)> = store.variables().into_iter().collect();
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    let pixels = Tensor::rand([24, 1, 12, 12], (Kind::Float, Device::Cpu));
    let labels: Vec<i64> = (0..24).map(|place| place % 3).collect();
    let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    let data = Dataset::new(&pixels, &Tensor::from_slice(&labels), classes).unwrap();
    let normalization = Normalization::identity(1);
    let samples = Sample::of(&data, &[0, 1], &normalization, Device::Cpu).unwrap();
    let classifier = Classifier::of_network(&network);
    let cases: Vec<Case<'_>> = (samples.iter())
        .map(|sample| {
            let prediction = classifier.predict(&sample.input).unwrap()[0];
            Case { sample, prediction, class: prediction.class }
        })
        .collect();
    let subject = Subject {
        classifier: &classifier,
        cases: &cases,
        classes: data.classes(),
        data: Some(Evidence { images: &data, normalization: &normalization }),
        variables: &variables,
        spec: Some(&spec),
        seed: 3,
    };

    tch::manual_seed(7);
    let untouched = next();
    assert_ne!(untouched, next(), "a draw moves the generator");
    let before = bits(&variables);
    let mut sink = MemorySink::default();
    let mut report = Report::new(&mut sink, Step::new(1), None).with_values();
    for entry in catalogue() {
        let mut study = (entry.make)(&Settings::default()).unwrap();
        report.begin(entry.name);
        tch::manual_seed(7);
        study.run(&subject, &mut report).unwrap();
        assert_eq!(next(), untouched, "`{}` draws from libtorch's generator", entry.name);
        assert_eq!(bits(&variables), before, "`{}` changes a variable", entry.name);
        let with_gradient = variables.iter().find(|(_, variable)| variable.grad().defined());
        assert!(with_gradient.is_none(), "`{}` leaves a gradient", entry.name);
    }
    // Each did something, the linear model but said that there is none.
    let skipped: Vec<&str> = report.skipped().iter().map(|(study, _)| *study).collect();
    let values = report.into_json();
    for entry in catalogue().into_iter().filter(|entry| entry.name != "gallery") {
        let has_values = values.get(entry.name).is_some();
        assert!(has_values || skipped.contains(&entry.name), "`{}` did nothing", entry.name);
    }
    let made = sink.entries.len();
    assert!(made > 3 * catalogue().len(), "{made} entries");
}
