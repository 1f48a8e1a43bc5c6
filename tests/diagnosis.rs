//! What the diagnosis writes, and what it does, in real trainings.

#![allow(clippy::unwrap_used)] // in helpers of tests
#![cfg(feature = "tch")]

use std::collections::{BTreeMap, BTreeSet};

use convscope::{
    Entry, Kind, MemorySink, Network, Schedule, Session, Step, StopReason, SummarySink, Trainer,
    arch::ModelSpec,
    callback::{CallbackList, Preset, on_batch_end},
    data::{self, Split},
    diagnostics::{Diagnosis, OnCritical},
    rules::{Persistence, RuleSet, Severity, Symptom, Verdict},
};
use tch::{Device, Tensor, nn, nn::Module as _, nn::OptimizerConfig as _};

const BATCHES: i64 = 5;
const EPOCHS: i64 = 3;

/// 160 images to train on, 32 to a batch.
fn split() -> Split {
    let all = data::bundled().unwrap();
    Split::new(all.train.probe(160).unwrap(), all.validation.probe(40).unwrap()).unwrap()
}

/// Two convolutions and a fully connected layer.
const MODEL: &str = r#"
    name = "small"
    input = [1, 28, 28]
    layer = [
        { name = "conv1", type = "conv2d", out_channels = 4, kernel_size = 5, stride = 2 },
        { name = "relu1", type = "relu" },
        { name = "conv2", type = "conv2d", out_channels = 6, kernel_size = 3, stride = 2 },
        { name = "relu2", type = "relu" },
        { name = "flatten", type = "flatten" },
        { name = "fc", type = "linear", out_features = 10 },
    ]
"#;

/// Trains that network with a diagnosis; what it wrote, and its last word.
fn train(diagnosis: impl FnOnce(Diagnosis) -> Diagnosis, learning_rate: f64) -> (Vec<Entry>, Verdict) {
    tch::manual_seed(3);
    let mut sink = MemorySink::default();
    let spec = ModelSpec::from_toml(MODEL).unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec).unwrap();
    let mut optimizer = nn::Sgd::default().build(&store, learning_rate).unwrap();
    let diagnosis = diagnosis(Diagnosis::new().spec(&spec).schedule(Schedule::batch()));
    let handle = diagnosis.verdict();
    let data = split();
    Trainer::of_network(&network, &store, &mut optimizer)
        .callbacks(diagnosis)
        .learning_rate(learning_rate)
        .batch_size(32)
        .sink(&mut sink)
        .fit(&data.train, &data.validation, EPOCHS as u64)
        .unwrap();
    (sink.entries, handle.get())
}

/// Steps by run and tag of what the diagnosis wrote, and the kind.
fn written(entries: &[Entry]) -> BTreeMap<String, (Kind, Vec<i64>)> {
    let mut steps = BTreeMap::<String, (Kind, Vec<i64>)>::new();
    let ours =
        |entry: &&Entry| !["overhead_fraction", "overhead", "stop_reason"].contains(&entry.tag.as_str());
    for entry in entries.iter().filter(ours) {
        let tag = format!("{}:{}", entry.run, entry.tag);
        steps.entry(tag).or_insert((entry.summary.kind(), Vec::new())).1.push(entry.step.get());
    }
    steps
}

#[test]
fn tags_kinds_and_steps_are_the_documented_ones() {
    let statistics: [(&str, &[&str]); 5] = [
        ("activation_rms", &["conv1", "relu1", "conv2", "relu2", "fc"]),
        ("gradient_rms", &["conv1", "conv2", "fc"]),
        ("output_gradient_rms", &["conv1", "relu1", "conv2", "relu2", "fc"]),
        ("update_ratio", &["conv1", "conv2", "fc"]),
        ("zero_fraction", &["relu1", "relu2"]),
    ];
    let every_step: Vec<i64> = (1..=BATCHES * EPOCHS).collect();
    let ends: Vec<i64> = (1..=EPOCHS).map(|epoch| epoch * BATCHES).collect();
    for preset in Preset::ALL {
        let (entries, verdict) = train(|diagnosis| diagnosis.preset(preset), 0.05);
        let mut found = written(&entries);
        let (kind, steps) = found.remove(":diagnosis").unwrap();
        assert_eq!(kind, Kind::Text);
        assert!(ends.iter().all(|end| steps.contains(end)), "{preset}: {steps:?}");
        assert_eq!(found.remove("train:custom_scalars__config__").unwrap(), (Kind::CustomScalars, vec![1]));

        // A scalar for each rule that looked, at every step from the first time on.
        let looked: BTreeSet<&str> =
            verdict.looks.iter().filter(|looks| looks.count > 0).map(|looks| looks.rule.as_str()).collect();
        assert!(looked.contains("non_finite") && looked.len() < verdict.looks.len(), "{looked:?}");
        for rule in looked {
            let (kind, steps) = found.remove(&format!(":diagnosis/{rule}")).unwrap();
            assert_eq!(kind, Kind::Scalar);
            assert!(
                steps.ends_with(&ends[1..=1].iter().copied().chain(11..=15).collect::<Vec<_>>()),
                "{rule}: {steps:?}"
            );
        }

        let mut expected = BTreeMap::new();
        for (statistic, layers) in statistics {
            if preset != Preset::Full && statistic == "output_gradient_rms" {
                continue;
            }
            expected.insert(format!(":diagnosis/heat_map/{statistic}"), (Kind::Image, ends.clone()));
            for layer in layers.iter().filter(|_| preset != Preset::Economy) {
                expected
                    .insert(format!("train:layers/{statistic}/{layer}"), (Kind::Scalar, every_step.clone()));
            }
        }
        if preset != Preset::Economy {
            expected.insert("train:norm/gradients_clipped".to_owned(), (Kind::Scalar, every_step.clone()));
        }
        if preset == Preset::Full {
            for layer in ["conv1", "conv2", "fc"] {
                let tag = |statistic: &str| format!("train:layers/{statistic}/{layer}");
                expected.insert(tag("gradient_relative"), (Kind::Scalar, every_step.clone()));
                let spectra: Vec<i64> = [1].into_iter().chain(ends.iter().copied()).collect();
                expected.insert(tag("stable_rank"), (Kind::Scalar, spectra.clone()));
                expected.insert(tag("effective_rank"), (Kind::Scalar, spectra));
            }
        }
        expected.insert(":diagnosis/layers".to_owned(), (Kind::Image, ends.clone()));
        assert_eq!(found, expected, "{preset}");
    }
}

#[test]
fn a_window_of_enough_images_tells_of_dead_units() {
    // 160 images an epoch: the window of 500 closes in the fourth step of epoch 4.
    let observer = convscope::diagnostics::Observer::new().window(100);
    let (entries, _) = train(|diagnosis| diagnosis.observer(observer), 0.05);
    let found = written(&entries);
    assert_eq!(found[":diagnosis/heat_map/dead_share"].1, [5, 10, 15]);
    assert_eq!(found["train:layers/dead_share/relu1"].1, [4, 8, 12]);
    assert!(!found.contains_key("train:layers/dead_share/conv1"));
    // The chart of what is measured later is there from the beginning.
    assert_eq!(found["train:custom_scalars__config__"].1, [1]);
}

#[test]
fn curves_are_what_a_slow_twin_measures() {
    let (entries, _) = train(|diagnosis| diagnosis, 0.05);
    let value = |tag: &str| {
        let found = entries.iter().find(|entry| entry.tag.as_str() == tag && entry.step == Step::new(1));
        found.unwrap().summary.as_scalar().unwrap()
    };
    // The same training by hand: the first step.
    tch::manual_seed(3);
    let spec = ModelSpec::from_toml(MODEL).unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec).unwrap();
    let before: BTreeMap<String, Vec<f64>> =
        store.variables().into_iter().map(|(name, tensor)| (name, values(&tensor))).collect();
    let mut optimizer = nn::Sgd::default().build(&store, 0.05).unwrap();
    let mut sink = MemorySink::default();
    let data = split();
    let record = std::cell::RefCell::new(None);
    let seen = on_batch_end(|cx, _| {
        let kernel = cx
            .params()
            .get("conv1.weight")
            .map(|param| (values(&param.grad().unwrap()), values(param.tensor())));
        record.borrow_mut().get_or_insert(kernel.unwrap());
        convscope::callback::CONTINUE
    });
    Trainer::of_network(&network, &store, &mut optimizer)
        .callbacks(seen)
        .batch_size(32)
        .sink(&mut sink)
        .fit(&data.train, &data.validation, 1)
        .unwrap();
    let (gradient, after) = record.into_inner().unwrap();
    let norm = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
    let rms = norm(&gradient) / (gradient.len() as f64).sqrt();
    let moved: Vec<f64> =
        after.iter().zip(&before["conv1.weight"]).map(|(after, before)| after - before).collect();
    let ratio = norm(&moved) / norm(&before["conv1.weight"]);
    for (tag, expected) in [("layers/gradient_rms/conv1", rms), ("layers/update_ratio/conv1", ratio)] {
        assert!((value(tag) - expected).abs() < 1e-5 * expected, "{tag}: {} and {expected}", value(tag));
    }
}

fn values(tensor: &Tensor) -> Vec<f64> {
    tensor.detach().to_kind(tch::Kind::Double).reshape([-1]).try_into().unwrap()
}

/// A rule that always finds something critical from a step on, or what it is told.
fn broken_from(step: i64, severity: Severity) -> RuleSet {
    RuleSet::new().with_fn("loss_divergence", Persistence::at_once(), move |observation| {
        observation.last_loss()?;
        let symptom = Symptom {
            subject: "training".to_owned(),
            severity,
            raises: true,
            value: 9.0,
            threshold: 2.0,
            message: "the loss is 9".to_owned(),
            advice: "Lower the learning rate.".to_owned(),
        };
        Some(Vec::from_iter((observation.step >= Step::new(step)).then_some(symptom)))
    })
}

fn texts(entries: &[Entry]) -> Vec<(i64, String)> {
    let texts = entries.iter().filter(|entry| entry.tag.as_str() == "diagnosis" && entry.run.is_empty());
    texts.map(|entry| (entry.step.get(), entry.summary.as_text().unwrap().to_owned())).collect()
}

#[test]
fn critical_findings_stop_the_training_and_are_written() {
    let rules = broken_from(7, Severity::Critical);
    let (entries, verdict) = train(|diagnosis| diagnosis.rules(rules).on_critical(OnCritical::Stop), 0.05);
    assert_eq!(verdict.headline(), "Training does not work: the loss rises instead of falling.");
    assert_eq!(
        verdict.actions,
        [(Step::new(7), "training was stopped because of `loss_divergence`".to_owned())]
    );
    let texts = texts(&entries);
    let (step, text) = texts.last().unwrap();
    assert_eq!((*step, text), (7, &verdict.to_markdown()));
    assert!(entries.iter().all(|entry| entry.step <= Step::new(7)));
    let reason = entries.iter().find(|entry| entry.tag.as_str() == "stop_reason").unwrap();
    assert!(reason.summary.as_text().unwrap().contains("loss_divergence (training): the loss is 9"));
    let states = entries.iter().filter(|entry| entry.tag.as_str() == "diagnosis/loss_divergence");
    let states: Vec<f64> = states.map(|entry| entry.summary.as_scalar().unwrap()).collect();
    assert_eq!(states, [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0]);
    assert!(
        entries.iter().any(|entry| entry.tag.as_str() == "diagnosis/layers" && entry.step == Step::new(7))
    );
}

#[test]
fn critical_findings_lower_the_learning_rate_once() {
    let rules = broken_from(7, Severity::Critical);
    let lower = OnCritical::LowerLearningRate(0.1);
    let (_, verdict) = train(|diagnosis| diagnosis.rules(rules).on_critical(lower), 0.05);
    assert_eq!(verdict.step, Some(Step::new(BATCHES * EPOCHS)));
    let done = "because of `loss_divergence` the loop was asked to lower the learning rate from 0.05 to 0.005; done at \
                step 8"
        .to_owned();
    assert_eq!(verdict.actions, [(Step::new(7), done)]);
    for factor in [0.0, 1.0, f64::NAN] {
        let store = nn::VarStore::new(Device::Cpu);
        let diagnosis = Diagnosis::new().on_critical(OnCritical::LowerLearningRate(factor));
        let mut session = Session::new(&store, diagnosis, MemorySink::default());
        let error = session.begin_step().err().unwrap().to_string();
        assert!(error.contains("between 0 and 1"), "{error}");
    }
}

#[test]
fn warnings_neither_stop_nor_lower() {
    let rules = broken_from(2, Severity::Warning);
    let (entries, verdict) = train(|diagnosis| diagnosis.rules(rules).on_critical(OnCritical::Stop), 0.05);
    assert_eq!((verdict.severity(), verdict.step), (Some(Severity::Warning), Some(Step::new(15))));
    assert!(verdict.actions.is_empty());
    assert!(entries.iter().all(|entry| entry.tag.as_str() != "stop_reason"));
}

/// The loss becomes NaN in step 12 of an own loop, which ends in an error.
#[test]
fn a_training_that_fails_leaves_its_verdict() {
    struct Failing<'a>(&'a mut MemorySink);
    impl SummarySink for Failing<'_> {
        fn write(&mut self, entry: Entry) -> convscope::Result<()> {
            self.0.write(entry)
        }
    }
    let mut sink = MemorySink::default();
    let store = nn::VarStore::new(Device::Cpu);
    let model = nn::linear(store.root() / "fc", 4, 3, Default::default());
    let mut optimizer = nn::Sgd::default().build(&store, 1e-2).unwrap();
    let diagnosis = Diagnosis::new();
    let handle = diagnosis.verdict();
    let fails = on_batch_end(|cx, _| {
        if cx.step() == Step::new(12) {
            return Err(convscope::Error::invalid("test", "fails"));
        }
        convscope::callback::CONTINUE
    });
    let callbacks = CallbackList::new().with(diagnosis).with(fails);
    let mut session = Session::new(&store, callbacks, Failing(&mut sink));
    let mut failed = None;
    for step in 1..=20 {
        let scope = session.begin_step().unwrap();
        let images = Tensor::ones([2, 4], (tch::Kind::Float, Device::Cpu));
        let loss = model.forward(&images).cross_entropy_for_logits(&Tensor::from_slice(&[0i64, 2]));
        let loss = if step == 12 { loss * f64::NAN } else { loss };
        optimizer.backward_step(&loss);
        if let Err(error) = scope.end(&loss) {
            failed = Some((step, error.to_string()));
            break;
        }
    }
    drop(session);
    assert_eq!(failed.unwrap().0, 12);
    let expected = "Training does not work: numbers became NaN or infinite";
    assert!(handle.get().headline().starts_with(expected), "{}", handle.get().headline());
    let texts = texts(&sink.entries);
    let (step, text) = texts.last().unwrap();
    assert!(*step == 12 && text.contains(expected), "{step}: {text}");
    assert!(text.contains("### The last steps before this was found: non finite"), "{text}");
}

#[test]
fn a_loop_without_epochs_or_tap_gets_its_verdict_at_the_end() {
    let mut sink = MemorySink::default();
    let store = nn::VarStore::new(Device::Cpu);
    let model = nn::linear(store.root() / "fc", 4, 3, Default::default());
    let mut optimizer = nn::Sgd::default().build(&store, 1e-2).unwrap();
    let diagnosis = Diagnosis::new();
    let handle = diagnosis.verdict();
    let mut session = Session::new(&store, diagnosis, &mut sink);
    for _ in 0..25 {
        let scope = session.begin_step().unwrap();
        let images = Tensor::ones([2, 4], (tch::Kind::Float, Device::Cpu));
        let loss = model.forward(&images).cross_entropy_for_logits(&Tensor::from_slice(&[0i64, 2]));
        optimizer.backward_step(&loss);
        assert!(scope.end(&loss).unwrap().is_continue());
    }
    assert_eq!(session.finish().unwrap(), None::<StopReason>);
    assert_eq!(handle.get().step, Some(Step::new(25)));
    let found = written(&sink.entries);
    assert_eq!(found[":diagnosis/heat_map/update_ratio"].1, [25]);
    assert_eq!(found["train:layers/gradient_rms/fc"].1, [1, 10, 20]);
    assert_eq!(texts(&sink.entries).last().unwrap().1, handle.get().to_markdown());
}

#[test]
fn rules_named_as_a_picture_are_refused() {
    let rules = RuleSet::new().with_fn("layers", Persistence::at_once(), |_| None);
    let store = nn::VarStore::new(Device::Cpu);
    let mut session = Session::new(&store, Diagnosis::new().rules(rules), MemorySink::default());
    let error = session.begin_step().err().unwrap().to_string();
    assert!(error.starts_with("rule `layers`: "), "{error}");
}

/// An own loop of 15 steps, where the loss diverges from step 7 on: what was done about it.
fn lowered(rate: Option<f64>, takes: bool) -> Vec<(Step, String)> {
    let store = nn::VarStore::new(Device::Cpu);
    let model = nn::linear(store.root() / "fc", 4, 3, Default::default());
    let mut optimizer = nn::Sgd::default().build(&store, 1e-2).unwrap();
    let diagnosis = Diagnosis::new()
        .schedule(Schedule::batch())
        .rules(broken_from(7, Severity::Critical))
        .on_critical(OnCritical::LowerLearningRate(0.1));
    let handle = diagnosis.verdict();
    let mut session = Session::new(&store, diagnosis, MemorySink::default());
    rate.into_iter().for_each(|rate| session.set_learning_rate(rate));
    for _ in 0..15 {
        let scope = session.begin_step().unwrap();
        let images = Tensor::ones([2, 4], (tch::Kind::Float, Device::Cpu));
        let loss = model.forward(&images).cross_entropy_for_logits(&Tensor::from_slice(&[0i64, 2]));
        optimizer.backward_step(&loss);
        assert!(scope.end(&loss).unwrap().is_continue());
        if takes {
            session.requested_learning_rate().into_iter().for_each(|rate| optimizer.set_lr(rate));
        }
    }
    session.finish().unwrap();
    handle.get().actions
}

#[test]
fn whether_the_loop_lowered_its_learning_rate_is_said() {
    let asked =
        "because of `loss_divergence` the loop was asked to lower the learning rate from 0.01 to 0.001; ";
    let seven = Step::new(7);
    assert_eq!(lowered(Some(0.01), true), [(seven, format!("{asked}done at step 8"))]);
    let ignored = "at step 8 the loop still had 0.01: let it take `Session::requested_learning_rate`";
    assert_eq!(lowered(Some(0.01), false), [(seven, format!("{asked}{ignored}"))]);
    let untold = lowered(None, true);
    assert!(untold.len() == 1 && untold[0].1.contains("the loop does not tell it"), "{untold:?}");
}

#[test]
fn economy_has_eight_tags_beside_the_rules() {
    let observer = convscope::diagnostics::Observer::new().window(100);
    let (entries, _) = train(|diagnosis| diagnosis.preset(Preset::Economy).observer(observer), 0.05);
    let tags: Vec<String> = written(&entries)
        .into_iter()
        .filter(|(tag, (kind, _))| *kind != Kind::Scalar || !tag.starts_with(":diagnosis/"))
        .map(|(tag, _)| tag)
        .collect();
    assert_eq!(tags.len(), 8, "{tags:?}");
}

/// What rules find at the end of an epoch is written like what they find in a batch.
#[test]
fn findings_of_validation_and_of_the_epoch_are_written() {
    use convscope::rules::Moment;
    for moment in [Moment::Validation, Moment::Epoch] {
        let rules = RuleSet::new().with_fn("late", Persistence::at_once(), move |observation| {
            (observation.moment == moment).then(|| {
                vec![Symptom {
                    subject: "training".to_owned(),
                    severity: Severity::Critical,
                    raises: true,
                    value: 9.0,
                    threshold: 2.0,
                    message: "it is late".to_owned(),
                    advice: "Hurry.".to_owned(),
                }]
            })
        });
        let (entries, verdict) = train(|diagnosis| diagnosis.rules(rules), 0.05);
        assert_eq!((verdict.findings[0].since, verdict.severity()), (Step::new(5), Some(Severity::Critical)));
        let texts = texts(&entries);
        assert!(
            texts.iter().any(|(step, text)| *step == 5 && text.contains("It is late")),
            "{moment:?}: {texts:?}"
        );
        assert_eq!(written(&entries)[":diagnosis/late"].1[0], 5, "{moment:?}");
        assert!(written(&entries)[":diagnosis/layers"].1.contains(&5));
    }
}
