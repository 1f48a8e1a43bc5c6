//! How much of the time diagnostics may take.

use super::clock::Spent;
use crate::{
    callback::{Position, TRAIN},
    error::{Error, Result},
    summary::{Step, Summary},
    writer::SummarySink,
};

/// Seconds that diagnostics may take beyond their share, so that a short training shows everything.
const GRACE: f64 = 10.0;
/// Steps from one point of the scalar to the next, in a loop that does not say where its epochs end.
const EVERY: i64 = 100;

/// Compares what diagnostics took with what they may take, and logs it.
#[derive(Debug)]
pub(super) struct Overhead {
    /// Share of the time, 0 to 1.
    pub most: f64,
    /// Totals at the last point of the scalar, and where it stands.
    logged: (Spent, Step),
    /// Steps that began over budget.
    waited: u64,
}

impl Overhead {
    pub fn new() -> Overhead {
        Overhead { most: 0.05, logged: (Spent::default(), Step::default()), waited: 0 }
    }

    /// # Errors
    /// A share that is none.
    pub fn check(&self) -> Result<()> {
        if self.most >= 0.0 {
            return Ok(());
        }
        let why =
            format!("{} found; give a share of the time, such as 0.05, or infinity for no limit", self.most);
        Err(Error::invalid("max_overhead", why))
    }

    /// Looks at the totals before a step; says whether costly parts have to wait, and logs that they begin to.
    pub fn begin_step(
        &mut self,
        spent: &Spent,
        position: &Position,
        sink: &mut dyn SummarySink,
    ) -> Result<bool> {
        let over = spent.diagnostics > GRACE + self.most * spent.all;
        if over && self.waited == 0 {
            sink.add_text("overhead", &self.explain(spent, position.step), position.step)?;
        }
        self.waited += u64::from(over);
        Ok(over)
    }

    fn explain(&self, spent: &Spent, step: Step) -> String {
        format!(
            "Diagnostics took {:.1} s, {:.1} % of the time until step {step}; they may take {:.1} % (`max_overhead`) and \
             {GRACE} s. Costly parts (histograms, pictures, statistics of layers) are left out when they come due, until \
             they are within that share again: their points become rarer. The scalar `overhead_fraction` shows what they \
             take.",
            spent.diagnostics,
            100.0 * spent.diagnostics / spent.all,
            100.0 * self.most,
        )
    }

    /// Writes a point where one is due within an epoch.
    pub fn end_step(&mut self, spent: &Spent, position: &Position, sink: &mut dyn SummarySink) -> Result<()> {
        let due = position.batches.is_none() && position.step.get() % EVERY == 0;
        if due { self.write(spent, position.step, sink) } else { Ok(()) }
    }

    /// Writes the share since the last point.
    pub fn write(&mut self, spent: &Spent, step: Step, sink: &mut dyn SummarySink) -> Result<()> {
        let (before, last) = self.logged;
        let all = spent.all - before.all;
        if step == last || all <= 0.0 {
            return Ok(());
        }
        self.logged = (*spent, step);
        let summary = Summary::scalar((spent.diagnostics - before.diagnostics) / all).with_description(
            "Share of the time that diagnostics took since the last point, 0 to 1: captures, statistics, pictures and \
             writing, beside data loading, training and validation.",
        );
        sink.sub_run(TRAIN).add("overhead_fraction", summary, step)
    }

    /// Says how often costly parts had to wait, if they had to.
    pub fn finish(&mut self, spent: &Spent, step: Step, sink: &mut dyn SummarySink) -> Result<()> {
        self.write(spent, step, sink)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemorySink;

    fn spent(diagnostics: f64, all: f64) -> Spent {
        Spent { diagnostics, all }
    }

    fn at(step: i64) -> Position {
        Position { step: Step::new(step), ..Position::default() }
    }

    #[test]
    fn costly_parts_wait_above_the_share_and_its_grace() {
        let (mut overhead, mut sink) = (Overhead::new(), MemorySink::default());
        let cases = [
            (spent(9.0, 10.0), false), // within the grace
            (spent(14.9, 100.0), false),
            (spent(15.1, 100.0), true),
            (spent(16.0, 110.0), true),
            (spent(16.0, 130.0), false), // the rest of the training has caught up
        ];
        for (step, (totals, waits)) in (1..).zip(cases) {
            assert_eq!(overhead.begin_step(&totals, &at(step), &mut sink).unwrap(), waits, "{totals:?}");
        }
        overhead.finish(&spent(16.0, 130.0), Step::new(5), &mut sink).unwrap();
        let texts: Vec<(String, i64)> =
            sink.entries.iter().map(|entry| (entry.tag.to_string(), entry.step.get())).collect();
        let expected = [("overhead", 3), ("overhead_fraction", 5), ("overhead", 5)];
        assert_eq!(
            texts,
            expected.map(|(tag, step)| (tag.to_owned(), step)),
            "explained once, counted at the end"
        );
        let summary = sink.entries[2].summary.as_text().unwrap_or_default();
        assert!(summary.contains("waited in 2 steps"), "{summary}");
    }

    #[test]
    fn no_limit_means_none() {
        let (mut overhead, mut sink) = (Overhead::new(), MemorySink::default());
        overhead.most = f64::INFINITY;
        assert!(!overhead.begin_step(&spent(1e6, 1e6), &at(1), &mut sink).unwrap());
        overhead.most = 0.0;
        assert!(overhead.begin_step(&spent(10.1, 1e6), &at(2), &mut sink).unwrap());
    }

    #[test]
    fn the_scalar_is_the_share_since_its_last_point() {
        let (mut overhead, mut sink) = (Overhead::new(), MemorySink::default());
        overhead.end_step(&spent(1.0, 10.0), &at(99), &mut sink).unwrap();
        overhead.end_step(&spent(1.0, 10.0), &at(100), &mut sink).unwrap();
        let within_epoch = Position { batches: Some(1000), ..at(200) };
        overhead.end_step(&spent(1.5, 11.0), &within_epoch, &mut sink).unwrap();
        overhead.write(&spent(2.0, 12.0), Step::new(100), &mut sink).unwrap(); // stands there already
        overhead.write(&spent(4.0, 16.0), Step::new(150), &mut sink).unwrap();
        let values: Vec<Option<f64>> = sink.entries.iter().map(|entry| entry.summary.as_scalar()).collect();
        assert_eq!(values, [Some(0.1), Some(0.5)]);
    }
}
