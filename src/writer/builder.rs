//! How a writer is set up.

use std::{path::Path, sync::Arc, time::Duration};

use super::{
    queue::QueueOptions,
    resume::forget_from,
    run_folder::{check_run_folder, named_run, new_run},
    summary_writer::SummaryWriter,
};
use crate::{
    error::{Error, Result},
    event::{Disk, EventFileOptions, RealDisk, check_suffix},
    summary::Step,
};

/// What happens to a value when the queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BackPressure {
    /// The call waits until there is room. Nothing is lost as long as the run can be written.
    #[default]
    Block,
    /// The value is dropped and counted: see [`SummaryWriter::dropped`]. The call never waits.
    DropNewest,
}

/// What happens when values cannot be written, because the disk is full or the folder is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnError {
    /// The next call returns the error, once. Training stops there if it passes the error on.
    #[default]
    Return,
    /// A warning is logged, and calls go on returning `Ok`. Only [`SummaryWriter::close`] returns an error, if values
    /// were lost.
    Warn,
}

/// Sets up a [`SummaryWriter`].
///
/// # Memory
/// What waits to be written is bounded by [`max_queued_bytes`](SummaryWriterBuilder::max_queued_bytes) and
/// [`max_queued_records`](SummaryWriterBuilder::max_queued_records), whatever the disk does; by an eighth more where one run fills the queue and turns out
/// not to be writable while others are. Around that a writer takes
/// 1 KiB for each of `max_queued_records`, 128 KiB for each sub-run, and 4 MiB at most; with the defaults and a few
/// sub-runs that makes less than 150 MiB. Packing a value takes six times its size meanwhile (a picture's, unpacked), one value at a time. Of every tag it remembers the
/// name and some 200 bytes for as long as it lives.
///
/// ```
/// use std::time::Duration;
/// use convscope::writer::{BackPressure, OnError, SummaryWriter};
///
/// # let dir = tempfile::tempdir()?;
/// # let logs = dir.path();
/// let writer = SummaryWriter::builder()
///     .run_name("baseline")
///     .flush_interval(Duration::from_secs(10))
///     .back_pressure(BackPressure::DropNewest)
///     .on_error(OnError::Warn)
///     .create(logs)?;
/// assert_eq!(writer.path(), logs.join("baseline"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct SummaryWriterBuilder {
    run_name: Option<String>,
    file: EventFileOptions,
    queue: QueueOptions,
}

impl Default for SummaryWriterBuilder {
    fn default() -> SummaryWriterBuilder {
        SummaryWriterBuilder {
            run_name: None,
            file: EventFileOptions::default(),
            queue: QueueOptions {
                max_records: 16_384,
                max_bytes: 128 << 20,
                flush_interval: Duration::from_secs(2),
                back_pressure: BackPressure::default(),
                on_error: OnError::default(),
                patience: Duration::from_secs(5),
                log_stats: None,
            },
        }
    }
}

impl SummaryWriterBuilder {
    /// Name of the run's folder below the log folder, for [`create`](SummaryWriterBuilder::create). A folder that is
    /// there is used, as [`open`](SummaryWriterBuilder::open) does. The default is a new `<timestamp>_<host>`.
    #[must_use]
    pub fn run_name(mut self, name: impl Into<String>) -> Self {
        self.run_name = Some(name.into());
        self
    }

    /// End of the event files' names. The default is none.
    #[must_use]
    pub fn filename_suffix(mut self, suffix: impl Into<String>) -> Self {
        self.file.suffix = suffix.into();
        self
    }

    /// Most values that wait for being written, those of all sub-runs together, at least 1. The default is 16,384.
    ///
    /// Runs that cannot be written take half of the queue at most, and lose what comes then; the others go on.
    #[must_use]
    pub fn max_queued_records(mut self, records: usize) -> Self {
        self.queue.max_records = records;
        self
    }

    /// Most memory that waiting values take, in bytes, at least 1. The default is 128 MiB. A larger value gets the
    /// queue for itself.
    #[must_use]
    pub fn max_queued_bytes(mut self, bytes: usize) -> Self {
        self.queue.max_bytes = bytes;
        self
    }

    /// Longest time from a value to the file. The default is 2 seconds; zero writes at once, and [`Duration::MAX`] when
    /// the queue is half full, on `flush` and on `close`.
    ///
    /// While writing fails it is tried again after pauses that double, up to 5 seconds; `flush` and `close` try at once.
    #[must_use]
    pub fn flush_interval(mut self, interval: Duration) -> Self {
        self.queue.flush_interval = interval;
        self
    }

    /// What happens when the queue is full. The default is [`BackPressure::Block`].
    #[must_use]
    pub fn back_pressure(mut self, back_pressure: BackPressure) -> Self {
        self.queue.back_pressure = back_pressure;
        self
    }

    /// What happens when values cannot be written. The default is [`OnError::Return`].
    #[must_use]
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.queue.on_error = on_error;
        self
    }

    /// Writes the writer's own accounts ([`WriterStats`](super::WriterStats)) to the run, as scalars `logger/...` at the
    /// step of the newest value: every `interval` while there are new steps, and on `close`, whatever the flush interval.
    /// The default is not to.
    ///
    /// ```
    /// use std::time::Duration;
    /// use convscope::{Kind, SummaryWriter};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let run = dir.path();
    /// let writer = SummaryWriter::builder().log_stats(Duration::from_secs(60)).open(run)?;
    /// writer.add_scalar("loss", 1.0, 1)?;
    /// // The tags are taken.
    /// assert!(writer.add_text("logger/records", "mine", 1).is_err());
    /// writer.close()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn log_stats(mut self, interval: Duration) -> Self {
        self.queue.log_stats = Some(interval);
        self
    }

    /// A writer of a run below `logdir`.
    ///
    /// # Errors
    /// A name, suffix or bound that cannot be used, and what the operating system refuses.
    pub fn create(self, logdir: impl AsRef<Path>) -> Result<SummaryWriter> {
        self.create_on(Arc::new(RealDisk), logdir.as_ref())
    }

    /// A writer of the run in the folder `run_dir`, new or not.
    ///
    /// # Errors
    /// As [`create`](SummaryWriterBuilder::create); and a run name, which makes sense below a log folder only.
    pub fn open(self, run_dir: impl AsRef<Path>) -> Result<SummaryWriter> {
        self.open_on(Arc::new(RealDisk), run_dir.as_ref())
    }

    /// A writer of the run in the folder `run_dir`, which goes on from `step`: see [`SummaryWriter::resume`].
    ///
    /// # Errors
    /// As [`SummaryWriter::resume`] and [`open`](SummaryWriterBuilder::open).
    pub fn resume(self, run_dir: impl AsRef<Path>, step: impl Into<Step>) -> Result<SummaryWriter> {
        self.resume_on(Arc::new(RealDisk), run_dir.as_ref(), step.into())
    }

    /// How long the last handle waits when it is dropped without `close`.
    #[cfg(test)]
    pub(super) fn patience(mut self, patience: Duration) -> Self {
        self.queue.patience = patience;
        self
    }

    pub(super) fn create_on(mut self, disk: Arc<dyn Disk>, logdir: &Path) -> Result<SummaryWriter> {
        self.check()?;
        let run = match self.run_name.take() {
            Some(name) => named_run(logdir, &name)?,
            None => new_run(&*disk, logdir)?,
        };
        self.open_on(disk, &run)
    }

    pub(super) fn open_on(self, disk: Arc<dyn Disk>, run_dir: &Path) -> Result<SummaryWriter> {
        self.check_with(run_dir)?;
        SummaryWriter::start(disk, run_dir, self.file, self.queue)
    }

    pub(super) fn resume_on(
        mut self,
        disk: Arc<dyn Disk>,
        run_dir: &Path,
        step: Step,
    ) -> Result<SummaryWriter> {
        self.check_with(run_dir)?;
        forget_from(&*disk, run_dir, step)?;
        self.file.start = Some(step);
        SummaryWriter::start(disk, run_dir, self.file, self.queue)
    }

    fn check_with(&self, run_dir: &Path) -> Result<()> {
        self.check()?;
        check_run_folder(run_dir)?;
        let Some(name) = &self.run_name else { return Ok(()) };
        let why = format!("`{name}` given together with the run's folder; use `create` with the log folder");
        Err(Error::invalid("run name", why))
    }

    fn check(&self) -> Result<()> {
        check_suffix(&self.file.suffix)?;
        for (what, bound) in [("records", self.queue.max_records), ("bytes", self.queue.max_bytes)] {
            if bound == 0 {
                return Err(Error::invalid(format!("queue bound in {what}"), "0 found, at least 1 expected"));
            }
        }
        Ok(())
    }
}
