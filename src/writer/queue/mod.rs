//! What training hands over to the background thread: a queue with bounds, and what came back.

mod handle;
mod load;
mod state;
mod thread;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use self::state::{Phase, State};
pub(super) use self::thread::{on_a_writer_thread, this_is_a_writer_thread};
use super::{
    builder::{BackPressure, OnError},
    lane::{Amount, Lane},
    runs::RunId,
    stats::WriterStats,
};
use crate::error::{Error, ErrorKind, Result};

/// How a queue behaves.
#[derive(Debug, Clone)]
pub(super) struct QueueOptions {
    pub max_records: usize,
    pub max_bytes: usize,
    pub flush_interval: Duration,
    pub back_pressure: BackPressure,
    pub on_error: OnError,
    /// How long the last handle waits when it is dropped without `close`.
    pub patience: Duration,
    /// How often the writer's own accounts are written, if at all.
    pub log_stats: Option<Duration>,
}

/// The meeting point of the handles and the background thread.
pub(super) struct Queue {
    /// The run's folder, for messages.
    path: PathBuf,
    options: QueueOptions,
    state: Mutex<State>,
    /// There is something to do for the background thread.
    work: Condvar,
    /// The background thread finished a round.
    done: Condvar,
}

impl Queue {
    pub(super) fn new(path: PathBuf, options: QueueOptions) -> Queue {
        let state = Mutex::new(State::new(&options));
        Queue { path, options, state, work: Condvar::new(), done: Condvar::new() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Counts a file that was made beside the queue, of so many bytes.
    pub(super) fn note_file(&self, bytes: u64) {
        let mut state = self.lock();
        state.stats.files += 1;
        state.stats.bytes += bytes;
    }

    /// How often the accounts are written, if at all.
    pub(super) fn log_stats(&self) -> Option<Duration> {
        self.options.log_stats
    }

    /// The number of a run, and its name.
    pub(super) fn run(&self, name: &str) -> Result<(RunId, Arc<str>)> {
        let mut state = self.lock();
        let id = state.runs.id(name)?;
        Ok((id, state.runs.name(id).clone()))
    }

    /// The accounts up to now.
    pub(super) fn stats(&self) -> WriterStats {
        let state = self.lock();
        let queued = state.load.all();
        WriterStats { queued_records: queued.records, queued_bytes: queued.bytes, ..state.stats.clone() }
    }

    /// Whether the background thread should not wait any longer.
    fn is_due(&self, state: &State) -> bool {
        state.load.is_half(Amount { records: state.waiting.len(), bytes: state.waiting_bytes })
            || state.flush_wanted > state.flush_done
            || state.pressed
            || state.phase != Phase::Open
            || self.options.flush_interval.is_zero() && !state.waiting.is_empty()
    }

    /// Keeps the first error for whoever calls next, or gives it back to be logged without the lock. `failing`: it is why
    /// this lane cannot be written.
    fn report(&self, state: &mut State, error: Error, failing: Option<(RunId, Lane)>) -> Option<Error> {
        if self.options.on_error == OnError::Warn {
            return Some(error);
        }
        if state.unreported.is_none() {
            state.unreported = Some(error);
            state.unreported_failing = failing;
        }
        None
    }

    fn thread_failed(&self, lost: u64) -> Error {
        self.gave_up(lost, "the background thread failed".to_owned())
    }

    fn gave_up(&self, count: u64, cause: String) -> Error {
        Error::new(ErrorKind::Dropped { path: self.path.clone(), count, cause })
    }

    /// Nobody panics while holding the lock; if it happens, the state is still sound.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
