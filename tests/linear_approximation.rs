//! The linear model near an image: the lecture's numbers, functions whose derivatives are known, and networks.

#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)] // in helpers of tests

use convscope::{
    MemorySink, Step,
    explain::{Case, Classifier, LinearApproximation, Reach, Report, Sample, Study as _, Subject},
};
use tch::{Device, Kind, Tensor};

fn row(values: &[f64]) -> Tensor {
    Tensor::from_slice(values).reshape([1, -1])
}

/// `sigmoid(w·x)` as the only class.
fn lecture() -> Classifier<'static> {
    let weight = row(&[0.5, -1.0, 2.0]);
    Classifier::new(move |x| Ok(x.linear(&weight, None::<&Tensor>).sigmoid()))
}

#[test]
fn the_lectures_logistic_regression() {
    let found = LinearApproximation::new().expand(&lecture(), &row(&[1.0, 2.0, 0.5]), 0).unwrap();
    let close = |found: f64, expected: f64, what: &str| {
        assert!((found - expected).abs() < 1e-6, "{what}: {found} instead of {expected}");
    };
    close(found.score, 0.377_540_668_798_145_4, "f(x0)");
    close(found.bias, 0.495_042_524_898_942_7, "b");
    for (w, expected) in
        found.weights.iter().zip([0.117_501_856_100_797_25, -0.235_003_712_201_594_5, 0.470_007_424_403_189])
    {
        close(f64::from(*w), expected, "w");
    }
    for (x, f, linear, error) in [
        ([1.1, 2.0, 0.5], 0.389_360_766_050_778, 0.389_290_854_408_225_14, 6.991_164_255_287_612e-5),
        ([1.0, 2.1, 0.5], 0.354_343_693_774_204_55, 0.354_040_297_577_986, 3.033_961_962_186_117e-4),
        ([1.2, 1.9, 0.55], 0.450_166_002_687_522_16, 0.448_041_782_458_623_8, 2.124_220_228_898_367_8e-3),
        ([2.0, 3.0, 1.5], 0.731_058_578_630_004_9, 0.730_046_237_100_537_2, 1.012_341_529_467_719_6e-3),
    ] {
        close(found.linear(&x), linear, "w·x + b");
        let at = f64::try_from(lecture().logits(&row(&x)).unwrap().sum(Kind::Double)).unwrap();
        close(at, f, "f(x)");
        close((at - found.linear(&x)).abs(), error, "the error");
    }
}

/// Errors along the gradient of sigmoid(w·x), with the derivatives by hand.
#[test]
fn errors_are_those_of_the_series() {
    let (w, x0) = ([0.5, -1.0, 2.0], [1.0, 2.0, 0.5]);
    let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
    let z: f64 = w.iter().zip(x0).map(|(w, x)| w * x).sum();
    let (f, length) = (sigmoid(z), w.iter().map(|w| w * w).sum::<f64>().sqrt());
    let (first, second) = (f * (1.0 - f), f * (1.0 - f) * (1.0 - 2.0 * f));
    let found = LinearApproximation::new().expand(&lecture(), &row(&x0), 0).unwrap();
    let mean = x0.iter().sum::<f64>() / 3.0;
    let contrast = x0.iter().map(|x| (x - mean).powi(2)).sum::<f64>().sqrt();
    assert!((found.contrast - contrast).abs() < 1e-12);
    assert!((found.gradient_norm() - first * length).abs() < 1e-7);
    let curve = &found.gradient;
    assert_eq!(curve.distances.len(), 13);
    for (i, d) in curve.distances.iter().enumerate() {
        let expected = contrast * 1e-3 * 10f64.powf(i as f64 / 4.0);
        assert!((d - expected).abs() < 1e-12 * expected);
        let of = |order: u8| {
            let error = |way: f64| {
                let s = way * d * length; // the way of z
                let taylor = first * s + if order == 2 { 0.5 * second * s * s } else { 0.0 };
                (sigmoid(z + s) - f - taylor).abs()
            };
            error(1.0).max(error(-1.0))
        };
        let second_order = curve.second.as_ref().unwrap()[i];
        assert!((curve.first[i] - of(1)).abs() < 1e-12, "{d}: {} instead of {}", curve.first[i], of(1));
        assert!((second_order - of(2)).abs() < 1e-12, "{d}: {second_order} instead of {}", of(2));
        assert!((curve.linear[i] - first * length * d).abs() < 1e-12);
    }
}

#[test]
fn slopes_are_two_and_three_for_a_smooth_function() {
    let found = LinearApproximation::new().expand(&lecture(), &row(&[1.0, 2.0, 0.5]), 0).unwrap();
    for curve in [&found.gradient, &found.random] {
        let (first, second) = (curve.slope().unwrap(), curve.second_slope().unwrap());
        assert!((first - 2.0).abs() < 0.1, "{first}");
        assert!((second - 3.0).abs() < 0.15, "{second}");
    }
}

const TOP: [f64; 4] = [0.3, -0.2, 0.9, 0.1];

/// f(x) = a·x + ½ c |x - m|² has the curvature c along every direction, no third order, and the gradient a at m.
fn paraboloid(curvature: f64) -> Classifier<'static> {
    Classifier::new(move |x| {
        let linear = x.linear(&row(&[1.0, -2.0, 0.5, 3.0]), None::<&Tensor>);
        let squares = (x - row(&TOP)).square().sum_dim_intlist([1i64].as_slice(), true, Kind::Double);
        Ok(linear + squares * (0.5 * curvature))
    })
}

#[test]
fn a_parabola_is_its_own_second_order() {
    let found = LinearApproximation::new().expand(&paraboloid(0.8), &row(&TOP), 0).unwrap();
    assert!((found.gradient_norm() - 14.25f64.sqrt()).abs() < 1e-12);
    for curve in [&found.gradient, &found.random] {
        for (d, (first, second)) in
            curve.distances.iter().zip(curve.first.iter().zip(curve.second.as_ref().unwrap()))
        {
            assert!((first - 0.5 * 0.8 * d * d).abs() < 1e-12, "{first} at {d}");
            assert!(*second < 1e-12, "{second} at {d}");
        }
        assert_eq!(curve.second_slope(), None, "nothing is left but rounding");
    }
}

#[test]
fn the_range_of_trust_ends_where_the_error_is_a_tenth() {
    // Along the gradient the error is ½ c d², the linear term |w| d: their ratio is 0.1 at d = 0.2 |w| / c.
    let reach = |curvature: f64| {
        let found = LinearApproximation::new().expand(&paraboloid(curvature), &row(&TOP), 0).unwrap();
        (found.range(0.1).unwrap(), found.gradient_norm(), found.contrast)
    };
    let (range, length, contrast) = reach(4.0);
    let expected = 0.2 * length / 4.0;
    assert!(expected < contrast, "within what is measured");
    assert!(matches!(range.gradient, Reach::At(d) if (d - expected).abs() < 1e-6 * expected), "{range:?}");
    let expected = 0.2 * length / 4.0 / 2.0; // the linear term of a random direction is |w| d / sqrt(4)
    assert!(matches!(range.random, Reach::At(d) if (d - expected).abs() < 1e-6 * expected), "{range:?}");

    let (range, ..) = reach(1e6);
    assert!(matches!(range.gradient, Reach::Below(_)), "{range:?}");
    assert_eq!(range.gradient.distance(), 0.0);
    let (range, _, contrast) = reach(1e-3);
    assert!(matches!(range.gradient, Reach::Beyond(d) if (d - contrast).abs() < 1e-9), "{range:?}");
    assert!((range.measures()[0].1 - 1.0).abs() < 1e-9);
}

#[test]
fn a_linear_model_is_trusted_as_far_as_measured() {
    let weight = Tensor::from_slice(&[0.5f32, -1.0, 2.0, 0.25, 3.0, -0.75, 0.125, 1.5]).reshape([1, 8]);
    let classifier = Classifier::new(|x| Ok(x.flatten(1, -1).linear(&weight, None::<&Tensor>)));
    let image = Tensor::from_slice(&[0.1f32, 0.7, 0.3, 0.9, 0.2, 0.5, 0.8, 0.4]).reshape([1, 2, 2, 2]);
    let found = LinearApproximation::new().expand(&classifier, &image, 0).unwrap();
    let range = found.range(0.1).unwrap();
    assert!(matches!((range.gradient, range.random), (Reach::Beyond(_), Reach::Beyond(_))), "{range:?}");
    assert_eq!((found.gradient.slope(), found.random.slope()), (None, None), "rounding alone has no slope");
    assert!(range.words().contains("the furthest measured"), "{}", range.words());
    // Without a channel's mean, the channel has no part in the contrast.
    let channels = [[0.1f64, 0.7, 0.3, 0.9], [0.2, 0.5, 0.8, 0.4]];
    let squares = channels.map(|c| {
        let mean = c.iter().sum::<f64>() / 4.0;
        c.iter().map(|x| (x - mean).powi(2)).sum::<f64>()
    });
    assert!((found.contrast - squares.iter().sum::<f64>().sqrt()).abs() < 1e-6);
}

#[test]
fn a_function_of_nothing_is_trusted_nowhere() {
    let classifier =
        Classifier::new(|x| Ok((x * 0.0).sum_dim_intlist([1i64].as_slice(), true, Kind::Double) + 3.0));
    let found = LinearApproximation::new().expand(&classifier, &row(&[1.0, 2.0]), 0).unwrap();
    let range = found.range(0.1).unwrap();
    assert_eq!((range.gradient, range.random), (Reach::Nowhere, Reach::Nowhere));
    assert_eq!(range.measures().map(|(_, share)| share), [0.0, 0.0]);
    assert!(range.words().contains("there is no gradient"), "{}", range.words());
}

/// tanh of a convolution, pooled: the curvature by central differences of the function itself.
#[test]
fn the_second_order_of_a_network_is_that_of_differences() {
    let kernel =
        Tensor::from_slice(&[0.3f64, -0.5, 0.8, 0.2, 0.9, -0.4, 0.1, 0.6, -0.7]).reshape([1, 1, 3, 3]);
    let network = |x: &Tensor| x.conv2d(&kernel, None::<&Tensor>, 1, 1, 1, 1).tanh().square().flatten(1, -1);
    let classifier =
        Classifier::new(|x| Ok(network(x).sum_dim_intlist([1i64].as_slice(), true, Kind::Double)));
    let values: Vec<f64> = (0..25).map(|i| f64::from(i * 7 % 13) / 13.0).collect();
    let image = Tensor::from_slice(&values).reshape([1, 1, 5, 5]);
    let found = LinearApproximation::new().directions(1).expand(&classifier, &image, 0).unwrap();

    let at = |x: &Tensor| f64::try_from(network(x).sum(Kind::Double)).unwrap();
    let weights: Vec<f64> = found.weights.iter().map(|w| f64::from(*w)).collect();
    let uphill = Tensor::from_slice(&weights).reshape([1, 1, 5, 5]) / found.gradient_norm();
    let h = 1e-3;
    let [up, down] = [h, -h].map(|h| at(&(&image + &uphill * h)));
    let curvature = (up - 2.0 * at(&image) + down) / (h * h);
    // At a small distance what the second order adds is ½ d² curvature; the worse of both ways is taken.
    let (d, first) = (found.gradient.distances[0], found.gradient.first[0]);
    let second = found.gradient.second.as_ref().unwrap()[0];
    assert!((first - 0.5 * d * d * curvature.abs()).abs() < 0.02 * first, "{first}, {curvature}");
    assert!(second < 0.05 * first, "{second} of {first}");
}

#[test]
fn a_relu_network_has_no_second_order() {
    let weight =
        Tensor::from_slice(&[1.0f32, -1.0, 0.5, 2.0, 1.5, -0.5]).reshape([3, 2]).set_requires_grad(true);
    let classifier = Classifier::new(|x| {
        Ok(x.linear(&weight, None::<&Tensor>).relu().sum_dim_intlist([1i64].as_slice(), true, Kind::Float))
    });
    let image = Tensor::from_slice(&[1.0f32, 0.4]).reshape([1, 2]);
    let found = LinearApproximation::new().expand(&classifier, &image, 0).unwrap();
    assert_eq!(found.gradient.second.as_ref(), Some(&found.gradient.first));
    assert!(!weight.grad().defined());
}

#[test]
fn memory_does_not_change_the_result_and_nothing_is_drawn() {
    let classifier = |bytes| lecture().memory(bytes);
    let x0 = row(&[1.0, 2.0, 0.5]);
    let method = LinearApproximation::new();
    let found = method.expand(&classifier(1), &x0, 0).unwrap();
    assert_eq!(found, method.expand(&classifier(1 << 30), &x0, 0).unwrap());
    assert_ne!(found.random, method.clone().seed(1).expand(&classifier(1), &x0, 0).unwrap().random);
    let range = method.range(&classifier(1), &x0, 0).unwrap();
    assert_eq!(range, found.range(0.1).unwrap());
}

#[test]
fn what_cannot_be_approximated_is_refused() {
    let says = |method: LinearApproximation, image: &Tensor, what: &str| {
        let error = method.range(&lecture(), image, 0).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    let x0 = row(&[1.0, 2.0, 0.5]);
    says(LinearApproximation::new().directions(0), &x0, "random directions");
    says(LinearApproximation::new().tolerance(0.0), &x0, "tolerance");
    says(LinearApproximation::new(), &row(&[1.0, f64::NAN, 0.5]), "not finite");
    says(LinearApproximation::new(), &Tensor::ones([2, 3], (Kind::Double, Device::Cpu)), "one image");
    assert!(LinearApproximation::new().range(&lecture(), &x0, 1).is_err(), "there is one class only");
}

#[test]
fn the_study_writes_picture_numbers_and_values() {
    let weight = Tensor::from_slice(&(0..32).map(|i| (i * 7 % 11) as f32 / 11.0 - 0.4).collect::<Vec<_>>());
    let weight = weight.reshape([2, 16]);
    let classifier = Classifier::new(|x| Ok(x.flatten(1, -1).linear(&weight, None::<&Tensor>).tanh()));
    let pixels = Tensor::linspace(0.0, 1.0, 16, (Kind::Float, Device::Cpu)).reshape([1, 1, 4, 4]);
    let sample = Sample::new("3 Coat", pixels.shallow_clone(), &pixels, Some(1)).unwrap();
    let prediction = classifier.predict(&pixels).unwrap()[0];
    let cases = [Case { sample: &sample, prediction, class: prediction.class }];
    let classes = ["Bag", "Coat"].map(str::to_owned);
    let subject = |cases| Subject {
        classifier: &classifier,
        cases,
        classes: &classes,
        data: None,
        variables: &[],
        spec: None,
        seed: 0,
    };
    let mut sink = MemorySink::default();
    let mut report = Report::new(&mut sink, Step::new(7), None).with_values();
    report.begin("linear_approximation");
    LinearApproximation::new().run(&subject(&cases), &mut report).unwrap();
    let values = report.into_json();
    let tags: Vec<&str> = sink.entries.iter().map(|entry| entry.tag.as_str()).collect();
    assert_eq!(
        tags,
        [
            "explain/linear_approximation/3_Coat",
            "explain/linear_approximation/3_Coat/range_of_trust_gradient",
            "explain/linear_approximation/3_Coat/range_of_trust_random",
            "explain/linear_approximation/3_Coat/slope_gradient",
            "explain/linear_approximation/3_Coat/slope_random",
        ]
    );
    let values = &values["linear_approximation"]["3_Coat"];
    assert_eq!(values["gradient"]["distance"].as_array().unwrap().len(), 13);
    assert_eq!(values["weights"].as_array().unwrap().len(), 16);
    let found = LinearApproximation::new().expand(&classifier, &pixels, prediction.class).unwrap();
    assert!((values["bias"].as_f64().unwrap() - found.bias).abs() < 1e-9);

    let mut sink = MemorySink::default();
    let mut report = Report::new(&mut sink, Step::new(7), None);
    report.begin("linear_approximation");
    LinearApproximation::new().run(&subject(&[]), &mut report).unwrap();
    assert_eq!(report.skipped().len(), 1);
    assert!(sink.entries.is_empty());
}
