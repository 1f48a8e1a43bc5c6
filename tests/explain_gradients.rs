//! Methods that are made of input gradients: against finite differences, a slow twin, and what they promise.

#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)]

#[path = "support/gradient_twin.rs"]
mod gradient_twin;

use std::{cell::RefCell, rc::Rc};

use convscope::explain::{
    Attribution, Attributor, Classifier, Deconvolution, GradCam, GradCamPlusPlus, GradientXInput,
    GuidedBackprop, IntegratedGradients, Quadrature, Saliency, Sign, SmoothGrad,
};
use gradient_twin::{CLASSES, ORDINARY, Twin, assert_close, image, numbers};
use tch::{Kind, Tensor};

/// Every method, by its name.
fn methods() -> Vec<Box<dyn Attributor>> {
    vec![
        Box::new(Saliency::new()),
        Box::new(GradientXInput::new()),
        Box::new(SmoothGrad::new()),
        Box::new(SmoothGrad::squared()),
        Box::new(SmoothGrad::variance()),
        Box::new(IntegratedGradients::new()),
        Box::new(GradCam::new()),
        Box::new(GradCamPlusPlus::new()),
        Box::new(GuidedBackprop::new()),
        Box::new(Deconvolution::new()),
    ]
}

fn attribute(method: &dyn Attributor, class: i64) -> Attribution {
    let network = Twin::new().network();
    method.attribute(&Classifier::of_network(&network), &image().0, class).unwrap()
}

#[test]
fn gradients_agree_with_central_differences() {
    const H: f64 = 1e-5;
    let network = Twin::new().network();
    let (image, values) = image();
    for class in 0..CLASSES as i64 {
        let logit = |place: usize, change: f64| {
            let mut values = values.clone();
            values[place] += change;
            let image = Tensor::from_slice(&values).reshape(image.size());
            network.f_forward_t(&image, false).unwrap().double_value(&[0, class])
        };
        let differences: Vec<f64> =
            (0..values.len()).map(|place| (logit(place, H) - logit(place, -H)) / (2.0 * H)).collect();
        assert_close(&attribute(&Saliency::new().signed(), class).values, &differences, "signed");
        let magnitudes: Vec<f64> = differences.iter().map(|value| value.abs()).collect();
        assert_close(&attribute(&Saliency::new(), class).values, &magnitudes, "saliency");
        let products: Vec<f64> = differences.iter().zip(&values).map(|(d, x)| d * x).collect();
        assert_close(&attribute(&GradientXInput::new(), class).values, &products, "gradient x input");
    }
}

#[test]
fn gradients_agree_with_the_slow_twin() {
    let twin = Twin::new();
    let values = image().1;
    for class in 0..CLASSES {
        let expected = twin.gradient(&values, class, ORDINARY);
        assert_close(&attribute(&Saliency::new().signed(), class as i64).values, &expected, "signed");
    }
}

/// Σ weight · gradient at x₀ + α (x - x₀), times x - x₀, for the rules that are written down in a line.
#[test]
fn integrated_gradients_agree_with_the_slow_twin() {
    const STEPS: usize = 7;
    let twin = Twin::new();
    let values = image().1;
    let baseline = numbers(11, values.len());
    type Point = fn(f64) -> (f64, f64);
    let n = STEPS as f64;
    let rules: [(Quadrature, Point); 3] = [
        (Quadrature::RiemannLeft, |i| (i / STEPS as f64, 1.0)),
        (Quadrature::RiemannMiddle, |i| ((i + 0.5) / STEPS as f64, 1.0)),
        (Quadrature::RiemannTrapezoid, |i| {
            (i / (STEPS as f64 - 1.0), if i == 0.0 || i == STEPS as f64 - 1.0 { 0.5 } else { 1.0 })
        }),
    ];
    for (rule, point) in rules {
        let mut total = vec![0.0; values.len()];
        for step in 0..STEPS {
            let (alpha, weight) = point(step as f64);
            let between: Vec<f64> =
                values.iter().zip(&baseline).map(|(x, x0)| x0 + alpha * (x - x0)).collect();
            for (sum, gradient) in total.iter_mut().zip(twin.gradient(&between, 2, ORDINARY)) {
                *sum += weight / n * gradient;
            }
        }
        let expected: Vec<f64> =
            total.iter().zip(values.iter().zip(&baseline)).map(|(g, (x, x0))| g * (x - x0)).collect();
        let from = Tensor::from_slice(&baseline).reshape(image().0.size());
        let found = attribute(&IntegratedGradients::new().steps(STEPS).rule(rule).baseline(from), 2);
        assert_close(&found.values, &expected, rule.name());

        let change = twin.forward(&values).logits[2] - twin.forward(&baseline).logits[2];
        let error = expected.iter().sum::<f64>() - change;
        assert!((found.measure("logit_difference").unwrap() - change).abs() < 1e-9);
        assert!((found.measure("completeness_error").unwrap() - error).abs() < 1e-5);
    }
}

#[test]
fn integrated_gradients_are_complete() {
    let few = attribute(&IntegratedGradients::new().steps(10), 0);
    let many = attribute(&IntegratedGradients::new().steps(300), 0);
    let error = |found: &Attribution| found.measure("completeness_error").unwrap().abs();
    assert!(error(&many) < 0.01, "{}", error(&many));
    assert!(error(&many) < error(&few), "{} {}", error(&many), error(&few));
    assert_eq!(many.settings, ["300 steps", "gausslegendre", "baseline 0"]);
}

/// captum's trapezoid has weights that sum to 0.98 at 50 steps: of a linear function it misses one part in 50.
#[test]
fn a_trapezoid_misses_one_part_in_n() {
    let classifier = Classifier::new(|inputs| Ok(inputs.sum_dim_intlist([1i64].as_slice(), true, None)));
    let input = Tensor::from_slice(&[1.0f32, 3.0]).reshape([1, 2]);
    let method = IntegratedGradients::new().rule(Quadrature::RiemannTrapezoid);
    let found = method.attribute(&classifier, &input, 0).unwrap();
    assert!((found.measure("completeness_error").unwrap() + 4.0 / 50.0).abs() < 1e-6);
}

/// The noisy copies as the model saw them, and the statistics of the twin's gradients there.
#[test]
fn smooth_grad_agrees_with_the_slow_twin() {
    const SAMPLES: usize = 9;
    let twin = Twin::new();
    let network = twin.network();
    let (image, values) = image();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let classifier = Classifier::new({
        let (seen, network) = (seen.clone(), &network);
        move |images| {
            if images.requires_grad() {
                let rows = Vec::<Vec<f64>>::try_from(&images.detach().flatten(1, -1)).unwrap();
                seen.borrow_mut().extend(rows);
            }
            network.f_forward_t(images, false)
        }
    });
    let run = |method: SmoothGrad| {
        seen.borrow_mut().clear();
        let found = method.samples(SAMPLES).attribute(&classifier, &image, 1).unwrap();
        let gradients: Vec<Vec<f64>> =
            seen.borrow().iter().map(|copy| twin.gradient(copy, 1, ORDINARY)).collect();
        assert_eq!(gradients.len(), SAMPLES);
        (found, gradients)
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let square = |values: &[f64]| values.iter().map(|value| value * value).collect::<Vec<_>>();
    let variance = |values: &[f64]| {
        let center = mean(values);
        mean(&square(&values.iter().map(|value| value - center).collect::<Vec<_>>()))
    };
    let over_copies = |gradients: &[Vec<f64>], statistic: &dyn Fn(&[f64]) -> f64| -> Vec<f64> {
        let at = |place: usize| gradients.iter().map(|gradient| gradient[place]).collect::<Vec<_>>();
        (0..values.len()).map(|place| statistic(&at(place))).collect()
    };

    let (found, gradients) = run(SmoothGrad::new().signed());
    assert_close(&found.values, &over_copies(&gradients, &mean), "mean");
    let (found, gradients) = run(SmoothGrad::new());
    assert_close(&found.values, &over_copies(&gradients, &|g| mean(g).abs()), "magnitude of the mean");
    let (found, gradients) = run(SmoothGrad::squared());
    assert_close(&found.values, &over_copies(&gradients, &|g| mean(&square(g))), "mean of squares");
    let (found, gradients) = run(SmoothGrad::variance());
    assert_close(&found.values, &over_copies(&gradients, &variance), "variance");
}

#[test]
fn noise_is_normal_with_a_deviation_relative_to_the_range() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let classifier = Classifier::new({
        let seen = seen.clone();
        move |inputs| {
            if inputs.requires_grad() {
                seen.borrow_mut().extend(Vec::<f64>::try_from(&inputs.detach().flatten(0, -1)).unwrap());
            }
            Ok(inputs.sum_dim_intlist([1i64].as_slice(), true, None))
        }
    });
    // Values from -3 to 1; an odd number of them, for numbers come in pairs.
    let input = Tensor::from_slice(&[1.0f64, -1.0, -3.0]).reshape([1, 3]);
    let noise = |method: SmoothGrad| -> Vec<f64> {
        seen.borrow_mut().clear();
        let found = method.attribute(&classifier, &input, 0).unwrap();
        assert_eq!(found.values, [1.0; 3]);
        seen.borrow()
            .iter()
            .zip([1.0, -1.0, -3.0].iter().cycle())
            .map(|(noisy, value)| noisy - value)
            .collect()
    };
    let many = noise(SmoothGrad::new().samples(20_000).noise(0.25));
    let n = many.len() as f64;
    let moment = |power: i32| many.iter().map(|value| value.powi(power)).sum::<f64>() / n;
    // Deviation 0.25 · 4 = 1. The bounds are five standard errors of these moments.
    for (power, expected, spread) in [(1, 0.0, 1.0f64), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
        assert!((moment(power) - expected).abs() < 5.0 * (spread / n).sqrt(), "{power}: {}", moment(power));
    }
    let neighbours = many.windows(2).map(|two| two[0] * two[1]).sum::<f64>() / n;
    assert!(neighbours.abs() < 5.0 / n.sqrt(), "{neighbours}");

    let same = noise(SmoothGrad::new().samples(4));
    assert_eq!(same, noise(SmoothGrad::new().samples(4)));
    assert_ne!(same, noise(SmoothGrad::new().samples(4).seed(1)));
    assert!(noise(SmoothGrad::new().samples(4).noise(0.0)).iter().all(|noise| *noise == 0.0));
}

#[test]
fn an_image_of_one_value_gets_no_noise_and_says_so() {
    let network = Twin::new().network();
    let classifier = Classifier::of_network(&network);
    let grey = image().0.full_like(0.3);
    let found = SmoothGrad::new().attribute(&classifier, &grey, 0).unwrap();
    assert!(found.warning.unwrap().contains("no noise"));
    let plain = Saliency::new().attribute(&classifier, &grey, 0).unwrap().values;
    assert_close(&found.values, &plain.iter().copied().map(f64::from).collect::<Vec<_>>(), "no noise");
}

/// A memory of one byte runs one image at a time; results are those of one pass.
#[test]
fn results_do_not_depend_on_the_memory() {
    let network = Twin::new().network();
    let image = image().0;
    for method in methods() {
        let most = Rc::new(RefCell::new(0));
        let run = |bytes: u64| {
            *most.borrow_mut() = 0;
            let (most, network) = (most.clone(), &network);
            let classifier = Classifier::new(move |images| {
                let mut most = most.borrow_mut();
                *most = (*most).max(images.size()[0]);
                network.f_forward_t(images, false)
            });
            let classifier = classifier.tap(network.tap()).memory(bytes);
            let found = method.attribute(&classifier, &image, 1).unwrap();
            found.values.iter().copied().map(f64::from).collect::<Vec<_>>()
        };
        let at_once = run(1 << 30);
        let in_pieces = run(1);
        assert_eq!(*most.borrow(), 1, "{}", method.name());
        let found: Vec<f32> = in_pieces.iter().map(|value| *value as f32).collect();
        assert_close(&found, &at_once, method.name());
    }
}

/// No `.grad`, no parameter, nothing drawn from libtorch's generator. No other test here draws from it.
#[test]
fn explanations_do_no_harm() {
    let twin = Twin::new();
    let variables: Vec<(String, Tensor)> = twin.variables();
    let variables: Vec<(String, Tensor)> =
        variables.into_iter().map(|(name, value)| (name, value.set_requires_grad(true))).collect();
    let network = convscope::Network::with_variables(&gradient_twin::spec(), &variables).unwrap();
    let classifier = Classifier::of_network(&network);
    let image = image().0;
    let kept = image.copy();

    let draw = || {
        let numbers = Tensor::rand([4], (Kind::Float, tch::Device::Cpu));
        Vec::<f32>::try_from(&numbers).unwrap()
    };
    tch::manual_seed(7);
    let expected = draw();
    tch::manual_seed(7);
    for method in methods() {
        let found = method.attribute(&classifier, &image, 0).unwrap();
        assert_eq!(found.method, method.name());
        assert!(found.values.iter().any(|value| *value != 0.0), "{}", method.name());
        assert!(!found.unit.is_empty() && method.description().contains("20"), "{}", method.name());
    }
    assert_eq!(draw(), expected);
    for ((name, variable), (_, original)) in variables.iter().zip(twin.variables()) {
        assert!(variable.equal(&original) && !variable.grad().defined(), "{name}");
    }
    assert!(image.equal(&kept) && !image.requires_grad());
}

/// Also from within `no_grad`, as a caller may be.
#[test]
fn the_callers_mode_does_not_matter() {
    for method in methods() {
        let found = tch::no_grad(|| attribute(&*method, 0));
        assert_eq!(found, attribute(&*method, 0), "{}", method.name());
    }
}

#[test]
fn shapes_and_signs_are_those_of_the_method() {
    for method in methods() {
        let found = attribute(&*method, 0);
        let is_cam = method.name().starts_with("grad_cam");
        assert_eq!(found.shape, [if is_cam { 1 } else { 2 }, 5, 4], "{}", method.name());
        if found.sign == Sign::Magnitude {
            assert!(found.values.iter().all(|value| *value >= 0.0), "{}", method.name());
        }
    }
}

#[test]
fn bad_input_is_refused_with_a_reason() {
    let network = Twin::new().network();
    let classifier = Classifier::of_network(&network);
    let good = image().0;
    for method in methods() {
        let error =
            |image: &Tensor, class| method.attribute(&classifier, image, class).unwrap_err().to_string();
        assert!(error(&good, 3).contains("3 classes"), "{}: {}", method.name(), error(&good, 3));
        assert!(error(&good, -1).contains("-1 found"), "{}", method.name());
        let two = Tensor::cat(&[&good, &good], 0);
        assert!(error(&two, 0).contains("one image"), "{}", method.name());
        assert!(error(&Tensor::new(), 0).contains("one image"), "{}", method.name());
        let whole = good.to_kind(Kind::Int64);
        assert!(error(&whole, 0).contains("Int64"), "{}: {}", method.name(), error(&whole, 0));
        // No graph: nothing to follow back.
        let frozen = Classifier::new(|images| tch::no_grad(|| network.f_forward_t(images, false)));
        let frozen = frozen.tap(network.tap());
        let error = method.attribute(&frozen, &good, 0).unwrap_err().to_string();
        assert!(error.contains("no_grad") || error.contains("no graph"), "{}: {error}", method.name());
    }
    let refused = |method: &dyn Attributor| method.attribute(&classifier, &good, 0).unwrap_err().to_string();
    assert!(refused(&SmoothGrad::new().samples(0)).contains("at least 1"));
    for noise in [-0.1, f64::NAN, f64::INFINITY] {
        assert!(refused(&SmoothGrad::new().noise(noise)).contains("from 0 on"));
    }
    assert!(refused(&IntegratedGradients::new().steps(0)).contains("1 or more"));
    let other = Tensor::from_slice(&[1.0f64, 2.0, 3.0]);
    assert!(refused(&IntegratedGradients::new().baseline(other)).contains("shape [3] found"));
    assert!(refused(&IntegratedGradients::new().baseline(Tensor::new())).contains("shape [] found"));
}

#[test]
fn half_precision_and_infinite_values_are_no_trouble() {
    let classifier =
        Classifier::new(|inputs| Ok(inputs.square().sum_dim_intlist([1i64].as_slice(), true, None)));
    let half = Tensor::from_slice(&[1.0f32, 2.0]).reshape([1, 2]).to_kind(Kind::Half);
    for method in methods().iter().filter(|method| !method.name().contains("cam")) {
        let Ok(found) = method.attribute(&classifier, &half, 0) else {
            assert!(["guided_backprop", "deconvolution"].contains(&method.name()), "{}", method.name());
            continue; // there is no ReLU
        };
        assert_eq!(found.shape, [1, 1, 2]);
    }
    let infinite = Tensor::from_slice(&[f32::INFINITY, f32::NAN]).reshape([1, 2]);
    let found = GradientXInput::new().attribute(&classifier, &infinite, 0).unwrap();
    assert!(found.values[1].is_nan());
    let found = SmoothGrad::new().attribute(&classifier, &infinite, 0).unwrap();
    assert!(found.values[1].is_nan());
}
