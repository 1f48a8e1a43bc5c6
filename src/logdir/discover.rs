//! Event files below a folder.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use walkdir::WalkDir;

use super::{
    limits::Limits,
    problem::{Problem, ProblemKind},
    visits::{MAX_DEPTH, MAX_VISITS, Visits},
    watch::Watch,
};
use crate::event::is_event_file;

/// Most files and folders that are looked at.
const MAX_ENTRIES: usize = 20_000_000;
/// Entries after which the progress is told again.
const GRAIN: usize = 1000;
/// Most problems with folders that are told.
const MAX_PROBLEMS: usize = 100;

/// Folders with event files, and what could not be looked at.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Files by their folder, both sorted.
    pub folders: BTreeMap<PathBuf, Vec<PathBuf>>,
    pub problems: Vec<Problem>,
}

/// Looks for event files below `root`, behind symbolic links too, or takes `root` where it is a file. Pipes and devices
/// are none, whatever their name: reading from them may never end.
pub(super) fn discover(root: &Path, limits: &Limits, watch: &mut Watch<'_>) -> Found {
    let mut found = Found::default();
    let mut visits = Visits::default();
    let (mut files, mut entries) = (0, 0);
    let mut walk = WalkDir::new(root).follow_links(true).max_depth(MAX_DEPTH).sort_by_file_name().into_iter();
    while let Some(entry) = walk.next() {
        entries += 1;
        if entries % GRAIN == 0 {
            watch.tell(0);
        }
        if watch.is_over() {
            break;
        }
        if entries > MAX_ENTRIES {
            let message =
                format!("there are more than {MAX_ENTRIES} files and folders; the others are left out");
            found.note(root, ProblemKind::Limit, message);
            break;
        }
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                found.note(error.path().unwrap_or(root), ProblemKind::Unreadable, error.to_string());
                continue;
            }
        };
        if entry.file_type().is_dir() && visits.are_over(&entry) {
            let message = format!(
                "links lead to this folder under more than {MAX_VISITS} names; this one and further ones are left out"
            );
            found.note(entry.path(), ProblemKind::Limit, message);
            walk.skip_current_dir();
            continue;
        }
        if !entry.file_type().is_file() || !(is_event_file(entry.file_name()) || entry.depth() == 0) {
            continue;
        }
        let path = entry.into_path();
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let known = found.folders.contains_key(&folder);
        if files == limits.max_files || (!known && found.folders.len() == limits.max_runs) {
            let message = format!(
                "there are more than {} event files or {} folders with some; the others are left out. Raise \
                 `Limits::max_files` and `Limits::max_runs`, or read a folder below it",
                limits.max_files, limits.max_runs
            );
            found.note(root, ProblemKind::Limit, message);
            break;
        }
        files += 1;
        found.folders.entry(folder).or_default().push(path);
    }
    found
}

impl Found {
    fn note(&mut self, path: &Path, kind: ProblemKind, message: String) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(Problem { path: path.to_owned(), offset: None, kind, message });
        }
    }
}
