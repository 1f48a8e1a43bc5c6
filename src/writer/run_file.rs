//! The live file of one run, and what waits for it.

use std::{
    io, mem,
    path::PathBuf,
    time::{Duration, Instant},
};

use super::failure::Failure;
use crate::{
    error::{Error, Result},
    event::{Appended, Disk, EventFileOptions, EventFileWriter, Sample},
    summary::{Kind, Step, Summary},
};

/// Pauses between attempts on a failing disk: each encodes the whole backlog.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Room that a run keeps for the next batch.
const KEPT_RECORDS: usize = 256;

/// One run on its way to disk. Samples stay here until they are in a file.
pub(super) struct RunFile {
    dir: PathBuf,
    options: EventFileOptions,
    file: Option<EventFileWriter>,
    backlog: Vec<Sample>,
    /// Embeddings, which become files of their own: where one cannot be written, the others do not wait for it.
    embeddings: Vec<Sample>,
    /// Samples in `file`.
    in_file: u64,
    /// Bytes of `file` that were told of.
    told: u64,
    /// Set while writing fails.
    retry: Option<Retry>,
    /// Greatest step in the files of this session.
    last: Option<Step>,
}

struct Retry {
    cause: Failure,
    pause: Duration,
    since: Instant,
}

/// What became of a backlog.
#[derive(Default)]
pub(super) struct Written {
    /// Samples that no longer wait.
    pub records: usize,
    /// Memory that they took.
    pub bytes: usize,
    /// Samples that can never be written.
    pub unencodable: Vec<Error>,
    /// The file was removed by somebody else, and what had been written with it.
    pub vanished: Option<Error>,
    /// Samples that were in it.
    pub vanished_records: u64,
    /// Why the rest still waits.
    pub failure: Option<Error>,
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
        let (backlog, embeddings) = (Vec::new(), Vec::new());
        RunFile { dir, options, file, backlog, embeddings, in_file: 0, told, retry: None, last: None }
    }

    pub(super) fn push(&mut self, sample: Sample) {
        match sample.summary.kind() {
            Kind::Embedding => self.embeddings.push(sample),
            _ => self.backlog.push(sample),
        }
    }

    /// Writes what waits, as far as possible. While writing fails it is tried less and less often, but where it is
    /// `urgent` at once.
    pub(super) fn write(&mut self, disk: &dyn Disk, urgent: bool) -> Written {
        if let Some(retry) = &self.retry
            && !urgent
            && retry.since.elapsed() < retry.pause
        {
            return Written { failure: Some(retry.cause.error()), ..Written::default() };
        }
        let mut written = Written::default();
        self.give_up_lost_file(&mut written);
        if let Err(failure) = self.write_backlog(disk, &mut written) {
            written.failure = Some(failure);
        }
        let pause = self.retry.take().map_or(FIRST_PAUSE, |retry| LONGEST_PAUSE.min(retry.pause * 2));
        self.retry = written.failure.as_ref().map(|error| Retry {
            cause: Failure::new(error),
            pause,
            since: Instant::now(),
        });
        written
    }

    fn write_backlog(&mut self, disk: &dyn Disk, written: &mut Written) -> Result<()> {
        let mut backlog = mem::take(&mut self.backlog);
        let values = self.write_samples(disk, &mut backlog, written);
        self.backlog = backlog;
        let mut embeddings = mem::take(&mut self.embeddings);
        let files = self.write_samples(disk, &mut embeddings, written);
        self.embeddings = embeddings;
        values.and(files)
    }

    /// Takes from `samples` what is written.
    fn write_samples(
        &mut self,
        disk: &dyn Disk,
        samples: &mut Vec<Sample>,
        written: &mut Written,
    ) -> Result<()> {
        if samples.is_empty() {
            return Ok(());
        }
        let mut appended = self.append(disk, samples, written)?;
        // A file that was removed meanwhile took the samples and lost them: once more, to a new one.
        if appended.failure.is_none() && self.give_up_lost_file(written) {
            appended = self.append(disk, samples, written)?;
        }
        for sample in samples.drain(..appended.done) {
            written.records += 1;
            self.in_file += 1;
            written.bytes += cost(&sample.summary);
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

/// Memory that a queued value takes.
pub(super) fn cost(summary: &Summary) -> usize {
    size_of::<Sample>() + summary.size_hint()
}
