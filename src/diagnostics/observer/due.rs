//! When something is measured.

use crate::{
    callback::{Position, Schedule},
    stats::Quantiles,
    summary::Step,
};

/// When something is measured.
#[derive(Debug)]
pub(super) struct Due {
    pub schedule: Schedule,
    pub quantiles: Schedule,
    pub spectrum: Schedule,
    /// Spectra came due, and wait for the next observation.
    spectrum_waits: bool,
}

impl Default for Due {
    fn default() -> Due {
        Due {
            schedule: Schedule::every(10),
            quantiles: Schedule::never(),
            spectrum: Schedule::never(),
            spectrum_waits: false,
        }
    }
}

impl Due {
    /// Whether the batch at `position` is measured, as far as that is known before an epoch ends.
    pub fn is_due(&self, position: &Position) -> bool {
        let first = position.step == Step::new(1) && self.begins(position);
        !position.over_budget && (self.schedule.is_due(position) || first)
    }

    /// Whether anything is ever measured, and the step is within the bounds of that.
    pub fn begins(&self, position: &Position) -> bool {
        self.schedule.includes_start(position)
    }

    /// Whether the epoch may turn out to have ended with this batch, and be due then.
    pub fn may_end_epoch(&self, position: &Position) -> bool {
        !position.over_budget && self.schedule.may_be_due(position)
    }

    /// Whether the last batch of the epoch that has ended is measured.
    pub fn epoch_end_is_due(&self, position: &Position) -> bool {
        !position.over_budget && self.schedule.epoch_is_due(position)
    }

    pub fn quantiles(&self, position: &Position) -> Quantiles {
        if self.quantiles.is_due(position) { Quantiles::Yes } else { Quantiles::No }
    }

    pub fn end_batch(&mut self, position: &Position) {
        let first = position.step == Step::new(1) && self.spectrum.includes_start(position);
        self.spectrum_waits |= first || self.spectrum.is_due(position);
    }

    pub fn end_epoch(&mut self, position: &Position) {
        self.spectrum_waits |= position.batches.is_none() && self.spectrum.epoch_is_due(position);
    }

    /// Whether spectra belong to the observation that is made now.
    pub fn take_spectrum(&mut self, position: &Position) -> bool {
        !position.over_budget && std::mem::take(&mut self.spectrum_waits)
    }
}
