//! Rules about loss, data and generalisation: what must raise them, and what must not.

#![allow(clippy::unwrap_used)] // in helpers of tests

#[path = "rules_loss/data.rs"]
mod data;
#[path = "rules_loss/losses.rs"]
mod losses;
#[path = "rules_loss/properties.rs"]
mod properties;
#[path = "rules_loss/published.rs"]
mod published;
#[path = "rules_loss/scores.rs"]
mod scores;

use convscope::{
    Step,
    rules::{BatchObservation, LabelStats, Observation, Rule, Severity, Symptom},
};

/// splitmix64 and Box and Muller's normal numbers.
struct Noise(u64);

impl Noise {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }

    /// A label below `classes`, with shares in proportion to `weights` where there are any.
    fn label(&mut self, weights: &[f64]) -> i64 {
        let mut rest = self.uniform() * weights.iter().sum::<f64>();
        for (label, weight) in weights.iter().enumerate() {
            rest -= weight;
            if rest < 0.0 {
                return label as i64;
            }
        }
        weights.len() as i64 - 1
    }
}

/// `batches` losses about `course(batch)`, with a relative noise.
fn series(batches: u32, noise: f64, seed: u64, course: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut random = Noise(seed);
    (0..batches).map(|batch| course(f64::from(batch)) * (1.0 + noise * random.normal())).collect()
}

/// A recorded training: `tests/fixtures/losses`.
fn recorded(name: &str) -> Vec<f64> {
    let path = format!("{}/tests/fixtures/losses/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap().lines().map(|line| line.parse().unwrap()).collect()
}

/// Observations every ten batches, from the batch `first` on.
fn observations(first: i64, losses: &[f64], classes: Option<u64>) -> Vec<Observation> {
    let numbered: Vec<(Step, f64)> = (first..).map(Step::new).zip(losses.iter().copied()).collect();
    let observation = |losses: &[(Step, f64)]| Observation {
        step: losses.last().unwrap().0,
        epoch: 1,
        losses: losses.to_vec(),
        batch: classes.map(|classes| BatchObservation {
            images: 64,
            labels: Some(LabelStats {
                counts: (0..classes as i64).map(|label| (label, 6)).collect(),
                classes: Some(classes),
            }),
            ..BatchObservation::default()
        }),
        ..Observation::default()
    };
    numbered.chunks(10).map(observation).collect()
}

/// All symptoms that raise, with the step.
fn raised(rule: &mut dyn Rule, observations: &[Observation]) -> Vec<(i64, Symptom)> {
    let mut found = Vec::new();
    for observation in observations {
        for symptom in rule.examine(observation).unwrap_or_default() {
            if symptom.raises {
                found.push((observation.step.get(), symptom));
            }
        }
    }
    found
}

/// The worst severity that was raised.
fn worst(rule: &mut dyn Rule, observations: &[Observation]) -> Option<Severity> {
    raised(rule, observations).iter().map(|(_, symptom)| symptom.severity).max()
}

#[test]
fn the_documentation_lists_every_rule() {
    let documentation = include_str!("../src/rules/mod.rs");
    for rule in convscope::rules::RuleSet::standard().names() {
        assert!(documentation.contains(&format!("//! | [`{rule}`](")), "{rule}");
    }
}
