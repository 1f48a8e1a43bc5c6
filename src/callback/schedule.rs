//! When something is due.

use std::str::FromStr;

use crate::{
    error::{Error, Result},
    summary::Step,
};

/// Where a training stands: the batch that is running, or that ran last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Position {
    /// Number of this batch since training began; the first is 1. This is the x axis of every tag.
    pub step: Step,
    /// Number of the epoch; the first is 1.
    pub epoch: u64,
    /// Number of this batch in its epoch; the first is 1. It is 0 before the first batch.
    pub batch: u64,
    /// Batches in an epoch, where the loop said so.
    pub batches: Option<u64>,
    /// Whether diagnostics have taken more than their share of the time
    /// ([`Session::max_overhead`](crate::Session::max_overhead)): what is due on a
    /// [`within_budget`](Schedule::within_budget) schedule waits. The same during a whole step.
    pub over_budget: bool,
}

impl Position {
    /// Whether this batch is known to be the epoch's last.
    pub fn ends_epoch(&self) -> bool {
        self.batches.is_some_and(|batches| self.batch >= batches)
    }

    /// Whether this batch may be the epoch's last: true also where the length of an epoch is unknown.
    pub fn may_end_epoch(&self) -> bool {
        self.batches.is_none() || self.ends_epoch()
    }
}

/// When something is due, as a value: every n batches or every n epochs, from one step until another.
///
/// Batches and epochs are counted from 1, and every n-th is due (as in Keras: `step % n == 0`). Parses from Keras's
/// words for `update_freq`: `epoch`, `batch`, or a number of batches.
///
/// ```
/// use convscope::{Step, callback::{Position, Schedule}};
///
/// let at = |step| Position { step: Step::new(step), epoch: 1, batch: step as u64, ..Position::default() };
/// let schedule = Schedule::every(10).from(Step::new(20));
/// assert!(!schedule.batch_is_due(&at(10)));
/// assert!(schedule.batch_is_due(&at(20)));
/// assert!(!schedule.batch_is_due(&at(25)));
/// assert_eq!("batch".parse::<Schedule>()?, Schedule::batch());
/// assert_eq!("10".parse::<Schedule>()?, Schedule::every(10));
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    period: Period,
    from: Option<Step>,
    until: Option<Step>,
    within_budget: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Period {
    Never,
    Batches(u64),
    Epochs(u64),
}

impl Schedule {
    const fn new(period: Period) -> Schedule {
        Schedule { period, from: None, until: None, within_budget: false }
    }

    /// Never.
    pub const fn never() -> Schedule {
        Schedule::new(Period::Never)
    }

    /// At the end of every epoch.
    pub const fn epoch() -> Schedule {
        Schedule::epochs(1)
    }

    /// At the end of every `n`-th epoch; never for 0.
    pub const fn epochs(n: u64) -> Schedule {
        Schedule::new(if n == 0 { Period::Never } else { Period::Epochs(n) })
    }

    /// After every batch.
    pub const fn batch() -> Schedule {
        Schedule::every(1)
    }

    /// After every `n`-th batch; never for 0.
    pub const fn every(n: u64) -> Schedule {
        Schedule::new(if n == 0 { Period::Never } else { Period::Batches(n) })
    }

    /// Not before `step`.
    #[must_use]
    pub const fn from(mut self, step: Step) -> Schedule {
        self.from = Some(step);
        self
    }

    /// Not after `step`.
    #[must_use]
    pub const fn until(mut self, step: Step) -> Schedule {
        self.until = Some(step);
        self
    }

    /// Left out where diagnostics have taken more than their share of the time, until the next time that it is due: for
    /// what costs much. See [`Session::max_overhead`](crate::Session::max_overhead).
    ///
    /// ```
    /// use convscope::{Step, callback::{Position, Schedule}};
    ///
    /// let position = Position { step: Step::new(10), over_budget: true, ..Position::default() };
    /// assert!(Schedule::every(10).batch_is_due(&position));
    /// assert!(!Schedule::every(10).within_budget().batch_is_due(&position));
    /// ```
    #[must_use]
    pub const fn within_budget(mut self) -> Schedule {
        self.within_budget = true;
        self
    }

    /// Whether this is due after the batch at `position`; false for schedules that count epochs.
    pub fn batch_is_due(&self, position: &Position) -> bool {
        matches!(self.period, Period::Batches(n) if position.step.get().unsigned_abs().is_multiple_of(n))
            && self.is_within(position)
    }

    /// Whether this is due at the end of the epoch at `position`; false for schedules that count batches.
    pub fn epoch_is_due(&self, position: &Position) -> bool {
        matches!(self.period, Period::Epochs(n) if position.epoch.is_multiple_of(n))
            && self.is_within(position)
    }

    /// Whether this is due after the batch at `position`, or at the end of the epoch that this batch is known to end.
    pub fn is_due(&self, position: &Position) -> bool {
        self.batch_is_due(position) || (position.ends_epoch() && self.epoch_is_due(position))
    }

    /// Whether what the batch at `position` computes may be asked for: it is due after this batch, or at the end of an
    /// epoch that may end with it.
    pub fn may_be_due(&self, position: &Position) -> bool {
        self.batch_is_due(position) || (position.may_end_epoch() && self.epoch_is_due(position))
    }

    /// Whether the state before the first batch, at `position`, is to be shown: where anything is ever due and this is
    /// not outside the bounds.
    pub(crate) fn includes_start(&self, position: &Position) -> bool {
        self.period != Period::Never && self.is_within(position)
    }

    fn is_within(&self, position: &Position) -> bool {
        self.from.is_none_or(|from| from <= position.step)
            && self.until.is_none_or(|until| position.step <= until)
            && !(self.within_budget && position.over_budget)
    }
}

impl FromStr for Schedule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Schedule> {
        match text {
            "epoch" => Ok(Schedule::epoch()),
            "batch" => Ok(Schedule::batch()),
            number => match number.parse() {
                Ok(n) if n > 0 => Ok(Schedule::every(n)),
                _ => Err(Error::invalid(
                    "update frequency",
                    format!("`{text}` found; give `epoch`, `batch` or a number of batches such as 10"),
                )),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(step: i64, epoch: u64, batch: u64, batches: Option<u64>) -> Position {
        Position { step: Step::new(step), epoch, batch, batches, over_budget: false }
    }

    #[test]
    fn epochs_are_due_at_their_end_only() {
        let schedule = Schedule::epochs(2);
        assert!(!schedule.epoch_is_due(&at(10, 1, 10, Some(10))));
        assert!(schedule.epoch_is_due(&at(20, 2, 10, Some(10))));
        assert!(!schedule.batch_is_due(&at(20, 2, 10, Some(10))));
        assert!(schedule.may_be_due(&at(20, 2, 10, Some(10))));
        assert!(!schedule.may_be_due(&at(19, 2, 9, Some(10))));
        assert!(schedule.may_be_due(&at(19, 2, 9, None)), "an unknown length may end anywhere");
    }

    #[test]
    fn bounds_are_inclusive() {
        let schedule = Schedule::batch().from(Step::new(3)).until(Step::new(5));
        let due: Vec<i64> = (1..=8).filter(|&step| schedule.batch_is_due(&at(step, 1, 1, None))).collect();
        assert_eq!(due, [3, 4, 5]);
    }

    #[test]
    fn zero_is_never() {
        for schedule in [Schedule::every(0), Schedule::epochs(0), Schedule::never()] {
            assert!(!schedule.may_be_due(&at(10, 1, 10, Some(10))));
        }
        assert!(!Schedule::every(u64::MAX).batch_is_due(&at(10, 1, 10, None)));
    }

    #[test]
    fn other_words_are_refused() {
        for word in ["0", "-1", "epochs", "", "1.5"] {
            let error = word.parse::<Schedule>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{word}`")) && error.contains("`batch`"), "{error}");
        }
    }
}
