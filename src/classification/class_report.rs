//! Precision, recall and F1 of each class, and their averages.

use super::confusion_matrix::{ConfusionMatrix, ratio};

/// What an average takes for a class whose measure is 0/0: scikit-learn's `zero_division`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ZeroDivision {
    /// 0, as scikit-learn does by default. Over the classes that are the truth or the answer of a sample at least once:
    /// a class that occurs nowhere does not count.
    #[default]
    Zero,
    /// Such a class does not count: scikit-learn's `zero_division=nan`. A model that always gives the same answer looks
    /// better by it.
    Skip,
}

/// Precision, recall and F1 of each class against all others, with scikit-learn's definitions
/// (`precision_recall_fscore_support`).
///
/// ```
/// use convscope::classification::{ClassReport, ConfusionMatrix, ZeroDivision};
///
/// let matrix = ConfusionMatrix::of(3, &[0, 1, 2, 2, 2], &[0, 0, 2, 2, 1])?;
/// let report = ClassReport::of(&matrix);
/// assert_eq!(report.classes[2].precision, Some(1.0));
/// assert_eq!(report.classes[2].recall, Some(2.0 / 3.0));
/// assert_eq!(report.classes[2].f1, Some(0.8));
/// let averages = report.macro_average(ZeroDivision::Zero);
/// assert_eq!(averages.precision, Some((0.5 + 0.0 + 1.0) / 3.0));
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ClassReport {
    /// One entry for each class, by class.
    pub classes: Vec<ClassScores>,
}

/// How well one class is told from all others. With `tp`, `fp`, `fn` its true positives, false positives and false
/// negatives.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ClassScores {
    /// `tp / (tp + fp)`, 0 to 1: how often the answer is right where it is this class. `None`: it never is.
    pub precision: Option<f64>,
    /// `tp / (tp + fn)`, 0 to 1: how often this class is recognised. `None`: there is no sample of it.
    pub recall: Option<f64>,
    /// `2 tp / (2 tp + fp + fn)`, 0 to 1: harmonic mean of both. `None`: neither a sample nor an answer of this class.
    pub f1: Option<f64>,
    /// Samples of the class.
    pub support: u64,
}

/// Measures averaged over classes. `None` where no class counts.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Averages {
    /// Mean precision, 0 to 1.
    pub precision: Option<f64>,
    /// Mean recall, 0 to 1.
    pub recall: Option<f64>,
    /// Mean F1, 0 to 1.
    pub f1: Option<f64>,
}

impl ConfusionMatrix {
    /// The measures of one class; those of nothing for a class that there is not.
    pub fn scores(&self, class: usize) -> ClassScores {
        let of = |counts: &[u64]| counts.get(class).copied().unwrap_or(0);
        let (support, predicted) = (of(self.support()), of(self.predicted()));
        let tp = self.count(class, class);
        ClassScores {
            precision: ratio(tp, predicted),
            recall: ratio(tp, support),
            f1: ratio(2 * tp, support + predicted),
            support,
        }
    }
}

impl ClassReport {
    /// The measures of every class of `matrix`.
    pub fn of(matrix: &ConfusionMatrix) -> ClassReport {
        ClassReport { classes: (0..matrix.classes()).map(|class| matrix.scores(class)).collect() }
    }

    /// The mean over the classes, each counting the same.
    pub fn macro_average(&self, zero_division: ZeroDivision) -> Averages {
        self.average(zero_division, |_| 1.0)
    }

    /// The mean over the classes, each counting as often as it has samples.
    pub fn weighted_average(&self, zero_division: ZeroDivision) -> Averages {
        self.average(zero_division, |class| class.support as f64)
    }

    fn average(&self, zero_division: ZeroDivision, weight: impl Fn(&ClassScores) -> f64) -> Averages {
        let mean = |measure: fn(&ClassScores) -> Option<f64>| {
            let (mut sum, mut weights) = (0.0, 0.0);
            for class in self.classes.iter().filter(|class| class.f1.is_some()) {
                let value = match zero_division {
                    ZeroDivision::Zero => Some(measure(class).unwrap_or(0.0)),
                    ZeroDivision::Skip => measure(class),
                };
                if let Some(value) = value {
                    sum += weight(class) * value;
                    weights += weight(class);
                }
            }
            (weights > 0.0).then(|| sum / weights)
        };
        Averages {
            precision: mean(|class| class.precision),
            recall: mean(|class| class.recall),
            f1: mean(|class| class.f1),
        }
    }
}
