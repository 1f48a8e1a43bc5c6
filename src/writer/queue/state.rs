//! What the handles and the background thread share, behind one lock.

use super::{QueueOptions, load::Load};
use crate::{
    error::Error,
    event::Sample,
    summary::{Kind, Step, Summary},
    writer::{
        lane::{Amount, Lane},
        runs::{RunId, Runs},
        stats::{self, WriterStats},
    },
};

pub(super) struct State {
    pub runs: Runs,
    /// Not yet taken by the background thread, and the memory that it takes.
    pub waiting: Vec<(RunId, Sample)>,
    pub waiting_bytes: usize,
    /// What is not yet written, with or before the background thread.
    pub load: Load,
    /// Greatest step of all values.
    pub last_step: Option<Step>,
    /// Rounds that were asked for by `flush` and are done. A handle waits until its number is done.
    pub flush_wanted: u64,
    pub flush_done: u64,
    /// Somebody waits for room.
    pub pressed: bool,
    /// The background thread must be woken by the next value that is the first to wait, or of a new step.
    pub sleeps_until_news: bool,
    pub phase: Phase,
    /// First error that nobody was told of.
    pub unreported: Option<Error>,
    /// It is also why this lane cannot be written.
    pub unreported_failing: Option<(RunId, Lane)>,
    /// Why it is unknown whether everything is on the device.
    pub unsynced: Option<Error>,
    /// The background thread panicked, and so many values were lost with it or before.
    pub broken: Option<u64>,
    /// Values that were refused for lack of room, because the user wanted it so, and that `close` did not yet tell of.
    pub dropped_by_choice: u64,
    /// Values that will never be written, because something failed, and that `close` did not yet tell of.
    pub lost: u64,
    pub warned_of_drop: bool,
    pub stats: WriterStats,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Phase {
    #[default]
    Open,
    Closing,
    Closed,
}

impl State {
    /// An empty queue; where the writer's own accounts are written, their tags are taken.
    pub(super) fn new(options: &QueueOptions) -> State {
        let mut state = State {
            runs: Runs::default(),
            waiting: Vec::new(),
            waiting_bytes: 0,
            load: Load::new(Amount { records: options.max_records, bytes: options.max_bytes }),
            last_step: None,
            flush_wanted: 0,
            flush_done: 0,
            pressed: false,
            sleeps_until_news: false,
            phase: Phase::default(),
            unreported: None,
            unreported_failing: None,
            unsynced: None,
            broken: None,
            dropped_by_choice: 0,
            lost: 0,
            warned_of_drop: false,
            stats: WriterStats::default(),
        };
        if options.log_stats.is_some() {
            for tag in stats::tags() {
                // A new tag is never refused.
                let _ = state.runs.note(0, tag, &Summary::scalar(0.0), Step::new(i64::MIN));
            }
        }
        state
    }

    /// Counts values that are now on their way.
    pub(super) fn admit(&mut self, run: RunId, lane: Lane, more: Amount) {
        self.load.admit(run, lane, more);
        let all = self.load.all();
        self.stats.most_queued_records = self.stats.most_queued_records.max(all.records);
        self.stats.most_queued_bytes = self.stats.most_queued_bytes.max(all.bytes);
    }

    /// Counts a value that was refused for lack of room.
    pub(super) fn drop_one(&mut self, kind: Kind) {
        *self.stats.dropped.entry(kind).or_default() += 1;
    }

    /// Counts values that were taken and will never be written.
    pub(super) fn lose(&mut self, count: u64) {
        self.lost += count;
        self.stats.lost += count;
    }
}
