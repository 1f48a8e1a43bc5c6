//! Where values that are no number began.

use Severity::Critical;
use convscope::{
    arch::Role,
    rules::{
        BatchObservation, LayerObservation, Moment, NonFinite, Observation, ParamObservation, ParamRole,
        Rule, Score, Severity,
    },
};

use crate::measured::{at, fine, layer, layers, one, stats, weight};

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
        validation: Some(Score { loss: Some(loss), ..Score::default() }),
        ..Observation::default()
    };
    assert_eq!(rule.examine(&with(1.0)), None);
    assert_eq!(one(&mut rule, &with(f64::NAN)).subject, "validation loss");
}
