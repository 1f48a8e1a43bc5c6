//! How much of the time diagnostics may take.

use crate::{
    callback::{Position, TRAIN},
    error::Result,
    rules::Timing,
    summary::{Step, Summary},
    writer::SummarySink,
};

/// Seconds that diagnostics may take beyond their share, so that a short training shows everything.
const GRACE: f64 = 10.0;
/// Steps from one point of the scalar to the next, beside the ends of epochs.
const EVERY: i64 = 100;

/// Compares what diagnostics took with what they may take, and logs it.
#[derive(Debug)]
pub(super) struct Overhead {
    /// Share of the time, 0 to 1.
    pub most: f64,
    /// Totals at the last point of the scalar, and where it stands.
    logged: (Timing, Step),
    /// Steps that began over budget.
    waited: u64,
}

impl Overhead {
    pub fn new() -> Overhead {
        Overhead { most: 0.05, logged: (Timing::default(), Step::default()), waited: 0 }
    }

    /// Looks at the totals before a step; says whether costly parts have to wait, and logs that they begin to.
    pub fn begin_step(
        &mut self,
        totals: &Timing,
        position: &Position,
        sink: &mut dyn SummarySink,
    ) -> Result<bool> {
        let over = totals.diagnostics > GRACE + self.most * totals.total();
        if over && self.waited == 0 {
            sink.add_text("overhead", &self.explain(totals, position.step), position.step)?;
        }
        self.waited += u64::from(over);
        Ok(over)
    }

    fn explain(&self, totals: &Timing, step: Step) -> String {
        format!(
            "Diagnostics took {:.1} s, {:.1} % of the time until step {step}; they may take {:.1} % (`max_overhead`) and \
             {GRACE} s. Costly parts (histograms, pictures, statistics of layers) are left out when they come due, until \
             they are within that share again: their points become rarer. The scalar `overhead_fraction` shows what they \
             take.",
            totals.diagnostics,
            100.0 * totals.diagnostics / totals.total(),
            100.0 * self.most,
        )
    }

    /// Writes a point where one is due.
    pub fn end_step(&mut self, totals: &Timing, step: Step, sink: &mut dyn SummarySink) -> Result<()> {
        if step.get() % EVERY == 0 { self.write(totals, step, sink) } else { Ok(()) }
    }

    /// Writes the share since the last point.
    pub fn write(&mut self, totals: &Timing, step: Step, sink: &mut dyn SummarySink) -> Result<()> {
        let (before, last) = self.logged;
        let all = totals.total() - before.total();
        if step == last || all <= 0.0 {
            return Ok(());
        }
        self.logged = (*totals, step);
        let summary = Summary::scalar((totals.diagnostics - before.diagnostics) / all).with_description(
            "Share of the time that diagnostics took since the last point, 0 to 1: captures, statistics, pictures and \
             writing, beside data loading and training. Validation is not counted.",
        );
        sink.sub_run(TRAIN).add("overhead_fraction", summary, step)
    }

    /// Says how often costly parts had to wait, if they had to.
    pub fn finish(&mut self, totals: &Timing, step: Step, sink: &mut dyn SummarySink) -> Result<()> {
        self.write(totals, step, sink)?;
        if self.waited > 0 {
            let text = format!(
                "Costly diagnostics waited in {} steps, because they may take {:.1} % of the time (`max_overhead`).",
                self.waited,
                100.0 * self.most,
            );
            sink.add_text("overhead", &text, step)?;
        }
        Ok(())
    }
}
