//! From slices to counts.

use super::{
    Histogram,
    cells::{Cells, key},
    moments::Moments,
};

pub(super) fn f32(values: &[f32]) -> Histogram {
    of(values.iter().map(|&value| f64::from(value)))
}

pub(super) fn f64(values: &[f64]) -> Histogram {
    of(values.iter().copied())
}

fn of(values: impl Iterator<Item = f64>) -> Histogram {
    let mut moments = Moments::default();
    let keys = values.filter(|&value| moments.add(value)).map(key).collect();
    Histogram { cells: Cells::from_keys(keys), moments }
}
