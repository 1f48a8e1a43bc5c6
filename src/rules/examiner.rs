//! From observations to findings.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, VecDeque},
};

use super::{
    Finding, Observation, Recent, RuleSet, Severity, Symptom,
    alarm::{Alarm, Change},
    recent::Ring,
    rule_set::Entry,
};
use crate::summary::Step;

/// So many steps are remembered in short.
const RING: usize = 24;
/// So many findings that are over are remembered; then the oldest goes.
const MOST_PAST: usize = 1000;

/// Examines one training: every observation comes once, in order. Tells what is wrong with it now and what was before.
///
/// ```
/// use convscope::rules::{Examiner, Observation, Persistence, RuleSet, Severity, Symptom};
///
/// let rules = RuleSet::new().with_fn("loss_budget", Persistence::new(2, 3).warm_up(0), |observation| {
///     let loss = observation.last_loss()?;
///     Some(Vec::from_iter((loss > 2.0).then(|| Symptom {
///         subject: "training".to_owned(),
///         severity: Severity::Warning,
///         raises: true,
///         value: loss,
///         threshold: 2.0,
///         message: format!("the loss is {loss}"),
///         advice: "Train longer.".to_owned(),
///     })))
/// });
/// let mut examiner = Examiner::new(rules);
/// let high = |step: i64| Observation {
///     step: step.into(),
///     losses: vec![(step.into(), 2.5)],
///     ..Observation::default()
/// };
/// assert!(examiner.examine(&high(1)).raised.is_empty()); // once may be chance
/// assert_eq!(examiner.examine(&high(2)).raised.len(), 1);
/// assert!(examiner.examine(&high(3)).raised.is_empty()); // said once
/// let finding = examiner.findings()[0];
/// assert_eq!((finding.since.get(), finding.last.get()), (1, 3));
/// assert_eq!(examiner.status("loss_budget"), Some(Severity::Warning));
/// ```
pub struct Examiner {
    rules: Vec<Examined>,
    past: VecDeque<Finding>,
    ring: Ring,
    first: Option<Step>,
    last: Option<Step>,
}

/// A rule, and what it found.
struct Examined {
    entry: Entry,
    /// By subject.
    alarms: BTreeMap<String, Alarm>,
    /// Observations that the rule said something about, after its warm-up.
    count: u64,
}

/// What one observation changed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Changes {
    /// Findings that are new, or worse than before. Worst first.
    pub raised: Vec<Finding>,
    /// Findings that are over.
    pub cleared: Vec<Finding>,
}

impl Changes {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.raised.is_empty() && self.cleared.is_empty()
    }
}

impl Examiner {
    /// An examiner for a training that begins, with the enabled ones of `rules`.
    pub fn new(rules: RuleSet) -> Examiner {
        let examined = |entry| Examined { entry, alarms: BTreeMap::new(), count: 0 };
        let enabled = rules.entries.into_iter().filter(|entry| entry.enabled);
        Examiner {
            rules: enabled.map(examined).collect(),
            past: VecDeque::new(),
            ring: Ring::new(RING),
            first: None,
            last: None,
        }
    }

    /// Shows all rules what was measured.
    pub fn examine(&mut self, observation: &Observation) -> Changes {
        self.ring.add(observation);
        self.last = Some(observation.step);
        let seen =
            observation.losses.first().map_or(observation.step, |&(step, _)| step.min(observation.step));
        let first = *self.first.get_or_insert(seen);
        let mut raised = Vec::new();
        let mut cleared = Vec::new();
        for (index, rule) in self.rules.iter_mut().enumerate() {
            for (subject, change) in rule.examine(observation, first) {
                match change {
                    Change::Cleared => cleared.extend(rule.take_cleared(&subject)),
                    Change::Raised | Change::Worse => {
                        rule.remember_steps(&subject, &self.ring);
                        raised.push((index, subject));
                    }
                }
            }
        }
        self.past.extend(cleared.iter().cloned());
        while self.past.len() > MOST_PAST {
            self.past.pop_front();
        }
        self.explain();
        let finding = |(index, subject): (usize, String)| -> Option<Finding> {
            self.rules[index].alarms.get(&subject)?.finding.clone()
        };
        let mut raised: Vec<Finding> = raised.into_iter().filter_map(finding).collect();
        raised.sort_by_key(rank);
        Changes { raised, cleared }
    }

    /// What is wrong now. Causes come before their consequences, and the worst first; else in the order of the rules.
    pub fn findings(&self) -> Vec<&Finding> {
        let mut findings: Vec<&Finding> = self.active().map(|(_, finding)| finding).collect();
        findings.sort_by_key(|finding| rank(finding)); // stable: the order of the rules stays
        findings
    }

    /// What was found to be wrong ever, with what still is, by the first step. Of findings that are over, the last 1000.
    pub fn history(&self) -> Vec<&Finding> {
        let mut findings: Vec<&Finding> =
            self.past.iter().chain(self.active().map(|(_, finding)| finding)).collect();
        findings.sort_by_key(|finding| (finding.since, Reverse(finding.severity)));
        findings
    }

    /// How bad the worst is that `rule` finds now; `None`: nothing, or there is no such rule.
    pub fn status(&self, rule: &str) -> Option<Severity> {
        let rule = self.rules.iter().find(|examined| examined.entry.name() == rule)?;
        rule.findings().map(|finding| finding.severity).max()
    }

    /// Names of the rules that look, in the order of the set.
    pub fn rules(&self) -> Vec<&str> {
        self.rules.iter().map(|rule| rule.entry.name()).collect()
    }

    /// How many observations `rule` said something about, good or bad, after its warm-up. 0: what it needs was never
    /// measured.
    pub fn examined(&self, rule: &str) -> u64 {
        self.rules.iter().find(|examined| examined.entry.name() == rule).map_or(0, |rule| rule.count)
    }

    /// The last steps in short, oldest first: at most 24, those of which the loss is known or that were measured.
    pub fn ring(&self) -> Vec<Recent> {
        self.ring.rows().iter().copied().collect()
    }

    /// The step of the last observation.
    pub fn last_step(&self) -> Option<Step> {
        self.last
    }

    fn active(&self) -> impl Iterator<Item = (usize, &Finding)> {
        let findings = |(index, rule)| -> Box<dyn Iterator<Item = (usize, &Finding)>> {
            let rule: &Examined = rule;
            Box::new(rule.findings().map(move |finding| (index, finding)))
        };
        self.rules.iter().enumerate().flat_map(findings)
    }

    /// Says of every finding which rule's finding explains it: one at least as bad that is there now. What outlasts its
    /// cause stands for itself. Of several, the one whose rule comes first in the set.
    fn explain(&mut self) {
        let mut causes = BTreeSet::new(); // pairs of effect and cause, by index of the rules
        // From the last rule to the first: where two could explain each other, the first is the cause.
        for effect in (0..self.rules.len()).rev() {
            let found: Vec<(String, Severity)> = self.rules[effect]
                .findings()
                .map(|finding| (finding.subject.clone(), finding.severity))
                .collect();
            for (subject, severity) in found {
                let cause = (0..self.rules.len()).find(|&cause| {
                    self.rules[cause].entry.explains(self.rules[effect].entry.name())
                        && !leads_to(&causes, cause, effect)
                        && self.rules[cause].findings().any(|finding| finding.severity >= severity)
                });
                causes.extend(cause.map(|cause| (effect, cause)));
                let name = cause.map(|cause| self.rules[cause].entry.name().to_owned());
                let alarm = self.rules[effect].alarms.get_mut(&subject);
                if let Some(finding) = alarm.and_then(|alarm| alarm.finding.as_mut()) {
                    finding.explained_by = name;
                }
            }
        }
    }
}

impl Examined {
    /// Counts one observation for all alarms of the rule; what changed, by subject. `first`: the first step seen.
    fn examine(&mut self, observation: &Observation, first: Step) -> Vec<(String, Change)> {
        let step = observation.step;
        let Some(symptoms) = self.entry.rule.examine(observation) else { return Vec::new() };
        if self.entry.persistence.is_warming_up(step, first) {
            return Vec::new();
        }
        self.count += 1;
        let mut by_subject: BTreeMap<String, Symptom> = BTreeMap::new();
        for symptom in symptoms {
            let known = by_subject.get(&symptom.subject);
            if known.is_none_or(|known| (known.raises, known.severity) < (symptom.raises, symptom.severity)) {
                by_subject.insert(symptom.subject.clone(), symptom);
            }
        }
        for subject in by_subject.keys() {
            if !self.alarms.contains_key(subject) {
                self.alarms.insert(subject.clone(), Alarm::default());
            }
        }
        let mut changes = Vec::new();
        for (subject, alarm) in &mut self.alarms {
            let symptom = by_subject.remove(subject);
            let change = alarm.count(self.entry.name(), step, symptom, &self.entry.persistence);
            changes.extend(change.map(|change| (subject.clone(), change)));
        }
        self.alarms.retain(|_, alarm| !alarm.is_idle());
        changes
    }

    fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.alarms.values().filter_map(|alarm| alarm.finding.as_ref())
    }

    fn take_cleared(&mut self, subject: &str) -> Option<Finding> {
        self.alarms.remove(subject)?.finding
    }

    /// What hopeless trainings did last is what one asks first.
    fn remember_steps(&mut self, subject: &str, ring: &Ring) {
        let finding = self.alarms.get_mut(subject).and_then(|alarm| alarm.finding.as_mut());
        if let Some(finding) = finding.filter(|finding| finding.severity == Severity::Critical) {
            finding.recent = ring.rows().iter().copied().collect();
        }
    }
}

/// Whether following the causes from `cause` leads to `effect`. `causes`: pairs of effect and cause.
fn leads_to(causes: &BTreeSet<(usize, usize)>, cause: usize, effect: usize) -> bool {
    let mut seen = BTreeSet::new();
    let mut open = vec![cause];
    while let Some(at) = open.pop() {
        if at == effect {
            return true;
        }
        if seen.insert(at) {
            open.extend(causes.range((at, 0)..=(at, usize::MAX)).map(|&(_, next)| next));
        }
    }
    false
}

/// Causes before consequences, then the worst first.
fn rank(finding: &Finding) -> (bool, Reverse<Severity>) {
    (!finding.is_cause(), Reverse(finding.severity))
}
