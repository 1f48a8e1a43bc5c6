//! What is to be said of a training, in words.

use super::{Examiner, Finding, Severity, catalogue, verdict_page::Page};
use crate::summary::Step;

/// What is to be said of a training: what is wrong with it now, what was before, and what was looked at. For a stranger:
/// [`headline`](Verdict::headline) is one sentence, [`to_markdown`](Verdict::to_markdown) and
/// [`to_text`](Verdict::to_text) have the same words for TensorBoard and the terminal.
///
/// ```
/// use convscope::rules::{Examiner, Observation, RuleSet, Verdict};
///
/// let mut examiner = Examiner::new(RuleSet::standard());
/// for step in 1..=200 {
///     let loss = 2.3 / f64::from(step).sqrt();
///     let step = i64::from(step).into();
///     examiner.examine(&Observation { step, losses: vec![(step, loss)], ..Observation::default() });
/// }
/// let verdict = Verdict::of(&examiner);
/// assert!(verdict.is_healthy());
/// assert!(verdict.headline().starts_with("Training looks healthy: "));
/// assert!(verdict.to_text(80).lines().all(|line| line.chars().count() <= 80));
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Verdict {
    /// The step of the last observation; `None` before the first.
    pub step: Option<Step>,
    /// What is wrong now: causes before their consequences, and the worst first.
    pub findings: Vec<Finding>,
    /// What was wrong and is over, by the first step.
    pub past: Vec<Finding>,
    /// How often each rule looked, in the order of the rules.
    pub looks: Vec<Looks>,
    /// What was done about it: when, and what.
    pub actions: Vec<(Step, String)>,
}

/// How often a rule looked at a training.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looks {
    /// Name of the rule.
    pub rule: String,
    /// Observations that it said something about, good or bad. 0: what it needs was never measured, or the training was
    /// too short.
    pub count: u64,
}

impl Verdict {
    /// What the examiner has to say now. [`actions`](Verdict::actions) are for the caller to fill in.
    pub fn of(examiner: &Examiner) -> Verdict {
        let past = examiner.history().into_iter().filter(|finding| finding.cleared.is_some());
        let looks = |rule: &str| Looks { rule: rule.to_owned(), count: examiner.examined(rule) };
        Verdict {
            step: examiner.last_step(),
            findings: examiner.findings().into_iter().cloned().collect(),
            past: past.cloned().collect(),
            looks: examiner.rules().into_iter().map(looks).collect(),
            actions: Vec::new(),
        }
    }

    /// How bad the worst is that is wrong now; `None` where nothing is.
    pub fn severity(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }

    /// Whether rules looked and found nothing that has to be done.
    pub fn is_healthy(&self) -> bool {
        self.severity().is_none_or(|worst| worst == Severity::Info) && self.has_looked()
    }

    /// The verdict in one sentence.
    pub fn headline(&self) -> String {
        let Some(worst) = self.severity() else { return self.headline_without_findings() };
        let findings = || self.findings.iter().filter(|finding| finding.severity == worst);
        // The first is the cause of others, where it is one.
        let Some(first) = findings().next() else { return self.headline_without_findings() };
        let verdict = match worst {
            Severity::Critical => "Training does not work",
            Severity::Warning => "Training goes on, but worse than it could",
            Severity::Info => "Training looks healthy, with a remark",
        };
        let found = match catalogue::meaning(&first.rule) {
            Some(meaning) => meaning.to_owned(),
            None => format!("rule `{}` found something", name(&first.rule)),
        };
        format!("{verdict}: {found}{}.", place(first))
    }

    fn headline_without_findings(&self) -> String {
        let (Some(step), true) = (self.step, self.has_looked()) else {
            return "Nothing is known yet: no rule has had enough to look at.".to_owned();
        };
        let looked = self.looks.iter().filter(|looks| looks.count > 0).count();
        let rules = if looked == 1 { "1 rule".to_owned() } else { format!("{looked} rules") };
        if self.past.iter().any(|finding| finding.severity > Severity::Info) {
            return format!(
                "Training looks healthy again: {rules} looked up to step {step}, and what was found is over."
            );
        }
        format!("Training looks healthy: {rules} looked up to step {step} and found nothing wrong.")
    }

    fn has_looked(&self) -> bool {
        self.looks.iter().any(|looks| looks.count > 0)
    }

    /// Markdown, for the page Text: the [headline](Verdict::headline) on top; what is wrong, with numbers and what to do
    /// first; what follows from it; what was wrong before; and what was looked at.
    pub fn to_markdown(&self) -> String {
        Page::of(self).to_markdown()
    }

    /// The same words for a terminal of `width` characters; of less than 40, as of 40. Tables keep their width.
    pub fn to_text(&self, width: usize) -> String {
        Page::of(self).to_text(width.max(40))
    }
}

/// ` (`conv1`)`; nothing for the training as a whole.
pub(super) fn place(finding: &Finding) -> String {
    match finding.subject.as_str() {
        "" | "training" => String::new(),
        subject => format!(" (`{}`)", name(subject)),
    }
}

/// A name from outside between backticks: without what would end them.
pub(super) fn name(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || c == '`' { '\'' } else { c }).collect()
}
