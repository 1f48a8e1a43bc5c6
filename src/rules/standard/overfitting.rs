//! The validation loss leaves the training loss behind.

use super::{
    Grade, Observation, Persistence, Rule, Score, Setting, Severity, Symptom, Threshold,
    checks::Checks,
    label_counts::{IGNORED, LabelCounts},
    words::number,
};

/// The network learns its training images by heart: it gets better on them, and worse on the validation images.
///
/// AWS SageMaker Debugger's `Overfit` fires where (validation loss − training loss) / training loss exceeds 0.1. Nearly
/// every healthy training gets there, since a network always knows its training images better. So that gap is asked
/// for, and beside it one of two signs that the network pays for it:
///
/// * the validation loss has risen above its lowest value by a share of it: `rise` is for information, `large_rise` a
///   warning;
/// * the training accuracy is above the validation accuracy: `accuracy_gap` is a warning, `large_accuracy_gap`
///   critical.
///
/// Where one class has more than twice its share of the training labels, the accuracy that comes from always answering
/// with it is taken off the gap: that is the rule [`class_imbalance`](super::ClassImbalance)'s.
///
/// Where the number of validation images is known, two standard errors of the validation accuracy are taken off the gap
/// too: over ten images an accuracy wavers by more than 0.3.
///
/// Both scores are those of an epoch's end. The training's is the mean over the epoch, so it lags half an epoch behind
/// and makes the gap look smaller than it is; augmentation and dropout do so too. The first epoch is not judged.
/// Without the training loss there is no gap to ask for, and the accuracies decide. Where the validation accuracy is
/// that of guessing, it is the rule [`no_generalization`](super::NoGeneralization) that speaks. Subject: `validation`.
#[derive(Debug, Clone, PartialEq)]
pub struct Overfitting {
    /// Gap between the losses, as a share of the training loss. Default 0.1 (AWS).
    pub gap: f64,
    /// Rise of the validation loss above its lowest value, as a share of it, for information. Default 0.05.
    pub rise: f64,
    /// The same, for a warning. Default 0.2: two to three times what the validation loss of a sound training of ten
    /// epochs wavers by.
    pub large_rise: f64,
    /// Training accuracy minus validation accuracy, for a warning. Default 0.2.
    pub accuracy_gap: f64,
    /// The same, for a critical finding. Default 0.3: trained on ten images, a network of `examples/pathologies` is at
    /// 1 for them and between 0.45 and 0.6 for others.
    pub large_accuracy_gap: f64,
    /// Down to this share of a threshold a finding is kept. Default 0.8.
    pub keep: f64,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct State {
    checks: Checks,
    labels: LabelCounts,
    lowest: Option<f64>,
    epochs: u64,
}

impl Default for Overfitting {
    fn default() -> Overfitting {
        Overfitting {
            gap: 0.1,
            rise: 0.05,
            large_rise: 0.2,
            accuracy_gap: 0.2,
            large_accuracy_gap: 0.3,
            keep: 0.8,
            state: State::default(),
        }
    }
}

impl Rule for Overfitting {
    fn name(&self) -> &str {
        "overfitting"
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        self.state.labels.add(observation, IGNORED);
        let loss = observation.validation.and_then(|score| score.loss).filter(|loss| loss.is_finite());
        if let Some(loss) = loss {
            let lowest = self.state.lowest.map_or(loss, |lowest| lowest.min(loss));
            self.state.lowest = Some(lowest);
        }
        let (training, validation) = self.state.checks.epoch(observation)?;
        self.state.epochs += 1;
        if self.state.epochs < 2 {
            return None;
        }
        let mut scores = Scores::new(training, validation, self.state.lowest);
        scores.accuracy_gap =
            scores.accuracy_gap.map(|gap| gap - self.state.labels.imbalance() - 2.0 * error(validation));
        if scores.gap.is_none() && scores.accuracy_gap.is_none() {
            return None;
        }
        let guesses = self.state.labels.classes().is_some_and(|classes| {
            validation.accuracy.is_some_and(|accuracy| {
                super::no_generalization::skill(accuracy, 1.0 / classes as f64) < 0.05
            })
        });
        let symptom = if guesses { None } else { self.symptom(&scores) };
        Some(symptom.into_iter().collect())
    }

    fn about(&self) -> &str {
        "The network gets better on its training images and worse on the validation images."
    }

    fn persistence(&self) -> Persistence {
        Persistence::new(2, 3).warm_up(50).clear(2)
    }

    fn explains(&self) -> &[&str] {
        &["overtraining"]
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        vec![
            Setting::number(
                "gap",
                &mut self.gap,
                0.0..=1e6,
                "gap between the losses, as a share of the training loss",
            ),
            Setting::number(
                "rise",
                &mut self.rise,
                0.0..=1e6,
                "rise of the validation loss above its lowest value, for information",
            ),
            Setting::number("large_rise", &mut self.large_rise, 0.0..=1e6, "the same, for a warning"),
            Setting::number(
                "accuracy_gap",
                &mut self.accuracy_gap,
                0.0..=1.0,
                "training accuracy minus validation accuracy, for a warning",
            ),
            Setting::number(
                "large_accuracy_gap",
                &mut self.large_accuracy_gap,
                0.0..=1.0,
                "the same, critical",
            ),
            Setting::number(
                "keep",
                &mut self.keep,
                0.0..=1.0,
                "down to this share of a threshold a finding is kept",
            ),
        ]
    }
}

/// What the scores of an epoch tell.
struct Scores {
    training: Score,
    validation: Score,
    lowest: f64,
    /// (validation − training) / training loss.
    gap: Option<f64>,
    /// (validation − lowest) / lowest validation loss.
    rise: Option<f64>,
    accuracy_gap: Option<f64>,
}

impl Scores {
    fn new(training: Score, validation: Score, lowest: Option<f64>) -> Scores {
        let above = |value: Option<f64>, base: Option<f64>| {
            let (value, base) = (value?, base?);
            let above = (value - base) / base;
            (base > 0.0 && above.is_finite()).then_some(above)
        };
        let accuracies = training.accuracy.zip(validation.accuracy);
        Scores {
            training,
            validation,
            lowest: lowest.unwrap_or(f64::NAN),
            gap: above(validation.loss, training.loss),
            rise: above(validation.loss, lowest),
            accuracy_gap: accuracies
                .map(|(training, validation)| training - validation)
                .filter(|gap| gap.is_finite()),
        }
    }
}

impl Overfitting {
    fn symptom(&self, scores: &Scores) -> Option<Symptom> {
        // A training loss of 0, or below, has no relative gap.
        if scores.gap.is_some_and(|gap| gap <= self.keep * self.gap) {
            return None;
        }
        let grade = |value: f64, (lesser, low): (Severity, f64), (worse, high): (Severity, f64)| {
            let thresholds =
                [Threshold::above(lesser, low).clear_at(self.keep * low), Threshold::above(worse, high)];
            Some((Threshold::worst(&thresholds, value)?, value))
        };
        let of_accuracy = scores.accuracy_gap.and_then(|gap| {
            grade(gap, (Severity::Warning, self.accuracy_gap), (Severity::Critical, self.large_accuracy_gap))
        });
        let of_loss = scores
            .gap
            .and(scores.rise)
            .and_then(|rise| grade(rise, (Severity::Info, self.rise), (Severity::Warning, self.large_rise)));
        let severity = |found: &Option<(Grade, f64)>| found.map(|(grade, _)| grade.severity);
        let by_accuracy = severity(&of_accuracy) >= severity(&of_loss);
        let (Grade { severity, raises, threshold }, value) =
            if by_accuracy { of_accuracy? } else { of_loss? };
        Some(Symptom {
            subject: "validation".to_owned(),
            severity,
            raises: raises && scores.gap.is_none_or(|gap| gap > self.gap),
            value,
            threshold,
            message: message(scores, by_accuracy),
            advice: if severity == Severity::Info {
                "Keep the checkpoint with the lowest validation loss; more epochs will not help.".to_owned()
            } else {
                "More training images help most, then augmentation (shifts, flips), dropout and weight decay, or a smaller \
                 network. Keep the checkpoint with the lowest validation loss."
                    .to_owned()
            },
        })
    }
}

/// Standard error of an accuracy over so many images. As if one more had been answered rightly and one wrongly, so that
/// there is one for all right too (Agresti and Coull 1998). 0 where the number is not known.
fn error(score: Score) -> f64 {
    let (Some(accuracy), Some(images)) = (score.accuracy, score.images) else { return 0.0 };
    let images = images as f64;
    let share = (accuracy.clamp(0.0, 1.0) * images + 1.0) / (images + 2.0);
    (share * (1.0 - share) / (images + 2.0)).sqrt()
}

fn message(scores: &Scores, by_accuracy: bool) -> String {
    let text = |value: Option<f64>| value.map_or("unknown".to_owned(), number);
    if by_accuracy {
        return format!(
            "the training accuracy is {}, the validation accuracy {}",
            text(scores.training.accuracy),
            text(scores.validation.accuracy)
        );
    }
    format!(
        "the validation loss has risen from {} to {}, while the training loss is {}",
        number(scores.lowest),
        text(scores.validation.loss),
        text(scores.training.loss)
    )
}
