//! What rules about the loss share: the batch losses that are new, their level and their noise.

use std::collections::VecDeque;

use super::{BatchObservation, Observation, median::median};

/// A training whose first seen step is later than this was resumed: its first losses do not tell where it began.
const LATE: i64 = 20;
/// So many of the last losses tell whether the loss is small.
pub(crate) const LATEST: u64 = 10;
/// Up to so many times ln C the first losses may be those of a cross-entropy in nats: further up it is a sum over the
/// batch, or something else.
const PLAUSIBLE: f64 = 4.0;

/// The newest batch losses of a training, and the first ones. Losses that are not finite are left out: they are the
/// business of the rule `non_finite`.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Losses {
    first: Vec<f64>,
    recent: VecDeque<f64>,
    first_step: Option<i64>,
    last_step: Option<i64>,
    seen: u64,
    classes: Option<u64>,
    /// Share of right answers in the first batch of which they are known.
    first_right: Option<f64>,
}

impl Losses {
    /// How many losses tell where the training began ...
    const FIRST: usize = 10;
    /// ... and how many are looked at to know it better, if the loss does not fall among them.
    const EARLY: usize = 50;

    /// Takes an observation's new losses and keeps the last `window` ones. How many were new.
    pub fn add(&mut self, observation: &Observation, window: u64) -> usize {
        let new = self.fresh(observation);
        for &(_, loss) in &new {
            self.push(loss, window);
        }
        new.len()
    }

    /// An observation's losses that were not seen before, with their steps. To be given to [`push`](Losses::push).
    pub fn fresh(&mut self, observation: &Observation) -> Vec<(i64, f64)> {
        self.classes = observation.batch.as_ref().and_then(BatchObservation::classes).or(self.classes);
        self.first_right = self.first_right.or_else(|| observation.batch.as_ref()?.right());
        let mut new = Vec::new();
        for &(step, loss) in &observation.losses {
            if self.last_step.is_none_or(|last| step.get() > last) {
                self.first_step.get_or_insert(step.get());
                self.last_step = Some(step.get());
                if loss.is_finite() {
                    new.push((step.get(), loss));
                }
            }
        }
        new
    }

    /// Takes one loss and keeps the last `window` ones.
    pub fn push(&mut self, loss: f64, window: u64) {
        if self.first.len() < Losses::EARLY {
            self.first.push(loss);
        }
        while self.recent.len() as u64 >= window.max(1) {
            self.recent.pop_front();
        }
        self.recent.push_back(loss);
        self.seen += 1;
    }

    /// Finite losses seen.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Whether the beginning of the training was seen; not so where it was resumed.
    pub fn saw_the_start(&self) -> bool {
        self.first_step.is_some_and(|step| step <= LATE)
    }

    /// Median of the first ten losses. NaN before the first.
    pub fn start(&self) -> f64 {
        median(self.first.iter().take(Losses::FIRST).copied()).unwrap_or(f64::NAN)
    }

    /// Where the training began, with the standard error, and how many losses tell so: the first ten by their median,
    /// or the first fifty by their mean where the loss did not fall among them by more than the noise.
    pub fn beginning(&self) -> (f64, f64, u64) {
        let first = || self.first.iter().take(Losses::FIRST).copied();
        // A median's standard error is 1.2533 (√(π/2)) times a mean's.
        let error = 1.2533 * noise(first()) / (first().count() as f64).sqrt();
        let (mean, error_of_mean) = level(self.first.iter().copied());
        if self.start() - mean <= 2.0 * error {
            (mean, error_of_mean, self.first.len() as u64)
        } else {
            (self.start(), error, first().count() as u64)
        }
    }

    /// The number of classes, where known, and what guessing among them costs in cross-entropy: ln C.
    pub fn classes(&self) -> Option<(u64, f64)> {
        let classes = self.classes.filter(|&classes| classes >= 2)?;
        Some((classes, (classes as f64).ln()))
    }

    /// Whether the weights were trained before: the first losses are below half of ln C, and the first answers are not
    /// mostly wrong, where they are known. The mean squared error of a new network is small too, but its answers are wrong.
    pub fn began_trained(&self) -> bool {
        let small = self.classes().is_some_and(|(_, guessing)| (0.0..0.5 * guessing).contains(&self.start()));
        small && self.first_right.is_none_or(|right| right > 0.5)
    }

    /// Whether there is nothing left to learn: the median of the last losses is below `limit`. That is in nats where the
    /// classes are known and the first losses look like cross-entropy, or were not seen; else it is a share of the
    /// first losses, whose unit nobody knows. A loss below 0 can fall for ever.
    pub fn are_fitted(&self, limit: f64) -> bool {
        let in_nats = self.guessing().is_some() || (self.classes().is_some() && !self.saw_the_start());
        let scale = if in_nats { 1.0 } else { self.start() };
        median(self.recent()).is_some_and(|now| now >= 0.0 && now < limit * scale)
    }

    /// Whether the last losses are below the first ones, by more than a twentieth of these and their own noise.
    pub fn fell(&self) -> bool {
        let (now, error) = self.level();
        now + 2.0 * error < self.start() - 0.05 * self.start().abs()
    }

    /// What guessing costs, ln C, where the number of classes is known and the first losses look like cross-entropy.
    pub fn guessing(&self) -> Option<(u64, f64)> {
        let (classes, guessing) = self.classes()?;
        let start = self.start();
        (start > 0.1 * guessing && start < PLAUSIBLE * guessing).then_some((classes, guessing))
    }

    /// The last losses, oldest first.
    pub fn recent(&self) -> impl Iterator<Item = f64> + '_ {
        self.recent.iter().copied()
    }

    /// Mean of the last losses, and its standard error by the noise of the batches. NaN before the first.
    pub fn level(&self) -> (f64, f64) {
        level(self.recent())
    }

    /// The same of the last `window` losses, and of those kept from before, if these are at least half as many.
    pub fn levels(&self, window: u64) -> ((f64, f64), Option<(f64, f64)>) {
        let before = self.recent.len().saturating_sub(usize::try_from(window).unwrap_or(usize::MAX));
        let earlier = before as u64 >= window.div_ceil(2).max(1);
        (level(self.recent().skip(before)), earlier.then(|| level(self.recent().take(before))))
    }
}

impl BatchObservation {
    /// Classes that the model tells apart, where known.
    pub(crate) fn classes(&self) -> Option<u64> {
        let of_labels = self.labels.as_ref().and_then(|labels| labels.classes);
        of_labels.or_else(|| self.predictions.as_ref().map(|p| p.counts.len() as u64).filter(|&n| n > 0))
    }

    /// Share of right answers, where labels and answers are known.
    fn right(&self) -> Option<f64> {
        let predictions = self.predictions.as_ref().filter(|predictions| !predictions.wrong.is_empty())?;
        let answers = predictions.counts.iter().map(|&count| count as f64).sum::<f64>();
        let wrong = predictions.wrong.iter().map(|&count| count as f64).sum::<f64>();
        (answers > 0.0).then(|| 1.0 - wrong / answers)
    }
}

/// Median distance from the median, times 1.4826: of normally distributed values their standard deviation. A few
/// outliers do not change it, unlike the standard deviation itself. NaN without values.
pub(crate) fn deviation(values: impl IntoIterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.into_iter().collect();
    let middle = median(values.iter().copied()).unwrap_or(f64::NAN);
    median(values.iter().map(|value| (value - middle).abs())).map_or(f64::NAN, |median| 1.4826 * median)
}

/// Mean and standard error.
fn level(losses: impl Iterator<Item = f64>) -> (f64, f64) {
    let losses: Vec<f64> = losses.collect();
    let count = losses.len() as f64;
    (losses.iter().sum::<f64>() / count, noise(losses.into_iter()) / count.sqrt())
}

/// Standard deviation of the batches about the course of the loss, which falls meanwhile: by the differences of
/// neighbours, whose variance is twice that of the values (von Neumann 1941). 0 for fewer than two values.
fn noise(values: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    if values.len() < 2 {
        return 0.0;
    }
    let squares: f64 = values.windows(2).map(|pair| (pair[1] - pair[0]).powi(2)).sum();
    (squares / (2 * (values.len() - 1)) as f64).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        rules::{LabelStats, PredictionStats},
        summary::Step,
    };

    fn observation(losses: &[(i64, f64)]) -> Observation {
        Observation {
            losses: losses.iter().map(|&(step, loss)| (Step::new(step), loss)).collect(),
            ..Observation::default()
        }
    }

    #[test]
    fn losses_are_counted_once_and_only_finite_ones() {
        let mut losses = Losses::default();
        assert_eq!(losses.add(&observation(&[(1, 2.0), (2, f64::NAN), (3, 4.0)]), 2), 2);
        assert_eq!(losses.add(&observation(&[(3, 4.0), (4, 8.0)]), 2), 1);
        assert_eq!((losses.seen(), losses.start(), losses.level().0), (3, 4.0, 6.0));
        assert!(losses.saw_the_start());
        losses.add(&observation(&[]), 2);
        assert_eq!(losses.recent().collect::<Vec<_>>(), [4.0, 8.0]);
    }

    #[test]
    fn levels_are_those_of_now_and_before() {
        let mut losses = Losses::default();
        let series: Vec<(i64, f64)> =
            [9.0, 5.0, 5.0, 1.0, 2.0, 3.0].into_iter().zip(1..).map(|(l, s)| (s, l)).collect();
        losses.add(&observation(&series[..4]), 5);
        assert_eq!(losses.levels(3).1, None, "one loss before is not enough");
        losses.add(&observation(&series[4..]), 5);
        let ((now, error), before) = losses.levels(3);
        assert_eq!((now, error), (2.0, 0.5f64.sqrt() / 3f64.sqrt()));
        assert_eq!(before, Some((5.0, 0.0)));
    }

    #[test]
    fn the_beginning_is_told_by_as_many_losses_as_stay_there() {
        let began = |course: fn(i64) -> f64| {
            let mut losses = Losses::default();
            let series: Vec<(i64, f64)> = (1..=60).map(|step| (step, course(step))).collect();
            losses.add(&observation(&series), 5);
            losses.beginning()
        };
        assert_eq!(began(|_| 2.0), (2.0, 0.0, 50));
        assert_eq!(began(|step| 11.0 - 0.1 * step as f64).2, 10);
    }

    #[test]
    fn a_resumed_training_is_told_by_its_first_step() {
        let mut losses = Losses::default();
        assert!(!losses.saw_the_start());
        losses.add(&observation(&[(941, 0.3)]), 5);
        assert!(!losses.saw_the_start());
    }

    #[test]
    fn guessing_is_known_with_the_classes_and_for_cross_entropy_only() {
        let cost = |first: f64, classes| {
            let mut losses = Losses::default();
            let batch = BatchObservation {
                labels: Some(LabelStats { classes, ..Default::default() }),
                ..Default::default()
            };
            losses.add(&Observation { batch: Some(batch), ..observation(&[(1, first)]) }, 5);
            losses.guessing().map(|(_, cost)| cost)
        };
        assert_eq!(cost(2.4, Some(10)), Some(10f64.ln()));
        assert_eq!(cost(2.4, None), None);
        assert_eq!(cost(2.4, Some(1)), None);
        assert_eq!(cost(-1.0, Some(10)), None);
        assert_eq!(cost(147.0, Some(10)), None, "a sum over the batch");
    }

    /// Losses from step 1 on, of a model with ten classes that answered `right` of the first ten images rightly.
    fn of_ten_classes(right: Option<u64>, series: &[f64]) -> Losses {
        let predictions = right.map(|right| PredictionStats {
            counts: vec![1; 10],
            wrong: vec![10 - right],
            ..PredictionStats::default()
        });
        let labels = Some(LabelStats { classes: Some(10), ..LabelStats::default() });
        let batch = BatchObservation { labels, predictions, ..BatchObservation::default() };
        let series: Vec<(i64, f64)> = (1..).zip(series.iter().copied()).collect();
        let mut losses = Losses::default();
        losses.add(&Observation { batch: Some(batch), ..observation(&series) }, 10);
        losses
    }

    #[test]
    fn trained_weights_are_told_from_other_losses_by_their_answers() {
        assert!(
            of_ten_classes(None, &[0.1]).began_trained() && of_ten_classes(Some(9), &[0.1]).began_trained()
        );
        assert!(!of_ten_classes(Some(1), &[0.1]).began_trained(), "mean squared error of a new network");
        assert!(!of_ten_classes(Some(9), &[2.3]).began_trained());
    }

    #[test]
    fn fitted_is_in_nats_for_cross_entropy_alone() {
        let mut course = vec![2.3; 10];
        course.extend([0.05; 10]);
        assert!(of_ten_classes(None, &course).are_fitted(0.1));
        // One batch may be easy.
        assert!(!of_ten_classes(None, &[2.3, 2.3, 2.3, 1e-3]).are_fitted(0.1));
        // A mean squared error, known classes or not.
        let of_unknown = |series: &[(i64, f64)]| {
            let mut losses = Losses::default();
            losses.add(&observation(series), 10);
            losses
        };
        assert!(!of_ten_classes(Some(1), &[0.005; 20]).are_fitted(0.1));
        assert!(!of_unknown(&[(1, 0.005), (2, 0.005)]).are_fitted(0.1));
        let falls: Vec<(i64, f64)> =
            (1..=20).map(|step| (step, if step <= 10 { 0.005 } else { 1e-5 })).collect();
        assert!(of_unknown(&falls).are_fitted(0.1));
        assert!(!of_unknown(&[(1, -3.0), (2, -3.1)]).are_fitted(0.1));
        assert!(!of_unknown(&[(1, 3.0), (2, -3.1), (3, -3.1)]).are_fitted(0.1));
    }

    #[test]
    fn outliers_do_not_change_the_deviation() {
        assert_eq!(deviation([1.0, 2.0, 3.0, 4.0, 1e9]), 1.4826);
        assert_eq!(deviation([7.0]), 0.0);
        assert!(deviation([]).is_nan());
    }

    #[test]
    fn noise_is_that_about_the_course() {
        assert_eq!(noise([5.0, 5.0, 5.0].into_iter()), 0.0);
        assert_eq!(noise([1.0, -1.0, 1.0, -1.0].into_iter()), 2f64.sqrt());
        let falling = (0..100).map(|i| 100.0 - f64::from(i));
        assert!(noise(falling) < 1.0, "far less than the standard deviation of 29");
    }
}
