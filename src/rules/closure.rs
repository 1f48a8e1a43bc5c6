//! A rule that is a function.

use super::{Observation, Rule, Symptom};

/// A rule that is a name and a function: what [`RuleSet::with_fn`](super::RuleSet::with_fn) makes.
pub(super) struct Closure<F> {
    pub(super) name: String,
    pub(super) examine: F,
}

impl<F: FnMut(&Observation) -> Option<Vec<Symptom>>> Rule for Closure<F> {
    fn name(&self) -> &str {
        &self.name
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        (self.examine)(observation)
    }
}
