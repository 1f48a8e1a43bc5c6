//! Counts on a grid that follows the values, such that parts join without loss.

use super::{Bucket, moments::Moments};

/// One grid: two values share a cell where sign, exponent and the first `bits` bits of the mantissa (of 64-bit floats)
/// agree.
pub(super) struct Grid {
    pub bits: u32,
    /// The grid may be used while the values take at most `limit` cells of the grid of `guard` bits.
    guard: u32,
    pub limit: usize,
}

/// From the finest to the coarsest. More values never take fewer cells, hence a grid that is out of use for a part is
/// out of use for the whole: the finest grid in use depends on the values alone and not on how they were split.
///
/// The first keeps the values themselves. The next five are for values close together, such as the scales of batch
/// normalisation around 1: each splits the at most 128 cells of a coarser grid into 256. The last one is always of
/// use: there are no more than 2 * 2,047 * 16 cells.
pub(super) const GRIDS: [Grid; 9] = [
    Grid { bits: 52, guard: 52, limit: 2048 },
    Grid { bits: 47, guard: 39, limit: 128 },
    Grid { bits: 39, guard: 31, limit: 128 },
    Grid { bits: 31, guard: 23, limit: 128 },
    Grid { bits: 23, guard: 15, limit: 128 },
    Grid { bits: 15, guard: 7, limit: 128 },
    Grid { bits: 10, guard: 10, limit: 1 << 16 },
    Grid { bits: 7, guard: 7, limit: 1 << 16 },
    Grid { bits: 4, guard: 4, limit: 1 << 16 },
];

/// The grid of single values.
pub(super) const EXACT: usize = 0;
/// The first grid that is not limited to values close together.
pub(super) const FIRST_COARSE: usize = 6;

/// How many values lie in each cell; zeros have none.
#[derive(Debug, Clone, Default)]
pub(super) struct Cells {
    /// Index into [`GRIDS`].
    grid: usize,
    /// Key and count, by ascending key. Keys are in the order of the values: the leading bits of the magnitude, all
    /// bits inverted where the value is negative.
    counts: Vec<(i64, u64)>,
}

/// The key of a value on the finest grid.
pub(super) fn key(value: f64) -> i64 {
    let magnitude = value.abs().to_bits() as i64;
    if value < 0.0 { !magnitude } else { magnitude }
}

impl Cells {
    /// From the keys of single values on the finest grid.
    pub fn from_keys(mut keys: Vec<i64>) -> Cells {
        keys.sort_unstable();
        let mut cells = Cells { grid: EXACT, counts: keys.into_iter().map(|key| (key, 1)).collect() };
        cells.join_equal(0);
        cells.settle();
        cells
    }

    /// From the counts of a grid, which is the finest that the values may use, or finer.
    pub fn from_counts(grid: usize, counts: Vec<(i64, u64)>) -> Cells {
        let mut cells = Cells { grid, counts };
        cells.settle();
        cells
    }

    pub fn merge(&mut self, other: &Cells) {
        if other.counts.is_empty() {
            return;
        }
        if self.counts.is_empty() {
            self.clone_from(other);
            return;
        }
        let grid = self.grid.max(other.grid);
        self.coarsen(grid);
        let mut other = other.clone();
        other.coarsen(grid);
        self.counts.append(&mut other.counts);
        self.counts.sort_by_key(|&(key, _)| key); // two sorted runs: one pass
        self.join_equal(0);
        self.settle();
    }

    /// Goes to the finest grid that may be used.
    fn settle(&mut self) {
        while !self.may_use(&GRIDS[self.grid]) {
            self.coarsen(self.grid + 1);
        }
    }

    fn may_use(&self, grid: &Grid) -> bool {
        let shift = grid.bits - grid.guard;
        let steps = self.counts.windows(2).filter(|pair| pair[0].0 >> shift != pair[1].0 >> shift).count();
        self.counts.is_empty() || steps < grid.limit
    }

    fn coarsen(&mut self, grid: usize) {
        let shift = GRIDS[self.grid].bits - GRIDS[grid].bits;
        self.grid = grid;
        if shift > 0 {
            self.join_equal(shift);
        }
    }

    /// Drops the last bits of the keys and joins the counts of those that become equal.
    fn join_equal(&mut self, shift: u32) {
        for (key, _) in &mut self.counts {
            *key >>= shift; // keeps the order, and the inversion of negative values
        }
        self.counts.dedup_by(|next, first| {
            let equal = next.0 == first.0;
            if equal {
                first.1 += next.1;
            }
            equal
        });
    }

    /// The cells with their edges, and the zeros as a piece without width, sorted and apart. The outer edges are the
    /// extremes.
    pub fn pieces(&self, moments: &Moments) -> Vec<Bucket> {
        let positive = self.counts.partition_point(|&(key, _)| key < 0);
        let (below, above) = self.counts.split_at(positive);
        let zero = Bucket { left: 0.0, right: 0.0, count: moments.zeros };
        let piece = |&(key, count): &(i64, u64)| {
            let (left, right) = self.edges(key);
            Bucket { left: left.max(moments.min), right: right.min(moments.max), count }
        };
        let mut pieces: Vec<Bucket> = below.iter().map(piece).collect();
        pieces.extend((zero.count > 0).then_some(zero));
        pieces.extend(above.iter().map(piece));
        if let (Some(first), true) = (pieces.first_mut(), self.grid != EXACT) {
            first.left = moments.min;
        }
        if let (Some(last), true) = (pieces.last_mut(), self.grid != EXACT) {
            last.right = moments.max;
        }
        pieces
    }

    fn edges(&self, key: i64) -> (f64, f64) {
        let shift = 52 - GRIDS[self.grid].bits;
        let magnitude = (if key < 0 { !key } else { key }) as u64;
        let near = f64::from_bits(magnitude << shift);
        let far = if shift == 0 { near } else { f64::from_bits((magnitude + 1) << shift) };
        if key < 0 { (-far, -near) } else { (near, far) }
    }
}
