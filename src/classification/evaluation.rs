//! Labels and logits in, everything that is known of a classifier out.

use super::{
    average_precision::average_precision,
    calibration::Calibration,
    class_report::ClassReport,
    confusion_matrix::{ConfusionMatrix, ratio},
    log_softmax::{log_odds, log_softmax},
    mistakes::{Mistake, Mistakes},
};
use crate::{
    error::{Error, Result},
    summary::PrCurve,
};

/// Mistakes that are kept where no number is asked for.
const MISTAKES: usize = 16;

/// How well a classifier answers, gathered batch by batch from labels and logits.
///
/// The answer to a sample is the class with the largest logit, the first of equal ones. Probabilities are the softmax of
/// the logits, in 64 bits. Who has probabilities gives their logarithms.
///
/// Samples that cannot be judged are left out of everything and [counted](Evaluation::left_out): labels that are no
/// class, and logits without a softmax (NaN, positive infinity, or negative infinity for all classes).
///
/// Memory stays bounded by the classes, except for [scores](Evaluation::keep_scores), which take 4 bytes for each sample
/// and class.
///
/// ```
/// use convscope::classification::Evaluation;
///
/// let mut evaluation = Evaluation::new(2)?.keep_scores([0, 1])?;
/// evaluation.add(&[0, 1], &[2.0, 0.0, /* second sample */ 0.0, 3.0])?;
/// evaluation.add(&[1], &[4.0, 0.0])?; // a confident mistake
/// assert_eq!(evaluation.accuracy(), Some(2.0 / 3.0));
/// assert_eq!(evaluation.confusion().count(1, 0), 1);
/// assert_eq!(evaluation.report().classes[1].recall, Some(0.5));
/// assert_eq!(evaluation.mistakes()[0].index, 2);
/// assert_eq!(evaluation.average_precision(1), Some(0.5 * 1.0 + 0.5 * (2.0 / 3.0)));
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    confusion: ConfusionMatrix,
    calibration: Calibration,
    mistakes: Mistakes,
    /// Sum of the cross-entropies of each class.
    losses: Vec<f64>,
    top_k: Option<TopK>,
    scores: Scores,
    given: u64,
    left_out: LeftOut,
}

/// Samples that could not be judged. One with both faults counts as the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LeftOut {
    /// Labels outside `0..classes`.
    pub labels: u64,
    /// Logits that are NaN, positive infinity, or negative infinity for all classes.
    pub logits: u64,
}

impl LeftOut {
    /// Whether all samples were judged.
    pub fn is_empty(&self) -> bool {
        *self == LeftOut::default()
    }

    /// In words; empty where all samples were judged.
    pub fn words(&self) -> String {
        let part = |count: u64, what: &str| (count > 0).then(|| format!("{count} with {what}"));
        let parts = [part(self.labels, "a label that is no class"), part(self.logits, "logits not finite")];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if parts.is_empty() { String::new() } else { format!("left out: {}", parts.join(", ")) }
    }
}

#[derive(Debug, Clone, PartialEq)]
struct TopK {
    k: usize,
    /// Samples whose label is among the `k` largest logits.
    hits: u64,
}

/// How probable some classes are, for curves.
#[derive(Debug, Clone, PartialEq, Default)]
struct Scores {
    /// True class of each sample.
    truths: Vec<usize>,
    /// A class and its log-odds for each sample; sorted by class. Of a sure model probabilities round to 1 and tie;
    /// log-odds are as fine as the logits that they come from.
    columns: Vec<(usize, Vec<f32>)>,
}

impl Evaluation {
    /// Of no samples, for a classifier of so many classes. It keeps the 16 most confident mistakes and no scores.
    ///
    /// # Errors
    /// No class.
    pub fn new(classes: usize) -> Result<Evaluation> {
        Ok(Evaluation {
            confusion: ConfusionMatrix::new(classes)?,
            calibration: Calibration::default(),
            mistakes: Mistakes::new(MISTAKES),
            losses: vec![0.0; classes],
            top_k: None,
            scores: Scores::default(),
            given: 0,
            left_out: LeftOut::default(),
        })
    }

    /// How many mistakes to keep, the most confident ones. The default is 16.
    #[must_use]
    pub fn keep_mistakes(mut self, most: usize) -> Evaluation {
        self.mistakes = Mistakes::new(most);
        self
    }

    /// In how many bins to sort confidences. The default is 15.
    ///
    /// # Errors
    /// As [`Calibration::new`].
    pub fn calibration_bins(mut self, bins: usize) -> Result<Evaluation> {
        self.calibration = Calibration::new(bins)?;
        Ok(self)
    }

    /// Counts also how often the label is among the `k` largest logits. The default does not.
    ///
    /// # Errors
    /// `k` of 0, or more than there are classes.
    pub fn top_k(mut self, k: usize) -> Result<Evaluation> {
        if !(1..=self.classes()).contains(&k) {
            let why = format!("{k} found, 1 to the number of classes ({}) expected", self.classes());
            return Err(Error::invalid("k of the top-k accuracy", why));
        }
        self.top_k = Some(TopK { k, hits: 0 });
        Ok(self)
    }

    /// Keeps how probable these classes are for each sample, as log-odds `ln(p / (1 - p))` in 32 bits, from which
    /// [`pr_curve`](Evaluation::pr_curve) and [`average_precision`](Evaluation::average_precision) come. The default
    /// keeps none.
    ///
    /// # Errors
    /// A class that there is not.
    pub fn keep_scores(mut self, classes: impl IntoIterator<Item = usize>) -> Result<Evaluation> {
        let mut classes: Vec<usize> = classes.into_iter().collect();
        classes.sort_unstable();
        classes.dedup();
        if let Some(class) = classes.iter().find(|&&class| class >= self.classes()) {
            let why = format!("{class} found, the last class is {}", self.classes() - 1);
            return Err(Error::invalid("class whose scores are kept", why));
        }
        self.scores.columns = classes.into_iter().map(|class| (class, Vec::new())).collect();
        Ok(self)
    }

    /// Adds a batch: the true class of each sample, and a row of logits for each, one for every class.
    ///
    /// # Errors
    /// Logits that are not `labels.len()` rows of [`classes`](Evaluation::classes). Nothing is added then.
    pub fn add(&mut self, labels: &[i64], logits: &[f32]) -> Result<()> {
        let classes = self.classes();
        if labels.len().checked_mul(classes) != Some(logits.len()) {
            let why = format!(
                "{} found, {} samples of {classes} classes have {}",
                logits.len(),
                labels.len(),
                labels.len() as u128 * classes as u128
            );
            return Err(Error::invalid("logits", why));
        }
        for (&label, row) in labels.iter().zip(logits.chunks_exact(classes)) {
            let index = self.given;
            self.given += 1;
            let Some(truth) = usize::try_from(label).ok().filter(|&truth| truth < classes) else {
                self.left_out.labels += 1;
                continue;
            };
            match log_softmax(row) {
                Some(log_probabilities) => self.judge(index, truth, row, &log_probabilities)?,
                None => self.left_out.logits += 1,
            }
        }
        Ok(())
    }

    fn judge(&mut self, index: u64, truth: usize, logits: &[f32], log_probabilities: &[f64]) -> Result<()> {
        let predicted = largest(logits);
        let probability = |class: usize| log_probabilities[class].exp();
        self.confusion.add(truth, predicted)?;
        self.calibration.count(probability(predicted), predicted == truth);
        self.losses[truth] -= log_probabilities[truth];
        if predicted != truth {
            let (confidence, truth_probability) = (probability(predicted), probability(truth));
            self.mistakes.add(Mistake { index, truth, predicted, confidence, truth_probability });
        }
        if let Some(TopK { k, hits }) = &mut self.top_k {
            *hits += u64::from(rank(logits, truth) < *k);
        }
        if !self.scores.columns.is_empty() {
            self.scores.truths.push(truth);
            for (class, column) in &mut self.scores.columns {
                column.push(log_odds(log_probabilities, *class) as f32);
            }
        }
        Ok(())
    }

    /// Number of classes, 1 or more.
    pub fn classes(&self) -> usize {
        self.confusion.classes()
    }

    /// Samples that were given, those left out included.
    pub fn given(&self) -> u64 {
        self.given
    }

    /// Samples that could not be judged.
    pub fn left_out(&self) -> LeftOut {
        self.left_out
    }

    /// How often each class was taken for each other.
    pub fn confusion(&self) -> &ConfusionMatrix {
        &self.confusion
    }

    /// Precision, recall, F1 and support of each class.
    pub fn report(&self) -> ClassReport {
        ClassReport::of(&self.confusion)
    }

    /// Whether the answers are as often right as they claim.
    pub fn calibration(&self) -> &Calibration {
        &self.calibration
    }

    /// The most confident wrong answers, most confident first; among equals the earlier sample.
    pub fn mistakes(&self) -> &[Mistake] {
        self.mistakes.as_slice()
    }

    /// Share of right answers, 0 to 1; `None` of no samples.
    pub fn accuracy(&self) -> Option<f64> {
        self.confusion.accuracy()
    }

    /// Share of the samples whose label is among the `k` largest logits, 0 to 1; of equal logits the first classes
    /// count as larger. `None` of no samples, or where [`top_k`](Evaluation::top_k) was not asked for.
    pub fn top_k_accuracy(&self) -> Option<f64> {
        ratio(self.top_k.as_ref()?.hits, self.confusion.total())
    }

    /// Mean cross-entropy in nats; `None` of no samples. Infinite where a label's probability is 0.
    pub fn loss(&self) -> Option<f64> {
        mean(self.losses.iter().sum(), self.confusion.total())
    }

    /// Mean cross-entropy in nats of the samples of one class; `None` where there are none.
    pub fn loss_of(&self, class: usize) -> Option<f64> {
        mean(*self.losses.get(class)?, *self.confusion.support().get(class)?)
    }

    /// Precision and recall of one class against all others, at so many thresholds of its probability.
    ///
    /// # Errors
    /// A class whose [scores are not kept](Evaluation::keep_scores); a number of thresholds as in
    /// [`PrCurve::new`].
    pub fn pr_curve(&self, class: usize, thresholds: usize) -> Result<PrCurve> {
        let Some((labels, log_odds)) = self.one_vs_rest(class) else {
            let why = "its scores are not kept; name it in `Evaluation::keep_scores`";
            return Err(Error::invalid(format!("PR curve of class {class}"), why));
        };
        let probability = |&odds: &f32| (1.0 / (1.0 + f64::from(-odds).exp())) as f32;
        let probabilities: Vec<f32> = log_odds.iter().map(probability).collect();
        PrCurve::new(&labels, &probabilities, thresholds)
    }

    /// The [average precision](average_precision) of one class against all others, 0 to 1. Samples are ordered by their
    /// log-odds, which is the order of their probabilities, also where these are so near 1 that they cannot be told
    /// apart. Samples tie whose log-odds are equal in 32 bits, 24 of them significant. `None` where the class has no
    /// sample or its [scores are not kept](Evaluation::keep_scores).
    pub fn average_precision(&self, class: usize) -> Option<f64> {
        let (labels, log_odds) = self.one_vs_rest(class)?;
        average_precision(&labels, log_odds)
    }

    /// For each sample whether it is of a class, and the log-odds that the model gives that.
    fn one_vs_rest(&self, class: usize) -> Option<(Vec<bool>, &[f32])> {
        let at = self.scores.columns.binary_search_by_key(&class, |(class, _)| *class).ok()?;
        let labels = self.scores.truths.iter().map(|&truth| truth == class).collect();
        Some((labels, &self.scores.columns[at].1))
    }
}

fn mean(sum: f64, count: u64) -> Option<f64> {
    (count > 0).then(|| sum / count as f64)
}

/// The class of the largest logit, the first of equal ones. None of them is NaN.
fn largest(logits: &[f32]) -> usize {
    let mut first = 0;
    for (class, logit) in logits.iter().enumerate() {
        if *logit > logits[first] {
            first = class;
        }
    }
    first
}

/// How many classes come before this one, sorted by logit.
fn rank(logits: &[f32], class: usize) -> usize {
    let is_before =
        |&(other, &logit): &(usize, &f32)| logit > logits[class] || (logit == logits[class] && other < class);
    logits.iter().enumerate().filter(is_before).count()
}
