//! Whatever was measured: rules answer in order and do not panic.

use convscope::{
    arch::Role,
    rules::{
        BatchObservation, Cause, ChannelStats, DropoutShift, Examiner, LabelStats, LayerObservation, Moment,
        Observation, ParamObservation, ParamRole, PredictionStats, RuleSet, Score, SilentUnit, TensorStats,
        Timing, UnitActivity,
    },
};
use proptest::{collection::vec, option, prelude::*};

/// Numbers that make trouble, and ordinary ones.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -10.0..10.0f64,
        2 => prop::num::f64::ANY,
        1 => prop_oneof![Just(0.0), Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(1e-320), Just(f64::MAX)],
    ]
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..20, Just(1 << 40), Just(1000)]
}

fn stats() -> impl Strategy<Value = TensorStats> {
    ((count(), count(), 0u64..3, 0u64..3), (number(), number(), number(), number(), number(), number()))
        .prop_map(|((count, zeros, nan, infinite), (mean, std, min, max, l1, l2))| TensorStats {
            count,
            zeros,
            nan,
            infinite,
            mean,
            std,
            min,
            max,
            l1,
            l2,
            quantiles: None,
        })
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![Just("conv1"), Just("bn1"), Just("relu1"), Just(""), Just("input"), Just("training")]
        .prop_map(str::to_owned)
}

fn units() -> impl Strategy<Value = UnitActivity> {
    let cause = (name(), number(), 0..3).prop_map(|(name, value, kind)| match kind {
        0 => Cause::ZeroScale { param: name, value },
        1 => Cause::NegativeBias { param: name, value },
        _ => Cause::SilentInput { layer: name },
    });
    let unit =
        (count(), option::of(any::<i64>()), option::of(cause)).prop_map(|(index, last_active, cause)| {
            SilentUnit { index, last_active: last_active.map(Into::into), cause }
        });
    (count(), count(), vec(unit, 0..5), option::of(count())).prop_map(
        |(samples, units, silent, silent_positions)| UnitActivity {
            samples,
            units,
            silent,
            silent_positions,
        },
    )
}

fn layer() -> impl Strategy<Value = LayerObservation> {
    let role = prop_oneof![
        Just(Role::Convolution),
        Just(Role::Linear),
        Just(Role::Normalization),
        Just(Role::Relu),
        Just(Role::SoftRelu),
        Just(Role::Tanh),
        Just(Role::Dropout),
    ];
    let dropout = (name(), option::of(name()), number(), number()).prop_map(
        |(dropout, normalization, keep_rate, variance_ratio)| DropoutShift {
            dropout,
            normalization,
            keep_rate,
            variance_ratio,
            whole_maps: true,
        },
    );
    let optional = (
        option::of(stats()),
        option::of(number()),
        option::of(number()),
        option::of(units()),
        option::of(dropout),
    );
    (name(), role, stats(), vec(name(), 0..3), optional).prop_map(
        |(name, role, output, inputs, (gradient, saturated, near_zero, units, dropout))| LayerObservation {
            inputs,
            gradient,
            saturated,
            near_zero,
            units,
            dropout,
            ..LayerObservation::new(name, role, output)
        },
    )
}

fn param() -> impl Strategy<Value = ParamObservation> {
    let role = prop_oneof![
        4 => Just(ParamRole::Weight),
        1 => Just(ParamRole::Bias),
        1 => Just(ParamRole::RunningMean),
        1 => Just(ParamRole::RunningVar),
    ];
    let optional = (option::of(stats()), option::of(number()), option::of(any::<i64>()));
    (name(), role, any::<bool>(), stats(), optional).prop_map(
        |(name, role, trainable, value, (gradient, update_ratio, unchanged))| ParamObservation {
            trainable,
            gradient,
            update_ratio,
            unchanged_since: unchanged.map(Into::into),
            ..ParamObservation::new(format!("{name}.weight"), role, value)
        },
    )
}

fn batch() -> impl Strategy<Value = BatchObservation> {
    let channel = (number(), number(), number(), number()).prop_map(|(mean, std, min, max)| ChannelStats {
        mean,
        std,
        min,
        max,
    });
    let labels = (vec((any::<i64>(), count()), 0..4), option::of(count()))
        .prop_map(|(counts, classes)| LabelStats { counts, classes });
    let predictions = (vec(count(), 0..4), vec(count(), 0..4), number(), number()).prop_map(
        |(counts, wrong, logit_scale, confidence)| PredictionStats { counts, wrong, logit_scale, confidence },
    );
    (count(), vec(channel, 0..4), vec(count(), 0..3), option::of(labels), option::of(predictions)).prop_map(
        |(images, channels, bad_images, labels, predictions)| BatchObservation {
            images,
            channels,
            bad_images,
            labels,
            predictions,
        },
    )
}

fn observation() -> impl Strategy<Value = Observation> {
    let moment =
        prop_oneof![5 => Just(Moment::Batch), 1 => Just(Moment::Validation), 1 => Just(Moment::Epoch)];
    let score = || {
        option::of(
            (option::of(number()), option::of(number()), option::of(count()))
                .prop_map(|(loss, accuracy, images)| Score { loss, accuracy, images }),
        )
    };
    let step = prop_oneof![9 => 0i64..5000, 1 => any::<i64>()];
    let place = (step, any::<u8>(), option::of(count()), moment);
    let losses = vec((any::<i64>(), number()), 0..5);
    let timing =
        option::of((number(), number(), number()).prop_map(|(data, training, diagnostics)| Timing {
            data,
            training,
            diagnostics,
        }));
    let single = (option::of(number()), option::of(number()), option::of(number()), timing, score(), score());
    (place, losses, option::of(batch()), vec(layer(), 0..4), vec(param(), 0..6), single).prop_map(
        |(place, losses, batch, layers, params, single)| {
            let (step, epoch, batches_per_epoch, moment) = place;
            let (learning_rate, gradient_norm, clipped_gradient_norm, timing, training, validation) = single;
            Observation {
                step: step.into(),
                epoch: epoch.into(),
                batches_per_epoch,
                moment,
                losses: losses.into_iter().map(|(step, loss)| (step.into(), loss)).collect(),
                learning_rate,
                batch,
                layers,
                params,
                gradient_norm,
                clipped_gradient_norm,
                gradient_noise_scale: None,
                timing,
                training,
                validation,
            }
        },
    )
}

proptest! {
    #[test]
    fn any_training_is_examined(observations in vec(observation(), 1..20)) {
        // Nothing waits: every symptom becomes a finding.
        let names: Vec<String> = RuleSet::standard().names().into_iter().map(str::to_owned).collect();
        let at_once: String = names.iter().map(|name| format!("[{name}]\nwarm_up = 0\nraise = 1\nof = 1\nclear = 1\n")).collect();
        let mut examiner = Examiner::new(RuleSet::from_toml(&at_once)?);
        for observation in &observations {
            let changes = examiner.examine(observation);
            for finding in changes.raised.iter().chain(&changes.cleared) {
                prop_assert!(!finding.message.is_empty() && !finding.advice.is_empty());
                prop_assert!(!finding.message.ends_with('.') && finding.advice.ends_with('.'), "{:?}", finding);
                prop_assert!(!finding.message.contains("  ") && !finding.advice.contains("  "), "{:?}", finding);
            }
            for finding in examiner.findings() {
                prop_assert!(finding.cleared.is_none());
                prop_assert_ne!(finding.explained_by.as_deref(), Some(finding.rule.as_str()));
                prop_assert!(finding.recent.len() <= 24);
            }
            // What explains is there itself, or was.
            for finding in examiner.findings() {
                if let Some(cause) = &finding.explained_by {
                    prop_assert!(examiner.history().iter().any(|other| other.rule == *cause));
                }
            }
        }
    }
}

/// Cost of a large network: `cargo test --test rules two_hundred -- --ignored --nocapture`.
#[test]
#[ignore = "prints a time"]
fn two_hundred_layers() {
    let layers = (0..200).map(|index| {
        let output = TensorStats {
            count: 1000,
            zeros: 500,
            std: 1.0,
            max: 3.0,
            l1: 800.0,
            l2: 30.0,
            ..TensorStats::default()
        };
        LayerObservation::new(format!("layer{index}"), Role::Relu, output)
    });
    let params = (0..400).map(|index| {
        let value = TensorStats {
            count: 1000,
            std: 0.1,
            min: -0.3,
            max: 0.3,
            l1: 80.0,
            l2: 3.0,
            ..TensorStats::default()
        };
        ParamObservation {
            gradient: Some(value),
            update_ratio: Some(1e-3),
            ..ParamObservation::new(format!("layer{}.p{index}", index / 2), ParamRole::Weight, value)
        }
    });
    let (layers, params): (Vec<_>, Vec<_>) = (layers.collect(), params.collect());
    let mut examiner = Examiner::new(RuleSet::standard());
    let mut observation = Observation { layers, params, ..Observation::default() };
    let start = std::time::Instant::now();
    for step in 1..=1000i64 {
        observation.step = (10 * step).into();
        observation.losses = vec![((10 * step).into(), 2.0)];
        examiner.examine(&observation);
    }
    println!("{:?} per observation", start.elapsed() / 1000);
}
