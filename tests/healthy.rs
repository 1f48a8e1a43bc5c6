//! Healthy trainings get no diagnosis. The trainings are those of the example `pathologies`.

#![allow(clippy::unwrap_used)] // in helpers of tests
#![cfg(feature = "tch")]

#[path = "../examples/pathologies/zoo/mod.rs"]
#[allow(dead_code, unused_imports)] // the sick ones
mod zoo;

use std::sync::{Mutex, PoisonError};

use convscope::rules::Severity;

/// libtorch's random generator, which starts the parameters, is shared by the process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn find_nothing(name: &str) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let case = zoo::HEALTHY.iter().find(|case| case.name == name).unwrap();
    for seed in [1, 2] {
        let said = case.run(seed, None).unwrap();
        let alarms = said.alarms(Severity::Warning);
        assert!(alarms.is_empty(), "{name}, seed {seed}: {alarms:?}\n{}", said.verdict.to_text(100));
    }
}

macro_rules! healthy {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            find_nothing(stringify!($name));
        })*

        #[test]
        fn every_healthy_training_has_a_test() {
            let names: Vec<&str> = zoo::HEALTHY.iter().map(|case| case.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

healthy! {
    default_adam
    default_sgd
    plain_cnn_adam
    plain_cnn_sgd
    gelu_cnn
    lenet5_tanh
    lenet5_sigmoid
    resnet
    vgg_bn
    perceptron
    own_loop
}
