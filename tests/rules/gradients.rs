//! Gradients that vanish or explode.

use Severity::{Critical, Warning};
use convscope::rules::{
    ExplodingGradient, Moment, Observation, ParamObservation, ParamRole, Rule, Severity, VanishingGradient,
};

use crate::measured::{
    at, fine, grade, of_ten_classes, one, params, scaled, stats, weight, with_gradient, with_update,
};

// --- vanishing_gradient

/// A network whose layers `l0`, `l1`, ... have gradients of these RMS.
fn gradients(rms: &[f64]) -> Observation {
    params(
        100,
        rms.iter().enumerate().map(|(index, &rms)| with_gradient(&format!("l{index}"), rms)).collect(),
    )
}

#[test]
fn gradients_within_three_decades_are_fine() {
    fine(&mut VanishingGradient::default(), &gradients(&[1e-2, 3e-3, 1e-4, 2e-5, 5e-3, 2e-2]));
}

#[test]
fn a_layer_far_below_the_median_is_named() {
    let mut rule = VanishingGradient::default();
    let among = |rms: f64| gradients(&[1e-2, 1e-2, rms, 1e-2, 1e-2, 1e-2]);
    assert_eq!(grade(&mut rule, &among(4e-6)), None);
    assert_eq!(grade(&mut rule, &among(2e-6)), Some((Warning, false)));
    assert_eq!(grade(&mut rule, &among(0.9e-6)), Some((Warning, true)));
    let symptom = one(&mut rule, &among(0.9e-8));
    assert_eq!((symptom.severity, symptom.subject.as_str(), symptom.threshold), (Critical, "l2", 1e-6));
    assert!((symptom.value - 0.9e-6).abs() < 1e-12);
    assert!(
        symptom.message.contains("RMS of 9e-9 (9e-7 of the median layer's 0.01; limit 1e-6)"),
        "{}",
        symptom.message
    );
}

#[test]
fn thirty_sigmoids_are_one_critical_symptom() {
    let rms: Vec<f64> = (0..30).map(|depth| 1e-2 * 0.14f64.powi(29 - depth)).collect();
    let symptom = one(&mut VanishingGradient::default(), &gradients(&rms));
    assert_eq!((symptom.severity, symptom.subject.as_str(), symptom.raises), (Critical, "l0", true));
    // A line through exact powers: 29 factors of 0.14.
    assert!((symptom.value - 29.0 * -(0.14f64.log10())).abs() < 1e-9, "{}", symptom.value);
    assert!(
        symptom.message.contains("gradients fall by 24.8 decades from the last layer to the first"),
        "{}",
        symptom.message
    );
    assert!(symptom.message.contains("; also `l1`, `l2`"), "{}", symptom.message);
}

#[test]
fn gradients_that_underflow_to_zero_have_vanished() {
    let rms: Vec<f64> =
        (0..30).map(|depth| if depth < 10 { 0.0 } else { 1e-2 * 0.1f64.powi(29 - depth) }).collect();
    let symptom = one(&mut VanishingGradient::default(), &gradients(&rms));
    assert_eq!((symptom.severity, symptom.subject.as_str()), (Critical, "l0"));
}

#[test]
fn tiny_gradients_everywhere_count_only_while_the_loss_is_large() {
    let mut rule = VanishingGradient::default();
    let tiny = gradients(&[1e-9, 1e-9, 1e-9]);
    assert_eq!(grade(&mut rule, &tiny), Some((Critical, true)));
    fine(&mut VanishingGradient::default(), &of_ten_classes(1e-4, tiny.clone()));
    // A mean squared error is small from the start, and a likelihood negative: that is no network that fits.
    for loss in [0.005, -3.0] {
        let other = Observation { losses: vec![(100.into(), loss)], ..tiny.clone() };
        assert_eq!(grade(&mut VanishingGradient::default(), &other), Some((Critical, true)), "{loss}");
    }
    // One layer of three is no matter of life and death.
    assert_eq!(grade(&mut rule, &gradients(&[0.9e-7, 1e-3, 1e-3])), Some((Warning, true)));
    assert_eq!(grade(&mut rule, &gradients(&[2e-7, 1e-3, 1e-3])), Some((Warning, false)));
    assert_eq!(grade(&mut rule, &gradients(&[4e-7, 1e-3, 1e-3])), None);
}

#[test]
fn gradients_fall_with_depth_only_while_there_is_something_to_learn() {
    let falling = gradients(&[1e-10, 1e-8, 1e-6, 1e-4, 1e-2, 1.0]);
    assert_eq!(grade(&mut VanishingGradient::default(), &falling), Some((Critical, true)));
    // What is left are two layers far below the median.
    let fitted = one(&mut VanishingGradient::default(), &of_ten_classes(1e-3, falling));
    assert!(fitted.message.contains("of the median layer's"), "{}", fitted.message);
    // An exact 0 is twelve decades below the median, not forty-three.
    let dead = gradients(&[0.0, 1e-2, 1e-2, 1e-2, 1e-2, 1e-2]);
    assert!(one(&mut VanishingGradient::default(), &dead).value < 12.0);
}

#[test]
fn biases_frozen_weights_and_bad_gradients_say_nothing_about_vanishing() {
    let mut rule = VanishingGradient::default();
    let bias = ParamObservation {
        gradient: Some(scaled(0.0)),
        ..ParamObservation::new("l0.bias", ParamRole::Bias, scaled(0.0))
    };
    let scale = ParamObservation {
        gradient: Some(scaled(1e-12)),
        ..ParamObservation::new("bn.weight", ParamRole::Scale, scaled(1.0))
    };
    let frozen = ParamObservation { trainable: false, ..with_gradient("frozen", 0.0) };
    let nan = ParamObservation { gradient: Some(stats(&[f64::NAN, 1.0])), ..weight("nan") };
    let empty = ParamObservation { gradient: Some(stats(&[])), ..weight("empty") };
    assert_eq!(rule.examine(&params(100, vec![bias.clone(), scale.clone(), frozen.clone()])), None);
    assert_eq!(rule.examine(&params(100, vec![nan.clone(), empty.clone()])), None);
    fine(&mut rule, &params(100, vec![bias, scale, frozen, nan, empty, with_gradient("l1", 1e-3)]));
}

// --- exploding_gradient

fn norm(norm: f64) -> Observation {
    Observation { gradient_norm: Some(norm), ..at(100) }
}

#[test]
fn a_great_norm_is_critical_with_growth_alone() {
    let mut rule = ExplodingGradient::default();
    fine(&mut rule, &norm(0.99e4));
    let symptom = one(&mut rule, &norm(1.01e4));
    assert_eq!((symptom.severity, symptom.subject.as_str(), symptom.threshold), (Warning, "training", 1e4));
    // Mixed precision multiplies the loss by 65,536, and stays there.
    let mut scaled = ExplodingGradient::default();
    for step in 0..40 {
        assert_eq!(one(&mut scaled, &norm(65_536.0 * f64::from(1 + step % 3))).severity, Warning);
    }
    let grown = || {
        let mut rule = ExplodingGradient::default();
        (0..10).for_each(|_| fine(&mut rule, &norm(90.0)));
        rule
    };
    let symptom = one(&mut grown(), &norm(2e4));
    assert_eq!((symptom.severity, symptom.threshold), (Critical, 1e4));
    let clipped = Observation { clipped_gradient_norm: Some(1.0), ..norm(2e4) };
    assert_eq!(one(&mut grown(), &clipped).severity, Warning);
    // Large updates, or a loss that jumped, say so too.
    let moved = Observation { params: vec![with_update("a", 0.3)], ..norm(2e4) };
    assert_eq!(one(&mut ExplodingGradient::default(), &moved).severity, Critical);
    let jumped = Observation { losses: vec![(1.into(), 2.3), (2.into(), 60.0)], ..norm(2e4) };
    assert_eq!(one(&mut ExplodingGradient::default(), &jumped).severity, Critical);
}

#[test]
fn growth_is_measured_against_the_running_median() {
    let mut rule = ExplodingGradient::default();
    for _ in 0..4 {
        fine(&mut rule, &norm(1.0));
    }
    fine(&mut rule, &norm(150.0)); // four are too few for a median
    fine(&mut rule, &norm(1.0));
    assert_eq!(one(&mut rule, &norm(101.0)).severity, Warning);
    let symptom = one(&mut rule, &norm(1500.0));
    assert_eq!((symptom.severity, symptom.value), (Critical, 1500.0));
    assert!(symptom.message.contains("1500 times its running median 1"), "{}", symptom.message);
    // A hundred times next to nothing is one hard image in a network that fits.
    let mut fitted = ExplodingGradient::default();
    for _ in 0..10 {
        fine(&mut fitted, &norm(1e-3));
    }
    fine(&mut fitted, &norm(50.0));
}

#[test]
fn the_norm_is_put_together_where_it_was_not_measured() {
    let mut rule = ExplodingGradient::default();
    // RMS 4000 of 4 values: norm 8000 each, together 11314.
    fine(&mut rule, &params(100, vec![with_gradient("a", 4000.0)]));
    let both = params(100, vec![with_gradient("a", 4000.0), with_gradient("b", 4000.0)]);
    assert!((one(&mut rule, &both).value - 8000.0 * 2f64.sqrt()).abs() < 1e-9);
}

#[test]
fn large_updates_of_the_median_weight_three_times_in_a_row() {
    let mut rule = ExplodingGradient::default();
    let updates = |ratio: f64| {
        params(100, vec![with_update("a", ratio), with_update("b", ratio), with_update("c", 1e-3)])
    };
    for (ratio, expected) in
        [(0.2, None), (0.2, None), (0.05, None), (0.2, None), (0.2, None), (0.2, Some(Critical))]
    {
        assert_eq!(grade(&mut rule, &updates(ratio)).map(|(severity, _)| severity), expected);
    }
    // Adam's first steps: the learning rate over the deviation of the weights, 1e-3 over 1/sqrt(3 * 25088).
    let mut adam = ExplodingGradient::default();
    for step in 1..30 {
        let early = Observation { step: step.into(), ..updates(0.274 / (step as f64).sqrt()) };
        fine(&mut adam, &early);
    }
    // But a ratio that rises is no beginning.
    let mut rising = ExplodingGradient::default();
    let severities: Vec<_> = (1..=5)
        .map(|step| Observation { step: step.into(), ..updates(0.2 * step as f64) })
        .map(|early| grade(&mut rising, &early).map(|(severity, _)| severity))
        .collect();
    assert_eq!(severities, [None, None, None, Some(Critical), Some(Critical)]);
    // Between the optimiser's steps of a loop that adds gradients up nothing moves: that is no word on the steps.
    let mut parts = ExplodingGradient::default();
    let zeros = updates(0.0);
    let mut worst = None;
    for _ in 0..3 {
        worst = worst.max(grade(&mut parts, &updates(0.2)).map(|(severity, _)| severity));
        parts.examine(&Observation {
            params: vec![with_update("a", 0.0), with_update("b", 0.0)],
            ..zeros.clone()
        });
    }
    assert_eq!(worst, Some(Critical));
    // One weight alone, such as one that began at 0, is not the network.
    let mut single = ExplodingGradient::default();
    for _ in 0..5 {
        fine(
            &mut single,
            &params(100, vec![with_update("a", 2.0), with_update("b", 1e-3), with_update("c", 1e-3)]),
        );
    }
}

#[test]
fn a_loss_many_times_the_first_one_has_diverged_also_when_it_is_nan() {
    let losses = |losses: &[f64]| Observation {
        losses: losses.iter().enumerate().map(|(index, &loss)| ((index as i64 + 1).into(), loss)).collect(),
        ..at(10)
    };
    let mut rule = ExplodingGradient::default();
    fine(&mut rule, &losses(&[2.3, 40.0, 3.0]));
    // One batch may hold an outlier, and so may two.
    let symptom = one(&mut rule, &losses(&[2.3, 50.0, 3.0]));
    assert_eq!((symptom.severity, symptom.value, symptom.threshold), (Warning, 50.0, 46.0));
    fine(&mut rule, &losses(&[3.0]));
    let mut twice = ExplodingGradient::default();
    assert_eq!(one(&mut twice, &losses(&[2.3, 50.0, 3.0, 60.0])).severity, Warning);
    assert_eq!(one(&mut twice, &losses(&[50.0])).severity, Critical);
    let bad = Observation { gradient_norm: Some(f64::INFINITY), ..losses(&[2.3, 50.0]) };
    assert_eq!(one(&mut ExplodingGradient::default(), &bad).severity, Critical);
    // What wavers by ten has other bounds than what wavers by a tenth; and a loss may be negative.
    let wide: Vec<f64> = (0..40).map(|index| f64::from((index + 1) % 5) * 10.0 - 7.0).collect();
    let mut wavers = ExplodingGradient::default();
    wavers.examine(&losses(&wide));
    fine(&mut wavers, &losses(&[150.0, 150.0, 150.0]));
    fine(&mut ExplodingGradient::default(), &losses(&[-3.0, -2.0, -1.0, 0.5, -3.0]));
    let symptom = one(&mut rule, &losses(&[2.3, 9e3, 1e12, f64::NAN]));
    assert!(symptom.message.contains("rose from 2.3 to 1e12 at step 3"), "{}", symptom.message);
    assert!(symptom.message.ends_with("is NaN now"), "{}", symptom.message);
    assert_eq!(one(&mut rule, &losses(&[f64::NAN])).value, 1e12); // as long as it is
    // NaN out of the blue is not this rule's.
    fine(&mut ExplodingGradient::default(), &losses(&[2.3, 2.2, f64::NAN]));
    // Inputs of 0 to 255 begin with a great loss: no growth.
    fine(&mut ExplodingGradient::default(), &losses(&[300.0, 500.0, 80.0]));
}

#[test]
fn exploding_says_nothing_of_what_was_not_measured() {
    let mut rule = ExplodingGradient::default();
    assert_eq!(rule.examine(&Observation::default()), None);
    assert_eq!(rule.examine(&Observation { moment: Moment::Validation, ..norm(1e9) }), None);
    fine(&mut rule, &norm(f64::NAN));
    fine(&mut rule, &norm(f64::INFINITY)); // non_finite says it
}
