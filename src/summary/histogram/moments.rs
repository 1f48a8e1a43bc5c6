//! What one number tells of a distribution.

use super::count::{BLOCK, Float};

/// Extremes, sums and counts. All but the last three are of finite values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    pub count: u64,
    pub zeros: u64,
    /// Infinite while `count` is 0, and `max` likewise.
    pub min: f64,
    pub max: f64,
    /// Magnitude of the value that is closest to zero but not zero, infinite where there is none.
    pub smallest: f64,
    pub sum: f64,
    pub sum_squares: f64,
    pub nan: u64,
    pub pos_inf: u64,
    pub neg_inf: u64,
}

impl Default for Moments {
    fn default() -> Moments {
        Moments {
            count: 0,
            zeros: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            smallest: f64::INFINITY,
            sum: 0.0,
            sum_squares: 0.0,
            nan: 0,
            pos_inf: 0,
            neg_inf: 0,
        }
    }
}

impl Moments {
    pub fn merge(&mut self, other: &Moments) {
        self.count += other.count;
        self.zeros += other.zeros;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.smallest = self.smallest.min(other.smallest);
        self.sum += other.sum;
        self.sum_squares += other.sum_squares;
        self.nan += other.nan;
        self.pos_inf += other.pos_inf;
        self.neg_inf += other.neg_inf;
    }

    /// Takes values; says whether all are finite.
    pub fn add_all<T: Float>(&mut self, values: &[T]) -> bool {
        let mut all = true;
        for block in values.chunks(BLOCK) {
            if block.iter().fold(true, |finite, value| finite & value.finite()) {
                self.add_finite(block);
            } else {
                block.iter().for_each(|&value| self.add(value.into()));
                all = false;
            }
        }
        all
    }

    fn add(&mut self, value: f64) {
        if value.is_finite() {
            self.add_finite(&[value]);
        } else {
            self.nan += u64::from(value.is_nan());
            self.pos_inf += u64::from(value == f64::INFINITY);
            self.neg_inf += u64::from(value == f64::NEG_INFINITY);
        }
    }

    fn add_finite<T: Float>(&mut self, values: &[T]) {
        self.count += values.len() as u64;
        self.add_extremes(values);
        self.add_sums(values);
    }

    // Both work on several values at once, each lane for itself, so that the processor can do so too.

    fn add_extremes<T: Float>(&mut self, values: &[T]) {
        let Some(&first) = values.first() else { return };
        let (mut min, mut max) = ([first; LANES], [first; LANES]);
        let (mut smallest, mut zeros) = ([T::HUGE; LANES], [0_u32; LANES]);
        for_lanes(values, |lane, value| {
            min[lane] = if value < min[lane] { value } else { min[lane] };
            max[lane] = if value > max[lane] { value } else { max[lane] };
        });
        for_lanes(values, |lane, value| {
            let magnitude = value.magnitude();
            let other = if magnitude > T::default() { magnitude } else { T::HUGE };
            smallest[lane] = if other < smallest[lane] { other } else { smallest[lane] };
            zeros[lane] += u32::from(value == T::default());
        });
        for lane in 0..LANES {
            // `+ 0.0` turns -0.0 into 0.0: they are one value here.
            self.min = self.min.min(min[lane].into() + 0.0);
            self.max = self.max.max(max[lane].into() + 0.0);
            self.smallest = self.smallest.min(smallest[lane].into());
            self.zeros += u64::from(zeros[lane]);
        }
    }

    fn add_sums<T: Float>(&mut self, values: &[T]) {
        let (mut sum, mut squares) = ([0.0; LANES], [0.0; LANES]);
        for_lanes(values, |lane, value| {
            let value: f64 = value.into();
            sum[lane] += value;
            squares[lane] += value * value;
        });
        self.sum += sum.iter().sum::<f64>();
        self.sum_squares += squares.iter().sum::<f64>();
    }
}

/// Gives every value to one of the lanes in turn.
#[inline(always)]
fn for_lanes<T: Float>(values: &[T], mut add: impl FnMut(usize, T)) {
    let (groups, rest) = values.as_chunks::<LANES>();
    for group in groups {
        for (lane, &value) in group.iter().enumerate() {
            add(lane, value);
        }
    }
    for (lane, &value) in rest.iter().enumerate() {
        add(lane, value);
    }
}

/// So many that the compiler keeps the lanes in wide registers.
const LANES: usize = 16;
