//! Occlusion: the lecture's numbers, captum's, and a twin that hides every patch by loops.

#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)] // in helpers of tests

use std::cell::Cell;

use convscope::explain::{
    Attributor as _, Classifier, Fill, Occlusion, OcclusionMap, Patch, PatchStarts, Saliency, Settings, Sign,
};
use tch::{Device, Kind, Tensor};

/// Of the lecture's example: softmax(W x) of a 4x4 image.
const WEIGHTS: [[f64; 16]; 3] = [
    [2.0, 2.0, 0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 0.0, 0.0, -1.0, -1.0, 0.0, 0.0, -1.0, -1.0],
    [-1.0, -1.0, 0.0, 0.0, -1.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.5, 1.5, 0.0, 0.0, 1.5, 1.5],
    [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.5, 0.5, 0.0, 0.0, 0.5, 0.5, 0.0, 0.0],
];
const IMAGE: [f64; 16] = [0.1, 0.9, 0.2, 0.3, 0.8, 0.7, 0.1, 0.0, 0.2, 0.1, 0.6, 0.5, 0.3, 0.4, 0.9, 0.8];

fn lecture() -> (Classifier<'static>, Tensor) {
    let weight = Tensor::from_slice(&WEIGHTS.concat()).reshape([3, 16]);
    let classifier =
        Classifier::new(move |images| Ok(images.flatten(1, -1).linear(&weight, None::<&Tensor>)));
    (classifier, Tensor::from_slice(&IMAGE).reshape([1, 1, 4, 4]))
}

fn close(found: &[f64], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
    }
}

fn close_single(found: &[f32], expected: &[f64]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((f64::from(*found) - expected).abs() < 1e-6, "{found} instead of {expected}");
    }
}

#[test]
fn the_lectures_example() {
    let (classifier, image) = lecture();
    for (fill, expected) in [
        (
            Fill::Value(0.5),
            [
                -0.868_690_093_022_367_2,
                -0.421_589_203_409_579_3,
                -0.105_570_003_072_380_4,
                0.454_021_874_596_554_96,
            ],
        ),
        (
            Fill::Value(0.0),
            [
                -6.382_556_614_873_801,
                0.080_603_025_851_855_86,
                0.069_922_040_913_021_12,
                0.641_797_814_452_787_2,
            ],
        ),
        // The mean of the image, 0.43125.
        (
            Fill::ChannelMean,
            [
                -1.509_083_501_682_736_2,
                -0.305_305_871_780_268_13,
                -0.072_312_017_342_261_23,
                0.518_380_433_772_121_1,
            ],
        ),
    ] {
        let map = Occlusion::new()
            .patch([2, 2])
            .stride([2, 2])
            .fill(fill)
            .map_of_prediction(&classifier, &image)
            .unwrap();
        assert_eq!((map.prediction.class, map.class), (0, 0), "Q, whatever K is");
        assert!((map.loss - 0.662_379_545_831_244_3).abs() < 1e-12);
        assert!((map.prediction.log_probability + map.loss).abs() < 1e-12);
        close(&map.deltas, &expected);
        let (patch, delta) = map.most_important().unwrap();
        assert_eq!((patch, delta), (Patch { top: 0, left: 0, height: 2, width: 2 }, map.deltas[0]));
        assert_eq!(map.forwards(), 5);
    }
}

#[test]
fn the_true_class_is_another_question() {
    let (classifier, image) = lecture();
    let method = Occlusion::new().patch([2, 2]).stride([2, 2]).fill(Fill::Value(0.5));
    let map = method.map(&classifier, &image, 1).unwrap();
    assert_eq!((map.prediction.class, map.class), (0, 1));
    close(
        &map.deltas,
        &[
            0.631_309_906_977_633_1,
            -0.421_589_203_409_579_4,
            -0.105_570_003_072_380_51,
            -1.545_978_125_403_445_3,
        ],
    );
}

#[test]
fn overlapping_patches_in_both_conventions() {
    let (classifier, image) = lecture();
    let method = Occlusion::new().patch([3, 3]).stride([1, 1]).fill(Fill::Value(0.5));
    let naive = method.clone().starts(PatchStarts::EveryStride).map(&classifier, &image, 0).unwrap();
    close(
        &naive.deltas,
        &[
            -1.034_454_928_631_292,
            -1.513_585_478_219_296_6,
            -0.328_561_897_793_002_93,
            -0.160_413_672_894_508_36,
            -0.478_225_121_197_847_3,
            0.044_895_626_060_426_075,
            0.290_840_513_978_561_53,
            0.135_833_464_556_459_84,
            0.252_494_203_270_397_34,
            0.420_112_101_630_791,
            0.454_021_874_596_554_96,
            0.235_086_567_973_859_52,
            0.268_737_103_633_912_8,
            0.416_165_639_113_761_15,
            0.422_813_101_282_676_13,
            0.235_086_567_973_859_52,
        ],
    );
    assert_eq!(naive.patch_at(3, 2), Patch { top: 3, left: 2, height: 1, width: 2 });
    let captums = method.map(&classifier, &image, 0).unwrap();
    close(
        &captums.deltas,
        &[
            -1.034_454_928_631_292,
            -1.513_585_478_219_296_6,
            -0.478_225_121_197_847_3,
            0.044_895_626_060_426_075,
        ],
    );
}

#[test]
fn captums_expected_values() {
    // captum's MultiLayer model: identity, then 3 -> 4 of ones, ReLU, 4 -> 2 of ones.
    let hidden = Tensor::ones([4, 3], (Kind::Float, Device::Cpu));
    let hidden_bias = Tensor::from_slice(&[-10.0f32, 1.0, 1.0, 1.0]);
    let last = Tensor::ones([2, 4], (Kind::Float, Device::Cpu));
    let last_bias = Tensor::from_slice(&[-1.0f32, 1.0]);
    let classifier =
        Classifier::new(|x| Ok(x.linear(&hidden, Some(&hidden_bias)).relu().linear(&last, Some(&last_bias))));
    let image = Tensor::from_slice(&[20.0f32, 50.0, 30.0]).reshape([1, 3]);
    for (window, expected) in [(1, [80.0f32, 200.0, 120.0]), (2, [280.0, 280.0, 120.0])] {
        let method = Occlusion::new().patch([1, window]).stride([1, window]).fill(Fill::Value(0.0)).logits();
        let attribution = method.attribute(&classifier, &image, 0).unwrap();
        assert_eq!((attribution.shape, attribution.sign), ([1, 1, 3], Sign::Signed));
        for (found, expected) in attribution.values.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-4, "{found} instead of {expected}");
        }
    }
}

/// An image of two channels of 7x5 and three classes, without any regularity.
const CHANNELS: usize = 2;
const SIDES: [usize; 2] = [7, 5];

fn numbers(count: usize, factor: usize) -> Vec<f64> {
    (0..count).map(|i| ((i * factor + 3) % 23) as f64 / 11.0 - 1.0).collect()
}

/// tanh(W x) V: something that is not linear.
fn logits(image: &[f64]) -> Vec<f64> {
    let (first, second) = (numbers(6 * image.len(), 7), numbers(18, 5));
    let dot = |row: &[f64], x: &[f64]| -> f64 { row.iter().zip(x).map(|(w, x)| w * x).sum() };
    let hidden: Vec<f64> = first.chunks(image.len()).map(|row| dot(row, image).tanh()).collect();
    second.chunks(6).map(|row| dot(row, &hidden)).collect()
}

fn twin_model(values: usize) -> Classifier<'static> {
    let first = Tensor::from_slice(&numbers(6 * values, 7)).reshape([6, values as i64]);
    let second = Tensor::from_slice(&numbers(18, 5)).reshape([3, 6]);
    Classifier::new(move |x| {
        Ok(x.flatten(1, -1).linear(&first, None::<&Tensor>).tanh().linear(&second, None::<&Tensor>))
    })
}

fn log_softmax(logits: &[f64]) -> Vec<f64> {
    let sum: f64 = logits.iter().map(|logit| logit.exp()).sum();
    logits.iter().map(|logit| logit - sum.ln()).collect()
}

/// By loops over patches, channels and pixels: δ and the fall of the logit, at every pixel the mean of its patches.
fn twin(
    image: &[f64],
    fill: &[f64],
    patch: [usize; 2],
    stride: [usize; 2],
    naive: bool,
    class: usize,
) -> [Vec<f64>; 2] {
    let [height, width] = SIDES;
    let (clean, mut sums, mut counts) = (logits(image), [vec![0.0; 35], vec![0.0; 35]], vec![0.0; 35]);
    let mut top = 0;
    while top < height {
        let mut left = 0;
        while left < width {
            let inside = |row: usize, column: usize| {
                (top..top + patch[0]).contains(&row) && (left..left + patch[1]).contains(&column)
            };
            let mut occluded = image.to_vec();
            for (i, value) in occluded.iter_mut().enumerate() {
                if inside(i % 35 / width, i % width) {
                    *value = fill[i];
                }
            }
            let answer = logits(&occluded);
            let delta = log_softmax(&answer)[class] - log_softmax(&clean)[class];
            for i in (0..35).filter(|i| inside(i / width, i % width)) {
                sums[0][i] += delta;
                sums[1][i] += clean[class] - answer[class];
                counts[i] += 1.0;
            }
            if !naive && left + patch[1] >= width {
                break;
            }
            left += stride[1];
        }
        if !naive && top + patch[0] >= height {
            break;
        }
        top += stride[0];
    }
    sums.map(|sums| sums.iter().zip(&counts).map(|(sum, count)| sum / count).collect())
}

#[test]
fn maps_are_those_of_loops() {
    let values = numbers(CHANNELS * 35, 5);
    let image = Tensor::from_slice(&values).reshape([1, 2, 7, 5]);
    let mean = |channel: usize| values[channel * 35..(channel + 1) * 35].iter().sum::<f64>() / 35.0;
    let means: Vec<f64> = (0..70).map(|i| mean(i / 35)).collect();
    let blurred = Fill::Blur { sigma: 1.5 }.image(&image).unwrap();
    let blurred = Vec::<f64>::try_from(blurred.reshape([-1])).unwrap();
    for (fill, filled) in [
        (Fill::Value(0.75), vec![0.75; 70]),
        (Fill::ChannelMean, means),
        (Fill::Blur { sigma: 1.5 }, blurred),
    ] {
        for (patch, stride) in [
            ([1, 1], [1, 1]),
            ([2, 3], [2, 1]),
            ([3, 2], [3, 2]),
            ([4, 4], [3, 2]),
            ([7, 5], [9, 9]),
            ([7, 2], [1, 2]),
        ] {
            for (starts, naive) in [(PatchStarts::Covering, false), (PatchStarts::EveryStride, true)] {
                let [deltas, drops] = twin(&values, &filled, patch, stride, naive, 2);
                let method = Occlusion::new().patch(patch).stride(stride).fill(fill.clone()).starts(starts);
                // Whether one image or all fit into a pass makes no difference.
                for bytes in [1, 1 << 30] {
                    let map = method.map(&twin_model(70).memory(bytes), &image, 2).unwrap();
                    close_single(&map.delta_map(), &deltas);
                    close_single(&map.attributions(), &drops);
                }
            }
        }
    }
}

#[test]
fn without_overlap_the_loss_is_captums_attribution_of_the_log_softmax() {
    let (classifier, image) = lecture();
    let of_log = Classifier::new(|x| Ok(classifier.logits(x)?.log_softmax(1, Kind::Double)));
    let method = Occlusion::new().patch([2, 2]).stride([2, 2]);
    let lectures = method.map(&classifier, &image, 0).unwrap();
    let captums = method.map(&of_log, &image, 0).unwrap();
    close(&lectures.deltas, &captums.drops.iter().map(|drop| -drop).collect::<Vec<_>>());
}

#[test]
fn a_probability_of_zero_is_no_infinity() {
    // exp(-2000) is 0 in double precision.
    let weight = Tensor::from_slice(&[1000.0f64, -1000.0]).reshape([2, 1]);
    let classifier = Classifier::new(|x| Ok(x.flatten(1, -1).linear(&weight, None::<&Tensor>)));
    let image = Tensor::from_slice(&[1.0f64]).reshape([1, 1, 1, 1]);
    let map = Occlusion::new().fill(Fill::Value(-1.0)).map_of_prediction(&classifier, &image).unwrap();
    assert_eq!(map.deltas, [-2000.0]);
}

#[test]
fn what_a_map_costs() {
    let passed = Cell::new(0);
    let classifier = Classifier::new(|x| {
        passed.set(passed.get() + x.size()[0] as usize);
        Ok(x.flatten(1, -1).narrow(1, 0, 2))
    });
    for (side, patch, stride, windows) in [
        (28, 4, 4, 49),
        (28, 7, 3, 64),
        (32, 4, 4, 64),
        (32, 4, 2, 225),
        (32, 8, 4, 49),
        (64, 8, 4, 225),
        (224, 16, 16, 196),
        (224, 16, 8, 729),
        (224, 32, 16, 169),
        (224, 8, 1, 47_089),
    ] {
        let starts = PatchStarts::Covering.along(side, patch, stride).unwrap();
        assert_eq!(starts.len().pow(2), windows, "{side} px, patch {patch}, stride {stride}");
        if windows > 1000 {
            continue; // the count is all that is looked at
        }
        passed.set(0);
        let image = Tensor::ones([1, 1, side as i64, side as i64], (Kind::Float, Device::Cpu));
        let method = Occlusion::new().patch([patch, patch]).stride([stride, stride]);
        let map = method.map_of_prediction(&classifier, &image).unwrap();
        assert_eq!((map.deltas.len(), map.forwards()), (windows, windows + 1));
        // Two images measure what one takes.
        assert!((windows + 1..=windows + 3).contains(&passed.get()), "{} passed", passed.get());
    }
}

/// A blob of evidence that the logit of class 0 saturates on, on 224 px.
fn blob() -> (Classifier<'static>, Tensor) {
    let places = Tensor::arange(224, (Kind::Float, Device::Cpu));
    let bump = |centre: f64, width: f64| (-((&places - centre) / width).square()).exp();
    let weight = bump(90.0, 20.0).unsqueeze(1) * bump(140.0, 12.0).unsqueeze(0)
        - bump(40.0, 9.0).unsqueeze(1) * bump(60.0, 15.0).unsqueeze(0);
    let weight = weight.reshape([1, -1]);
    let classifier = Classifier::new(move |x: &Tensor| {
        let evidence = x.flatten(1, -1).matmul(&weight.tr()) * 0.02;
        Ok(Tensor::cat(&[evidence.tanh() * 4.0, evidence.zeros_like()], 1))
    });
    (classifier, Tensor::ones([1, 1, 224, 224], (Kind::Float, Device::Cpu)))
}

#[test]
fn coarse_to_fine_costs_at_most_its_share_and_finds_the_same() {
    let (classifier, image) = blob();
    let method = Occlusion::new().patch([8, 8]).stride([1, 1]).fill(Fill::Value(0.0));
    let fine = method.clone().coarse_to_fine().map(&classifier, &image, 0).unwrap();
    assert_eq!(fine.deltas.len(), 47_089);
    assert!(fine.forwards() <= 47_090 * 15 / 100, "{}", fine.forwards());
    assert!(fine.cost() <= 0.15 && fine.cost() > 0.14);
    let dense = method.map(&classifier, &image, 0).unwrap();
    assert!(dense.measured.iter().all(|measured| *measured));
    for (i, measured) in fine.measured.iter().enumerate() {
        assert!(!measured || (fine.deltas[i] - dense.deltas[i]).abs() < 1e-5, "patch {i}");
    }
    assert_eq!(fine.most_important().unwrap().0, dense.most_important().unwrap().0);
    let correlation = correlation(&fine.delta_map(), &dense.delta_map());
    assert!(correlation > 0.999, "{correlation}");
}

fn correlation(a: &[f32], b: &[f32]) -> f64 {
    let mean = |values: &[f32]| values.iter().map(|v| f64::from(*v)).sum::<f64>() / values.len() as f64;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (f64::from(*a) - mean_a, f64::from(*b) - mean_b);
        (ab, aa, bb) = (ab + a * b, aa + a * a, bb + b * b);
    }
    ab / (aa * bb).sqrt()
}

#[test]
fn coarse_to_fine_with_all_of_the_cost_is_dense() {
    let image = Tensor::from_slice(&numbers(70, 5)).reshape([1, 2, 7, 5]);
    for (patch, stride) in [([2, 2], [1, 1]), ([4, 3], [1, 1]), ([4, 4], [2, 1]), ([7, 5], [9, 9])] {
        let method = Occlusion::new().patch(patch).stride(stride);
        let dense = method.map(&twin_model(70), &image, 1).unwrap();
        assert_eq!(method.clone().coarse_to_fine_within(1.0).map(&twin_model(70), &image, 1).unwrap(), dense);
        // Nothing is left over for the rest: the first patches alone.
        let coarse = method.coarse_to_fine_within(0.0).map(&twin_model(70), &image, 1).unwrap();
        let is_near = |map: &OcclusionMap| map.deltas.iter().all(|delta| delta.is_finite());
        assert!(is_near(&coarse) && coarse.forwards() <= dense.forwards());
    }
}

#[test]
fn values_that_are_no_numbers_stay_in_their_patch() {
    let classifier = Classifier::new(|x| {
        let corner = x.flatten(1, -1).narrow(1, 0, 1).log(); // of 0: NaN comes from 0 * inf
        Ok(Tensor::cat(&[&corner * 0.0, corner.zeros_like() + 1.0], 1))
    });
    let image = Tensor::ones([1, 1, 4, 4], (Kind::Float, Device::Cpu));
    let map = Occlusion::new()
        .patch([2, 2])
        .stride([2, 2])
        .fill(Fill::Value(0.0))
        .map(&classifier, &image, 1)
        .unwrap();
    let pixels = map.delta_map();
    for (i, value) in pixels.iter().enumerate() {
        assert_eq!(value.is_nan(), i / 4 < 2 && i % 4 < 2, "pixel {i}: {value}");
    }
    assert_eq!(map.most_important().map(|(patch, _)| (patch.top, patch.left)), Some((0, 2)));
}

#[test]
fn an_attribution_says_what_was_done() {
    let (classifier, image) = lecture();
    let map = Occlusion::new().attribute(&classifier, &image, 0).unwrap();
    assert_eq!((map.shape, map.sign, map.class), ([1, 4, 4], Sign::Reversed, 0));
    assert_eq!(map.settings, ["patch 1x1", "stride 1x1", "fill: channel mean (0.431)"]);
    assert_eq!(map.measure("forward_passes"), Some(17.0));
    assert!((map.measure("loss_not_occluded").unwrap() - 0.662_379_545_831_244_3).abs() < 1e-12);
    // Importance has the other sign: the most important pixel is the one with the smallest value.
    let least = map.values.iter().copied().fold(f32::MAX, f32::min);
    assert_eq!(map.importance().iter().copied().fold(f32::MIN, f32::max), -least);
    let method = Occlusion::new().patch([2, 2]).stride([1, 1]).coarse_to_fine();
    let fine = method.attribute(&classifier, &image, 0).unwrap();
    assert_eq!(fine.settings[3], "coarse to fine: 4 of 9 patches measured");
    // The raw values have the lecture's map, captum's, and what both are made of.
    let (json, map) = (fine.to_json(), method.map(&classifier, &image, 0).unwrap());
    let numbers = |name: &str| -> Vec<f64> {
        json["details"][name].as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect()
    };
    assert_eq!((numbers("deltas"), numbers("logit_drops")), (map.deltas.clone(), map.drops.clone()));
    let captum: Vec<f32> = numbers("captum").iter().map(|value| *value as f32).collect();
    assert_eq!(captum, map.attributions());
    let details = &json["details"];
    assert_eq!((&details["patches"], &details["patches_measured"]), (&9.into(), &4.into()));
    assert_eq!((&details["tops"], &details["patch"]), (&vec![0, 1, 2].into(), &vec![2, 2].into()));
    let measured = details["measured"].as_array().unwrap();
    assert_eq!(measured.iter().filter(|measured| **measured == true).count(), 4);
    assert!(Saliency::new().attribute(&classifier, &image, 0).unwrap().to_json().get("details").is_none());
}

#[test]
fn settings_of_the_command_line() {
    let mut settings = Settings::default();
    assert_eq!(Occlusion::new().with(&settings).unwrap(), Occlusion::new());
    settings.patch = Some([4, 3]);
    settings.stride = Some([2, 1]);
    settings.fill = Some("blur:2.5".parse().unwrap());
    settings.coarse_to_fine = Some(true);
    let expected =
        Occlusion::new().patch([4, 3]).stride([2, 1]).fill(Fill::Blur { sigma: 2.5 }).coarse_to_fine();
    assert_eq!(Occlusion::new().with(&settings).unwrap(), expected);
    for (fill, expected) in
        [("mean", Fill::ChannelMean), ("blur", Fill::Blur { sigma: 5.0 }), ("-0.5", Fill::Value(-0.5))]
    {
        assert_eq!(fill.parse::<Fill>().unwrap(), expected);
    }
    for fill in ["grey", "blur:0", "blur:x", "NaN", ""] {
        assert!(fill.parse::<Fill>().unwrap_err().to_string().contains("`mean`, `blur`"), "{fill}");
    }
    settings.patch = Some([4, 0]);
    assert!(Occlusion::new().with(&settings).unwrap_err().to_string().contains("patch of occlusion"));
}

#[test]
fn what_cannot_be_occluded_is_refused() {
    let (classifier, image) = lecture();
    let says = |method: Occlusion, what: &str| {
        let error = method.map(&classifier, &image, 0).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    says(Occlusion::new().patch([2, 2]).stride([3, 2]), "no patch covers the pixels between");
    says(Occlusion::new().patch([2, 2]).stride([2, 0]), "stride of occlusion");
    says(Occlusion::new().patch([5, 2]), "1 to 4 pixels");
    says(Occlusion::new().patch([0, 2]).stride([1, 1]), "patch of occlusion");
    says(Occlusion::new().fill(Fill::Value(f64::INFINITY)), "a finite number");
    says(Occlusion::new().fill(Fill::Channels(vec![0.0; 5])), "5 values found");
    for sigma in [1e300, 1e9, f64::INFINITY, f64::NAN, 0.0] {
        says(Occlusion::new().fill(Fill::Blur { sigma }), "at most 5");
    }
    says(Occlusion::new().coarse_to_fine_within(1.5), "0 to 1");
    says(Occlusion::new().coarse_to_fine_within(f64::NAN), "0 to 1");
    let error = Occlusion::new().map(&classifier, &image, 3).unwrap_err().to_string();
    assert!(error.contains("3 classes"), "{error}");
    let two = image.repeat([2, 1, 1, 1]);
    assert!(Occlusion::new().map(&classifier, &two, 0).unwrap_err().to_string().contains("one image"));
}
