//! Whether a schedule has brought the learning rate down on purpose.

use super::Observation;

/// A learning rate below this share of the greatest is near the end of its schedule.
const ENDING: f64 = 0.01;

/// Remembers the greatest learning rate: small steps at the end of a schedule are meant.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct PeakRate(f64);

impl PeakRate {
    /// Whether the learning rate is known, and below 1 % of the greatest so far.
    pub(super) fn is_ending(&mut self, observation: &Observation) -> bool {
        let Some(rate) = observation.learning_rate.filter(|rate| rate.is_finite()) else { return false };
        self.0 = self.0.max(rate);
        rate < ENDING * self.0
    }
}
