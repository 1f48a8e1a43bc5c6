//! Where the time of a training goes.

use std::time::Instant;

use crate::rules::Timing;

/// What the loop is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Something that is not counted: before the first batch, a validation pass, what lies between epochs.
    Elsewhere,
    /// Between two steps: waiting for the next batch.
    Data,
    /// Within a step.
    Training,
    /// In a callback, or in work for one.
    Diagnostics,
}

/// Adds up how long each phase took. Times are those of the host: on a device that works asynchronously, whoever waits
/// for it pays.
#[derive(Debug)]
pub(super) struct Clock {
    phase: Phase,
    since: Instant,
    totals: Timing,
}

impl Clock {
    pub fn new() -> Clock {
        Clock { phase: Phase::Elsewhere, since: Instant::now(), totals: Timing::default() }
    }

    /// Ends the running phase; answers which it was.
    pub fn enter(&mut self, phase: Phase) -> Phase {
        let now = Instant::now();
        let seconds = now.duration_since(self.since).as_secs_f64();
        match self.phase {
            Phase::Elsewhere => {}
            Phase::Data => self.totals.data += seconds,
            Phase::Training => self.totals.training += seconds,
            Phase::Diagnostics => self.totals.diagnostics += seconds,
        }
        self.since = now;
        std::mem::replace(&mut self.phase, phase)
    }

    /// Forgets the time since the last step, which was not spent on the next batch, as in a validation pass.
    pub fn leave(&mut self) {
        (self.phase, self.since) = (Phase::Elsewhere, Instant::now());
    }

    /// The phases that have ended.
    pub fn totals(&self) -> Timing {
        self.totals
    }
}
