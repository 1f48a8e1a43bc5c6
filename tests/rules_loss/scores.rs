//! Rules about scores on training and validation images.

use convscope::{
    Step,
    rules::{
        BatchObservation, LabelStats, Moment, NoGeneralization, Observation, Overfitting, Overtraining, Rule,
        Score, Severity,
    },
};

use super::{raised, worst};

/// Loss and accuracy in training and validation.
type Epoch = ((f64, f64), (f64, f64));

fn score((loss, accuracy): (f64, f64)) -> Option<Score> {
    Some(Score { loss: Some(loss), accuracy: Some(accuracy), images: None })
}

/// What a training with labels of ten classes shows: a batch with labels first, then for every epoch its validation and
/// its end.
fn training(epochs: &[Epoch]) -> Vec<Observation> {
    let counts = (0..10).map(|label| (label, 6)).collect();
    let labels = Some(LabelStats { counts, classes: Some(10) });
    let batch = BatchObservation { images: 60, labels, ..BatchObservation::default() };
    let mut all = vec![Observation { step: Step::new(1), batch: Some(batch), ..Observation::default() }];
    for (number, &(train, validation)) in (1u64..).zip(epochs) {
        let at = Observation {
            step: Step::from(94 * number),
            epoch: number,
            batches_per_epoch: Some(94),
            validation: score(validation),
            ..Observation::default()
        };
        all.push(Observation { moment: Moment::Validation, ..at.clone() });
        all.push(Observation { moment: Moment::Epoch, training: score(train), ..at });
    }
    all
}

/// As recorded: the default CNN with Adam on the bundled images.
const HEALTHY: &[Epoch] = &[
    ((1.0557, 0.6258), (0.5891, 0.7780)),
    ((0.6336, 0.7687), (0.5016, 0.8090)),
    ((0.5354, 0.8078), (0.4717, 0.8360)),
    ((0.4803, 0.8242), (0.4190, 0.8490)),
    ((0.4408, 0.8438), (0.3986, 0.8620)),
    ((0.4093, 0.8487), (0.4112, 0.8540)),
    ((0.3765, 0.8607), (0.3682, 0.8900)),
    ((0.3760, 0.8678), (0.3506, 0.8880)),
    ((0.3387, 0.8785), (0.3731, 0.8710)),
    ((0.3331, 0.8817), (0.3560, 0.8880)),
];

#[test]
fn a_healthy_training_raises_nothing_above_info() {
    let rules: Vec<Box<dyn Rule>> = vec![
        Box::new(Overfitting::default()),
        Box::new(Overtraining::default()),
        Box::new(NoGeneralization::default()),
    ];
    for mut rule in rules {
        assert!(worst(rule.as_mut(), &training(HEALTHY)) <= Some(Severity::Info), "{}", rule.name());
    }
}

#[test]
fn a_gap_alone_is_not_overfitting() {
    // The gap is 1.5, fifteen times what AWS's rule asks for; validation still gets better.
    let epochs: Vec<Epoch> =
        (1..=10).map(|epoch| 2.0 / f64::from(epoch)).map(|loss| ((0.4 * loss, 0.95), (loss, 0.88))).collect();
    assert_eq!(worst(&mut Overfitting::default(), &training(&epochs)), None);
}

#[test]
fn a_validation_loss_that_rises_is_overfitting() {
    let rising_to = |end: f64| {
        let start: Epoch = ((0.9, 0.7), (0.5, 0.8));
        let epochs =
            [start, ((0.4, 0.85), (0.4, 0.86)), ((0.2, 0.93), (end, 0.86)), ((0.1, 0.97), (end, 0.86))];
        raised(&mut Overfitting::default(), &training(&epochs))
    };
    assert!(rising_to(0.41).is_empty(), "2.5 % above the lowest");
    assert_eq!(rising_to(0.43)[0].1.severity, Severity::Info, "7.5 %");
    let found = rising_to(0.5);
    assert_eq!((found[0].0, found[0].1.severity), (3 * 94, Severity::Warning), "25 %");
    assert_eq!(
        found[0].1.message,
        "the validation loss has risen from 0.4 to 0.5, while the training loss is 0.2"
    );
    // The same without a gap: training and validation rise together.
    let both = [((0.9, 0.7), (0.5, 0.8)), ((0.4, 0.86), (0.4, 0.86)), ((0.5, 0.84), (0.5, 0.84))];
    assert_eq!(worst(&mut Overfitting::default(), &training(&both)), None);
}

#[test]
fn ten_images_learned_by_heart_are_critical() {
    let epochs: Vec<Epoch> = (0..40)
        .map(|epoch| {
            let learned = 1.0 - (-f64::from(epoch) / 8.0).exp();
            (
                (2.3 * (1.0 - learned) + 0.001, 0.1 + 0.9 * learned),
                (2.3 + 0.5 * learned, 0.1 + 0.25 * learned),
            )
        })
        .collect();
    let found = raised(&mut Overfitting::default(), &training(&epochs));
    assert_eq!(found.last().unwrap().1.severity, Severity::Critical);
    assert!(found.last().unwrap().1.message.starts_with("the training accuracy is 0.9"));
}

#[test]
fn accuracies_on_both_sides_of_the_thresholds() {
    let gap = |gap: f64| {
        let epoch: Epoch = ((0.1, 0.9), (0.5, 0.9 - gap));
        worst(&mut Overfitting::default(), &training(&[epoch, epoch]))
    };
    assert_eq!(gap(0.19), None);
    assert_eq!(gap(0.21), Some(Severity::Warning));
    assert_eq!(gap(0.29), Some(Severity::Warning));
    assert_eq!(gap(0.31), Some(Severity::Critical));
    // Between 0.8 of the threshold and the threshold an alarm is kept.
    let epoch: Epoch = ((0.1, 0.9), (0.5, 0.72));
    let last = training(&[epoch, epoch]).iter().filter_map(|o| Overfitting::default().examine(o)).count();
    assert_eq!(last, 0, "the first epoch is not judged");
    let mut rule = Overfitting::default();
    let kept: Vec<bool> = training(&[epoch, epoch])
        .iter()
        .filter_map(|observation| rule.examine(observation))
        .flatten()
        .map(|symptom| symptom.raises)
        .collect();
    assert_eq!(kept, [false]);
}

#[test]
fn losses_of_zero_and_below_have_no_gap() {
    let epoch = |loss: f64, validation: f64| ((loss, 0.9), (validation, 0.88));
    let falling = [epoch(-1.0, -0.9), epoch(-2.0, -1.5), epoch(-3.0, -1.0), epoch(0.0, 0.0), epoch(0.0, 5.0)];
    assert_eq!(worst(&mut Overfitting::default(), &training(&falling)), None);
    let nan = [epoch(f64::NAN, f64::NAN), epoch(f64::NAN, 0.4), epoch(f64::INFINITY, f64::NAN)];
    assert_eq!(worst(&mut Overfitting::default(), &training(&nan)), None);
}

#[test]
fn shuffled_labels_are_found() {
    // Learned by heart: accuracy from 0.1 to 0.9 in training, a tenth in validation, and its loss rises.
    let epochs: Vec<Epoch> = (1..=12)
        .map(|epoch| {
            let learned = f64::from(epoch) / 12.0;
            ((2.3 - 1.8 * learned, 0.1 + 0.8 * learned), (2.3 + learned, 0.1))
        })
        .collect();
    let found = raised(&mut NoGeneralization::default(), &training(&epochs));
    assert_eq!((found[0].0, found[0].1.severity), (2 * 94, Severity::Warning));
    assert_eq!(found.last().unwrap().1.severity, Severity::Critical);
    assert!(
        found[0].1.message.contains("0.1, what guessing among 10 classes gives (0.1)"),
        "{}",
        found[0].1.message
    );
    // It is not called overfitting as well.
    assert_eq!(worst(&mut Overfitting::default(), &training(&epochs)), None);
}

#[test]
fn chance_on_both_sides() {
    let at = |train: f64, validation: f64| {
        let epoch: Epoch = ((1.0, train), (2.3, validation));
        worst(&mut NoGeneralization::default(), &training(&[epoch, epoch]))
    };
    assert_eq!(at(0.9, 0.15), None, "a skill of 0.056");
    assert_eq!(at(0.9, 0.14), Some(Severity::Critical), "a skill of 0.044");
    assert_eq!(at(0.29, 0.1), Some(Severity::Critical), "a skill of 0.21");
    assert_eq!(at(0.27, 0.1), Some(Severity::Warning));
    assert_eq!(at(0.13, 0.1), Some(Severity::Warning));
    assert_eq!(at(0.11, 0.1), None, "chance: 5,640 guesses have a standard error of 0.004");
}

#[test]
fn answering_with_the_most_frequent_class_is_no_skill() {
    let epoch: Epoch = ((0.5, 0.85), (3.0, 0.1));
    let mut observations = training(&[epoch, epoch, epoch]);
    let counts = vec![(0, 90), (1, 2), (2, 2), (3, 6)];
    observations[0].batch.as_mut().unwrap().labels = Some(LabelStats { counts, classes: Some(10) });
    assert_eq!(worst(&mut NoGeneralization::default(), &observations), None);
}

#[test]
fn nothing_is_said_where_classes_or_scores_are_not_known() {
    let epoch: Epoch = ((1.0, 0.9), (2.3, 0.1));
    let mut observations = training(&[epoch, epoch, epoch]);
    observations[0].batch = None;
    let mut rule = NoGeneralization::default();
    assert!(observations.iter().all(|observation| rule.examine(observation).is_none()));
    for observation in &mut observations {
        observation.training = Some(Score::default());
        observation.validation = Some(Score::default());
    }
    let (mut overfitting, mut overtraining) = (Overfitting::default(), Overtraining::default());
    assert!(observations.iter().all(|observation| overfitting.examine(observation).is_none()));
    assert!(observations.iter().all(|observation| overtraining.examine(observation).is_none()));
}

#[test]
fn overtraining_counts_passes_and_not_the_ends_of_epochs() {
    let mut epochs: Vec<Epoch> = vec![((0.5, 0.8), (0.4, 0.85))];
    epochs.extend([((0.3, 0.9), (0.399, 0.85)); 10]);
    let found = raised(&mut Overtraining::default(), &training(&epochs));
    assert_eq!(found[0].0, 11 * 94, "the tenth pass after the best");
    assert!(found[0].1.message.contains("0.4 at batch 94"), "{}", found[0].1.message);
    // Small steps that add up to more than one per cent are an improvement.
    let creeping: Vec<Epoch> =
        (0..40).map(|epoch| ((0.3, 0.9), (0.4 * 0.998f64.powi(epoch), 0.85))).collect();
    assert_eq!(worst(&mut Overtraining::default(), &training(&creeping)), None);
    // NaN is no improvement.
    epochs.truncate(1);
    epochs.extend([((0.3, 0.9), (f64::NAN, 0.85)); 10]);
    assert_eq!(worst(&mut Overtraining::default(), &training(&epochs)), Some(Severity::Warning));
}

/// The same with this number of validation images.
fn over(images: u64, mut observations: Vec<Observation>) -> Vec<Observation> {
    for validation in observations.iter_mut().filter_map(|observation| observation.validation.as_mut()) {
        validation.images = Some(images);
    }
    observations
}

#[test]
fn a_few_validation_images_tell_little() {
    // 0.95 in training, 0.5 in validation.
    let epochs: Vec<Epoch> = vec![((0.2, 0.95), (1.0, 0.5)); 6];
    let severity = |images| worst(&mut Overfitting::default(), &over(images, training(&epochs)));
    assert_eq!(severity(10_000), Some(Severity::Critical));
    assert_eq!(severity(40), Some(Severity::Warning), "0.45 less two errors of 0.079");
    assert_eq!(severity(10), None, "0.45 less two errors of 0.14");
    // One of ten images right is what guessing gives, and what a fair network may have on ten.
    let epochs: Vec<Epoch> = vec![((0.2, 0.95), (3.0, 0.1)); 6];
    let severity = |images| worst(&mut NoGeneralization::default(), &over(images, training(&epochs)));
    assert_eq!((severity(10), severity(44)), (None, None));
    assert_eq!((severity(45), severity(1000)), (Some(Severity::Critical), Some(Severity::Critical)));
}
