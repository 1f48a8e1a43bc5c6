//! The observer against plain loops: what it says of layers, parameters, batches and the step where NaN begins.

#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)]

use std::{
    cell::RefCell,
    rc::Rc,
    sync::{Mutex, MutexGuard, PoisonError},
};

use convscope::{
    Callback, Context, MemorySink, Metrics, ModelSpec, Needs, Network, Schedule, Session, Step,
    callback::{BatchView, CONTINUE, Flow, Position},
    capture::{Role, Tap},
    diagnostics::Observer,
    params::Params,
    rules::{Cause, Moment, Observation, ParamRole, Score},
    stats::GradientNoise,
    writer::SummarySink,
};
use tch::{
    Device, Kind, Tensor, nn,
    nn::{Module as _, ModuleT as _, OptimizerConfig as _},
};

/// Where an observation came from, and the observation.
type Seen = Rc<RefCell<Vec<(&'static str, Observation)>>>;

/// Keeps every observation.
struct Recorder {
    observer: Observer,
    seen: Seen,
}

impl Recorder {
    fn new(observer: Observer) -> (Recorder, Seen) {
        let seen = Seen::default();
        (Recorder { observer, seen: seen.clone() }, seen)
    }

    fn keep(&self, moment: &'static str, observation: Option<Observation>) -> Flow {
        self.seen.borrow_mut().extend(observation.map(|observation| (moment, observation)));
        CONTINUE
    }
}

impl Callback for Recorder {
    fn needs(&self, position: &Position) -> Needs {
        self.observer.needs(position)
    }
    fn on_after_backward(&mut self, cx: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
        let observation = self.observer.after_backward(cx)?;
        self.keep("after_backward", observation)
    }
    fn on_batch_end(&mut self, cx: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
        let observation = self.observer.batch_end(cx)?;
        self.keep("batch_end", observation)
    }
    fn on_validation_batch(&mut self, _: &Context<'_>, batch: &BatchView, _: &mut dyn SummarySink) -> Flow {
        self.observer.validation_batch(batch);
        CONTINUE
    }
    fn on_validation_end(&mut self, cx: &Context<'_>, metrics: &Metrics, _: &mut dyn SummarySink) -> Flow {
        let observation = self.observer.validation_end(cx, metrics)?;
        self.keep("validation_end", observation)
    }
    fn on_epoch_end(&mut self, cx: &Context<'_>, metrics: &Metrics, _: &mut dyn SummarySink) -> Flow {
        let observation = self.observer.epoch_end(cx, metrics)?;
        self.keep("epoch_end", observation)
    }
}

const MODEL: &str = r#"
    name = "observed"
    input = [2, 8, 8]
    [[layer]]
    name = "conv1"
    type = "conv2d"
    out_channels = 4
    kernel_size = 3
    padding = 1
    [[layer]]
    name = "bn1"
    type = "batch_norm2d"
    [[layer]]
    name = "relu1"
    type = "relu"
    [[layer]]
    name = "pool1"
    type = "max_pool2d"
    kernel_size = 2
    [[layer]]
    name = "drop1"
    type = "dropout"
    p = 0.5
    [[layer]]
    name = "conv2"
    type = "conv2d"
    out_channels = 6
    kernel_size = 3
    [[layer]]
    name = "bn2"
    type = "batch_norm2d"
    [[layer]]
    name = "relu2"
    type = "relu"
    [[layer]]
    name = "flatten"
    type = "flatten"
    [[layer]]
    name = "fc1"
    type = "linear"
    out_features = 5
    [[layer]]
    name = "relu3"
    type = "relu"
    [[layer]]
    name = "fc2"
    type = "linear"
    out_features = 3
"#;

fn spec() -> ModelSpec {
    ModelSpec::from_toml(MODEL).unwrap()
}

/// Images and labels of one batch: no number of libtorch's generator is drawn.
fn batch(step: u64, images: i64) -> (Tensor, Tensor) {
    let mut random = fastrand::Rng::with_seed(step);
    let pixels: Vec<f32> = (0..images * 128).map(|_| random.f32() - 0.3).collect();
    let labels: Vec<i64> = (0..images).map(|image| (image + step as i64) % 3).collect();
    (Tensor::from_slice(&pixels).view([images, 2, 8, 8]), Tensor::from_slice(&labels))
}

/// Tests that draw from libtorch's generator take turns: it is one for all threads.
fn generator() -> MutexGuard<'static, ()> {
    static GENERATOR: Mutex<()> = Mutex::new(());
    GENERATOR.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Training {
    store: nn::VarStore,
    network: Network,
    _generator: MutexGuard<'static, ()>,
}

impl Training {
    fn new(spec: &ModelSpec) -> Training {
        let _generator = generator();
        tch::manual_seed(7);
        let store = nn::VarStore::new(Device::Cpu);
        let network = Network::new(&store.root(), spec).unwrap();
        Training { store, network, _generator }
    }

    fn param(&self, name: &str) -> Tensor {
        self.store.variables().remove(name).unwrap()
    }

    fn set(&self, name: &str, value: f64) {
        let _ = tch::no_grad(|| self.param(name).fill_(value));
    }

    /// Trains as the `Trainer` does, with all gradients clipped to a norm of 0.1.
    fn run(&self, observer: Observer, steps: u64, mut change: impl FnMut(u64, &Tensor)) -> Seen {
        let (recorder, seen) = Recorder::new(observer);
        let mut optimizer = nn::Sgd::default().build(&self.store, 0.1).unwrap();
        let mut session = Session::new(&self.store, recorder, MemorySink::default())
            .tap(self.network.tap())
            .model(|images| self.network.forward_t(images, false));
        session.set_learning_rate(0.1);
        for step in 1..=steps {
            let (images, labels) = batch(step, 8);
            change(step, &images);
            let mut scope = session.begin_step().unwrap().images(8);
            let logits = self.network.f_forward_t(&images, true).unwrap();
            let loss = logits.cross_entropy_for_logits(&labels);
            scope.batch(&images, &labels, &logits).unwrap();
            scope.before_backward(&loss).unwrap();
            optimizer.zero_grad();
            loss.backward();
            scope.after_backward().unwrap();
            optimizer.clip_grad_norm(0.1);
            optimizer.step();
            assert!(scope.end(&loss).unwrap().is_continue());
        }
        session.finish().unwrap();
        seen
    }
}

fn run(observer: Observer, steps: u64) -> Seen {
    Training::new(&spec()).run(observer, steps, |_, _| ())
}

fn values(tensor: &Tensor) -> Vec<f64> {
    Vec::try_from(&tensor.detach().to_kind(Kind::Double).flatten(0, -1)).unwrap()
}

fn rms(tensor: &Tensor) -> f64 {
    let values = values(tensor);
    (values.iter().map(|value| value * value).sum::<f64>() / values.len() as f64).sqrt()
}

fn close(found: f64, expected: f64) {
    assert!(
        (found - expected).abs() <= 1e-6 * expected.abs().max(1e-6),
        "{found} found, {expected} expected"
    );
}

fn steps(seen: &Seen) -> Vec<(&'static str, i64)> {
    seen.borrow().iter().map(|(moment, observation)| (*moment, observation.step.get())).collect()
}

#[test]
fn observations_are_made_when_due_and_bring_every_loss() {
    let seen = run(Observer::new().schedule(Schedule::every(4)), 10);
    assert_eq!(steps(&seen), [("batch_end", 1), ("batch_end", 4), ("batch_end", 8)]);
    let seen = seen.borrow();
    let losses: Vec<i64> =
        seen.iter().flat_map(|(_, observation)| &observation.losses).map(|(step, _)| step.get()).collect();
    assert_eq!(losses, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert!(seen.iter().all(|(_, observation)| {
        observation.moment == Moment::Batch
            && observation.learning_rate == Some(0.1)
            && observation.epoch == 1
    }));
    assert!(
        seen.iter().all(|(_, observation)| observation.timing.is_some_and(|timing| timing.total() > 0.0))
    );

    // What is not due is not captured.
    let observer = Observer::new().schedule(Schedule::every(4)).gradients_of_activations(true);
    let needs = |step, over_budget| {
        observer.needs(&Position { step: Step::new(step), epoch: 1, over_budget, ..Position::default() })
    };
    for due in [1, 4, 8] {
        assert!(needs(due, false).contains(Needs::ACTIVATION_GRADIENTS | Needs::PARAMETERS_BEFORE));
        assert_eq!(needs(due, true), Needs::VALUES, "over budget: the guard alone");
    }
    // The first steps fill the windows of silent units.
    assert_eq!(needs(2, false), Needs::VALUES | Needs::ACTIVATIONS);
    assert_eq!((needs(2, true), needs(51, false)), (Needs::VALUES, Needs::VALUES));
    let never = Observer::new().schedule(Schedule::never()).guard(Schedule::never());
    assert_eq!(never.needs(&Position { step: Step::new(1), ..Position::default() }), Needs::NONE);
}

#[test]
fn losses_that_nobody_asked_for_are_the_same() {
    let guarded = run(Observer::new(), 10);
    let free = run(Observer::new().guard(Schedule::never()), 10);
    let losses = |seen: &Seen| -> Vec<f64> {
        seen.borrow().iter().flat_map(|(_, o)| o.losses.iter().map(|(_, loss)| *loss)).collect()
    };
    assert_eq!(losses(&guarded).len(), 10);
    assert_eq!(losses(&guarded), losses(&free));
}

#[test]
fn layers_follow_the_forward_pass_and_know_what_they_read() {
    let seen = run(Observer::new().spec(&spec()).gradients_of_activations(true), 1);
    let (_, observation) = &seen.borrow()[0];
    let names: Vec<&str> = observation.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(
        names,
        ["conv1", "bn1", "relu1", "drop1", "conv2", "bn2", "relu2", "fc1", "relu3", "fc2"],
        "pooling and flattening only hand on"
    );
    let inputs = |name: &str| observation.layer(name).unwrap().inputs.clone();
    assert_eq!(inputs("conv1"), [""; 0]);
    assert_eq!(inputs("conv2"), ["relu1"]);
    assert_eq!(inputs("drop1"), ["relu1"]);
    assert_eq!(inputs("fc1"), ["relu2"]);
    assert_eq!(observation.layer("relu1").unwrap().role, Role::Relu);
    assert!(observation.layers.iter().all(|layer| layer.gradient.is_some_and(|g| g.count > 0 && g.l2 > 0.0)));

    // Without the spec everything that the tap shows, and nothing of what it reads.
    let seen = run(Observer::new(), 1);
    let (_, observation) = &seen.borrow()[0];
    assert_eq!(observation.layers.len(), 12);
    assert!(observation.layers.iter().all(|layer| layer.inputs.is_empty() && layer.gradient.is_none()));
    assert!(observation.layers.iter().all(|layer| layer.dropout.is_none()));
}

#[test]
fn parameters_come_in_the_order_of_their_layers_with_roles_gradients_and_updates() {
    let training = Training::new(&spec());
    let before: Vec<(String, Tensor)> =
        training.store.variables().into_iter().map(|(name, tensor)| (name, tensor.copy())).collect();
    let seen = training.run(Observer::new().spectrum(Schedule::epoch()), 1, |_, _| ());
    let (_, observation) = &seen.borrow()[0];
    let names: Vec<&str> = observation.params.iter().map(|param| param.name.as_str()).collect();
    #[rustfmt::skip]
    assert_eq!(names, [
        "conv1.weight", "conv1.bias",
        "bn1.weight", "bn1.bias", "bn1.running_mean", "bn1.running_var",
        "conv2.weight", "conv2.bias",
        "bn2.weight", "bn2.bias", "bn2.running_mean", "bn2.running_var",
        "fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias",
    ]);
    use ParamRole::{Bias, RunningMean, RunningVar, Scale, Shift, Weight};
    let roles: Vec<ParamRole> = observation.params[..8].iter().map(|param| param.role).collect();
    assert_eq!(roles, [Weight, Bias, Scale, Shift, RunningMean, RunningVar, Weight, Bias]);

    let mut clipped_square = 0.0;
    for param in &observation.params {
        let tensor = training.param(&param.name);
        close(param.value.rms(), rms(&tensor));
        assert_eq!(param.trainable, tensor.requires_grad());
        assert_eq!(param.spectrum.is_some(), param.role == Weight, "{}", param.name);
        assert_eq!(param.unchanged_since, None, "the first observation");
        if !param.trainable {
            assert!(param.gradient.is_none() && param.clipped_norm.is_none() && param.update_ratio.is_none());
            continue;
        }
        // The gradient in the store is the clipped one.
        let clipped = values(&tensor.grad()).iter().map(|value| value * value).sum::<f64>().sqrt();
        close(param.clipped_norm.unwrap(), clipped);
        clipped_square += clipped * clipped;
        let (_, old) = before.iter().find(|(name, _)| *name == param.name).unwrap();
        let moved = values(&(&tensor - old)).iter().map(|value| value * value).sum::<f64>().sqrt();
        let norm = values(old).iter().map(|value| value * value).sum::<f64>().sqrt();
        match param.update_ratio {
            Some(ratio) => close(ratio, moved / norm),
            None => assert_eq!(norm, 0.0, "{}: a shift begins at zero", param.name),
        }
    }
    close(observation.clipped_gradient_norm.unwrap(), clipped_square.sqrt());
    assert!((observation.clipped_gradient_norm.unwrap() - 0.1).abs() < 1e-5);
    let square: f64 = observation.params.iter().filter_map(|p| p.gradient).map(|g| g.l2 * g.l2).sum();
    close(observation.gradient_norm.unwrap(), square.sqrt());
    assert!(observation.gradient_norm.unwrap() > 0.2, "clipping did something");
    let ratio = |name: &str| {
        let param = observation.param(name).unwrap();
        param.clipped_norm.unwrap() / param.gradient.unwrap().l2
    };
    close(ratio("conv1.weight"), ratio("fc2.weight"));
}

#[test]
fn frozen_and_unreached_parameters_are_told_apart() {
    let training = Training::new(&spec());
    let _ = training.param("conv1.weight").set_requires_grad(false);
    let unreached = training.store.root().zeros("unused", &[3]);
    assert!(unreached.requires_grad());
    let seen = training.run(Observer::new().schedule(Schedule::batch()), 4, |_, _| ());
    let seen = seen.borrow();
    let since = |index: usize, name: &str| seen[index].1.param(name).unwrap().unchanged_since.map(Step::get);
    assert_eq!([0, 1, 3].map(|index| since(index, "conv1.weight")), [None; 3], "nobody asks");
    assert_eq!([0, 1, 3].map(|index| since(index, "unused")), [None, Some(1), Some(1)]);
    assert_eq!([0, 1, 3].map(|index| since(index, "fc1.weight")), [None, None, None]);
    assert_eq!(since(3, "bn1.running_mean"), None);
    let frozen = seen[3].1.param("conv1.weight").unwrap();
    assert!(!frozen.trainable && frozen.gradient.is_none() && frozen.update_ratio.is_none());
    let unused = seen[3].1.param("unused").unwrap();
    assert!(unused.trainable && unused.gradient.is_none() && unused.update_ratio.is_none());
    assert_eq!(unused.layer, "unused");
}

#[test]
fn the_batch_is_described() {
    let seen = run(Observer::new(), 1);
    let (_, observation) = &seen.borrow()[0];
    let found = observation.batch.as_ref().unwrap();
    let (images, labels) = batch(1, 8);
    assert_eq!(found.images, 8);
    assert!(found.bad_images.is_empty());
    for (channel, stats) in found.channels.iter().enumerate() {
        let values = values(&images.select(1, channel as i64));
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
        close(stats.mean, mean);
        close(stats.std, variance.sqrt());
        assert_eq!(stats.min, values.iter().copied().fold(f64::INFINITY, f64::min));
        assert_eq!(stats.max, values.iter().copied().fold(f64::NEG_INFINITY, f64::max));
    }
    assert_eq!(found.channels.len(), 2);
    let found_labels = found.labels.as_ref().unwrap();
    assert_eq!((found_labels.counts.clone(), found_labels.classes), (vec![(0, 2), (1, 3), (2, 3)], Some(3)));

    // The forward pass once more, from the same start.
    let training = Training::new(&spec());
    let logits = values(&training.network.f_forward_t(&images, true).unwrap());
    let labels = values(&labels);
    let (mut counts, mut wrong, mut spread, mut confidence) = (vec![0; 3], vec![0; 3], 0.0, 0.0);
    for (row, label) in logits.chunks(3).zip(labels) {
        let best = (0..3).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
        counts[best] += 1;
        wrong[label as usize] += u64::from(best as f64 != label);
        let mean = row.iter().sum::<f64>() / 3.0;
        spread += row.iter().map(|logit| (logit - mean).powi(2)).sum::<f64>() / 24.0;
        confidence += row[best].exp() / row.iter().map(|logit| logit.exp()).sum::<f64>() / 8.0;
    }
    let predictions = found.predictions.as_ref().unwrap();
    assert_eq!((&predictions.counts, &predictions.wrong), (&counts, &wrong));
    close(predictions.logit_scale, spread.sqrt());
    close(predictions.confidence, confidence);
}

/// Probes in a plain tch model, a loop that announces nothing, labels out of range, features instead of maps.
#[test]
fn an_own_loop_with_probes_gets_what_needs_no_spec() {
    let _generator = generator();
    let store = nn::VarStore::new(Device::Cpu);
    tch::manual_seed(3);
    let tap = Tap::new();
    let root = store.root();
    let model = nn::seq()
        .add(nn::linear(&root / "fc1", 20, 8, Default::default()))
        .add_fn(Tensor::tanh)
        .add(tap.probe_as("tanh", Role::Tanh).unwrap())
        .add(nn::linear(&root / "fc2", 8, 6, Default::default()))
        .add_fn(|x| x.gelu("none"))
        .add(tap.probe_as("gelu", Role::SoftRelu).unwrap())
        .add(nn::linear(&root / "fc3", 6, 3, Default::default()));
    let (recorder, seen) = Recorder::new(Observer::new().gradients_of_activations(true));
    let mut optimizer = nn::Adam::default().build(&store, 1e-2).unwrap();
    let mut session = Session::new(&store, recorder, MemorySink::default()).tap(&tap);
    for step in 1..=10 {
        let mut random = fastrand::Rng::with_seed(step);
        let features: Vec<f32> = (0..80).map(|_| 20.0 * (random.f32() - 0.5)).collect();
        let images = Tensor::from_slice(&features).view([4, 20]);
        let mut scope = session.begin_step().unwrap();
        let logits = model.forward(&images);
        scope.batch(&images, &Tensor::from_slice(&[0i64, 2, -1, 7]), &logits).unwrap();
        let loss = logits.square().mean(Kind::Float);
        optimizer.backward_step_clip_norm(&loss, 1e-3);
        assert!(scope.end(&loss).unwrap().is_continue());
    }
    session.finish().unwrap();
    assert_eq!(steps(&seen), [("batch_end", 1), ("batch_end", 10)]);
    let (_, observation) = &seen.borrow()[1];
    let names: Vec<&str> = observation.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, ["tanh", "gelu"]);
    let tanh = observation.layer("tanh").unwrap();
    assert!(tanh.saturated.is_some_and(|share| share > 0.05 && share < 1.0) && tanh.near_zero.is_none());
    let gelu = observation.layer("gelu").unwrap();
    assert!(gelu.near_zero.is_some_and(|share| (0.0..1.0).contains(&share)) && gelu.saturated.is_none());
    assert!(gelu.units.is_none() && gelu.gradient.is_none(), "the loop does not announce the backward pass");

    // The gradients that are left are clipped, and nobody knows what they were.
    assert!((observation.gradient_norm.unwrap() - 1e-3).abs() < 1e-6);
    assert_eq!(observation.clipped_gradient_norm, None);
    assert!(observation.params.iter().all(|param| param.clipped_norm.is_none() && param.gradient.is_some()));
    assert!(observation.param("fc3.weight").unwrap().update_ratio.unwrap() > 1e-3);
    let batch = observation.batch.as_ref().unwrap();
    assert_eq!(batch.channels.len(), 1, "features are taken together");
    assert_eq!(batch.labels.as_ref().unwrap().counts, [(-1, 1), (0, 1), (2, 1), (7, 1)]);
    let predictions = batch.predictions.as_ref().unwrap();
    assert_eq!(predictions.counts.iter().sum::<u64>(), 4);
    assert!(predictions.wrong.iter().sum::<u64>() <= 2, "labels out of range are no class");
}

#[test]
fn the_step_where_an_image_is_bad_is_observed_before_it_spoils_the_weights() {
    let training = Training::new(&spec());
    let seen = training.run(Observer::new().spec(&spec()), 12, |step, images| {
        if step == 6 {
            let _ = images.get(3).get(1).get(2).get(2).fill_(f64::NAN);
        }
    });
    assert_eq!(
        steps(&seen),
        [("batch_end", 1), ("after_backward", 6), ("batch_end", 10)],
        "once, though all that follows is spoiled"
    );
    let seen = seen.borrow();
    let (_, bad) = &seen[1];
    assert_eq!(bad.batch.as_ref().unwrap().bad_images, [3]);
    let losses: Vec<bool> = bad.losses.iter().map(|(_, loss)| loss.is_finite()).collect();
    assert_eq!(losses, [true, true, true, true, false]);
    // The batch was not captured, so the model ran once more: the image is bad in the first layer already.
    let conv1 = bad.layer("conv1").unwrap();
    assert_eq!(conv1.output.nan, 4 * 9);
    assert!(bad.layers.iter().all(|layer| layer.units.is_none()));
    let trained = bad.params.iter().filter(|param| param.trainable);
    assert!(trained.into_iter().all(|param| param.value.non_finite() == 0));
    assert!(bad.param("conv1.weight").unwrap().gradient.unwrap().nan > 0);
    // The next due observation shows the spoiled weights.
    let (_, after) = &seen[2];
    assert!(after.param("conv1.weight").unwrap().value.nan > 0);
    assert!(after.gradient_norm.unwrap().is_nan());
    assert_eq!(after.losses.len(), 4);
}

#[test]
fn a_gradient_that_is_not_finite_is_found_in_its_step() {
    let store = nn::VarStore::new(Device::Cpu);
    let tap = Tap::new();
    let weight = (store.root() / "layer").ones("weight", &[2, 3]);
    let other = (store.root() / "other").ones("weight", &[1]);
    let (recorder, seen) = Recorder::new(Observer::new().gradients_of_activations(true));
    let mut optimizer = nn::Sgd::default().build(&store, 0.1).unwrap();
    let mut session = Session::new(&store, recorder, MemorySink::default()).tap(&tap);
    for step in 1..=7 {
        let mut scope = session.begin_step().unwrap();
        // The root of 0 is 0, and has no derivative.
        let input = if step == 4 { 0.0 } else { 1.0 };
        let output = (&weight * input).square();
        tap.observe("layer", Role::Other, &output);
        let loss = output.sqrt().sum(Kind::Float) + other.square().sum(Kind::Float);
        scope.before_backward(&loss).unwrap();
        optimizer.zero_grad();
        loss.backward();
        scope.after_backward().unwrap();
        if step != 4 {
            optimizer.step();
        }
        assert!(scope.end(&loss).unwrap().is_continue());
    }
    session.finish().unwrap();
    assert_eq!(steps(&seen), [("batch_end", 1), ("after_backward", 4)], "it is finite again behind it");
    let (_, bad) = &seen.borrow()[1];
    assert!(bad.losses.iter().all(|(_, loss)| loss.is_finite()));
    assert_eq!(bad.param("layer.weight").unwrap().gradient.unwrap().nan, 6);
    assert_eq!(bad.param("other.weight").unwrap().gradient.unwrap().nan, 0);
    assert_eq!(bad.param("layer.weight").unwrap().value.nan, 0, "the weights have not moved");
    assert!(bad.gradient_norm.unwrap().is_nan() && bad.clipped_gradient_norm.is_none());
}

/// Every step is due, so that the parameters before it are known; they have not moved when the alarm looks at them.
#[test]
fn what_has_not_moved_yet_has_no_update() {
    let training = Training::new(&spec());
    let seen = training.run(Observer::new().schedule(Schedule::batch()), 3, |step, images| {
        if step == 3 {
            let _ = images.get(3).get(1).get(2).get(2).fill_(f64::NAN);
        }
    });
    assert_eq!(steps(&seen), [("batch_end", 1), ("batch_end", 2), ("after_backward", 3)]);
    let seen = seen.borrow();
    assert!(seen[1].1.param("conv1.weight").unwrap().update_ratio.unwrap() > 0.0);
    let params = &seen[2].1.params;
    assert!(params.iter().all(|param| param.update_ratio.is_none() && param.unchanged_since.is_none()));
}

#[test]
fn gradients_that_stay_bad_are_said_once() {
    let store = nn::VarStore::new(Device::Cpu);
    let weight = (store.root() / "layer").ones("weight", &[3]);
    let (recorder, seen) = Recorder::new(Observer::new().schedule(Schedule::never()));
    let mut session = Session::new(&store, recorder, MemorySink::default());
    for step in 1..=8 {
        let mut scope = session.begin_step().unwrap();
        // The root of 0 has no derivative; the loss is finite in every step but the sixth.
        let input = if [1, 5].contains(&step) { 1.0 } else { 0.0 };
        let loss = (&weight * input).square().sqrt().sum(Kind::Float);
        let loss = if step == 6 { loss * f64::NAN } else { loss };
        scope.before_backward(&loss).unwrap();
        let _ = weight.grad().defined().then(|| weight.grad().zero_());
        loss.backward();
        scope.after_backward().unwrap();
        assert!(scope.end(&loss).unwrap().is_continue());
    }
    session.finish().unwrap();
    assert_eq!(steps(&seen), [("after_backward", 2), ("after_backward", 6)]);
    assert!(seen.borrow()[1].1.last_loss().unwrap().is_nan());
}

/// A loop that sets gradients to zero behind the optimiser's step and announces nothing.
#[test]
fn gradients_set_to_zero_before_the_step_ends_are_not_known() {
    let train = |clears: bool, rate: f64| {
        let store = nn::VarStore::new(Device::Cpu);
        let weight = (store.root() / "layer").ones("weight", &[3]);
        let (recorder, seen) = Recorder::new(Observer::new());
        let mut optimizer = nn::Sgd::default().build(&store, rate).unwrap();
        let mut session = Session::new(&store, recorder, MemorySink::default());
        let scope = session.begin_step().unwrap();
        let loss = weight.square().sum(Kind::Float);
        optimizer.backward_step(&loss);
        if clears {
            let _ = weight.grad().zero_();
        }
        assert!(scope.end(&loss).unwrap().is_continue());
        session.finish().unwrap();
        let (_, observation) = seen.borrow()[0].clone();
        (
            observation.param("layer.weight").unwrap().gradient.map(|gradient| gradient.l2),
            observation.gradient_norm,
        )
    };
    let norm = 12f64.sqrt();
    assert!(
        matches!(train(false, 0.1), (Some(a), Some(b)) if (a - norm).abs() < 1e-6 && (b - norm).abs() < 1e-6)
    );
    assert_eq!(train(true, 0.1), (None, None));
    assert_eq!(train(true, 0.0), (Some(0.0), Some(0.0)), "nothing moved: they may well be 0");
}

#[test]
fn the_guard_can_be_turned_off() {
    let training = Training::new(&spec());
    let observer = Observer::new().guard(Schedule::never());
    let seen = training.run(observer, 10, |step, images| {
        if step == 6 {
            let _ = images.get(0).fill_(f64::NAN);
        }
    });
    assert_eq!(steps(&seen), [("batch_end", 1), ("batch_end", 10)]);
}

#[test]
fn the_first_windows_are_filled_from_every_batch() {
    let seen = run(Observer::new().schedule(Schedule::every(4)).window(24), 18);
    let closed: Vec<(i64, u64)> = seen
        .borrow()
        .iter()
        .filter_map(|(_, o)| Some((o.step.get(), o.layer("relu1")?.units.as_ref()?.samples)))
        .collect();
    // 8 images in a step: full behind step 3 and told at step 4; then observed batches alone count.
    assert_eq!(closed, [(4, 32), (16, 24)]);
}

#[test]
fn silent_units_come_with_their_cause() {
    let training = Training::new(&spec());
    // bn1: channel 0 has no scale, channel 1 a shift that outweighs. fc1: unit 2 has such a bias.
    tch::no_grad(|| {
        let _ = training.param("bn1.weight").get(0).fill_(1e-4);
        let _ = training.param("bn1.bias").get(0).fill_(-0.1);
        let _ = training.param("bn1.bias").get(1).fill_(-50.0);
        let _ = training.param("fc1.bias").get(2).fill_(-1000.0);
    });
    let observer = || Observer::new().spec(&spec()).schedule(Schedule::batch()).window(24);
    let seen = training.run(observer(), 6, |_, _| ());
    let seen = seen.borrow();
    // 8 images in a step: full at steps 3 and 6.
    let closed: Vec<i64> = seen
        .iter()
        .filter(|(_, observation)| observation.layer("relu1").unwrap().units.is_some())
        .map(|(_, observation)| observation.step.get())
        .collect();
    assert_eq!(closed, [3, 6]);
    let units = |index: usize, name: &str| {
        let layer = seen[index].1.layer(name).unwrap();
        let units = layer.units.as_ref().unwrap();
        units.silent.iter().map(|unit| (unit.index, unit.last_active, unit.cause.clone())).collect::<Vec<_>>()
    };
    let relu1 = units(2, "relu1");
    assert_eq!(relu1.len(), 2, "{relu1:?}");
    assert!(matches!(&relu1[0], (0, None, Some(Cause::ZeroScale { param, value }))
        if param == "bn1.weight" && value.abs() < 1e-2));
    assert!(matches!(&relu1[1], (1, None, Some(Cause::NegativeBias { param, value }))
        if param == "bn1.bias" && *value < -49.0));
    assert!(
        units(5, "relu3")
            .iter()
            .any(|unit| matches!(unit, (2, None, Some(Cause::NegativeBias { param, .. }))
        if param == "fc1.bias"))
    );
    assert!(
        seen.iter().all(|(_, o)| o.layer("drop1").unwrap().units.is_none()),
        "zeros of dropout are no silence"
    );

    // All of relu2 silent: what reads it has nothing to read.
    drop(training);
    let training = Training::new(&spec());
    training.set("bn2.bias", -100.0);
    training.set("fc1.bias", -0.1);
    let seen = training.run(observer(), 3, |_, _| ());
    let (_, last) = &seen.borrow()[2];
    let causes = |name: &str| -> Vec<Option<Cause>> {
        let units = last.layer(name).unwrap().units.as_ref().unwrap();
        units.silent.iter().map(|unit| unit.cause.clone()).collect()
    };
    assert_eq!(causes("relu2").len(), 6);
    assert!(causes("relu2").iter().all(|cause| matches!(cause, Some(Cause::NegativeBias { .. }))));
    assert_eq!(causes("relu3"), vec![Some(Cause::SilentInput { layer: "relu2".to_owned() }); 5]);
}

/// The network in a sub-path of its store, beside another one: the spec knows nothing of the path.
#[test]
fn parameters_below_a_path_belong_to_the_layers_of_the_spec() {
    let _generator = generator();
    tch::manual_seed(7);
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&(store.root() / "net" / "a"), &spec()).unwrap();
    let _other = nn::linear(store.root() / "other" / "fc1", 2, 2, Default::default());
    let bias = store.variables().remove("net.a.fc1.bias").unwrap();
    let _ = tch::no_grad(|| bias.get(2).fill_(-1000.0));
    let (recorder, seen) = Recorder::new(Observer::new().spec(&spec()).window(8));
    let mut session = Session::new(&store, recorder, MemorySink::default()).tap(network.tap());
    let (images, labels) = batch(1, 8);
    let scope = session.begin_step().unwrap();
    let loss = network.f_forward_t(&images, true).unwrap().cross_entropy_for_logits(&labels);
    loss.backward();
    assert!(scope.end(&loss).unwrap().is_continue());
    session.finish().unwrap();
    let (_, observation) = &seen.borrow()[0];
    let layer = |name: &str| observation.param(name).unwrap().layer.as_str();
    assert_eq!(layer("net.a.bn1.running_var"), "bn1");
    assert_eq!(layer("net.a.fc1.weight"), "fc1");
    assert_eq!(layer("other.fc1.weight"), "other.fc1");
    let silent = &observation.layer("relu3").unwrap().units.as_ref().unwrap().silent;
    assert!(silent.iter().any(|unit| {
        let param = "net.a.fc1.bias".to_owned();
        unit.index == 2 && unit.cause == Some(Cause::NegativeBias { param, value: -1000.0 })
    }));
}

#[test]
fn losses_are_handed_on_where_nothing_is_ever_due() {
    let store = nn::VarStore::new(Device::Cpu);
    let _ = store.root().ones("weight", &[1]);
    for guard in [Schedule::never(), Schedule::batch()] {
        let (recorder, seen) = Recorder::new(Observer::new().schedule(Schedule::never()).guard(guard));
        let mut session = Session::new(&store, recorder, MemorySink::default());
        for step in 1..=600 {
            let scope = session.begin_step().unwrap();
            assert!(scope.end(&Tensor::from(f64::from(step))).unwrap().is_continue());
        }
        session.finish().unwrap();
        assert_eq!(steps(&seen), [("batch_end", 256), ("batch_end", 512)]);
        let seen = seen.borrow();
        let losses: Vec<f64> = seen.iter().flat_map(|(_, o)| &o.losses).map(|&(_, loss)| loss).collect();
        assert_eq!(losses, (1..=512).map(f64::from).collect::<Vec<_>>());
        assert!(seen.iter().all(|(_, o)| o.params.is_empty()), "nothing else is measured");
    }
}

#[test]
fn dropout_is_measured_with_the_normalisation_behind_it() {
    let seen = run(Observer::new().spec(&spec()), 1);
    let (_, observation) = &seen.borrow()[0];
    let shift = observation.layer("drop1").unwrap().dropout.clone().unwrap();
    assert_eq!((shift.dropout.as_str(), shift.normalization.as_deref()), ("drop1", Some("bn2")));
    assert!(!shift.whole_maps);
    assert!((shift.keep_rate - 0.5).abs() < 0.1, "{}", shift.keep_rate);
    let input = observation.layer("relu1").unwrap().output;
    assert!(shift.variance_ratio > 1.5 && input.std > 0.0, "{}", shift.variance_ratio);
}

#[test]
fn epochs_bring_scores_and_in_an_unknown_length_the_last_batch() {
    let training = Training::new(&spec());
    let (recorder, seen) =
        Recorder::new(Observer::new().schedule(Schedule::epoch()).spectrum(Schedule::epoch()));
    let mut optimizer = nn::Sgd::default().build(&training.store, 0.1).unwrap();
    let mut session =
        Session::new(&training.store, recorder, MemorySink::default()).tap(training.network.tap());
    for epoch in 0..2 {
        for step in 1..=3 {
            let (images, labels) = batch(3 * epoch + step, 8);
            let scope = session.begin_step().unwrap();
            let loss = training.network.f_forward_t(&images, true).unwrap().cross_entropy_for_logits(&labels);
            optimizer.backward_step(&loss);
            assert!(scope.end(&loss).unwrap().is_continue());
        }
        let metrics = Metrics::from([("loss", 0.5), ("accuracy", 0.75)]);
        for size in if epoch == 0 { vec![] } else { vec![8, 5] } {
            let (images, labels) = batch(9, size);
            let logits = Tensor::zeros([size, 3], (Kind::Float, Device::Cpu));
            assert!(session.validation_batch(&images, &labels, &logits).unwrap().is_continue());
        }
        assert!(session.end_validation(&metrics).unwrap().is_continue());
        assert!(session.end_epoch().unwrap().is_continue());
    }
    session.finish().unwrap();
    let expected =
        [("batch_end", 1), ("validation_end", 3), ("epoch_end", 3), ("validation_end", 6), ("epoch_end", 6)];
    assert_eq!(steps(&seen), expected);
    let seen = seen.borrow();
    let score = Score { loss: Some(0.5), accuracy: Some(0.75), ..Score::default() };
    let (_, validation) = &seen[1];
    assert_eq!(
        (validation.moment, validation.validation, validation.losses.len()),
        (Moment::Validation, Some(score), 0)
    );
    let (_, epoch) = &seen[4];
    let score = Score { images: Some(13), ..score };
    assert_eq!((epoch.moment, epoch.validation, epoch.epoch), (Moment::Epoch, Some(score), 2));
    assert!(epoch.training.unwrap().loss.is_some());
    assert_eq!((epoch.layers.len(), epoch.params.len(), epoch.losses.len()), (12, 16, 3));
    assert!(epoch.params.iter().all(|param| param.update_ratio.is_none()));
    assert!(epoch.param("fc1.weight").unwrap().spectrum.is_some());
}

#[test]
fn quantiles_and_spectra_follow_their_schedules() {
    let observer = Observer::new()
        .schedule(Schedule::batch())
        .quantiles(Schedule::every(2))
        .spectrum(Schedule::every(3).from(Step::new(2)));
    let seen = run(observer, 6);
    for (_, observation) in seen.borrow().iter() {
        let step = observation.step.get();
        let weight = observation.param("fc1.weight").unwrap();
        assert_eq!(weight.value.quantiles.is_some(), step % 2 == 0, "step {step}");
        assert_eq!(weight.gradient.unwrap().quantiles.is_some(), step % 2 == 0);
        assert_eq!(observation.layers[0].output.quantiles.is_some(), step % 2 == 0);
        assert_eq!(weight.spectrum.is_some(), step % 3 == 0, "step {step}");
    }
}

#[test]
fn models_in_bfloat16_are_observed() {
    let _generator = generator();
    let store = nn::VarStore::new(Device::Cpu);
    let tap = Tap::new();
    let root = store.root();
    let model = nn::seq()
        .add(nn::linear(&root / "fc1", 4, 8, Default::default()))
        .add_fn(Tensor::relu)
        .add(tap.probe("relu").unwrap())
        .add(nn::linear(&root / "fc2", 8, 3, Default::default()));
    let mut store = store;
    store.bfloat16();
    let (recorder, seen) = Recorder::new(Observer::new().schedule(Schedule::batch()).window(2));
    let mut optimizer = nn::Sgd::default().build(&store, 0.1).unwrap();
    let mut session = Session::new(&store, recorder, MemorySink::default()).tap(&tap);
    for _ in 0..2 {
        let scope = session.begin_step().unwrap();
        let images = Tensor::ones([4, 4], (Kind::BFloat16, Device::Cpu));
        let loss = model.forward(&images).square().sum(Kind::BFloat16);
        optimizer.backward_step(&loss);
        assert!(scope.end(&loss).unwrap().is_continue());
    }
    session.finish().unwrap();
    let seen = seen.borrow();
    let (_, last) = &seen[1];
    assert_eq!(last.params.len(), 4);
    assert!(last.params.iter().all(|param| param.gradient.is_some() && param.value.l2.is_finite()));
    assert!(last.param("fc2.weight").unwrap().update_ratio.unwrap() > 0.0);
    assert!(last.layer("relu").unwrap().units.is_some());
}

#[test]
fn gradient_noise_is_handed_on() {
    let noise = GradientNoise::new();
    for gradient in [[1.0, 0.0], [3.0, 0.0]] {
        noise.add(&[Tensor::from_slice(&gradient)], 1).unwrap();
    }
    noise.end_batch().unwrap();
    // A batch that is not finite is left out, not kept for ever.
    noise.add(&[Tensor::from_slice(&[f64::NAN, 0.0])], 1).unwrap();
    noise.add(&[Tensor::from_slice(&[1.0, 0.0])], 1).unwrap();
    noise.end_batch().unwrap();
    let seen = run(Observer::new().gradient_noise(&noise), 1);
    close(seen.borrow()[0].1.gradient_noise_scale.unwrap(), 2.0 / 3.0);
}

#[test]
fn a_spec_that_is_not_valid_is_an_error() {
    let mut broken = spec();
    broken.layers.clear();
    let store = nn::VarStore::new(Device::Cpu);
    let (recorder, _) = Recorder::new(Observer::new().spec(&broken));
    let mut session = Session::new(&store, recorder, MemorySink::default());
    let error = session.begin_step().unwrap().end(&Tensor::from(1.0)).unwrap_err().to_string();
    assert!(error.contains("layer"), "{error}");
}

/// Weights, running statistics and `.grad` after training, and the generator, with and without an observer of everything
/// in every step; also where the guard runs a batch again.
#[test]
fn observing_changes_nothing() {
    let bits = |tensor: &Tensor| -> Vec<u32> {
        let values: Vec<f32> = tensor.detach().flatten(0, -1).try_into().unwrap();
        values.into_iter().map(f32::to_bits).collect()
    };
    let train = |observer: Observer, spoiled: Option<u64>| {
        let training = Training::new(&spec());
        let seen = training.run(observer, 8, |step, images| {
            if Some(step) == spoiled {
                let _ = images.get(0).get(0).get(0).get(0).fill_(f64::INFINITY);
            }
        });
        let mut state: Vec<(String, Vec<u32>)> = Vec::new();
        for param in &Params::all(&training.store) {
            let (name, tensor) = (param.name().to_owned(), param.tensor());
            let gradient = tensor.grad();
            if gradient.defined() {
                state.push((format!("gradient of {name}"), bits(&gradient)));
            }
            state.push((name, bits(tensor)));
        }
        state.sort();
        state.push(("generator".to_owned(), bits(&Tensor::rand([4], (Kind::Float, Device::Cpu)))));
        (state, seen.borrow().len())
    };
    let nothing = || Observer::new().schedule(Schedule::never()).guard(Schedule::never());
    let everything = || {
        Observer::new()
            .spec(&spec())
            .schedule(Schedule::batch())
            .quantiles(Schedule::batch())
            .spectrum(Schedule::batch())
            .gradients_of_activations(true)
            .window(8)
    };
    let guard = || Observer::new().schedule(Schedule::never());
    for (observer, spoiled, observations) in
        [(everything(), None, 8), (everything(), Some(7), 8), (guard(), Some(7), 1)]
    {
        let (off, none) = train(nothing(), spoiled);
        let (on, made) = train(observer, spoiled);
        assert_eq!((none, made, off.len()), (0, observations, 16 + 12 + 1));
        for ((name, off), (_, on)) in off.iter().zip(&on) {
            assert!(off == on, "{name} differs");
        }
    }
}
