//! The two lanes of a run on which values wait for being written.

use std::ops::{AddAssign, SubAssign};

use crate::summary::Kind;

/// Embeddings become files of their own: where these cannot be written, the values of the event file do not wait for
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    Values,
    Embeddings,
}

/// Both, in the order of their numbers.
pub(super) const LANES: [Lane; 2] = [Lane::Values, Lane::Embeddings];

impl Lane {
    pub(super) fn of(kind: Kind) -> Lane {
        match kind {
            Kind::Embedding => Lane::Embeddings,
            _ => Lane::Values,
        }
    }
}

/// So many values, and the memory that they take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub records: usize,
    pub bytes: usize,
}

impl Amount {
    pub(super) fn one(bytes: usize) -> Amount {
        Amount { records: 1, bytes }
    }

    /// A part of it, rounded up.
    pub(super) fn part(self, of: usize) -> Amount {
        Amount { records: self.records.div_ceil(of), bytes: self.bytes.div_ceil(of) }
    }

    /// Whether one more value of so many bytes stays within `bound`.
    pub(super) fn has_room(self, bytes: usize, bound: Amount) -> bool {
        self.records < bound.records && self.bytes + bytes <= bound.bytes
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, more: Amount) {
        self.records += more.records;
        self.bytes += more.bytes;
    }
}

impl SubAssign for Amount {
    fn sub_assign(&mut self, less: Amount) {
        self.records -= less.records;
        self.bytes -= less.bytes;
    }
}
