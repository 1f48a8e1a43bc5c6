//! Activation maximisation on filters whose optimum is known.

#![allow(clippy::unwrap_used)]
#![cfg(feature = "tch")]

use convscope::{
    MemorySink, Step,
    capture::{Role, Tap},
    data::{Dataset, Normalization},
    explain::{
        ActivationMaximization, Classifier, Evidence, Report, Start, Study, Subject, Units, WantedImages,
    },
};
use tch::{Device, Tensor};

const SIDE: i64 = 4;

/// Weights of four filters that see the whole image, by place: none of them 0.
fn weight(filter: usize, place: usize) -> f64 {
    ((filter * 31 + place * 17) % 13) as f64 - 6.5
}

fn kernels() -> Tensor {
    let weights: Vec<f32> =
        (0..4).flat_map(|filter| (0..16).map(move |place| weight(filter, place) as f32)).collect();
    Tensor::from_slice(&weights).reshape([4, 1, SIDE, SIDE])
}

/// `linear` answers the filters, `relu` what is left of them above a threshold of each; the logits are `linear`.
fn classifier<'a>(tap: &'a Tap, thresholds: &'a [f32; 4]) -> Classifier<'a> {
    Classifier::new(move |images: &Tensor| {
        let maps = images.conv2d(&kernels(), None::<Tensor>, [1, 1], [0, 0], [1, 1], 1);
        let maps = tap.pass("linear", Role::Convolution, maps);
        tap.observe(
            "relu",
            Role::Relu,
            &(&maps - Tensor::from_slice(thresholds).reshape([1, 4, 1, 1])).relu(),
        );
        Ok(maps.flatten(1, -1))
    })
    .tap(tap)
}

fn like() -> Tensor {
    Tensor::zeros([1, 1, SIDE, SIDE], (tch::Kind::Float, Device::Cpu))
}

fn plain() -> ActivationMaximization {
    ActivationMaximization {
        decay: 0.0,
        total_variation: 0.0,
        jitter: 0,
        ..ActivationMaximization::default()
    }
}

fn values(image: &Tensor) -> Vec<f64> {
    Vec::try_from(image.flatten(0, -1).to_kind(tch::Kind::Double)).unwrap()
}

#[test]
fn a_linear_filter_wants_the_brightest_and_darkest_pixels() {
    let (tap, normalization) = (Tap::new(), Normalization { mean: vec![0.25], std: vec![0.5] });
    for bytes in [1, 1 << 20] {
        let classifier = classifier(&tap, &[0.0; 4]).memory(bytes);
        for units in [Units::Channels("linear".to_owned()), Units::Classes] {
            let found =
                plain().maximize(&classifier, &units, &[0, 3], &like(), Some(&normalization)).unwrap();
            for (found, filter) in found.iter().zip([0, 3]) {
                // Pixels from 0 to 1 are -0.5 to 1.5.
                let best: Vec<f64> =
                    (0..16).map(|place| if weight(filter, place) > 0.0 { 1.5 } else { -0.5 }).collect();
                let activation: f64 =
                    best.iter().enumerate().map(|(place, v)| v * weight(filter, place)).sum();
                assert_eq!(values(&found.image), best, "filter {filter}");
                assert!((found.activation - activation).abs() < 1e-4 * activation, "{}", found.activation);
                assert_eq!((found.unit, found.start, found.is_dead), (filter as i64, Start::Noise(1), false));
            }
        }
    }
}

#[test]
fn decay_holds_a_linear_filter_at_its_direction_divided_by_it() {
    let (tap, decay) = (Tap::new(), 2.0);
    let classifier = classifier(&tap, &[0.0; 4]);
    let settings = ActivationMaximization { decay, steps: 400, ..plain() };
    let units = Units::Channels("linear".to_owned());
    let found = settings.maximize(&classifier, &units, &[2], &like(), None).unwrap();
    let size = ((0..16).map(|place| weight(2, place).powi(2)).sum::<f64>() / 16.0).sqrt();
    for (place, value) in values(&found[0].image).iter().enumerate() {
        let expected = weight(2, place) / size / decay;
        assert!((value - expected).abs() < 1e-3, "{place}: {value}, expected {expected}");
    }
}

/// At the fixed point the filter's direction is `decay · x` plus the differences from the neighbours: a system of linear
/// equations, solved by steps of Gauss and Seidel.
#[test]
fn smoothing_holds_a_linear_filter_at_the_solution_of_its_equations() {
    let (tap, decay, smoothing) = (Tap::new(), 1.0, 0.5);
    let classifier = classifier(&tap, &[0.0; 4]);
    let settings = ActivationMaximization { decay, total_variation: smoothing, steps: 600, ..plain() };
    let found = settings.maximize(&classifier, &Units::Classes, &[1], &like(), None).unwrap();
    let size = ((0..16).map(|place| weight(1, place).powi(2)).sum::<f64>() / 16.0).sqrt();
    let mut x = [0.0f64; 16];
    for _ in 0..500 {
        for place in 0..16usize {
            let (row, column) = (place / 4, place % 4);
            let mut around = Vec::new();
            around.extend((row > 0).then(|| place - 4));
            around.extend((row < 3).then_some(place + 4));
            around.extend((column > 0).then(|| place - 1));
            around.extend((column < 3).then_some(place + 1));
            let near: f64 = around.iter().map(|&other| x[other]).sum();
            x[place] =
                (weight(1, place) / size + smoothing * near) / (decay + smoothing * around.len() as f64);
        }
    }
    for (value, expected) in values(&found[0].image).iter().zip(x) {
        assert!((value - expected).abs() < 1e-3, "{value}, expected {expected}");
    }
}

#[test]
fn a_silent_filter_is_tried_again_and_a_dead_one_is_told() {
    let (tap, normalization) = (Tap::new(), Normalization::identity(1));
    // What the filters reach at most, and at faint noise around grey.
    let most = |filter: usize| (0..16).map(|place| weight(filter, place).max(0.0)).sum::<f64>() as f32;
    let grey = |filter: usize| (0..16).map(|place| weight(filter, place)).sum::<f64>() as f32 / 2.0;
    let thresholds = [grey(0) - 5.0, most(1) + 1.0, grey(2) + 2.5, 0.95 * most(3)];
    let classifier = classifier(&tap, &thresholds);
    let units = Units::Channels("relu".to_owned());
    let mut later = 0;
    for seed in 0..8 {
        let settings = ActivationMaximization { seed, ..plain() };
        let found =
            settings.maximize(&classifier, &units, &[0, 1, 2, 3], &like(), Some(&normalization)).unwrap();
        assert_eq!((found[0].start, found[0].is_dead), (Start::Noise(1), false));
        assert!(found[1].is_dead && found[1].activation == 0.0, "nothing excites it");
        assert!(found[3].is_dead, "no noise comes near its threshold");
        if !found[2].is_dead {
            later += usize::from(found[2].start != Start::Noise(1));
            let expected = f64::from(most(2) - thresholds[2]);
            assert!((found[2].activation - expected).abs() < 1e-3, "{}", found[2].activation);
        }
    }
    assert!(later > 0, "noise of more contrast excites it at some seed");
}

/// A filter of 2 x 2 pixels slides over the image, so that the layer has maps.
#[test]
fn the_study_tells_what_real_images_reach() {
    let kernel = Tensor::from_slice(&[1.0f32, -1.0, 1.0, -1.0, -1.0, -1.0, -1.0, -1.0]).reshape([2, 1, 2, 2]);
    let tap = Tap::new();
    let classifier = Classifier::new(|images: &Tensor| {
        let maps = images.conv2d(&kernel, None::<Tensor>, [2, 2], [0, 0], [1, 1], 1);
        let relu = tap.pass("stage.relu", Role::Relu, (maps - 1.875).relu());
        Ok(relu.mean_dim([2i64, 3].as_slice(), false, tch::Kind::Float))
    })
    .tap(&tap);
    // Image 1 is what filter 0 wants in one of four places.
    let mut pixels = vec![0.5f32; 32];
    for (place, value) in [(16, 1.0), (17, 0.0), (20, 1.0), (21, 0.0)] {
        pixels[place] = value;
    }
    let images = Tensor::from_slice(&pixels).reshape([2, 1, SIDE, SIDE]);
    let data =
        Dataset::new(&images, &Tensor::from_slice(&[0i64, 1]), vec!["grey".into(), "edge".into()]).unwrap();
    let normalization = Normalization::identity(1);
    let subject = Subject {
        classifier: &classifier,
        cases: &[],
        classes: data.classes(),
        data: Some(Evidence { images: &data, normalization: &normalization }),
        variables: &[],
        spec: None,
        seed: 0,
    };
    let mut sink = MemorySink::default();
    let mut report = Report::new(&mut sink, Step::new(2), None).with_values();
    let mut study = WantedImages { ascent: plain(), classes: 0, ..WantedImages::default() };
    report.begin(study.name());
    study.run(&subject, &mut report).unwrap();
    let values = report.into_json();
    assert_eq!(sink.entries.len(), 1);
    assert_eq!(sink.entries[0].tag.as_str(), "explain/activation_maximization/stage/relu");
    let units = &values["activation_maximization"]["stage/relu"]["units"];
    // (2 - 1.875) in one of four places, which no noise reaches; filter 1 is never excited: its weights are negative.
    assert_eq!((&units[0]["best_image"], &units[0]["best_image_activation"]), (&1.into(), &0.03125.into()));
    assert_eq!(units[0]["start"], "image");
    assert_eq!((&units[0]["dead"], &units[1]["dead"]), (&false.into(), &true.into()));
    assert!(units[0]["activation"].as_f64().unwrap() >= 0.03125, "{units}");
}

/// The seed of the method and that of the subject both count.
#[test]
fn both_seeds_count() {
    let tap = Tap::new();
    let classifier = classifier(&tap, &[0.0; 4]);
    let images = like();
    let data = Dataset::new(&images, &Tensor::from_slice(&[0i64]), vec!["k".into()]).unwrap();
    let normalization = Normalization::identity(1);
    let wanted = |own: u64, of_subject: u64| {
        let subject = Subject {
            classifier: &classifier,
            cases: &[],
            classes: data.classes(),
            data: Some(Evidence { images: &data, normalization: &normalization }),
            variables: &[],
            spec: None,
            seed: of_subject,
        };
        let mut sink = MemorySink::default();
        let mut report = Report::new(&mut sink, Step::new(2), None).with_values();
        // One short step leaves most of the noise.
        let ascent = ActivationMaximization { seed: own, steps: 1, ..plain() };
        let mut study = WantedImages { ascent, ..WantedImages::default() };
        report.begin(study.name());
        study.run(&subject, &mut report).unwrap();
        report.into_json().to_string()
    };
    assert_eq!(wanted(5, 0), wanted(2, 3));
    assert_ne!(wanted(5, 0), wanted(0, 0));
}

#[test]
fn what_cannot_be_climbed_is_refused() {
    let tap = Tap::new();
    let classifier = classifier(&tap, &[0.0; 4]);
    let told = |settings: ActivationMaximization, units: Units, of: &[i64]| {
        settings.maximize(&classifier, &units, of, &like(), None).unwrap_err().to_string()
    };
    assert!(told(plain(), Units::Classes, &[4]).contains("4 asked for; there are 4"));
    assert!(told(plain(), Units::Channels("conv9".into()), &[0]).contains("found: linear, relu"));
    assert!(told(ActivationMaximization { steps: 0, ..plain() }, Units::Classes, &[0]).contains("one step"));
    assert!(
        told(ActivationMaximization { decay: -1.0, ..plain() }, Units::Classes, &[0]).contains("negative")
    );
    let flat = Tensor::zeros([1, 16], (tch::Kind::Float, Device::Cpu));
    assert!(plain().maximize(&classifier, &Units::Classes, &[0], &flat, None).is_err());
}
