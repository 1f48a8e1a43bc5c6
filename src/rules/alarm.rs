//! When a symptom becomes a finding, and when that is over.

use std::collections::VecDeque;

use super::{Finding, Recent, Severity, Symptom};
use crate::summary::Step;

/// How often a symptom has to be seen before it is an alarm, and how long it has to be gone before the alarm is over.
/// Only observations that the rule says something about count.
///
/// ```
/// use convscope::rules::Persistence;
///
/// let patient = Persistence::new(3, 5).warm_up(100).clear(10);
/// assert_eq!((patient.raise, patient.of, patient.warm_up, patient.clear), (3, 5, 100, 10));
/// assert_eq!(Persistence::new(7, 2), Persistence::new(7, 7)); // no 7 of 2
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Persistence {
    /// Steps in which nothing counts, from the first one that is seen: also those after a training was resumed, while
    /// running means are new. Default 20.
    pub warm_up: u64,
    /// So many of the last `of` examinations must show the symptom. Default 3.
    pub raise: u64,
    /// See `raise`. Default 5.
    pub of: u64,
    /// After so many examinations in a row without the symptom the alarm is over. Default 5.
    pub clear: u64,
}

impl Persistence {
    /// The most that `raise`, `of` and `clear` can be: so many results are remembered for each alarm.
    pub const MOST: u64 = 10_000;
    /// The longest warm-up in steps.
    pub const LONGEST_WARM_UP: u64 = 1_000_000_000;

    /// An alarm when `raise` of the last `of` examinations show the symptom; the rest by default.
    pub fn new(raise: u64, of: u64) -> Persistence {
        Persistence { warm_up: 20, raise, of, clear: 5 }.in_range()
    }

    /// An alarm at the first symptom, from the first step on; over with the first clean examination.
    pub fn at_once() -> Persistence {
        Persistence::new(1, 1).warm_up(0).clear(1)
    }

    /// Nothing counts in the first `steps` that are seen.
    #[must_use]
    pub fn warm_up(self, steps: u64) -> Persistence {
        Persistence { warm_up: steps, ..self }.in_range()
    }

    /// Over after `examinations` in a row without the symptom.
    #[must_use]
    pub fn clear(self, examinations: u64) -> Persistence {
        Persistence { clear: examinations, ..self }.in_range()
    }

    /// The nearest that makes sense: at least 1 everywhere, `raise` at most `of`, nothing above its most.
    pub(super) fn in_range(self) -> Persistence {
        let raise = self.raise.clamp(1, Persistence::MOST);
        Persistence {
            warm_up: self.warm_up.min(Persistence::LONGEST_WARM_UP),
            raise,
            of: self.of.clamp(raise, Persistence::MOST),
            clear: self.clear.clamp(1, Persistence::MOST),
        }
    }

    pub(super) fn is_warming_up(&self, step: Step, first: Step) -> bool {
        let before = step.get().saturating_sub(first.get());
        u64::try_from(before).unwrap_or(0) < self.warm_up
    }
}

impl Default for Persistence {
    fn default() -> Persistence {
        Persistence::new(3, 5)
    }
}

/// What an examination changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// A finding is new.
    Raised,
    /// A finding became worse.
    Worse,
    /// A finding is over.
    Cleared,
}

/// What is remembered of one rule and one subject.
#[derive(Debug, Default)]
pub(super) struct Alarm {
    /// Of the last examinations: the step, and how bad it was where the symptom could raise an alarm.
    seen: VecDeque<(Step, Option<Severity>)>,
    /// Examinations in a row that were less bad than the finding.
    milder: u64,
    /// The worst symptom among them.
    worst_milder: Option<Symptom>,
    /// The finding while it lasts.
    pub(super) finding: Option<Finding>,
}

impl Alarm {
    /// Counts one examination.
    pub(super) fn count(
        &mut self,
        rule: &str,
        step: Step,
        symptom: Option<Symptom>,
        persistence: &Persistence,
    ) -> Option<Change> {
        let raising = symptom.as_ref().filter(|symptom| symptom.raises).map(|symptom| symptom.severity);
        self.seen.push_back((step, raising));
        while self.seen.len() as u64 > persistence.of {
            self.seen.pop_front();
        }
        let level = self.level(persistence.raise);
        let Some(finding) = &mut self.finding else {
            let (since, symptom) = (self.first()?, symptom?);
            self.finding = Some(Finding::new(rule, level?, since, step, symptom));
            return Some(Change::Raised);
        };
        if symptom.is_some() {
            finding.last = step;
        }
        match symptom {
            Some(symptom) if symptom.severity >= finding.severity => {
                // Only a symptom that is as bad can lift the level so far.
                let before = finding.severity;
                finding.severity = level.map_or(before, |level| level.max(before));
                let worse = finding.severity > before;
                finding.tell(symptom);
                self.milder = 0;
                self.worst_milder = None;
                worse.then_some(Change::Worse)
            }
            milder => {
                self.count_milder(step, milder, persistence.clear);
                let over = self.finding.as_ref().is_some_and(|finding| finding.cleared.is_some());
                over.then_some(Change::Cleared)
            }
        }
    }

    /// An examination that was less bad than the finding: after `clear` of them in a row the finding is as bad as the
    /// worst of those, or over where there was no symptom in any.
    fn count_milder(&mut self, step: Step, symptom: Option<Symptom>, clear: u64) {
        self.milder += 1;
        if let Some(symptom) = symptom {
            let known = self.worst_milder.as_ref();
            if known.is_none_or(|known| symptom.severity >= known.severity) {
                self.worst_milder = Some(symptom);
            }
        }
        if self.milder < clear {
            return;
        }
        self.milder = 0;
        // Else what was worse would make it worse again at once.
        self.seen.clear();
        let Some(finding) = &mut self.finding else { return };
        match self.worst_milder.take() {
            Some(symptom) => {
                finding.severity = symptom.severity;
                finding.tell(symptom);
            }
            None => finding.cleared = Some(step),
        }
    }

    /// How bad it was at least in `raise` of the last examinations.
    fn level(&self, raise: u64) -> Option<Severity> {
        let mut severities: Vec<Severity> = self.seen.iter().filter_map(|&(_, severity)| severity).collect();
        severities.sort_unstable_by(|a, b| b.cmp(a));
        severities.get(usize::try_from(raise).ok()?.checked_sub(1)?).copied()
    }

    /// The first of the steps that are remembered at which the symptom could raise an alarm.
    fn first(&self) -> Option<Step> {
        self.seen.iter().find(|(_, severity)| severity.is_some()).map(|&(step, _)| step)
    }

    /// Whether nothing is worth remembering.
    pub(super) fn is_idle(&self) -> bool {
        self.finding.is_none() && self.first().is_none()
    }
}

impl Finding {
    fn new(rule: &str, severity: Severity, since: Step, last: Step, symptom: Symptom) -> Finding {
        let mut finding = Finding {
            rule: rule.to_owned(),
            subject: symptom.subject.clone(),
            severity,
            since,
            last,
            cleared: None,
            value: symptom.value,
            threshold: symptom.threshold,
            message: String::new(),
            advice: String::new(),
            explained_by: None,
            recent: Vec::<Recent>::new(),
        };
        finding.tell(symptom);
        finding
    }

    fn tell(&mut self, symptom: Symptom) {
        self.value = symptom.value;
        self.threshold = symptom.threshold;
        self.message = symptom.message;
        self.advice = symptom.advice;
    }
}
