//! Values that spread widely: a table of all cells of normal `f32`.

use std::{cell::RefCell, mem, ops::Range};

use super::{BLOCK, Float, sorted};
use crate::summary::histogram::{
    cells::{Cells, FIRST_COARSE},
    moments::Moments,
};

/// Sign, 8 bits of exponent, and the 10 bits of the mantissa that the grid keeps.
const CELLS: usize = 1 << 19;
const SIGN: usize = 1 << 18;
const OCTAVE: usize = 1 << 10;
/// Magnitudes of normal `f32`.
pub(super) const NORMAL: Range<usize> = OCTAVE..255 * OCTAVE;
/// What the exponent of `f64` is above that of `f32`.
pub(super) const BIAS: u64 = (1023 - 127) << 10;

thread_local! {
    /// All zeros between calls. It is kept, because 2 MiB take longer to get than most tensors to count.
    static TABLE: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

/// Counts all values; adds them to `moments`, which are of no others.
pub(super) fn count<T: Float>(values: &[T], moments: &mut Moments) -> Cells {
    TABLE.with_borrow_mut(|table| {
        table.resize(CELLS, 0);
        for block in values.chunks(BLOCK) {
            if moments.add_all(block) {
                add(table, block.iter());
            } else {
                add(table, block.iter().filter(|value| value.finite()));
            }
        }
        let mut cells = Cells::from_counts(FIRST_COARSE, take(table, moments));
        // Zeros are here, and what is beyond normal `f32`: rare, hence counted apart.
        let outside: u64 = [0, SIGN].into_iter().map(|sign| clear(&mut table[sign..sign + OCTAVE])).sum();
        if outside > moments.zeros {
            merge_outside(&mut cells, values);
        }
        cells
    })
}

fn add<'a, T: Float + 'a>(table: &mut [u32], values: impl Iterator<Item = &'a T>) {
    for value in values {
        table[value.table_cell() % CELLS] += 1;
    }
}

/// Key and count of the cells that are not empty, ascending; empties them.
fn take(table: &mut [u32], moments: &Moments) -> Vec<(i64, u64)> {
    let mut counts = Vec::new();
    if moments.count == moments.zeros {
        return counts;
    }
    // Cells of nearest and furthest value from zero; those outside of the table have the cell 0.
    let near = moments.smallest.table_cell().max(NORMAL.start);
    let far = match moments.min.abs().max(moments.max.abs()).table_cell() {
        0 => NORMAL.end,
        cell => cell + 1,
    };
    let (near, far) = (near / OCTAVE, far.div_ceil(OCTAVE));
    let (positive, negative) = table.split_at_mut(SIGN);
    if moments.min < 0.0 {
        for octave in (near..far).rev() {
            let start = counts.len();
            take_octave(negative, octave, &mut counts);
            counts[start..].reverse();
            counts[start..].iter_mut().for_each(|(key, _)| *key = !*key);
        }
    }
    if moments.max > 0.0 {
        for octave in near..far {
            take_octave(positive, octave, &mut counts);
        }
    }
    counts
}

/// Appends what is not empty, by ascending magnitude.
fn take_octave(table: &mut [u32], octave: usize, counts: &mut Vec<(i64, u64)>) {
    let first = octave * OCTAVE;
    let mut found = [(0, 0); OCTAVE];
    let mut len = 0;
    for (i, count) in table[first..first + OCTAVE].iter_mut().enumerate() {
        // Without a branch: which cells are empty is hard to foretell.
        found[len] = (((first + i) as u64 + BIAS) as i64, u64::from(*count));
        len += usize::from(mem::take(count) > 0);
    }
    counts.extend_from_slice(&found[..len]);
}

/// Sum of the counts; empties them.
fn clear(counts: &mut [u32]) -> u64 {
    counts.iter_mut().map(|count| u64::from(mem::take(count))).sum()
}

fn merge_outside<T: Float>(cells: &mut Cells, values: &[T]) {
    let outside = |value: &T| value.finite() && !NORMAL.contains(&(value.table_cell() % SIGN));
    for some in values.chunks(1 << 20) {
        let some: Vec<T> = some.iter().copied().filter(outside).collect();
        cells.merge(&sorted(&some));
    }
}
