//! All runs.

use std::path::{Path, PathBuf};

use super::{Overlap, budget::Budget, index::Index, overlap::keep, sources::runs, write::write};
use crate::{
    error::Result,
    logdir::{
        Limits,
        lint::MAX_RECORD_BYTES,
        repair::{check_new_folder, refuse_filled},
    },
};

/// What became of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Merged {
    /// Name of the run: its folder relative to the target, `.` for the target itself.
    pub run: String,
    /// The file that was written.
    pub file: PathBuf,
    /// Files that it was made of, in the order in which they were taken.
    pub sources: Vec<PathBuf>,
    /// Values that are in the new file.
    pub values: u64,
    /// Values that were left out, because a later one took their place.
    pub replaced: u64,
    /// Places in the sources that are damaged, and were left out.
    pub damaged: u64,
}

/// Joins event files and run folders into one run in the new folder `target`: one file, with the steps in order, that
/// both of TensorBoard's loaders show alike.
///
/// Sub-folders of run folders become sub-folders of `target`; those of the same name are joined. The sources are not
/// touched, and other files than event files are not copied.
///
/// 1. Sources are taken in the order of their first value's wall time; those of the same time as given. The files of one
///    source are taken in the order of their names, as TensorBoard reads them.
/// 2. Of two values of one tag and step the one that was taken later is kept. [`Overlap`] says what else is left out.
/// 3. Values are written by step, those of one step by wall time, those of one time in the order of 1.
/// 4. Of a tag's metadata that of its first value in the new file counts; where it has none, the first there is.
/// 5. Starts and ends of sessions are replaced by one start. Damaged places are left out.
///
/// It reads the sources twice and holds about 100 bytes for each value. [`Limits`] bound that, with records of up to 256
/// MiB; the limits on values, tags and metadata are those of one run here, of all its sources together.
///
/// ```
/// use convscope::{SummaryWriter, logdir::{LogDir, merge::{Overlap, merge}}};
///
/// # let dir = tempfile::tempdir()?;
/// # let logs = dir.path();
/// let first = SummaryWriter::open(logs.join("monday"))?;
/// for step in 0..10 {
///     first.add_scalar("loss", 1.0, step)?;
/// }
/// first.close()?;
/// let second = SummaryWriter::open(logs.join("tuesday"))?; // went on from step 5
/// for step in 5..8 {
///     second.add_scalar("loss", 0.5, step)?;
/// }
/// second.close()?;
///
/// let merged = merge(&[logs.join("monday"), logs.join("tuesday")], logs.join("both"), Overlap::Restart)?;
/// assert_eq!((merged[0].values, merged[0].replaced), (8, 5));
/// let steps: Vec<i64> =
///     LogDir::open(logs.join("both"))?.run(".")?.scalars("loss")?.iter().map(|point| point.step.get()).collect();
/// assert_eq!(steps, [0, 1, 2, 3, 4, 5, 6, 7]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// A source that is not there or has no event files, a target that is a folder with something in it or lies in a source,
/// a tag that has values of different kinds (both files are named), sources that are over the limits, and what the
/// operating system refuses.
pub fn merge<P: AsRef<Path>>(
    sources: &[P],
    target: impl AsRef<Path>,
    overlap: Overlap,
) -> Result<Vec<Merged>> {
    let sources: Vec<&Path> = sources.iter().map(AsRef::as_ref).collect();
    let limits = Limits { max_record_bytes: MAX_RECORD_BYTES, ..Limits::default() };
    merge_with(&sources, target.as_ref(), overlap, limits, &mut |_| Ok(()))
}

/// [`merge`] with other limits, telling `on_progress` how many bytes of all files were read so far. An error that it returns ends the
/// work; the file in work is removed.
///
/// # Errors
/// As [`merge`], and those of `on_progress`.
pub fn merge_with(
    sources: &[&Path],
    target: &Path,
    overlap: Overlap,
    limits: Limits,
    on_progress: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<Vec<Merged>> {
    refuse_filled(target)?;
    for source in sources.iter().filter(|source| source.is_dir()) {
        check_new_folder(source, target)?;
    }
    let mut before = 0;
    let mut all = Vec::new();
    for (run, files) in runs(sources)? {
        let mut budget = Budget::new(&run, limits);
        let mut index = Index::read(&files, &mut budget, &mut |bytes| on_progress(before + bytes))?;
        before += files.iter().map(|file| file.bytes).sum::<u64>();
        let values = index.values.len() as u64;
        keep(&mut index, overlap);
        if index.values.is_empty() {
            continue;
        }
        let folder = if run == "." { target.to_owned() } else { target.join(&run) };
        let file = write(&index, &folder)?;
        all.push(Merged {
            run,
            file,
            sources: index.files,
            values: index.values.len() as u64,
            replaced: values - index.values.len() as u64,
            damaged: index.damaged,
        });
    }
    Ok(all)
}
