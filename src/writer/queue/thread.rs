//! The background thread's side of the queue.

use std::{
    cell::Cell,
    mem,
    sync::{Arc, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::{Phase, Queue};
use crate::{
    event::Sample,
    summary::Step,
    writer::{
        builder::BackPressure,
        lane::{Amount, LANES, Lane},
        run_file::{FIRST_PAUSE, Written, cost},
        runs::RunId,
        stats::{self, StatsLog},
    },
};

thread_local! {
    static WRITES: Cell<bool> = const { Cell::new(false) };
}

/// To be said once by each background thread.
pub(in crate::writer) fn this_is_a_writer_thread() {
    WRITES.set(true);
}

/// Whether this is a background thread, of whatever writer: none of them may wait for another, since the other could
/// wait for it.
pub(in crate::writer) fn on_a_writer_thread() -> bool {
    WRITES.get()
}

/// A round of the background thread.
pub(in crate::writer) struct Round {
    pub batch: Vec<(RunId, Sample)>,
    /// Names of runs that it does not know yet.
    pub new_runs: Vec<Arc<str>>,
    pub closing: bool,
    /// Somebody waits for it to be in the files.
    pub urgent: bool,
    /// Greatest step of all values up to now.
    pub last_step: Option<Step>,
    flush: u64,
}

/// The end of an interval that began when it was first asked for.
#[derive(Default)]
struct Deadline(Option<(Duration, Instant)>);

impl Deadline {
    /// `None`: there is no interval, or it ends beyond the end of time.
    fn at(&mut self, interval: Option<Duration>) -> Option<Instant> {
        let interval = interval?;
        match self.0 {
            Some((same, end)) if same == interval => Some(end),
            _ => {
                let end = Instant::now().checked_add(interval)?;
                self.0 = Some((interval, end));
                Some(end)
            }
        }
    }
}

impl Queue {
    /// Waits until there is something to do, and takes it: at the latest when the flush interval is over for what waits,
    /// and when the accounts are due. Where nothing is to come of itself it sleeps until a value does.
    pub(in crate::writer) fn next_round(
        &self,
        known_runs: usize,
        spare: Vec<(RunId, Sample)>,
        stats_log: Option<&StatsLog>,
    ) -> Round {
        let mut state = self.lock();
        let mut flush = Deadline::default();
        while !self.is_due(&state) {
            let interval = match (state.waiting.is_empty(), state.load.first_failure()) {
                (false, _) => Some(self.options.flush_interval),
                (true, Some(_)) => Some(self.options.flush_interval.max(FIRST_PAUSE)),
                (true, None) => None,
            };
            let stats = stats_log.and_then(|log| log.next(state.last_step));
            state.sleeps_until_news = state.waiting.is_empty() || stats_log.is_some() && stats.is_none();
            let deadline = flush.at(interval).into_iter().chain(stats).min();
            state = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => break,
                Some(left) => self.work.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        state.sleeps_until_news = false;
        state.pressed = false;
        state.waiting_bytes = 0;
        Round {
            batch: mem::replace(&mut state.waiting, spare),
            new_runs: state.runs.names_from(known_runs),
            closing: state.phase != Phase::Open,
            urgent: state.phase != Phase::Open || state.flush_wanted > state.flush_done,
            last_step: state.last_step,
            flush: state.flush_wanted,
        }
    }

    /// The accounts up to now as values of the run itself, counted like those of others.
    pub(in crate::writer) fn own_samples(&self, step: Step) -> Vec<Sample> {
        let mut state = self.lock();
        let mut samples = stats::samples(&state.stats, step);
        samples.retain(|sample| state.runs.note(0, sample.tag.as_str(), &sample.summary, step).is_ok());
        let bytes = samples.iter().map(|sample| cost(&sample.summary)).sum();
        state.admit(0, Lane::Values, Amount { records: samples.len(), bytes });
        samples
    }

    /// Tells what became of a round, which took the thread `busy`.
    pub(in crate::writer) fn finish_round(
        &self,
        round: &Round,
        written: Vec<(RunId, Written)>,
        busy: Duration,
    ) {
        let mut state = self.lock();
        state.stats.time_writing += busy;
        let was_failing = state.load.first_failure().is_some();
        let mut warnings = Vec::new();
        for (run, file) in written {
            let unencodable = file.unencodable.len() as u64;
            state.stats.bytes += file.file_bytes;
            state.stats.files += file.new_files;
            state.lose(unencodable + file.vanished_records);
            for error in file.vanished.into_iter().chain(file.unencodable) {
                warnings.extend(self.report(&mut state, error, None));
            }
            if let Some(error) = file.unsynced {
                state.unsynced.get_or_insert(error);
            }
            let mut records = 0;
            for (lane, done) in LANES.into_iter().zip(file.lanes) {
                records += done.amount.records as u64;
                let failed = state.load.settle(run, lane, done.amount, done.failure.as_ref());
                if let Some(error) = done.failure.filter(|_| !failed) {
                    warnings.extend(self.report(&mut state, error, Some((run, lane))));
                }
            }
            state.stats.records += records - unencodable;
        }
        let fails = state.load.first_failure().is_some();
        if !fails {
            state.warned_of_drop &= self.options.back_pressure == BackPressure::DropNewest;
        }
        let recovered = was_failing && !fails;
        state.flush_done = round.flush;
        self.done.notify_all();
        // Without the lock: what takes the messages may be slow, or write to this very queue.
        drop(state);
        for warning in warnings {
            tracing::warn!("{warning}");
        }
        if recovered {
            tracing::info!("{}: writing works again", self.path.display());
        }
    }

    /// For the thread's end, in whatever way.
    pub(in crate::writer) fn finish(&self) {
        let mut state = self.lock();
        let left = state.load.clear() as u64;
        state.lose(left);
        state.waiting.clear();
        if thread::panicking() {
            state.broken = Some(state.lost);
        }
        let warning = state.broken.and_then(|lost| self.report(&mut state, self.thread_failed(lost), None));
        state.phase = Phase::Closed;
        self.done.notify_all();
        drop(state);
        if let Some(warning) = warning {
            tracing::warn!("{warning}");
        }
    }
}
