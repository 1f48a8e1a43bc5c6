//! The callers' side of the queue.

use std::{
    mem,
    sync::{MutexGuard, PoisonError},
    time::Instant,
};

use super::{Phase, Queue, State, on_a_writer_thread};
use crate::{
    error::{Error, ErrorKind, Result},
    event::Sample,
    summary::{Kind, Step, Summary, WallTime},
    writer::{
        builder::{BackPressure, OnError},
        lane::{Amount, Lane},
        run_file::cost,
        runs::{RunId, warn_of_step},
        stats::CallTimer,
    },
};

impl Queue {
    /// Takes a value, or says why not. An error of an earlier value is returned once; this one is taken all the same.
    pub(in crate::writer) fn push(
        &self,
        run: RunId,
        tag: &str,
        step: Step,
        wall_time: Option<WallTime>,
        summary: Summary,
    ) -> Result<()> {
        let mut timer = CallTimer::start();
        let kind = summary.kind();
        let lane = Lane::of(kind);
        let bytes = cost(&summary);
        let wall_time = wall_time.unwrap_or_else(WallTime::now);
        let mut state = self.lock();
        // Checked again after waiting: another thread may have begun the tag, or closed the writer.
        let (tag, again) = loop {
            if state.phase != Phase::Open {
                return Err(Error::new(ErrorKind::Closed { path: self.path.clone() }));
            }
            if self.has_room(&state, run, lane, bytes) {
                break state.runs.note(run, tag, &summary, step)?;
            }
            state.runs.check(run, tag, &summary)?;
            state = match self.wait_for_room(state, run, kind, &mut timer)? {
                Some(state) => state,
                None => return Ok(()),
            };
        };
        let warning = again.map(|before| (state.runs.name(run).clone(), tag.clone(), before));
        let sample = Sample { tag, step, wall_time, summary };
        let is_news = state.waiting.is_empty() || Some(step) > state.last_step;
        state.last_step = state.last_step.max(Some(step));
        state.waiting.push((run, sample));
        state.waiting_bytes += bytes;
        state.admit(run, lane, Amount::one(bytes));
        if self.is_due(&state) || is_news && mem::take(&mut state.sleeps_until_news) {
            self.work.notify_one();
        }
        // A `tracing` subscriber is not the one to be told.
        let unreported = state.unreported.take_if(|_| !on_a_writer_thread());
        timer.stop(&mut state.stats);
        drop(state);
        if let Some((run, tag, before)) = warning {
            warn_of_step(&run, &tag, before, step);
        }
        unreported.map_or(Ok(()), Err)
    }

    /// Waits until everything that was taken before is in its file.
    pub(in crate::writer) fn flush(&self) -> Result<()> {
        if on_a_writer_thread() {
            return Err(self.would_wait_for_itself("flush"));
        }
        let begin = Instant::now();
        let mut state = self.lock();
        state.flush_wanted += 1;
        let ticket = state.flush_wanted;
        self.work.notify_one();
        while state.flush_done < ticket && state.phase != Phase::Closed {
            state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.stats.time_waiting += begin.elapsed();
        let error = state.unreported.take();
        match (error, state.broken, state.load.first_failure(), self.options.on_error) {
            (Some(error), ..) => Err(error),
            (None, Some(lost), ..) => Err(self.thread_failed(lost)),
            (None, None, Some(failure), OnError::Return) => Err(failure.error()),
            _ => Ok(()),
        }
    }

    /// Has everything written and the background thread end, and waits for that.
    ///
    /// # Errors
    /// On a writer's own thread, which cannot wait for itself.
    pub(in crate::writer) fn close(&self) -> Result<()> {
        if self.close_by(None) { Ok(()) } else { Err(self.would_wait_for_itself("close")) }
    }

    /// The same, but waits only as long as the last handle may. `false` if it takes longer.
    pub(in crate::writer) fn close_on_drop(&self) -> bool {
        self.close_by(Instant::now().checked_add(self.options.patience))
    }

    fn close_by(&self, deadline: Option<Instant>) -> bool {
        let mut state = self.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::Closing;
        }
        self.work.notify_one();
        while state.phase != Phase::Closed {
            if on_a_writer_thread() {
                return false;
            }
            state = match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                Some(left) if left.is_zero() => return false,
                Some(left) => self.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.done.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        true
    }

    /// After the end: what went wrong and was not yet told.
    pub(in crate::writer) fn verdict(&self) -> Result<()> {
        let mut state = self.lock();
        // The earlier error first; where the later one is not returned, it is logged.
        let (unreported, second) = match (state.unreported.take(), state.unsynced.take()) {
            (None, unsynced) => (unsynced, None),
            both => both,
        };
        let cause = state.load.first_failure().map(|failure| failure.error().to_string());
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

    /// Whether a value of so many bytes may be taken. On a writer's own thread (in a `tracing` subscriber that logs to a
    /// run) nobody would ever make room.
    fn has_room(&self, state: &State, run: RunId, lane: Lane, bytes: usize) -> bool {
        state.load.has_room(run, lane, bytes)
            || self.options.back_pressure == BackPressure::Block
                && state.load.failure(run, lane).is_none()
                && on_a_writer_thread()
    }

    /// Waits until a round is done. `None`: the user said to go on without the value.
    fn wait_for_room<'a>(
        &'a self,
        mut state: MutexGuard<'a, State>,
        run: RunId,
        kind: Kind,
        timer: &mut CallTimer,
    ) -> Result<Option<MutexGuard<'a, State>>> {
        if let Some(failure) = state.load.failure(run, Lane::of(kind)) {
            // Nobody knows when that ends.
            let cause = format!("the queue is full, because writing fails: {}", failure.error());
            return self.give_up_newest(state, run, kind, cause).map(|()| None);
        }
        if self.options.back_pressure == BackPressure::DropNewest {
            state.drop_one(kind);
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
        let begin = Instant::now();
        let mut state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        let waited = begin.elapsed();
        timer.waited(waited);
        state.stats.time_waiting += waited;
        Ok(Some(state))
    }

    fn give_up_newest(
        &self,
        mut state: MutexGuard<'_, State>,
        run: RunId,
        kind: Kind,
        cause: String,
    ) -> Result<()> {
        state.drop_one(kind);
        state.lost += 1;
        let error = self.gave_up(state.lost, cause);
        if self.options.on_error == OnError::Return {
            if state.unreported_failing == Some((run, Lane::of(kind))) {
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

    fn would_wait_for_itself(&self, what: &str) -> Error {
        let why = format!(
            "called for {} on a writer's background thread, which cannot wait for itself; a `tracing` subscriber that \
             logs to a run must leave it to others",
            self.path.display()
        );
        Error::invalid(what, why)
    }
}
