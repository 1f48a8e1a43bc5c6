//! Makes a run ready to go on from an earlier step.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use crate::{
    error::{Error, Result},
    event::{Disk, Filter, Rewrite, forget_embeddings, is_event_file, remove_unfinished},
    summary::Step,
};

/// A folder of the run, and the names in it.
struct Folder {
    path: PathBuf,
    names: Vec<OsString>,
}

/// Removes what the event files of a run and its sub-runs say of `step` and later ones, and torn ends. First all files
/// are read, so that nothing is changed where one of them is damaged.
pub(super) fn forget_from(disk: &dyn Disk, run: &Path, step: Step) -> Result<()> {
    let mut folders = Vec::new();
    walk(run, &mut folders)?;
    check_is_run(run, &folders)?;
    let mut rewrites = Vec::new();
    for folder in &folders {
        let mut filter = Filter::new(step);
        for name in folder.names.iter().filter(|name| is_event_file(name)) {
            rewrites.push(Rewrite::plan(&folder.path.join(name), &mut filter)?);
        }
    }
    for folder in &folders {
        remove_unfinished(disk, &folder.path, &folder.names)?;
    }
    let dropped: u64 = rewrites.iter().map(|rewrite| rewrite.dropped).sum();
    for rewrite in rewrites {
        rewrite.apply(disk)?;
    }
    for folder in &folders {
        forget_embeddings(disk, &folder.path, step)?;
    }
    if dropped > 0 {
        tracing::info!("{}: {dropped} events of step {step} and later ones were removed", run.display());
    }
    Ok(())
}

/// The folders that hold event files, sorted, with the names of the files in them, sorted too. A folder that does not
/// exist holds none.
fn walk(dir: &Path, folders: &mut Vec<Folder>) -> Result<()> {
    let entries = match fs::read_dir(dir).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("read the folder", dir, error)),
    };
    let (mut names, mut below) = (Vec::new(), Vec::new());
    for entry in entries {
        // A link to a folder may lead to another run.
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => below.push(entry.path()),
            Ok(kind) if kind.is_file() || entry.path().is_file() => names.push(entry.file_name()),
            Ok(_) => {}
            Err(error) => return Err(Error::io("read", entry.path(), error)),
        }
    }
    names.sort();
    below.sort();
    if names.iter().any(|name| is_event_file(name)) {
        folders.push(Folder { path: dir.to_owned(), names });
    }
    below.iter().try_for_each(|dir| walk(dir, folders))
}

/// Refuses a log folder with many runs in it: all of them would be cut.
fn check_is_run(run: &Path, folders: &[Folder]) -> Result<()> {
    match folders.first() {
        Some(first) if first.path != run => {
            let why = format!(
                "{} has no event file of its own, only {} and perhaps others have; give the folder of the run to resume",
                run.display(),
                first.path.display()
            );
            Err(Error::invalid("run to resume", why))
        }
        _ => Ok(()),
    }
}
