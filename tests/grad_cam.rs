//! Class activation maps: against slow loops, which layer is looked at, and what is said of empty maps.

#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)]

#[path = "support/gradient_twin.rs"]
mod gradient_twin;

use convscope::{
    Network,
    arch::{Conv2d, Layer, Linear, ModelSpec},
    capture::{Role, Tap},
    explain::{Attributor, Classifier, GradCam, GradCamPlusPlus, Sign},
};
use gradient_twin::{CLASSES, MAPS, ORDINARY, PIXELS, Twin, assert_close, image, numbers};
use tch::{Kind, Tensor};

/// Σ_c w_c A_c with the weight that `weight` makes of a map's gradient and values.
fn weighted(maps: &[f64], gradients: &[f64], weight: impl Fn(&[f64], &[f64]) -> f64) -> Vec<f64> {
    let mut sum = vec![0.0; PIXELS];
    for channel in 0..MAPS {
        let of = |values: &[f64]| values[channel * PIXELS..][..PIXELS].to_vec();
        let (map, gradient) = (of(maps), of(gradients));
        let weight = weight(&gradient, &map);
        sum.iter_mut().zip(&map).for_each(|(sum, value)| *sum += weight * value);
    }
    sum
}

fn mean(gradient: &[f64], _: &[f64]) -> f64 {
    gradient.iter().sum::<f64>() / gradient.len() as f64
}

/// Equation 19 of the paper, in its words, with 0 for 0 / 0.
fn plus_plus(gradient: &[f64], map: &[f64]) -> f64 {
    let total: f64 = map.iter().sum();
    let alpha = |g: f64| {
        let denominator = 2.0 * g * g + total * g * g * g;
        if denominator == 0.0 { 0.0 } else { g * g / denominator }
    };
    gradient.iter().map(|&g| alpha(g) * g.max(0.0)).sum()
}

#[test]
fn maps_agree_with_the_slow_twin() {
    let twin = Twin::new();
    let network = twin.network();
    let classifier = Classifier::of_network(&network);
    let (image, values) = image();
    let pass = twin.forward(&values);
    let mut any_negative = false;
    for class in 0..CLASSES {
        let back = twin.backward(&pass, class, ORDINARY);
        let layers = [("relu2", &pass.a2, &back.a2), ("conv1", &pass.z1, &back.z1)];
        for (layer, maps, gradients) in layers {
            let found =
                |method: &dyn Attributor| method.attribute(&classifier, &image, class as i64).unwrap();
            let expected = weighted(maps, gradients, mean);
            let signed = found(&GradCam::new().layer(layer).signed());
            assert_close(&signed.values, &expected, layer);
            let positive: Vec<f64> = expected.iter().map(|value| value.max(0.0)).collect();
            let cut = found(&GradCam::new().layer(layer));
            // Of a map that the ReLU empties, too: off by a part of what was there before it.
            let scale = expected.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
            for (place, (found, expected)) in cut.values.iter().zip(&positive).enumerate() {
                let off = (f64::from(*found) - expected).abs();
                assert!(off <= 1e-6 * scale, "{layer}, value {place}: {found}, expected {expected}");
            }
            any_negative |= expected.iter().any(|value| *value < 0.0);
            assert_eq!((signed.sign, cut.sign), (Sign::Signed, Sign::Magnitude));
            let least = expected.iter().copied().fold(f64::INFINITY, f64::min);
            let most = expected.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            for map in [&signed, &cut] {
                assert!((map.measure("raw_min").unwrap() - least).abs() < 1e-9);
                assert!((map.measure("raw_max").unwrap() - most).abs() < 1e-9);
            }
            let expected = weighted(maps, gradients, plus_plus);
            let plus = found(&GradCamPlusPlus::new().layer(layer).signed());
            assert_close(&plus.values, &expected, layer);
        }
    }
    assert!(any_negative, "the ReLU was never needed");
}

/// A map that speaks against the class everywhere.
fn against() -> (Tap, Tensor) {
    (Tap::new(), Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0]).reshape([1, 1, 2, 2]))
}

#[test]
fn a_map_without_positive_values_says_so() {
    let (tap, image) = against();
    let classifier = Classifier::new(|images| {
        let maps = tap.pass("maps", Role::Convolution, images * 1.0);
        Ok(maps.sum_dim_intlist([2i64, 3].as_slice(), false, Kind::Float) * -1.0)
    });
    let classifier = classifier.tap(&tap);
    let found = GradCam::new().attribute(&classifier, &image, 0).unwrap();
    assert_eq!(found.values, [0.0; 4]);
    assert!(found.warning.unwrap().starts_with("All values <= 0"));
    assert_eq!(found.measures, [("raw_min", -4.0), ("raw_max", -1.0)]);
    let signed = GradCam::new().signed().attribute(&classifier, &image, 0).unwrap();
    assert_eq!((signed.values, signed.warning), (vec![-1.0, -2.0, -3.0, -4.0], None));
    // No positive gradient at all: Grad-CAM++ has no weights.
    let found = GradCamPlusPlus::new().attribute(&classifier, &image, 0).unwrap();
    assert_eq!(found.values, [0.0; 4]);
    assert!(found.warning.is_some());
}

/// Of conv -> relu -> pool -> 1x1 map -> linear, the ReLU is the last with maps of more than a pixel.
#[test]
fn the_default_is_the_last_layer_with_maps() {
    let spec = ModelSpec::builder("m", [1, 4, 4])
        .layer("conv1", Layer::Conv2d(Conv2d::new(2, 3)))
        .layer("relu1", Layer::Relu)
        .layer("conv2", Layer::Conv2d(Conv2d::new(2, 2)))
        .layer("flatten", Layer::Flatten)
        .layer("fc", Layer::Linear(Linear::new(2)))
        .build()
        .unwrap();
    let shapes: [(&str, &[i64]); 6] = [
        ("conv1.weight", &[2, 1, 3, 3]),
        ("conv1.bias", &[2]),
        ("conv2.weight", &[2, 2, 2, 2]),
        ("conv2.bias", &[2]),
        ("fc.weight", &[2, 2]),
        ("fc.bias", &[2]),
    ];
    let variables: Vec<(String, Tensor)> = (shapes.iter().enumerate())
        .map(|(seed, (name, shape))| {
            let values = numbers(seed as u64, shape.iter().product::<i64>() as usize);
            ((*name).to_owned(), Tensor::from_slice(&values).reshape(*shape))
        })
        .collect();
    let network = Network::with_variables(&spec, &variables).unwrap();
    let classifier = Classifier::of_network(&network);
    let image = Tensor::from_slice(&numbers(20, 16)).reshape([1, 1, 4, 4]);
    for method in [&GradCam::new() as &dyn Attributor, &GradCamPlusPlus::new()] {
        let found = method.attribute(&classifier, &image, 0).unwrap();
        assert_eq!(found.settings[0], "layer relu1, 2x2", "{}", method.name());
    }
    let pixel = GradCam::new().layer("conv2").attribute(&classifier, &image, 0).unwrap();
    assert_eq!(pixel.shape, [1, 1, 1]);

    let error =
        |layer: &str| GradCam::new().layer(layer).attribute(&classifier, &image, 0).unwrap_err().to_string();
    assert_eq!(
        error("conv9"),
        "layer `conv9`: there is no observed layer of that name; layers with maps: conv1, relu1, conv2"
    );
    assert!(error("fc").contains("shape [1, 2]"), "{}", error("fc"));
}

/// What stands in front of the branches, and what is behind them.
fn branches<'a>(tap: &'a Tap, has_stem: bool, comes_together: bool) -> Classifier<'a> {
    Classifier::new(move |images| {
        let stem = images * 1.0;
        let stem = if has_stem { tap.pass("stem", Role::Convolution, stem) } else { stem };
        let left = tap.pass("left", Role::Relu, (&stem * 2.0).relu());
        let right = tap.pass("right", Role::Relu, (&stem * 3.0).relu());
        if !comes_together {
            return Ok(left.flatten(1, -1).sum_dim_intlist([1i64].as_slice(), true, None)
                + right.flatten(1, -1).sum_dim_intlist([1i64].as_slice(), true, None));
        }
        let both = tap.pass("both", Role::Other, Tensor::cat(&[left, right], 1));
        let pooled = tap.pass("pool", Role::Other, both.max_pool2d([2, 1], [2, 1], [0, 0], [1, 1], false));
        let sums = pooled.sum_dim_intlist([2i64, 3].as_slice(), false, None);
        Ok((sums * Tensor::from_slice(&[1.0f32, 10.0])).sum_dim_intlist([1i64].as_slice(), true, None))
    })
    .tap(tap)
}

/// The last ReLU sees 3 of 5 parts of the evidence; behind the concatenation there is all of it.
#[test]
fn branches_are_looked_at_where_they_come_together() {
    let (tap, image) = against();
    let found = GradCam::new().attribute(&branches(&tap, true, true), &image, 0).unwrap();
    assert_eq!(found.settings, ["layer both, 2x2", "ReLU"]);
    // Behind the pooling the lower row has gradients, 1 and 10: their means are 0.5 and 5.
    let expected: Vec<f32> = (1..=4).map(|pixel| pixel as f32 * (2.0 * 0.5 + 3.0 * 5.0)).collect();
    assert_eq!(found.values, expected);
    // Where nothing brings them together, the last layer before them has all.
    let found = GradCam::new().attribute(&branches(&tap, true, false), &image, 0).unwrap();
    assert_eq!(found.settings, ["layer stem, 2x2", "ReLU"]);
    let found = GradCam::new().attribute(&branches(&tap, false, false), &image, 0).unwrap();
    assert_eq!(found.settings, ["layer right, 2x2", "ReLU", "one of several branches"]);
    // Who names a branch wants it.
    let found = GradCam::new().layer("left").attribute(&branches(&tap, true, true), &image, 0).unwrap();
    assert_eq!(found.settings, ["layer left, 2x2", "ReLU"]);
    assert!(!tap.is_armed(), "nothing stays behind");
}

/// A layer of another branch, such as an auxiliary output's, is no default and an error where it is named.
#[test]
fn a_layer_without_a_part_in_the_answer_is_passed_over() {
    let (tap, image) = against();
    let classifier = Classifier::new(|images| {
        let maps = tap.pass("maps", Role::Convolution, images * 1.0);
        drop(tap.pass("aside", Role::Convolution, images * 3.0));
        drop(tap.pass("detached", Role::Convolution, maps.detach()));
        Ok(maps.sum_dim_intlist([2i64, 3].as_slice(), false, Kind::Float))
    });
    let classifier = classifier.tap(&tap);
    let found = GradCam::new().attribute(&classifier, &image, 0).unwrap();
    assert!(found.settings[0].starts_with("layer maps"), "{:?}", found.settings);
    for layer in ["aside", "detached"] {
        let error = GradCam::new().layer(layer).attribute(&classifier, &image, 0).unwrap_err().to_string();
        assert!(error.contains("does not depend on it"), "{error}");
    }
}

#[test]
fn a_model_without_maps_is_told_what_to_do() {
    let tap = Tap::new();
    let classifier = Classifier::new(|images| Ok(images.flatten(1, -1) * 2.0)).tap(&tap);
    let error = GradCam::new().attribute(&classifier, &against().1, 0).unwrap_err().to_string();
    assert!(error.starts_with("grad_cam: no observed convolution") && error.contains("probe"), "{error}");
}

/// A gradient so small that its square vanishes in single precision has its weight all the same.
#[test]
fn small_gradients_have_their_weight() {
    let (tap, image) = against();
    let classifier = Classifier::new(|images| {
        let maps = tap.pass("maps", Role::Convolution, images * 1.0);
        Ok(maps.sum_dim_intlist([2i64, 3].as_slice(), false, Kind::Float) * 1e-25)
    });
    let found = GradCamPlusPlus::new().attribute(&classifier.tap(&tap), &image, 0).unwrap();
    // α = 1 / (2 + 1e-25 · 10) = 1/2; the weight is 4 · 1/2 · 1e-25.
    assert!((f64::from(found.values[3]) / 8e-25 - 1.0).abs() < 1e-5, "{:?}", found.values);
}
