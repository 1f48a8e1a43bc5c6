//! What is to be said of a training, in words.

use super::{Examiner, Finding, Severity, catalogue, verdict_page::Page};
use crate::summary::Step;

/// So many findings that are over are told: the last ones.
const MOST_PAST: usize = 20;

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
    /// What was wrong and is over, by the first step: the last 20, without the steps before them
    /// ([`Finding::recent`]).
    pub past: Vec<Finding>,
    /// How much was wrong and is over, [`past`](Verdict::past) included.
    pub past_total: usize,
    /// How often each rule looked, in the order of the rules.
    pub looks: Vec<Looks>,
    /// What was done about it: when, and what.
    pub actions: Vec<(Step, String)>,
    /// What was measured that speaks for a healthy training, in sentences: said where it is one.
    pub reasons: Vec<String>,
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
    /// What the examiner has to say now. [`actions`](Verdict::actions) and [`reasons`](Verdict::reasons), which
    /// [`Evidence`](super::Evidence) has, are for the caller to fill in.
    pub fn of(examiner: &Examiner) -> Verdict {
        let history = examiner.history().into_iter();
        let past: Vec<&Finding> = history.filter(|finding| finding.cleared.is_some()).collect();
        let last = &past[past.len().saturating_sub(MOST_PAST)..];
        let short = |finding: &&Finding| Finding { recent: Vec::new(), ..(*finding).clone() };
        let looks = |rule: &str| Looks { rule: rule.to_owned(), count: examiner.examined(rule) };
        Verdict {
            step: examiner.last_step(),
            findings: examiner.findings().into_iter().cloned().collect(),
            past: last.iter().map(short).collect(),
            past_total: past.len(),
            looks: examiner.rules().into_iter().map(looks).collect(),
            actions: Vec::new(),
            reasons: Vec::new(),
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

    /// The verdict in one sentence: the worst that nothing else explains, and how much else is as bad.
    pub fn headline(&self) -> String {
        let Some(worst) = self.severity() else { return self.headline_without_findings() };
        let findings = || self.findings.iter().filter(|finding| finding.severity == worst);
        // The first is the cause of others, where it is one.
        let Some(first) = findings().next() else { return self.headline_without_findings() };
        let found = match catalogue::meaning(first) {
            Some(meaning) => meaning.to_owned(),
            None => format!("rule `{}` found something", name(&first.rule)),
        };
        let causes = || findings().filter(|finding| finding.explained_by.is_none());
        let alike = causes().filter(|finding| finding.rule == first.rule).count().saturating_sub(1);
        let place = match (place(first), alike) {
            (place, 0) => place,
            (place, alike) => format!("{} and {alike} more)", place.trim_end_matches(')')),
        };
        let others = causes().filter(|finding| finding.rule != first.rule).count();
        let others =
            if others == 0 { String::new() } else { format!("; and {others} more {}", words(worst, others)) };
        format!("{}: {found}{place}{others}.", catalogue::opening(first))
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

    /// The same words for a terminal of `width` characters; of less than 40, as of 40.
    pub fn to_text(&self, width: usize) -> String {
        Page::of(self).to_text(width.max(40))
    }
}

/// What so many findings of a severity are called.
pub(super) fn words(severity: Severity, count: usize) -> &'static str {
    match (severity, count) {
        (Severity::Critical, 1) => "critical finding",
        (Severity::Critical, _) => "critical findings",
        (Severity::Warning, 1) => "warning",
        (Severity::Warning, _) => "warnings",
        (Severity::Info, 1) => "remark",
        (Severity::Info, _) => "remarks",
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
