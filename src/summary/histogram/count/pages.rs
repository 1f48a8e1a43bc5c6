//! Values close together, on one of the fine grids: a page of 256 counts for each cell of the coarser grid.

use super::Float;
use crate::summary::histogram::cells::{Grid, key};

/// Cells of a fine grid in one cell of its guard.
const PAGE_BITS: u32 = 8;
const PAGE: usize = 1 << PAGE_BITS;
const MAX_PAGES: usize = 128;
const SLOTS: usize = 4 * MAX_PAGES;
const FREE: i64 = i64::MAX;

/// Key and count of every cell of the grid, or `None` where the values spread over more than its guard allows. Zeros
/// and what is not finite are left out.
pub(super) fn count<T: Float>(values: &[T], grid: &Grid) -> Option<Vec<(i64, u64)>> {
    let shift = 52 - grid.bits;
    // Open addressing: which page a leading key has.
    let mut slots = [(FREE, 0_usize); SLOTS];
    let mut pages: Vec<[u32; PAGE]> = Vec::new();
    for &value in values {
        let number: f64 = value.into();
        if !number.is_finite() || number == 0.0 {
            continue;
        }
        let cell = key(number) >> shift;
        let leading = cell >> PAGE_BITS;
        let mut at = leading as usize % SLOTS; // neighbours get neighbouring slots
        while slots[at].0 != leading {
            if slots[at].0 == FREE {
                if pages.len() == MAX_PAGES {
                    return None;
                }
                slots[at] = (leading, pages.len());
                pages.push([0; PAGE]);
            } else {
                at = (at + 1) % SLOTS;
            }
        }
        pages[slots[at].1][cell as usize % PAGE] += 1;
    }
    slots.sort_unstable();
    let taken = &slots[..pages.len()];
    let cells = taken.iter().flat_map(|&(leading, page)| {
        (leading << PAGE_BITS..).zip(&pages[page]).map(|(cell, &count)| (cell, u64::from(count)))
    });
    Some(cells.filter(|&(_, count)| count > 0).collect())
}
