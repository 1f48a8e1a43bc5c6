//! The handle.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};

use super::{
    builder::SummaryWriterBuilder,
    queue::{Queue, QueueOptions, on_a_writer_thread},
    runs::RunId,
    sink::{Entry, SummarySink},
    stats::WriterStats,
    worker::Worker,
};
use crate::{
    error::{Error, Result},
    event::{Disk, EventFileOptions, EventFileWriter, check_run_name},
    summary::{Step, Summary, WallTime},
};

/// Writes a run for TensorBoard.
///
/// A cheap handle: clone it, send it to other threads, call it through `&`. Values go to a queue with bounds; one
/// background thread encodes them and writes them, at least every flush interval. End with
/// [`close`](SummaryWriter::close), which returns what went wrong; dropping the last handle writes everything as well,
/// but can only log it, and waits 5 seconds at most. `std::process::exit` drops nothing: close before.
///
/// A value that cannot be written waits in the queue and is tried again, so that nothing is lost while there is room.
/// The call after a failure returns its error, once; the value of that call is taken all the same. Of several sub-runs
/// only those lose values that cannot be written.
///
/// A run has one writer at a time: TensorBoard's Python loader reads only the newest file of a folder that grows. Two
/// writers on one folder, in two processes too, damage nothing: each has a file of its own, and embeddings of both are in
/// the projector's configuration if they differ in tag or step.
///
/// ```
/// use convscope::SummaryWriter;
///
/// # let dir = tempfile::tempdir()?;
/// # let logs = dir.path();
/// let writer = SummaryWriter::create(logs)?; // a new folder logs/<timestamp>_<host>
/// let train = writer.sub_run("train")?;
/// for step in 0..3 {
///     train.add_scalar("loss", 1.0 / (step + 1) as f64, step)?;
/// }
/// writer.add_text("notes", "*First* try.", 0)?;
/// writer.close()?;
/// assert!(train.path().starts_with(logs));
/// assert_eq!(std::fs::read_dir(train.path())?.count(), 1); // one event file
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SummaryWriter {
    shared: Arc<Shared>,
    run: RunId,
    /// Of the sub-run, relative to the run's folder.
    name: Arc<str>,
    path: Arc<PathBuf>,
    wall_time: Option<WallTime>,
}

/// What all handles of a writer share; the background thread has the queue only, so that this is dropped with the last
/// handle.
struct Shared {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl SummaryWriter {
    /// A writer of the new run `logdir/<timestamp>_<host>`, such as `logs/2026-11-23_14-05-09_node1`.
    ///
    /// # Errors
    /// What the operating system refuses, such as a folder that cannot be written.
    pub fn create(logdir: impl AsRef<Path>) -> Result<SummaryWriter> {
        SummaryWriter::builder().create(logdir)
    }

    /// A writer of the run in the folder `run_dir`, which is made if need be. In a folder with event files the run
    /// goes on, in a new file, and nothing is forgotten: where training takes steps again that it took before, use
    /// [`resume`](SummaryWriter::resume).
    ///
    /// # Errors
    /// A name with `tfevents` in it, and what the operating system refuses.
    pub fn open(run_dir: impl AsRef<Path>) -> Result<SummaryWriter> {
        SummaryWriter::builder().open(run_dir)
    }

    /// A writer of the run in the folder `run_dir`, which goes on from `step`, such as after the checkpoint that
    /// training starts from again. TensorBoard then shows one curve, as if the run had never gone beyond.
    ///
    /// What the run and its sub-runs (the folders below) hold of `step` and later ones is **removed**, and so are a
    /// torn record that a killed program left, and the end status of the hyperparameters' session. A file that needs it
    /// is written anew and replaced in one step: whatever interrupts that, each file is the old one or the new one, and
    /// resuming again does the rest. In a folder without event files the run begins, at `step`.
    ///
    /// Nobody else may write to the run meanwhile. A TensorBoard that is running may show removed values until it is
    /// started again.
    ///
    /// # Errors
    /// [`ErrorKind::Damaged`](crate::ErrorKind::Damaged) for a file that cannot be read to its end; then nothing was
    /// changed. A folder that has runs below it and no event file of its own, and those of
    /// [`open`](SummaryWriter::open).
    ///
    /// ```
    /// use convscope::{SummaryWriter, event::EventFileReader};
    ///
    /// # let dir = tempfile::tempdir()?;
    /// # let run = dir.path();
    /// let writer = SummaryWriter::open(run)?;
    /// for step in 0..10 {
    ///     writer.add_scalar("loss", 1.0, step)?;
    /// }
    /// writer.close()?;
    ///
    /// let writer = SummaryWriter::resume(run, 7)?; // the last checkpoint was taken before step 7
    /// writer.add_scalar("loss", 0.5, 7)?;
    /// writer.close()?;
    ///
    /// let mut files: Vec<_> = std::fs::read_dir(run)?.map(|file| Ok(file?.path())).collect::<std::io::Result<_>>()?;
    /// files.sort();
    /// let steps = |file: &_| EventFileReader::open(file).unwrap().skip(2).map(|event| event.unwrap().step).collect();
    /// let steps: Vec<Vec<i64>> = files.iter().map(steps).collect();
    /// assert_eq!(steps, [vec![0, 1, 2, 3, 4, 5, 6], vec![7]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resume(run_dir: impl AsRef<Path>, step: impl Into<Step>) -> Result<SummaryWriter> {
        SummaryWriter::builder().resume(run_dir, step)
    }

    /// Sets name, bounds and behaviour.
    pub fn builder() -> SummaryWriterBuilder {
        SummaryWriterBuilder::default()
    }

    pub(super) fn start(
        disk: Arc<dyn Disk>,
        run: &Path,
        file: EventFileOptions,
        queue: QueueOptions,
    ) -> Result<SummaryWriter> {
        let own = EventFileWriter::create_on(&*disk, run, &file)?;
        let queue = Arc::new(Queue::new(run.to_owned(), queue));
        queue.note_file(own.len());
        let thread = Worker::new(queue.clone(), disk, file, own)
            .spawn()
            .map_err(|error| Error::io("start the background thread for", run, error))?;
        Ok(SummaryWriter {
            shared: Arc::new(Shared { queue, thread: Mutex::new(Some(thread)) }),
            run: 0,
            name: "".into(),
            path: Arc::new(run.to_owned()),
            wall_time: None,
        })
    }

    /// The folder of this run or sub-run.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Values that were dropped because the queue was full.
    pub fn dropped(&self) -> u64 {
        self.shared.queue.stats().dropped_records()
    }

    /// The writer's accounts up to now, all its sub-runs together: what was written, how full the queue was, what was
    /// dropped, and what it cost. After [`flush`](SummaryWriter::flush) everything that was added is in them.
    ///
    /// [`log_stats`](SummaryWriterBuilder::log_stats) writes them to the run.
    pub fn stats(&self) -> WriterStats {
        self.shared.queue.stats()
    }

    /// A handle on the run one folder down, such as `train` or `fold_1/train`. Its file is made with its first value.
    ///
    /// # Errors
    /// A name that is no relative path, or that has `tfevents` in it.
    pub fn sub_run(&self, name: &str) -> Result<SummaryWriter> {
        check_run_name(name)?;
        let below = if self.name.is_empty() { name.to_owned() } else { format!("{}/{name}", self.name) };
        let (run, name) = self.shared.queue.run(&below)?;
        let path = Arc::new(self.shared.queue.path().join(&*name));
        Ok(SummaryWriter { run, name, path, ..self.clone() })
    }

    /// A handle whose values were taken at `wall_time`; those of the others are taken when they are added.
    #[must_use]
    pub fn at(&self, wall_time: WallTime) -> SummaryWriter {
        SummaryWriter { wall_time: Some(wall_time), ..self.clone() }
    }

    /// Adds a value with display name and description.
    ///
    /// # Errors
    /// An empty tag; a tag that holds values of another kind; a closed writer; values that were given up; and the
    /// error of an earlier value, in which case this one is taken all the same.
    pub fn add(&self, tag: &str, summary: Summary, step: impl Into<Step>) -> Result<()> {
        self.shared.queue.push(self.run, tag, step.into(), self.wall_time, summary)
    }

    /// Waits until everything that was added before is in its file, where TensorBoard sees it, and where it stays if the
    /// program is killed. (Only [`close`](SummaryWriter::close) waits for the device, as it takes for a power cut.)
    ///
    /// # Errors
    /// The first error that was not yet returned, or why values still wait; with
    /// [`OnError::Warn`](super::OnError::Warn) neither, they are logged. And always, if the background thread failed,
    /// and on the background thread itself (in a `tracing` subscriber that logs to a run), which cannot wait for itself.
    pub fn flush(&self) -> Result<()> {
        self.shared.queue.flush()
    }

    /// Writes everything, waits until it is on the device, and ends the background thread. The other handles are of
    /// no use then: [`ErrorKind::Closed`](crate::ErrorKind::Closed). Closing again does nothing.
    ///
    /// # Errors
    /// The first error that was not yet returned; how many values were lost and why. On the background thread itself
    /// (in a `tracing` subscriber that logs to a run), where it does not wait.
    pub fn close(self) -> Result<()> {
        self.shared.queue.close()?;
        self.shared.join();
        self.shared.queue.verdict()
    }
}

impl SummarySink for SummaryWriter {
    fn write(&mut self, entry: Entry) -> Result<()> {
        let wall_time = entry.wall_time.or(self.wall_time);
        let run = match (entry.run.as_str(), &*self.name) {
            ("", _) => self.run,
            (below, "") => self.shared.queue.run(below)?.0,
            (below, own) => self.shared.queue.run(&format!("{own}/{below}"))?.0,
        };
        self.shared.queue.push(run, entry.tag.as_str(), entry.step, wall_time, entry.summary)
    }

    fn flush(&mut self) -> Result<()> {
        SummaryWriter::flush(self)
    }
}

impl fmt::Debug for SummaryWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SummaryWriter").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Shared {
    /// Waits for the end of the thread, which has said that it is at its end; not on that thread itself.
    fn join(&self) {
        if on_a_writer_thread() {
            return;
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // What a panic of the thread lost is counted by the queue.
            let _ = thread.join();
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if !self.queue.close_on_drop() {
            let path = self.queue.path().display();
            tracing::warn!(
                "{path}: writing takes too long; what is not yet written may be lost. Call `close` to wait"
            );
            return;
        }
        self.join();
        if let Err(error) = self.queue.verdict() {
            tracing::warn!("{error}");
        }
    }
}
