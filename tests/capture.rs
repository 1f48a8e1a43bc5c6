//! Floor 5: what a capture sees, and that looking changes nothing.

#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)]

use convscope::capture::{Activations, Role, Tap};
use tch::{
    Device, Kind, Tensor,
    nn::{self, Module as _, OptimizerConfig as _},
};

fn tensor(values: &[f32]) -> Tensor {
    Tensor::from_slice(values)
}

fn values(tensor: &Tensor) -> Vec<f32> {
    Vec::try_from(&tensor.detach().flatten(0, -1)).unwrap()
}

fn names(activations: &Activations) -> Vec<&str> {
    activations.iter().map(|activation| activation.name.as_str()).collect()
}

#[test]
fn outputs_are_captured_in_order_while_a_capture_lives() {
    let tap = Tap::new();
    let (late, early) = (tap.probe("a_late").unwrap(), tap.probe_as("z_early", Role::Convolution).unwrap());
    let forward = |x: &Tensor| late.forward(&(early.forward(x) * 2.0));
    assert_eq!(tap.names(), ["a_late", "z_early"]);

    drop(forward(&tensor(&[9.0]))); // not captured: nothing is armed
    assert!(!tap.is_armed());
    let capture = tap.capture();
    assert!(tap.is_armed());
    let output = forward(&tensor(&[1.0, -2.0]));
    let seen = capture.finish().unwrap();
    assert!(!tap.is_armed());
    drop(forward(&tensor(&[9.0])));

    assert_eq!(names(&seen), ["z_early", "a_late"]);
    assert_eq!(values(&seen.get("z_early").unwrap().tensor), [1.0, -2.0]);
    assert_eq!(values(&seen.get("a_late").unwrap().tensor), [2.0, -4.0]);
    assert_eq!(values(&output), [2.0, -4.0]);
    assert_eq!(seen.get("z_early").unwrap().role, Role::Convolution);
    assert_eq!(seen.get("a_late").unwrap().role, Role::Activation);
    assert!(seen.get("b").is_none());
    assert_eq!(seen.into_iter().map(|activation| activation.name).collect::<Vec<_>>(), ["z_early", "a_late"]);
}

#[test]
fn a_dropped_capture_disarms_and_forgets() {
    let tap = Tap::new();
    let capture = tap.capture();
    tap.observe("conv1", Role::Convolution, &tensor(&[1.0]));
    drop(capture);
    assert!(!tap.is_armed());
    assert!(tap.capture().finish().unwrap().is_empty());
}

#[test]
fn captures_do_not_disturb_one_another() {
    let tap = Tap::new();
    let outer = tap.capture();
    tap.observe("first", Role::Other, &tensor(&[1.0]));
    let inner = tap.clone().capture();
    tap.observe("second", Role::Other, &tensor(&[2.0]));
    assert_eq!(names(&inner.finish().unwrap()), ["second"]);
    tap.observe("third", Role::Other, &tensor(&[3.0]));
    assert_eq!(names(&outer.finish().unwrap()), ["first", "second", "third"]);
}

#[test]
fn a_probe_that_is_passed_again_keeps_both_outputs() {
    let tap = Tap::new();
    let shared = tap.probe("shared").unwrap();
    let capture = tap.capture();
    for value in [1.0, 2.0, 3.0] {
        drop(shared.forward(&tensor(&[value])));
    }
    let seen = capture.finish().unwrap();
    assert_eq!(names(&seen), ["shared", "shared:2", "shared:3"]);
    assert_eq!(values(&seen.get("shared:2").unwrap().tensor), [2.0]);
}

#[test]
fn names_are_checked() {
    let tap = Tap::new();
    for good in ["conv1", "block1/conv.2", "a-b_c", "größe1"] {
        tap.probe(good).unwrap();
    }
    let bad = [
        ("", "it is empty"),
        ("conv 1", "' ' found"),
        ("conv1:2", "':' found"),
        ("/conv1", "before, after or between `/`"),
        ("block//conv1", "before, after or between `/`"),
        ("conv1", "has a probe of that name already"),
    ];
    for (name, expected) in bad {
        let error = tap.probe(name).unwrap_err().to_string();
        assert!(error.contains(expected), "{name:?}: {error}");
        assert!(error.contains(name), "{name:?}: {error}");
    }
    assert_eq!(tap.names().len(), 4);
}

#[test]
fn what_observe_cannot_take_is_reported_at_the_end() {
    for (name, tensor, expected) in
        [("conv:1", tensor(&[1.0]), "':' found"), ("conv1", Tensor::new(), "the tensor is undefined")]
    {
        let tap = Tap::new();
        tap.observe(name, Role::Other, &tensor); // nothing armed: not looked at
        let capture = tap.capture();
        tap.observe(name, Role::Other, &tensor);
        let error = capture.finish().unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(name), "{error}");
        assert!(!tap.is_armed());
    }
}

#[test]
fn a_change_in_place_is_found_out() {
    type Change = fn(Tensor);
    let changes: [(&str, Change); 3] = [
        ("the tensor itself", |mut x| drop(x.relu_())),
        ("a view of it", |x| drop(x.view([2, 1]).fill_(1.0))),
        ("detached from the graph", |x| drop(x.detach().g_add_scalar_(1.0))),
    ];
    for (what, change) in changes {
        let tap = Tap::new();
        let (first, second) = (tap.probe("first").unwrap(), tap.probe("block/second").unwrap());
        let capture = tap.capture();
        drop(first.forward(&tensor(&[1.0, 2.0])));
        change(second.forward(&tensor(&[-1.0, 2.0])));
        let error = capture.finish().unwrap_err().to_string();
        assert!(error.contains("`block/second`") && error.contains("Probe::copying()"), "{what}: {error}");
    }
}

#[test]
fn a_change_in_place_before_the_probe_is_fine() {
    let tap = Tap::new();
    let probe = tap.probe("relu").unwrap();
    let capture = tap.capture();
    drop(probe.forward(&tensor(&[-1.0, 2.0]).relu_()));
    assert_eq!(values(&capture.finish().unwrap().get("relu").unwrap().tensor), [0.0, 2.0]);
}

#[test]
fn a_copying_probe_is_out_of_reach_of_changes_in_place() {
    let tap = Tap::new();
    let probe = tap.probe("conv1").unwrap().copying();
    let leaf = tensor(&[-1.0, 2.0]).set_requires_grad(true);

    let capture = tap.capture();
    let output = probe.forward(&(&leaf * 3.0)).relu_();
    let seen = capture.finish().unwrap();
    assert_eq!(values(&seen.get("conv1").unwrap().tensor), [-3.0, 6.0]);
    assert_eq!(values(&output), [0.0, 6.0]);

    // The captured tensor is part of the graph: the gradient of the loss reaches it.
    let loss = output.square().sum(Kind::Float);
    let gradients = seen.gradients(&loss).unwrap();
    assert_eq!(values(gradients[0].as_ref().unwrap()), [0.0, 12.0]);
    loss.backward();
    assert_eq!(values(&leaf.grad()), [0.0, 36.0]);

    // Without a capture there is no copy.
    let x = tensor(&[1.0]);
    assert_eq!(probe.forward(&x).data_ptr(), x.data_ptr());
}

#[test]
fn gradients_are_those_of_the_loss_and_leave_grad_alone() {
    let tap = Tap::new();
    let weight = tensor(&[1.0, -2.0, 3.0]).set_requires_grad(true);
    let capture = tap.capture();
    tap.observe("input", Role::Other, &tensor(&[2.0, 2.0, 2.0])); // no graph
    let product = &weight * 2.0;
    tap.observe("product", Role::Other, &product);
    let unused = product.exp();
    tap.observe("unused", Role::Other, &unused);
    let relu = product.relu();
    tap.observe("relu", Role::Activation, &relu);
    let seen = capture.finish().unwrap();
    let loss = relu.square().sum(Kind::Float);

    let gradients = seen.gradients(&loss).unwrap();
    let gradients: Vec<Option<Vec<f32>>> =
        gradients.iter().map(|gradient| gradient.as_ref().map(values)).collect();
    // d/dr sum(r^2) = 2 r, with r = relu(2 w) = (2, 0, 6)
    let expected = Some(vec![4.0, 0.0, 12.0]);
    assert_eq!(gradients, [None, expected.clone(), None, expected]);
    assert!(!weight.grad().defined());
    loss.backward(); // the graph is still there
    assert_eq!(values(&weight.grad()), [8.0, 0.0, 24.0]);
    assert!(seen.gradients(&loss).is_err(), "the graph is gone now");
}

#[test]
fn gradients_without_a_graph_are_absent() {
    let tap = Tap::new();
    let capture = tap.capture();
    let x = tch::no_grad(|| tensor(&[1.0]).set_requires_grad(true) * 2.0);
    tap.observe("x", Role::Other, &x);
    let seen = capture.finish().unwrap();
    assert!(matches!(seen.gradients(&x).unwrap().as_slice(), [None]));
}

#[test]
fn probes_work_from_another_thread() {
    let tap = Tap::new();
    let probe = tap.probe("conv1").unwrap();
    let capture = tap.capture();
    std::thread::spawn(move || drop(probe.forward(&tensor(&[1.0])))).join().unwrap();
    assert_eq!(names(&capture.finish().unwrap()), ["conv1"]);
}

/// Losses and final parameters of a small training run, as bits.
fn train(looking: bool) -> (Vec<u32>, Vec<Vec<u32>>) {
    let store = nn::VarStore::new(Device::Cpu);
    let tap = Tap::new();
    let path = store.root();
    let conv = nn::conv2d(&path / "conv", 1, 4, 3, nn::ConvConfig::default());
    let fc = nn::linear(&path / "fc", 4 * 6 * 6, 3, nn::LinearConfig::default());
    let plain = tap.probe_as("conv", Role::Convolution).unwrap().copying();
    let relu = tap.probe("relu").unwrap();
    let mut random = fastrand::Rng::with_seed(5);
    tch::no_grad(|| {
        for (_, mut parameter) in store.variables().into_iter().collect::<std::collections::BTreeMap<_, _>>()
        {
            let values: Vec<f32> = (0..parameter.numel()).map(|_| random.f32() - 0.5).collect();
            parameter.copy_(&tensor(&values).view_as(&parameter));
        }
    });
    let images: Vec<f32> = (0..8 * 64).map(|_| random.f32()).collect();
    let images = tensor(&images).view([8, 1, 8, 8]);
    let labels = Tensor::from_slice(&[0i64, 1, 2, 0, 1, 2, 0, 1]);
    let mut adam = nn::Adam::default().build(&store, 1e-2).unwrap();
    let losses = (0..10)
        .map(|_| {
            let capture = looking.then(|| tap.capture());
            let hidden = relu.forward(&plain.forward(&conv.forward(&images)).relu_());
            let loss = fc.forward(&hidden.flatten(1, -1)).cross_entropy_for_logits(&labels);
            if let Some(capture) = capture {
                let gradients = capture.finish().unwrap().gradients(&loss).unwrap();
                assert_eq!(gradients.iter().flatten().count(), 2);
            }
            adam.backward_step(&loss);
            (loss.double_value(&[]) as f32).to_bits()
        })
        .collect();
    let sorted: std::collections::BTreeMap<_, _> = store.variables().into_iter().collect();
    let bits = |tensor: &Tensor| values(tensor).into_iter().map(f32::to_bits).collect();
    (losses, sorted.values().map(bits).collect())
}

#[test]
fn training_with_captures_is_bit_for_bit_the_same() {
    let (losses, parameters) = train(false);
    assert_ne!(losses.first(), losses.last(), "it trains");
    assert_eq!(train(true), (losses, parameters));
}

#[test]
fn edits_see_the_names_that_captures_give() {
    let tap = Tap::new();
    let (shared, seen_only) = (tap.probe("relu").unwrap(), "seen");
    let forward = |x: &Tensor| {
        tap.observe(seen_only, Role::Other, x);
        let x = tap.pass(seen_only, Role::Other, shared.forward(x) * 2.0);
        shared.clone().copying().forward(&x) * 10.0
    };
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let names_of_edit = seen.clone();
    let edit = tap.edit(move |name, _, output| {
        names_of_edit.lock().unwrap().push(name.to_owned());
        Ok((name == "relu:2").then(|| output + 1.0))
    });
    for _ in 0..2 {
        tap.begin_pass();
        let capture = tap.capture();
        assert_eq!(values(&forward(&tensor(&[3.0]))), [70.0], "the second pass alone is changed");
        assert_eq!(names(&capture.finish().unwrap()), ["seen", "relu", "seen:2", "relu:2"]);
        assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), ["relu", "seen:2", "relu:2"]);
    }
    assert_eq!(edit.finish().unwrap(), 2);
}
