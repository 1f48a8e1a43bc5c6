//! Rules about labels, inputs, answers and where the time goes.

use convscope::{
    Step,
    arch::Role,
    rules::{
        BatchObservation, ChannelStats, ClassImbalance, InputNotNormalized, LabelRange, LabelStats,
        LayerObservation, Observation, ParamObservation, ParamRole, PredictionCollapse, PredictionStats,
        Rule, Severity, StalledDataLoading, Symptom, TensorStats, Timing, UnshuffledData,
    },
};

use super::{Noise, raised, worst};

/// Observed batches of 64, every tenth; `batch` fills them.
fn batches(number: i64, mut batch: impl FnMut(i64) -> BatchObservation) -> Vec<Observation> {
    let observation = |index| Observation {
        step: Step::new(10 * index),
        epoch: 1,
        batch: Some(BatchObservation { images: 64, ..batch(index) }),
        ..Observation::default()
    };
    (1..=number).map(observation).collect()
}

fn of_epoch(epoch: u64, observations: Vec<Observation>) -> Vec<Observation> {
    observations.into_iter().map(|observation| Observation { epoch, ..observation }).collect()
}

fn counted(labels: impl IntoIterator<Item = i64>) -> Vec<(i64, u64)> {
    let mut counts = std::collections::BTreeMap::new();
    for label in labels {
        *counts.entry(label).or_insert(0) += 1;
    }
    counts.into_iter().collect()
}

/// Labels drawn with these weights.
fn labelled(number: i64, classes: u64, weights: &[f64], seed: u64) -> Vec<Observation> {
    let mut random = Noise(seed);
    batches(number, |_| {
        let counts = counted((0..64).map(|_| random.label(weights)));
        BatchObservation {
            labels: Some(LabelStats { counts, classes: Some(classes) }),
            ..BatchObservation::default()
        }
    })
}

/// One class of ten with `ratio` times as many images as each of the others.
fn one_in_excess(ratio: f64) -> Vec<f64> {
    let mut weights = vec![1.0; 10];
    weights[3] = ratio;
    weights
}

#[test]
fn equal_classes_are_no_imbalance() {
    for seed in 0..30 {
        for classes in [2, 10, 100] {
            let weights = vec![1.0; classes as usize];
            let observations = labelled(60, classes, &weights, seed);
            assert_eq!(
                worst(&mut ClassImbalance::default(), &observations),
                None,
                "{classes} classes, seed {seed}"
            );
            assert_eq!(
                worst(&mut LabelRange::default(), &observations),
                None,
                "{classes} classes, seed {seed}"
            );
            assert_eq!(
                worst(&mut UnshuffledData::default(), &observations),
                None,
                "{classes} classes, seed {seed}"
            );
        }
    }
}

#[test]
fn fifty_to_one_is_found_as_soon_as_five_hundred_labels_are_there() {
    for seed in 0..10 {
        let found = raised(&mut ClassImbalance::default(), &labelled(20, 10, &one_in_excess(50.0), seed));
        assert_eq!((found[0].0, found[0].1.severity), (80, Severity::Warning), "seed {seed}");
        assert!(found[0].1.message.starts_with("class 3 has "), "{}", found[0].1.message);
    }
}

#[test]
fn the_ratio_is_ten() {
    let with_counts = |most, least| {
        batches(1, |_| BatchObservation {
            labels: Some(LabelStats { counts: vec![(0, most), (1, least)], classes: Some(2) }),
            ..BatchObservation::default()
        })
    };
    let found = |most, least| raised(&mut ClassImbalance::default(), &with_counts(most, least)).len();
    assert_eq!((found(1000, 100), found(1001, 100)), (0, 1));
    assert_eq!(found(450, 40), 0, "fewer than 500 labels");
    assert_eq!(found(460, 40), 1);
    // Between 8 and 10 an alarm is kept.
    let kept = ClassImbalance::default().examine(&with_counts(900, 100)[0]).unwrap();
    assert_eq!(kept.iter().map(|symptom| symptom.raises).collect::<Vec<_>>(), [false]);
    assert!(ClassImbalance::default().examine(&with_counts(800, 100)[0]).unwrap().is_empty());
}

/// Labels 50:1, of which the network gets `rare` and `frequent` of the images wrong.
fn imbalanced_answers(rare: f64, frequent: f64) -> Vec<Observation> {
    let mut random = Noise(8);
    batches(60, |_| {
        let labels: Vec<i64> = (0..64).map(|_| random.label(&one_in_excess(50.0))).collect();
        let mut predictions =
            PredictionStats { counts: vec![0; 10], wrong: vec![0; 10], ..PredictionStats::default() };
        for &label in &labels {
            let wrong = random.uniform() < if label == 3 { frequent } else { rare };
            predictions.wrong[label as usize] += u64::from(wrong);
            predictions.counts[if wrong { 3 } else { label as usize }] += 1;
        }
        BatchObservation {
            labels: Some(LabelStats { counts: counted(labels), classes: Some(10) }),
            predictions: Some(predictions),
            ..BatchObservation::default()
        }
    })
}

#[test]
fn giving_rare_classes_up_is_critical() {
    assert_eq!(
        worst(&mut ClassImbalance::default(), &of_epoch(2, imbalanced_answers(0.95, 0.01))),
        Some(Severity::Critical)
    );
    // Frequent classes are learned first. In a first epoch without an end it is a matter of time.
    assert_eq!(
        worst(&mut ClassImbalance::default(), &imbalanced_answers(0.95, 0.01)),
        Some(Severity::Warning)
    );
    let mut soon = ClassImbalance::default();
    soon.recent = 1000.0;
    assert_eq!(worst(&mut soon, &imbalanced_answers(0.95, 0.01)), Some(Severity::Critical));
    assert_eq!(
        worst(&mut ClassImbalance::default(), &of_epoch(2, imbalanced_answers(0.4, 0.01))),
        Some(Severity::Warning)
    );
    // Nothing is learned yet.
    assert_eq!(
        worst(&mut ClassImbalance::default(), &of_epoch(2, imbalanced_answers(0.95, 0.9))),
        Some(Severity::Warning)
    );
}

/// Answers to 64 images with the labels 0 to 9: the share `collapsed` is class 7 whatever the image.
fn answers(number: i64, collapsed: f64, weights: &[f64]) -> Vec<Observation> {
    let mut random = Noise(21);
    batches(number, |_| {
        let labels: Vec<i64> = (0..64).map(|_| random.label(weights)).collect();
        let mut counts = vec![0; 10];
        for &label in &labels {
            counts[if random.uniform() < collapsed { 7 } else { label as usize }] += 1;
        }
        BatchObservation {
            labels: Some(LabelStats { counts: counted(labels), classes: Some(10) }),
            predictions: Some(PredictionStats { counts, ..PredictionStats::default() }),
            ..BatchObservation::default()
        }
    })
}

#[test]
fn one_answer_for_everything_is_a_collapse() {
    let even = [1.0; 10];
    let found = raised(&mut PredictionCollapse::default(), &answers(30, 1.0, &even));
    assert_eq!((found[0].0, found[0].1.severity), (120, Severity::Warning), "128 images from batch 101 on");
    assert!(
        found[0].1.message.starts_with("100 % of the answers to 128 images are class 7"),
        "{}",
        found[0].1.message
    );
    assert_eq!(worst(&mut PredictionCollapse::default(), &answers(200, 0.8, &even)), None);
    assert_eq!(worst(&mut PredictionCollapse::default(), &answers(200, 0.0, &even)), None);
    // A network is like that before it has learned anything.
    assert_eq!(worst(&mut PredictionCollapse::default(), &answers(10, 1.0, &even)), None);
}

#[test]
fn one_answer_is_right_where_there_is_one_label() {
    let mut nearly_all = [0.001; 10];
    nearly_all[7] = 1.0;
    assert_eq!(worst(&mut PredictionCollapse::default(), &answers(60, 0.0, &nearly_all)), None);
    assert_eq!(worst(&mut PredictionCollapse::default(), &answers(60, 1.0, &nearly_all)), None);
}

/// Images whose channels have these means and standard deviations, with some noise of the batch.
fn images(number: i64, channels: &[(f64, f64)]) -> Vec<Observation> {
    let mut random = Noise(2);
    batches(number, |_| {
        let stats = |&(mean, std): &(f64, f64)| {
            let mean = mean + 0.02 * std * random.normal();
            ChannelStats { mean, std, min: mean - 2.0 * std, max: mean + 2.0 * std }
        };
        BatchObservation { channels: channels.iter().map(stats).collect(), ..BatchObservation::default() }
    })
}

fn input(channels: &[(f64, f64)]) -> Option<Symptom> {
    let found = raised(&mut InputNotNormalized::default(), &images(20, channels));
    found.into_iter().last().map(|(_, symptom)| symptom)
}

#[test]
fn inputs_are_judged_by_size_then_by_mean() {
    let severity = |mean, std| input(&[(mean, std)]).map(|symptom| symptom.severity);
    assert_eq!(severity(0.0, 1.0), None, "normalised");
    assert_eq!(severity(0.1, 0.9), None, "nearly");
    assert_eq!(severity(0.286, 0.353), Some(Severity::Info), "Fashion-MNIST from 0 to 1");
    assert_eq!(severity(0.485, 0.229), Some(Severity::Info), "ImageNet from 0 to 1");
    assert_eq!(severity(73.0, 90.0), Some(Severity::Critical), "Fashion-MNIST from 0 to 255");
    assert_eq!(severity(0.0, 255.0), Some(Severity::Critical), "normalised, times 255");
    assert_eq!(severity(0.0, 8.0), Some(Severity::Warning));
    assert_eq!(severity(0.0011, 0.0014), Some(Severity::Warning), "divided by 255 twice");
    assert_eq!(severity(0.1, 0.0), Some(Severity::Info), "one value everywhere");
}

#[test]
fn great_inputs_may_be_meant() {
    let severity = |change: fn(Observation) -> Observation| {
        let observations: Vec<Observation> = images(20, &[(0.0, 60.0)]).into_iter().map(change).collect();
        worst(&mut InputNotNormalized::default(), &observations)
    };
    assert_eq!(severity(|observation| observation), Some(Severity::Critical));
    let normalizes = |observation| Observation {
        layers: vec![LayerObservation::new("bn", Role::Normalization, TensorStats::default())],
        ..observation
    };
    assert_eq!(severity(normalizes), Some(Severity::Warning));
    let scale = |observation| Observation {
        params: vec![ParamObservation::new("bn.weight", ParamRole::Scale, TensorStats::default())],
        ..observation
    };
    assert_eq!(severity(scale), Some(Severity::Warning));
    let resumed = |observation: Observation| Observation {
        losses: vec![(Step::new(observation.step.get() + 5000), 0.9)],
        ..observation
    };
    assert_eq!(severity(resumed), Some(Severity::Warning));
    fn beginning_at(loss: f64, mut observation: Observation) -> Observation {
        observation.losses = vec![(observation.step, loss)];
        if let Some(batch) = &mut observation.batch {
            batch.labels = Some(LabelStats { counts: Vec::new(), classes: Some(1000) });
        }
        observation
    }
    assert_eq!(severity(|observation| beginning_at(1.1, observation)), Some(Severity::Warning), "pretrained");
    assert_eq!(severity(|observation| beginning_at(30.0, observation)), Some(Severity::Critical));
}

#[test]
fn size_is_judged_at_once_and_means_after_five_hundred_images() {
    let first =
        |channels: &[(f64, f64)]| raised(&mut InputNotNormalized::default(), &images(20, channels))[0].0;
    assert_eq!(first(&[(73.0, 90.0)]), 10);
    assert_eq!(first(&[(0.3, 0.3)]), 80, "the eighth batch of 64 makes 512");
}

#[test]
fn the_worst_channel_is_named() {
    let symptom = input(&[(0.0, 1.0), (0.4, 0.3), (0.0, 100.0)]).unwrap();
    assert_eq!((symptom.subject.as_str(), symptom.severity), ("input", Severity::Critical));
    assert!(symptom.message.starts_with("channel 2 has mean "), "{}", symptom.message);
    // A channel without a single finite value is another rule's.
    assert!(input(&[(f64::NAN, f64::NAN)]).is_none());
}

fn labels(counts: &[(i64, u64)], classes: Option<u64>) -> Vec<Symptom> {
    let observation = &batches(1, |_| BatchObservation {
        labels: Some(LabelStats { counts: counts.to_vec(), classes }),
        ..BatchObservation::default()
    })[0];
    LabelRange::default().examine(observation).unwrap_or_default()
}

#[test]
fn labels_outside_the_classes_are_critical() {
    let found = &labels(&[(0, 10), (9, 10), (10, 3)], Some(10))[0];
    assert_eq!((found.severity, found.value, found.threshold), (Severity::Critical, 10.0, 9.0));
    assert!(
        found.message.starts_with("3 images of the batch have labels outside 0 to 9"),
        "{}",
        found.message
    );
    assert!(found.advice.contains("count from 1"), "{}", found.advice);
    let negative = &labels(&[(-1, 2), (3, 5), (12, 1)], Some(10))[0];
    assert!(
        negative.message.ends_with(": -1, 12") && !negative.advice.contains("from 1"),
        "{}",
        negative.message
    );
    assert!(labels(&[(0, 10), (9, 10), (-100, 3)], Some(10)).is_empty(), "to be ignored");
    assert!(labels(&[(0, 10), (12, 10)], None).is_empty(), "nothing is known of the classes");
    let extreme = &labels(&[(i64::MIN, u64::MAX), (i64::MAX, u64::MAX)], Some(u64::MAX))[0];
    assert_eq!(extreme.severity, Severity::Critical);
}

#[test]
fn classes_that_never_occur_are_named() {
    let missing = &labels(&[(0, 100), (1, 100), (2, 300), (4, 100)], Some(5))[0];
    assert_eq!(missing.severity, Severity::Info);
    assert_eq!(missing.message, "1 of 5 classes have not occurred once in 600 labels: 3");
    assert!(labels(&[(0, 100), (1, 100), (2, 100), (4, 100)], Some(5)).is_empty(), "only 400 labels");
    let wide = &labels(&[(0, 15_000), (1, 15_000)], Some(1000))[0];
    assert_eq!(wide.severity, Severity::Warning);
    assert!(wide.message.ends_with("2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ... (998 in all)"), "{}", wide.message);
    assert!(labels(&[(0, 300), (1, 300)], Some(1000)).is_empty(), "less than one label for each class");
}

#[test]
fn sorted_images_are_found() {
    // Batch after batch, every class has its turn.
    let sorted = batches(60, |index| BatchObservation {
        labels: Some(LabelStats { counts: vec![(index / 6, 64)], classes: Some(10) }),
        ..BatchObservation::default()
    });
    let found = raised(&mut UnshuffledData::default(), &sorted);
    assert!(found[0].0 <= 150, "{:?}", found[0]);
    let last = &found.last().unwrap().1;
    assert!(last.message.starts_with("batches have 1 different labels on average"), "{}", last.message);
    // One class alone is nothing to shuffle.
    let alone = batches(60, |_| BatchObservation {
        labels: Some(LabelStats { counts: vec![(3, 64)], classes: Some(10) }),
        ..BatchObservation::default()
    });
    assert_eq!(worst(&mut UnshuffledData::default(), &alone), None);
    // Rare classes are not in every batch.
    for seed in 0..10 {
        assert_eq!(
            worst(&mut UnshuffledData::default(), &labelled(60, 10, &one_in_excess(500.0), seed)),
            None
        );
    }
}

fn times(number: i64, data: f64, training: f64) -> Vec<Observation> {
    let timing = Some(Timing { data, training, diagnostics: 100.0 });
    (1..=number)
        .map(|index| Observation { step: Step::new(index), timing, ..Observation::default() })
        .collect()
}

#[test]
fn waiting_for_data_is_judged_by_its_share() {
    let found = |data, training| worst(&mut StalledDataLoading::default(), &times(50, data, training));
    assert_eq!(found(0.6, 0.4), Some(Severity::Warning));
    assert_eq!(found(0.5, 0.51), None);
    assert_eq!(found(0.01, 0.5), None);
    assert_eq!(found(f64::NAN, 0.5), None);
    // Too short to tell, but it adds up: after the first, 20 of 0.1 seconds.
    let short = raised(&mut StalledDataLoading::default(), &times(50, 0.09, 0.01));
    assert!((21..=22).contains(&short[0].0), "{}", short[0].0);
    // The first batch may take long.
    let mut slow_start = times(50, 0.01, 0.5);
    slow_start[0].timing = Some(Timing { data: 600.0, training: 1.0, diagnostics: 0.0 });
    assert_eq!(worst(&mut StalledDataLoading::default(), &slow_start), None);
    // Between both thresholds an alarm is kept.
    let mut rule = StalledDataLoading::default();
    let kept: Vec<bool> = times(9, 0.9, 1.1)
        .iter()
        .filter_map(|o| rule.examine(o))
        .flatten()
        .map(|symptom| symptom.raises)
        .collect();
    assert_eq!(kept, [false; 8]);
}

#[test]
fn what_was_not_measured_is_not_judged() {
    let rules: Vec<Box<dyn Rule>> = vec![
        Box::new(ClassImbalance::default()),
        Box::new(InputNotNormalized::default()),
        Box::new(LabelRange::default()),
        Box::new(PredictionCollapse::default()),
        Box::new(StalledDataLoading::default()),
        Box::new(UnshuffledData::default()),
    ];
    let empty = batches(200, |_| BatchObservation::default());
    for mut rule in rules {
        assert!(rule.examine(&Observation::default()).is_none(), "{}", rule.name());
        assert!(empty.iter().all(|observation| rule.examine(observation).is_none()), "{}", rule.name());
    }
}
