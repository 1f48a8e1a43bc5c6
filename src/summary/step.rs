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
/// for (step, _loss) in [0.5, 0.25].iter().enumerate() {
///     assert!(Step::from(step) < Step::new(2));
/// }
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

/// Numbers above `i64::MAX` become `i64::MAX`, the last step that a file can hold.
impl From<u64> for Step {
    fn from(step: u64) -> Step {
        Step(i64::try_from(step).unwrap_or(i64::MAX))
    }
}

/// For counters such as those of `enumerate`. Numbers above `i64::MAX` become `i64::MAX`, the last step that a file
/// can hold.
impl From<usize> for Step {
    fn from(step: usize) -> Step {
        Step(i64::try_from(step).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_fit_or_saturate() {
        assert_eq!(Step::from(7_usize), Step::new(7));
        assert_eq!(Step::from(i64::MAX.unsigned_abs()), Step::new(i64::MAX));
        assert_eq!(Step::from(i64::MAX.unsigned_abs() + 1), Step::new(i64::MAX));
        assert_eq!(Step::from(u64::MAX), Step::new(i64::MAX));
        assert_eq!(Step::from(usize::MAX), Step::new(i64::MAX));
    }
}
