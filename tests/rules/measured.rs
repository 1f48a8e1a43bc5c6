//! Observations made by hand, and what a rule says of them.

use convscope::{
    arch::Role,
    rules::{
        BatchObservation, LabelStats, LayerObservation, Observation, ParamObservation, ParamRole, Rule,
        Severity, Symptom, TensorStats,
    },
};

/// What plain loops say of `values`.
pub fn stats(values: &[f64]) -> TensorStats {
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
pub fn scaled(scale: f64) -> TensorStats {
    stats(&[scale, -scale, scale, -scale])
}

pub fn weight(name: &str) -> ParamObservation {
    ParamObservation::new(format!("{name}.weight"), ParamRole::Weight, scaled(0.1))
}

pub fn with_gradient(name: &str, gradient: f64) -> ParamObservation {
    ParamObservation { gradient: Some(scaled(gradient)), ..weight(name) }
}

pub fn with_update(name: &str, ratio: f64) -> ParamObservation {
    ParamObservation { update_ratio: Some(ratio), ..with_gradient(name, 0.01) }
}

pub fn layer(name: &str, role: Role) -> LayerObservation {
    LayerObservation::new(name, role, stats(&[0.0, 0.5, 1.0, -0.5]))
}

pub fn at(step: i64) -> Observation {
    Observation { step: step.into(), losses: vec![(step.into(), 2.0)], ..Observation::default() }
}

pub fn params(step: i64, params: Vec<ParamObservation>) -> Observation {
    Observation { params, ..at(step) }
}

pub fn layers(layers: Vec<LayerObservation>) -> Observation {
    Observation { layers, ..at(100) }
}

/// The same with a loss of a model that is known to tell ten classes apart, and to have begun at guessing.
pub fn of_ten_classes(loss: f64, observation: Observation) -> Observation {
    let labels = Some(LabelStats { classes: Some(10), ..LabelStats::default() });
    let batch = Some(BatchObservation { images: 10, labels, ..BatchObservation::default() });
    let first = (1..=10).map(|step| (step.into(), 2.3));
    let last = (11..=20).map(|step| (step.into(), loss));
    Observation { batch, losses: first.chain(last).collect(), ..observation }
}

/// The only symptom.
pub fn one(rule: &mut dyn Rule, observation: &Observation) -> Symptom {
    let symptoms = rule.examine(observation).unwrap();
    assert_eq!(symptoms.len(), 1, "{symptoms:?}");
    symptoms.into_iter().next().unwrap()
}

pub fn grade(rule: &mut dyn Rule, observation: &Observation) -> Option<(Severity, bool)> {
    let symptoms = rule.examine(observation).unwrap();
    assert!(symptoms.len() <= 1, "{symptoms:?}");
    symptoms.first().map(|symptom| (symptom.severity, symptom.raises))
}

pub fn fine(rule: &mut dyn Rule, observation: &Observation) {
    assert_eq!(rule.examine(observation), Some(Vec::new()));
}
