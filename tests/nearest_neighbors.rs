//! Nearest neighbours against brute force over all images.

#![allow(clippy::unwrap_used)]
#![cfg(feature = "tch")]

use convscope::{
    Kind, MemorySink, Step,
    capture::{Role, Tap},
    data::{Dataset, Normalization},
    explain::{Case, Classifier, Evidence, NearestNeighbors, Report, Sample, Study, Subject},
};
use tch::{Device, Tensor};

const SIDE: usize = 3;

/// Images with random pixels; the third is a copy of the first, the fourth is black.
fn data(count: usize) -> Dataset {
    let mut random = fastrand::Rng::with_seed(9);
    let mut pixels: Vec<f32> = (0..count * SIDE * SIDE).map(|_| random.f32()).collect();
    pixels.copy_within(0..SIDE * SIDE, 2 * SIDE * SIDE);
    pixels[3 * SIDE * SIDE..4 * SIDE * SIDE].fill(0.0);
    let labels: Vec<i64> = (0..count as i64).map(|i| i % 3).collect();
    let images = Tensor::from_slice(&pixels).reshape([count as i64, 1, SIDE as i64, SIDE as i64]);
    Dataset::new(&images, &Tensor::from_slice(&labels), ["a", "b", "c"].map(str::to_owned).to_vec()).unwrap()
}

/// The features are the pixels, times a number so small that its square is 0.
const SCALE: f64 = 1e-25;

fn variables() -> Vec<(String, Tensor)> {
    let weight: Vec<f32> = (0..3 * SIDE * SIDE).map(|i| ((i * 5 % 7) as f32 - 3.0) * 1e25).collect();
    vec![("fc.weight".to_owned(), Tensor::from_slice(&weight).reshape([3, (SIDE * SIDE) as i64]))]
}

fn classifier<'a>(tap: &'a Tap, variables: &'a [(String, Tensor)]) -> Classifier<'a> {
    Classifier::new(move |images: &Tensor| {
        let features = tap.pass("features", Role::Relu, images * SCALE);
        Ok(features.flatten(1, -1).linear(&variables[0].1, None::<&Tensor>))
    })
    .tap(tap)
}

fn pixels(data: &Dataset, place: usize) -> Vec<f64> {
    Vec::try_from(data.pixels().unwrap().get(place as i64).flatten(0, -1).to_kind(tch::Kind::Double)).unwrap()
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn neighbours_are_those_of_brute_force_whatever_the_memory() {
    let data = data(60);
    let (tap, variables, normalization) = (Tap::new(), variables(), Normalization::identity(1));
    let evidence = Evidence { images: &data, normalization: &normalization };
    let settings = NearestNeighbors { neighbors: 7, ..NearestNeighbors::default() };
    let inputs: Vec<Tensor> =
        [0, 5, 17].iter().map(|&place| data.pixels().unwrap().narrow(0, place, 1)).collect();
    for bytes in [1, 1000, 1 << 20] {
        let classifier = classifier(&tap, &variables).memory(bytes);
        let found =
            settings.find(&classifier, evidence, &inputs.iter().collect::<Vec<_>>(), "features", 4).unwrap();
        for (found, own) in found.iter().zip([0, 5, 17]) {
            let own = pixels(&data, own);
            let mut all: Vec<(f64, usize)> = (0..60)
                .filter(|&place| place != 3) // black: no direction
                .map(|place| (distance(&own, &pixels(&data, place)), place))
                .filter(|(_, place)| pixels(&data, *place) != own)
                .collect();
            all.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            let places: Vec<usize> = found.nearest.iter().map(|neighbor| neighbor.place).collect();
            assert_eq!(places, all[..7].iter().map(|(_, place)| *place).collect::<Vec<_>>(), "{bytes}");
            for (neighbor, (distance, place)) in found.nearest.iter().zip(&all) {
                assert!((neighbor.distance - distance).abs() < 1e-6, "{neighbor:?} {distance}");
                assert_eq!(neighbor.label, *place as i64 % 3);
            }
        }
        assert_eq!(
            found.iter().map(|found| (found.compared, found.same)).collect::<Vec<_>>(),
            [(60, 2), (60, 1), (60, 1)]
        );
    }
}

#[test]
fn agreement_counts_labels_and_images_without_direction_have_no_neighbours() {
    let data = data(12);
    let (tap, variables, normalization) = (Tap::new(), variables(), Normalization::identity(1));
    let classifier = classifier(&tap, &variables);
    let samples = Sample::of(&data, &[0, 3], &normalization, Device::Cpu).unwrap();
    let cases: Vec<Case<'_>> = samples
        .iter()
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
        spec: None,
        seed: 1,
    };
    let mut sink = MemorySink::default();
    let mut report = Report::new(&mut sink, Step::new(5), None).with_values();
    let mut study = NearestNeighbors { neighbors: 4, ..NearestNeighbors::default() };
    report.begin(study.name());
    study.run(&subject, &mut report).unwrap();
    assert_eq!(report.skipped().len(), 1);
    assert!(report.skipped()[0].1.contains("`3 a`") && report.skipped()[0].1.contains("no direction"));
    let values = report.into_json();
    let own = pixels(&data, 0);
    let mut all: Vec<(f64, usize)> = (1..12)
        .filter(|place| ![2, 3].contains(place))
        .map(|place| (distance(&own, &pixels(&data, place)), place))
        .collect();
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let share = all[..4].iter().filter(|(_, place)| place % 3 == 0).count() as f64 / 4.0;
    let of = |kind: Kind| {
        sink.entries.iter().filter(move |entry| entry.summary.kind() == kind).collect::<Vec<_>>()
    };
    assert_eq!(of(Kind::Scalar).len(), 1);
    assert_eq!(of(Kind::Scalar)[0].tag.as_str(), "explain/nearest_neighbors/agreement/0_a");
    assert_eq!(of(Kind::Scalar)[0].summary.as_scalar(), Some(share));
    assert_eq!(of(Kind::Image)[0].tag.as_str(), "explain/nearest_neighbors/0_a");
    let raw = &values["nearest_neighbors"]["0 a"];
    assert_eq!((&raw["same"], &raw["layer"]), (&2.into(), &"features".into()));
    assert_eq!(raw["agreement_with_label"], share);
    assert_eq!(raw["neighbors"][0]["place"], all[0].1);
    assert_eq!(values["nearest_neighbors"]["3 a"]["neighbors"], serde_json::json!([]));
}
