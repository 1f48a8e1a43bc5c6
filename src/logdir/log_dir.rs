//! A log folder: all runs below it.

use std::{
    collections::BTreeMap,
    fs, mem,
    path::{Path, PathBuf},
};

use super::{
    budget::Budget,
    discover::{Found, discover},
    file::LogFile,
    options::LogDirOptions,
    problem::Problem,
    run::{Run, some_names},
    watch::{OnProgress, Watch},
};
use crate::error::{Error, Result};

/// A log folder, read back: its runs, their tags, and the values.
///
/// It reads what every writer of event files makes: this crate, PyTorch, tensorboardX, TensorFlow, Keras, tensorboard-rs.
/// [`open`](LogDir::open) reads all that is there; [`refresh`](LogDir::refresh) reads what was added since, and finds new
/// files and those that were replaced, cut short or removed. After it everything is as if the folder had been opened
/// anew.
///
/// Numbers are kept in memory, 32 bytes each; of everything else only the place in the file, from which it is read when
/// it is asked for. Files that are damaged or hostile cost no more than their honest parts: see [`Limits`](super::Limits)
/// and [`problems`](LogDir::problems).
///
/// # Beside TensorBoard
///
/// TensorBoard has two loaders; [`Restarts`](super::Restarts) chooses whose rules count. With sound files the series are
/// those that the loader shows when it is told not to sample (`--samples_per_plugin scalars=0,...`). On purpose different:
///
/// * Old forms of values become new ones as the chosen loader does it: the buckets of an old histogram keep empty ends
///   and 64 bits by the data server's rules, and lose both by the Python loader's. Their display name and description
///   are kept, which the data server drops, and no display name is made up, as the Python loader does.
/// * Numbers that are tensors of 64-bit floats or integers are kept; the data server drops them.
/// * A record with damaged data is left out, and reading goes on behind it. The Python loader stops there; the data server
///   does not look at checksums unless it is told to. An event whose time is not finite is left out alone.
/// * Several files of a run that grow at the same time give what reading one after the other gives. In TensorBoard the
///   result depends on when it looked.
///
/// ```
/// use convscope::{SummaryWriter, logdir::LogDir};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path();
/// let writer = SummaryWriter::open(path.join("run"))?;
/// writer.add_scalar("loss", 0.5, 1)?;
/// writer.add_scalar("loss", 0.25, 2)?;
/// writer.flush()?;
///
/// let mut logs = LogDir::open(path)?;
/// let run = logs.run("run")?;
/// let loss: Vec<f64> = run.scalars("loss")?.into_iter().map(|point| point.value).collect();
/// assert_eq!(loss, [0.5, 0.25]);
///
/// writer.add_scalar("loss", 0.125, 3)?;
/// writer.flush()?;
/// logs.refresh()?;
/// assert_eq!(logs.run("run")?.scalars("loss")?.len(), 3);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct LogDir {
    path: PathBuf,
    options: LogDirOptions,
    runs: Vec<Run>,
    problems: Vec<Problem>,
}

/// What a refresh found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Refreshed {
    /// Events that were read.
    pub events: u64,
    /// Files that are new.
    pub files_added: usize,
    /// Files that were read anew, because another one took their place or they were cut short.
    pub files_replaced: usize,
    /// Files that are gone, with their values.
    pub files_removed: usize,
}

impl Refreshed {
    /// Whether anything is other than before.
    pub fn changed(&self) -> bool {
        *self != Refreshed::default()
    }
}

impl LogDir {
    /// Reads all event files below a folder, by the rules of TensorBoard's data server. A single event file can be
    /// opened too.
    ///
    /// # Errors
    /// A path that is not there or cannot be looked at. What is wrong below it is told by
    /// [`problems`](LogDir::problems).
    pub fn open(path: impl AsRef<Path>) -> Result<LogDir> {
        LogDir::open_with(path, LogDirOptions::default())
    }

    /// Reads all event files below a folder.
    ///
    /// # Errors
    /// As [`open`](LogDir::open).
    pub fn open_with(path: impl AsRef<Path>, options: LogDirOptions) -> Result<LogDir> {
        let mut logdir = LogDir::unread(path.as_ref(), options);
        logdir.refresh()?;
        Ok(logdir)
    }

    /// Reads all event files below a folder, and tells how far it is: `on_progress` gets the number of bytes that were
    /// read, and of those in all files, which is 0 as long as files are looked for. An error from it ends the reading.
    ///
    /// ```
    /// use convscope::{Error, SummaryWriter, logdir::{LogDir, LogDirOptions}};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path();
    /// let writer = SummaryWriter::open(path)?;
    /// writer.add_text("notes", &"long ".repeat(100_000), 1)?;
    /// writer.close()?;
    ///
    /// let mut last = (0, 0);
    /// LogDir::open_watched(path, LogDirOptions::default(), &mut |read, all| {
    ///     last = (read, all);
    ///     Ok(())
    /// })?;
    /// assert!(last.0 == last.1 && last.1 > 500_000);
    ///
    /// let give_up = &mut |_, _| Err(Error::invalid("reading", "not now"));
    /// assert!(LogDir::open_watched(path, LogDirOptions::default(), give_up).is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`open`](LogDir::open), and that of `on_progress`.
    pub fn open_watched(
        path: impl AsRef<Path>,
        options: LogDirOptions,
        on_progress: &mut dyn FnMut(u64, u64) -> Result<()>,
    ) -> Result<LogDir> {
        let mut logdir = LogDir::unread(path.as_ref(), options);
        logdir.refresh_watched(on_progress)?;
        Ok(logdir)
    }

    fn unread(path: &Path, options: LogDirOptions) -> LogDir {
        LogDir { path: path.to_owned(), options, runs: Vec::new(), problems: Vec::new() }
    }

    /// The folder that was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it is read.
    pub fn options(&self) -> LogDirOptions {
        self.options
    }

    /// All runs, sorted by name.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// A run by its name: its folder relative to the log folder, `.` for the log folder itself.
    ///
    /// # Errors
    /// There is no such run.
    pub fn run(&self, name: &str) -> Result<&Run> {
        match self.runs.binary_search_by(|run| run.name().cmp(name)) {
            Ok(index) => Ok(&self.runs[index]),
            Err(_) => Err(Error::invalid(
                "run",
                format!(
                    "{} has no run `{name}`; it has {}",
                    self.path.display(),
                    some_names(self.runs.iter().map(Run::name))
                ),
            )),
        }
    }

    /// What is wrong with folders and files.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().chain(self.runs.iter().flat_map(Run::problems))
    }

    /// Reads what is new: records that were added to files, new files, files that are not the ones of before.
    ///
    /// # Errors
    /// The folder is gone or cannot be looked at. What was read before is still there.
    pub fn refresh(&mut self) -> Result<Refreshed> {
        self.refresh_with(None)
    }

    /// Reads what is new, and tells how far it is, as [`open_watched`](LogDir::open_watched) does. What was known before
    /// counts as read.
    ///
    /// # Errors
    /// As [`refresh`](LogDir::refresh), and that of `on_progress`. What was read up to then is there, and another refresh
    /// goes on with it.
    pub fn refresh_watched(
        &mut self,
        on_progress: &mut dyn FnMut(u64, u64) -> Result<()>,
    ) -> Result<Refreshed> {
        self.refresh_with(Some(on_progress))
    }

    fn refresh_with(&mut self, on_progress: Option<OnProgress<'_>>) -> Result<Refreshed> {
        fs::metadata(&self.path).map_err(|error| Error::io("read", &self.path, error))?;
        let watch = &mut Watch::new(on_progress);
        let Found { folders, problems } = discover(&self.path, &self.options.limits, watch);
        watch.outcome()?;
        if watch.is_watched() {
            let lens = folders.values().flatten().filter_map(|path| fs::metadata(path).ok());
            watch.found = lens.map(|metadata| metadata.len()).sum();
        }
        self.problems = problems;
        let mut known: BTreeMap<PathBuf, Run> =
            mem::take(&mut self.runs).into_iter().map(|run| (run.path().to_owned(), run)).collect();
        let mut budget = self.budget(known.values());
        let mut refreshed = Refreshed::default();
        // What is gone makes room first.
        for (folder, run) in &mut known {
            run.retain(folders.get(folder).map_or(&[], Vec::as_slice), &mut budget, &mut refreshed);
        }
        for (folder, paths) in folders {
            let mut run = known
                .remove(&folder)
                .unwrap_or_else(|| Run::new(self.name_of(&folder), folder.clone(), self.options));
            run.refresh(paths, &mut budget, &mut refreshed, watch);
            self.runs.push(run);
        }
        self.runs.sort_by(|a, b| a.name().cmp(b.name()));
        watch.tell(watch.found);
        watch.outcome()?;
        Ok(refreshed)
    }

    fn budget<'a>(&self, runs: impl Iterator<Item = &'a Run> + Clone) -> Budget {
        let files = runs.flat_map(|run| &run.files);
        let values = files.clone().map(LogFile::values).sum();
        let metadata_bytes = files.map(LogFile::metadata_bytes).sum();
        Budget::new(self.options.limits, values, metadata_bytes)
    }

    fn name_of(&self, folder: &Path) -> String {
        let relative = folder.strip_prefix(&self.path).unwrap_or(Path::new(""));
        let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
        if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
    }
}
