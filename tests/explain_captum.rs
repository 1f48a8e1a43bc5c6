//! The values that captum's own tests expect of its gradient methods (captum 0.9, `tests/attr`), to 1e-4.

#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)]

use convscope::{
    capture::{Role, Tap},
    explain::{
        Attribution, Attributor, Classifier, Deconvolution, GradCam, GradientXInput, GuidedBackprop,
        IntegratedGradients, Quadrature, Saliency, SmoothGrad, scale_cam_image,
    },
};
use tch::{Kind, Tensor};

fn tensor(values: &[f32], shape: &[i64]) -> Tensor {
    Tensor::from_slice(values).reshape(shape)
}

fn assert_values(found: &Attribution, expected: &[f32], tolerance: f32) {
    assert_eq!(found.values.len(), expected.len());
    for (found, expected) in found.values.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance, "{found} {expected}");
    }
}

/// captum's `BasicModel_ConvNet_One_Conv`, whose target is always class 0.
fn one_conv(attributor: &dyn Attributor, image: &Tensor) -> Attribution {
    let tap = Tap::new();
    let weight = Tensor::ones([2, 1, 3, 3], (Kind::Float, tch::Device::Cpu));
    let bias = Tensor::from_slice(&[-50.0f32, -75.0]);
    let row = Tensor::from_slice(&[1.0f32, 1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0]);
    let classifier = Classifier::new(|images| {
        let images = tap.pass("image", Role::Other, images.shallow_clone());
        let conv = tap.pass("conv1", Role::Convolution, images.conv2d(&weight, Some(&bias), 1, 0, 1, 1));
        let relu = tap.pass("relu1", Role::Relu, conv.relu());
        let linear =
            tap.pass("fc1", Role::Linear, relu.flatten(1, -1).linear(&row.repeat([4, 1]), None::<&Tensor>));
        Ok(tap.pass("relu2", Role::Relu, linear.relu()))
    });
    attributor.attribute(&classifier.tap(&tap), image, 0).unwrap()
}

/// 0 to 15 by rows.
fn counted() -> Tensor {
    tensor(&std::array::from_fn::<f32, 16, _>(|i| i as f32), &[1, 1, 4, 4])
}

/// captum's `BasicModel_MultiLayer`, class 0.
fn multi_layer(attributor: &dyn Attributor, input: &[f32; 3]) -> Attribution {
    let bias1 = Tensor::from_slice(&[-10.0f32, 1.0, 1.0, 1.0]);
    let bias2 = Tensor::from_slice(&[-1.0f32, 1.0]);
    let classifier = Classifier::new(|inputs| {
        let ones = |rows: i64, columns: i64| Tensor::ones([rows, columns], (Kind::Float, tch::Device::Cpu));
        let hidden = inputs.linear(&ones(4, 3), Some(&bias1)).relu();
        Ok(hidden.linear(&ones(2, 4), Some(&bias2)))
    });
    attributor.attribute(&classifier, &tensor(input, &[1, 3]), 0).unwrap()
}

/// `BasicModel`, 1 - relu(1 - x), for one number at a time. At the kink the gradient of a ReLU is 0.
#[test]
fn saliency_of_the_basic_model() {
    let classifier = Classifier::new(|inputs| Ok((inputs.neg() + 1.0).relu().neg() + 1.0));
    for (input, expected) in [(1.0, 0.0), (2.0, 0.0), (3.0, 0.0), (0.0, 1.0), (-1.0, 1.0), (7.0, 0.0)] {
        let input = tensor(&[input], &[1, 1]);
        assert_eq!(Saliency::new().attribute(&classifier, &input, 0).unwrap().values, [expected]);
    }
}

/// All four hidden units are on, so the class is 4 (a + b + c) + a constant.
#[test]
fn gradients_of_the_multi_layer_model() {
    let input = [20.0, 50.0, 30.0];
    assert_values(&multi_layer(&Saliency::new(), &input), &[4.0, 4.0, 4.0], 1e-4);
    assert_values(&multi_layer(&GradientXInput::new(), &input), &[80.0, 200.0, 120.0], 1e-4);
    let smooth = SmoothGrad::new().noise(1e-4).samples(5);
    assert_values(&multi_layer(&smooth, &input), &[4.0, 4.0, 4.0], 1e-4);
    let squared = SmoothGrad::squared().noise(1e-4).samples(5);
    assert_values(&multi_layer(&squared, &input), &[16.0, 16.0, 16.0], 1e-4);
    let variance = SmoothGrad::variance().noise(1e-4).samples(5);
    assert_values(&multi_layer(&variance, &input), &[0.0, 0.0, 0.0], 1e-4);
}

/// `BasicModel2` and `BasicModel3` are one function and have one attribution: 1.5 and -0.5, with captum's 1500 steps and its
/// tolerance of 0.05. The function has kinks, so no rule has 1e-4; the exact values are within each rule's step.
#[test]
fn integrated_gradients_of_the_basic_models() {
    let second = Classifier::new(|x| {
        let (a, b) = (x.narrow(1, 0, 1), x.narrow(1, 1, 1));
        Ok((a.relu() - 1.0 - b.relu()).relu())
    });
    let third = Classifier::new(|x| {
        let (a, b) = (x.narrow(1, 0, 1), x.narrow(1, 1, 1));
        Ok(((a - 1.0).relu() - b.relu()).relu())
    });
    let input = tensor(&[3.0, 1.0], &[1, 2]);
    for rule in Quadrature::ALL {
        let method = IntegratedGradients::new().steps(1500).rule(rule);
        let [of_second, of_third] =
            [&second, &third].map(|model| method.attribute(model, &input, 0).unwrap());
        assert_values(&of_second, &[1.5, -0.5], 0.005);
        assert_eq!(of_second.values, of_third.values, "{rule}");
        let sum: f64 = of_second.values.iter().copied().map(f64::from).sum();
        let error = of_second.measure("completeness_error").unwrap();
        assert!((error - (sum - 1.0)).abs() < 1e-6 && error.abs() < 0.005, "{rule}: {error}");
    }
}

/// From a baseline where the same units are on, the function is linear, and every rule but captum's trapezoid exact.
#[test]
fn integrated_gradients_of_a_linear_way() {
    for rule in Quadrature::ALL {
        let method = IntegratedGradients::new().rule(rule).baseline_value(10.0);
        let scale = if rule == Quadrature::RiemannTrapezoid { 0.98 } else { 1.0 };
        let expected = [40.0, 160.0, 80.0].map(|value| value * scale);
        assert_values(&multi_layer(&method, &[20.0, 50.0, 30.0]), &expected, 1e-4);
    }
}

#[test]
fn grad_cam_before_and_behind_a_relu_and_at_the_image() {
    let at = |layer: &str| GradCam::new().layer(layer);
    assert_values(&one_conv(&at("conv1").signed(), &counted()), &[11.25, 13.5, 20.25, 22.5], 1e-4);
    assert_values(&one_conv(&at("relu1").signed(), &counted()), &[0.0, 4.0, 28.0, 32.5], 1e-4);
    // The last layer with maps is the ReLU.
    assert_values(&one_conv(&GradCam::new(), &counted()), &[0.0, 4.0, 28.0, 32.5], 1e-4);
    let found = one_conv(&at("conv1").signed(), &(counted() + 1.0));
    assert_values(&found, &[14.5, 19.0, 32.5, 37.0], 1e-4);

    // A negative value shows whether the ReLU is applied.
    let mut values: [f32; 16] = std::array::from_fn(|i| i as f32);
    values[5] = -4.0;
    let image = tensor(&values, &[1, 1, 4, 4]);
    let scaled = values.map(|value| 0.5625 * value);
    let signed = one_conv(&at("image").signed(), &image);
    assert_values(&signed, &scaled, 1e-4);
    assert_eq!((signed.measure("raw_min"), signed.measure("raw_max")), (Some(-2.25), Some(8.4375)));
    assert_values(&one_conv(&at("image"), &image), &scaled.map(|value| value.max(0.0)), 1e-4);
}

#[test]
fn guided_backpropagation_and_deconvolution() {
    let guided = [0.0, 1.0, 1.0, 1.0, 1.0, 3.0, 3.0, 2.0, 1.0, 3.0, 3.0, 2.0, 1.0, 2.0, 2.0, 1.0];
    assert_values(&one_conv(&GuidedBackprop::new().signed(), &counted()), &guided, 1e-4);
    let deconvolution = [2.0, 3.0, 3.0, 1.0, 3.0, 5.0, 5.0, 2.0, 3.0, 5.0, 5.0, 2.0, 1.0, 2.0, 2.0, 1.0];
    assert_values(&one_conv(&Deconvolution::new().signed(), &counted()), &deconvolution, 1e-4);

    // captum's second input is added to the first.
    let brighter = counted() + 1.0;
    let guided = [1.0, 2.0, 2.0, 1.0, 2.0, 4.0, 4.0, 2.0, 2.0, 4.0, 4.0, 2.0, 1.0, 2.0, 2.0, 1.0];
    assert_values(&one_conv(&GuidedBackprop::new().signed(), &brighter), &guided, 1e-4);
    assert_values(&one_conv(&Deconvolution::new().signed(), &brighter), &deconvolution, 1e-4);
}

/// pytorch-grad-cam's scaling, and what it does to maps of one value.
#[test]
fn scaled_maps() {
    let scaled = scale_cam_image(&[0.0, 4.0, 28.0, 32.5]);
    let expected = [0.0, 0.123_076_9, 0.861_538_5, 1.0];
    assert!(
        scaled.iter().zip(expected).all(|(found, expected): (&f32, f32)| (found - expected).abs() < 1e-6)
    );
    assert_eq!(scale_cam_image(&[0.0; 4]), [0.0; 4]);
    assert_eq!(scale_cam_image(&[3.0; 4]), [0.0; 4]);
}
