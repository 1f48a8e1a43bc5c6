//! Where the time of a training goes.

use std::time::Instant;

use tch::{Device, Kind, Tensor};

use crate::{error::Result, rules::Timing, tch_context::TchContext as _};

/// What the loop is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Before the first step: not counted.
    Before,
    /// A validation pass, what lies between epochs.
    Elsewhere,
    /// Between two steps: waiting for the next batch.
    Data,
    /// Within a step.
    Training,
    /// In a callback, or in work for one.
    Diagnostics,
}

/// Adds up how long each phase took. Times are those of the host: on a device that works asynchronously, whoever waits
/// for it pays. So the session [waits](wait_for) while a phase still runs, where the next one would have to.
#[derive(Debug)]
pub(super) struct Clock {
    phase: Phase,
    since: Instant,
    totals: Timing,
    elsewhere: f64,
}

/// What diagnostics took of the time since the first step, in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spent {
    pub diagnostics: f64,
    /// Of everything: waiting for data, training, diagnostics, validation.
    pub all: f64,
}

/// Waits until an accelerator has done what was given to it so far. `tch::Cuda::synchronize` panics where that went wrong,
/// as with a label out of range; a value that comes to the host behind the rest waits as well and says so.
pub(super) fn wait_for(device: Device) -> Result<()> {
    if device == Device::Cpu {
        return Ok(());
    }
    let wait = || Tensor::f_zeros([1], (Kind::Float, device))?.f_double_value(&[0]).map(drop);
    wait().context(|| format!("waiting for {device:?}"))
}

impl Clock {
    pub fn new() -> Clock {
        Clock { phase: Phase::Before, since: Instant::now(), totals: Timing::default(), elsewhere: 0.0 }
    }

    /// Ends the running phase; answers which it was.
    pub fn enter(&mut self, phase: Phase) -> Phase {
        let now = Instant::now();
        let seconds = now.duration_since(self.since).as_secs_f64();
        match self.phase {
            Phase::Before => {}
            Phase::Elsewhere => self.elsewhere += seconds,
            Phase::Data => self.totals.data += seconds,
            Phase::Training => self.totals.training += seconds,
            Phase::Diagnostics => self.totals.diagnostics += seconds,
        }
        self.since = now;
        std::mem::replace(&mut self.phase, phase)
    }

    /// The time since the last step was not spent on the next batch, but on something else, as a validation pass.
    pub fn leave(&mut self) {
        if self.phase != Phase::Before {
            self.phase = Phase::Elsewhere;
            self.enter(Phase::Elsewhere);
        }
    }

    /// The phases that have ended.
    pub fn totals(&self) -> Timing {
        self.totals
    }

    /// What diagnostics took of them.
    pub fn spent(&self) -> Spent {
        Spent { diagnostics: self.totals.diagnostics, all: self.totals.total() + self.elsewhere }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validation_counts_as_time_of_the_training_and_not_as_waiting_for_data() {
        let pause = || std::thread::sleep(std::time::Duration::from_millis(2));
        let mut clock = Clock::new();
        pause();
        clock.leave();
        clock.enter(Phase::Training);
        assert_eq!(clock.spent().all, 0.0, "before the first step");
        clock.enter(Phase::Data);
        pause();
        clock.leave(); // what looked like the next batch was validation
        assert_eq!(clock.totals().data, 0.0);
        pause();
        clock.enter(Phase::Diagnostics);
        pause();
        clock.enter(Phase::Elsewhere);
        let (spent, timing) = (clock.spent(), clock.totals());
        assert_eq!(spent.diagnostics, timing.diagnostics);
        assert!(spent.diagnostics >= 0.002 && spent.all >= timing.total() + 0.004, "{spent:?} {timing:?}");
    }
}
