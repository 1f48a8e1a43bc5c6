//! Few different values, each counted by itself.

use super::Float;
use crate::summary::histogram::cells::{EXACT, GRIDS, key};

const SLOTS: usize = 4 * GRIDS[EXACT].limit;

/// Key and count of every value, or `None` where they are too many. Zeros and what is not finite are left out.
pub(super) fn count<T: Float>(values: &[T]) -> Option<Vec<(i64, u64)>> {
    // Open addressing. No value but zero has the key 0, which marks an empty slot.
    let mut slots = vec![(0_i64, 0_u64); SLOTS];
    let mut taken = 0;
    for &value in values {
        let number: f64 = value.into();
        if !number.is_finite() || number == 0.0 {
            continue;
        }
        let key = key(number);
        let mut at =
            (key as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) as usize >> (usize::BITS - SLOTS.ilog2());
        while slots[at].0 != key {
            if slots[at].0 == 0 {
                taken += 1;
                if taken > GRIDS[EXACT].limit {
                    return None;
                }
                slots[at].0 = key;
            } else {
                at = (at + 1) % SLOTS;
            }
        }
        slots[at].1 += 1;
    }
    slots.retain(|&(key, _)| key != 0);
    slots.sort_unstable();
    Some(slots)
}
