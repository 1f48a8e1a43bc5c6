//! What a rule is.

use super::{Observation, Persistence, Setting};

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
///
/// A rule reports what it sees now. Whether that is an alarm is for the [`Examiner`](super::Examiner) to tell: it waits
/// until a symptom was there often enough ([`Persistence`]), and until it was gone long enough.
///
/// A trouble that concerns many layers at once should be one symptom that names the others, not one for each.
///
/// ```
/// use convscope::rules::{Observation, Rule, Setting, Severity, Symptom};
///
/// /// The loss is above what was agreed.
/// struct LossBudget {
///     nats: f64,
/// }
///
/// impl Rule for LossBudget {
///     fn name(&self) -> &str {
///         "loss_budget"
///     }
///     fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
///         let loss = observation.last_loss()?; // nothing measured: nothing said
///         Some(Vec::from_iter((loss > self.nats).then(|| Symptom {
///             subject: "training".to_owned(),
///             severity: Severity::Warning,
///             raises: true,
///             value: loss,
///             threshold: self.nats,
///             message: format!("the loss is {loss:.2}"),
///             advice: "Train longer.".to_owned(),
///         })))
///     }
///     fn settings(&mut self) -> Vec<Setting<'_>> {
///         vec![Setting::number("nats", &mut self.nats, 0.0..=100.0, "the greatest loss that is fine")]
///     }
/// }
///
/// let mut rule = LossBudget { nats: 2.0 };
/// let high = Observation { losses: vec![(7.into(), 2.5)], ..Observation::default() };
/// assert_eq!(rule.examine(&high).unwrap()[0].message, "the loss is 2.50");
/// assert!(rule.examine(&Observation::default()).is_none());
/// ```
pub trait Rule {
    /// `vanishing_gradient`: names the tag, the TOML table and the finding. Lower-case letters, digits and `_`.
    fn name(&self) -> &str;

    /// What looks wrong now, one symptom per subject at most. `None` where this observation says nothing about it: then
    /// it counts neither for nor against an alarm.
    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>>;

    /// What it looks for, in one sentence: a comment of [`RuleSet::to_toml`](super::RuleSet::to_toml).
    /// Default: empty.
    fn about(&self) -> &str {
        ""
    }

    /// How often a symptom has to be seen to raise an alarm, where nothing else is asked for.
    fn persistence(&self) -> Persistence {
        Persistence::default()
    }

    /// Names of rules whose findings follow from a finding of this one: NaN in the input explains a loss of NaN. Where two
    /// rules explain each other, also by way of others, the finding of the rule that comes first in the
    /// [`RuleSet`](super::RuleSet) is the cause. Default: none.
    fn explains(&self) -> &[&str] {
        &[]
    }

    /// Its thresholds, for reading and writing by name. Default: none.
    fn settings(&mut self) -> Vec<Setting<'_>> {
        Vec::new()
    }
}
