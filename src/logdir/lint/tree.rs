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
    logdir::{
        Limits,
        visits::{MAX_DEPTH, MAX_VISITS, Visits},
    },
};

/// Most files and folders that are looked at.
const MAX_ENTRIES: usize = 10_000_000;
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

/// What a log folder holds.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Event files, by run and name.
    pub files: Vec<EventFile>,
    /// Configurations of the page Projector, by name.
    pub projectors: Vec<PathBuf>,
}

/// The event files at `path`, sorted by run and name: the file itself, or all below the folder, behind symbolic links
/// too.
///
/// At most 1,000,000 files, no folder more than 64 levels down, and no folder under more than 16 names: a warning is
/// logged where there are more. Pipes and devices are left out.
///
/// # Errors
/// A path that is not there or cannot be read. What cannot be read below is left out.
pub fn event_files(path: &Path) -> Result<Vec<EventFile>> {
    let mut findings = Findings::default();
    let tree = walk(path, &mut findings)?;
    for finding in findings.into_sorted().iter().filter(|finding| finding.rule == Rule::NotLookedAt) {
        tracing::warn!("{}: {}", finding.file.display(), finding.message);
    }
    Ok(tree.files)
}

/// Looks for event files and configurations, noting what is wrong with folders.
pub(super) fn walk(path: &Path, findings: &mut Findings) -> Result<Tree> {
    let metadata = fs::metadata(path).map_err(|error| Error::io("look at", path, error))?;
    if metadata.is_dir() {
        fs::read_dir(path).map_err(|error| Error::io("read the folder", path, error))?;
    }
    let max_files = Limits::default().max_files;
    let mut tree = Tree::default();
    let mut visits = Visits::default();
    let mut entries =
        WalkDir::new(path).follow_links(true).max_depth(MAX_DEPTH).sort_by_file_name().into_iter();
    let mut looked_at = 0;
    while let Some(entry) = entries.next() {
        looked_at += 1;
        if looked_at > MAX_ENTRIES || tree.files.len() + tree.projectors.len() > max_files {
            findings.add(Rule::NotLookedAt, Place::file(path), || {
                format!("more than {max_files} event files, or {MAX_ENTRIES} files and folders; the others are left out")
            });
            break;
        }
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.loop_ancestor().is_some() => continue, // a link that leads back
            Err(error) => {
                let place = error.path().unwrap_or(path).to_owned();
                findings.add(Rule::Unreadable, Place::file(&place), || error.to_string());
                continue;
            }
        };
        if entry.file_type().is_dir() {
            if let Some(why) = refuse(&mut visits, &entry) {
                findings.add(Rule::NotLookedAt, Place::file(path), || {
                    format!("{} is not looked into: {why}", entry.path().display())
                });
                entries.skip_current_dir();
            } else if is_event_file(entry.file_name()) {
                findings.add(Rule::FolderNamedTfevents, Place::file(entry.path()), || {
                    "a folder with `tfevents` in its name".to_owned()
                });
            }
        } else {
            tree.take(path, entry, findings);
        }
    }
    tree.files.sort_by(|a, b| (&a.run, &a.path).cmp(&(&b.run, &b.path)));
    tree.projectors.sort();
    Ok(tree)
}

impl Tree {
    /// Takes in what is no folder.
    fn take(&mut self, root: &Path, entry: DirEntry, findings: &mut Findings) {
        let is_config = entry.file_name() == projector::CONFIG;
        let is_events = is_event_file(entry.file_name());
        if !is_config && !is_events && entry.depth() > 0 {
            return;
        }
        // To open a pipe would wait for somebody to write to it.
        if !entry.file_type().is_file() {
            return findings.add(Rule::Unreadable, Place::file(entry.path()), || {
                "a pipe or device, a file expected".to_owned()
            });
        }
        if is_config && entry.depth() > 0 {
            return self.projectors.push(entry.into_path());
        }
        let bytes = entry.metadata().map_or(0, |metadata| metadata.len());
        self.files.push(EventFile { run: run_name(root, &entry), path: entry.into_path(), bytes });
    }
}

/// Why a folder is not to be looked into, if it is not.
fn refuse(visits: &mut Visits, folder: &DirEntry) -> Option<String> {
    if folder.depth() == MAX_DEPTH {
        return Some(format!("it is {MAX_DEPTH} levels down"));
    }
    visits.are_over(folder).then(|| format!("links lead to it under more than {MAX_VISITS} names"))
}

/// The folder of a file, relative to the log folder.
fn run_name(logdir: &Path, file: &DirEntry) -> String {
    let folder = file.path().parent().unwrap_or(logdir);
    let folders: Vec<_> = folder
        .strip_prefix(logdir)
        .map_or_else(|_| Vec::new(), |relative| relative.iter().map(|name| name.to_string_lossy()).collect());
    if folders.is_empty() { ".".to_owned() } else { folders.join("/") }
}
