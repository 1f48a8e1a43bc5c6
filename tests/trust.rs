//! How far to believe a map: what does not depend on the network is marked as such, what does is not.

#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used, clippy::panic)] // in helpers of tests

use std::{cell::Cell, rc::Rc, sync::Mutex};

use convscope::{
    MemorySink, Network, Result, Step, Trainer,
    arch::{Conv2d, Layer, Linear, MaxPool2d, ModelSpec},
    data::{self, Normalization},
    explain::{
        Attribute, Attribution, Attributor, Case, Checks, Classifier, DeletionCurves, DeletionScore, Gallery,
        GradCam, GradientXInput, GuidedBackprop, IntegratedGradients, Occlusion, Report, Saliency, Sample,
        Sign, SmoothGrad, Study, Subject, Trust,
    },
    render::TrustLevel,
};
use serde_json::Value;
use tch::{Device, Tensor, nn, nn::OptimizerConfig as _};

/// Edges of the image: it never asks the model. Counts how often it is asked.
#[derive(Default)]
struct Edges(Rc<Cell<usize>>);

impl Attributor for Edges {
    fn name(&self) -> &'static str {
        "edges"
    }

    fn description(&self) -> &'static str {
        "edges"
    }

    fn attribute(&self, _: &Classifier<'_>, image: &Tensor, class: i64) -> Result<Attribution> {
        self.0.set(self.0.get() + 1);
        let edges = (image.roll([1], [3]) - image).abs() + (image.roll([1], [2]) - image).abs();
        of_tensor("edges", class, &edges)
    }
}

/// The same everywhere.
struct Flat;

impl Attributor for Flat {
    fn name(&self) -> &'static str {
        "flat"
    }

    fn description(&self) -> &'static str {
        "flat"
    }

    fn attribute(&self, _: &Classifier<'_>, image: &Tensor, class: i64) -> Result<Attribution> {
        of_tensor("flat", class, &image.full_like(0.5))
    }
}

/// Not a number anywhere in the first row.
struct Broken;

impl Attributor for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn description(&self) -> &'static str {
        "broken"
    }

    fn attribute(&self, _: &Classifier<'_>, image: &Tensor, class: i64) -> Result<Attribution> {
        let map = image.copy();
        let _ = map.narrow(2, 0, 1).fill_(f64::NAN);
        of_tensor("broken", class, &map)
    }
}

/// It fits no model.
struct Impossible;

impl Attributor for Impossible {
    fn name(&self) -> &'static str {
        "impossible"
    }

    fn description(&self) -> &'static str {
        "impossible"
    }

    fn attribute(&self, _: &Classifier<'_>, _: &Tensor, _: i64) -> Result<Attribution> {
        Err(convscope::Error::not_applicable("layer `x`", "there is none"))
    }
}

/// It fails the second time that it is asked: for the map of a random last layer.
#[derive(Default)]
struct FailsLater(Cell<usize>);

impl Attributor for FailsLater {
    fn name(&self) -> &'static str {
        "saliency" // so that its range is checked too
    }

    fn description(&self) -> &'static str {
        "fails later"
    }

    fn attribute(&self, _: &Classifier<'_>, image: &Tensor, class: i64) -> Result<Attribution> {
        self.0.set(self.0.get() + 1);
        if self.0.get().is_multiple_of(2) {
            return Err(convscope::Error::invalid("model", "it broke"));
        }
        of_tensor("saliency", class, image)
    }
}

/// What the model itself refuses.
struct Refused;

impl Attributor for Refused {
    fn name(&self) -> &'static str {
        "refused"
    }

    fn description(&self) -> &'static str {
        "refused"
    }

    fn attribute(&self, classifier: &Classifier<'_>, image: &Tensor, _: i64) -> Result<Attribution> {
        let found = classifier.gradients(image, 99)?;
        of_tensor("refused", 99, &found.gradients)
    }
}

fn of_tensor(method: &'static str, class: i64, map: &Tensor) -> Result<Attribution> {
    let [_, channels, height, width] = map.size()[..] else { panic!("{map:?}") };
    let values: Vec<f32> = Vec::try_from(&map.flatten(0, -1)).unwrap();
    let shape = [channels, height, width].map(|side| side as usize);
    Attribution::new(method, class, values, shape, Sign::Magnitude)
}

/// A small network: convolution, pool, linear layer. Or one that ends with a 1x1 convolution and a mean.
fn spec(convolutional: bool) -> ModelSpec {
    let body = ModelSpec::builder("small", [1, 28, 28])
        .layer("conv1", Layer::Conv2d(Conv2d::new(8, 5).stride(2)))
        .layer("relu1", Layer::Relu)
        .layer("conv2", Layer::Conv2d(Conv2d::new(16, 3)))
        .layer("relu2", Layer::Relu);
    if convolutional {
        return body
            .layer("conv3", Layer::Conv2d(Conv2d::new(10, 1)))
            .layer("pool", Layer::GlobalAvgPool)
            .layer("flatten", Layer::Flatten)
            .build()
            .unwrap();
    }
    body.layer("pool", Layer::MaxPool2d(MaxPool2d::new(2)))
        .layer("flatten", Layer::Flatten)
        .layer("fc", Layer::Linear(Linear::new(10)))
        .build()
        .unwrap()
}

/// A trained network with what explanations need.
struct Model {
    spec: ModelSpec,
    network: Network,
    variables: Vec<(String, Tensor)>,
    samples: Vec<Sample>,
    classes: Vec<String>,
}

/// Trainings draw from libtorch's generator: one at a time.
static TURN: Mutex<()> = Mutex::new(());

fn model(convolutional: bool) -> Model {
    let _turn = TURN.lock().unwrap();
    tch::manual_seed(3);
    let data = data::bundled().unwrap();
    let spec = spec(convolutional);
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec).unwrap();
    let mut optimizer = nn::Adam::default().build(&store, 3e-3).unwrap();
    let (train, validation) = (data.train.probe(1500).unwrap(), data.validation.probe(100).unwrap());
    Trainer::of_network(&network, &store, &mut optimizer).fit(&train, &validation, 2).unwrap();
    let normalization = Normalization::of(&train).unwrap();
    let samples = Sample::of(&validation, &[0, 1, 2, 3], &normalization, Device::Cpu).unwrap();
    let mut variables: Vec<(String, Tensor)> = store.variables().into_iter().collect();
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    Model { spec, network, variables, samples, classes: validation.classes().to_vec() }
}

/// What the studies write.
struct Written {
    values: Value,
    sink: MemorySink,
    skipped: Vec<(&'static str, String)>,
}

impl Model {
    fn run(&self, studies: Vec<Box<dyn Study>>, of_spec: bool, in_sight: bool) -> Written {
        let classifier = match in_sight {
            true => Classifier::of_network(&self.network),
            false => Classifier::new(|images| self.network.f_forward_t(images, false)),
        };
        let predictions: Vec<_> =
            (self.samples.iter()).map(|sample| classifier.predict(&sample.input).unwrap()[0]).collect();
        let cases: Vec<_> = (self.samples.iter().zip(&predictions))
            .map(|(sample, &prediction)| Case { sample, prediction, class: prediction.class })
            .collect();
        let subject = Subject {
            classifier: &classifier,
            cases: &cases,
            classes: &self.classes,
            data: None,
            variables: &self.variables,
            spec: of_spec.then_some(&self.spec),
            seed: 11,
        };
        let mut sink = MemorySink::default();
        let mut report = Report::new(&mut sink, Step::new(94), Some(2)).with_values();
        for mut study in studies {
            report.begin(study.name());
            study.run(&subject, &mut report).unwrap();
        }
        let skipped = report.skipped().to_vec();
        let values = report.into_json();
        Written { values, sink, skipped }
    }
}

impl Written {
    /// Levels of a method for all images.
    fn levels(&self, method: &str) -> Vec<String> {
        let images = self.values[method].as_object().unwrap_or_else(|| panic!("{method}: {}", self.values));
        images.values().map(|image| image["trust"]["level"].as_str().unwrap().to_owned()).collect()
    }

    fn reasons(&self, method: &str) -> String {
        let images = self.values[method].as_object().unwrap();
        images.values().map(|image| image["trust"]["reasons"].to_string()).collect::<Vec<_>>().join("\n")
    }

    fn correlation(&self, method: &str) -> Vec<f64> {
        let images = self.values[method].as_object().unwrap();
        let of = |image: &Value| image["trust"]["checks"]["randomized_weights_correlation"].as_f64().unwrap();
        images.values().map(of).collect()
    }

    fn tags(&self) -> Vec<String> {
        self.sink.entries.iter().map(|entry| entry.tag.as_str().to_owned()).collect()
    }

    /// For who wants to look at the pictures.
    fn keep(&self, name: &str) {
        let Some(folder) = std::env::var_os("CONVSCOPE_PICTURES") else { return };
        for entry in &self.sink.entries {
            if let Some([image, ..]) = entry.summary.as_images() {
                let file = format!("{name}_{}.png", entry.tag.as_str().replace('/', "_"));
                std::fs::write(std::path::Path::new(&folder).join(file), image.to_png().unwrap()).unwrap();
            }
        }
    }
}

fn study(attributor: impl Attributor + 'static) -> Box<dyn Study> {
    Box::new(Attribute::new(attributor))
}

#[test]
fn maps_that_do_not_depend_on_the_weights_are_marked_and_others_are_not() {
    let model = model(false);
    let written = model.run(
        vec![
            study(Saliency::new()),
            study(GradientXInput::new()),
            study(IntegratedGradients::new().steps(20)),
            study(GradCam::new()),
            study(GuidedBackprop::new()),
            study(Edges::default()),
            study(Flat),
            study(Broken),
            Box::new(Gallery::new()),
        ],
        false,
        true,
    );
    written.keep("trained");
    for method in ["edges", "flat", "broken"] {
        assert_eq!(written.levels(method), ["do not trust"; 4], "{method}: {}", written.reasons(method));
    }
    assert_eq!(written.reasons("edges").matches("does not depend on the weights").count(), 4);
    assert_eq!(written.correlation("edges"), [1.0; 4]);
    for method in ["saliency", "gradient_x_input", "integrated_gradients"] {
        let reasons = written.reasons(method);
        assert!(!written.levels(method).contains(&"do not trust".to_owned()), "{method}: {reasons}");
        assert_eq!(reasons.matches("depends on the weights").count(), 4, "{method}: {reasons}");
    }
    // Why guided backpropagation carries a warning.
    let [guided, saliency] = ["guided_backprop", "saliency"].map(|method| written.correlation(method));
    assert!(guided.iter().zip(&saliency).all(|(guided, plain)| guided > plain), "{guided:?} {saliency:?}");
    assert!(written.reasons("integrated_gradients").contains("sum to the change of the logit"));
    assert!(written.reasons("saliency").contains("linear to 10 %"));
    let tags = written.tags();
    for tag in [
        "explain/saliency/randomized_weights_correlation",
        "explain/gallery/maps",
        "explain/edges/deletion_gain",
    ] {
        assert!(tags.contains(&tag.to_owned()), "{tags:?}");
    }
    assert!(written.skipped.is_empty(), "{:?}", written.skipped);
}

#[test]
fn a_last_layer_that_is_a_convolution_is_found_in_the_spec() {
    let model = model(true);
    let studies = || vec![study(Saliency::new()), study(Edges::default())];
    let written = model.run(studies(), true, true);
    written.keep("convolutional");
    assert_eq!(written.levels("edges"), ["do not trust"; 4]);
    assert_eq!(written.correlation("edges"), [1.0; 4]);
    let saliency = written.correlation("saliency");
    assert!(saliency.iter().all(|&like| like < 0.9), "{saliency:?}");
    // Without its spec nothing is known about it.
    let written = model.run(studies(), false, true);
    assert!(
        written.levels("saliency").iter().chain(&written.levels("edges")).all(|level| level == "caution")
    );
    assert_eq!(written.reasons("edges").matches("not checked against random weights").count(), 4);
}

#[test]
fn checks_cost_what_they_say() {
    let model = model(false);
    let asked = Rc::new(Cell::new(0));
    let edges = || Edges(asked.clone());
    model.run(vec![study(edges())], false, true);
    assert_eq!(asked.take(), 4 * (1 + 3), "the map, and one for each random layer");
    model.run(vec![Box::new(Attribute::new(edges()).trust(Trust::new().seeds(1)))], false, true);
    assert_eq!(asked.take(), 4 * (1 + 1));
    let written = model.run(vec![Box::new(Attribute::new(edges()).trust(None))], false, true);
    assert_eq!(asked.take(), 4);
    assert!(written.values["edges"].as_object().unwrap().values().all(|image| image.get("trust").is_none()));

    // 17 points of two curves for a map, and four times that for random orders, once for all methods.
    let images = Rc::new(Cell::new(0));
    let count = |studies: Vec<Box<dyn Study>>| {
        let classifier = Classifier::of_network(&model.network).watch(|passed| images.set(passed));
        let prediction = classifier.predict(&model.samples[0].input).unwrap()[0];
        let cases = [Case { sample: &model.samples[0], prediction, class: prediction.class }];
        let subject = Subject {
            classifier: &classifier,
            cases: &cases,
            classes: &[],
            data: None,
            variables: &[],
            spec: None,
            seed: 0,
        };
        let mut sink = MemorySink::default();
        let mut report = Report::new(&mut sink, Step::new(1), None);
        let before = images.get();
        for mut study in studies {
            report.begin(study.name());
            study.run(&subject, &mut report).unwrap();
        }
        images.get() - before
    };
    let one = count(vec![study(edges())]);
    let two = count(vec![study(edges()), study(edges())]);
    assert!(one >= 34 + 136, "{one}");
    assert!(two - one < 34 + 136 && two - one >= 34, "{one} {two}: random orders are not run again");
}

/// Large values that cancel, rounded as large values are: no more steps would help.
struct Cancelling;

impl Attributor for Cancelling {
    fn name(&self) -> &'static str {
        "cancelling"
    }

    fn description(&self) -> &'static str {
        "cancelling"
    }

    fn attribute(&self, _: &Classifier<'_>, image: &Tensor, class: i64) -> Result<Attribution> {
        let half = image.size()[3] / 2;
        let map = image.zeros_like();
        let _ = map.narrow(3, 0, half).fill_(10.0);
        let _ = map.narrow(3, half, half).fill_(-10.0);
        let measures = vec![("completeness_error", 1e-3), ("logit_difference", 1e-6)];
        Ok(Attribution { measures, sign: Sign::Signed, ..of_tensor("cancelling", class, &map)? })
    }
}

#[test]
fn completeness_is_judged_by_the_size_of_the_values() {
    let written = model(false).run(vec![study(Cancelling)], false, true);
    assert_eq!(written.reasons("cancelling").matches("values sum to the change of the logit").count(), 4);
    assert!(!written.reasons("cancelling").contains("take more steps"));
}

/// Images run for the map and for the badge of each method and image.
fn costs(written: &Written, method: &str) -> Vec<(u64, u64)> {
    let images = written.values[method].as_object().unwrap();
    let of = |image: &Value, what: &str| image["images_run"][what].as_u64().unwrap();
    images.values().map(|image| (of(image, "map"), of(image, "badge"))).collect()
}

#[test]
fn the_range_stands_beside_all_maps_of_gradients_and_is_found_once() {
    let model = model(false);
    let studies = vec![
        study(Saliency::new()),
        study(GradientXInput::new()),
        study(SmoothGrad::variance().samples(4)),
        study(GradCam::new()),
    ];
    let written = model.run(studies, false, true);
    for method in ["saliency", "gradient_x_input", "var_grad"] {
        assert_eq!(written.reasons(method).matches("linear to 10 %").count(), 4, "{method}");
    }
    assert!(!written.reasons("grad_cam").contains("linear to 10 %"));
    let (first, second) = (costs(&written, "saliency"), costs(&written, "gradient_x_input"));
    for ((_, first), (_, second)) in first.iter().zip(&second) {
        // Random orders and the range: 136 and about 80.
        assert!(*first >= second + 136 + 79, "{first} {second}");
    }
}

#[test]
fn the_badge_of_a_dense_occlusion_costs_little() {
    let model = model(false);
    let dense = Occlusion::new().patch([4, 4]).stride([1, 1]);
    let written = model.run(vec![study(Saliency::new()), study(dense)], false, true);
    for (map, badge) in costs(&written, "occlusion") {
        assert!((626..=630).contains(&map), "{map}");
        assert!((4 * 50 + 34..4 * 50 + 34 + 20).contains(&badge), "{badge}");
    }
    assert_eq!(written.reasons("occlusion").matches("rank correlation").count(), 4);
}

#[test]
fn a_method_that_fits_no_model_is_skipped_and_said() {
    let model = model(false);
    let written = model.run(vec![study(Impossible), Box::new(Gallery::new())], false, true);
    assert!(written.tags().is_empty(), "{:?}", written.tags());
    let [impossible @ .., gallery] = &written.skipped[..] else { panic!("{:?}", written.skipped) };
    assert_eq!(impossible.len(), 4);
    assert!(impossible.iter().all(|(study, why)| *study == "impossible" && why.contains("there is none")));
    assert_eq!(gallery.0, "gallery");
}

/// A study of the first image, for a classifier that is asked so often at most.
fn run_first(model: &Model, study: &mut dyn Study, most: usize) -> (Result<()>, MemorySink, usize) {
    let asked = Cell::new(0);
    let classifier = Classifier::of_network(&model.network).interrupt(|| {
        asked.set(asked.get() + 1);
        asked.get() > most
    });
    let prediction = Classifier::of_network(&model.network).predict(&model.samples[0].input).unwrap()[0];
    let cases = [Case { sample: &model.samples[0], prediction, class: prediction.class }];
    let subject = Subject {
        classifier: &classifier,
        cases: &cases,
        classes: &model.classes,
        data: None,
        variables: &model.variables,
        spec: Some(&model.spec),
        seed: 0,
    };
    let mut sink = MemorySink::default();
    let mut report = Report::new(&mut sink, Step::new(1), None);
    report.begin(study.name());
    let result = study.run(&subject, &mut report);
    let skipped = report.skipped().len();
    (result, sink, skipped)
}

#[test]
fn what_the_model_refuses_is_no_method_that_does_not_fit() {
    let model = model(false);
    let (result, sink, skipped) = run_first(&model, &mut *study(Refused), usize::MAX);
    assert!(result.unwrap_err().to_string().contains("99"));
    assert_eq!((sink.entries.len(), skipped), (0, 0));
}

#[test]
fn a_check_that_fails_leaves_the_others() {
    let model = model(false);
    let written = model.run(vec![study(FailsLater::default())], false, true);
    assert_eq!(written.levels("saliency"), ["caution"; 4]);
    let reasons = written.reasons("saliency");
    for (words, times) in
        [("not checked (random weights): model: it broke", 4), ("its pixels matter", 4), ("linear to", 4)]
    {
        assert_eq!(reasons.matches(words).count(), times, "{words}: {reasons}");
    }
    assert!(!reasons.contains("was not found"), "{reasons}");
}

/// Wherever it comes, in the method or in a check, with the head or the whole network replaced.
#[test]
fn an_interrupt_is_neither_a_reason_nor_a_badge() {
    for convolutional in [false, true] {
        let model = model(convolutional);
        for most in 0..12 {
            let (result, sink, skipped) = run_first(&model, &mut *study(Saliency::new()), most);
            assert!(result.unwrap_err().is_interrupted(), "after {most} passes");
            assert_eq!((sink.entries.len(), skipped), (0, 0), "after {most} passes");
        }
    }
    // A network in place of the classifier's own.
    let model = model(false);
    let calls = Cell::new(0);
    let classifier = Classifier::of_network(&model.network).interrupt(|| {
        calls.set(calls.get() + 1);
        calls.get() > 1
    });
    let other = classifier.with_network(&model.network);
    assert!(other.logits(&model.samples[0].input).is_ok());
    assert!(other.logits(&model.samples[0].input).unwrap_err().is_interrupted());
    assert_eq!(classifier.passed(), 1);
}

#[test]
fn a_model_whose_layers_nobody_sees_is_explained_with_caution() {
    let model = model(false);
    let written = model.run(vec![study(Saliency::new())], false, false);
    assert_eq!(written.levels("saliency"), ["caution"; 4]);
    assert!(written.reasons("saliency").contains("the last layer was not found"));
}

fn curves(deletion: f64, insertion: f64) -> DeletionCurves {
    let flat = |value: f64| vec![value; 2];
    DeletionCurves { shares: vec![0.0, 1.0], deletion: flat(deletion), insertion: flat(insertion) }
}

fn pixels(map: (f64, f64), random: (f64, f64)) -> Option<DeletionScore> {
    Some(DeletionScore { map: curves(map.0, map.1), random: curves(random.0, random.1) })
}

#[test]
fn the_worst_check_decides_and_stands_first() {
    let good = Checks { weights: Some(0.2), pixels: pixels((0.2, 0.8), (0.4, 0.5)), ..Checks::default() };
    let badge = good.badge();
    assert_eq!(badge.level, TrustLevel::Trusted);
    assert_eq!(badge.reasons.len(), 2);

    let cases = [
        (Checks { weights: Some(0.5), ..good.clone() }, TrustLevel::Trusted, "depends on the weights"),
        (
            Checks { weights: Some(0.75), ..good.clone() },
            TrustLevel::Caution,
            "depends little on the weights",
        ),
        (
            Checks { weights: Some(0.95), ..good.clone() },
            TrustLevel::DoNotTrust,
            "does not depend on the weights",
        ),
        (Checks { weights: None, ..good.clone() }, TrustLevel::Caution, "not checked against random weights"),
        (Checks { completeness: Some(0.01), ..good.clone() }, TrustLevel::Trusted, "depends on the weights"),
        (Checks { completeness: Some(0.2), ..good.clone() }, TrustLevel::Caution, "values miss the change"),
        (Checks { completeness: Some(f64::INFINITY), ..good.clone() }, TrustLevel::Caution, "values miss"),
        (Checks { completeness: Some(f64::NAN), ..good.clone() }, TrustLevel::Caution, "values miss"),
        (
            Checks { pixels: pixels((0.5, 0.4), (0.4, 0.5)), ..good.clone() },
            TrustLevel::Caution,
            "its pixels matter no more than others",
        ),
        (
            Checks { pixels: pixels((0.39, 0.51), (0.4, 0.5)), ..good.clone() },
            TrustLevel::Caution,
            "its pixels matter no more than others",
        ),
        (
            Checks { pixels: pixels((0.2, 0.4), (0.4, 0.5)), ..good.clone() },
            TrustLevel::Caution,
            "its pixels matter in one test of two",
        ),
        (
            Checks { pixels: pixels((f64::NAN, 0.8), (0.4, 0.5)), ..good.clone() },
            TrustLevel::Caution,
            "its pixels matter in one test of two",
        ),
        (
            Checks { weights: Some(1.0), pixels: pixels((0.5, 0.4), (0.4, 0.5)), ..good.clone() },
            TrustLevel::DoNotTrust,
            "does not depend on the weights",
        ),
        (
            Checks { empty: Some("no pixel stands out".to_owned()), ..Checks::default() },
            TrustLevel::DoNotTrust,
            "no pixel stands out",
        ),
    ];
    for (checks, level, reason) in cases {
        let badge = checks.badge();
        assert_eq!(badge.level, level, "{checks:?}");
        assert!(badge.reasons[0].starts_with(reason), "{checks:?}: {:?}", badge.reasons);
    }
}
