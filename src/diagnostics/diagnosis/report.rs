//! The verdict and the state of the rules, when they are written.

use std::collections::BTreeMap;

use crate::{
    callback::Context,
    error::Result,
    rules::{Evidence, Examiner, Severity, Verdict},
    summary::{Step, Summary},
    writer::SummarySink,
};

/// Texts between two ends of epochs, however often something changes; behind them, one in so many steps.
const MOST_TEXTS: u32 = 20;
const APART: i64 = 100;

#[derive(Debug, Default)]
pub(super) struct Report {
    /// What was done about findings.
    pub actions: Vec<(Step, String)>,
    /// What speaks for a healthy training.
    pub evidence: Evidence,
    /// What the text says.
    said: Option<String>,
    /// Texts since an epoch ended.
    texts: u32,
    /// The step of the last text.
    written: Option<Step>,
    /// Whether a change waits to be said.
    is_waiting: bool,
    /// Point of each rule that was written last.
    states: BTreeMap<String, (Step, u8)>,
}

impl Report {
    pub fn verdict(&self, examiner: &Examiner) -> Verdict {
        Verdict { actions: self.actions.clone(), reasons: self.evidence.reasons(), ..Verdict::of(examiner) }
    }

    /// Writes a verdict that changed now, or before and had to wait.
    pub fn write_change(
        &mut self,
        cx: &Context<'_>,
        verdict: &Verdict,
        changed: bool,
        out: &mut dyn SummarySink,
    ) -> Result<()> {
        if !self.may_say(cx.step(), changed) {
            return Ok(());
        }
        self.texts += 1;
        self.write(cx, verdict, out)
    }

    fn may_say(&mut self, step: Step, changed: bool) -> bool {
        self.is_waiting |= changed;
        let since = step.get().saturating_sub(self.written.map_or(0, Step::get));
        self.is_waiting && (self.texts < MOST_TEXTS || since >= APART)
    }

    /// Writes the verdict at the end of an epoch or of the training, unless the text says this already.
    pub fn write_end(
        &mut self,
        cx: &Context<'_>,
        verdict: &Verdict,
        out: &mut dyn SummarySink,
    ) -> Result<()> {
        self.texts = 0;
        self.write(cx, verdict, out)
    }

    fn write(&mut self, cx: &Context<'_>, verdict: &Verdict, out: &mut dyn SummarySink) -> Result<()> {
        self.is_waiting = false;
        self.written = Some(cx.step());
        let text = verdict.to_markdown();
        if self.said.as_ref() != Some(&text) {
            out.add("diagnosis", Summary::text(&text).with_description(DESCRIPTION), cx.step())?;
            self.said = Some(text);
        }
        Ok(())
    }

    /// Writes the state of every rule that looked; twice at one step only where it changed.
    pub fn write_states(
        &mut self,
        cx: &Context<'_>,
        examiner: &Examiner,
        out: &mut dyn SummarySink,
    ) -> Result<()> {
        for rule in examiner.rules().into_iter().filter(|rule| examiner.examined(rule) > 0) {
            let state = match examiner.status(rule) {
                None | Some(Severity::Info) => 0,
                Some(Severity::Warning) => 1,
                Some(Severity::Critical) => 2,
            };
            let point = (cx.step(), state);
            if self.states.get(rule) != Some(&point) {
                let summary = Summary::scalar(f64::from(state)).with_description(STATE);
                out.add(&format!("diagnosis/{rule}"), summary, cx.step())?;
                self.states.insert(rule.to_owned(), point);
            }
        }
        Ok(())
    }
}

const DESCRIPTION: &str = "What is wrong with the training, and what to do.";
const STATE: &str = "0: fine; 1: warning; 2: critical. The text `diagnosis` says what was found.";

#[cfg(test)]
mod tests {
    use super::*;

    /// A finding that comes and goes at every step.
    #[test]
    fn texts_are_few_and_the_last_change_is_said() {
        let mut report = Report::default();
        let mut said = Vec::new();
        for step in 1..=400 {
            if report.may_say(Step::new(step), step <= 290) {
                report.texts += 1;
                (report.written, report.is_waiting) = (Some(Step::new(step)), false);
                said.push(step);
            }
        }
        assert_eq!(said, (1..=20).chain([120, 220, 320]).collect::<Vec<_>>());
    }
}
