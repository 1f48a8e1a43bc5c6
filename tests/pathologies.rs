//! Sick trainings get their diagnosis in time, and no other critical one. The trainings are those of the example.

#![allow(clippy::unwrap_used)] // in helpers of tests
#![cfg(feature = "tch")]

#[path = "../examples/pathologies/zoo/mod.rs"]
#[allow(dead_code, unused_imports)] // the healthy ones
mod zoo;

use std::sync::{Mutex, PoisonError};

use convscope::rules::Severity;

/// libtorch's random generator, which starts the parameters, is shared by the process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Runs a sick training with two seeds.
fn diagnose(name: &str) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let case = zoo::SICK.iter().find(|case| case.name == name).unwrap();
    let finds = case.finds.as_ref().unwrap();
    for seed in [1, 2] {
        let said = case.run(seed, None).unwrap();
        let found = said.found(finds);
        assert!(
            found.is_some_and(|step| step <= finds.by),
            "{name}, seed {seed}: {} of {:?} by step {} expected, found at {found:?}\n{}",
            finds.rule,
            finds.subjects,
            finds.by,
            said.verdict.to_text(100)
        );
        let mut critical = said.alarms(Severity::Critical);
        critical.remove(finds.rule);
        assert!(critical.is_empty(), "{name}, seed {seed}: also {critical:?}\n{}", said.verdict.to_text(100));
    }
}

macro_rules! sick {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            diagnose(stringify!($name));
        })*

        #[test]
        fn every_sick_training_has_a_test() {
            let names: Vec<&str> = zoo::SICK.iter().map(|case| case.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

sick! {
    vanishing_gradient
    exploding_gradient
    dead_relu
    dead_relu_own_loop
    zero_weights
    inputs_times_255
    nan_in_one_image
    shuffled_labels
    class_imbalance
    frozen_layer
    dropout_shift
    tiny_learning_rate
    ten_images
    saturated_tanh
}
