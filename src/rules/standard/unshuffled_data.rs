//! Batches with images of few classes each.

use super::{
    Observation, Persistence, Rule, Setting, Severity, Symptom, Threshold,
    label_counts::{IGNORED, LabelCounts},
    words::number,
};

/// The images come sorted: each batch has images of a few classes alone, although the data has many. The network then
/// learns one class and forgets the one before, and BatchNorm sees batches unlike the whole.
///
/// Of labels drawn at random with the shares p that were observed so far, a batch of n images has Σ 1 − (1 − p)ⁿ
/// different ones on average. The rule raises where the last `batches` observed batches had fewer than the share
/// `share` of that. The threshold is our own: in 400 draws of ten random batches from 2 to 1,000 equal classes, the
/// mean was 0.86 to 1.14 of the expected number with 10 images or more, 0.82 to 1.15 with 8. Batches of fewer than
/// `least` images are left out. A warning. Subject: `labels`.
///
/// Metric learning draws batches by class on purpose: P classes with K images each (Hermans et al. 2017, "In defense of
/// the triplet loss"). Switch the rule off there, or set `share` below P by the expected number.
#[derive(Debug, Clone, PartialEq)]
pub struct UnshuffledData {
    /// Different labels by the expected number. Default 0.6.
    pub share: f64,
    /// Up to this share a finding is kept. Default 0.7.
    pub keep: f64,
    /// Observed batches over which to take the mean. Default 10.
    pub batches: u64,
    /// Images that a batch must have. Default 8.
    pub least: u64,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct State {
    labels: LabelCounts,
    /// Images and different labels of the last batches.
    recent: std::collections::VecDeque<(u64, u64)>,
}

impl Default for UnshuffledData {
    fn default() -> UnshuffledData {
        UnshuffledData { share: 0.6, keep: 0.7, batches: 10, least: 8, state: State::default() }
    }
}

impl Rule for UnshuffledData {
    fn name(&self) -> &str {
        "unshuffled_data"
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        let labels = observation.batch.as_ref()?.labels.as_ref()?;
        if !self.state.labels.add(observation, IGNORED) {
            return None;
        }
        let counts = || labels.counts.iter().map(|&(_, count)| count).filter(|&count| count > 0);
        let images = counts().fold(0, u64::saturating_add);
        if images < self.least.max(1) {
            return None;
        }
        while self.state.recent.len() as u64 >= self.batches.max(1) {
            self.state.recent.pop_front();
        }
        self.state.recent.push_back((images, counts().count() as u64));
        if (self.state.recent.len() as u64) < self.batches || self.state.labels.different() < 2 {
            return None;
        }
        let batches = self.state.recent.len() as f64;
        let found = self.state.recent.iter().map(|&(_, different)| different as f64).sum::<f64>() / batches;
        let expected =
            self.state.recent.iter().map(|&(images, _)| self.expected(images)).sum::<f64>() / batches;
        let share = found / expected;
        let Some(grade) = Threshold::below(Severity::Warning, self.share).clear_at(self.keep).grade(share)
        else {
            return Some(Vec::new());
        };
        Some(vec![Symptom {
            subject: "labels".to_owned(),
            severity: grade.severity,
            raises: grade.raises,
            value: share,
            threshold: grade.threshold,
            message: format!(
                "batches have {} different labels on average; shuffled ones would have {}",
                number(found),
                number(expected)
            ),
            advice: "Shuffle the training images, anew for each epoch. Where batches are drawn by class on purpose (P classes \
                     with K images each), switch this rule off."
                .to_owned(),
        }])
    }

    fn about(&self) -> &str {
        "Batches have images of few classes each, although the data has many."
    }

    fn persistence(&self) -> Persistence {
        Persistence::new(2, 3).warm_up(0).clear(3)
    }

    fn explains(&self) -> &[&str] {
        &["loss_spike", "loss_divergence", "prediction_collapse", "no_generalization"]
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        vec![
            Setting::number(
                "share",
                &mut self.share,
                0.0..=1.0,
                "different labels in a batch by the expected number",
            ),
            Setting::number("keep", &mut self.keep, 0.0..=1.0, "up to this share a finding is kept"),
            Setting::whole(
                "batches",
                &mut self.batches,
                1..=100_000,
                "observed batches over which to take the mean",
            ),
            Setting::whole("least", &mut self.least, 2..=1_000_000, "images that a batch must have"),
        ]
    }
}

impl UnshuffledData {
    /// How many different labels a random batch of so many images has on average.
    fn expected(&self, images: u64) -> f64 {
        let total = self.state.labels.total() as f64;
        self.state
            .labels
            .iter()
            .map(|(_, count)| 1.0 - (1.0 - count as f64 / total).powf(images as f64))
            .sum()
    }
}
