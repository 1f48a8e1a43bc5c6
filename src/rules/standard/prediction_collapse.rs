//! The network answers with the same class whatever it sees.

use super::{
    BatchObservation, LabelStats, Observation, Persistence, PredictionStats, Rule, Setting, Severity,
    Symptom, words::percent,
};

/// The network answers nearly every image with the same class, although the labels differ.
///
/// Answers and labels are counted over at least `images` images. The rule raises where one class has more than the
/// share `share` of the answers, and at least `more` above the share of the most frequent label: where nearly all
/// images have the same label, so should the answers. The thresholds are our own: of 128 answers drawn at random more
/// than 95 % are never the same, not even with two classes, and a network that is right on 80 % of the images stays
/// within 20 points of the labels. Untrained networks often do nothing else, so the first `patience` batches are not
/// looked at.
///
/// A warning: silent units, exploding weights and inputs that are not normalised cause it, and have rules of their own.
/// Subject: `predictions`.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictionCollapse {
    /// Share of one class among the answers. Default 0.95.
    pub share: f64,
    /// Down to this share a finding is kept. Default 0.85.
    pub keep: f64,
    /// How far that share must be above the share of the most frequent label. Default 0.2.
    pub more: f64,
    /// Images to count over. Default 128.
    pub images: u64,
    /// Batches that are not looked at. Default 100.
    pub patience: u64,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct State {
    /// How often each class was answered, and was the label.
    answers: Vec<u64>,
    labels: Vec<u64>,
}

impl Default for PredictionCollapse {
    fn default() -> PredictionCollapse {
        PredictionCollapse {
            share: 0.95,
            keep: 0.85,
            more: 0.2,
            images: 128,
            patience: 100,
            state: State::default(),
        }
    }
}

impl Rule for PredictionCollapse {
    fn name(&self) -> &str {
        "prediction_collapse"
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        let BatchObservation { labels: Some(labels), predictions: Some(predictions), .. } =
            observation.batch.as_ref()?
        else {
            return None;
        };
        // A resumed training goes on with its steps: it needs no patience.
        let step = u64::try_from(observation.step.get()).unwrap_or(0);
        if step <= self.patience || predictions.counts.len() < 2 {
            return None;
        }
        self.count(labels, predictions);
        let images = sum(&self.state.answers);
        if images < self.images.max(1) {
            return None;
        }
        let answers = std::mem::take(&mut self.state.answers);
        let labels = std::mem::take(&mut self.state.labels);
        let (class, most) = answers.iter().copied().enumerate().max_by_key(|&(_, count)| count)?;
        let share = most as f64 / images as f64;
        let of_labels = labels.iter().max().copied().unwrap_or(0) as f64 / sum(&labels).max(1) as f64;
        let raises = share > self.share && share >= of_labels + self.more;
        let keeps = share > self.keep && share >= of_labels + 0.5 * self.more;
        if !raises && !keeps {
            return Some(Vec::new());
        }
        Some(vec![Symptom {
            subject: "predictions".to_owned(),
            severity: Severity::Warning,
            raises,
            value: share,
            threshold: self.share,
            message: format!(
                "{} of the answers to {images} images are class {class}; no label has more than {} of them",
                percent(share),
                percent(of_labels)
            ),
            advice: "The answer does not depend on the image any more. Divide the learning rate by ten and begin again; \
                     look whether the inputs are normalised and whether units have gone silent."
                .to_owned(),
        }])
    }

    fn about(&self) -> &str {
        "The network answers nearly every image with the same class."
    }

    fn persistence(&self) -> Persistence {
        Persistence::new(2, 3).warm_up(0).clear(3)
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        vec![
            Setting::number("share", &mut self.share, 0.0..=1.0, "share of one class among the answers"),
            Setting::number("keep", &mut self.keep, 0.0..=1.0, "down to this share a finding is kept"),
            Setting::number(
                "more",
                &mut self.more,
                0.0..=1.0,
                "how far that must be above the most frequent label's share",
            ),
            Setting::whole("images", &mut self.images, 1..=1_000_000_000, "images to count over"),
            Setting::whole(
                "patience",
                &mut self.patience,
                0..=1_000_000_000,
                "batches that are not looked at",
            ),
        ]
    }
}

impl PredictionCollapse {
    fn count(&mut self, labels: &LabelStats, predictions: &PredictionStats) {
        let State { answers, labels: truths, .. } = &mut self.state;
        let classes = predictions.counts.len().max(answers.len());
        answers.resize(classes, 0);
        truths.resize(classes, 0);
        for (sum, count) in answers.iter_mut().zip(&predictions.counts) {
            *sum = sum.saturating_add(*count);
        }
        for &(label, count) in &labels.counts {
            if let Some(sum) = usize::try_from(label).ok().and_then(|class| truths.get_mut(class)) {
                *sum = sum.saturating_add(count);
            }
        }
    }
}

fn sum(counts: &[u64]) -> u64 {
    counts.iter().fold(0, |sum, &count| sum.saturating_add(count))
}
