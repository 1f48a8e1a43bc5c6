//! What a slice for a histogram may hold.

use crate::summary::Histogram;

/// A number that histograms are made of: `f32` or `f64`.
pub trait Element: Copy + sealed::Sealed {
    /// The histogram of a slice.
    fn histogram(values: &[Self]) -> Histogram;
}

impl Element for f32 {
    fn histogram(values: &[f32]) -> Histogram {
        Histogram::from_f32(values)
    }
}

impl Element for f64 {
    fn histogram(values: &[f64]) -> Histogram {
        Histogram::from_f64(values)
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}
