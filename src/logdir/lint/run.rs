//! One run: its files, its sessions, its time series.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    rc::Rc,
};

use super::{
    Rule, Severity,
    finding::{Findings, Place},
    graph,
    kept::Kept,
    series::Series,
    sessions::Sessions,
};
use crate::{
    event::FILE_VERSION,
    logdir::{Limits, file::MAX_WRITER},
    proto::{self, event::What, session_log::SessionStatus},
};

/// 1971, in seconds: no log is older.
const FIRST_TIME: f64 = 365.0 * 86_400.0;
/// Tag of the HParams page that holds an `Experiment`.
const EXPERIMENT: &str = "_hparams_/experiment";

/// Looks at the events of a run, file by file in the order of their names.
pub(super) struct RunCheck<'a> {
    findings: &'a mut Findings,
    series: BTreeMap<String, Series>,
    /// Bytes of tags and metadata in `series`.
    series_bytes: usize,
    limits: Limits,
    /// Number of files with values, and which of them begins and ends last.
    files: usize,
    newest: Option<(f64, Rc<Path>)>,
    longest: Option<(FileTimes, Rc<Path>)>,
    /// Files with values before a START, and where the first is.
    without_start: Vec<(Rc<Path>, u64)>,
    sessions: Sessions,
    graphs: u32,
    experiment: Option<(PathBuf, u64)>,
    file: FileState,
}

/// When the values of a file were written.
#[derive(Debug, Clone, Copy)]
struct FileTimes {
    first: f64,
    last: f64,
}

/// What is known of the file that is being read.
#[derive(Debug)]
struct FileState {
    path: Rc<Path>,
    index: usize,
    events: u64,
    has_start: bool,
    times: Option<FileTimes>,
}

impl FileState {
    fn new(path: &Path, index: usize) -> FileState {
        FileState { path: path.into(), index, events: 0, has_start: false, times: None }
    }
}

impl<'a> RunCheck<'a> {
    pub fn new(findings: &'a mut Findings, limits: Limits) -> RunCheck<'a> {
        RunCheck {
            findings,
            series: BTreeMap::new(),
            series_bytes: 0,
            limits,
            files: 0,
            newest: None,
            longest: None,
            without_start: Vec::new(),
            sessions: Sessions::default(),
            graphs: 0,
            experiment: None,
            file: FileState::new(Path::new(""), 0),
        }
    }

    pub fn findings(&mut self) -> &mut Findings {
        self.findings
    }

    pub fn begin_file(&mut self, path: &Path) {
        self.file = FileState::new(path, self.file.index + 1);
    }

    pub fn event(&mut self, offset: u64, event: &proto::Event) {
        self.head(offset, event);
        self.file.events += 1;
        let is_value = matches!(event.what, Some(What::Summary(_) | What::GraphDef(_)));
        if is_value && event.wall_time.is_finite() {
            let time = event.wall_time;
            let times = self.file.times.get_or_insert(FileTimes { first: time, last: time });
            *times = FileTimes { first: times.first.min(time), last: times.last.max(time) };
        }
        if is_value && !self.file.has_start {
            self.file.has_start = true; // once is enough
            self.without_start.push((self.file.path.clone(), offset));
        }
        match &event.what {
            Some(What::Summary(summary)) => {
                for value in &summary.value {
                    self.value(offset, event.step, value);
                }
            }
            Some(What::SessionLog(log)) if log.status() == SessionStatus::Start => {
                self.start(offset, event.step);
            }
            Some(What::GraphDef(bytes)) => self.graph(offset, bytes),
            _ => {}
        }
    }

    /// What every event has, and the file version.
    fn head(&mut self, offset: u64, event: &proto::Event) {
        let place = Place { step: Some(event.step), ..Place::record(&self.file.path, offset) };
        let first = self.file.events == 0;
        let findings = &mut *self.findings;
        match &event.what {
            Some(What::FileVersion(version)) => {
                if !first {
                    findings.add(Rule::LateFileVersion, place, || {
                        format!("the file version `{version}` in event {}", self.file.events + 1)
                    });
                }
                if version != FILE_VERSION {
                    findings.add(Rule::UnknownFileVersion, place, || {
                        format!("file version `{version}`, `{FILE_VERSION}` expected")
                    });
                }
            }
            _ if first => findings.add(Rule::MissingFileVersion, place, || {
                format!("the first event is no file version `{FILE_VERSION}`")
            }),
            _ => {}
        }
        let wall_time = event.wall_time;
        if !wall_time.is_finite() {
            findings.add(Rule::WallTimeNotFinite, place, || format!("wall time {wall_time}"));
        } else if wall_time < FIRST_TIME {
            findings.add(Rule::WallTime1970, place, || {
                format!("wall time {wall_time}, seconds since 1970 expected")
            });
        }
        if let Some(source) = &event.source_metadata {
            let characters = source.writer.chars().count();
            if !first {
                findings
                    .add(Rule::SourceMetadata, place, || "source metadata after the first event".to_owned());
            } else if characters > MAX_WRITER {
                findings.add(Rule::SourceMetadata, place, || {
                    format!("a writer's name of {characters} characters, {MAX_WRITER} at most expected")
                });
            }
        }
    }

    fn start(&mut self, offset: u64, step: i64) {
        self.file.has_start = true;
        if !self.sessions.start(step) {
            self.findings.add(Rule::NotLookedAt, Place::record(&self.file.path, offset), || {
                "more session starts than any training has; they are not heeded from here on".to_owned()
            });
        }
    }

    fn value(&mut self, offset: u64, step: i64, value: &proto::summary::Value) {
        let tag = value.tag.as_str();
        let record = Place { step: Some(step), ..Place::record(&self.file.path, offset) };
        if tag.is_empty() {
            return self.findings.add(Rule::EmptyTag, record, || "a value without a tag".to_owned());
        }
        if tag == EXPERIMENT && self.experiment.is_none() {
            self.experiment = Some((self.file.path.to_path_buf(), offset));
        }
        let place = Place { tag: Some(tag), ..record };
        if let Some(series) = self.series.get_mut(tag) {
            return series.value(self.findings, place, value, self.file.index, &self.sessions);
        }
        let bytes = tag.len() + value.metadata.as_ref().map_or(0, prost::Message::encoded_len);
        let why = if self.series.len() >= self.limits.max_tags {
            format!("more than {} tags in the run", self.limits.max_tags)
        } else if tag.len() > self.limits.max_tag_bytes {
            format!("a tag of {} bytes, at most {} are looked at", tag.len(), self.limits.max_tag_bytes)
        } else if self.series_bytes + bytes > self.limits.max_metadata_bytes {
            format!("more than {} bytes of tags and metadata in the run", self.limits.max_metadata_bytes)
        } else {
            let file = &self.file;
            let series =
                Series::new(self.findings, place, value, (file.index, &file.path), self.sessions.starts());
            self.series.insert(tag.to_owned(), series);
            self.series_bytes += bytes;
            return;
        };
        self.findings.add(Rule::NotLookedAt, record, || why);
    }

    fn graph(&mut self, offset: u64, bytes: &[u8]) {
        let place = Place::record(&self.file.path, offset);
        self.graphs += 1;
        if self.graphs > 1 {
            self.findings.add(Rule::GraphTwice, place, || "another graph of the run came before".to_owned());
        }
        graph::check(self.findings, place, bytes);
    }

    pub fn end_file(&mut self) {
        let Some(times) = self.file.times else { return };
        let FileTimes { first, last } = times;
        let place = Place::file(&self.file.path);
        if self.file.path.to_string_lossy().ends_with(".profile-empty") {
            self.findings.add(Rule::ProfileEmpty, place, || "it holds values".to_owned());
        }
        // What holds for any file before holds for the last of them.
        if let Some((_, newest)) = self.newest.as_ref().filter(|(newest, _)| *newest > first) {
            self.findings.add(Rule::FileOrder, place, || {
                format!("its values are older than those of {}, which sorts before it", newest.display())
            });
        }
        let at_work = |before: &FileTimes| before.first <= first && before.last > first;
        if let Some((_, longest)) = self.longest.as_ref().filter(|(before, _)| at_work(before)) {
            self.findings.add(Rule::SeveralLiveFiles, place, || {
                format!("{} was still written when this file had values", longest.display())
            });
        }
        self.files += 1;
        if self.newest.as_ref().is_none_or(|(newest, _)| first > *newest) {
            self.newest = Some((first, self.file.path.clone()));
        }
        if self.longest.as_ref().is_none_or(|(longest, _)| last > longest.last) {
            self.longest = Some((times, self.file.path.clone()));
        }
    }

    /// What can be told at the end only; where an `Experiment` is, if there is one.
    pub fn finish(self, max_bytes: u64, kept: &mut Kept) -> Option<(PathBuf, u64)> {
        // A single file has no restart that could be missed.
        let severity = if self.files > 1 { Rule::MissingStart.severity() } else { Severity::Note };
        for (path, offset) in &self.without_start {
            self.findings.add_as(severity, Rule::MissingStart, Place::record(path, *offset), || {
                "values before a SessionLog START".to_owned()
            });
        }
        let vertices: BTreeSet<&str> = self.series.values().filter_map(Series::vertices).collect();
        for (tag, series) in &self.series {
            series.finish(self.findings, tag, &self.sessions, &vertices, max_bytes);
            series.count(kept, tag);
        }
        self.experiment
    }
}
