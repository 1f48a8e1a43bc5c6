//! What one number tells of a distribution.

/// Extremes, sums and counts. The first five are of finite values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    pub count: u64,
    pub zeros: u64,
    /// Infinite while `count` is 0, and `max` likewise.
    pub min: f64,
    pub max: f64,
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
        self.sum += other.sum;
        self.sum_squares += other.sum_squares;
        self.nan += other.nan;
        self.pos_inf += other.pos_inf;
        self.neg_inf += other.neg_inf;
    }

    /// Takes one value; says whether it is finite and not zero, so that it has a cell.
    pub fn add(&mut self, value: f64) -> bool {
        if !value.is_finite() {
            self.nan += u64::from(value.is_nan());
            self.pos_inf += u64::from(value == f64::INFINITY);
            self.neg_inf += u64::from(value == f64::NEG_INFINITY);
            return false;
        }
        self.count += 1;
        self.zeros += u64::from(value == 0.0);
        // `+ 0.0` turns -0.0 into 0.0: they are one value here.
        self.min = self.min.min(value + 0.0);
        self.max = self.max.max(value + 0.0);
        self.sum += value;
        self.sum_squares += value * value;
        value != 0.0
    }
}
