//! How far a curve was looked at.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{column::Row, file::LogFile};

/// How far the values of one tag of one run were looked at: see [`Run::new_scalars`](super::Run::new_scalars).
#[derive(Debug, Clone, Default)]
pub struct Position {
    files: BTreeMap<PathBuf, Place>,
}

/// A place in a file.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Number of the file that was read, which another one at its path does not have.
    serial: u64,
    /// Values that were looked at.
    rows: usize,
    /// Newest wall time of them, in seconds.
    newest: f64,
}

impl Position {
    /// Values of a tag that this position is not behind yet, each with the number of its file; and the position behind
    /// them.
    pub(super) fn advance<'a>(&self, files: &'a [LogFile], tag: &str) -> (Vec<(usize, &'a Row)>, Position) {
        let mut new = Vec::new();
        // A file that is gone may come back.
        let mut after = self.clone();
        for (number, file) in files.iter().enumerate() {
            let Some(column) = file.columns.get(tag) else { continue };
            let place = self.place(file.path());
            let same = place.filter(|place| place.serial == file.serial());
            let rows = column.rows.get(same.map_or(0, |place| place.rows)..).unwrap_or_default();
            let mut newest = place.map_or(f64::NEG_INFINITY, |place| place.newest);
            let known = newest;
            for row in rows {
                // A file that took the place of another mostly begins with what that one held.
                if same.is_some() || row.wall_time.secs() > known {
                    new.push((number, row));
                }
                newest = newest.max(row.wall_time.secs());
            }
            let place = Place { serial: file.serial(), rows: column.rows.len(), newest };
            after.files.insert(file.path().to_owned(), place);
        }
        (new, after)
    }

    fn place(&self, path: &Path) -> Option<Place> {
        self.files.get(path).copied()
    }
}
