//! Penultimate features as points of the Projector.

#![allow(clippy::unwrap_used)]
#![cfg(feature = "tch")]

use std::fs;

use convscope::{
    MemorySink, Step, SummaryWriter,
    capture::{Role, Tap},
    data::{Dataset, Normalization},
    explain::{
        Case, Classifier, Evidence, FeatureEmbedding, Report, Sample, Settings, Study, Subject, catalogue,
    },
};
use tch::{Device, Kind, Tensor};

const CLASSES: [&str; 2] = ["dark", "bright"];

/// Five images of 2 x 3 pixels; the last is as bright as its neighbour of the other class.
fn data() -> Dataset {
    let bytes: Vec<u8> =
        [10u8, 20, 200, 210, 220].iter().flat_map(|&v| [v, v + 1, v + 2, v, v, v + 5]).collect();
    let images = Tensor::from_slice(&bytes).reshape([5, 1, 2, 3]);
    let labels = Tensor::from_slice(&[0i64, 0, 1, 1, 0]);
    Dataset::new(&images, &labels, CLASSES.map(str::to_owned).to_vec()).unwrap()
}

/// logits = W · flattened image, the features being the image of 6 values.
fn variables() -> Vec<(String, Tensor)> {
    let weight =
        Tensor::from_slice(&[-1.0f32, -1., -1., -1., -1., -1., 1., 1., 1., 1., 1., 1.]).reshape([2, 6]);
    vec![("fc.bias".to_owned(), Tensor::from_slice(&[3.0f32, -3.0])), ("fc.weight".to_owned(), weight)]
}

fn classifier<'a>(tap: &'a Tap, variables: &'a [(String, Tensor)]) -> Classifier<'a> {
    Classifier::new(move |images: &Tensor| {
        let features = tap.pass("features", Role::Relu, images.shallow_clone());
        Ok(features.flatten(1, -1).linear(&variables[1].1, Some(&variables[0].1)))
    })
    .tap(tap)
}

#[test]
fn files_of_the_projector_hold_points_labels_answers_and_sprites() {
    let (data, variables, tap) = (data(), variables(), Tap::new());
    let (classifier, normalization) = (classifier(&tap, &variables), Normalization::identity(1));
    let subject = Subject {
        classifier: &classifier,
        cases: &[],
        classes: data.classes(),
        data: Some(Evidence { images: &data, normalization: &normalization }),
        variables: &variables,
        spec: None,
        seed: 1,
    };
    let dir = tempfile::tempdir().unwrap();
    let mut writer = SummaryWriter::open(dir.path()).unwrap();
    let mut report = Report::new(&mut writer, Step::new(7), None).with_values();
    let mut study = FeatureEmbedding::default();
    report.begin(study.name());
    study.run(&subject, &mut report).unwrap();
    let values = report.into_json();
    writer.close().unwrap();

    let places: Vec<usize> =
        serde_json::from_value::<Vec<usize>>(values["embedding"]["features"]["places"].clone())
            .unwrap_or_default();
    assert_eq!(places.len(), 5);
    let config = fs::read_to_string(dir.path().join("projector_config.pbtxt")).unwrap();
    assert!(config.contains("tensor_name: \"explain/embedding/features (step 7)\""), "{config}");
    let folder = dir.path().join("projector/explain%2Fembedding%2Ffeatures/7");
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let pixels = data.pixels().unwrap();
    let mut metadata = "label\tprediction\tanswer\tprobability\n".to_owned();
    for (line, &place) in text("tensors.tsv").lines().zip(&places) {
        let point: Vec<f32> = line.split('\t').map(|value| value.parse().unwrap()).collect();
        let expected: Vec<f32> = Vec::try_from(pixels.get(place as i64).flatten(0, -1)).unwrap();
        assert_eq!(point, expected, "image {place}");
        let sum: f64 = expected.iter().map(|&v| f64::from(v)).sum();
        let (label, bright) = (data.labels()[place], sum > 3.0);
        let probability = 1.0 / (1.0 + (-2.0 * (sum - 3.0).abs()).exp());
        let answer = if bright == (label == 1) { "right" } else { "wrong" };
        metadata += &format!(
            "{}\t{}\t{answer}\t{probability:.4}\n",
            CLASSES[label as usize],
            CLASSES[usize::from(bright)]
        );
    }
    assert_eq!(text("metadata.tsv"), metadata);
    assert_eq!(metadata.matches("wrong").count(), 1);
    assert!(config.contains("single_image_dim: 3\n    single_image_dim: 2"), "{config}");
}

#[test]
fn wide_features_keep_the_distances_of_their_largest_components() {
    let (data, variables, tap) = (data(), variables(), Tap::new());
    let (classifier, normalization) = (classifier(&tap, &variables), Normalization::identity(1));
    let evidence = Evidence { images: &data, normalization: &normalization };
    let all = FeatureEmbedding { dimensions: 5, ..FeatureEmbedding::default() };
    let found = all.measure(&classifier, evidence, "features", Device::Cpu, 0).unwrap().unwrap();
    // Five points lie in four dimensions: nothing is lost.
    assert!((found.variance - 1.0).abs() < 1e-9);
    let points = Tensor::from_slice(found.embedding.values()).reshape([5, 5]);
    let places: Vec<i64> = found.places.iter().map(|&place| place as i64).collect();
    let features = data.pixels().unwrap().flatten(1, -1).index_select(0, &Tensor::from_slice(&places));
    let distances = |x: &Tensor| {
        (x.unsqueeze(0) - x.unsqueeze(1)).square().sum_dim_intlist([2i64].as_slice(), false, Kind::Float)
    };
    assert!(distances(&points).allclose(&distances(&features), 1e-4, 1e-5, false));

    let few = FeatureEmbedding { dimensions: 1, ..all };
    let found = few.measure(&classifier, evidence, "features", Device::Cpu, 0).unwrap().unwrap();
    // Total variance and that of the direction of largest variance, by power iteration.
    let x = &features - features.mean_dim([0i64].as_slice(), true, Kind::Float);
    let mut direction = Tensor::ones([6, 1], (Kind::Float, Device::Cpu));
    for _ in 0..200 {
        let next = x.tr().matmul(&x.matmul(&direction));
        direction = &next / next.norm();
    }
    let share = x.matmul(&direction).square().sum(Kind::Double) / x.square().sum(Kind::Double);
    assert!((found.variance - f64::try_from(share).unwrap()).abs() < 1e-5, "{}", found.variance);
    assert_eq!((found.width, found.embedding.dimensions()), (6, 1));
}

/// Five images of 6 values take 120 bytes.
#[test]
fn features_that_do_not_fit_into_the_memory_are_averaged() {
    let (data, variables, tap) = (data(), variables(), Tap::new());
    let normalization = Normalization::identity(1);
    let evidence = Evidence { images: &data, normalization: &normalization };
    for (memory, width) in [(120, 6), (119, 1)] {
        let classifier = classifier(&tap, &variables).memory(memory);
        let subject = Subject {
            classifier: &classifier,
            cases: &[],
            classes: data.classes(),
            data: Some(evidence),
            variables: &variables,
            spec: None,
            seed: 1,
        };
        let mut sink = MemorySink::default();
        let mut report = Report::new(&mut sink, Step::new(7), None).with_values();
        let mut study = FeatureEmbedding::default();
        report.begin(study.name());
        study.run(&subject, &mut report).unwrap();
        let values = report.into_json();
        assert_eq!(values["embedding"]["features"]["width"], width);
        let about = sink.entries.iter().find_map(|entry| entry.summary.markdown()).unwrap();
        assert_eq!(about.contains("means over the positions of each channel"), width == 1, "{about}");

        let found = study.measure(&classifier, evidence, "features", Device::Cpu, 1).unwrap().unwrap();
        assert_eq!((found.averaged, found.too_many), (width == 1, 0));
        if found.averaged {
            let pixels = data.pixels().unwrap();
            for (point, &place) in found.embedding.values().iter().zip(&found.places) {
                let mean = f64::try_from(pixels.get(place as i64).mean(Kind::Double)).unwrap();
                assert!((f64::from(*point) - mean).abs() < 1e-6, "image {place}");
            }
        }
    }
}

#[test]
fn large_images_become_small_sprites_and_a_model_without_head_is_skipped() {
    let images = Tensor::full([4, 2, 130, 70], 0.5, (Kind::Float, Device::Cpu));
    let labels = Tensor::from_slice(&[0i64, 1, 0, 1]);
    let data = Dataset::new(&images, &labels, CLASSES.map(str::to_owned).to_vec()).unwrap();
    let (tap, normalization) = (Tap::new(), Normalization::identity(2));
    let classifier = Classifier::new(|images: &Tensor| {
        let means = tap.pass("means", Role::Other, images.mean_dim([2i64, 3].as_slice(), false, Kind::Float));
        Ok(means * 2.0)
    });
    let classifier = classifier.tap(&tap);
    let evidence = Evidence { images: &data, normalization: &normalization };
    let mut sink = MemorySink::default();
    let mut report = Report::new(&mut sink, Step::new(7), None);
    let subject = Subject {
        classifier: &classifier,
        cases: &[],
        classes: data.classes(),
        data: Some(evidence),
        variables: &[],
        spec: None,
        seed: 1,
    };
    FeatureEmbedding::default().run(&subject, &mut report).unwrap();
    assert!(report.skipped()[0].1.contains("last linear layer"));
    assert!(sink.entries.is_empty());

    let asked = FeatureEmbedding { layer: Some("means".to_owned()), ..FeatureEmbedding::default() };
    let found = asked.measure(&classifier, evidence, "means", Device::Cpu, 0).unwrap().unwrap();
    assert_eq!((found.width, found.embedding.points()), (2, 4));
    let error = asked.measure(&classifier, evidence, "conv", Device::Cpu, 0).unwrap_err().to_string();
    assert!(error.contains("`conv`") && error.contains("means"), "{error}");
}

/// What studies of features say of a model whose weights are NaN, of no data, and of no image.
#[test]
fn studies_of_features_end_well_whatever_the_model_and_the_data() {
    let names = ["linear_probe", "embedding", "nearest_neighbors", "class_means", "activation_maximization"];
    let (data, mut variables, tap) = (data(), variables(), Tap::new());
    let normalization = Normalization::identity(1);
    let evidence = Evidence { images: &data, normalization: &normalization };
    for (scale, has_data) in [(1.0, true), (f64::NAN, true), (1.0, false)] {
        variables[1].1 = &variables[1].1 * scale;
        let broken = Classifier::new(|images: &Tensor| {
            let features = tap.pass("features", Role::Relu, images * scale);
            Ok(features.flatten(1, -1).linear(&variables[1].1, Some(&variables[0].1)))
        });
        let broken = broken.tap(&tap);
        let samples = Sample::of(&data, &[0, 4], &normalization, Device::Cpu).unwrap();
        let cases: Vec<Case<'_>> = (samples.iter())
            .map(|sample| Case { sample, prediction: broken.predict(&sample.input).unwrap()[0], class: 0 })
            .collect();
        for cases in [&cases[..], &[]] {
            let subject = Subject {
                classifier: &broken,
                cases,
                classes: data.classes(),
                data: has_data.then_some(evidence),
                variables: &variables,
                spec: None,
                seed: 1,
            };
            let mut sink = MemorySink::default();
            let mut report = Report::new(&mut sink, Step::new(7), None).with_values();
            let found: Vec<_> = catalogue().into_iter().filter(|entry| names.contains(&entry.name)).collect();
            assert_eq!(found.len(), names.len());
            for entry in found {
                report.begin(entry.name);
                (entry.make)(&Settings::default()).unwrap().run(&subject, &mut report).unwrap();
            }
            let skipped: Vec<String> =
                report.skipped().iter().map(|(name, why)| format!("{name}: {why}")).collect();
            let said = |words: &str| skipped.iter().any(|why| why.contains(words));
            assert_eq!(said("no labelled images were given"), !has_data, "{skipped:?}");
            // The head is found by the logits that it gives: NaN is like nothing.
            assert_eq!(said("its features are NaN or infinite"), scale.is_nan() && has_data, "{skipped:?}");
            serde_json::to_string(&report.into_json()).unwrap();
        }
    }
}
