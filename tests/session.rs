//! Which callbacks hear what, in which order, and what a stop, an error or a dropped step does to them.

#![allow(clippy::unwrap_used)] // in helpers of tests
#![cfg(feature = "tch")]

use std::{cell::RefCell, ops::ControlFlow, rc::Rc};

use convscope::{
    Callback, CallbackList, Context, Error, Interrupter, MemorySink, Metrics, Needs, Session, StopReason,
    SummarySink,
    callback::{CONTINUE, Flow, Position, on_batch_end, on_epoch_end},
    capture::Tap,
};
use tch::{Device, Kind, Tensor, nn, nn::Module as _};

type Log = Rc<RefCell<Vec<String>>>;

/// Writes down what it hears.
struct Scribe {
    log: Log,
    name: &'static str,
    stop_at: Option<i64>,
}

impl Scribe {
    fn new(log: &Log, name: &'static str) -> Scribe {
        Scribe { log: log.clone(), name, stop_at: None }
    }

    fn hear(&self, event: &str, cx: &Context<'_>) -> Flow {
        let Position { step, epoch, batch, .. } = cx.position();
        self.log.borrow_mut().push(format!("{} {event} {step}/{epoch}/{batch}", self.name));
        if event == "batch_end" && self.stop_at == Some(step.get()) {
            return Ok(ControlFlow::Break(StopReason::Other(format!("{} stops", self.name))));
        }
        CONTINUE
    }
}

impl Callback for Scribe {
    fn on_train_start(&mut self, cx: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
        self.hear("train_start", cx)
    }
    fn on_before_backward(&mut self, cx: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
        self.hear("before_backward", cx)
    }
    fn on_after_backward(&mut self, cx: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
        self.hear("after_backward", cx)
    }
    fn on_batch_end(&mut self, cx: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
        self.hear("batch_end", cx)
    }
    fn on_validation_end(&mut self, cx: &Context<'_>, _: &Metrics, _: &mut dyn SummarySink) -> Flow {
        self.hear("validation_end", cx)
    }
    fn on_epoch_end(&mut self, cx: &Context<'_>, _: &Metrics, _: &mut dyn SummarySink) -> Flow {
        self.hear("epoch_end", cx)
    }
    fn on_train_end(&mut self, cx: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
        self.hear("train_end", cx)
    }
}

fn loss() -> Tensor {
    Tensor::from(0.5)
}

#[test]
fn events_come_in_order() {
    let log = Log::default();
    let store = nn::VarStore::new(Device::Cpu);
    let mut session = Session::new(&store, Scribe::new(&log, "a"), MemorySink::default());
    let mut scope = session.begin_step().unwrap();
    scope.before_backward(&loss()).unwrap();
    scope.after_backward().unwrap();
    assert!(scope.end(&loss()).unwrap().is_continue());
    assert!(session.begin_step().unwrap().end(&loss()).unwrap().is_continue());
    assert!(session.end_validation(&Metrics::default()).unwrap().is_continue());
    assert!(session.end_epoch().unwrap().is_continue());
    assert!(session.begin_step().unwrap().end(&loss()).unwrap().is_continue());
    assert_eq!(session.finish().unwrap(), None);
    let expected = [
        "a train_start 0/1/0",
        "a before_backward 1/1/1",
        "a after_backward 1/1/1",
        "a batch_end 1/1/1",
        "a after_backward 2/1/2", // not announced: in `end`
        "a batch_end 2/1/2",
        "a validation_end 2/1/2",
        "a epoch_end 2/1/2",
        "a after_backward 3/2/1",
        "a batch_end 3/2/1",
        "a train_end 3/2/1",
    ];
    assert_eq!(*log.borrow(), expected);
}

#[test]
fn the_first_reason_to_stop_counts_and_all_hear_of_the_event() {
    let log = Log::default();
    let store = nn::VarStore::new(Device::Cpu);
    let mut sink = MemorySink::default();
    let callbacks = CallbackList::new()
        .with(Scribe { stop_at: Some(2), ..Scribe::new(&log, "a") })
        .with(Scribe { stop_at: Some(2), ..Scribe::new(&log, "b") });
    let mut session = Session::new(&store, callbacks, &mut sink);
    assert!(session.begin_step().unwrap().end(&loss()).unwrap().is_continue());
    let flow = session.begin_step().unwrap().end(&loss()).unwrap();
    assert_eq!(flow, ControlFlow::Break(StopReason::Other("a stops".into())));
    assert_eq!(session.stop_reason(), Some(&StopReason::Other("a stops".into())));
    assert_eq!(session.finish().unwrap(), Some(StopReason::Other("a stops".into())));
    assert!(log.borrow().contains(&"b batch_end 2/1/2".to_owned()));
    assert_eq!(log.borrow().last().unwrap(), "b train_end 2/1/2");

    let entry = sink.entries.last().unwrap();
    assert_eq!((entry.run.as_str(), entry.tag.as_str(), entry.step.get()), ("", "stop_reason", 2));
    assert_eq!(entry.summary.as_text(), Some("Stopped in epoch 1, step 2: a stops"));
}

#[test]
fn an_interrupter_stops_after_the_step() {
    let store = nn::VarStore::new(Device::Cpu);
    let interrupter = Interrupter::new();
    let mut session = Session::new(&store, interrupter.clone(), MemorySink::default());
    assert!(session.begin_step().unwrap().end(&loss()).unwrap().is_continue());
    let scope = session.begin_step().unwrap();
    interrupter.interrupt();
    assert_eq!(scope.end(&loss()).unwrap(), ControlFlow::Break(StopReason::Interrupted));
}

#[test]
fn an_interrupter_is_heard_in_a_validation_pass() {
    let store = nn::VarStore::new(Device::Cpu);
    let interrupter = Interrupter::new();
    let mut session = Session::new(&store, interrupter.clone(), MemorySink::default());
    assert!(session.begin_step().unwrap().end(&loss()).unwrap().is_continue());
    interrupter.interrupt();
    let flow = session.end_validation(&Metrics::default()).unwrap();
    assert_eq!(flow, ControlFlow::Break(StopReason::Interrupted));
}

#[test]
fn a_session_goes_on_where_an_earlier_one_ended() {
    let store = nn::VarStore::new(Device::Cpu);
    let mut session = Session::new(&store, CallbackList::new(), MemorySink::default())
        .start_after(40, 4)
        .batches_per_epoch(10);
    assert!(session.begin_step().unwrap().end(&loss()).unwrap().is_continue());
    let Position { step, epoch, batch, .. } = *session.position();
    assert_eq!((step.get(), epoch, batch), (41, 5, 1));
}

#[test]
fn a_tensor_that_is_used_again_for_the_next_step_does_not_change_the_last() {
    let store = nn::VarStore::new(Device::Cpu);
    let mut session = Session::new(&store, CallbackList::new(), MemorySink::default());
    let mut running = Tensor::from(0.0);
    for _ in 0..3 {
        running += 1.0;
        assert!(session.begin_step().unwrap().end(&running).unwrap().is_continue());
    }
    assert_eq!(session.epoch_metrics().unwrap().get("loss"), Some(2.0)); // mean of 1, 2, 3
}

#[test]
fn a_name_is_reported_once_in_a_step() {
    let store = nn::VarStore::new(Device::Cpu);
    let mut session = Session::new(&store, CallbackList::new(), MemorySink::default());
    let mut scope = session.begin_step().unwrap();
    scope.measure("accuracy", &Tensor::from(0.5)).unwrap();
    for name in ["accuracy", "loss"] {
        let error = scope.measure(name, &Tensor::from(0.5)).unwrap_err().to_string();
        assert!(error.contains(&format!("measure `{name}`")), "{error}");
    }
}

#[test]
fn errors_of_callbacks_reach_the_loop() {
    let store = nn::VarStore::new(Device::Cpu);
    let refuse = on_batch_end(|_, _| Err(Error::invalid("callback", "refuses")));
    let mut session = Session::new(&store, refuse, MemorySink::default());
    let error = session.begin_step().unwrap().end(&loss()).unwrap_err();
    assert_eq!(error.to_string(), "callback: refuses");
}

#[test]
fn a_dropped_step_counts_but_reports_nothing() {
    let log = Log::default();
    let store = nn::VarStore::new(Device::Cpu);
    let mut session = Session::new(&store, Scribe::new(&log, "a"), MemorySink::default());
    drop(session.begin_step().unwrap());
    assert!(session.begin_step().unwrap().end(&loss()).unwrap().is_continue());
    assert_eq!(log.borrow()[1..], ["a after_backward 2/1/2", "a batch_end 2/1/2"]);
    assert_eq!(session.epoch_metrics().unwrap().get("loss"), Some(0.5));
}

#[test]
fn only_what_is_needed_is_captured() {
    struct Needy(Needs);
    impl Callback for Needy {
        fn needs(&self, position: &Position) -> Needs {
            self.0.when(position.step.get() == 2)
        }
        fn on_batch_end(&mut self, cx: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
            let due = cx.step().get() == 2;
            assert_eq!(cx.activations().is_some(), due && self.0.contains(Needs::ACTIVATIONS));
            assert_eq!(
                cx.activation_gradients().is_some(),
                due && self.0.contains(Needs::ACTIVATION_GRADIENTS)
            );
            CONTINUE
        }
    }
    let store = nn::VarStore::new(Device::Cpu);
    let tap = Tap::new();
    let probe = tap.probe("square").unwrap();
    for needs in [Needs::NONE, Needs::ACTIVATIONS, Needs::ACTIVATION_GRADIENTS] {
        let mut session = Session::new(&store, Needy(needs), MemorySink::default()).tap(&tap);
        for step in 1..=3 {
            let mut scope = session.begin_step().unwrap();
            assert_eq!(tap.is_armed(), step == 2 && needs != Needs::NONE);
            let x = Tensor::ones([3], (Kind::Float, Device::Cpu)).set_requires_grad(true);
            let loss = (probe.forward(&x.square()) * 2.0).sum(Kind::Float);
            scope.before_backward(&loss).unwrap();
            loss.backward();
            assert!(scope.end(&loss).unwrap().is_continue());
            assert!(!tap.is_armed());
        }
    }
}

#[test]
fn gradients_of_activations_are_the_losss() {
    struct Check;
    impl Callback for Check {
        fn needs(&self, _: &Position) -> Needs {
            Needs::ACTIVATION_GRADIENTS
        }
        fn on_before_backward(&mut self, cx: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
            // loss = 2 sum(a), so dloss/da = 2
            let gradients = cx.activation_gradients().unwrap();
            let values: Vec<f32> = gradients[0].as_ref().unwrap().try_into().unwrap();
            assert_eq!(values, [2.0, 2.0, 2.0]);
            CONTINUE
        }
    }
    let store = nn::VarStore::new(Device::Cpu);
    let tap = Tap::new();
    let probe = tap.probe("square").unwrap();
    let mut session = Session::new(&store, Check, MemorySink::default()).tap(&tap);
    let mut scope = session.begin_step().unwrap();
    let x = Tensor::from_slice(&[1f32, 2.0, 3.0]).set_requires_grad(true);
    let loss = (probe.forward(&x.square()) * 2.0).sum(Kind::Float);
    scope.before_backward(&loss).unwrap();
    assert!(!x.grad().defined(), "looking at gradients leaves .grad alone");
    loss.backward();
    assert_eq!(Vec::<f32>::try_from(x.grad()).unwrap(), [4.0, 8.0, 12.0]);
    assert!(scope.end(&loss).unwrap().is_continue());
}

#[test]
fn epoch_metrics_are_weighted_means_and_begin_anew() {
    let store = nn::VarStore::new(Device::Cpu);
    let seen = RefCell::new(Vec::new());
    let note = on_epoch_end(|_, metrics, _| {
        seen.borrow_mut().push(metrics.clone());
        CONTINUE
    });
    let mut session = Session::new(&store, note, MemorySink::default());
    for epoch in 0..2 {
        for batch in 0..200 {
            let mut scope = session.begin_step().unwrap().images(if batch == 199 { 1 } else { 4 });
            scope.measure("accuracy", &Tensor::from(f64::from(epoch))).unwrap();
            let loss = Tensor::from(if batch == 199 { 100.0 } else { 1.0 });
            assert!(scope.end(&loss).unwrap().is_continue());
        }
        assert!(session.end_epoch().unwrap().is_continue());
    }
    drop(session);
    let mean = (199.0 * 4.0 + 100.0) / (199.0 * 4.0 + 1.0);
    for (epoch, metrics) in seen.into_inner().iter().enumerate() {
        assert!((metrics.get("loss").unwrap() - mean).abs() < 1e-12);
        assert_eq!(metrics.get("accuracy"), Some(epoch as f64));
    }
}

#[test]
fn a_loss_of_several_elements_is_refused() {
    let store = nn::VarStore::new(Device::Cpu);
    let mut session = Session::new(&store, CallbackList::new(), MemorySink::default());
    let error = session.begin_step().unwrap().end(&Tensor::from_slice(&[1.0, 2.0])).unwrap_err();
    assert!(error.to_string().contains("measure `loss`: a tensor of shape [2]"), "{error}");
}
