//! Selective channels and mean maps against plain loops.

#![allow(clippy::unwrap_used)]
#![cfg(feature = "tch")]

use convscope::{
    Kind, MemorySink, Step,
    capture::{Role, Tap},
    data::{Dataset, Normalization},
    explain::{ClassMeans, Classifier, Evidence, Report, Study, Subject},
};
use tch::{Device, Tensor};

const COUNT: usize = 30;
const CHANNELS: usize = 5;

/// Images of five channels of 4 x 6 pixels in three classes, one of which has fewer images. Channel 1 knows the class well,
/// channel 3 a little, channel 2 is constant, the others are noise.
fn data() -> Dataset {
    let mut random = fastrand::Rng::with_seed(2);
    let labels: Vec<i64> = (0..COUNT as i64).map(|i| if i % 10 == 9 { 2 } else { i % 2 }).collect();
    let mut pixels = Vec::new();
    for label in &labels {
        for channel in 0..CHANNELS {
            let level = 0.1 * random.f32();
            for _ in 0..24 {
                let noise = 0.2 * random.f32();
                pixels.push(match channel {
                    1 => 0.3 * (2 - *label) as f32 + noise,
                    2 => 0.5,
                    3 => 0.05 * *label as f32 + level + noise,
                    _ => level + noise,
                });
            }
        }
    }
    let images = Tensor::from_slice(&pixels).reshape([COUNT as i64, CHANNELS as i64, 4, 6]);
    Dataset::new(&images, &Tensor::from_slice(&labels), ["a", "b", "c"].map(str::to_owned).to_vec()).unwrap()
}

fn classifier(tap: &Tap) -> Classifier<'_> {
    Classifier::new(move |images: &Tensor| {
        let maps = tap.pass("stage.maps", Role::Convolution, images.shallow_clone());
        Ok(maps.mean_dim([2i64, 3].as_slice(), false, tch::Kind::Float))
    })
    .tap(tap)
}

/// Pixels of an image's channel.
fn plane(data: &Dataset, image: usize, channel: usize) -> Vec<f64> {
    let plane = data.images().get(image as i64).get(channel as i64).flatten(0, -1);
    Vec::try_from(plane.to_kind(tch::Kind::Double)).unwrap()
}

#[test]
fn channels_and_maps_are_those_of_the_definition_whatever_the_memory() {
    let data = data();
    let (tap, normalization) = (Tap::new(), Normalization::identity(CHANNELS));
    let evidence = Evidence { images: &data, normalization: &normalization };
    let labels = data.labels();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let of_class = |channel: usize, class: i64| -> Vec<f64> {
        (0..COUNT).filter(|&i| labels[i] == class).map(|i| mean(&plane(&data, i, channel))).collect()
    };
    let ratio = |channel: usize| {
        let all: Vec<f64> = (0..COUNT).map(|i| mean(&plane(&data, i, channel))).collect();
        let center = mean(&all);
        let total: f64 = all.iter().map(|v| (v - center).powi(2)).sum();
        let between = (0..3).map(|class| {
            let of = of_class(channel, class);
            of.len() as f64 * (mean(&of) - center).powi(2)
        });
        between.sum::<f64>() / total
    };
    let settings = ClassMeans { channels: 3, ..ClassMeans::default() };
    for bytes in [1, 1 << 20] {
        let classifier = classifier(&tap).memory(bytes);
        let found = settings
            .measure(&classifier, evidence, &["stage.maps".to_owned()], Device::Cpu, 0)
            .unwrap()
            .remove(0);
        let mut expected: Vec<usize> = vec![0, 1, 3, 4]; // 2 is constant
        expected.sort_by(|&a, &b| ratio(b).total_cmp(&ratio(a)));
        expected.truncate(3);
        assert_eq!(expected[..2], [1, 3]);
        let mut chosen: Vec<usize> = found.channels.iter().map(|channel| channel.channel).collect();
        for channel in &found.channels {
            assert!((channel.selectivity - ratio(channel.channel)).abs() < 1e-6, "{channel:?}");
            let means: Vec<f64> = (0..3).map(|class| mean(&of_class(channel.channel, class))).collect();
            let best = (0..3).max_by(|&a, &b| means[a].total_cmp(&means[b])).unwrap();
            assert_eq!(channel.class, best as i64);
        }
        assert!(found.channels.is_sorted_by_key(|channel| channel.class));
        assert_eq!((found.of, found.size, found.classes.as_slice()), (5, [4, 6], &[0, 1, 2][..]));
        assert_eq!(found.images, [15, 12, 3]);
        for (row, class) in found.classes.iter().enumerate() {
            for (column, channel) in chosen.iter().enumerate() {
                for place in 0..24 {
                    let of: Vec<f64> = (0..COUNT)
                        .filter(|&i| labels[i] == *class)
                        .map(|i| plane(&data, i, *channel)[place])
                        .collect();
                    let value = f64::from(found.maps[(row * 3 + column) * 24 + place]);
                    assert!((value - mean(&of)).abs() < 1e-6, "class {class}, channel {channel}, {place}");
                }
            }
        }
        chosen.sort_unstable();
        expected.sort_unstable();
        assert_eq!(chosen, expected);
    }
}

fn run(data: &Dataset, study: &mut ClassMeans) -> (MemorySink, serde_json::Value, Vec<String>) {
    let (tap, normalization) = (Tap::new(), Normalization::identity(CHANNELS));
    let classifier = classifier(&tap);
    let subject = Subject {
        classifier: &classifier,
        cases: &[],
        classes: data.classes(),
        data: Some(Evidence { images: data, normalization: &normalization }),
        variables: &[],
        spec: None,
        seed: 3,
    };
    let mut sink = MemorySink::default();
    let mut report = Report::new(&mut sink, Step::new(5), None).with_values();
    report.begin(study.name());
    study.run(&subject, &mut report).unwrap();
    let skipped = report.skipped().iter().map(|(_, why)| why.clone()).collect();
    let values = report.into_json();
    (sink, values, skipped)
}

#[test]
fn fewer_classes_than_there_are_are_those_that_channels_answer() {
    let (sink, values, skipped) =
        run(&data(), &mut ClassMeans { channels: 1, classes: 1, ..ClassMeans::default() });
    assert!(skipped.is_empty());
    assert_eq!(sink.entries[0].tag.as_str(), "explain/class_means/stage/maps");
    assert_eq!(sink.entries[0].summary.kind(), Kind::Image);
    let found = &values["class_means"]["stage.maps"];
    assert_eq!(found["classes"], serde_json::json!([0]), "channel 1 answers class a most");
    assert_eq!(found["shape"], serde_json::json!([1, 1, 4, 6]));
}

#[test]
fn a_layer_without_maps_is_refused() {
    let tap = Tap::new();
    let classifier = Classifier::new(|images: &Tensor| {
        Ok(tap.pass("features", Role::Linear, images.flatten(2, -1).mean_dim([2i64].as_slice(), false, None)))
    })
    .tap(&tap);
    let (data, normalization) = (data(), Normalization::identity(CHANNELS));
    let evidence = Evidence { images: &data, normalization: &normalization };
    let found = ClassMeans::default().measure(&classifier, evidence, &["features".into()], Device::Cpu, 0);
    let error = found.unwrap_err().to_string();
    assert!(error.contains("layer `features`") && error.contains("[N, C, H, W] expected"), "{error}");
}

#[test]
fn a_layer_that_is_not_there_is_an_error_and_one_without_maps_is_skipped() {
    let data = data();
    let single = Dataset::new(
        &data.images().narrow(2, 0, 1).narrow(3, 0, 1),
        &Tensor::from_slice(data.labels()),
        data.classes().to_vec(),
    );
    let (sink, _, skipped) = run(&single.unwrap(), &mut ClassMeans::default());
    assert!(sink.entries.is_empty() && skipped[0].contains("more than one position"), "{skipped:?}");
}
