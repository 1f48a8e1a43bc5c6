//! One value of a series, read back.

use super::column::Row;
use crate::summary::{Step, WallTime};

/// One value of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point<T> {
    /// Where it lies on the x axis.
    pub step: Step,
    /// When it was taken.
    pub wall_time: WallTime,
    /// The value.
    pub value: T,
}

impl Row {
    /// The row with its value.
    pub(super) fn point<T>(&self, value: T) -> Point<T> {
        Point { step: Step::new(self.step), wall_time: self.wall_time, value }
    }
}
