//! From slices to counts, in one pass where the values allow it.
//!
//! Which grid the values need is known only in the end: each is tried from the finest on, and given up at the first
//! value that finds no room. Values that spread are soon out of the fine ones.

mod exact;
mod pages;
mod table;

use super::{
    Histogram,
    cells::{Cells, EXACT, FIRST_COARSE, GRIDS, key},
    moments::Moments,
};

/// `f32` and `f64`.
pub(super) trait Float: Copy + PartialOrd + Default + Into<f64> {
    /// Plus infinity.
    const HUGE: Self;

    /// Whether it is neither NaN nor an infinity.
    fn finite(self) -> bool;

    /// Its cell in the [table](table::Table): sign, 8 bits of exponent and 10 of mantissa as in `f32`. What is not a
    /// normal `f32` is in the first octave, with its sign.
    fn table_cell(self) -> usize;

    /// The absolute value.
    fn magnitude(self) -> Self;
}

impl Float for f32 {
    const HUGE: f32 = f32::INFINITY;

    fn finite(self) -> bool {
        self.is_finite()
    }

    fn table_cell(self) -> usize {
        (self.to_bits() >> 13) as usize
    }

    fn magnitude(self) -> f32 {
        self.abs()
    }
}

impl Float for f64 {
    const HUGE: f64 = f64::INFINITY;

    fn finite(self) -> bool {
        self.is_finite()
    }

    fn table_cell(self) -> usize {
        let sign = (self.to_bits() >> 63) << 18;
        let magnitude = (self.abs().to_bits() >> 42).wrapping_sub(table::BIAS);
        let inside = table::NORMAL.contains(&(magnitude as usize));
        (sign | if inside { magnitude } else { 0 }) as usize
    }

    fn magnitude(self) -> f64 {
        self.abs()
    }
}

/// Values at a time, so that they stay in the cache between the passes over them, and counts stay within 32 bits.
pub(super) const BLOCK: usize = 2048;
const SLICE: usize = 1 << 30;

pub(super) fn slice<T: Float>(values: &[T]) -> Histogram {
    let (values, rest) = values.split_at(values.len().min(SLICE));
    let mut moments = Moments::default();
    let mut histogram = Histogram { cells: cells(values, &mut moments), moments };
    for values in rest.chunks(SLICE) {
        histogram.merge(&slice(values));
    }
    histogram
}

fn cells<T: Float>(values: &[T], moments: &mut Moments) -> Cells {
    if values.len() <= GRIDS[EXACT].limit {
        moments.add_all(values);
        return sorted(values);
    }
    for (grid, description) in GRIDS.iter().enumerate().take(FIRST_COARSE) {
        let counts = if grid == EXACT { exact::count(values) } else { pages::count(values, description) };
        if let Some(counts) = counts {
            moments.add_all(values);
            return Cells::from_counts(grid, counts);
        }
    }
    table::count(values, moments)
}

/// The cells of few values.
fn sorted<T: Float>(values: &[T]) -> Cells {
    let numbers = values.iter().map(|&value| value.into());
    Cells::from_keys(numbers.filter(|&number: &f64| number.is_finite() && number != 0.0).map(key).collect())
}
