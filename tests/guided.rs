//! Guided backpropagation and deconvolution: against slow loops, and what they can and cannot cut.

#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)]

#[path = "support/gradient_twin.rs"]
mod gradient_twin;

use convscope::{
    capture::{Role, Tap},
    explain::{Attributor, Classifier, Deconvolution, GuidedBackprop, Saliency, Sign},
};
use gradient_twin::{CLASSES, DECONVOLUTION, GUIDED, Rule, Twin, assert_close, image};
use tch::{Tensor, nn::Module as _};

fn both() -> [Box<dyn Attributor>; 2] {
    [Box::new(GuidedBackprop::new().signed()), Box::new(Deconvolution::new().signed())]
}

/// A network whose second ReLU gets the first one's output on two ways.
#[test]
fn gradients_agree_with_the_slow_twin() {
    let twin = Twin::new();
    let network = twin.network();
    let classifier = Classifier::of_network(&network);
    let (image, values) = image();
    for class in 0..CLASSES {
        let rules: [Rule; 2] = [GUIDED, DECONVOLUTION];
        for (method, rule) in both().iter().zip(rules) {
            let found = method.attribute(&classifier, &image, class as i64).unwrap();
            assert_close(&found.values, &twin.gradient(&values, class, rule), method.name());
            assert_eq!(found.settings, ["2 ReLUs"]);
            assert!(found.warning.unwrap().contains("random weights"));
        }
    }
    assert!(!network.tap().is_armed(), "nothing stays behind");
}

fn input(values: &[f32]) -> Tensor {
    Tensor::from_slice(values).reshape([1, -1])
}

fn sum(values: &Tensor) -> Tensor {
    values.sum_dim_intlist([1i64].as_slice(), true, None)
}

#[test]
fn magnitudes_are_those_of_the_signed_values() {
    let network = Twin::new().network();
    let classifier = Classifier::of_network(&network);
    let image = image().0;
    let plain: [Box<dyn Attributor>; 2] = [Box::new(GuidedBackprop::new()), Box::new(Deconvolution::new())];
    for (plain, signed) in plain.iter().zip(both()) {
        let [plain, signed] =
            [plain, &signed].map(|method| method.attribute(&classifier, &image, 0).unwrap());
        assert_eq!((plain.sign, signed.sign), (Sign::Magnitude, Sign::Signed));
        let magnitudes: Vec<f32> = signed.values.iter().map(|value| value.abs()).collect();
        assert_eq!(plain.values, magnitudes);
        assert_ne!(plain.values, signed.values);
    }
}

/// By a role that is known or not, and also where no value happens to be 0.
#[test]
fn an_activation_function_that_may_be_a_relu_is_taken_for_one() {
    for role in [Role::Relu, Role::Activation] {
        let tap = Tap::new();
        let classifier = Classifier::new(|x| {
            let z = tap.pass("z", Role::Linear, x * -1.0);
            Ok(sum(&(tap.pass("a", role, z.relu()) * Tensor::from_slice(&[1.0f32, 1.0, -1.0]))))
        });
        let classifier = classifier.tap(&tap);
        let x = input(&[1.0, -2.0, -3.0]);
        let values = |method: &dyn Attributor| method.attribute(&classifier, &x, 0).unwrap().values;
        assert_eq!(values(&GuidedBackprop::new().signed()), [0.0, -1.0, 0.0]);
        assert_eq!(values(&Deconvolution::new().signed()), [-1.0, -1.0, 0.0]);
        let positive = GuidedBackprop::new().signed().attribute(&classifier, &input(&[-1.0, -2.0, -3.0]), 0);
        assert_eq!(positive.unwrap().values, [-1.0, -1.0, 0.0], "{role:?}");
    }
}

/// Leaky ReLU, tanh and what shows a negative value keep their gradient, and the settings say how many there are.
#[test]
fn other_activation_functions_keep_their_gradient() {
    let tap = Tap::new();
    let classifier = Classifier::new(|x| {
        let x = tap.pass("tanh", Role::Tanh, x.tanh());
        let x = tap.pass("leaky", Role::SoftRelu, x.leaky_relu());
        let x = tap.pass("unknown", Role::Activation, x.gelu("none"));
        let x = tap.pass("z", Role::Linear, x + 1.0);
        Ok(sum(&tap.pass("relu", Role::Relu, x.relu())) * 2.0)
    });
    let classifier = classifier.tap(&tap);
    let x = input(&[1.0, -2.0]);
    // Everything that reaches the ReLU is positive, and so is the gradient behind it.
    let plain = Saliency::new().signed().attribute(&classifier, &x, 0).unwrap();
    for method in both() {
        let found = method.attribute(&classifier, &x, 0).unwrap();
        assert_eq!(found.values, plain.values, "{}", method.name());
        assert_eq!(found.settings, ["1 ReLU; 3 other activation functions keep their gradient"]);
    }
}

/// Guided: where 0 < z < 6. Deconvolution: everywhere.
#[test]
fn relu6_is_cut_off_above_for_guided_alone() {
    let tap = Tap::new();
    let classifier = Classifier::new(|x| {
        let z = tap.pass("z", Role::Linear, x * 2.0);
        Ok(sum(&tap.pass("relu6", Role::Relu, z.relu6())))
    });
    let classifier = classifier.tap(&tap);
    let values =
        |method: &dyn Attributor| method.attribute(&classifier, &input(&[-1.0, 1.0, 5.0]), 0).unwrap().values;
    assert_eq!(values(&GuidedBackprop::new().signed()), [0.0, 2.0, 0.0]);
    assert_eq!(values(&Deconvolution::new().signed()), [2.0, 2.0, 2.0]);
}

#[test]
fn deconvolution_refuses_a_relu_whose_input_is_hidden() {
    let tap = Tap::new();
    let hidden = Classifier::new(|x| Ok(sum(&tap.pass("a", Role::Relu, (x * 2.0).relu())))).tap(&tap);
    let x = input(&[1.0, -2.0]);
    let error = Deconvolution::new().signed().attribute(&hidden, &x, 0).unwrap_err().to_string();
    assert!(error.starts_with("layer `a`: its input does not pass the tap"), "{error}");
    assert_eq!(GuidedBackprop::new().signed().attribute(&hidden, &x, 0).unwrap().values, [2.0, 0.0]);

    // In place, the input is gone: it is the output.
    let tap = Tap::new();
    let copying = tap.probe_as("z", Role::Linear).unwrap().copying();
    let in_place = |probe: bool| {
        let (tap, copying) = (tap.clone(), copying.clone());
        let classifier = Classifier::new({
            let tap = tap.clone();
            move |x| {
                let z = x * 2.0;
                let mut z = if probe { copying.forward(&z) } else { tap.pass("w", Role::Linear, z) };
                Ok(sum(&tap.pass("a", Role::Relu, z.relu_())))
            }
        });
        Deconvolution::new().signed().attribute(&classifier.tap(&tap), &x, 0)
    };
    assert!(in_place(false).is_err());
    assert_eq!(in_place(true).unwrap().values, [2.0, 2.0], "the probe handed on a copy");
}

#[test]
fn relus_that_are_only_observed_cannot_be_cut() {
    let tap = Tap::new();
    let classifier = Classifier::new(|x| {
        let a = (x * 2.0).relu();
        tap.observe("seen", Role::Relu, &a);
        Ok(sum(&tap.pass("relu", Role::Relu, (a - 1.0).relu())))
    });
    let classifier = classifier.tap(&tap);
    let error =
        GuidedBackprop::new().signed().attribute(&classifier, &input(&[1.0]), 0).unwrap_err().to_string();
    assert!(error.contains("ReLUs seen") && error.contains("Tap::pass"), "{error}");
}

#[test]
fn a_model_without_relus_is_refused() {
    let tap = Tap::new();
    let classifier = Classifier::new(|x| Ok(tap.pass("fc", Role::Linear, x * 2.0))).tap(&tap);
    for method in both() {
        let error = method.attribute(&classifier, &input(&[1.0]), 0).unwrap_err().to_string();
        assert!(error.contains("no observed ReLU"), "{error}");
    }
}

/// A branch that does not come from the image, and an answer behind a ReLU.
#[test]
fn ends_and_branches_of_the_graph_are_no_trouble() {
    let tap = Tap::new();
    let classifier = Classifier::new(|x| {
        let constant = Tensor::from_slice(&[1.0f32, -1.0]).reshape([1, 2]);
        let z = tap.pass("constant", Role::Linear, constant);
        let bias = tap.pass("relu1", Role::Relu, z.relu());
        let z = tap.pass("z", Role::Linear, x * 3.0 + bias);
        Ok(tap.pass("relu2", Role::Relu, z.relu()))
    });
    let classifier = classifier.tap(&tap);
    for method in both() {
        let found = method.attribute(&classifier, &input(&[1.0, 2.0]), 1).unwrap();
        assert_eq!(found.values, [0.0, 3.0], "{}", method.name());
    }
}

/// The same ReLU passed twice is two cuts.
#[test]
fn a_shared_relu_is_cut_each_time() {
    let tap = Tap::new();
    let classifier = Classifier::new(|x| {
        let relu = |name: &str, x: Tensor| {
            let z = tap.pass(name, Role::Linear, x);
            tap.pass("relu", Role::Relu, z.relu())
        };
        let hidden = relu("z1", x * 2.0);
        Ok(sum(&relu("z2", hidden - 1.0)))
    });
    let classifier = classifier.tap(&tap);
    for (method, expected) in both().iter().zip([[2.0, 0.0, 0.0], [2.0, 2.0, 2.0]]) {
        let found = method.attribute(&classifier, &input(&[1.0, 0.25, -1.0]), 0).unwrap();
        assert_eq!((found.values.as_slice(), found.settings[0].as_str()), (&expected[..], "2 ReLUs"));
    }
}

/// A network that has run away still has its ReLUs.
#[test]
fn values_that_are_not_finite_are_no_trouble() {
    let twin = Twin::new();
    let network = twin.network();
    let classifier = Classifier::of_network(&network);
    let (image, values) = image();
    // NaN is not below 0, so every ReLU lets through: what deconvolution does for any image.
    let expected = twin.gradient(&values, 0, DECONVOLUTION);
    for method in both() {
        let found = method.attribute(&classifier, &(&image * f64::NAN), 0).unwrap();
        assert_eq!(found.settings, ["2 ReLUs"]);
        assert_close(&found.values, &expected, method.name());
    }
}
