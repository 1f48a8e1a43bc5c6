//! A run: a folder with event files.

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    path::{Path, PathBuf},
};

use super::{
    budget::Budget,
    column::Row,
    file::LogFile,
    log_dir::Refreshed,
    options::LogDirOptions,
    problem::Problem,
    restarts::{Restarts, surviving},
    tag_info::{SeriesKind, TagInfo, metadata},
    watch::Watch,
};
use crate::{
    error::{Error, Result},
    proto::DataClass,
    summary::{Step, WallTime},
};

/// How many names an error tells.
const NAMED: usize = 8;

/// One run: a folder with event files, and what they say.
#[derive(Debug, Clone)]
pub struct Run {
    name: String,
    path: PathBuf,
    pub(super) files: Vec<LogFile>,
    tags: Vec<TagInfo>,
    /// Whether `tags` tells of files that are gone.
    stale: bool,
    options: LogDirOptions,
}

impl Run {
    pub(super) fn new(name: String, path: PathBuf, options: LogDirOptions) -> Run {
        Run { name, path, files: Vec::new(), tags: Vec::new(), stale: false, options }
    }

    /// Path of the folder relative to the log folder, with `/` between folders; `.` for the log folder itself.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its event files, in the order of their names, in which they are read.
    pub fn files(&self) -> &[LogFile] {
        &self.files
    }

    /// Its tags, sorted by name.
    pub fn tags(&self) -> &[TagInfo] {
        &self.tags
    }

    /// Time of the first event. TensorBoard sorts runs by it.
    pub fn start_time(&self) -> Option<WallTime> {
        self.files.iter().filter_map(|file| file.start_time).min_by(|a, b| a.secs().total_cmp(&b.secs()))
    }

    /// What is wrong with its files.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.files.iter().flat_map(LogFile::problems)
    }

    /// What is known of a tag.
    ///
    /// # Errors
    /// There is no such tag.
    pub fn tag(&self, tag: &str) -> Result<&TagInfo> {
        match self.tags.binary_search_by(|info| info.tag.as_str().cmp(tag)) {
            Ok(index) => Ok(&self.tags[index]),
            Err(_) => Err(Error::invalid(
                "tag",
                format!(
                    "run `{}` has no tag `{tag}`; it has {}",
                    self.name,
                    some_names(self.tags.iter().map(|info| info.tag.as_str()))
                ),
            )),
        }
    }

    pub(super) fn options(&self) -> &LogDirOptions {
        &self.options
    }

    /// Values of a tag that are not obsolete, with the number of their file.
    pub(super) fn rows(&self, tag: &str, data_class: DataClass) -> Vec<(usize, &Row)> {
        let mut rows = surviving(&self.files, tag, self.options.restarts);
        if self.options.restarts == Restarts::Python && data_class == DataClass::BlobSequence {
            rows.sort_by_key(|(_, row)| row.step);
            rows.dedup_by_key(|(_, row)| row.step);
        }
        rows
    }

    /// Reads what is new in these files, which are all that the folder has, sorted.
    pub(super) fn refresh(
        &mut self,
        paths: Vec<PathBuf>,
        budget: &mut Budget,
        refreshed: &mut Refreshed,
        watch: &mut Watch<'_>,
    ) {
        let before = *refreshed;
        let mut known: BTreeMap<PathBuf, LogFile> =
            mem::take(&mut self.files).into_iter().map(|file| (file.path().to_owned(), file)).collect();
        for path in paths {
            let mut file = known.remove(&path).unwrap_or_else(|| {
                refreshed.files_added += 1;
                LogFile::new(path)
            });
            file.refresh(budget, refreshed, watch);
            self.files.push(file);
        }
        let same_files = Refreshed { events: before.events, ..*refreshed } == before;
        if self.stale || !same_files {
            self.index();
        } else if *refreshed != before {
            self.index_changed();
        }
    }

    /// Forgets files that are not among these.
    pub(super) fn retain(&mut self, paths: &[PathBuf], budget: &mut Budget, refreshed: &mut Refreshed) {
        self.files.retain(|file| {
            let there = paths.binary_search_by(|path| path.as_path().cmp(file.path())).is_ok();
            if !there {
                budget.give_back(file.values(), file.metadata_bytes());
                refreshed.files_removed += 1;
                self.stale = true;
            }
            there
        });
    }

    /// Takes stock of what was added to the files of before.
    fn index_changed(&mut self) {
        // A session start may make values of any tag obsolete.
        if self.options.restarts == Restarts::Python {
            return self.index();
        }
        let changed: BTreeSet<String> = self.files.iter_mut().flat_map(LogFile::take_changed).collect();
        for tag in changed {
            let info = self.describe(&tag);
            match self.tags.binary_search_by(|known| known.tag.cmp(&tag)) {
                Ok(index) => self.tags[index] = info,
                Err(index) => self.tags.insert(index, info),
            }
        }
    }

    /// Takes stock of all files.
    fn index(&mut self) {
        self.stale = false;
        for file in &mut self.files {
            file.take_changed().for_each(drop);
        }
        let tags: BTreeSet<&str> =
            self.files.iter().flat_map(|file| file.columns.keys()).map(String::as_str).collect();
        self.tags = tags.into_iter().map(|tag| self.describe(tag)).collect();
    }

    fn describe(&self, tag: &str) -> TagInfo {
        let metadata = metadata(self.files.iter().filter_map(|file| file.columns.get(tag)));
        let data_class = metadata.data_class();
        let plugin = metadata.plugin_data.unwrap_or_default();
        let rows = self.rows(tag, data_class);
        let step = |row: &(usize, &Row)| Step::new(row.1.step);
        TagInfo {
            tag: tag.to_owned(),
            kind: SeriesKind::of_plugin(&plugin.plugin_name),
            plugin: plugin.plugin_name,
            content: plugin.content,
            data_class,
            display_name: metadata.display_name,
            description: metadata.summary_description,
            values: rows.len(),
            bytes: self
                .files
                .iter()
                .filter_map(|file| file.columns.get(tag))
                .map(|column| column.bytes)
                .sum(),
            first_step: rows.iter().map(step).min(),
            last_step: rows.iter().map(step).max(),
            last_wall_time: rows
                .iter()
                .map(|(_, row)| row.wall_time)
                .max_by(|a, b| a.secs().total_cmp(&b.secs())),
        }
    }
}

/// The first names of a list, for an error.
pub(super) fn some_names<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let count = names.len();
    let mut text: Vec<String> = names.take(NAMED).map(|name| format!("`{name}`")).collect();
    if count > NAMED {
        text.push(format!("and {} more", count - NAMED));
    }
    if text.is_empty() { "none".to_owned() } else { text.join(", ") }
}
