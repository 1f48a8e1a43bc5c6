//! Many layers with the same trouble are one symptom.

use super::{Symptom, words::names};

/// Makes one symptom of those of many layers: that of one layer, which names the others. The layer stays the same as
/// long as it is among the worst, so that a finding keeps its name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Group {
    leader: Option<String>,
}

impl Group {
    /// `symptoms`: of one layer each, the most telling first.
    pub(super) fn one(&mut self, mut symptoms: Vec<Symptom>) -> Vec<Symptom> {
        let Some(worst) = symptoms.iter().map(|symptom| symptom.severity).max() else { return symptoms };
        let raises = symptoms.iter().any(|symptom| symptom.raises && symptom.severity == worst);
        let leads = |symptom: &Symptom| {
            symptom.severity == worst && self.leader.as_deref() == Some(symptom.subject.as_str())
        };
        let index = symptoms.iter().position(leads);
        let index = index.or_else(|| symptoms.iter().position(|symptom| symptom.severity == worst));
        let mut leader = symptoms.remove(index.unwrap_or(0));
        if !symptoms.is_empty() {
            let others = names(symptoms.iter().map(|symptom| symptom.subject.as_str()));
            leader.message = format!("{}; also {others}", leader.message);
        }
        leader.raises = raises;
        self.leader = Some(leader.subject.clone());
        vec![leader]
    }
}
