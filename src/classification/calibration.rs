//! Whether the answers are as often right as they claim.

use crate::error::{Error, Result};

/// Bins where none are asked for, as in Guo et al. 2017.
const BINS: usize = 15;
/// More bins than this say nothing.
const MOST_BINS: usize = 1000;

/// Answers sorted by confidence, the probability of the predicted class, into bins of equal width: a reliability
/// diagram in numbers.
///
/// Bin `m` of `M`, counted from 1, holds the confidences `(m - 1) / M < c <= m / M`: the right edge belongs to the bin
/// (Guo et al. 2017, "On Calibration of Modern Neural Networks"); 0 belongs to the first.
///
/// ```
/// use convscope::classification::Calibration;
///
/// let mut calibration = Calibration::new(10)?;
/// for (confidence, is_right) in [(0.95, true), (0.95, false), (0.55, true)] {
///     calibration.add(confidence, is_right)?;
/// }
/// assert_eq!(calibration.bins()[9].accuracy(), Some(0.5));
/// let expected = (2.0 * 0.45 + 1.0 * 0.45) / 3.0; // by bin: samples times |accuracy - confidence|
/// assert!((calibration.ece().unwrap() - expected).abs() < 1e-12);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    bins: Vec<CalibrationBin>,
}

/// The answers whose confidence lies between two bounds.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct CalibrationBin {
    /// How many.
    pub count: u64,
    /// How many of them are right.
    pub correct: u64,
    /// Sum of their confidences.
    pub confidence_sum: f64,
}

impl CalibrationBin {
    /// Share of right answers, 0 to 1; `None` of an empty bin.
    pub fn accuracy(&self) -> Option<f64> {
        self.mean(self.correct as f64)
    }

    /// Mean confidence, 0 to 1; `None` of an empty bin.
    pub fn confidence(&self) -> Option<f64> {
        self.mean(self.confidence_sum)
    }

    /// Accuracy less confidence, -1 to 1: below 0 the answers claim too much. `None` of an empty bin.
    pub fn gap(&self) -> Option<f64> {
        Some(self.accuracy()? - self.confidence()?)
    }

    fn mean(&self, sum: f64) -> Option<f64> {
        (self.count > 0).then(|| sum / self.count as f64)
    }
}

impl Default for Calibration {
    /// Of no answers, in 15 bins.
    fn default() -> Calibration {
        Calibration { bins: vec![CalibrationBin::default(); BINS] }
    }
}

impl Calibration {
    /// Of no answers, in so many bins.
    ///
    /// # Errors
    /// No bin, or more than 1000.
    pub fn new(bins: usize) -> Result<Calibration> {
        if !(1..=MOST_BINS).contains(&bins) {
            let why = format!("{bins} found, 1 to {MOST_BINS} expected; {BINS} is a usual number");
            return Err(Error::invalid("bins of a calibration", why));
        }
        Ok(Calibration { bins: vec![CalibrationBin::default(); bins] })
    }

    /// Counts one answer.
    ///
    /// # Errors
    /// A confidence outside 0 to 1, or NaN. A part in a million beyond 1 counts as rounding.
    pub fn add(&mut self, confidence: f64, is_right: bool) -> Result<()> {
        if !(0.0..=1.0 + 1e-6).contains(&confidence) {
            return Err(Error::invalid("confidence", format!("{confidence} found, 0 to 1 expected")));
        }
        self.count(confidence.min(1.0), is_right);
        Ok(())
    }

    /// As [`add`](Calibration::add), for what is known to be a probability.
    pub(super) fn count(&mut self, confidence: f64, is_right: bool) {
        let last = self.bins.len() - 1;
        let right_edge = |bin: usize| (bin + 1) as f64 / self.bins.len() as f64;
        let bin = (0..last).find(|&bin| confidence <= right_edge(bin)).unwrap_or(last);
        let bin = &mut self.bins[bin];
        bin.count += 1;
        bin.correct += u64::from(is_right);
        bin.confidence_sum += confidence;
    }

    /// The bins, from the lowest confidences to the highest; all are equally wide.
    pub fn bins(&self) -> &[CalibrationBin] {
        &self.bins
    }

    /// All answers as one bin: accuracy, mean confidence and their gap.
    pub fn overall(&self) -> CalibrationBin {
        self.bins.iter().fold(CalibrationBin::default(), |sum, bin| CalibrationBin {
            count: sum.count + bin.count,
            correct: sum.correct + bin.correct,
            confidence_sum: sum.confidence_sum + bin.confidence_sum,
        })
    }

    /// Expected calibration error, 0 to 1: the mean distance of accuracy and confidence over the bins, each counting as
    /// often as it has answers (Naeini et al. 2015, "Obtaining Well Calibrated Probabilities Using Bayesian Binning";
    /// Guo et al. 2017, equation 3). `None` of no answers.
    pub fn ece(&self) -> Option<f64> {
        let total = self.overall().count;
        let distance = |bin: &CalibrationBin| Some(bin.count as f64 * bin.gap()?.abs());
        (total > 0).then(|| self.bins.iter().filter_map(distance).sum::<f64>() / total as f64)
    }

    /// Maximum calibration error, 0 to 1: the greatest distance of all bins that hold an answer (same sources, equation
    /// 5). Bins of few answers make it jump. `None` of no answers.
    pub fn mce(&self) -> Option<f64> {
        self.bins.iter().filter_map(|bin| Some(bin.gap()?.abs())).reduce(f64::max)
    }
}
