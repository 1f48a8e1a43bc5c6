//! Outputs of layers: dead, saturated, sparse; dropout and BatchNorm.

use Severity::{Critical, Warning};
use convscope::{
    arch::Role,
    rules::{
        BatchNormDrift, Cause, DeadRelu, DropoutShift, DropoutShiftRule, LayerObservation, Observation,
        ParamObservation, ParamRole, Rule, SaturatedActivation, Severity, SilentUnit, SparseActivations,
        TensorStats, UnitActivity,
    },
};

use crate::measured::{at, fine, grade, layer, layers, one, scaled, stats};

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
        (40, None),
        (45, Some((Warning, false))),
        (51, Some((Warning, true))),
        (80, Some((Warning, true))),
        (81, Some((Critical, true))),
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
    assert_eq!(one(&mut rule, &both(8, 3)).subject, "relu1"); // relu2 is better by now
}

// --- saturated_activation, sparse_activations

fn saturated(name: &str, role: Role, share: f64) -> LayerObservation {
    LayerObservation { saturated: Some(share), ..layer(name, role) }
}

#[test]
fn outputs_of_the_network_may_be_saturated() {
    // A classifier of two classes that is sure, an autoencoder of black and white: nothing reads its last sigmoid.
    let end = || saturated("output", Role::Sigmoid, 0.99);
    let examine = |all| SaturatedActivation::default().examine(&layers(all));
    assert_eq!(examine(vec![layer("fc", Role::Linear), end()]), None);
    // Where the architecture is known, each of several ends is one.
    let reads = |input: &str, layer| LayerObservation { inputs: vec![input.to_owned()], ..layer };
    let ends = vec![layer("fc", Role::Linear), reads("fc", end()), reads("fc", layer("other", Role::Linear))];
    assert_eq!(examine(ends), None);
    let inner =
        vec![layer("fc", Role::Linear), reads("fc", end()), reads("output", layer("fc2", Role::Linear))];
    assert_eq!(one(&mut SaturatedActivation::default(), &layers(inner)).severity, Critical);
}

#[test]
fn gates_may_be_open_while_the_loss_falls() {
    let observation = |role, loss: fn(f64) -> f64| Observation {
        losses: (1..=40).map(|step| (step.into(), loss(step as f64))).collect(),
        ..layers(vec![saturated("gate", role, 0.95), layer("fc", Role::Linear)])
    };
    let severity = |role, loss| one(&mut SaturatedActivation::default(), &observation(role, loss)).severity;
    assert_eq!(severity(Role::Sigmoid, |step| 2.0 - 0.03 * step), Warning);
    assert_eq!(severity(Role::Sigmoid, |_| 2.0), Critical);
    assert_eq!(severity(Role::Tanh, |step| 2.0 - 0.03 * step), Critical);
}

#[test]
fn saturated_outputs_are_graded_by_their_share() {
    let mut rule = SaturatedActivation::default();
    let tanh = |share| layers(vec![saturated("tanh1", Role::Tanh, share), layer("fc2", Role::Linear)]);
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
    // Measured at the dropout, not at the normalisation.
    assert!(symptom.message.contains("makes the variance of its output 2.5 times"), "{}", symptom.message);
    assert_eq!((symptom.severity, symptom.subject.as_str(), symptom.value), (Warning, "drop1", 2.5));
    assert!(symptom.advice.contains("it removes no weights, it multiplies noise"), "{}", symptom.advice);
    assert_eq!(grade(&mut rule, &dropout(1.51, Some("bn2"))), Some((Warning, true)));
    assert_eq!(grade(&mut rule, &dropout(1.45, Some("bn2"))), Some((Warning, false)));
    assert_eq!(grade(&mut rule, &dropout(1.4, Some("bn2"))), None);
    fine(&mut rule, &dropout(9.0, None)); // nothing learns the variance
    assert_eq!(rule.examine(&layers(vec![layer("conv2", Role::Convolution)])), None);
}
