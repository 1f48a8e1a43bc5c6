//! The verdict and the state of the rules, when they are written.

use std::collections::BTreeMap;

use crate::{
    callback::Context,
    error::Result,
    rules::{Evidence, Examiner, Severity, Verdict},
    summary::{Step, Summary},
    writer::SummarySink,
};

/// Texts between two ends of epochs; later changes wait for the end, unless they are critical.
const MOST_TEXTS: u32 = 20;

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
    /// Point of each rule that was written last.
    states: BTreeMap<String, (Step, u8)>,
}

impl Report {
    pub fn verdict(&self, examiner: &Examiner) -> Verdict {
        Verdict { actions: self.actions.clone(), reasons: self.evidence.reasons(), ..Verdict::of(examiner) }
    }

    /// Writes a verdict that changed. `urgent`: however often one was written before.
    pub fn write_change(
        &mut self,
        cx: &Context<'_>,
        verdict: &Verdict,
        urgent: bool,
        out: &mut dyn SummarySink,
    ) -> Result<()> {
        if self.texts >= MOST_TEXTS && !urgent {
            return Ok(());
        }
        self.texts += 1;
        self.write(cx, verdict, out)
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
