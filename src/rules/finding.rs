//! What rules found, once it was there often enough.

use super::{Recent, Severity};
use crate::summary::Step;

/// One trouble of one subject, from the alarm's raising to its clearing.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Name of the rule.
    pub rule: String,
    /// What is concerned: a layer, a parameter, or `training`.
    pub subject: String,
    /// How bad it is. Rises as it was raised, when enough observations were worse, and falls as it is cleared, when enough
    /// in a row were less bad.
    pub severity: Severity,
    /// The first step at which the symptom was seen, of those that raised the alarm.
    pub since: Step,
    /// The last step at which it was seen.
    pub last: Step,
    /// The step at which it was seen to be over; `None` while it lasts.
    pub cleared: Option<Step>,
    /// What was measured last.
    pub value: f64,
    /// What it was compared with.
    pub threshold: f64,
    /// One sentence in plain words, with the numbers. Without the subject's name in front.
    pub message: String,
    /// What to do about it.
    pub advice: String,
    /// Name of the rule whose finding explains this one, as long as that finding is there: then this is a consequence, and
    /// will most likely go when that is mended. `None` where nothing explains it, or nothing does any more.
    pub explained_by: Option<String>,
    /// The last steps up to the observation that raised it, oldest first. Empty below [`Severity::Critical`].
    pub recent: Vec<Recent>,
}

impl Finding {
    /// Whether nothing else that was found explains it.
    pub fn is_cause(&self) -> bool {
        self.explained_by.is_none()
    }

    /// Whether training is hopeless because of it, and not because of something else that was found.
    pub fn is_critical_cause(&self) -> bool {
        self.severity == Severity::Critical && self.is_cause()
    }
}
