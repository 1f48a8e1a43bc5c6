//! Passes over the validation data, each counted once.

use super::{Moment, Observation, Score};

/// Tells which observations bring a new validation score: the end of an epoch repeats the last one's.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Checks {
    /// Epoch of the last score that came with [`Moment::Validation`].
    epoch: Option<u64>,
    last: Option<Score>,
    count: u64,
}

impl Checks {
    /// The score of a pass that was not seen before.
    pub fn new_score(&mut self, observation: &Observation) -> Option<Score> {
        let score = observation.validation?;
        match observation.moment {
            Moment::Validation => self.epoch = Some(observation.epoch),
            Moment::Epoch if self.epoch == Some(observation.epoch) => return None,
            Moment::Epoch => {}
            Moment::Batch => return None,
        }
        self.last = Some(score);
        self.count += 1;
        Some(score)
    }

    /// Training and validation score of an epoch that has ended with this observation, if it had both.
    pub fn epoch(&mut self, observation: &Observation) -> Option<(Score, Score)> {
        self.new_score(observation);
        if observation.moment != Moment::Epoch {
            return None;
        }
        let of_this_epoch = self.last.filter(|_| self.epoch == Some(observation.epoch));
        Some((observation.training?, observation.validation.or(of_this_epoch)?))
    }

    /// Passes seen.
    pub fn count(&self) -> u64 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observation(moment: Moment, epoch: u64, loss: Option<f64>) -> Observation {
        let score = loss.map(|loss| Score { loss: Some(loss), ..Score::default() });
        let training = (moment == Moment::Epoch).then(Score::default);
        Observation { moment, epoch, validation: score, training, ..Observation::default() }
    }

    #[test]
    fn the_end_of_an_epoch_is_no_second_pass() {
        let mut checks = Checks::default();
        assert!(checks.new_score(&observation(Moment::Validation, 1, Some(0.5))).is_some());
        assert!(checks.new_score(&observation(Moment::Validation, 1, Some(0.4))).is_some());
        assert!(checks.new_score(&observation(Moment::Epoch, 1, Some(0.4))).is_none());
        assert!(checks.new_score(&observation(Moment::Batch, 2, Some(0.4))).is_none());
        assert!(
            checks.new_score(&observation(Moment::Epoch, 2, Some(0.3))).is_some(),
            "no pass was told of before"
        );
        assert_eq!(checks.count(), 3);
    }

    #[test]
    fn an_epoch_needs_both_scores() {
        let mut checks = Checks::default();
        assert!(checks.epoch(&observation(Moment::Validation, 1, Some(0.5))).is_none());
        let (_, validation) = checks.epoch(&observation(Moment::Epoch, 1, None)).unwrap();
        assert_eq!(validation.loss, Some(0.5), "of the pass before");
        assert!(
            checks.epoch(&observation(Moment::Epoch, 2, None)).is_none(),
            "that pass was in another epoch"
        );
    }
}
