//! What a session shows callbacks beside loss and gradients: batches, parameters before the step, where time goes; and
//! what it takes back from them: another learning rate.

#![allow(clippy::unwrap_used)] // in helpers of tests
#![cfg(feature = "tch")]

use std::{cell::RefCell, rc::Rc, thread::sleep, time::Duration};

use convscope::{
    Callback, MemorySink, Metrics, Needs, Network, Session, Trainer,
    arch::ModelSpec,
    callback::{CONTINUE, Position, on_after_backward, on_batch_end, on_epoch_end, on_validation_batch},
    data::{Dataset, bundled},
    rules::Timing,
};
use tch::{Device, Kind, Tensor, nn, nn::Module as _, nn::OptimizerConfig as _};

/// A linear layer, its store and a batch for it.
struct Tiny {
    store: nn::VarStore,
    model: nn::Linear,
    images: Tensor,
    labels: Tensor,
}

impl Tiny {
    fn new() -> Tiny {
        let store = nn::VarStore::new(Device::Cpu);
        let model = nn::linear(store.root() / "fc", 4, 3, nn::LinearConfig::default());
        let images = Tensor::arange(8, (Kind::Float, Device::Cpu)).reshape([2, 4]);
        Tiny { store, model, images, labels: Tensor::from_slice(&[0i64, 2]) }
    }

    fn values(&self) -> Values {
        let mut values: Vec<_> =
            self.store.variables().into_iter().map(|(name, t)| (name, to_vec(&t))).collect();
        values.sort_by(|a, b| a.0.cmp(&b.0));
        values
    }
}

fn to_vec(tensor: &Tensor) -> Vec<f32> {
    tensor.detach().reshape([-1]).try_into().unwrap()
}

/// The values of every parameter, by name.
type Values = Vec<(String, Vec<f32>)>;

/// Needs the parameters as they were before the step, in even steps, and keeps them.
#[derive(Clone, Default)]
struct Before(Rc<RefCell<Vec<Option<Values>>>>);

impl Callback for Before {
    fn needs(&self, position: &Position) -> Needs {
        Needs::PARAMETERS_BEFORE.when(position.step.get() % 2 == 0)
    }

    fn on_batch_end(
        &mut self,
        cx: &convscope::Context<'_>,
        _: &mut dyn convscope::SummarySink,
    ) -> convscope::callback::Flow {
        let seen = cx
            .params_before()
            .map(|params| params.iter().map(|(name, tensor)| (name.clone(), to_vec(tensor))).collect());
        self.0.borrow_mut().push(seen);
        CONTINUE
    }
}

#[test]
fn parameters_before_the_step_are_those_of_its_beginning() {
    let tiny = Tiny::new();
    let mut optimizer = nn::Sgd::default().build(&tiny.store, 0.1).unwrap();
    let before = Before::default();
    let mut session = Session::new(&tiny.store, before.clone(), MemorySink::default());
    let mut expected = Vec::new();
    for step in 1..=4 {
        let values = tiny.values();
        // The plainest loop: nothing is announced, the optimiser has moved the weights before the callbacks hear of it.
        let scope = session.begin_step().unwrap();
        let loss = tiny.model.forward(&tiny.images).cross_entropy_for_logits(&tiny.labels);
        optimizer.backward_step(&loss);
        assert!(scope.end(&loss).unwrap().is_continue());
        assert_ne!(values, tiny.values(), "the step moved something");
        expected.push((step % 2 == 0).then_some(values));
    }
    assert_eq!(*before.0.borrow(), expected);
}

#[test]
fn a_batch_is_shown_detached_and_checked() {
    let tiny = Tiny::new();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = seen.clone();
    let watch = on_batch_end(move |cx, _| {
        let batch = cx.batch().map(|batch| {
            assert!(!batch.logits.requires_grad());
            (batch.images.size(), batch.labels.size(), batch.logits.size())
        });
        log.borrow_mut().push(batch);
        CONTINUE
    });
    let mut session = Session::new(&tiny.store, watch, MemorySink::default());
    for show in [true, false] {
        let mut scope = session.begin_step().unwrap();
        let logits = tiny.model.forward(&tiny.images);
        if show {
            scope.batch(&tiny.images, &tiny.labels, &logits).unwrap();
        }
        let loss = logits.cross_entropy_for_logits(&tiny.labels);
        assert!(scope.end(&loss).unwrap().is_continue());
    }
    assert_eq!(*seen.borrow(), [Some((vec![2, 4], vec![2], vec![2, 3])), None]);

    let logits = tiny.model.forward(&tiny.images);
    let mut scope = session.begin_step().unwrap();
    for (images, labels, logits) in [
        (&tiny.images, &tiny.labels, &logits.reshape([-1])),
        (&tiny.images, &Tensor::from_slice(&[0i64]), &logits),
        (&tiny.images.narrow(0, 0, 1), &tiny.labels, &logits),
        (&tiny.images, &Tensor::from(0i64), &logits),
        (&Tensor::from(0.0), &tiny.labels, &logits),
    ] {
        let error = scope.batch(images, labels, logits).unwrap_err().to_string();
        assert!(error.contains("batch") && error.contains("[N, classes]"), "{error}");
    }
}

#[test]
fn callbacks_know_whether_gradients_were_announced() {
    let tiny = Tiny::new();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let log = seen.clone();
    let watch = on_after_backward(move |cx, _| {
        log.borrow_mut().push(cx.announced());
        CONTINUE
    });
    let mut session = Session::new(&tiny.store, watch, MemorySink::default());
    for announce in [true, false, true] {
        let mut scope = session.begin_step().unwrap();
        let loss = tiny.model.forward(&tiny.images).cross_entropy_for_logits(&tiny.labels);
        loss.backward();
        if announce {
            scope.after_backward().unwrap();
        }
        assert!(scope.end(&loss).unwrap().is_continue());
    }
    assert_eq!(*seen.borrow(), [true, false, true]);
}

#[test]
fn time_goes_where_it_was_spent() {
    const PAUSE: Duration = Duration::from_millis(5);
    let tiny = Tiny::new();
    let last = Rc::new(RefCell::new(Timing::default()));
    let log = last.clone();
    let slow = on_batch_end(move |cx, _| {
        sleep(PAUSE);
        *log.borrow_mut() = cx.timing();
        CONTINUE
    });
    let mut session = Session::new(&tiny.store, slow, MemorySink::default());
    for _ in 0..4 {
        let scope = session.begin_step().unwrap();
        sleep(3 * PAUSE); // training
        assert!(scope.end(&Tensor::from(0.5)).unwrap().is_continue());
        sleep(2 * PAUSE); // waiting for data
    }
    let timing = *last.borrow();
    // Sleeping takes at least as long as it was told. The last reading comes before the fourth pauses of data and callback.
    assert!(timing.training >= 12.0 * PAUSE.as_secs_f64(), "{timing:?}");
    assert!(timing.data >= 6.0 * PAUSE.as_secs_f64(), "{timing:?}");
    assert!(timing.diagnostics >= 3.0 * PAUSE.as_secs_f64(), "{timing:?}");

    // A validation pass is nobody's time.
    sleep(Duration::from_millis(50));
    assert!(session.end_validation(&Metrics::default()).unwrap().is_continue());
    assert!(session.begin_step().unwrap().end(&Tensor::from(0.5)).unwrap().is_continue());
    assert!(last.borrow().data - timing.data < 0.05, "{timing:?} {:?}", last.borrow());
}

fn small_data() -> (Dataset, Dataset) {
    let data = bundled().unwrap();
    (data.train.probe(40).unwrap(), data.validation.probe(30).unwrap())
}

#[test]
fn the_trainer_takes_the_learning_rate_that_a_callback_asks_for() {
    let (train, validation) = small_data();
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &ModelSpec::default_model(10).unwrap()).unwrap();
    let mut optimizer = nn::Sgd::default().build(&store, 0.1).unwrap();
    let norms = Rc::new(RefCell::new(Vec::new()));
    let log = norms.clone();
    let freeze = on_batch_end(move |cx, _| {
        let weight = cx.params().get("conv1.weight").unwrap().tensor().double_value(&[0, 0, 0, 0]);
        log.borrow_mut().push((weight, cx.learning_rate()));
        if cx.step().get() == 2 {
            for wrong in [f64::NAN, 0.0, -1.0, f64::INFINITY] {
                assert!(cx.set_learning_rate(wrong).unwrap_err().to_string().contains("a positive number"));
            }
            cx.set_learning_rate(1e-30)?;
        }
        CONTINUE
    });
    Trainer::of_network(&network, &store, &mut optimizer)
        .callbacks(freeze)
        .learning_rate(0.1)
        .batch_size(10)
        .fit(&train, &validation, 1)
        .unwrap();
    let norms = norms.borrow();
    let rates: Vec<Option<f64>> = norms.iter().map(|&(_, rate)| rate).collect();
    assert_eq!(rates, [Some(0.1), Some(0.1), Some(1e-30), Some(1e-30)]);
    assert_ne!(norms[0].0, norms[1].0);
    assert_eq!(norms[1].0, norms[2].0, "at this rate nothing moves");
}

#[test]
fn the_trainer_shows_every_validation_batch() {
    let (train, validation) = small_data();
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &ModelSpec::default_model(10).unwrap()).unwrap();
    let mut optimizer = nn::Sgd::default().build(&store, 0.1).unwrap();
    let labels: Rc<RefCell<Vec<i64>>> = Rc::default();
    let log = labels.clone();
    let watch = on_validation_batch(move |_, batch, _| {
        assert_eq!(batch.logits.size()[1], 10);
        log.borrow_mut().extend(Vec::<i64>::try_from(&batch.labels).unwrap());
        CONTINUE
    });
    let ends = on_epoch_end(|cx, _, _| {
        assert!(!cx.over_budget(), "a short training is within its grace");
        CONTINUE
    });
    Trainer::of_network(&network, &store, &mut optimizer)
        .callbacks(watch)
        .callbacks(ends)
        .batch_size(16)
        .fit(&train, &validation, 2)
        .unwrap();
    let twice = [validation.labels(), validation.labels()].concat();
    assert_eq!(*labels.borrow(), twice);
}

#[test]
fn a_share_of_the_time_that_is_none_is_an_error_of_the_first_step() {
    let store = nn::VarStore::new(Device::Cpu);
    for (share, accepted) in [(0.0, true), (f64::INFINITY, true), (-0.1, false), (f64::NAN, false)] {
        let mut session = Session::new(&store, on_batch_end(|_, _| CONTINUE), MemorySink::default());
        session = session.max_overhead(share);
        match session.begin_step() {
            Ok(_) => assert!(accepted, "{share}"),
            Err(error) => {
                let error = error.to_string();
                assert!(!accepted && error.contains("max_overhead") && error.contains("0.05"), "{error}");
            }
        }
    }
}
