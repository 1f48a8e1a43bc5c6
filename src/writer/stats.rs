//! A writer's own accounts.

use std::{
    cell::Cell,
    collections::BTreeMap,
    time::{Duration, Instant},
};

use crate::{
    event::Sample,
    summary::{Kind, Step, Summary, Tag, WallTime},
};

/// One call in so many is timed, because asking the clock costs as much as a call. A prime number, so that it does not
/// go along with the number of tags that a program writes in each step.
const TIMED_ONE_IN: u32 = 61;

/// The accounts alone wake the background thread at most this often.
const SHORTEST_WAIT: Duration = Duration::from_millis(10);

/// What a writer did since it was made, all sub-runs together: see [`SummaryWriter::stats`](crate::SummaryWriter::stats).
///
/// ```
/// use convscope::{Kind, SummaryWriter};
///
/// # let dir = tempfile::tempdir()?;
/// # let run = dir.path();
/// let writer = SummaryWriter::open(run)?;
/// for step in 0..10 {
///     writer.add_scalar("loss", 1.0, step)?;
/// }
/// writer.flush()?;
/// let stats = writer.stats();
/// assert_eq!((stats.records, stats.files, stats.queued_records), (10, 1, 0));
/// assert_eq!(stats.dropped.get(&Kind::Scalar), None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct WriterStats {
    /// Values that were written to event files, also to such that were removed since.
    pub records: u64,
    /// Bytes that were written to event files.
    pub bytes: u64,
    /// Event files made.
    pub files: u64,
    /// Values that are not yet in a file.
    pub queued_records: usize,
    /// Memory that they take, in bytes.
    pub queued_bytes: usize,
    /// Most values that were waiting at one time.
    pub most_queued_records: usize,
    /// Most memory that waiting values took, in bytes.
    pub most_queued_bytes: usize,
    /// Values that were refused because the queue was full, by kind; a kind without any is not there.
    pub dropped: BTreeMap<Kind, u64>,
    /// Values that were taken and are gone: they could not be encoded, their file was removed, or it could not be
    /// written until the end.
    pub lost: u64,
    /// Time that callers spent on adding values, without waiting and without making the values. One call in 61 is
    /// timed and stands for all.
    pub time_in_calls: Duration,
    /// Time that callers waited: for room in the queue, and in `flush`.
    pub time_waiting: Duration,
    /// Time that the background thread was busy.
    pub time_writing: Duration,
}

impl WriterStats {
    /// Values that were refused because the queue was full.
    pub fn dropped_records(&self) -> u64 {
        self.dropped.values().sum()
    }
}

/// Times a call, if it is its turn.
pub(super) struct CallTimer {
    begin: Option<Instant>,
    waited: Duration,
}

impl CallTimer {
    pub(super) fn start() -> CallTimer {
        thread_local! {
            static CALLS: Cell<u32> = const { Cell::new(0) };
        }
        let call = (CALLS.get() + 1) % TIMED_ONE_IN;
        CALLS.set(call);
        CallTimer { begin: (call == 0).then(Instant::now), waited: Duration::ZERO }
    }

    /// So long the call waited.
    pub(super) fn waited(&mut self, time: Duration) {
        self.waited += time;
    }

    pub(super) fn stop(self, stats: &mut WriterStats) {
        if let Some(begin) = self.begin {
            stats.time_in_calls += begin.elapsed().saturating_sub(self.waited) * TIMED_ONE_IN;
        }
    }
}

/// When the accounts are written to the run themselves.
pub(super) struct StatsLog {
    interval: Duration,
    last: Instant,
    step: Option<Step>,
}

impl StatsLog {
    pub(super) fn new(interval: Duration) -> StatsLog {
        StatsLog { interval, last: Instant::now(), step: None }
    }

    /// When it will be time, with such a newest step. `None`: not before a new step.
    pub(super) fn next(&self, newest: Option<Step>) -> Option<Instant> {
        if newest > self.step { self.last.checked_add(self.interval.max(SHORTEST_WAIT)) } else { None }
    }

    /// The step to write them at, if it is time: that of the newest value, once.
    pub(super) fn due(&mut self, newest: Option<Step>, closing: bool) -> Option<Step> {
        if newest <= self.step || !closing && self.last.elapsed() < self.interval {
            return None;
        }
        self.last = Instant::now();
        self.step = newest;
        newest
    }
}

/// One tag of the accounts.
type Account = (&'static str, &'static str, fn(&WriterStats) -> f64);

const ACCOUNTS: [Account; 10] = [
    ("logger/records", "Values that were written to event files.", |stats| stats.records as f64),
    ("logger/bytes", "Bytes that were written to event files.", |stats| stats.bytes as f64),
    ("logger/files", "Event files made.", |stats| stats.files as f64),
    ("logger/most_queued_records", "Most values that were waiting at one time.", |stats| {
        stats.most_queued_records as f64
    }),
    ("logger/most_queued_bytes", "Most memory that waiting values took, in bytes.", |stats| {
        stats.most_queued_bytes as f64
    }),
    ("logger/dropped", "Values that were refused because the queue was full.", |stats| {
        stats.dropped_records() as f64
    }),
    ("logger/lost", "Values that were taken and could not be written.", |stats| stats.lost as f64),
    ("logger/seconds_in_calls", "Time that callers spent on adding values, without waiting.", |stats| {
        stats.time_in_calls.as_secs_f64()
    }),
    ("logger/seconds_waiting", "Time that callers waited for room in the queue and in `flush`.", |stats| {
        stats.time_waiting.as_secs_f64()
    }),
    ("logger/seconds_writing", "Time that the background thread was busy.", |stats| {
        stats.time_writing.as_secs_f64()
    }),
];

/// The tags that the accounts take for themselves.
pub(super) fn tags() -> impl Iterator<Item = &'static str> {
    ACCOUNTS.iter().map(|(tag, ..)| *tag)
}

/// The accounts as scalars; what was dropped also by kind.
pub(super) fn samples(stats: &WriterStats, step: Step) -> Vec<Sample> {
    let wall_time = WallTime::now();
    let sample = |tag: &str, description: &str, value: f64| {
        let summary = Summary::scalar(value).with_description(description);
        Some(Sample { tag: Tag::new(tag).ok()?, step, wall_time, summary })
    };
    let all = ACCOUNTS.iter().filter_map(|(tag, description, value)| sample(tag, description, value(stats)));
    let by_kind = stats.dropped.iter().filter_map(|(kind, count)| {
        let tag = format!("logger/dropped/{}", kind.to_string().replace(' ', "_"));
        sample(&tag, "Values of this kind that were refused because the queue was full.", *count as f64)
    });
    all.chain(by_kind).collect()
}
