//! The live file of one run, and what waits for it.

use std::{
    io, mem,
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{
    failure::Failure,
    lane::{Amount, LANES, Lane},
};
use crate::{
    error::{Error, Result},
    event::{Appended, Disk, EventFileOptions, EventFileWriter, Sample},
    summary::{Step, Summary},
};

/// Pauses between attempts on a failing disk: each encodes the whole backlog.
pub(super) const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Room that a run keeps for the next batch.
const KEPT_RECORDS: usize = 256;

/// One run on its way to disk. Samples stay here until they are in a file.
pub(super) struct RunFile {
    dir: PathBuf,
    options: EventFileOptions,
    file: Option<EventFileWriter>,
    lanes: [Backlog; 2],
    /// Samples in `file`.
    in_file: u64,
    /// Bytes of `file` that were told of.
    told: u64,
    /// Greatest step in the files of this session.
    last: Option<Step>,
}

/// What waits on one lane.
#[derive(Default)]
struct Backlog {
    samples: Vec<Sample>,
    /// Set while writing fails.
    retry: Option<Retry>,
}

struct Retry {
    cause: Failure,
    pause: Duration,
    since: Instant,
}

/// What became of a lane.
#[derive(Default)]
pub(super) struct Done {
    /// Samples that no longer wait.
    pub amount: Amount,
    /// Why the rest still waits.
    pub failure: Option<Error>,
}

/// What became of what waited.
#[derive(Default)]
pub(super) struct Written {
    pub lanes: [Done; 2],
    /// Samples that can never be written.
    pub unencodable: Vec<Error>,
    /// The file was removed by somebody else, and what had been written with it.
    pub vanished: Option<Error>,
    /// Samples that were in it.
    pub vanished_records: u64,
    /// Bytes that were added to files.
    pub file_bytes: u64,
    /// Files that were made.
    pub new_files: u64,
    /// Why it is unknown whether the file is on the device.
    pub unsynced: Option<Error>,
}

impl RunFile {
    pub(super) fn new(dir: PathBuf, options: EventFileOptions, file: Option<EventFileWriter>) -> RunFile {
        let told = file.as_ref().map_or(0, EventFileWriter::len);
        RunFile { dir, options, file, lanes: Default::default(), in_file: 0, told, last: None }
    }

    pub(super) fn push(&mut self, sample: Sample) {
        self.lanes[Lane::of(sample.summary.kind()) as usize].samples.push(sample);
    }

    /// Writes what waits, as far as possible; where it is `urgent`, also what failed a moment ago. Without anything to write
    /// the file is looked at where it is urgent only.
    pub(super) fn write(&mut self, disk: &dyn Disk, urgent: bool) -> Written {
        let mut written = Written::default();
        let due = LANES.map(|lane| self.lanes[lane as usize].is_due(urgent));
        if due.contains(&true) || urgent {
            self.give_up_lost_file(&mut written);
        }
        for (lane, due) in LANES.into_iter().zip(due) {
            if due {
                self.write_lane(disk, lane, &mut written);
            } else {
                written.lanes[lane as usize].failure = self.lanes[lane as usize].failure();
            }
        }
        written
    }

    fn write_lane(&mut self, disk: &dyn Disk, lane: Lane, written: &mut Written) {
        let mut backlog = mem::take(&mut self.lanes[lane as usize]);
        let mut amount = Amount::default();
        let failure = self.write_samples(disk, &mut backlog.samples, &mut amount, written).err();
        let pause = backlog.retry.map_or(FIRST_PAUSE, |retry| LONGEST_PAUSE.min(retry.pause * 2));
        let since = Instant::now();
        backlog.retry = failure.as_ref().map(|error| Retry { cause: Failure::new(error), pause, since });
        self.lanes[lane as usize] = backlog;
        written.lanes[lane as usize] = Done { amount, failure };
    }

    /// Takes from `samples` what is written, and adds it to `amount`.
    fn write_samples(
        &mut self,
        disk: &dyn Disk,
        samples: &mut Vec<Sample>,
        amount: &mut Amount,
        written: &mut Written,
    ) -> Result<()> {
        let mut appended = self.append(disk, samples, written)?;
        // A file that was removed meanwhile took the samples and lost them: once more, to a new one.
        if appended.failure.is_none() && self.give_up_lost_file(written) {
            appended = self.append(disk, samples, written)?;
        }
        for sample in samples.drain(..appended.done) {
            *amount += Amount::one(cost(&sample.summary));
            self.in_file += 1;
            self.last = self.last.max(Some(sample.step));
        }
        samples.shrink_to(KEPT_RECORDS);
        self.in_file -= appended.unencodable.len() as u64;
        written.unencodable.extend(appended.unencodable);
        appended.failure.map_or(Ok(()), Err)
    }

    /// Waits until everything is on the device.
    pub(super) fn sync(&mut self) -> Result<()> {
        self.file.as_mut().map_or(Ok(()), EventFileWriter::sync)
    }

    /// Appends to the live file; to a new one where there is none.
    fn append(&mut self, disk: &dyn Disk, samples: &[Sample], written: &mut Written) -> Result<Appended> {
        let file = match &mut self.file {
            Some(file) => file,
            none => {
                let file = none.insert(EventFileWriter::create_on(disk, &self.dir, &self.options)?);
                written.new_files += 1;
                self.told = 0;
                file
            }
        };
        let appended = file.append_some(disk, samples);
        written.file_bytes += file.len() - self.told;
        self.told = file.len();
        Ok(appended)
    }

    /// Forgets a file that cannot be written on, so that the next sample gets a new one. Returns whether it is no longer
    /// where it was.
    fn give_up_lost_file(&mut self, written: &mut Written) -> bool {
        let Some(file) = self.file.take_if(|file| !file.is_sound()) else { return false };
        let in_file = mem::take(&mut self.in_file);
        // The new file goes on with this session: nothing of the old one is to be forgotten.
        if self.options.start.is_some()
            && let Some(last) = self.last
        {
            self.options.start = Some(Step::new(last.get().saturating_add(1)));
        }
        let gone = io::Error::new(
            io::ErrorKind::NotFound,
            "the file was removed while it was being written; values up to now are gone, a new file takes the next ones",
        );
        if !file.is_gone() {
            return false;
        }
        written.vanished = Some(Error::io("write to", file.path(), gone));
        written.vanished_records += in_file;
        true
    }
}

impl Backlog {
    /// Whether it is to be written now: while writing fails, it is tried less and less often.
    fn is_due(&self, urgent: bool) -> bool {
        let pausing = |retry: &Retry| retry.since.elapsed() < retry.pause;
        !self.samples.is_empty() && (urgent || !self.retry.as_ref().is_some_and(pausing))
    }

    fn failure(&self) -> Option<Error> {
        self.retry.as_ref().map(|retry| retry.cause.error())
    }
}

/// Memory that a queued value takes.
pub(super) fn cost(summary: &Summary) -> usize {
    size_of::<Sample>() + summary.size_hint()
}
