//! Rules about the losses of batches.

use convscope::{
    Step,
    rules::{
        Examiner, LossDivergence, LossNotDecreasing, LossPlateau, LossSpike, Observation, Rule, RuleSet,
        Severity,
    },
};

use super::{observations, raised, recorded, series, worst};

const HEALTHY: &[&str] = &["adam_1e-3", "sgd_1e-2", "sgd_1e-3", "adam_1e-3_batch_8", "lenet5_sgd_1e-2"];

fn rules() -> Vec<Box<dyn Rule>> {
    vec![
        Box::new(LossNotDecreasing::default()),
        Box::new(LossDivergence::default()),
        Box::new(LossSpike::default()),
        Box::new(LossPlateau::default()),
    ]
}

#[test]
fn healthy_trainings_raise_nothing() {
    for name in HEALTHY {
        for classes in [Some(10), None] {
            for rule in &mut rules() {
                let found = raised(rule.as_mut(), &observations(1, &recorded(name), classes));
                assert!(found.is_empty(), "{name}, {classes:?}: {}: {:?}", rule.name(), found[0]);
            }
        }
    }
}

/// The findings at the end of a recorded training, by all rules.
fn findings(name: &str) -> Vec<(String, Severity, i64)> {
    let mut examiner = Examiner::new(RuleSet::standard());
    for observation in observations(1, &recorded(name), Some(10)) {
        examiner.examine(&observation);
    }
    let finding =
        |finding: &convscope::rules::Finding| (finding.rule.clone(), finding.severity, finding.since.get());
    examiner.findings().into_iter().map(finding).collect()
}

#[test]
fn all_rules_together_find_what_is_wrong_with_recorded_trainings() {
    for name in HEALTHY {
        assert_eq!(findings(name), [], "{name}");
    }
    for name in ["adam_1e-6", "sgd_1e-5"] {
        let [(rule, severity, since)] = findings(name).try_into().unwrap();
        assert_eq!((rule.as_str(), severity), ("loss_not_decreasing", Severity::Warning), "{name}");
        assert!(since <= 150, "{name}: {since}");
    }
    assert!(findings("sgd_1").iter().any(|(rule, ..)| rule == "loss_not_decreasing"));
    // From 2.5 to 67 with the first step, and back to guessing within the first ten.
    assert!(findings("adam_1e-1").iter().all(|(_, severity, _)| *severity <= Severity::Warning));
}

#[test]
fn healthy_series_raise_nothing_whatever_the_noise() {
    // Slow and fast, quiet and noisy, ending high and at zero; noise of 0.3 is that of batches of two or three images.
    for seed in 0..6 {
        for tau in [15.0, 60.0, 250.0] {
            for noise in [0.02, 0.1, 0.3] {
                for end in [0.0, 0.2, 0.8] {
                    let losses = series(1500, noise, seed, |batch| end + (2.3 - end) * (-batch / tau).exp());
                    for rule in &mut rules() {
                        let found = worst(rule.as_mut(), &observations(1, &losses, Some(10)));
                        let what =
                            format!("{}: seed {seed}, tau {tau}, noise {noise}, end {end}", rule.name());
                        assert!(found <= Some(Severity::Info), "{what}: {found:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_tiny_learning_rate_is_found_in_recorded_trainings() {
    for name in ["adam_1e-6", "sgd_1e-5"] {
        let found = raised(&mut LossNotDecreasing::default(), &observations(1, &recorded(name), Some(10)));
        assert!(found.len() > 5, "{name}: {} times", found.len());
        assert!(found[0].0 <= 120, "{name}: first at {}", found[0].0);
        assert_eq!(found[0].1.severity, Severity::Warning);
    }
}

#[test]
fn a_loss_that_stays_where_it_began_is_found() {
    for seed in 0..6 {
        for noise in [0.0, 0.01, 0.05] {
            let losses = series(400, noise, seed, |_| 2.3);
            for classes in [Some(10), None] {
                let found = raised(&mut LossNotDecreasing::default(), &observations(1, &losses, classes));
                assert!(!found.is_empty(), "seed {seed}, noise {noise}, {classes:?}");
            }
        }
    }
}

#[test]
fn the_fall_that_is_asked_for_is_a_tenth_of_a_per_cent_in_ten_batches() {
    // Without noise both sides of the threshold can be met.
    let falling = |per_ten: f64| series(300, 0.0, 0, |batch| 2.0 * (1.0 - per_ten * batch / 10.0));
    let found = |per_ten| worst(&mut LossNotDecreasing::default(), &observations(1, &falling(per_ten), None));
    assert_eq!(found(0.0009), Some(Severity::Warning));
    assert_eq!(found(0.0011), None);

    let mut strict = LossNotDecreasing::default();
    strict.fall = 0.01;
    assert_eq!(worst(&mut strict, &observations(1, &falling(0.005), None)), Some(Severity::Warning));
}

#[test]
fn between_both_thresholds_an_alarm_is_kept_but_not_raised() {
    let losses = series(300, 0.0, 0, |batch| 2.0 * (1.0 - 0.0012 * batch / 10.0));
    let mut rule = LossNotDecreasing::default();
    // What the loss falls from one window to the next is enough: look before there are two windows.
    let mut kept = 0;
    for observation in observations(1, &losses[..120], None) {
        for symptom in rule.examine(&observation).unwrap_or_default() {
            assert!(!symptom.raises);
            kept += 1;
        }
    }
    assert_eq!(kept, 0, "falling as asked for is no symptom at all");
    let flat_then = series(300, 0.0, 0, |batch| if batch < 40.0 { 2.0 - 0.0006 * batch } else { 1.976 });
    let symptoms: Vec<bool> = observations(1, &flat_then[..140], None)
        .iter()
        .filter_map(|observation| rule_of(&mut LossNotDecreasing::default(), &flat_then, observation))
        .collect();
    assert!(symptoms.contains(&false), "{symptoms:?}");
}

/// What a fresh rule says of the last of all observations up to this one.
fn rule_of(rule: &mut LossNotDecreasing, losses: &[f64], until: &Observation) -> Option<bool> {
    let upto = usize::try_from(until.step.get()).unwrap();
    let all = observations(1, &losses[..upto], None);
    let mut last = None;
    for observation in &all {
        last = rule.examine(observation);
    }
    last?.first().map(|symptom| symptom.raises)
}

#[test]
fn coming_down_to_guessing_is_not_learning() {
    // A bad beginning: logits of the size 3. In 60 batches down to ln 10, and there it stays.
    let losses = series(400, 0.02, 1, |batch| 2.303 + 2.0 * (-batch / 20.0).exp());
    let found = raised(&mut LossNotDecreasing::default(), &observations(1, &losses, Some(10)));
    assert!(found.len() > 10);
    assert!(
        found[0].1.message.contains("guessing among 10 classes costs ln 10 = 2.3026"),
        "{}",
        found[0].1.message
    );
    // Without the classes it looks like learning.
    assert_eq!(worst(&mut LossNotDecreasing::default(), &observations(1, &losses, None)), None);
    // A sum over the batch is not compared with ln 10.
    let sums = series(400, 0.02, 1, |batch| 64.0 * (0.5 + 1.8 * (-batch / 20.0).exp()));
    assert_eq!(worst(&mut LossNotDecreasing::default(), &observations(1, &sums, Some(10))), None);
}

#[test]
fn a_loss_that_is_on_its_way_down_from_far_above_is_left_alone() {
    let losses = series(200, 0.02, 1, |batch| 8.0 - 0.02 * batch);
    assert_eq!(worst(&mut LossNotDecreasing::default(), &observations(1, &losses, Some(10))), None);
}

#[test]
fn resumed_and_pretrained_trainings_are_left_alone() {
    let flat = series(500, 0.1, 3, |_| 0.3);
    assert_eq!(
        worst(&mut LossNotDecreasing::default(), &observations(941, &flat, Some(10))),
        None,
        "resumed"
    );
    assert_eq!(
        worst(&mut LossNotDecreasing::default(), &observations(1, &flat, Some(10))),
        None,
        "pretrained"
    );
}

#[test]
fn losses_below_zero_have_to_fall_by_more_than_their_noise() {
    let flat: Vec<f64> = series(400, 0.02, 5, |_| 1.0).iter().map(|x| x - 2.0).collect();
    assert_eq!(
        worst(&mut LossNotDecreasing::default(), &observations(1, &flat, None)),
        Some(Severity::Warning)
    );
    let falling: Vec<f64> =
        series(400, 0.02, 5, |_| 1.0).iter().enumerate().map(|(i, x)| x - 2.0 - 0.01 * i as f64).collect();
    assert_eq!(worst(&mut LossNotDecreasing::default(), &observations(1, &falling, None)), None);
    assert_eq!(worst(&mut LossDivergence::default(), &observations(1, &falling, None)), None);
    assert_eq!(worst(&mut LossDivergence::default(), &observations(1, &flat, None)), None);
}

#[test]
fn nothing_is_said_while_the_learning_rate_is_raised() {
    let flat = observations(1, &series(300, 0.01, 2, |_| 2.3), None);
    let warm_up = |rate: fn(f64) -> f64| -> Vec<Observation> {
        let with_rate = |observation: &Observation| Observation {
            learning_rate: Some(rate(observation.step.get() as f64)),
            ..observation.clone()
        };
        flat.iter().map(with_rate).collect()
    };
    assert_eq!(worst(&mut LossNotDecreasing::default(), &warm_up(|step| 1e-6 * step)), None);
    let zero = raised(&mut LossNotDecreasing::default(), &warm_up(|_| 0.0));
    assert!(zero[0].1.advice.starts_with("The learning rate is 0"));
}

#[test]
fn a_learning_rate_a_hundred_times_too_large_is_found_by_what_the_loss_does() {
    let found = raised(&mut LossNotDecreasing::default(), &observations(1, &recorded("sgd_1"), Some(10)));
    assert!(found.len() > 10 && found[0].0 <= 150);
    // A loss that goes up.
    let rising = series(120, 0.05, 2, |batch| 2.3 * (batch / 60.0).exp());
    for classes in [Some(10), None] {
        let found = raised(&mut LossDivergence::default(), &observations(1, &rising, classes));
        assert!(found[0].0 <= 60 && found[0].1.value > found[0].1.threshold, "{:?}", found[0]);
    }
}

#[test]
fn what_was_learned_can_be_lost() {
    let lost =
        series(600, 0.05, 4, |batch| if batch < 300.0 { 0.3 + 2.0 * (-batch / 30.0).exp() } else { 2.3 });
    for classes in [Some(10), None] {
        let found = raised(&mut LossDivergence::default(), &observations(1, &lost, classes));
        assert!((310..=340).contains(&found[0].0), "{:?}", found[0]);
        assert!(found[0].1.message.contains("of the way back up"), "{}", found[0].1.message);
    }
    // A quarter of it is not half of it.
    let some =
        series(600, 0.05, 4, |batch| if batch < 300.0 { 0.3 + 2.0 * (-batch / 30.0).exp() } else { 0.8 });
    assert_eq!(worst(&mut LossDivergence::default(), &observations(1, &some, Some(10))), None);
}

#[test]
fn far_above_guessing_is_found_in_resumed_trainings_too() {
    let high = series(200, 0.1, 7, |_| 4.0);
    let found = raised(&mut LossDivergence::default(), &observations(5000, &high, Some(10)));
    assert!(found[0].1.message.contains("ln 10"), "{:?}", found[0]);
    assert_eq!(worst(&mut LossDivergence::default(), &observations(5000, &high, None)), None);
    let fine = series(200, 0.1, 7, |_| 3.0);
    assert_eq!(worst(&mut LossDivergence::default(), &observations(5000, &fine, Some(10))), None);
}

#[test]
fn one_high_batch_is_a_spike() {
    let mut losses = series(500, 0.1, 11, |batch| 0.3 + 2.0 * (-batch / 40.0).exp());
    losses[322] = 1.5;
    let found = raised(&mut LossSpike::default(), &observations(1, &losses, Some(10)));
    let [(step, spike)] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((*step, spike.severity, spike.value), (330, Severity::Info, 1.5));
    assert!(spike.message.contains("batch 323"), "{}", spike.message);

    losses[322] = 7.0; // above where the training began
    assert_eq!(
        worst(&mut LossSpike::default(), &observations(1, &losses, Some(10))),
        Some(Severity::Warning)
    );

    losses[322] = 0.45; // 5 standard deviations above the others
    let calm = worst(&mut LossSpike::default(), &observations(1, &losses, Some(10)));
    assert_eq!(calm, None);
}

#[test]
fn spikes_that_come_again_are_a_warning() {
    let mut losses = series(900, 0.1, 12, |batch| 0.3 + 2.0 * (-batch / 40.0).exp());
    for batch in [300, 400] {
        losses[batch] = 2.0;
    }
    assert_eq!(worst(&mut LossSpike::default(), &observations(1, &losses, None)), Some(Severity::Info));
    losses[500] = 2.0;
    let found = raised(&mut LossSpike::default(), &observations(1, &losses, None));
    assert_eq!(found.last().map(|(step, spike)| (*step, spike.severity)), Some((510, Severity::Warning)));
    // After `memory` batches the first is forgotten.
    let mut forgetful = LossSpike::default();
    forgetful.memory = 150;
    assert_eq!(worst(&mut forgetful, &observations(1, &losses, None)), Some(Severity::Info));
}

#[test]
fn a_heavy_tail_is_no_row_of_spikes() {
    // Batches of one image near the end: most cost nothing, one in twenty is a mistake.
    let mut random = super::Noise(3);
    let losses: Vec<f64> = (0..2000)
        .map(|_| if random.uniform() < 0.05 { 3.0 * random.uniform() } else { 0.01 * random.uniform() })
        .collect();
    let found = raised(&mut LossSpike::default(), &observations(1, &losses, Some(10)));
    assert!(found.len() < 20, "{} of 100 mistakes", found.len());
}

#[test]
fn losses_that_are_no_numbers_change_nothing() {
    let mut losses = recorded("adam_1e-3");
    for batch in (5..losses.len()).step_by(7) {
        losses[batch] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY][batch % 3];
    }
    for rule in &mut rules() {
        assert!(raised(rule.as_mut(), &observations(1, &losses, Some(10))).is_empty(), "{}", rule.name());
        let nan = observations(1, &[f64::NAN; 500], Some(10));
        assert!(nan.iter().all(|observation| rule.examine(observation).is_none_or(|found| found.is_empty())));
        assert!(rule.examine(&Observation::default()).is_none(), "{}: nothing was measured", rule.name());
    }
}

#[test]
fn a_plateau_is_for_information_and_a_high_one_a_warning() {
    let end_at = |end: f64| series(3000, 0.05, 6, |batch| end + (2.3 - end) * (-batch / 60.0).exp());
    let found = |end, classes| raised(&mut LossPlateau::default(), &observations(1, &end_at(end), classes));
    let low = found(0.3, Some(10));
    assert_eq!(low[0].1.severity, Severity::Info);
    assert!((1100..=1700).contains(&low[0].0), "{}", low[0].0);
    assert_eq!(found(1.5, None)[0].1.severity, Severity::Warning);
    assert!(found(0.001, None).is_empty(), "nothing is left to fall");
    assert!(found(2.3, None).is_empty(), "it never fell: another rule");
    // Still falling by one and a half per cent in a hundred batches.
    let falling = series(3000, 0.05, 6, |batch| 2.3 * 0.985f64.powf(batch / 100.0));
    assert!(raised(&mut LossPlateau::default(), &observations(1, &falling, None)).is_empty());
}

#[test]
fn a_plateau_is_counted_in_epochs_where_they_are_longer() {
    let losses = series(3000, 0.05, 6, |batch| 0.5 + 1.8 * (-batch / 60.0).exp());
    let with_epochs = |batches: u64| -> Vec<Observation> {
        let epochs =
            |observation: Observation| Observation { batches_per_epoch: Some(batches), ..observation };
        observations(1, &losses, None).into_iter().map(epochs).collect()
    };
    assert!(raised(&mut LossPlateau::default(), &with_epochs(300)).is_empty(), "only ten epochs");
    assert!(
        !raised(&mut LossPlateau::default(), &with_epochs(10)).is_empty(),
        "short epochs: stretches of 100"
    );
}

#[test]
fn steps_that_were_seen_do_not_count_again() {
    let mut rule = LossNotDecreasing::default();
    let once =
        Observation { step: Step::new(1), losses: vec![(Step::new(1), 2.3)], ..Observation::default() };
    for _ in 0..500 {
        assert_ne!(rule.examine(&once).map(|found| found.len()), Some(1));
    }
}

#[test]
fn trained_weights_that_get_a_little_worse_have_not_diverged() {
    // First losses of 0.1 among ten classes: a tenth of what guessing costs, and less.
    for start in [0.1, 0.4, 0.7] {
        let losses = series(400, 0.05, 5, |batch| start * (1.0 + 0.001 * batch));
        let found = observations(1, &losses, Some(10));
        assert_eq!(worst(&mut LossNotDecreasing::default(), &found), None, "{start}");
        assert_eq!(worst(&mut LossDivergence::default(), &found), None, "{start}");
        // Without the classes nobody knows that this is little.
        assert!(
            worst(&mut LossNotDecreasing::default(), &observations(1, &losses, None)).is_some(),
            "{start}"
        );
    }
    // Back to guessing is another matter.
    let spoiled = series(400, 0.05, 5, |batch| if batch < 100.0 { 0.1 } else { 2.3 });
    assert!(worst(&mut LossDivergence::default(), &observations(1, &spoiled, Some(10))).is_some());
}

#[test]
fn a_training_that_begins_far_above_guessing_and_falls_has_not_diverged() {
    // ln 10 = 2.3; from 8 it takes 200 batches to 3.45.
    let losses = series(400, 0.05, 6, |batch| 8.0 * (-batch / 240.0).exp());
    assert_eq!(worst(&mut LossDivergence::default(), &observations(1, &losses, Some(10))), None);
    let resumed = observations(5000, &losses, Some(10));
    assert_eq!(worst(&mut LossDivergence::default(), &resumed), None);
    // Up from there is up.
    let rising = series(400, 0.05, 6, |batch| 3.0 + 0.03 * batch);
    assert!(worst(&mut LossDivergence::default(), &observations(5000, &rising, Some(10))).is_some());
}
