//! The model that is explained, and the callback: passes in pieces, heads, edits, and what is written when.

#![allow(clippy::unwrap_used)]
#![cfg(feature = "tch")]

use std::{cell::RefCell, rc::Rc};

use convscope::{
    Entry, ErrorKind, MemorySink, Network, Result, Schedule, Session, Step, SummarySink,
    arch::ModelSpec,
    capture::Tap,
    data::{Dataset, Normalization},
    explain::{Case, Classifier, Explain, Head, Report, Sample, Study, Subject},
};
use serde_json::json;
use tch::{Device, Kind, Tensor, nn, nn::ModuleT as _};

/// A convolution and a linear head, on images of 1x6x6, with batch normalisation and dropout.
const MODEL: &str = r#"
    name = "explained"
    input = [1, 6, 6]
    [[layer]]
    name = "conv"
    type = "conv2d"
    out_channels = 2
    kernel_size = 3
    padding = 1
    [[layer]]
    name = "bn"
    type = "batch_norm2d"
    [[layer]]
    name = "relu"
    type = "relu"
    [[layer]]
    name = "drop"
    type = "dropout"
    p = 0.5
    [[layer]]
    name = "flatten"
    type = "flatten"
    [[layer]]
    name = "fc"
    type = "linear"
    out_features = 3
"#;

/// Numbers that no generator of libtorch's made.
fn numbers(count: usize, seed: u64) -> Vec<f32> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..count).map(|_| random.f32() - 0.5).collect()
}

fn images(count: i64) -> Tensor {
    Tensor::from_slice(&numbers(count as usize * 36, 1)).reshape([count, 1, 6, 6])
}

/// The network with weights of our own.
fn network(spec: &ModelSpec) -> (Vec<(String, Tensor)>, Network) {
    let sizes: [(&str, &[i64]); 8] = [
        ("bn.bias", &[2]),
        ("bn.running_mean", &[2]),
        ("bn.running_var", &[2]),
        ("bn.weight", &[2]),
        ("conv.bias", &[2]),
        ("conv.weight", &[2, 1, 3, 3]),
        ("fc.bias", &[3]),
        ("fc.weight", &[3, 72]),
    ];
    let variables: Vec<(String, Tensor)> = (sizes.iter().enumerate())
        .map(|(seed, (name, size))| {
            let values = numbers(size.iter().product::<i64>() as usize, seed as u64 + 10);
            let tensor = Tensor::from_slice(&values).reshape(*size);
            (name.to_string(), if name.contains("running_var") { tensor.abs() + 0.5 } else { tensor })
        })
        .collect();
    let network = Network::with_variables(spec, &variables).unwrap();
    (variables, network)
}

fn spec() -> ModelSpec {
    ModelSpec::from_toml(MODEL).unwrap()
}

#[test]
fn pieces_give_what_the_whole_gives() {
    let (_, network) = network(&spec());
    let images = images(7);
    let sizes = Rc::new(RefCell::new(Vec::new()));
    let seen = sizes.clone();
    let network = &network;
    let whole = Classifier::of_network(network);
    let pieces = Classifier::new(move |images| {
        seen.borrow_mut().push(images.size()[0]);
        network.f_forward_t(images, false)
    })
    .memory(36 * 4 * 256 * 3); // nothing is observed, so an image counts as 256 of its size
    let logits = pieces.logits(&images).unwrap();
    assert_eq!(*sizes.borrow(), [1, 3, 3, 1], "one to measure, then three at a time");
    assert!(logits.allclose(&whole.logits(&images).unwrap(), 1e-6, 1e-6, false));
    sizes.borrow_mut().clear();
    let found = pieces.gradients(&images, 1).unwrap();
    assert_eq!(*sizes.borrow(), [1; 7], "a backward pass takes three times as much");
    let expected = whole.gradients(&images, 1).unwrap();
    assert!(found.gradients.allclose(&expected.gradients, 1e-6, 1e-6, false));
    assert!(found.scores.allclose(&logits.select(1, 1), 1e-6, 1e-6, false));
    assert_eq!(pieces.passed(), 14);
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let (variables, _) = network(&spec());
    let doubles: Vec<(String, Tensor)> =
        variables.into_iter().map(|(name, v)| (name, v.to_kind(Kind::Double))).collect();
    let network = Network::with_variables(&spec(), &doubles).unwrap();
    let classifier = Classifier::of_network(&network);
    let images = images(2).to_kind(Kind::Double);
    let found = classifier.gradients(&images, 2).unwrap().gradients;
    for (image, row, column) in [(0, 0, 0), (0, 3, 2), (1, 5, 5)] {
        let moved = |by: f64| {
            let moved = images.copy();
            let mut pixel = moved.select(0, image).select(1, row).select(1, column);
            let _ = pixel.f_add_scalar_(by).unwrap();
            classifier.logits(&moved).unwrap().double_value(&[image, 2])
        };
        let slope = (moved(1e-5) - moved(-1e-5)) / 2e-5;
        let gradient = found.double_value(&[image, 0, row, column]);
        assert!((slope - gradient).abs() < 1e-8, "{slope} and {gradient}");
    }
}

#[test]
fn explanations_leave_no_trace() {
    let (variables, network) = network(&spec());
    let before: Vec<Tensor> = variables.iter().map(|(_, v)| v.copy()).collect();
    let classifier = Classifier::of_network(&network);
    let images = images(3);
    classifier.gradients(&images, 0).unwrap();
    classifier.trace(&images).unwrap();
    assert!(!images.requires_grad() && !images.grad().defined());
    for ((name, now), before) in variables.iter().zip(before) {
        assert!(now.equal(&before) && !now.grad().defined(), "{name}");
    }
}

#[test]
fn the_head_is_found_by_what_it_does() {
    let (mut variables, network) = network(&spec());
    let classifier = Classifier::of_network(&network);
    let images = images(4);
    let trace = classifier.trace(&images).unwrap();
    // A weight of the same shape that does not give the logits comes first.
    variables.insert(0, ("aaa.weight".to_owned(), Tensor::ones([3, 72], (Kind::Float, Device::Cpu))));
    let head = Head::find(&variables, &trace.activations, &trace.logits).unwrap().unwrap();
    assert_eq!(head.features, "flatten");
    assert!(head.weight.equal(&variables.iter().find(|(name, _)| name == "fc.weight").unwrap().1));

    let random = head.randomized(5).unwrap();
    assert!(random.weight.equal(&head.randomized(5).unwrap().weight) && !random.weight.equal(&head.weight));
    let bound = 1.0 / 72f64.sqrt();
    assert!(random.weight.abs().max().double_value(&[]) <= bound);
    let expected =
        trace.activations.get("flatten").unwrap().tensor.linear(&random.weight, random.bias.as_ref());
    let other = classifier.with_head(random);
    assert!(other.logits(&images).unwrap().allclose(&expected, 1e-6, 1e-6, false));
    // Its gradients go through the features to the pixels.
    let gradient = other.gradients(&images, 1).unwrap().gradients;
    assert!(gradient.abs().max().double_value(&[]) > 0.0);
    assert!(!gradient.allclose(&classifier.gradients(&images, 1).unwrap().gradients, 1e-3, 1e-3, false));
    // Nothing observed: no head.
    let blind = Classifier::new(|images| network.f_forward_t(images, false));
    let trace = blind.trace(&images).unwrap();
    assert!(Head::find(&variables, &trace.activations, &trace.logits).unwrap().is_none());
}

#[test]
fn edits_change_what_goes_on() {
    let (_, network) = network(&spec());
    let images = images(2);
    let expected = network.f_forward_t(&images, false).unwrap();
    let silenced = network.tap().edit(|name, _, output| Ok((name == "relu").then(|| output.zeros_like())));
    let capture = network.tap().capture();
    let changed = network.f_forward_t(&images, false).unwrap();
    let seen = capture.finish().unwrap();
    assert_eq!(
        seen.get("relu").unwrap().tensor.abs().max().double_value(&[]),
        0.0,
        "captures see what goes on"
    );
    assert_eq!(silenced.finish().unwrap(), 1);
    assert!(!changed.equal(&expected));
    assert!(network.f_forward_t(&images, false).unwrap().equal(&expected), "it is over");

    let failing = network.tap().edit(|_, _, _| Err(convscope::Error::invalid("edit", "it fails")));
    assert!(network.f_forward_t(&images, false).unwrap().equal(&expected));
    assert!(failing.finish().is_err());
    drop(network.tap().edit(|_, _, output| Ok(Some(output.zeros_like()))));
    assert!(!network.tap().is_armed());
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let (mut variables, _) = network(&spec());
    variables.retain(|(name, _)| name != "fc.bias");
    let error = Network::with_variables(&spec(), &variables).unwrap_err().to_string();
    assert!(error.contains("layer `fc`") && error.contains("no tensor found for `fc.bias`"), "{error}");
    variables.push(("fc.bias".to_owned(), Tensor::zeros([4], (Kind::Float, Device::Cpu))));
    let error = Network::with_variables(&spec(), &variables).unwrap_err().to_string();
    assert!(error.contains("shape [4] found for `fc.bias`"), "{error}");
}

#[test]
fn bad_input_is_an_error() {
    let (_, network) = network(&spec());
    let classifier = Classifier::of_network(&network);
    let message = |result: Result<convscope::explain::Gradients>| result.unwrap_err().to_string();
    assert!(message(classifier.gradients(&images(2), 3)).contains("the model has 3 classes"));
    assert!(message(classifier.gradients(&images(2).narrow(0, 0, 0), 0)).contains("at least one image"));
    assert!(message(classifier.gradients(&images(2).to_kind(Kind::Int64), 0)).contains("no gradient"));
    let frozen = Classifier::new(|images| tch::no_grad(|| network.f_forward_t(images, false)));
    assert!(message(frozen.gradients(&images(1), 0)).contains("no_grad"));
    let flat = Classifier::new(|images| Ok(images.flatten(0, -1)));
    assert!(flat.logits(&images(2)).unwrap_err().to_string().contains("[images, classes] expected"));
}

/// Writes the names of the cases that it is shown.
struct Notes;

impl Study for Notes {
    fn name(&self) -> &'static str {
        "notes"
    }

    fn run(&mut self, subject: &Subject<'_>, report: &mut Report<'_>) -> Result<()> {
        for case in subject.cases {
            report.scalar(&case.sample.tag(), case.class as f64, "the class that is explained")?;
            report.values(&case.sample.name, || json!(case.words(subject.classes)));
        }
        Ok(())
    }
}

/// Refuses in libtorch's words.
struct Refuses;

impl Study for Refuses {
    fn name(&self) -> &'static str {
        "refuses"
    }

    fn run(&mut self, subject: &Subject<'_>, _: &mut Report<'_>) -> Result<()> {
        let wrong = Tensor::zeros([1, 5, 5, 5], (Kind::Float, Device::Cpu));
        let conv = &subject.variables.iter().find(|(name, _)| name == "conv.weight").unwrap().1;
        let refused = Classifier::new(|images| {
            images.f_matmul(conv).map_err(|source| {
                convscope::Error::new(ErrorKind::Tch { context: "a study".to_owned(), source: source.into() })
            })
        });
        refused.logits(&wrong).map(drop)
    }
}

fn data() -> Dataset {
    let labels: Vec<i64> = (0..12).map(|i| i % 3).collect();
    let images = Tensor::from_slice(&numbers(12 * 36, 2)).reshape([12, 1, 6, 6]) + 0.5;
    let classes = ["cat", "dog", "cow"].map(str::to_owned);
    Dataset::new(&images, &Tensor::from_slice(&labels), classes.to_vec()).unwrap()
}

#[test]
fn the_callback_looks_at_fixed_images_and_at_answers() {
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec()).unwrap();
    let data = data();
    let explain = Explain::of(&data, &Normalization::identity(1), Device::Cpu)
        .unwrap()
        .images(3)
        .unwrap()
        .per_class(1, 1)
        .unwrap()
        .study(Notes)
        .schedule(Schedule::epochs(2))
        .at_end();
    let mut sink = MemorySink::default();
    let mut session = Session::new(&store, explain, &mut sink)
        .tap(network.tap())
        .f_model(|images| network.f_forward_t(images, false));
    for _ in 0..3 {
        assert!(session.begin_step().unwrap().end(&Tensor::from(0.5)).unwrap().is_continue());
        assert!(session.end_epoch().unwrap().is_continue());
    }
    session.finish().unwrap();

    let answers = network.forward_t(&data.pixels().unwrap(), false).argmax(-1, false);
    let answers: Vec<i64> = Vec::try_from(answers).unwrap();
    let mut tags = vec![
        "explain/notes/0_cat".to_owned(),
        "explain/notes/1_dog".to_owned(),
        "explain/notes/2_cow".to_owned(),
    ];
    for (class, name) in data.classes().iter().enumerate() {
        for (kind, right) in [("right", true), ("wrong", false)] {
            let of_kind = |place: &usize| {
                data.labels()[*place] == class as i64 && (answers[*place] == class as i64) == right
            };
            if (0..12).any(|place| of_kind(&place)) {
                tags.push(format!("explain/notes/{name}_{kind}_1"));
            }
        }
    }
    assert!(sink.entries.iter().all(|entry| entry.run == "train"));
    for step in [0, 2, 3] {
        let mut found: Vec<String> = (sink.entries.iter())
            .filter(|entry| entry.step == Step::new(step) && entry.tag.as_str().starts_with("explain/"))
            .map(|entry| entry.tag.as_str().to_owned())
            .collect();
        found.sort();
        let mut expected = tags.clone();
        expected.sort();
        assert_eq!(found, expected, "step {step}: before training, due by the schedule, at the end");
    }
    assert!(
        !sink
            .entries
            .iter()
            .any(|entry| entry.step == Step::new(1) && entry.tag.as_str().starts_with("explain/"))
    );
}

/// Cannot be made for this model.
struct DoesNotFit;

impl Study for DoesNotFit {
    fn name(&self) -> &'static str {
        "does_not_fit"
    }

    fn run(&mut self, _: &Subject<'_>, _: &mut Report<'_>) -> Result<()> {
        Err(convscope::Error::invalid("layer `x`", "there is no such layer"))
    }
}

/// Takes nothing.
struct Full;

impl SummarySink for Full {
    fn write(&mut self, _: Entry) -> Result<()> {
        Err(convscope::Error::invalid("sink", "it is full"))
    }
}

#[test]
fn what_cannot_be_written_ends_the_training() {
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec()).unwrap();
    let explain = Explain::of(&data(), &Normalization::identity(1), Device::Cpu).unwrap().study(Notes);
    let mut session = Session::new(&store, explain, Full)
        .tap(network.tap())
        .f_model(|images| network.f_forward_t(images, false));
    let error = session.begin_step().err().unwrap().to_string();
    assert!(error.contains("it is full"), "{error}");
}

#[test]
fn images_need_names_of_their_own() {
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec()).unwrap();
    let sample = |name: &str| Sample::new(name, images(1), &(images(1) + 0.5), None).unwrap();
    let explain = Explain::new(vec![sample("a b"), sample("a_b")], &[]).study(Notes);
    let mut session = Session::new(&store, explain, MemorySink::default())
        .tap(network.tap())
        .f_model(|images| network.f_forward_t(images, false));
    let error = session.begin_step().err().unwrap().to_string();
    assert!(error.contains("two images are called `a_b`"), "{error}");
}

#[test]
fn a_study_that_fails_does_not_end_the_training() {
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec()).unwrap();
    let explain = Explain::of(&data(), &Normalization::identity(1), Device::Cpu)
        .unwrap()
        .study(Refuses)
        .study(DoesNotFit)
        .study(Notes);
    let mut sink = MemorySink::default();
    let mut session = Session::new(&store, explain, &mut sink)
        .tap(network.tap())
        .f_model(|images| network.f_forward_t(images, false));
    drop(session.begin_step().unwrap());
    drop(session);
    assert!(sink.entries.iter().any(|entry| entry.tag.as_str().starts_with("explain/notes/")));
}

#[test]
fn without_a_model_or_data_nothing_breaks() {
    let store = nn::VarStore::new(Device::Cpu);
    let _weight = store.root().zeros("weight", &[1]);
    let mut sink = MemorySink::default();
    let explain = Explain::of(&data(), &Normalization::identity(1), Device::Cpu).unwrap().study(Notes);
    let mut session = Session::new(&store, explain, &mut sink);
    drop(session.begin_step().unwrap());
    drop(session);
    assert!(sink.entries.is_empty());
    let error = Explain::new(Vec::new(), &[]).per_class(1, 1).err().unwrap().to_string();
    assert!(error.contains("Explain::of"), "{error}");
}

#[test]
fn cases_say_what_is_explained() {
    let (_, network) = network(&spec());
    let classifier = Classifier::of_network(&network);
    let sample = Sample::new("12 a/b", images(1), &(images(1) + 0.5), Some(1)).unwrap();
    assert_eq!((sample.tag().as_str(), sample.shape), ("12_a_b", [1, 6, 6]));
    let prediction = classifier.predict(&sample.input).unwrap()[0];
    let logits: Vec<f32> = Vec::try_from(classifier.logits(&sample.input).unwrap().reshape([-1])).unwrap();
    let best = (0..3).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap();
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - logits[best]).exp()).sum();
    assert_eq!(prediction.class, best as i64);
    assert!((prediction.probability() - 1.0 / sum).abs() < 1e-6);

    let classes = ["cat", "dog", "cow"].map(str::to_owned);
    let case = Case { sample: &sample, prediction, class: prediction.class };
    let verdict = if best == 1 { "a right prediction" } else { "a wrong prediction" };
    let words = case.words(&classes);
    assert!(words.starts_with("K = dog, Q = ") && words.ends_with(verdict), "{words}");
    let error = Sample::new("x", images(1), &Tensor::zeros([1, 1, 5, 6], (Kind::Float, Device::Cpu)), None);
    assert!(error.unwrap_err().to_string().contains("one H and W expected"));
    let tap = Tap::new();
    assert!(!tap.is_armed());
}
