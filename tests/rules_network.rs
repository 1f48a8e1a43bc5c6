//! Rules about gradients, activations, parameters and the beginning: what must and what must not raise them.

#![allow(clippy::unwrap_used)] // in helpers of tests

use convscope::{
    arch::Role,
    rules::{
        BatchNormDrift, BatchObservation, Cause, DeadRelu, DropoutShift, DropoutShiftRule, ExplodingGradient,
        LayerObservation, Moment, NonFinite, Observation, ParamObservation, ParamRole, PoorInitialization,
        PredictionStats, Rule, SaturatedActivation, Score, Severity, SilentUnit, SparseActivations, Symptom,
        TensorStats, UnchangedParameter, UnitActivity, UpdateRatio, VanishingGradient,
    },
};

use Severity::{Critical, Info, Warning};

/// What plain loops say of `values`.
fn stats(values: &[f64]) -> TensorStats {
    let finite: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    let n = finite.len() as f64;
    let mean = finite.iter().sum::<f64>() / n;
    TensorStats {
        count: finite.len() as u64,
        zeros: finite.iter().filter(|&&value| value == 0.0).count() as u64,
        nan: values.iter().filter(|value| value.is_nan()).count() as u64,
        infinite: values.iter().filter(|value| value.is_infinite()).count() as u64,
        mean,
        std: (finite.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt(),
        min: finite.iter().copied().reduce(f64::min).unwrap_or(f64::NAN),
        max: finite.iter().copied().reduce(f64::max).unwrap_or(f64::NAN),
        l1: finite.iter().map(|value| value.abs()).sum(),
        l2: finite.iter().map(|value| value * value).sum::<f64>().sqrt(),
        quantiles: None,
    }
}

/// Values of which RMS and mean absolute value are `scale`.
fn scaled(scale: f64) -> TensorStats {
    stats(&[scale, -scale, scale, -scale])
}

fn weight(name: &str) -> ParamObservation {
    ParamObservation::new(format!("{name}.weight"), ParamRole::Weight, scaled(0.1))
}

fn with_gradient(name: &str, gradient: f64) -> ParamObservation {
    ParamObservation { gradient: Some(scaled(gradient)), ..weight(name) }
}

fn with_update(name: &str, ratio: f64) -> ParamObservation {
    ParamObservation { update_ratio: Some(ratio), ..with_gradient(name, 0.01) }
}

fn layer(name: &str, role: Role) -> LayerObservation {
    LayerObservation::new(name, role, stats(&[0.0, 0.5, 1.0, -0.5]))
}

fn at(step: i64) -> Observation {
    Observation { step: step.into(), losses: vec![(step.into(), 2.0)], ..Observation::default() }
}

fn params(step: i64, params: Vec<ParamObservation>) -> Observation {
    Observation { params, ..at(step) }
}

fn layers(layers: Vec<LayerObservation>) -> Observation {
    Observation { layers, ..at(100) }
}

/// The only symptom.
fn one(rule: &mut dyn Rule, observation: &Observation) -> Symptom {
    let symptoms = rule.examine(observation).unwrap();
    assert_eq!(symptoms.len(), 1, "{symptoms:?}");
    symptoms.into_iter().next().unwrap()
}

fn grade(rule: &mut dyn Rule, observation: &Observation) -> Option<(Severity, bool)> {
    let symptoms = rule.examine(observation).unwrap();
    assert!(symptoms.len() <= 1, "{symptoms:?}");
    symptoms.first().map(|symptom| (symptom.severity, symptom.raises))
}

fn fine(rule: &mut dyn Rule, observation: &Observation) {
    assert_eq!(rule.examine(observation), Some(Vec::new()));
}

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
    let fitted = Observation { losses: vec![(100.into(), 1e-4)], ..tiny };
    fine(&mut rule, &fitted);
    // One layer of three is no matter of life and death.
    assert_eq!(grade(&mut rule, &gradients(&[0.9e-7, 1e-3, 1e-3])), Some((Warning, true)));
    assert_eq!(grade(&mut rule, &gradients(&[2e-7, 1e-3, 1e-3])), Some((Warning, false)));
    assert_eq!(grade(&mut rule, &gradients(&[4e-7, 1e-3, 1e-3])), None);
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
fn a_great_norm_is_critical_and_a_clipped_one_a_warning() {
    let mut rule = ExplodingGradient::default();
    fine(&mut rule, &norm(0.99e4));
    let symptom = one(&mut rule, &norm(1.01e4));
    assert_eq!((symptom.severity, symptom.subject.as_str(), symptom.threshold), (Critical, "training", 1e4));
    let clipped = Observation { clipped_gradient_norm: Some(1.0), ..norm(2e4) };
    assert_eq!(one(&mut rule, &clipped).severity, Warning);
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
    let symptom = one(&mut rule, &losses(&[2.3, 50.0, 3.0]));
    assert_eq!((symptom.severity, symptom.value, symptom.threshold), (Critical, 50.0, 46.0));
    fine(&mut rule, &losses(&[3.0]));
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

// --- non_finite

/// Everything of a batch is NaN from one image on.
fn spoiled() -> Observation {
    let bad = stats(&[f64::NAN, 1.0, f64::INFINITY, 2.0]);
    let layers = ["conv1", "conv2"].map(|name| LayerObservation {
        gradient: Some(bad),
        ..LayerObservation::new(name, Role::Convolution, bad)
    });
    let params = ["conv1", "conv2"].map(|name| ParamObservation { gradient: Some(bad), ..weight(name) });
    Observation {
        batch: Some(BatchObservation { images: 8, bad_images: vec![3, 5], ..BatchObservation::default() }),
        layers: layers.to_vec(),
        params: params.to_vec(),
        losses: vec![(7.into(), f64::NAN)],
        ..at(7)
    }
}

#[test]
fn the_first_bad_tensor_in_the_order_of_a_step_is_named() {
    let mut observation = spoiled();
    let find = |observation: &Observation| one(&mut NonFinite::default(), observation);
    let symptom = find(&observation);
    assert_eq!((symptom.subject.as_str(), symptom.severity, symptom.value), ("input", Critical, 2.0));
    assert!(symptom.message.contains("image 3 of the batch holds NaN"), "{}", symptom.message);

    observation.batch = None;
    assert_eq!(find(&observation).subject, "conv1");
    observation.layers[0].output = stats(&[0.5, -0.5]);
    let symptom = find(&observation);
    assert_eq!((symptom.subject.as_str(), symptom.value), ("conv2", 2.0));
    let expected = "its output has 1 NaN and 1 infinite of 4 values at step 7; it was made from `conv1`: mean 0, \
                    standard deviation 0.5, -0.5 to 0.5; `conv2.weight`: mean 0, standard deviation 0.1, -0.1 to 0.1 \
                    (the loss is NaN since step 7)";
    assert_eq!(symptom.message, expected);

    observation.layers[1].output = stats(&[3.0]);
    assert_eq!(find(&observation).subject, "loss");
    observation.losses = vec![(7.into(), 1.0)];
    assert_eq!(find(&observation).subject, "conv2"); // gradients of outputs, from the last layer
    for layer in &mut observation.layers {
        layer.gradient = None;
    }
    assert_eq!(find(&observation).subject, "conv2.weight");
    observation.params[1].gradient = None;
    assert_eq!(find(&observation).subject, "conv1.weight");
    observation.params[0].gradient = None;
    fine(&mut NonFinite::default(), &observation);
    observation.params[1].value = stats(&[f64::INFINITY]);
    let symptom = find(&observation);
    assert_eq!(symptom.subject, "conv2.weight");
    assert!(symptom.message.contains("1 infinite of 1 values after step 7"), "{}", symptom.message);
}

#[test]
fn what_a_layer_reads_is_named_where_it_is_known() {
    let mut sum = layer("add", Role::Other);
    sum.output = stats(&[f64::NAN]);
    sum.inputs = vec!["conv1".to_owned(), "skip".to_owned()];
    let observation = layers(vec![
        layer("skip", Role::Other),
        layer("conv1", Role::Convolution),
        layer("relu", Role::Relu),
        sum,
    ]);
    let message = one(&mut NonFinite::default(), &observation).message;
    assert!(
        message.contains("`conv1`: ") && message.contains("`skip`: ") && !message.contains("`relu`"),
        "{message}"
    );
}

#[test]
fn weights_that_were_spoiled_before_are_said_to_be() {
    let mut observation = layers(vec![LayerObservation::new("conv1", Role::Convolution, stats(&[f64::NAN]))]);
    observation.params = vec![ParamObservation::new("conv1.weight", ParamRole::Weight, stats(&[f64::NAN]))];
    let symptom = one(&mut NonFinite::default(), &observation);
    assert!(
        symptom.advice.starts_with("`conv1.weight` was spoiled by an earlier step"),
        "{}",
        symptom.advice
    );
}

#[test]
fn it_stays_with_where_it_began_until_all_is_finite() {
    let mut rule = NonFinite::default();
    assert_eq!(one(&mut rule, &spoiled()).subject, "input");
    let mut later = spoiled();
    later.batch = None;
    assert_eq!(one(&mut rule, &later).subject, "input");
    fine(&mut rule, &at(9));
    assert_eq!(one(&mut rule, &later).subject, "conv1");
}

#[test]
fn a_validation_loss_that_is_no_number() {
    let mut rule = NonFinite::default();
    let with = |loss: f64| Observation {
        moment: Moment::Validation,
        validation: Some(Score { loss: Some(loss), accuracy: None }),
        ..Observation::default()
    };
    assert_eq!(rule.examine(&with(1.0)), None);
    assert_eq!(one(&mut rule, &with(f64::NAN)).subject, "validation loss");
}

// --- dead_relu

fn units(silent: u64, of: u64, cause: Option<&Cause>) -> UnitActivity {
    let unit = |index| SilentUnit {
        index,
        last_active: (index % 2 == 1).then_some(40.into()),
        cause: cause.cloned(),
    };
    UnitActivity { samples: 512, units: of, silent: (0..silent).map(unit).collect(), silent_positions: None }
}

fn relu(name: &str, units: UnitActivity) -> LayerObservation {
    LayerObservation { units: Some(units), ..layer(name, Role::Relu) }
}

#[test]
fn dead_units_are_graded_by_their_share_of_a_layer() {
    let mut rule = DeadRelu::default();
    let dead = |silent| layers(vec![relu("relu1", units(silent, 100, None))]);
    for (silent, expected) in [
        (20, None),
        (25, Some((Warning, false))),
        (26, Some((Warning, true))),
        (50, Some((Warning, true))),
        (51, Some((Critical, true))),
        (100, Some((Critical, true))),
    ] {
        assert_eq!(grade(&mut rule, &dead(silent)), expected, "{silent}");
    }
}

#[test]
fn the_cause_and_the_history_of_dead_units_are_told() {
    let cause = Cause::NegativeBias { param: "conv1.bias".to_owned(), value: -5.0 };
    let observation = layers(vec![relu("relu1", units(6, 8, Some(&cause)))]);
    let symptom = one(&mut DeadRelu::default(), &observation);
    let expected = "6 of 8 units (75 %; limit 50 %) were silent for all 512 images of a window; 3 were never seen \
                    active, the last of the others was at step 40; 6 by a negative bias (`conv1.bias`, such as -5)";
    assert_eq!(symptom.message, expected);
    assert!(symptom.advice.starts_with("Begin with biases of 0."), "{}", symptom.advice);
    let scale = Cause::ZeroScale { param: "bn1.weight".to_owned(), value: 1e-9 };
    let symptom = one(&mut DeadRelu::default(), &layers(vec![relu("relu1", units(6, 8, Some(&scale)))]));
    assert!(symptom.advice.starts_with("Begin with scales of 1"), "{}", symptom.advice);
}

#[test]
fn the_layer_where_it_begins_leads_and_names_those_that_follow() {
    let follows = Cause::SilentInput { layer: "relu2".to_owned() };
    let observation = layers(vec![
        relu("relu1", units(0, 8, None)),
        relu("relu3", units(8, 8, Some(&follows))),
        relu("relu2", units(8, 8, None)),
    ]);
    let symptom = one(&mut DeadRelu::default(), &observation);
    assert_eq!(symptom.subject, "relu2");
    assert!(symptom.message.ends_with("; also `relu3`"), "{}", symptom.message);
}

#[test]
fn without_a_window_nothing_is_said_of_dead_units() {
    let mut rule = DeadRelu::default();
    assert_eq!(rule.examine(&layers(vec![layer("relu1", Role::Relu)])), None);
    let few = UnitActivity { samples: 32, ..units(8, 8, None) };
    assert_eq!(rule.examine(&layers(vec![relu("relu1", few)])), None);
    let empty = UnitActivity { samples: 512, ..UnitActivity::default() };
    fine(&mut rule, &layers(vec![relu("relu1", empty)])); // 0 of 0
}

#[test]
fn a_finding_keeps_its_layer_while_that_is_among_the_worst() {
    let mut rule = DeadRelu::default();
    let both = |first, second| {
        layers(vec![relu("relu1", units(first, 8, None)), relu("relu2", units(second, 8, None))])
    };
    assert_eq!(one(&mut rule, &both(0, 8)).subject, "relu2");
    assert_eq!(one(&mut rule, &both(8, 8)).subject, "relu2");
    assert_eq!(one(&mut rule, &both(8, 3)).subject, "relu1"); // relu2 is a warning by now
}

// --- saturated_activation, sparse_activations

#[test]
fn saturated_outputs_are_graded_by_their_share() {
    let mut rule = SaturatedActivation::default();
    let tanh =
        |share| layers(vec![LayerObservation { saturated: Some(share), ..layer("tanh1", Role::Tanh) }]);
    for (share, expected) in [
        (0.4, None),
        (0.45, Some((Warning, false))),
        (0.51, Some((Warning, true))),
        (0.9, Some((Warning, true))),
        (0.91, Some((Critical, true))),
        (f64::NAN, None),
    ] {
        assert_eq!(grade(&mut rule, &tanh(share)), expected, "{share}");
    }
    assert_eq!(rule.examine(&layers(vec![layer("relu1", Role::Relu)])), None);
}

#[test]
fn zeros_count_behind_relu_and_tiny_values_behind_smooth_functions() {
    let mut rule = SparseActivations::default();
    let zeros = |zeros, role| {
        let output = TensorStats { count: 1000, zeros, ..TensorStats::default() };
        layers(vec![LayerObservation::new("act", role, output)])
    };
    assert_eq!(grade(&mut rule, &zeros(970, Role::Relu)), None);
    assert_eq!(grade(&mut rule, &zeros(975, Role::Relu)), Some((Warning, false)));
    assert_eq!(grade(&mut rule, &zeros(981, Role::Relu)), Some((Warning, true)));
    assert_eq!(grade(&mut rule, &zeros(1000, Role::Activation)), Some((Warning, true)));
    for role in [Role::Dropout, Role::Convolution, Role::Tanh, Role::Other] {
        assert_eq!(rule.examine(&zeros(1000, role)), None, "{role:?}");
    }
    let gelu = LayerObservation { near_zero: Some(0.99), ..layer("gelu", Role::SoftRelu) };
    assert!(one(&mut rule, &layers(vec![gelu])).message.contains("tiny beside its RMS"));
    fine(&mut rule, &layers(vec![LayerObservation::new("act", Role::Relu, stats(&[f64::NAN]))]));
}

// --- update_ratio

fn updates(ratio: f64) -> Observation {
    params(100, vec![with_update("a", ratio), with_update("b", ratio), with_update("c", ratio)])
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
    let fitted = Observation { losses: vec![(100.into(), 0.01)], ..updates(1e-7) };
    fine(&mut UpdateRatio::default(), &fitted);
    // Large steps are one all the same.
    let fitted = Observation { losses: vec![(100.into(), 0.01)], ..updates(0.5) };
    assert_eq!(grade(&mut UpdateRatio::default(), &fitted), Some((Warning, true)));
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
    // Steps that rounding loses are the smallest of all.
    assert_eq!(grade(&mut rule, &params(100, vec![with_update("a", 0.0)])), Some((Critical, true)));
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
    let fitted = Observation { losses: vec![(100.into(), 1e-6)], ..params(100, vec![unchanged("a")]) };
    fine(&mut UnchangedParameter::default(), &fitted);
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
    // A last layer of zeros learns.
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

// --- batch_norm_drift, dropout_shift

fn batch_norm(running_mean: f64, running_var: f64) -> Observation {
    let mut bn = layer("bn1", Role::Normalization);
    bn.inputs = vec!["conv1".to_owned()];
    // Mean 0, variance 4.
    let conv = LayerObservation::new("conv1", Role::Convolution, scaled(2.0));
    let params = vec![
        ParamObservation::new("bn1.running_mean", ParamRole::RunningMean, stats(&[running_mean; 3])),
        ParamObservation::new("bn1.running_var", ParamRole::RunningVar, stats(&[running_var; 3])),
    ];
    Observation { layers: vec![conv, bn], params, ..at(500) }
}

#[test]
fn running_statistics_far_from_the_batch() {
    let mut rule = BatchNormDrift::default();
    fine(&mut rule, &batch_norm(0.0, 4.0));
    fine(&mut rule, &batch_norm(2.9, 0.1)); // channels differ more than each of them varies
    assert_eq!(grade(&mut rule, &batch_norm(0.0, 30.0)), Some((Warning, false)));
    let symptom = one(&mut rule, &batch_norm(0.0, 41.0));
    assert_eq!((symptom.severity, symptom.subject.as_str(), symptom.value), (Warning, "bn1", 41.0 / 4.0));
    let symptom = one(&mut rule, &batch_norm(-6.1, 4.0));
    assert!(symptom.message.contains("3.05 standard deviations"), "{}", symptom.message);
}

#[test]
fn running_variance_that_blows_up_needs_no_input() {
    let mut rule = BatchNormDrift::default();
    let alone = |variance| Observation { layers: Vec::new(), ..batch_norm(0.0, variance) };
    fine(&mut rule, &alone(2e4));
    assert_eq!(grade(&mut rule, &alone(0.9e6)), Some((Warning, false)));
    assert_eq!(grade(&mut rule, &alone(1.1e6)), Some((Warning, true)));
    assert_eq!(grade(&mut rule, &alone(1.1e10)), Some((Critical, true)));
    assert_eq!(rule.examine(&at(500)), None);
    fine(&mut rule, &alone(f64::NAN));
}

fn dropout(variance_ratio: f64, normalization: Option<&str>) -> Observation {
    let shift = DropoutShift {
        dropout: "drop1".to_owned(),
        normalization: normalization.map(str::to_owned),
        keep_rate: 0.5,
        variance_ratio,
        whole_maps: false,
    };
    layers(vec![LayerObservation { dropout: Some(shift), ..layer("conv2", Role::Convolution) }])
}

#[test]
fn dropout_before_a_normalisation_shifts_its_variance() {
    let mut rule = DropoutShiftRule::default();
    // The fixture: q = 0.5, mean 1, variance 2: (2 + 1)/0.5 - 1 = 5 against 2.
    let symptom = one(&mut rule, &dropout(2.5, Some("bn2")));
    assert_eq!((symptom.severity, symptom.subject.as_str(), symptom.value), (Warning, "drop1", 2.5));
    assert!(symptom.advice.contains("it removes no weights, it multiplies noise"), "{}", symptom.advice);
    assert_eq!(grade(&mut rule, &dropout(1.51, Some("bn2"))), Some((Warning, true)));
    assert_eq!(grade(&mut rule, &dropout(1.45, Some("bn2"))), Some((Warning, false)));
    assert_eq!(grade(&mut rule, &dropout(1.4, Some("bn2"))), None);
    fine(&mut rule, &dropout(9.0, None)); // nothing learns the variance
    assert_eq!(rule.examine(&layers(vec![layer("conv2", Role::Convolution)])), None);
}
