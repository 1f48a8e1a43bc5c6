//! What is not yet written, by run, and whether there is room for more.

use crate::{
    error::Error,
    writer::{
        failure::Failure,
        lane::{Amount, Lane},
        runs::RunId,
    },
};

/// Runs that cannot be written take one part in so many of the queue at most, so that the others go on.
const STUCK_SHARE: usize = 2;
/// The others have one part in so many for themselves, on top of the bound where a run had filled the queue before it
/// was known that it cannot be written.
const RESERVE: usize = 8;

/// What waits, with or before the background thread.
pub(super) struct Load {
    bound: Amount,
    all: Amount,
    /// Of that, what cannot be written for the time being.
    stuck: Amount,
    runs: Vec<[Waiting; 2]>,
}

/// On one lane of a run.
#[derive(Default)]
struct Waiting {
    amount: Amount,
    /// Why the last write failed. Something waits as long as it does.
    failing: Option<Failure>,
}

impl Load {
    pub(super) fn new(bound: Amount) -> Load {
        Load { bound, all: Amount::default(), stuck: Amount::default(), runs: Vec::new() }
    }

    pub(super) fn all(&self) -> Amount {
        self.all
    }

    /// Whether one more value of so many bytes may wait. One that is larger than the whole queue gets it for itself.
    pub(super) fn has_room(&self, run: RunId, lane: Lane, bytes: usize) -> bool {
        let fits = self.all.records == 0 || self.all.has_room(bytes, self.bound);
        if self.stuck.records == 0 {
            return fits;
        }
        if self.failure(run, lane).is_some() {
            return fits && self.stuck.has_room(bytes, self.bound.part(STUCK_SHARE));
        }
        let mut others = self.all;
        others -= self.stuck;
        fits || others.records == 0 || others.has_room(bytes, self.bound.part(RESERVE))
    }

    /// Whether so much fills half of what the runs have that can be written.
    pub(super) fn is_half(&self, waiting: Amount) -> bool {
        let reserve = self.bound.part(RESERVE);
        let records = self.bound.records.saturating_sub(self.stuck.records).max(reserve.records);
        let bytes = self.bound.bytes.saturating_sub(self.stuck.bytes).max(reserve.bytes);
        waiting.records * 2 >= records || waiting.bytes * 2 >= bytes
    }

    /// Counts values that wait from now on.
    pub(super) fn admit(&mut self, run: RunId, lane: Lane, more: Amount) {
        if run >= self.runs.len() {
            self.runs.resize_with(run + 1, Default::default);
        }
        let waiting = &mut self.runs[run][lane as usize];
        waiting.amount += more;
        self.all += more;
        if waiting.failing.is_some() {
            self.stuck += more;
        }
    }

    /// Counts values that no longer wait, and notes why the others of the lane still do. Returns whether writing
    /// failed before.
    pub(super) fn settle(&mut self, run: RunId, lane: Lane, done: Amount, failure: Option<&Error>) -> bool {
        let Some(waiting) = self.runs.get_mut(run).map(|lanes| &mut lanes[lane as usize]) else {
            return false;
        };
        let failed = waiting.failing.is_some();
        if failed {
            self.stuck -= waiting.amount;
        }
        waiting.amount -= done;
        self.all -= done;
        waiting.failing = failure.map(Failure::new);
        if waiting.failing.is_some() {
            self.stuck += waiting.amount;
        }
        failed
    }

    /// Why this lane cannot be written, if it cannot.
    pub(super) fn failure(&self, run: RunId, lane: Lane) -> Option<&Failure> {
        self.runs.get(run)?[lane as usize].failing.as_ref()
    }

    /// Why the first of the runs that cannot be written cannot.
    pub(super) fn first_failure(&self) -> Option<&Failure> {
        self.runs.iter().flatten().find_map(|waiting| waiting.failing.as_ref())
    }

    /// Gives everything up, and says how much that is. Why it could not be written stays known.
    pub(super) fn clear(&mut self) -> usize {
        let left = self.all.records;
        self.all = Amount::default();
        self.stuck = Amount::default();
        self.runs.iter_mut().flatten().for_each(|waiting| waiting.amount = Amount::default());
        left
    }
}
