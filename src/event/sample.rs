//! One value of a time series.

use crate::summary::{Step, Summary, Tag, WallTime};

/// One value of a time series, as it goes into a file.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Name of the time series.
    pub tag: Tag,
    /// Its x coordinate.
    pub step: Step,
    /// When it was taken.
    pub wall_time: WallTime,
    /// The value.
    pub summary: Summary,
}
