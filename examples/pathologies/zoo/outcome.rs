//! What the diagnosis said of a training, and when.

use std::collections::BTreeMap;

use convscope::rules::{Finding, Severity};

use super::Finds;

/// What the diagnosis said of a training.
pub struct Outcome {
    /// Batches trained.
    pub steps: i64,
    /// How long it took.
    pub seconds: f64,
    /// Every finding as it was at its worst, with the step at which it was raised or became so bad.
    pub raised: Vec<(i64, Finding)>,
    /// The verdict at the end, as the program prints it.
    pub verdict: String,
}

impl Outcome {
    /// The step at which what must be found was found; `None` where it was not, or with another severity or subject.
    pub fn found(&self, finds: &Finds) -> Option<i64> {
        let right = |(_, finding): &&(i64, Finding)| {
            finding.rule == finds.rule
                && finding.severity == finds.severity
                && finds.subjects.contains(&finding.subject.as_str())
        };
        self.raised.iter().find(right).map(|(step, _)| *step)
    }

    /// Rules that found something at least so bad, each with its worst severity. Without what another finding explains.
    pub fn alarms(&self, least: Severity) -> BTreeMap<&str, Severity> {
        let mut alarms = BTreeMap::new();
        for (_, finding) in &self.raised {
            if finding.is_cause() && finding.severity >= least {
                let worst = alarms.entry(finding.rule.as_str()).or_insert(least);
                *worst = finding.severity.max(*worst);
            }
        }
        alarms
    }
}
