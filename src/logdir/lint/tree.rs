//! Event files below a folder.

use std::{
    fs,
    path::{Path, PathBuf},
};

use walkdir::{DirEntry, WalkDir};

use super::{
    Rule,
    finding::{Findings, Place},
    projector,
};
use crate::{
    error::{Error, Result},
    event::is_event_file,
};

/// An event file of a log folder.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct EventFile {
    /// The file.
    pub path: PathBuf,
    /// Name of its run: the folder relative to the log folder, with `/` between; `.` for the log folder itself.
    pub run: String,
    /// Length in bytes when it was found.
    pub bytes: u64,
}

/// The event files at `path`, sorted by run and name: the file itself, or all below the folder, behind symbolic links
/// too.
///
/// # Errors
/// A path that is not there or cannot be read. What cannot be read below is left out.
pub fn event_files(path: &Path) -> Result<Vec<EventFile>> {
    walk(path, &mut Findings::default())
}

/// [`event_files`], noting what is wrong with folders.
pub(super) fn walk(path: &Path, findings: &mut Findings) -> Result<Vec<EventFile>> {
    let metadata = fs::metadata(path).map_err(|error| Error::io("look at", path, error))?;
    if metadata.is_dir() {
        fs::read_dir(path).map_err(|error| Error::io("read the folder", path, error))?;
    }
    let mut files = Vec::new();
    for entry in WalkDir::new(path).follow_links(true) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.loop_ancestor().is_some() => continue, // a link that leads back
            Err(error) => {
                let place = error.path().unwrap_or(path).to_owned();
                findings.add(Rule::Unreadable, Place::file(&place), || error.to_string());
                continue;
            }
        };
        let named = is_event_file(entry.file_name());
        if entry.file_type().is_dir() && named {
            findings.add(Rule::FolderNamedTfevents, Place::file(entry.path()), || {
                "a folder with `tfevents` in its name".to_owned()
            });
        } else if entry.file_name() == projector::CONFIG {
            projector::check(findings, entry.path());
        } else if entry.file_type().is_file() && (named || entry.depth() == 0) {
            let bytes = entry.metadata().map_or(0, |metadata| metadata.len());
            files.push(EventFile { run: run_name(path, &entry), path: entry.into_path(), bytes });
        }
    }
    files.sort_by(|a, b| (&a.run, &a.path).cmp(&(&b.run, &b.path)));
    Ok(files)
}

/// The folder of a file, relative to the log folder.
fn run_name(logdir: &Path, file: &DirEntry) -> String {
    let folder = file.path().parent().unwrap_or(logdir);
    let folders: Vec<_> = folder
        .strip_prefix(logdir)
        .map_or_else(|_| Vec::new(), |relative| relative.iter().map(|name| name.to_string_lossy()).collect());
    if folders.is_empty() { ".".to_owned() } else { folders.join("/") }
}
