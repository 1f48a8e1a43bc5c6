//! What the diagnosis said of a training, and when.

use std::collections::BTreeMap;

use convscope::rules::{Finding, Severity, Verdict};

use super::Finds;

/// What the diagnosis said of a training.
#[derive(Debug, Clone, Default)]
pub struct Said {
    /// Batches trained.
    pub steps: i64,
    /// The verdict at the end.
    pub verdict: Verdict,
    /// Every finding with every severity that it had, at the step at which it was raised or became so bad.
    raised: Vec<(i64, Finding)>,
}

impl Said {
    /// Notes the verdict after a step.
    pub fn note(&mut self, step: i64, verdict: Verdict) {
        for finding in &verdict.findings {
            let known = |(_, known): &(i64, Finding)| {
                known.rule == finding.rule
                    && known.subject == finding.subject
                    && known.severity >= finding.severity
            };
            if !self.raised.iter().any(known) {
                self.raised.push((step, finding.clone()));
            }
        }
        self.steps = step;
        self.verdict = verdict;
    }

    /// The step at which what must be found was found; `None` where it was not, or with another severity or subject.
    pub fn found(&self, finds: &Finds) -> Option<i64> {
        let right = |(_, finding): &&(i64, Finding)| {
            finding.rule == finds.rule
                && finding.severity == finds.severity
                && finds.subjects.contains(&finding.subject.as_str())
        };
        self.raised.iter().find(right).map(|(step, _)| *step)
    }

    /// Rules that found something at least so bad, each with its worst severity. Without what another finding explained
    /// when it was raised.
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
