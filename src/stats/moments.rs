//! Counts, moments and extremes of values on the host, in one go through them.

/// Values that are taken together: they stay in the processor's first cache while their deviations are summed up.
const BLOCK: usize = 1024;

/// Counts, moments and extremes of a set of values. Of those that are not finite, the counts alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moments {
    pub finite: f64,
    pub nan: f64,
    pub infinite: f64,
    pub nonzero: f64,
    pub mean: f64,
    /// Sum of squared deviations from the mean.
    pub deviation: f64,
    pub min: f64,
    pub max: f64,
    /// Sum of absolute values.
    pub l1: f64,
}

impl Default for Moments {
    fn default() -> Moments {
        Moments {
            finite: 0.0,
            nan: 0.0,
            infinite: 0.0,
            nonzero: 0.0,
            mean: 0.0,
            deviation: 0.0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            l1: 0.0,
        }
    }
}

impl Moments {
    /// Number of figures in an array.
    pub const LEN: usize = 9;

    pub fn of<T: Copy + Into<f64>>(values: &[T]) -> Moments {
        let mut all = Moments::default();
        let mut block = Vec::with_capacity(BLOCK);
        for part in values.chunks(BLOCK) {
            block.clear();
            block.extend(part.iter().map(|&value| value.into()));
            all.add(&Moments::of_block(&mut block));
        }
        all
    }

    fn of_block(values: &mut Vec<f64>) -> Moments {
        let mut moments = Moments::default();
        // A finite sum has finite summands.
        if !values.iter().sum::<f64>().is_finite() {
            moments.nan = values.iter().filter(|value| value.is_nan()).count() as f64;
            moments.infinite = values.iter().filter(|value| value.is_infinite()).count() as f64;
            values.retain(|value| value.is_finite());
        }
        let (mut sum, mut l1, mut nonzero) = (0.0, 0.0, 0u32);
        for &value in values.iter() {
            sum += value;
            l1 += value.abs();
            nonzero += u32::from(value != 0.0);
            moments.min = if value < moments.min { value } else { moments.min };
            moments.max = if value > moments.max { value } else { moments.max };
        }
        if values.is_empty() {
            return moments;
        }
        let finite = values.len() as f64;
        let mean = sum / finite;
        let deviation = values.iter().map(|value| (value - mean) * (value - mean)).sum();
        Moments { finite, nonzero: f64::from(nonzero), mean, deviation, l1, ..moments }
    }

    /// Mean and deviations of two sets from those of each (Chan, Golub and LeVeque 1979).
    pub fn add(&mut self, other: &Moments) {
        self.nan += other.nan;
        self.infinite += other.infinite;
        if other.finite == 0.0 {
            return;
        }
        let both = self.finite + other.finite;
        let step = other.mean - self.mean;
        self.deviation += other.deviation + step * step * self.finite * other.finite / both;
        self.mean += step * other.finite / both;
        self.finite = both;
        self.nonzero += other.nonzero;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.l1 += other.l1;
    }

    pub fn to_array(self) -> [f64; Moments::LEN] {
        let Moments { finite, nan, infinite, nonzero, mean, deviation, min, max, l1 } = self;
        [finite, nan, infinite, nonzero, mean, deviation, min, max, l1]
    }

    /// From what [`to_array`](Moments::to_array) gives. Mean and extremes of no values may be anything.
    pub fn from_slice(figures: &[f64]) -> Option<Moments> {
        let &[finite, nan, infinite, nonzero, mean, deviation, min, max, l1] = figures else { return None };
        Some(Moments { finite, nan, infinite, nonzero, mean, deviation, min, max, l1 })
    }
}
