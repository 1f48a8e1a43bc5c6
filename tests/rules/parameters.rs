//! Updates, unchanged parameters, and how a training begins.

use Severity::{Critical, Info, Warning};
use convscope::{
    arch::Role,
    rules::{
        BatchObservation, Examiner, LayerObservation, Observation, ParamObservation, ParamRole,
        PoorInitialization, PredictionStats, Rule, RuleSet, Severity, UnchangedParameter, UpdateRatio,
    },
};

use crate::measured::{
    at, fine, grade, layer, of_ten_classes, one, params, scaled, stats, weight, with_gradient, with_update,
};

// --- update_ratio

fn updates(ratio: f64) -> Observation {
    params(300, vec![with_update("a", ratio), with_update("b", ratio), with_update("c", ratio)])
}

#[test]
fn the_median_update_has_three_bands() {
    for (ratio, expected) in [
        (1e-9, Some((Critical, true))),
        (1.5e-8, Some((Warning, true))),
        (0.9e-6, Some((Warning, true))),
        (1.5e-6, Some((Info, true))),
        (0.9e-4, Some((Info, true))),
        (1.5e-4, Some((Info, false))),
        (1e-3, None),
        (0.6e-2, Some((Info, false))),
        (1.1e-2, Some((Info, true))),
        (0.2, Some((Warning, true))),
        (11.0, Some((Critical, true))),
    ] {
        let symptoms = UpdateRatio::default().examine(&updates(ratio)).unwrap();
        let overall = symptoms.iter().find(|symptom| symptom.subject == "training");
        assert_eq!(overall.map(|symptom| (symptom.severity, symptom.raises)), expected, "{ratio}");
    }
}

#[test]
fn at_first_weights_may_move_fast() {
    let early = |ratio| Observation { step: 199.into(), ..updates(ratio) };
    fine(&mut UpdateRatio::default(), &early(0.03));
    let symptoms = UpdateRatio::default().examine(&early(0.2)).unwrap();
    assert_eq!(symptoms.last().map(|symptom| symptom.severity), Some(Warning));
}

#[test]
fn what_to_do_about_updates_has_the_right_direction() {
    let advice = |ratio| one(&mut UpdateRatio::default(), &updates(ratio)).advice;
    assert!(advice(1e-9).starts_with("Raise") && advice(1e-5).starts_with("Raise"));
    assert!(advice(0.05).starts_with("Lower") && advice(20.0).starts_with("Lower"));
}

#[test]
fn small_steps_are_no_fault_when_the_loss_is_small_or_the_schedule_ends() {
    let mut rule = UpdateRatio::default();
    let rate = |rate, ratio| Observation { learning_rate: Some(rate), ..updates(ratio) };
    fine(&mut rule, &rate(0.1, 1e-3));
    fine(&mut rule, &rate(0.0009, 1e-7));
    assert_eq!(grade(&mut rule, &rate(0.002, 1e-7)), Some((Warning, true)));
    fine(&mut UpdateRatio::default(), &of_ten_classes(0.01, updates(1e-7)));
    // Large steps are one all the same.
    assert_eq!(
        grade(&mut UpdateRatio::default(), &of_ten_classes(0.01, updates(0.5))),
        Some((Warning, true))
    );
    // Losses in other units are not small for being below 0.1.
    for loss in [0.005, -3.0] {
        let other = Observation { losses: vec![(100.into(), loss)], ..updates(1e-9) };
        assert_eq!(grade(&mut UpdateRatio::default(), &other), Some((Critical, true)), "{loss}");
    }
}

#[test]
fn single_weights_out_of_band_are_one_symptom_with_their_names() {
    let mut all: Vec<ParamObservation> =
        (0..9).map(|index| with_update(&format!("l{index}"), 1e-3)).collect();
    all[2].update_ratio = Some(0.5);
    all[4].update_ratio = Some(1e-7);
    all[5].update_ratio = Some(0.0); // unchanged_parameter says it
    all[6].update_ratio = None;
    all[7].update_ratio = Some(f64::NAN);
    let symptom = one(&mut UpdateRatio::default(), &params(100, all));
    assert_eq!((symptom.severity, symptom.subject.as_str(), symptom.value), (Warning, "l2.weight", 0.5));
    assert!(symptom.message.ends_with("; also `l4.weight`"), "{}", symptom.message);
}

#[test]
fn updates_count_for_weights_with_a_gradient_only() {
    let mut rule = UpdateRatio::default();
    let bias = ParamObservation {
        update_ratio: Some(5.0),
        ..ParamObservation::new("a.bias", ParamRole::Bias, scaled(0.1))
    };
    let no_gradient = ParamObservation { gradient: Some(scaled(0.0)), ..with_update("b", 0.0) };
    let frozen = ParamObservation { trainable: false, ..with_update("c", 0.0) };
    assert_eq!(rule.examine(&params(100, vec![bias, no_gradient, frozen])), None);
    // Where nothing moves, there is no step: unchanged_parameter knows how long.
    assert_eq!(rule.examine(&params(100, vec![with_update("a", 0.0)])), None);
}

/// Every step observed of a loop that adds up the gradients of `parts` batches before the optimiser's step.
fn accumulated(parts: i64, steps: i64) -> Vec<Observation> {
    let at_step = |step: i64| {
        let moved = step % parts == 0;
        let since = ((step / parts) * parts).max(1); // the last step that changed it, or the first
        let weight = |name: &str| ParamObservation {
            update_ratio: Some(if moved { 1e-3 } else { 0.0 }),
            unchanged_since: (!moved && step > 1).then(|| since.into()),
            ..with_gradient(name, 0.01)
        };
        Observation { losses: vec![(step.into(), 2.0)], ..params(step, vec![weight("a"), weight("b")]) }
    };
    (1..=steps).map(at_step).collect()
}

#[test]
fn gradients_that_are_added_up_over_batches_are_no_stillness() {
    for parts in [1, 2, 4, 8, 16] {
        let mut examiner = Examiner::new(
            RuleSet::new().with_rule(UpdateRatio::default()).with_rule(UnchangedParameter::default()),
        );
        for observation in accumulated(parts, 300) {
            let raised = examiner.examine(&observation).raised;
            assert!(raised.is_empty(), "{parts} parts, {:?}: {raised:?}", observation.step);
        }
    }
    // A longer pause is learned; and what lasts more than twice as long is none.
    let mut rule = UnchangedParameter::default();
    rule.pause = 40;
    assert!(accumulated(40, 200).iter().all(|observation| rule.examine(observation) == Some(Vec::new())));
    let still = |step| params(step, vec![unchanged_since("a", 200), unchanged_since("b", 200)]);
    fine(&mut rule, &still(275));
    assert_eq!(one(&mut rule, &still(281)).severity, Critical);
}

fn unchanged_since(name: &str, step: i64) -> ParamObservation {
    ParamObservation { unchanged_since: Some(step.into()), ..with_gradient(name, 0.01) }
}

// --- unchanged_parameter

fn unchanged(name: &str) -> ParamObservation {
    ParamObservation { unchanged_since: Some(20.into()), ..with_gradient(name, 0.01) }
}

#[test]
fn a_weight_that_does_not_change_is_a_warning_and_all_of_them_are_critical() {
    let mut rule = UnchangedParameter::default();
    let symptom = one(&mut rule, &params(100, vec![unchanged("a"), with_gradient("b", 0.01)]));
    assert_eq!((symptom.severity, symptom.subject.as_str(), symptom.value), (Warning, "a.weight", 80.0));
    assert!(symptom.message.contains("has a gradient, but no step changes it"), "{}", symptom.message);
    let symptom = one(&mut rule, &params(100, vec![unchanged("a"), unchanged("b")]));
    assert_eq!(symptom.severity, Critical);
    assert!(symptom.message.ends_with("; also `b.weight`"), "{}", symptom.message);
    assert!(symptom.advice.starts_with("Nothing is trained"), "{}", symptom.advice);
}

#[test]
fn why_a_parameter_does_not_change() {
    let mut rule = UnchangedParameter::default();
    let message = |rule: &mut UnchangedParameter, gradient| {
        let param = ParamObservation { gradient, ..unchanged("a") };
        one(rule, &params(100, vec![param, with_gradient("b", 0.01)])).message
    };
    assert!(message(&mut rule, None).ends_with("it has no gradient"));
    assert!(message(&mut rule, Some(scaled(0.0))).ends_with("its gradient is exactly 0"));
}

#[test]
fn frozen_parameters_are_listed_once() {
    let frozen = |name| ParamObservation { trainable: false, ..unchanged(name) };
    let running = ParamObservation::new("bn.running_var", ParamRole::RunningVar, scaled(1.0));
    let observation = params(100, vec![frozen("a"), frozen("b"), with_gradient("c", 0.01), running]);
    let symptom = one(&mut UnchangedParameter::default(), &observation);
    assert_eq!((symptom.severity, symptom.subject.as_str()), (Info, "frozen parameters"));
    assert_eq!(symptom.message, "2 of 3 parameters are frozen: `a.weight` and `b.weight`");
}

#[test]
fn nothing_has_to_change_when_the_loss_is_zero() {
    let still = || params(100, vec![unchanged("a")]);
    fine(&mut UnchangedParameter::default(), &of_ten_classes(1e-6, still()));
    for loss in [0.005, -3.0] {
        let other = Observation { losses: vec![(100.into(), loss)], ..still() };
        assert_eq!(one(&mut UnchangedParameter::default(), &other).severity, Critical, "{loss}");
    }
    assert_eq!(UnchangedParameter::default().examine(&at(1)), None);
}

// --- poor_initialization

#[test]
fn weights_that_are_all_the_same_without_a_gradient_are_critical() {
    let same = |value: f64, gradient: f64| ParamObservation {
        value: stats(&[value; 6]),
        gradient: Some(scaled(gradient)),
        ..weight("fc1")
    };
    let symptom =
        one(&mut PoorInitialization::default(), &params(1, vec![same(0.0, 0.0), with_gradient("fc2", 0.1)]));
    assert_eq!((symptom.severity, symptom.subject.as_str(), symptom.raises), (Critical, "training", true));
    assert!(
        symptom.message.contains("all values of 1 weight are the same (`fc1.weight`: 0, gradient 0)"),
        "{}",
        symptom.message
    );
    assert_eq!(one(&mut PoorInitialization::default(), &params(1, vec![same(0.3, 0.0)])).severity, Critical);
    // A last layer of zeros learns; and where no gradient was measured nothing is known.
    let unmeasured = ParamObservation { gradient: None, ..same(0.0, 0.0) };
    fine(&mut PoorInitialization::default(), &params(1, vec![unmeasured]));
    fine(&mut PoorInitialization::default(), &params(1, vec![same(0.0, 0.1)]));
    // Biases of 0, scales of 1 and frozen weights are fine.
    let bias = ParamObservation::new("fc1.bias", ParamRole::Bias, scaled(0.0));
    let scale = ParamObservation::new("bn.weight", ParamRole::Scale, stats(&[1.0; 4]));
    let frozen = ParamObservation { trainable: false, ..same(0.0, 0.0) };
    fine(&mut PoorInitialization::default(), &params(1, vec![bias, scale, frozen]));
    // After the beginning it keeps an alarm, but raises none.
    assert!(!one(&mut PoorInitialization::default(), &params(21, vec![same(0.0, 0.0)])).raises);
}

fn deviations(first: f64, last: f64) -> Observation {
    let conv = |name: &str, std: f64| LayerObservation::new(name, Role::Convolution, scaled(std));
    Observation {
        layers: vec![conv("conv1", first), layer("relu", Role::Relu), conv("conv2", last)],
        ..at(1)
    }
}

#[test]
fn variance_over_depth() {
    let mut rule = PoorInitialization::default();
    fine(&mut rule, &deviations(1.0, 0.01)); // the default initialisation of five layers
    fine(&mut rule, &deviations(300.0, 1.0));
    assert_eq!(one(&mut rule, &deviations(330.0, 1.0)).severity, Warning);
    let symptom = one(&mut rule, &deviations(1.0, 1e-3));
    assert!(symptom.message.contains("is 1 in `conv1` and 1e-6 in `conv2`"), "{}", symptom.message);
    fine(&mut rule, &deviations(f64::NAN, 1.0));
}

fn begins(loss: f64, logit_scale: f64) -> Observation {
    let predictions = PredictionStats { counts: vec![1; 10], logit_scale, ..PredictionStats::default() };
    let batch =
        BatchObservation { images: 10, predictions: Some(predictions), ..BatchObservation::default() };
    Observation { batch: Some(batch), losses: vec![(1.into(), loss)], ..at(1) }
}

#[test]
fn the_initial_loss_is_compared_with_guessing() {
    let limit = 3.0 * 10f64.ln();
    fine(&mut PoorInitialization::default(), &begins(limit - 0.01, 1.0));
    let symptom = one(&mut PoorInitialization::default(), &begins(limit + 0.01, 1.0));
    assert_eq!(symptom.severity, Warning);
    assert!(symptom.message.contains("guessing among 10 classes costs 2.3"), "{}", symptom.message);
    // A resumed training has no initial loss.
    let resumed = Observation { step: 500.into(), losses: vec![(500.into(), 50.0)], ..begins(50.0, 1.0) };
    assert_eq!(PoorInitialization::default().examine(&resumed), None);
    // NaN is another rule's.
    fine(&mut PoorInitialization::default(), &begins(f64::NAN, 1.0));
    fine(&mut PoorInitialization::default(), &begins(2.3, 9.9));
    assert_eq!(one(&mut PoorInitialization::default(), &begins(2.3, 10.1)).value, 10.1);
}
