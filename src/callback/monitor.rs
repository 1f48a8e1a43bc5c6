//! The value that [`EarlyStopping`](super::EarlyStopping) and [`Checkpoint`](super::Checkpoint) watch.

use super::{Metrics, Position};
use crate::error::{Error, Result};

/// Which way a monitored value gets better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Smaller is better, as for a loss.
    Min,
    /// Greater is better, as for an accuracy.
    Max,
}

impl Mode {
    /// What a name suggests: greater is better for what ends in `accuracy`, `acc`, `auc`, `precision`, `recall` or `f1`,
    /// smaller for everything else.
    pub fn for_name(name: &str) -> Mode {
        const GREATER: [&str; 6] = ["accuracy", "acc", "auc", "precision", "recall", "f1"];
        let name = name.to_ascii_lowercase();
        if GREATER.iter().any(|end| name.ends_with(end)) { Mode::Max } else { Mode::Min }
    }
}

/// Where a metric comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The means over an epoch's training batches.
    Train,
    /// A pass over the validation data.
    Validation,
}

impl Source {
    fn name(self) -> &'static str {
        match self {
            Source::Train => "train",
            Source::Validation => "validation",
        }
    }
}

/// A value's best so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Best {
    pub value: f64,
    pub epoch: u64,
}

/// What a new value means.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Check {
    pub value: f64,
    pub improved: bool,
}

/// Watches one number, such as `validation/loss`, and remembers the best.
#[derive(Debug, Clone)]
pub(crate) struct Monitor {
    pub name: String,
    /// `None`: what `name` suggests.
    pub mode: Option<Mode>,
    pub min_delta: f64,
    pub best: Option<Best>,
    /// Epoch of the first check; its end is the last moment for the value to appear.
    pub due: u64,
    /// Names of all values seen so far, in the form in which `name` is given; emptied once `name` was among them.
    missing_among: Option<Vec<String>>,
}

impl Monitor {
    pub fn new(name: impl Into<String>) -> Monitor {
        Monitor {
            name: name.into(),
            mode: None,
            min_delta: 0.0,
            best: None,
            due: 1,
            missing_among: Some(Vec::new()),
        }
    }

    /// Refuses a name that no metric can have.
    pub fn validate(&self) -> Result<()> {
        if !(self.min_delta.is_finite() && self.min_delta >= 0.0) {
            return Err(Error::invalid(
                "min_delta",
                format!("{} found; give a number from 0", self.min_delta),
            ));
        }
        match self.name.split_once('/') {
            Some(("train" | "validation", metric)) if !metric.is_empty() => Ok(()),
            _ => Err(Error::invalid(
                format!("monitor `{}`", self.name),
                "a name begins with `train/` or `validation/`, such as `validation/loss`",
            )),
        }
    }

    /// Takes the monitored value out of `metrics` and compares it with the best. `None` where it is not among them, and
    /// in epochs before `due`.
    pub fn check(&mut self, source: Source, metrics: &Metrics, position: &Position) -> Option<Check> {
        let value =
            self.name.strip_prefix(source.name())?.strip_prefix('/').and_then(|name| metrics.get(name));
        match value {
            Some(_) => self.missing_among = None,
            None => self.remember_names(source, metrics),
        }
        let value = value.filter(|_| position.epoch >= self.due)?;
        let improved = value.is_finite() && self.best.is_none_or(|best| self.is_better(value, best.value));
        if improved {
            self.best = Some(Best { value, epoch: position.epoch });
        }
        Some(Check { value, improved })
    }

    /// At the end of an epoch: refuses to go on without the monitored value, and says which values there are.
    pub fn require(&mut self, metrics: &Metrics, position: &Position) -> Result<()> {
        if self.missing_among.is_none() || position.epoch < self.due {
            return Ok(());
        }
        self.remember_names(Source::Train, metrics);
        let there = self.missing_among.take().unwrap_or_default();
        let there = if there.is_empty() { "nothing".to_owned() } else { there.join(", ") };
        Err(Error::invalid(
            format!("monitor `{}`", self.name),
            format!("no such value by the end of epoch {}; there is: {there}", position.epoch),
        ))
    }

    /// Lightning's rule: better by more than `min_delta`.
    fn is_better(&self, value: f64, best: f64) -> bool {
        match self.mode.unwrap_or_else(|| Mode::for_name(&self.name)) {
            Mode::Min => value + self.min_delta < best,
            Mode::Max => value - self.min_delta > best,
        }
    }

    fn remember_names(&mut self, source: Source, metrics: &Metrics) {
        if let Some(names) = &mut self.missing_among {
            names.extend(metrics.iter().map(|(name, _)| format!("{}/{name}", source.name())));
            names.sort();
            names.dedup();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Step;

    const EPOCH_1: Position =
        Position { step: Step::new(1), epoch: 1, batch: 1, batches: None, over_budget: false };

    #[test]
    fn names_tell_the_mode() {
        for name in ["validation/accuracy", "train/Accuracy", "validation/top5_acc", "validation/f1"] {
            assert_eq!(Mode::for_name(name), Mode::Max, "{name}");
        }
        for name in ["validation/loss", "train/error", "validation/accuracy_loss"] {
            assert_eq!(Mode::for_name(name), Mode::Min, "{name}");
        }
    }

    #[test]
    fn a_change_of_exactly_min_delta_is_no_improvement() {
        let mut monitor = Monitor { min_delta: 0.5, ..Monitor::new("validation/loss") };
        let mut check = |value| {
            let metrics = Metrics::from([("loss", value)]);
            monitor.check(Source::Validation, &metrics, &EPOCH_1).unwrap().improved
        };
        assert_eq!([4.0, 3.5, 3.25, 2.75, 2.5].map(&mut check), [true, false, true, false, true]);
    }

    #[test]
    fn only_its_own_source_counts() {
        let mut monitor = Monitor::new("validation/loss");
        let metrics = Metrics::from([("loss", 1.0)]);
        assert_eq!(monitor.check(Source::Train, &metrics, &EPOCH_1), None);
        assert!(monitor.check(Source::Validation, &metrics, &EPOCH_1).is_some());
    }
}
