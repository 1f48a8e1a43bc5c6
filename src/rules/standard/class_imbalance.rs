//! Some classes have far more training images than others.

use std::collections::BTreeMap;

use super::{
    Observation, Persistence, Rule, Setting, Severity, Symptom, Threshold,
    label_counts::{IGNORED, LabelCounts},
    words::{number, percent},
};

/// Some classes have far more training images than others, so that the rare ones hardly count in the mean loss.
///
/// AWS SageMaker Debugger's `ClassImbalance`: after 500 labels, the most frequent class occurs more than 10 times as
/// often as the rarest. Labels are counted over the observed batches. With many classes 500 labels are a few for each,
/// and chance alone makes a ratio of 10: so at least `per_class` labels per class are waited for too. Classes that
/// never occurred are the rule [`label_range`](super::LabelRange)'s.
///
/// A warning; critical where the network gives the rare classes up: they are answered wrongly in more than the share
/// `wrong` (AWS: 0.7) of their images, and the most frequent class in less than `learned`. Early in a training
/// everything is answered wrongly, therefore the second condition; and frequent classes are learned first, therefore it
/// counts from the second epoch on, or where within the first the rare classes' share of right answers has not risen by
/// 0.05 while twice `recent` images were seen. Both are measured over the last `recent` or so
/// images, with the rare classes taken together, and at least `least` images of them. Subject: `labels`.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassImbalance {
    /// Count of the most frequent class by that of the rarest. Default 10 (AWS).
    pub ratio: f64,
    /// Down to this ratio a finding is kept. Default 8.
    pub keep: f64,
    /// Labels before the first judgement. Default 500 (AWS).
    pub labels: u64,
    /// Labels per class before the first judgement. Default 20: of 100 equal classes, one is then ten times as
    /// frequent as another in one of 4,000 draws.
    pub per_class: u64,
    /// Share of wrong answers for the rare classes that is critical. Default 0.7 (AWS).
    pub wrong: f64,
    /// Share of wrong answers for the most frequent class below which it counts as learned. Default 0.3.
    pub learned: f64,
    /// Images over which wrong answers are counted: after so many more, an image counts 1/e. Default 2000.
    pub recent: f64,
    /// Images of rare classes that must be among them. Default 5.
    pub least: f64,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct State {
    labels: LabelCounts,
    /// Images and wrong answers by class; older ones count less.
    answers: BTreeMap<i64, (f64, f64)>,
    /// Labels seen when the rare classes were found to be answered wrongly, and in which share, in the first epoch.
    early: Option<(u64, f64)>,
}

impl Default for ClassImbalance {
    fn default() -> ClassImbalance {
        ClassImbalance {
            ratio: 10.0,
            keep: 8.0,
            labels: 500,
            per_class: 20,
            wrong: 0.7,
            learned: 0.3,
            recent: 2000.0,
            least: 5.0,
            state: State::default(),
        }
    }
}

impl Rule for ClassImbalance {
    fn name(&self) -> &str {
        "class_imbalance"
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        if !self.state.labels.add(observation, IGNORED) {
            return None;
        }
        self.count_answers(observation);
        let labels = &self.state.labels;
        let classes = labels.classes().unwrap_or(0).max(labels.different());
        if labels.total() < self.labels.max(self.per_class.saturating_mul(classes)) {
            return None;
        }
        let ((frequent, most), (rare, least)) = (labels.most_frequent()?, labels.least_frequent()?);
        let ratio = most as f64 / least as f64;
        let Some(grade) = Threshold::above(Severity::Warning, self.ratio).clear_at(self.keep).grade(ratio)
        else {
            return Some(Vec::new());
        };
        let (labels, epoch) = (labels.total(), observation.epoch);
        let given_up = self.given_up(frequent, most);
        let given_up = given_up.filter(|&(rare, _)| self.lasts(epoch, labels, rare));
        let counted = format!(
            "class {frequent} has {} times as many images as class {rare} ({most} and {least} of {} labels)",
            number(ratio),
            labels
        );
        let message = match given_up {
            Some((rare, frequent)) => format!(
                "{counted}, and {} of the images of rare classes are answered wrongly, but only {} of the most \
                 frequent one",
                percent(rare),
                percent(frequent)
            ),
            None => counted,
        };
        Some(vec![Symptom {
            subject: "labels".to_owned(),
            severity: if given_up.is_some() { Severity::Critical } else { grade.severity },
            raises: grade.raises,
            value: ratio,
            threshold: grade.threshold,
            message,
            advice: "Draw images of rare classes more often, or weigh their loss with the inverse of their frequency. Judge \
                     by each class's recall, not by the accuracy."
                .to_owned(),
        }])
    }

    fn about(&self) -> &str {
        "Some classes have far more training images than others."
    }

    fn persistence(&self) -> Persistence {
        Persistence::new(2, 3).warm_up(0).clear(3)
    }

    fn explains(&self) -> &[&str] {
        &["prediction_collapse"]
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        vec![
            Setting::number(
                "ratio",
                &mut self.ratio,
                1.0..=1e12,
                "count of the most frequent class by that of the rarest",
            ),
            Setting::number("keep", &mut self.keep, 1.0..=1e12, "down to this ratio a finding is kept"),
            Setting::whole(
                "labels",
                &mut self.labels,
                1..=1_000_000_000,
                "labels before the first judgement",
            ),
            Setting::whole(
                "per_class",
                &mut self.per_class,
                0..=1_000_000,
                "labels per class before the first judgement",
            ),
            Setting::number(
                "wrong",
                &mut self.wrong,
                0.0..=1.0,
                "share of wrong answers for rare classes that is critical",
            ),
            Setting::number(
                "learned",
                &mut self.learned,
                0.0..=1.0,
                "share of wrong answers below which the most frequent class is learned",
            ),
            Setting::number(
                "recent",
                &mut self.recent,
                1.0..=1e12,
                "images over which wrong answers are counted",
            ),
            Setting::number("least", &mut self.least, 1.0..=1e12, "images of rare classes among them"),
        ]
    }
}

impl ClassImbalance {
    fn count_answers(&mut self, observation: &Observation) {
        let Some(batch) = &observation.batch else { return };
        let (Some(labels), Some(predictions)) = (&batch.labels, &batch.predictions) else { return };
        if predictions.wrong.is_empty() {
            return;
        }
        let fade = (-(batch.images as f64) / self.recent.max(1.0)).exp();
        for (images, wrong) in self.state.answers.values_mut() {
            *images *= fade;
            *wrong *= fade;
        }
        for &(label, count) in &labels.counts {
            // A label that is no class of the model has no answer.
            let Some(wrong) = usize::try_from(label).ok().and_then(|class| predictions.wrong.get(class))
            else {
                continue;
            };
            let answers = self.state.answers.entry(label).or_default();
            answers.0 += count as f64;
            answers.1 += (*wrong).min(count) as f64;
        }
    }

    /// Whether giving rare classes up is more than the beginning of a training.
    fn lasts(&mut self, epoch: u64, labels: u64, wrong: f64) -> bool {
        let (since, before) = *self.state.early.get_or_insert((labels, wrong));
        let long = labels.saturating_sub(since) as f64 >= 2.0 * self.recent;
        epoch >= 2 || (long && wrong > before - 0.05)
    }

    /// Share of wrong answers for the rare classes and for the most frequent one, where the first is high and the
    /// second low.
    fn given_up(&self, frequent: i64, most: u64) -> Option<(f64, f64)> {
        let rare = self.state.labels.iter().filter(|&(_, count)| most as f64 > self.ratio * count as f64);
        let answers = rare.filter_map(|(label, _)| self.state.answers.get(&label));
        let (images, wrong) = answers.fold((0.0, 0.0), |sum, answers| (sum.0 + answers.0, sum.1 + answers.1));
        let of_frequent = self.state.answers.get(&frequent).map(|(images, wrong)| wrong / images)?;
        (images >= self.least && wrong / images > self.wrong && of_frequent < self.learned)
            .then_some((wrong / images, of_frequent))
    }
}
