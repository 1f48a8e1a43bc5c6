//! What training hands over to the background thread: a queue with bounds, and what came back.

use std::{
    mem,
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use super::{
    builder::{BackPressure, OnError},
    failure::Failure,
    run_file::{Written, cost},
    runs::{RunId, Runs, warn_of_step},
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::Sample,
    summary::{Step, Summary, WallTime},
};

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

#[derive(Default)]
struct State {
    runs: Runs,
    /// Not yet taken by the background thread, and the memory that it takes.
    waiting: Vec<(RunId, Sample)>,
    waiting_bytes: usize,
    /// What is not yet written, with or before the background thread.
    records: usize,
    bytes: usize,
    /// Rounds that were asked for by `flush` and are done. A handle waits until its number is done.
    flush_wanted: u64,
    flush_done: u64,
    /// Somebody waits for room.
    pressed: bool,
    phase: Phase,
    /// Why the last write failed.
    failing: Option<Failure>,
    /// First error that nobody was told of.
    unreported: Option<Error>,
    /// It is also why writing fails.
    unreported_is_failing: bool,
    /// Why it is unknown whether everything is on the device.
    unsynced: Option<Error>,
    /// The background thread panicked, and so many values were lost with it or before.
    broken: Option<u64>,
    /// Values that were refused for lack of room, because the user wanted it so.
    dropped_by_choice: u64,
    /// Values that were refused for lack of room.
    dropped: u64,
    /// Values that will never be written, because something failed.
    lost: u64,
    warned_of_drop: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Open,
    Closing,
    Closed,
}

/// A round of the background thread.
pub(super) struct Round {
    pub batch: Vec<(RunId, Sample)>,
    /// Names of runs that it does not know yet.
    pub new_runs: Vec<Arc<str>>,
    pub closing: bool,
    /// Somebody waits for it to be in the files.
    pub urgent: bool,
    flush: u64,
}

impl Queue {
    pub(super) fn new(path: PathBuf, options: QueueOptions) -> Queue {
        Queue {
            path,
            options,
            state: Mutex::new(State::default()),
            work: Condvar::new(),
            done: Condvar::new(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The number of a run, and its name.
    pub(super) fn run(&self, name: &str) -> Result<(RunId, Arc<str>)> {
        let mut state = self.lock();
        let id = state.runs.id(name)?;
        Ok((id, state.runs.name(id).clone()))
    }

    /// Values that were refused for lack of room.
    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Takes a value, or says why not. An error of an earlier value is returned once; this one is taken all the same.
    pub(super) fn push(
        &self,
        run: RunId,
        tag: &str,
        step: Step,
        wall_time: Option<WallTime>,
        summary: Summary,
    ) -> Result<()> {
        let bytes = cost(&summary);
        let wall_time = wall_time.unwrap_or_else(WallTime::now);
        let mut state = self.lock();
        // Checked again after waiting: another thread may have begun the tag, or closed the writer.
        let tag = loop {
            if state.phase != Phase::Open {
                return Err(Error::new(ErrorKind::Closed { path: self.path.clone() }));
            }
            let tag = state.runs.check(run, tag, &summary)?;
            if self.has_room(&state, bytes) {
                break tag;
            }
            state = match self.wait_for_room(state)? {
                Some(state) => state,
                None => return Ok(()),
            };
        };
        let sample = Sample { tag, step, wall_time, summary };
        let again = state.runs.note(run, &sample.tag, &sample.summary, step);
        let warning = again.map(|before| (state.runs.name(run).clone(), sample.tag.clone(), before));
        state.waiting.push((run, sample));
        state.waiting_bytes += bytes;
        state.records += 1;
        state.bytes += bytes;
        if self.is_due(&state) {
            self.work.notify_one();
        }
        let unreported = state.unreported.take();
        drop(state);
        if let Some((run, tag, before)) = warning {
            warn_of_step(&run, &tag, before, step);
        }
        unreported.map_or(Ok(()), Err)
    }

    /// Waits until everything that was taken before is in its file.
    pub(super) fn flush(&self) -> Result<()> {
        let mut state = self.lock();
        state.flush_wanted += 1;
        let ticket = state.flush_wanted;
        self.work.notify_one();
        while state.flush_done < ticket && state.phase != Phase::Closed {
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let error = state.unreported.take();
        match (error, state.broken, &state.failing, self.options.on_error) {
            (Some(error), ..) => Err(error),
            (None, Some(lost), ..) => Err(self.thread_failed(lost)),
            (None, None, Some(failure), OnError::Return) => Err(failure.error()),
            _ => Ok(()),
        }
    }

    /// Has everything written and the background thread end, and waits for that.
    pub(super) fn close(&self) {
        self.close_within(None);
    }

    /// The same, but waits only as long as the last handle may. `false` if it takes longer.
    pub(super) fn close_on_drop(&self) -> bool {
        self.close_within(Some(self.options.patience))
    }

    fn close_within(&self, patience: Option<Duration>) -> bool {
        let mut state = self.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Closing;
        }
        self.work.notify_one();
        let deadline = patience.and_then(|patience| Instant::now().checked_add(patience));
        while state.phase != Phase::Closed {
            state = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return false,
                Some(left) => self.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.done.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        true
    }

    /// After the end: what went wrong and was not yet told.
    pub(super) fn verdict(&self) -> Result<()> {
        let mut state = self.lock();
        // The earlier error first; where the later one is not returned, it is logged.
        let (unreported, second) = match (state.unreported.take(), state.unsynced.take()) {
            (None, unsynced) => (unsynced, None),
            both => both,
        };
        let cause = state.failing.as_ref().map(|failure| failure.error().to_string());
        let lost = mem::take(&mut state.lost);
        let dropped = mem::take(&mut state.dropped_by_choice);
        drop(state);
        if let Some(second) = second {
            tracing::warn!("{second}");
        }
        if dropped > 0 {
            tracing::warn!(
                "{}: {dropped} values were dropped, because the queue was full",
                self.path.display()
            );
        }
        match (lost, unreported, cause) {
            (0, unreported, _) => unreported.map_or(Ok(()), Err),
            (_, _, Some(cause)) => Err(self.gave_up(lost, cause)),
            (_, Some(error), None) => match error.kind() {
                ErrorKind::Dropped { .. } => Err(error),
                _ => Err(self.gave_up(lost, error.to_string())),
            },
            (_, None, None) => Err(self.gave_up(lost, "see the errors before".to_owned())),
        }
    }

    /// Whether a value of so many bytes may be taken. One that is larger than the whole queue gets it for itself.
    fn has_room(&self, state: &State, bytes: usize) -> bool {
        state.records == 0
            || state.records < self.options.max_records && state.bytes + bytes <= self.options.max_bytes
    }

    /// Waits until a round is done. `None`: the user said to go on without the value.
    fn wait_for_room<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
    ) -> Result<Option<MutexGuard<'a, State>>> {
        if let Some(failure) = &state.failing {
            // Nobody knows when that ends.
            let cause = format!("the queue is full, because writing fails: {}", failure.error());
            return self.give_up_newest(state, cause).map(|()| None);
        }
        if self.options.back_pressure == BackPressure::DropNewest {
            state.dropped += 1;
            state.dropped_by_choice += 1;
            let first = !mem::replace(&mut state.warned_of_drop, true);
            drop(state);
            if first {
                let path = self.path.display();
                tracing::warn!(
                    "{path}: values come faster than they are written; as was asked for, some are dropped"
                );
            }
            return Ok(None);
        }
        state.pressed = true;
        self.work.notify_one();
        Ok(Some(self.done.wait(state).unwrap_or_else(PoisonError::into_inner)))
    }

    fn give_up_newest(&self, mut state: MutexGuard<'_, State>, cause: String) -> Result<()> {
        state.dropped += 1;
        state.lost += 1;
        let error = self.gave_up(state.lost, cause);
        if self.options.on_error == OnError::Return {
            if state.unreported_is_failing {
                state.unreported = None; // it is the cause
            }
            return Err(error);
        }
        let first = !mem::replace(&mut state.warned_of_drop, true);
        drop(state);
        if first {
            tracing::warn!("{error}");
        }
        Ok(())
    }

    fn thread_failed(&self, lost: u64) -> Error {
        self.gave_up(lost, "the background thread failed".to_owned())
    }

    fn gave_up(&self, count: u64, cause: String) -> Error {
        Error::new(ErrorKind::Dropped { path: self.path.clone(), count, cause })
    }

    /// Whether the background thread should not wait any longer.
    fn is_due(&self, state: &State) -> bool {
        state.waiting.len() * 2 >= self.options.max_records
            || state.waiting_bytes * 2 >= self.options.max_bytes
            || state.flush_wanted > state.flush_done
            || state.pressed
            || state.phase != Phase::Open
            || self.options.flush_interval.is_zero() && !state.waiting.is_empty()
    }

    /// For the background thread: waits until there is something to do, or the flush interval is over, and takes it.
    pub(super) fn next_round(&self, known_runs: usize, spare: Vec<(RunId, Sample)>) -> Round {
        let mut state = self.lock();
        // None: an interval beyond the end of time.
        let deadline = Instant::now().checked_add(self.options.flush_interval.max(Duration::from_millis(10)));
        while !self.is_due(&state) {
            state = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => break,
                Some(left) => self.work.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        state.pressed = false;
        state.waiting_bytes = 0;
        Round {
            batch: mem::replace(&mut state.waiting, spare),
            new_runs: state.runs.names_from(known_runs),
            closing: state.phase != Phase::Open,
            urgent: state.phase != Phase::Open || state.flush_wanted > state.flush_done,
            flush: state.flush_wanted,
        }
    }

    /// For the background thread: tells what became of a round.
    pub(super) fn finish_round(&self, round: &Round, written: Vec<Written>) {
        let mut state = self.lock();
        let was_failing = state.failing.take().is_some();
        let mut warnings = Vec::new();
        for file in written {
            state.records -= file.records;
            state.bytes -= file.bytes;
            state.lost += file.unencodable.len() as u64 + file.vanished_records;
            for error in file.vanished.into_iter().chain(file.unencodable) {
                warnings.extend(self.report(&mut state, error, false));
            }
            if let Some(error) = file.unsynced {
                state.unsynced.get_or_insert(error);
            }
            if let Some(error) = file.failure {
                state.failing.get_or_insert(Failure::new(&error));
                if !was_failing {
                    warnings.extend(self.report(&mut state, error, true));
                }
            }
        }
        if state.failing.is_none() {
            state.warned_of_drop &= self.options.back_pressure == BackPressure::DropNewest;
        }
        let recovered = was_failing && state.failing.is_none();
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

    /// For the background thread, when it ends in whatever way.
    pub(super) fn finish(&self) {
        let mut state = self.lock();
        state.lost += state.records as u64;
        state.records = 0;
        state.bytes = 0;
        state.waiting.clear();
        if thread::panicking() {
            state.broken = Some(state.lost);
        }
        let warning = state.broken.and_then(|lost| self.report(&mut state, self.thread_failed(lost), false));
        state.phase = Phase::Closed;
        self.done.notify_all();
        drop(state);
        if let Some(warning) = warning {
            tracing::warn!("{warning}");
        }
    }

    /// Keeps the first error for whoever calls next, or gives it back to be logged without the lock.
    fn report(&self, state: &mut State, error: Error, is_failing: bool) -> Option<Error> {
        if self.options.on_error == OnError::Warn {
            return Some(error);
        }
        if state.unreported.is_none() {
            state.unreported = Some(error);
            state.unreported_is_failing = is_failing;
        }
        None
    }

    /// Nobody panics while holding the lock; if it happens, the state is still sound.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
