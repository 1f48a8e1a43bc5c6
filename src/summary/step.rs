//! The x axis of every time series.

use std::fmt;

/// Global step: the number of batches seen when the value was taken. Every tag of a run uses it, epoch-level values
/// too (at the step where the epoch ended), so that all curves share one axis. May be negative.
///
/// ```
/// use convscope::Step;
///
/// assert_eq!(Step::from(7).get(), 7);
/// assert!(Step::from(7) < Step::new(8));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Step(i64);

impl Step {
    /// The step with this number.
    pub const fn new(step: i64) -> Step {
        Step(step)
    }

    /// The number.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl From<i64> for Step {
    fn from(step: i64) -> Step {
        Step(step)
    }
}

impl From<i32> for Step {
    fn from(step: i32) -> Step {
        Step(step.into())
    }
}

impl From<u32> for Step {
    fn from(step: u32) -> Step {
        Step(step.into())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
