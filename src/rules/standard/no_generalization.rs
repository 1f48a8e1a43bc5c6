//! The network learns, but nothing that holds for validation.

use super::{
    Observation, Persistence, Rule, Setting, Severity, Symptom,
    checks::Checks,
    label_counts::{IGNORED, LabelCounts},
    words::number,
};

/// The training accuracy is far above chance, the validation accuracy is at chance: what is learned holds for the
/// training images alone. So it is with labels that were shuffled (Zhang et al. 2017, "Understanding deep learning
/// requires rethinking generalization": networks fit random labels perfectly), where validation data is prepared in
/// another way, or where normalisation behaves differently in evaluation.
///
/// Accuracies are compared as skill, (accuracy − chance) / (1 − chance), Cohen's kappa for a constant guess: 0 for
/// guessing, 1 for perfect. Chance is 1/C for validation. For training it is the share of the most frequent label where
/// that is more, so that a network that always answers with the most frequent class has no skill.
///
/// Validation is at chance at a skill up to `validation`. Then a training skill above `training` is critical. A
/// training that has only begun to memorise, with a skill above `beginning` and above four standard errors of a guess's
/// accuracy, is a warning. Epochs are judged from the second on, where the classes are known. Where the
/// number of validation images is known, there must be so many that two standard errors of a guess's accuracy are 0.1 of
/// skill at most (45 for ten classes): over fewer, guessing cannot be told from knowing. Subject: `validation`.
#[derive(Debug, Clone, PartialEq)]
pub struct NoGeneralization {
    /// Skill on the validation images up to which they are guessed. Default 0.05: 14.5 % of ten classes.
    pub validation: f64,
    /// Skill on the training images above which a finding is critical. Default 0.2: 28 % of ten classes.
    pub training: f64,
    /// Skill on the training images above which there is a warning. Default 0.02.
    pub beginning: f64,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct State {
    checks: Checks,
    labels: LabelCounts,
    /// Images in a batch, the largest seen.
    images: u64,
    epochs: u64,
}

impl Default for NoGeneralization {
    fn default() -> NoGeneralization {
        NoGeneralization { validation: 0.05, training: 0.2, beginning: 0.02, state: State::default() }
    }
}

impl Rule for NoGeneralization {
    fn name(&self) -> &str {
        "no_generalization"
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        self.state.labels.add(observation, IGNORED);
        if let Some(batch) = &observation.batch {
            self.state.images = self.state.images.max(batch.images);
        }
        let (training, validation) = self.state.checks.epoch(observation)?;
        self.state.epochs += 1;
        let classes = self.state.labels.classes()?;
        let chance = 1.0 / classes as f64;
        let training_chance = self.state.labels.chance()?;
        let few = validation
            .images
            .is_some_and(|images| 2.0 * standard_error(chance, images as f64) > 0.1 * (1.0 - chance));
        let (training, validation) = (training.accuracy?, validation.accuracy?);
        if few || self.state.epochs < 2 || !training.is_finite() || !validation.is_finite() {
            return None;
        }
        let learned = skill(training, training_chance);
        let noise =
            4.0 * self.error(observation.batches_per_epoch, training_chance) / (1.0 - training_chance);
        let holds = skill(validation, chance);
        let learns = learned > self.beginning.max(noise);
        // Between the threshold and twice that, a finding is kept.
        if !learns || holds > 2.0 * self.validation {
            return Some(Vec::new());
        }
        Some(vec![Symptom {
            subject: "validation".to_owned(),
            severity: if learned > self.training { Severity::Critical } else { Severity::Warning },
            raises: holds <= self.validation,
            value: validation,
            threshold: chance + self.validation * (1.0 - chance),
            message: format!(
                "the training accuracy is {}, but the validation accuracy is {}, what guessing among {classes} classes \
                 gives ({})",
                number(training),
                number(validation),
                number(chance)
            ),
            advice: "Look at some training images with their labels: do they belong together, or were they shuffled \
                     apart? Then compare how training and validation images are read and normalised, and look at \
                     BatchNorm's running statistics."
                .to_owned(),
        }])
    }

    fn about(&self) -> &str {
        "The training accuracy is above chance, the validation accuracy at chance."
    }

    fn persistence(&self) -> Persistence {
        Persistence::new(2, 2).warm_up(100).clear(1)
    }

    fn explains(&self) -> &[&str] {
        &["overfitting", "overtraining"]
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        vec![
            Setting::number(
                "validation",
                &mut self.validation,
                0.0..=1.0,
                "skill on the validation images up to which they are guessed",
            ),
            Setting::number(
                "training",
                &mut self.training,
                0.0..=1.0,
                "skill on the training images above which it is critical",
            ),
            Setting::number(
                "beginning",
                &mut self.beginning,
                0.0..=1.0,
                "skill on the training images above which there is a warning",
            ),
        ]
    }
}

impl NoGeneralization {
    /// Standard error of the accuracy of guesses on an epoch's images. Without knowing their number: on 1,000.
    fn error(&self, batches: Option<u64>, chance: f64) -> f64 {
        let images =
            batches.map_or(1000.0, |batches| batches as f64 * self.state.images.max(1) as f64).max(1.0);
        standard_error(chance, images)
    }
}

/// Standard error of the accuracy of guesses on so many images.
fn standard_error(chance: f64, images: f64) -> f64 {
    (chance * (1.0 - chance) / images).sqrt()
}

/// How much better than chance: 0 for guessing, 1 for all right.
pub(super) fn skill(accuracy: f64, chance: f64) -> f64 {
    (accuracy - chance) / (1.0 - chance)
}
