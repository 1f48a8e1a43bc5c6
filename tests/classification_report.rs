//! What the report of a classifier writes, and when: after real trainings, and of logits that are known.

#![allow(clippy::unwrap_used)] // in helpers of tests
#![cfg(feature = "tch")]

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

use convscope::{
    Entry, Image, Kind, MemorySink, Metrics, Network, Schedule, Session, Trainer,
    arch::ModelSpec,
    callback::{CONTINUE, CallbackList, Preset, on_validation_batch},
    data::{self, Dataset, Normalization},
    diagnostics::ClassificationReport,
};
use tch::{Device, Tensor, nn, nn::OptimizerConfig as _};

fn tags(entries: &[Entry]) -> BTreeSet<&str> {
    entries.iter().map(|entry| entry.tag.as_str()).collect()
}

fn last<'a>(entries: &'a [Entry], tag: &str) -> &'a Entry {
    entries.iter().rfind(|entry| entry.tag.as_str() == tag).unwrap()
}

fn scalar(entries: &[Entry], tag: &str) -> f64 {
    last(entries, tag).summary.as_scalar().unwrap()
}

fn text<'a>(entries: &'a [Entry], tag: &str) -> &'a str {
    last(entries, tag).summary.as_text().unwrap()
}

fn image<'a>(entries: &'a [Entry], tag: &str) -> &'a Image {
    &last(entries, tag).summary.as_images().unwrap()[0]
}

/// The first images of each part of the bundled data.
fn small_data() -> (Dataset, Dataset) {
    let data = data::bundled().unwrap();
    let first = |data: &Dataset, count| data.subset(&(0..count).collect::<Vec<_>>()).unwrap();
    (first(&data.train, 640), first(&data.validation, 250))
}

#[test]
fn a_training_on_the_bundled_data() {
    let (train, validation) = small_data();
    tch::manual_seed(1);
    let store = nn::VarStore::new(Device::Cpu);
    let network = Network::new(&store.root(), &ModelSpec::default_model(10).unwrap()).unwrap();
    let mut optimizer = nn::Adam::default().build(&store, 2e-3).unwrap();
    let seen = Rc::new(RefCell::new((Vec::new(), Vec::new())));
    let collected = seen.clone();
    let normalization = Normalization::of(&train).unwrap();
    let report = ClassificationReport::new(train.classes().to_vec())
        .normalization(normalization.clone())
        .top_k(3)
        .mistakes(5)
        .schedule(Schedule::epochs(2));
    let callbacks = CallbackList::new().with(report).with(on_validation_batch(move |cx, batch, _| {
        if cx.position().epoch == 2 {
            let (labels, logits) = &mut *collected.borrow_mut();
            labels.extend(Vec::<i64>::try_from(&batch.labels).unwrap());
            logits.extend(Vec::<f32>::try_from(&batch.logits.reshape([-1])).unwrap());
        }
        CONTINUE
    }));
    let mut sink = MemorySink::default();
    let outcome = Trainer::of_network(&network, &store, &mut optimizer)
        .callbacks(callbacks)
        .sink(&mut sink)
        .normalization(normalization)
        .fit(&train, &validation, 3)
        .unwrap();

    let entries = &sink.entries;
    let report: Vec<&Entry> = entries.iter().filter(|entry| entry.run == "validation").collect();
    assert!(report.iter().all(|entry| entry.step.get() == 20), "once, at the end of the second epoch");
    let mut expected: BTreeSet<String> = [
        "calibration",
        "calibration/ece",
        "calibration/mce",
        "classes",
        "confusion",
        "confusion/counts",
        "confusion/normalized",
        "macro_average/f1",
        "macro_average/precision",
        "macro_average/recall",
        "mistakes",
        "top_3_accuracy",
    ]
    .map(str::to_owned)
    .into();
    let (labels, logits) = &*seen.borrow();
    assert_eq!((labels.len(), logits.len()), (250, 2500));
    let answer = |index: usize| {
        let row = &logits[10 * index..][..10];
        (0..10).find(|&class| row.iter().all(|logit| *logit <= row[class])).unwrap()
    };
    let answers: Vec<usize> = (0..250).map(answer).collect();
    let count = |is: &dyn Fn(usize, usize) -> bool| {
        labels.iter().zip(&answers).filter(|(label, answer)| is(**label as usize, **answer)).count() as f64
    };
    for (class, name) in train.classes().iter().enumerate() {
        let support = count(&|label, _| label == class);
        let predicted = count(&|_, answer| answer == class);
        let right = count(&|label, answer| label == class && answer == class);
        let scalars: Vec<(&str, f64)> = [
            ("recall", right / support),
            ("precision", right / predicted),
            ("f1", 2.0 * right / (support + predicted)),
        ]
        .into_iter()
        .filter(|(_, value)| !value.is_nan())
        .collect();
        for (group, value) in scalars {
            let tag = format!("{group}/{name}");
            assert_eq!(scalar(entries, &tag), value, "{tag}");
            expected.insert(tag);
        }
        // libtorch's own loss of the images of the class.
        let of_class: Vec<i64> = (0..250).filter(|&i| labels[i as usize] as usize == class).collect();
        let rows =
            Tensor::from_slice(logits).reshape([250, 10]).index_select(0, &Tensor::from_slice(&of_class));
        let loss = rows.cross_entropy_for_logits(&Tensor::full(
            [support as i64],
            class as i64,
            (tch::Kind::Int64, Device::Cpu),
        ));
        let found = scalar(entries, &format!("loss_per_class/{name}"));
        assert!((found - loss.double_value(&[])).abs() < 1e-5 * found.max(1.0), "{name}: {found} {loss:?}");
        let curve = last(entries, &format!("pr/{name}")).summary.as_pr_curve().unwrap();
        assert_eq!((curve.thresholds().len(), f64::from(curve.true_positives()[0])), (201, support));
        for group in ["average_precision", "loss_per_class", "pr"] {
            expected.insert(format!("{group}/{name}"));
        }
    }
    let found: BTreeSet<String> = report.iter().map(|entry| entry.tag.to_string()).collect();
    assert_eq!(found, expected);
    assert!(count(&|label, answer| label == answer) > 125.0, "it has learnt something");

    // The measures of the pass agree with those of the trainer, whose last pass is another one.
    assert!(outcome.validation.get("loss").is_some());
    let accuracy = count(&|label, answer| label == answer) / 2.5;
    assert!(
        text(entries, "classes").contains(&format!("accuracy {accuracy:.1} %")),
        "{}",
        text(entries, "classes")
    );
    assert!(text(entries, "confusion").starts_with("| true \\\\ predicted | T-shirt/top | Trouser |"));
    for tag in ["confusion/counts", "confusion/normalized", "mistakes", "calibration"] {
        assert!((400..=900).contains(&image(entries, tag).width()), "{tag}");
        assert_eq!(last(entries, tag).summary.kind(), Kind::Image);
    }
}

/// Shows the callback a pass over logits that are known, in batches of two.
fn pass(session: &mut Session<'_>, images: &Tensor, labels: &[i64], logits: &Tensor) {
    for at in (0..labels.len()).step_by(2) {
        let count = (labels.len() - at).min(2);
        let part = |tensor: &Tensor| tensor.narrow(0, at as i64, count as i64);
        let labels = Tensor::from_slice(&labels[at..at + count]);
        assert!(session.validation_batch(&part(images), &labels, &part(logits)).unwrap().is_continue());
    }
    assert!(session.end_validation(&Metrics::default()).unwrap().is_continue());
}

/// What one pass before the first step writes.
fn write(report: ClassificationReport, images: &Tensor, labels: &[i64], logits: &Tensor) -> Vec<Entry> {
    let store = nn::VarStore::new(Device::Cpu);
    let mut sink = MemorySink::default();
    let mut session = Session::new(&store, report, &mut sink);
    pass(&mut session, images, labels, logits);
    drop(session);
    sink.entries
}

/// Logits with one large one in each row.
fn sure_of(answers: &[i64], classes: i64) -> Tensor {
    let answers = Tensor::from_slice(answers);
    answers.one_hot(classes).to_kind(tch::Kind::Float) * 9.0
}

fn zeros(shape: &[i64]) -> Tensor {
    Tensor::zeros(shape, (tch::Kind::Float, Device::Cpu))
}

fn tile_colors(image: &Image) -> BTreeSet<[u8; 3]> {
    image.pixels().chunks_exact(3).map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect()
}

#[test]
fn images_of_mistakes_are_those_that_were_answered_wrongly() {
    // Image i is of the value i / 10 alone, colour in the second channel.
    let value = |i: i64| {
        Tensor::from_slice(&[0.0, i as f32 / 10.0, 0.0]).reshape([1, 3, 1, 1]).expand([1, 3, 8, 8], false)
    };
    let images = Tensor::cat(&(0..6).map(value).collect::<Vec<_>>(), 0);
    let (labels, answers) = ([0, 1, 2, 0, 1, 2], [0, 2, 2, 1, 1, 0]);
    let identity = Normalization::identity(3);
    let report = || ClassificationReport::new(["a", "b", "c"]).normalization(identity.clone());
    let green = |i: u32| [0, (i as f32 * 25.5 + 0.5) as u8, 0];
    // The third mistake is surer than the others.
    let logits = sure_of(&answers, 3) * Tensor::from_slice(&[1f32, 1., 1., 1., 1., 2.]).unsqueeze(1);
    let entries = write(report(), &images, &labels, &logits);
    let colors = tile_colors(image(&entries, "mistakes"));
    assert_eq!(
        [0, 1, 2, 3, 4, 5].map(|i| colors.contains(&green(i)) && i > 0),
        [false, true, false, true, false, true]
    );
    let entries = write(report().mistakes(1), &images, &labels, &logits);
    let colors = tile_colors(image(&entries, "mistakes"));
    assert_eq!([1, 3, 5].map(|i| colors.contains(&green(i))), [false, false, true]);

    // With a normalisation, with an own function, and without either.
    let normalization = Normalization { mean: vec![0.0, 0.3, 0.0], std: vec![1.0, 0.5, 1.0] };
    let normalized = normalization.apply(&images, Device::Cpu).unwrap();
    let entries = write(report().normalization(normalization), &normalized, &labels, &logits);
    assert!(tile_colors(image(&entries, "mistakes")).contains(&green(3)));
    let inverted = report().pixels(|images| Ok(1.0 - images));
    let entries = write(inverted, &images, &labels, &logits);
    assert!(tile_colors(image(&entries, "mistakes")).contains(&[255, 128, 255]));
    let entries = write(ClassificationReport::new(["a", "b", "c"]), &images, &labels, &logits);
    assert!(tile_colors(image(&entries, "mistakes")).contains(&[0, 255, 0]), "each scaled by itself");
    let entries =
        write(report().pixels(|images| Ok(images.squeeze())).mistakes(0), &images, &labels, &logits);
    assert!(!tags(&entries).contains("mistakes"));
}

#[test]
fn without_mistakes_the_gallery_says_so() {
    let labels = [0, 1, 0];
    let entries =
        write(ClassificationReport::new(["a", "b"]), &zeros(&[3, 1, 8, 8]), &labels, &sure_of(&labels, 2));
    assert!(image(&entries, "mistakes").height() < 100);
    // What is no image is not drawn; the numbers are there all the same.
    for shape in [[3, 2, 8, 8].as_slice(), &[3, 16]] {
        let entries =
            write(ClassificationReport::new(["a", "b"]), &zeros(shape), &labels, &sure_of(&[1, 1, 0], 2));
        assert!(!tags(&entries).contains("mistakes"));
        assert_eq!(scalar(&entries, "recall/a"), 0.5);
    }
}

#[test]
fn of_many_classes_some_have_tags() {
    let labels: Vec<i64> = (0..60).collect();
    let mut answers = labels.clone();
    (answers[3], answers[57]) = (57, 3);
    let logits = sure_of(&answers, 60);
    let images = zeros(&[60, 1, 4, 4]);
    let no_names = || ClassificationReport::new(Vec::<String>::new());
    let entries = write(no_names(), &images, &labels, &logits);
    let found = tags(&entries);
    assert_eq!(found.len(), 11 + 6 * 20, "{found:?}");
    assert!(found.contains("recall/19") && !found.contains("recall/20"));
    let classes = text(&entries, "classes");
    assert!(classes.contains("20 of 60 classes have curves"), "{classes}");
    assert!(
        classes.contains("The 50 classes with the lowest F1 of 60") && classes.contains("| 3 | 0.000 |"),
        "{classes}"
    );
    assert!(text(&entries, "confusion").contains("The 2 most frequent of 2 confusions"));

    let names: Vec<String> = (0..60).map(|class| format!("class{}", class / 2)).collect();
    let named = || ClassificationReport::new(names.clone());
    let entries = write(named().curves_of(["class2"]), &images, &labels, &logits);
    assert!(tags(&entries).contains("pr/class2 4"), "the first of that name: {:?}", tags(&entries));
    let entries = write(named().curves_of(Vec::<String>::new()), &images, &labels, &logits);
    assert_eq!(tags(&entries).len(), 11);
}

#[test]
fn presets_say_how_many_classes_have_tags() {
    let labels: Vec<i64> = (0..30).collect();
    let (logits, images) = (sure_of(&labels, 30), zeros(&[30, 1, 4, 4]));
    let report =
        |preset| ClassificationReport::new((0..30).map(|class| format!("class{class}"))).preset(preset);
    let entries = write(report(Preset::Economy), &images, &labels, &logits);
    let expected = [
        "calibration",
        "calibration/ece",
        "calibration/mce",
        "classes",
        "confusion",
        "confusion/counts",
        "confusion/normalized",
        "macro_average/f1",
        "macro_average/precision",
        "macro_average/recall",
        "mistakes",
    ];
    assert_eq!(tags(&entries).into_iter().collect::<Vec<_>>(), expected);
    // precision, recall, F1, support, loss, average precision
    let of_first = "| class0 | 1.000 | 1.000 | 1.000 | 1 | 0.004 | 1.000 |";
    assert!(text(&entries, "classes").contains(of_first), "{}", text(&entries, "classes"));
    for (preset, classes) in [(Preset::Standard, 20), (Preset::Full, 30)] {
        let entries = write(report(preset), &images, &labels, &logits);
        assert_eq!(tags(&entries).len(), 11 + 6 * classes, "{preset}");
    }
    // Who names classes wants them.
    let entries = write(report(Preset::Economy).curves_of(["class25"]), &images, &labels, &logits);
    assert_eq!(tags(&entries).len(), 11 + 6);
    assert!(tags(&entries).contains("pr/class25"));
}

#[test]
fn what_is_wrong_whatever_the_data_is_refused_before_the_first_step() {
    let store = nn::VarStore::new(Device::Cpu);
    let refused = |report: ClassificationReport| {
        let mut session = Session::new(&store, report, MemorySink::default());
        session.begin_step().map(drop).err().map(|error| error.to_string()).unwrap_or_default()
    };
    let named = || ClassificationReport::new(["a", "b"]);
    let unnamed = || ClassificationReport::new(Vec::<String>::new());
    for report in [named(), unnamed()] {
        assert!(refused(report.top_k(0)).contains("top-k accuracy: 0 found, 1 or more expected"));
    }
    for thresholds in [1, (1 << 20) + 1] {
        assert!(refused(unnamed().thresholds(thresholds)).contains("thresholds of a PR curve"));
    }
    assert!(refused(named().top_k(3)).contains("3 found, 1 to the number of classes (2)"));
    assert!(refused(named().curves_of(["bee"])).contains("curves of class `bee`"));
    // Without names the number of classes is not known yet.
    for report in [named().top_k(2).curves_of(["b"]), unnamed().top_k(3).curves_of(["7"])] {
        assert_eq!(refused(report), "");
    }
}

#[test]
fn what_cannot_be_judged_is_told() {
    let logits = Tensor::from_slice2(&[[1.0f32, 0.0], [f32::NAN, 0.0], [0.0, 1.0], [1.0, 0.0]]);
    let entries =
        write(ClassificationReport::new(["a", "b"]), &zeros(&[4, 1, 4, 4]), &[0, 0, 7, -1], &logits);
    let classes = text(&entries, "classes");
    let told = "Of 4 samples left out: 2 with a label that is no class, 1 with logits not finite.";
    assert!(classes.contains(told), "{classes}");
    assert_eq!(scalar(&entries, "recall/a"), 1.0);
    // 0/0 is no point; the mean counts classes that occur.
    assert!(!tags(&entries).contains("recall/b") && tags(&entries).contains("pr/b"));
    assert_eq!(scalar(&entries, "macro_average/recall"), 1.0);
    // Nothing at all can be judged: pictures say so, and nothing breaks.
    let entries =
        write(ClassificationReport::new(["a", "b"]), &zeros(&[2, 1, 4, 4]), &[5, 6], &sure_of(&[0, 1], 2));
    assert!(!tags(&entries).contains("calibration/ece"));
    assert!(text(&entries, "classes").starts_with("no images"));
}

#[test]
fn every_kind_of_number_is_taken() {
    let labels = [0, 1, 1];
    let images = zeros(&[3, 1, 4, 4]);
    for kind in [tch::Kind::Half, tch::Kind::BFloat16, tch::Kind::Double] {
        let logits = sure_of(&labels, 2).to_kind(kind);
        let entries = write(ClassificationReport::new(["a", "b"]), &images.to_kind(kind), &labels, &logits);
        assert_eq!(scalar(&entries, "recall/b"), 1.0, "{kind:?}");
    }
}

#[test]
fn passes_are_reported_when_they_are_due() {
    let store = nn::VarStore::new(Device::Cpu);
    let labels = [0, 1, 0];
    let (images, logits) = (zeros(&[3, 1, 4, 4]), sure_of(&[0, 1, 1], 2));
    let run = |schedule: Schedule| {
        let mut sink = MemorySink::default();
        let report = ClassificationReport::new(["a", "b"]).schedule(schedule);
        let mut session = Session::new(&store, report, &mut sink);
        let loss = Tensor::from(1.0);
        for step in 1..=6 {
            assert!(session.begin_step().unwrap().end(&loss).unwrap().is_continue());
            if step % 2 == 0 {
                pass(&mut session, &images, &labels, &logits);
                assert!(session.end_epoch().unwrap().is_continue());
            }
        }
        drop(session);
        let of_tag = sink.entries.iter().filter(|entry| entry.tag.as_str() == "f1/a");
        of_tag.map(|entry| (entry.step.get(), entry.summary.as_scalar().unwrap())).collect::<Vec<_>>()
    };
    let f1 = 2.0 / 3.0;
    assert_eq!(run(Schedule::epoch()), [(2, f1), (4, f1), (6, f1)]);
    assert_eq!(run(Schedule::epochs(3)), [(6, f1)]);
    assert_eq!(run(Schedule::every(4)), [(4, f1)]);
    assert_eq!(run(Schedule::never()), []);
}

#[test]
fn a_pass_that_was_never_ended_does_not_count_for_the_next() {
    let store = nn::VarStore::new(Device::Cpu);
    let mut sink = MemorySink::default();
    let mut session = Session::new(&store, ClassificationReport::new(["a", "b"]), &mut sink);
    let wrong =
        session.validation_batch(&zeros(&[1, 1, 4, 4]), &Tensor::from_slice(&[0i64]), &sure_of(&[1], 2));
    assert!(wrong.unwrap().is_continue());
    assert!(session.begin_step().unwrap().end(&Tensor::from(1.0)).unwrap().is_continue());
    assert!(session.end_validation(&Metrics::default()).unwrap().is_continue());
    pass(&mut session, &zeros(&[2, 1, 4, 4]), &[0, 1], &sure_of(&[0, 1], 2));
    drop(session);
    assert_eq!(scalar(&sink.entries, "recall/a"), 1.0);
    assert_eq!(sink.entries.iter().filter(|entry| entry.tag.as_str() == "classes").count(), 1);
}

#[test]
fn what_does_not_fit_is_refused() {
    let store = nn::VarStore::new(Device::Cpu);
    let refused = |report: ClassificationReport, batches: &[i64]| {
        let mut session = Session::new(&store, report, MemorySink::default());
        let mut answer = Ok(());
        for &classes in batches {
            let logits = sure_of(&[0, 0], classes);
            answer = session
                .validation_batch(&zeros(&[2, 1, 4, 4]), &Tensor::from_slice(&[0i64, 0]), &logits)
                .map(drop);
        }
        answer.and_then(|()| session.end_validation(&Metrics::default()).map(drop)).unwrap_err().to_string()
    };
    let report = || ClassificationReport::new(["a", "b"]);
    assert!(
        refused(report(), &[3]).contains("2 names were given")
            && refused(report(), &[3]).contains("3 columns")
    );
    assert!(refused(report().top_k(3), &[2]).contains("3 found, 1 to the number of classes (2)"));
    assert!(refused(report().curves_of(["bee"]), &[2]).contains("curves of class `bee`"));
    assert!(refused(report().thresholds(1), &[2]).contains("thresholds of a PR curve: 1 found"));
    let unnamed = ClassificationReport::new(Vec::<String>::new());
    assert!(refused(unnamed, &[2, 3]).contains("3 classes found in a batch, 2 in those before it"));
    let flat = report().pixels(|images| Ok(images.reshape([-1])));
    let wrong = Tensor::from_slice(&[1i64, 1]);
    let mut session = Session::new(&store, flat, MemorySink::default());
    assert!(
        session.validation_batch(&zeros(&[2, 1, 4, 4]), &wrong, &sure_of(&[0, 0], 2)).unwrap().is_continue()
    );
    let error = session.end_validation(&Metrics::default()).unwrap_err().to_string();
    assert!(error.contains("[N, C, H, W] expected of `ClassificationReport::pixels`"), "{error}");
}
