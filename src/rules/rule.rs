//! What a rule is.

use super::Observation;

/// How bad something is. Ordered: `Info < Warning < Critical`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Worth knowing; nothing has to be done.
    Info,
    /// Training goes on, but worse than it could.
    Warning,
    /// Training does not work, or will not.
    Critical,
}

/// What a rule finds wrong in one observation with one subject. It becomes a finding once it was there often enough.
#[derive(Debug, Clone, PartialEq)]
pub struct Symptom {
    /// What is concerned: a layer, a parameter, or `training` for the whole. With the rule it is the alarm's identity.
    pub subject: String,
    /// How bad it is.
    pub severity: Severity,
    /// Whether this can raise an alarm. `false`: it only keeps one that is there, because the value is between the
    /// thresholds for raising and for clearing (hysteresis).
    pub raises: bool,
    /// What was measured.
    pub value: f64,
    /// What it was compared with.
    pub threshold: f64,
    /// One sentence in plain words, with the numbers: what was seen. Without the subject's name in front.
    pub message: String,
    /// One or two sentences: what to do about it.
    pub advice: String,
}

/// Finds one kind of trouble. Rules may remember what they saw; each observation comes once, in order.
pub trait Rule {
    /// `vanishing_gradient`: names the tag, the TOML table and the finding.
    fn name(&self) -> &str;

    /// What looks wrong now, one symptom per subject at most. `None` where this observation says nothing about it: then
    /// it counts neither for nor against an alarm.
    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>>;
}
