//! Floor 6: when early stopping stops, what it logs, and what it brings back.
#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)]

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use convscope::{
    CallbackList, EarlyStopping, Entry, MemorySink, Metrics, Mode, Result, Session, StopReason, SummarySink,
};
use tch::{Device, Kind, Tensor, nn};

/// A sink that the test can look into while a session owns it.
#[derive(Clone, Default)]
struct SharedSink(Rc<RefCell<MemorySink>>);

impl SummarySink for SharedSink {
    fn write(&mut self, entry: Entry) -> Result<()> {
        self.0.borrow_mut().write(entry)
    }
}

impl SharedSink {
    fn scalars(&self, tag: &str) -> Vec<f64> {
        let sink = self.0.borrow();
        let of_tag = sink.entries.iter().filter(|entry| entry.tag.as_str() == tag);
        of_tag.map(|entry| entry.summary.as_scalar().unwrap()).collect()
    }
}

/// Runs one validation an epoch on these values; the epoch (from 0) in which it stopped, and why.
fn run(
    stopping: EarlyStopping,
    metric: &str,
    values: &[f64],
    sink: SharedSink,
) -> Option<(usize, StopReason)> {
    let store = nn::VarStore::new(Device::Cpu);
    let mut session = Session::new(&store, stopping, sink);
    for (epoch, &value) in values.iter().enumerate() {
        drop(session.end_validation(&Metrics::from([(metric, value)])).unwrap());
        if session.end_epoch().unwrap().is_break() {
            return Some((epoch, session.finish().unwrap().unwrap()));
        }
    }
    assert_eq!(session.finish().unwrap(), None);
    None
}

/// Sequences and results of PyTorch Lightning's own tests, tests/tests_pytorch/callbacks/test_early_stopping.py.
#[test]
fn stops_where_lightning_stops() {
    let cases: [(&[f64], u64, usize); 4] = [
        (&[6., 5., 5., 5., 5., 5.], 3, 4),
        (&[6., 5., 4., 4., 3., 3.], 1, 3),
        (&[6., 5., 6., 5., 5., 5.], 3, 4),
        (&[8., 4., 2., 3., 4., 5., 8., 10.], 3, 5),
    ];
    for (losses, patience, expected) in cases {
        let stopping = EarlyStopping::new("validation/loss").patience(patience);
        let (epoch, reason) = run(stopping, "loss", losses, SharedSink::default()).unwrap();
        assert_eq!(epoch, expected, "{losses:?}");
        let StopReason::NoImprovement { monitor, best, best_epoch, checks } = reason else {
            panic!("{reason}");
        };
        let least = losses[..=expected].iter().copied().fold(f64::INFINITY, f64::min);
        let first = losses.iter().position(|&loss| loss == least).unwrap();
        assert_eq!((monitor.as_str(), best, best_epoch), ("validation/loss", least, first as u64 + 1));
        assert_eq!(checks, patience);
    }
}

#[test]
fn greater_accuracy_is_better() {
    let rising = [0.5, 0.6, 0.7, 0.8];
    let stopping = || EarlyStopping::new("validation/accuracy").patience(1);
    assert_eq!(run(stopping(), "accuracy", &rising, SharedSink::default()), None);
    let as_loss = run(stopping().mode(Mode::Min), "accuracy", &rising, SharedSink::default());
    assert_eq!(as_loss.unwrap().0, 1);
}

#[test]
fn small_improvements_do_not_count() {
    let losses = [1.0, 0.95, 0.9, 0.85, 0.8];
    let stopping = EarlyStopping::new("validation/loss").min_delta(0.25).patience(3);
    assert_eq!(run(stopping, "loss", &losses, SharedSink::default()).unwrap().0, 3);
}

#[test]
fn logs_wait_and_best_at_every_check() {
    let sink = SharedSink::default();
    run(EarlyStopping::new("validation/loss"), "loss", &[3., 2., 4., 1., 1., 1., 1.], sink.clone());
    assert_eq!(sink.scalars("early_stopping/validation/loss/wait"), [0., 0., 1., 0., 1., 2., 3.]);
    assert_eq!(sink.scalars("early_stopping/validation/loss/best"), [3., 2., 2., 1., 1., 1., 1.]);
    let reason = sink.0.borrow().entries.last().unwrap().clone();
    assert_eq!(reason.tag.as_str(), "stop_reason");
    let text = reason.summary.as_text().unwrap().to_owned();
    assert!(text.contains("`validation/loss` did not improve on 1.0000 (epoch 4) in 3 checks"), "{text}");
}

#[test]
fn two_of_them_do_not_write_the_same_tags() {
    let sink = SharedSink::default();
    let store = nn::VarStore::new(Device::Cpu);
    let both = CallbackList::new()
        .with(EarlyStopping::new("validation/loss"))
        .with(EarlyStopping::new("validation/accuracy"));
    let mut session = Session::new(&store, both, sink.clone());
    assert!(
        session.end_validation(&Metrics::from([("loss", 2.0), ("accuracy", 0.5)])).unwrap().is_continue()
    );
    for (monitor, best) in [("loss", 2.0), ("accuracy", 0.5)] {
        assert_eq!(sink.scalars(&format!("early_stopping/validation/{monitor}/wait")), [0.0]);
        assert_eq!(sink.scalars(&format!("early_stopping/validation/{monitor}/best")), [best]);
    }
}

#[test]
fn a_value_that_is_not_finite_stops_at_once() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let losses = [1.0, bad, 0.5];
        let stopped = run(EarlyStopping::new("validation/loss"), "loss", &losses, SharedSink::default());
        let (epoch, reason) = stopped.unwrap();
        assert_eq!(epoch, 1);
        assert!(
            matches!(&reason, StopReason::NonFinite { value, .. } if value.to_bits() == bad.to_bits()),
            "{reason}"
        );
        let tolerant = EarlyStopping::new("validation/loss").check_finite(false);
        assert_eq!(run(tolerant, "loss", &losses, SharedSink::default()), None);
    }
}

#[test]
fn counts_checks_and_not_epochs() {
    let store = nn::VarStore::new(Device::Cpu);
    let stopping = EarlyStopping::new("validation/loss").patience(2);
    let mut session = Session::new(&store, stopping, MemorySink::default());
    let mut validate =
        |loss: f64| session.end_validation(&Metrics::from([("loss", loss)])).unwrap().is_break();
    assert_eq!([1.0, 2.0, 2.0].map(&mut validate), [false, false, true], "all in the first epoch");
}

#[test]
fn watches_training_means() {
    let store = nn::VarStore::new(Device::Cpu);
    let stopping = EarlyStopping::new("train/loss").patience(1);
    let mut session = Session::new(&store, stopping, MemorySink::default());
    let mut ended = Vec::new();
    for epoch_losses in [[4.0f32, 2.0], [1.0, 4.0], [2.0, 4.0]] {
        for loss in epoch_losses {
            assert!(session.begin_step().unwrap().end(&Tensor::from(loss)).unwrap().is_continue());
        }
        ended.push(session.end_epoch().unwrap().is_break());
    }
    assert_eq!(ended, [false, false, true], "means are 3, 2.5 and 3");
}

#[test]
fn a_monitor_that_never_appears_is_an_error_that_lists_what_does() {
    let store = nn::VarStore::new(Device::Cpu);
    let mut session = Session::new(&store, EarlyStopping::new("validation/los"), MemorySink::default());
    assert!(session.begin_step().unwrap().end(&Tensor::from(1.0f32)).unwrap().is_continue());
    assert!(
        session.end_validation(&Metrics::from([("loss", 1.0), ("accuracy", 0.5)])).unwrap().is_continue()
    );
    let error = session.end_epoch().unwrap_err().to_string();
    assert_eq!(
        error,
        "monitor `validation/los`: no such value by the end of epoch 1; there is: train/loss, \
         validation/accuracy, validation/loss"
    );
}

#[test]
fn a_loop_may_validate_less_often() {
    let store = nn::VarStore::new(Device::Cpu);
    let stopping = EarlyStopping::new("validation/loss").start_from_epoch(3);
    let mut session = Session::new(&store, stopping, MemorySink::default());
    assert!(session.end_epoch().unwrap().is_continue());
    assert!(session.end_epoch().unwrap().is_continue());
    session.end_epoch().unwrap_err();
}

#[test]
fn names_without_a_source_are_refused_before_training() {
    for name in ["loss", "", "validation/", "val/loss"] {
        let store = nn::VarStore::new(Device::Cpu);
        let mut session = Session::new(&store, EarlyStopping::new(name), MemorySink::default());
        let error = session.begin_step().err().unwrap().to_string();
        assert!(error.contains(&format!("`{name}`")) && error.contains("`validation/`"), "{error}");
    }
}

#[test]
fn brings_back_the_best_parameters_and_running_statistics() {
    let store = nn::VarStore::new(Device::Cpu);
    let norm = nn::batch_norm2d(store.root() / "bn", 2, Default::default());
    let set = |value: f64| {
        tch::no_grad(|| {
            for mut tensor in store.variables().into_values() {
                let _ = tensor.fill_(value);
            }
        });
    };
    let stopping = EarlyStopping::new("validation/loss").patience(2).restore_best(true);
    let mut session = Session::new(&store, stopping, MemorySink::default());
    for (value, loss) in [(1.0, 3.0), (2.0, 1.0), (3.0, 2.0), (4.0, 5.0)] {
        set(value);
        drop(session.end_validation(&Metrics::from([("loss", loss)])).unwrap());
    }
    assert!(session.finish().unwrap().is_some());

    let two = Tensor::full([2], 2.0, (Kind::Float, Device::Cpu));
    let variables: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
    assert_eq!(variables.len(), 4);
    for (name, tensor) in &variables {
        assert_eq!(tensor, &two, "{name}");
    }
    assert_eq!(norm.running_mean, two, "the layer sees it: the tensors themselves were written to");
    assert!(norm.ws.as_ref().unwrap().requires_grad(), "still trainable");
}
