//! A layer that passes its probe twice: every study that changes what layers hand on tells the passes apart.

#![allow(clippy::unwrap_used)] // in helpers of tests
#![cfg(feature = "tch")]

use convscope::{
    MemorySink, Step,
    capture::{Role, Tap},
    data::{Dataset, Normalization},
    explain::{
        Attributor, Case, ChannelAblation, Classifier, Deconvolution, DropoutStudy, DropoutUnit, Evidence,
        GuidedBackprop, LinearModel, LinearStudy, Report, Sample, Study, Subject, answers_with_dropout,
        dropout_mask,
    },
};
use tch::{Device, Kind, Tensor};

fn random(shape: &[i64], seed: u64) -> Tensor {
    let mut random = fastrand::Rng::with_seed(seed);
    let values: Vec<f32> = (0..shape.iter().product::<i64>()).map(|_| random.f32() - 0.4).collect();
    Tensor::from_slice(&values).reshape(shape)
}

/// Two convolutions of four channels with the same ReLU behind them, and three classes; `change` is given the ReLU's output
/// and whether it is the second one, `show` the ReLU's input.
fn forward(
    images: &Tensor,
    mut change: impl FnMut(bool, Tensor) -> Tensor,
    show: impl Fn(Tensor) -> Tensor,
) -> Tensor {
    let conv = |x: &Tensor, channels: i64, seed: u64| {
        x.conv2d::<Tensor>(&random(&[4, channels, 3, 3], seed), None, [1, 1], [1, 1], [1, 1], 1)
    };
    let first = change(false, show(conv(images, 1, 1)).relu());
    let second = change(true, show(conv(&first, 4, 2)).relu());
    second.mean_dim([2i64, 3].as_slice(), false, None).matmul(&random(&[4, 3], 3))
}

/// The same with its ReLU in sight: one probe, or two.
fn classifier<'a>(tap: &'a Tap, names: [&'a str; 2]) -> Classifier<'a> {
    Classifier::new(move |images| {
        let pass = |second, x| tap.pass(names[usize::from(second)], Role::Relu, x);
        Ok(forward(images, pass, |x| tap.pass("conv", Role::Other, x)))
    })
    .tap(tap)
}

const SHARED: [&str; 2] = ["relu", "relu"];

fn data() -> Dataset {
    let labels: Vec<i64> = (0..9).map(|image| image % 3).collect();
    let classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    Dataset::new(&random(&[9, 1, 5, 5], 4), &Tensor::from_slice(&labels), classes).unwrap()
}

#[test]
fn channels_of_one_pass_are_taken_away() {
    let (data, normalization) = (data(), Normalization::identity(1));
    let evidence = Evidence { images: &data, normalization: &normalization };
    let images = normalization.apply(data.images(), Device::Cpu).unwrap();
    let loss = |without: Option<(bool, i64)>| {
        let silenced = |second, x: Tensor| match without {
            Some((of_second, channel)) if of_second == second => {
                x.index_fill(1, &Tensor::from_slice(&[channel]), 0.0)
            }
            _ => x,
        };
        let loss =
            forward(&images, silenced, |x| x).cross_entropy_for_logits(&Tensor::from_slice(data.labels()));
        loss.double_value(&[])
    };
    // In one pass, and in one for each image: the passes of a layer are counted anew in each.
    for memory in [1 << 28, 1] {
        let tap = Tap::new();
        let classifier = classifier(&tap, SHARED).memory(memory);
        for (layer, second) in [("relu", false), ("relu:2", true)] {
            let found = ChannelAblation::new().ablate(&classifier, &evidence, layer, Device::Cpu).unwrap();
            assert_eq!(found.effects.len(), 4);
            for effect in &found.effects {
                let expected = loss(Some((second, effect.channel as i64))) - loss(None);
                assert!((effect.loss_change - expected).abs() < 1e-5, "{layer} {effect:?}: {expected}");
            }
        }
    }
}

#[test]
fn dropout_works_at_one_pass() {
    let image = random(&[1, 1, 5, 5], 8);
    let masks = 3;
    for (layer, second) in [("relu", false), ("relu:2", true)] {
        let mut rng = fastrand::Rng::with_seed(9);
        let copies = image.expand([masks, -1, -1, -1], false);
        let dropped = |of_second, x: Tensor| {
            if of_second != second {
                return x;
            }
            &x * dropout_mask(&x, 0.5, DropoutUnit::Element, &mut rng).unwrap()
        };
        let expected = forward(&copies, dropped, |x| x).softmax(1, Kind::Double).select(1, 0);
        let expected = Vec::<f64>::try_from(expected).unwrap();
        for memory in [1 << 28, 1] {
            let tap = Tap::new();
            let classifier = classifier(&tap, SHARED).memory(memory);
            let dropout = (0.5, DropoutUnit::Element);
            let found =
                answers_with_dropout(&classifier, &image, 0, layer, dropout, masks as usize, 9).unwrap();
            for (found, expected) in found.probabilities.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-5, "{layer}: {found} {expected}");
            }
        }
    }
}

#[test]
fn the_linear_end_begins_behind_the_second_pass() {
    let tap = Tap::new();
    let model = LinearModel::find(&classifier(&tap, SHARED), &random(&[2, 1, 5, 5], 5), 0).unwrap().unwrap();
    assert_eq!((model.place(), model.shape.as_slice()), ("relu:2", [4, 5, 5].as_slice()));
    let head = random(&[4, 3], 3);
    for class in 0..3 {
        for (feature, weight) in model.class_weights(class).iter().enumerate() {
            let expected = head.double_value(&[feature as i64 / 25, class as i64]) / 25.0;
            assert!((f64::from(*weight) - expected).abs() < 1e-6, "{weight} {expected}");
        }
    }
}

#[test]
fn guided_methods_cut_each_pass() {
    let image = random(&[1, 1, 5, 5], 6);
    let (shared, apart) = (Tap::new(), Tap::new());
    let (shared, apart) = (classifier(&shared, SHARED), classifier(&apart, ["relu1", "relu2"]));
    for method in [&GuidedBackprop::new() as &dyn Attributor, &Deconvolution::new()] {
        let of = |classifier: &Classifier<'_>| method.attribute(classifier, &image, 1).unwrap();
        let (shared, apart) = (of(&shared), of(&apart));
        assert_eq!((&shared.values, &shared.settings), (&apart.values, &apart.settings));
        assert_eq!(shared.settings, ["2 ReLUs"]);
    }
}

/// The studies as a whole: none fails, none leaves out a pass in silence.
#[test]
fn studies_show_both_passes() {
    let tap = Tap::new();
    let classifier = classifier(&tap, SHARED);
    let (data, normalization) = (data(), Normalization::identity(1));
    let pixels = random(&[1, 1, 5, 5], 8);
    let sample = Sample::new("0 a", pixels.shallow_clone(), &pixels, Some(0)).unwrap();
    let prediction = classifier.predict(&sample.input).unwrap()[0];
    let cases = [Case { sample: &sample, prediction, class: 1 }];
    let subject = Subject {
        classifier: &classifier,
        cases: &cases,
        classes: data.classes(),
        data: Some(Evidence { images: &data, normalization: &normalization }),
        variables: &[],
        spec: None,
        seed: 2,
    };
    let studies: [(Box<dyn Study>, &[&str]); 3] = [
        (Box::new(ChannelAblation::new()), &["relu", "relu:2"]),
        (Box::new(DropoutStudy::new()), &["relu"]),
        (Box::new(LinearStudy::new()), &[]),
    ];
    for (mut study, layers) in studies {
        let mut sink = MemorySink::default();
        let mut report = Report::new(&mut sink, Step::new(1), None).with_values();
        report.begin(study.name());
        study.run(&subject, &mut report).unwrap();
        assert!(report.skipped().is_empty(), "{:?}", report.skipped());
        let values = report.into_json();
        for layer in layers {
            assert!(!values[study.name()][layer].is_null(), "{layer}: {values}");
        }
        assert!(!sink.entries.is_empty());
    }
    assert!(!tap.is_armed(), "nothing stays behind");
}
