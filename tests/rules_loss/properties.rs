//! Whatever is measured and configured: no panic, and symptoms that can be read.

use convscope::{
    Step,
    rules::{
        BatchObservation, ChannelStats, ClassImbalance, InputNotNormalized, LabelRange, LabelStats,
        LossDivergence, LossNotDecreasing, LossPlateau, LossSpike, Moment, NoGeneralization, Observation,
        Overfitting, Overtraining, PredictionCollapse, PredictionStats, Rule, Score, StalledDataLoading,
        Timing, UnshuffledData,
    },
};
use proptest::{collection::vec, option, prelude::*};

fn rules() -> Vec<Box<dyn Rule>> {
    vec![
        Box::new(ClassImbalance::default()),
        Box::new(InputNotNormalized::default()),
        Box::new(LabelRange::default()),
        Box::new(LossDivergence::default()),
        Box::new(LossNotDecreasing::default()),
        Box::new(LossPlateau::default()),
        Box::new(LossSpike::default()),
        Box::new(NoGeneralization::default()),
        Box::new(Overfitting::default()),
        Box::new(Overtraining::default()),
        Box::new(PredictionCollapse::default()),
        Box::new(StalledDataLoading::default()),
        Box::new(UnshuffledData::default()),
    ]
}

fn number() -> impl Strategy<Value = f64> + Clone {
    prop_oneof![
        4 => 0.0..10.0f64,
        1 => any::<f64>(),
        1 => prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(0.0), Just(-0.0)],
    ]
}

fn count() -> impl Strategy<Value = u64> + Clone {
    prop_oneof![4 => 0..100u64, 1 => any::<u64>(), 1 => Just(u64::MAX)]
}

fn batch() -> impl Strategy<Value = BatchObservation> {
    let channel = (number(), number(), number(), number());
    let channel = channel.prop_map(|(mean, std, min, max)| ChannelStats { mean, std, min, max });
    let label = prop_oneof![4 => -1..12i64, 1 => any::<i64>()];
    let labels = (vec((label, count()), 0..12), option::of(count()))
        .prop_map(|(counts, classes)| LabelStats { counts, classes });
    let predictions = (vec(count(), 0..12), vec(count(), 0..12), number(), number());
    let predictions = predictions.prop_map(|(counts, wrong, logit_scale, confidence)| PredictionStats {
        counts,
        wrong,
        logit_scale,
        confidence,
    });
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
    let step = || prop_oneof![6 => 0..2000i64, 1 => any::<i64>()].prop_map(Step::new);
    let score = (option::of(number()), option::of(number()), option::of(count()))
        .prop_map(|(loss, accuracy, images)| Score { loss, accuracy, images });
    let score = option::of(score);
    let timing = (number(), number(), number());
    let timing = timing.prop_map(|(data, training, diagnostics)| Timing { data, training, diagnostics });
    let moment = prop_oneof![Just(Moment::Batch), Just(Moment::Validation), Just(Moment::Epoch)];
    (
        (step(), count(), option::of(count()), moment),
        (vec((step(), number()), 0..30), option::of(number())),
        (option::of(batch()), option::of(timing), score.clone(), score),
    )
        .prop_map(|((step, epoch, batches_per_epoch, moment), (losses, learning_rate), measured)| {
            Observation {
                step,
                epoch,
                batches_per_epoch,
                moment,
                losses,
                learning_rate,
                batch: measured.0,
                timing: measured.1,
                training: measured.2,
                validation: measured.3,
                ..Observation::default()
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn examining_never_panics(
        observations in vec(observation(), 1..40),
        settings in vec(prop_oneof![number(), (0..20u32).prop_map(f64::from)], 8),
        configured in any::<bool>(),
    ) {
        for mut rule in rules() {
            if configured {
                for (mut setting, &value) in rule.settings().into_iter().zip(&settings) {
                    let _ = setting.set_number(value); // out of its range: stays as it is
                }
            }
            for observation in &observations {
                let found = rule.examine(observation).unwrap_or_default();
                prop_assert!(found.len() <= 1, "one subject each");
                for symptom in found {
                    prop_assert!(!symptom.subject.is_empty() && !symptom.advice.is_empty());
                    prop_assert!(symptom.message.len() < 500, "{}", symptom.message);
                }
            }
        }
    }
}

#[test]
fn settings_are_those_of_the_fields() {
    for mut rule in rules() {
        let name = rule.name().to_owned();
        assert!(!rule.about().is_empty(), "{name}");
        let written: Vec<(&str, String)> = rule.settings().iter().map(|s| (s.name(), s.to_toml())).collect();
        assert!(!written.is_empty(), "{name}");
        for (setting, (field, value)) in rule.settings().iter_mut().zip(&written) {
            let value: f64 = value.parse().unwrap();
            setting
                .set_number(value)
                .unwrap_or_else(|error| panic!("{name}.{field}: the default is refused: {error}"));
        }
    }
}
