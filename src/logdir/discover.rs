//! Event files below a folder.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use walkdir::WalkDir;

use super::{
    limits::Limits,
    problem::{Problem, ProblemKind},
};
use crate::event::is_event_file;

/// Deepest folder that is looked into.
const MAX_DEPTH: usize = 64;
/// Most problems with folders that are told.
const MAX_PROBLEMS: usize = 100;

/// Folders with event files, and what could not be looked at.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Files by their folder, both sorted.
    pub folders: BTreeMap<PathBuf, Vec<PathBuf>>,
    pub problems: Vec<Problem>,
}

/// Looks for event files below `root`, behind symbolic links too, or takes `root` where it is a file.
pub(super) fn discover(root: &Path, limits: &Limits) -> Found {
    let mut found = Found::default();
    let mut files = 0;
    for entry in WalkDir::new(root).follow_links(true).max_depth(MAX_DEPTH).sort_by_file_name() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                found.note(error.path().unwrap_or(root), ProblemKind::Unreadable, error.to_string());
                continue;
            }
        };
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
