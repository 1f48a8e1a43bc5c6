//! One run: its files, its sessions, its time series.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use prost::DecodeError;

use super::{
    Rule, Severity,
    decode::messages,
    finding::{Findings, Place},
    series::Series,
};
use crate::{
    logdir::wire::Fields,
    proto::{self, event::What, session_log::SessionStatus},
};

/// The file version that both loaders know.
const FILE_VERSION: &str = "brain.Event:2";
/// Longest name of a writer that TensorBoard keeps.
const MAX_WRITER: usize = 128;
/// 1971, in seconds: no log is older.
const FIRST_TIME: f64 = 365.0 * 86_400.0;
/// Number of the field of a graph that holds its nodes.
const NODE: u32 = 1;
/// Tag of the HParams page that holds an `Experiment`.
const EXPERIMENT: &str = "_hparams_/experiment";

/// Looks at the events of a run, file by file in the order of their names.
pub(super) struct RunCheck<'a> {
    findings: &'a mut Findings,
    series: BTreeMap<String, Series>,
    /// The files with values.
    files: Vec<FileTimes>,
    /// Files with values before a START, and where the first is.
    without_start: Vec<(PathBuf, u64)>,
    sessions: Sessions,
    graphs: u32,
    experiment: Option<(PathBuf, u64)>,
    file: FileState,
}

/// Starts of sessions that were seen.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sessions {
    /// How many. The first of a run is no restart.
    pub starts: u32,
    /// Step of the last one.
    pub step: i64,
}

/// When the values of a file were written.
#[derive(Debug, Clone)]
struct FileTimes {
    path: PathBuf,
    first: f64,
    last: f64,
}

/// What is known of the file that is being read.
#[derive(Debug, Default)]
struct FileState {
    path: PathBuf,
    index: usize,
    events: u64,
    has_start: bool,
    times: Option<(f64, f64)>,
}

impl<'a> RunCheck<'a> {
    pub fn new(findings: &'a mut Findings) -> RunCheck<'a> {
        RunCheck {
            findings,
            series: BTreeMap::new(),
            files: Vec::new(),
            without_start: Vec::new(),
            sessions: Sessions::default(),
            graphs: 0,
            experiment: None,
            file: FileState::default(),
        }
    }

    pub fn findings(&mut self) -> &mut Findings {
        self.findings
    }

    pub fn begin_file(&mut self, path: &Path) {
        self.file = FileState { path: path.to_owned(), index: self.file.index + 1, ..FileState::default() };
    }

    pub fn event(&mut self, offset: u64, event: &proto::Event) {
        self.head(offset, event);
        self.file.events += 1;
        let is_value = matches!(event.what, Some(What::Summary(_) | What::GraphDef(_)));
        if is_value && event.wall_time.is_finite() {
            let times = self.file.times.get_or_insert((event.wall_time, event.wall_time));
            *times = (times.0.min(event.wall_time), times.1.max(event.wall_time));
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
            Some(What::SessionLog(log)) if log.status() == SessionStatus::Start => self.start(event.step),
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

    fn start(&mut self, step: i64) {
        self.file.has_start = true;
        self.sessions = Sessions { starts: self.sessions.starts + 1, step };
        if self.sessions.starts > 1 {
            for series in self.series.values_mut() {
                series.restart(step);
            }
        }
    }

    fn value(&mut self, offset: u64, step: i64, value: &proto::summary::Value) {
        let tag = value.tag.clone();
        if tag.is_empty() {
            let place = Place { step: Some(step), ..Place::record(&self.file.path, offset) };
            return self.findings.add(Rule::EmptyTag, place, || "a value without a tag".to_owned());
        }
        if tag == EXPERIMENT && self.experiment.is_none() {
            self.experiment = Some((self.file.path.clone(), offset));
        }
        let place = Place { file: &self.file.path, offset: Some(offset), tag: Some(&tag), step: Some(step) };
        match self.series.get_mut(&tag) {
            Some(series) => series.value(self.findings, place, value, self.file.index, self.sessions),
            None => {
                let series = Series::new(self.findings, place, value, self.file.index, self.sessions);
                self.series.insert(tag, series);
            }
        }
    }

    fn graph(&mut self, offset: u64, bytes: &[u8]) {
        let place = Place::record(&self.file.path, offset);
        self.graphs += 1;
        if self.graphs > 1 {
            self.findings.add(Rule::GraphTwice, place, || "another graph of the run came before".to_owned());
        }
        // A graph can take far more memory than bytes, so it is looked through and not unpacked.
        let nodes = messages(bytes, NODE).try_fold(0u64, |nodes, node| {
            Fields::of(node?).try_for_each(|field| field.map(drop))?;
            Ok::<u64, DecodeError>(nodes + 1)
        });
        match nodes {
            Ok(0) => self.findings.add(Rule::GraphEmpty, place, || "a graph without nodes".to_owned()),
            Ok(_) => {}
            Err(error) => self.findings.add(Rule::GraphContent, place, || error.to_string()),
        }
    }

    pub fn end_file(&mut self) {
        let Some((first, last)) = self.file.times else { return };
        let path = self.file.path.clone();
        if path.to_string_lossy().ends_with(".profile-empty") {
            self.findings.add(Rule::ProfileEmpty, Place::file(&path), || "it holds values".to_owned());
        }
        for before in &self.files {
            if before.first > first {
                self.findings.add(Rule::FileOrder, Place::file(&path), || {
                    format!(
                        "its values are older than those of {}, which sorts before it",
                        before.path.display()
                    )
                });
            } else if before.last > first {
                self.findings.add(Rule::SeveralLiveFiles, Place::file(&path), || {
                    format!("{} was still written when this file had values", before.path.display())
                });
            }
        }
        self.files.push(FileTimes { path, first, last });
    }

    /// What can be told at the end only; where an `Experiment` is, if there is one.
    pub fn finish(self, max_bytes: u64) -> Option<(PathBuf, u64)> {
        // A single file has no restart that could be missed.
        let severity = if self.files.len() > 1 { Rule::MissingStart.severity() } else { Severity::Note };
        for (path, offset) in &self.without_start {
            self.findings.add_as(severity, Rule::MissingStart, Place::record(path, *offset), || {
                "values before a SessionLog START".to_owned()
            });
        }
        for (tag, series) in &self.series {
            series.finish(self.findings, tag, |name| self.series.contains_key(name), max_bytes);
        }
        self.experiment
    }
}
