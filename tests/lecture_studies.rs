//! The studies of max pooling, dropout and the convolution's matrix on a network that has learnt something. Their pictures
//! are kept in `CONVSCOPE_PICTURES`, if it is set, to be looked at.

#![allow(clippy::unwrap_used)] // in helpers of tests
#![cfg(feature = "tch")]

use convscope::{
    MemorySink, Network, Step, SummarySink, SummaryWriter,
    arch::ModelSpec,
    data::{self, Normalization, Split},
    explain::{
        Case, Classifier, ConvolutionMatrixStudy, DropoutStudy, MaxPoolSwitchStudy, Report, Sample, Study,
        Subject,
    },
};
use tch::{
    Device, Kind, Tensor,
    nn::{self, OptimizerConfig as _},
};

/// Tag, value of a scalar.
type Written = Vec<(String, Option<f64>)>;

fn train(
    split: &Split,
    normalization: &Normalization,
    network: &Network,
    store: &nn::VarStore,
    steps: usize,
) {
    let mut optimizer = nn::Adam::default().build(store, 1e-3).unwrap();
    for step in 0..steps {
        let places: Vec<usize> = (0..64).map(|at| (step * 64 + at * 37) % 6000).collect();
        let batch = split.train.subset(&places).unwrap();
        let images = normalization.apply(&batch.pixels().unwrap(), Device::Cpu).unwrap();
        let logits = network.f_forward_t(&images, true).unwrap();
        optimizer.backward_step(&logits.cross_entropy_for_logits(&Tensor::from_slice(batch.labels())));
    }
}

fn explain(
    studies: &mut [Box<dyn Study>],
    subject: &Subject<'_>,
    sink: &mut dyn SummarySink,
    step: i64,
) -> serde_json::Value {
    let mut report = Report::new(sink, Step::new(step), None).with_values();
    for study in studies {
        report.begin(study.name());
        study.run(subject, &mut report).unwrap();
    }
    assert!(report.skipped().is_empty(), "{:?}", report.skipped());
    report.into_json()
}

fn bits(store: &nn::VarStore) -> Vec<(String, Vec<f64>, bool)> {
    let mut all: Vec<_> = (store.variables().into_iter())
        .map(|(name, variable)| {
            let gradient = variable.grad();
            let grad = gradient
                .defined()
                .then(|| Vec::<f64>::try_from(gradient.to_kind(Kind::Double).reshape([-1])));
            let values = variable.detach().to_kind(Kind::Double).reshape([-1]);
            let mut values = Vec::<f64>::try_from(values).unwrap();
            let has_gradient = grad.is_some();
            values.extend(grad.into_iter().flatten().flatten());
            (name, values, has_gradient)
        })
        .collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[test]
fn a_trained_network_is_explained_and_left_as_it_was() {
    let split = data::bundled().unwrap();
    let spec = ModelSpec::default_model(10).unwrap();
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &spec).unwrap();
    let normalization = Normalization::of(&split.train).unwrap();
    let samples = Sample::of(&split.validation, &[0, 1, 2, 23], &normalization, Device::Cpu).unwrap();
    let mut studies: Vec<Box<dyn Study>> = vec![
        Box::new(MaxPoolSwitchStudy::new()),
        Box::new(DropoutStudy::new()),
        Box::new(ConvolutionMatrixStudy::new()),
    ];
    let mut sink: Box<dyn SummarySink> = match std::env::var("CONVSCOPE_PICTURES") {
        Ok(folder) => Box::new(SummaryWriter::create(folder).unwrap()),
        Err(_) => Box::new(MemorySink::default()),
    };
    let mut memory = MemorySink::default();
    for round in 1..=2 {
        train(&split, &normalization, &network, &store, 25);
        let classifier = Classifier::of_network(&network);
        let of_sample = |sample| {
            let sample: &Sample = sample;
            let prediction = classifier.predict(&sample.input).unwrap()[0];
            Case { sample, prediction, class: prediction.class }
        };
        let cases: Vec<Case<'_>> = samples.iter().map(of_sample).collect();
        let mut variables: Vec<(String, Tensor)> = store.variables().into_iter().collect();
        variables.sort_by(|a, b| a.0.cmp(&b.0));
        let subject = Subject {
            classifier: &classifier,
            cases: &cases,
            classes: split.train.classes(),
            data: None,
            variables: &variables,
            spec: Some(&spec),
            seed: 0,
        };
        let before = bits(&store);
        let values = explain(&mut studies, &subject, sink.as_mut(), 2 * round);
        // Again at the same weights: every winner is where it was.
        let again = explain(&mut studies, &subject, &mut memory, 2 * round + 1);
        assert!(before == bits(&store), "explanations write no variable and no gradient");
        let pools = &values["max_pool_routing"];
        for pool in ["pool1", "pool2", "pool3"] {
            assert_eq!(again["max_pool_routing"][pool]["switch_stability"], 1.0);
            let number = |name: &str| pools[pool][name].as_f64();
            assert!(number("gradient_share") <= number("winner_share"));
            assert!(number("winner_share").unwrap() <= 0.25 && number("switch_entropy").unwrap() <= 2.0);
            assert_eq!(number("switch_stability").is_some(), round == 2, "compared with the round before");
        }
        let dropout = &values["dropout"]["relu1"];
        let ratio = |name: &str| dropout[format!("variance_ratio_{name}")].as_f64().unwrap();
        assert!((ratio("element") / ratio("expected") - 1.0).abs() < 0.05, "{dropout}");
        assert!((ratio("channel") / ratio("expected") - 1.0).abs() < 0.5, "{dropout}");
        assert_eq!(again["dropout"], values["dropout"], "the same masks each time");
        let part = &values["convolution_matrix"]["0 Ankle boot"];
        assert!(part["largest_difference"].as_f64().unwrap() < 1e-4, "{part}");
    }
    let written: Written = (memory.entries.iter())
        .map(|entry| (entry.tag.as_str().to_owned(), entry.summary.as_scalar()))
        .collect();
    let value = |tag: &str| written.iter().find(|(known, _)| known == tag).and_then(|(_, value)| *value);
    let (conv, dense) = (value("explain/dropout/weights/conv2"), value("explain/dropout/weights/fc1"));
    assert!(conv.unwrap() < 0.1 && dense.unwrap() > 0.3, "{conv:?} {dense:?}");
    for tag in [
        "explain/max_pool_routing/pool1/0_Ankle_boot",
        "explain/dropout/relu1/2_Trouser",
        "explain/dropout/weights/1_Pullover",
        "explain/convolution_matrix/conv1/0_Ankle_boot",
    ] {
        assert!(written.iter().any(|(known, value)| known == tag && value.is_none()), "{tag}");
    }
    sink.flush().unwrap();
}

#[test]
fn the_lectures_cases_are_drawn_once_and_need_no_model() {
    let classifier = Classifier::new(|images| Ok(images.flatten(1, -1)));
    let subject = Subject {
        classifier: &classifier,
        cases: &[],
        classes: &[],
        data: None,
        variables: &[],
        spec: None,
        seed: 0,
    };
    let studies: [(Box<dyn Study>, &[&str]); 3] = [
        (Box::new(MaxPoolSwitchStudy::new()), &["max_pool", "max_pool_overlap", "max_pool_ties"]),
        (Box::new(DropoutStudy::new()), &["dropout_only_x1", "dropout_gradients"]),
        (
            Box::new(ConvolutionMatrixStudy::new()),
            &["matrix_4x9", "matrix_4x9_numbers", "matrix_9x9", "matrix_9x9_numbers", "matrix_9x9_dropout"],
        ),
    ];
    for (mut study, names) in studies {
        for expected in [names, &[]] {
            let mut sink = MemorySink::default();
            let mut report = Report::new(&mut sink, Step::new(3), None);
            report.begin(study.name());
            study.run(&subject, &mut report).unwrap();
            let tags: Vec<String> =
                expected.iter().map(|name| format!("explain/{}/example/{name}", study.name())).collect();
            assert_eq!(sink.entries.iter().map(|entry| entry.tag.as_str()).collect::<Vec<_>>(), tags);
            assert!(sink.entries.iter().all(|entry| entry.summary.as_images().is_some()));
        }
    }
}
