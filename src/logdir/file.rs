//! One event file, indexed and followed.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Seek as _, SeekFrom},
    mem,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use prost::Message as _;

use super::{
    budget::Budget,
    column::{Cell, Column, Row},
    identity::Identity,
    log_dir::Refreshed,
    problem::{Problem, ProblemKind},
    skim::{self, Form, Skimmed, SkimmedValue, What},
    watch::Watch,
};
use crate::{
    proto::{DataClass, SummaryMetadata},
    record::{self, FRAMING, RecordErrorKind, RecordReader},
    summary::{GRAPH_TAG, WallTime},
};

/// Most problems of a file that are told one by one.
const MAX_PROBLEMS: usize = 100;
/// Most session starts of a file that are heeded: an honest file has one.
const MAX_STARTS: usize = 1000;
/// Longest name of a writer, as TensorBoard takes it.
pub(super) const MAX_WRITER: usize = 128;

/// The next file's serial number.
static SERIAL: AtomicU64 = AtomicU64::new(0);

/// One event file of a run: what was read of it, and what is wrong with it.
#[derive(Debug, Clone)]
pub struct LogFile {
    path: PathBuf,
    identity: Identity,
    /// Tells it from every other file that was read, those at the same path included.
    serial: u64,
    /// Bytes that the file had when it was read.
    len: u64,
    /// Where the next record begins.
    offset: u64,
    events: u64,
    writer: Option<String>,
    problems: Vec<Problem>,
    more_problems: u64,
    /// What stands in the way of the next record; looked at again in each refresh.
    obstacle: Option<Problem>,
    /// A limit was reached: nothing more is read of this file.
    sealed: bool,
    pub(super) columns: BTreeMap<String, Column>,
    /// Steps of the session starts.
    pub(super) starts: Vec<i64>,
    /// How many of them came before the version, and mean nothing where no earlier file told it.
    pub(super) unheeded_starts: usize,
    /// Whether the file told version 2, the first with session starts.
    pub(super) versioned: bool,
    /// Step of the first and last event with values.
    pub(super) first_step: Option<i64>,
    pub(super) last_step: Option<i64>,
    /// Smallest wall time.
    pub(super) start_time: Option<WallTime>,
    /// What the file takes of the limits.
    values: usize,
    metadata_bytes: usize,
}

/// Whether to go on with the next record.
enum Go {
    On,
    Stop(Problem),
}

impl LogFile {
    pub(super) fn new(path: PathBuf) -> LogFile {
        LogFile {
            path,
            identity: Identity::default(),
            serial: SERIAL.fetch_add(1, Ordering::Relaxed),
            len: 0,
            offset: 0,
            events: 0,
            writer: None,
            problems: Vec::new(),
            more_problems: 0,
            obstacle: None,
            sealed: false,
            columns: BTreeMap::new(),
            starts: Vec::new(),
            unheeded_starts: 0,
            versioned: false,
            first_step: None,
            last_step: None,
            start_time: None,
            values: 0,
            metadata_bytes: 0,
        }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes in the file, when it was read last.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the file had no bytes when it was read last.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Events that were read, of every sort.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Values that were read, those included that a restart made obsolete.
    pub fn values(&self) -> usize {
        self.values
    }

    /// Which program wrote the file, where it says so.
    pub fn writer(&self) -> Option<&str> {
        self.writer.as_deref()
    }

    /// What is wrong with the file, the first hundred of it, and what stands in the way of reading on.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().chain(&self.obstacle)
    }

    /// Problems beyond those that are told.
    pub fn more_problems(&self) -> u64 {
        self.more_problems
    }

    pub(super) fn serial(&self) -> u64 {
        self.serial
    }

    /// Tags that got values since this was asked last.
    pub(super) fn take_changed(&mut self) -> impl Iterator<Item = String> {
        let changed =
            |(tag, column): (&String, &mut Column)| mem::take(&mut column.changed).then(|| tag.clone());
        self.columns.iter_mut().filter_map(changed)
    }

    pub(super) fn metadata_bytes(&self) -> usize {
        self.metadata_bytes
    }

    /// Reads what is new; everything, where the file is not the one of before.
    pub(super) fn refresh(&mut self, budget: &mut Budget, refreshed: &mut Refreshed, watch: &mut Watch<'_>) {
        if watch.is_over() {
            return;
        }
        if let Err(error) = self.try_refresh(budget, refreshed, watch) {
            self.obstacle =
                Some(self.problem(None, ProblemKind::Unreadable, format!("cannot read it: {error}")));
        }
        watch.file_done(self.len);
    }

    fn try_refresh(
        &mut self,
        budget: &mut Budget,
        refreshed: &mut Refreshed,
        watch: &mut Watch<'_>,
    ) -> io::Result<()> {
        let metadata = fs::metadata(&self.path)?;
        // What the system refused it may allow now, though the file is the same.
        let refused = self.obstacle.as_ref().is_some_and(|it| it.kind == ProblemKind::Unreadable);
        if self.identity.unchanged(&metadata) && !refused {
            return Ok(());
        }
        let mut file = File::open(&self.path)?;
        // Of the open file, so that one which takes its place in this moment is another one.
        let metadata = file.metadata()?;
        if !self.identity.continues(&metadata, &mut file, self.offset)? {
            refreshed.files_replaced += 1;
            budget.give_back(self.values, self.metadata_bytes);
            *self = LogFile::new(mem::take(&mut self.path));
        }
        self.len = metadata.len();
        if !self.sealed {
            let before = self.events;
            file.seek(SeekFrom::Start(self.offset))?;
            self.read(&file, budget, watch);
            refreshed.events += self.events - before;
        }
        self.identity.remember(&metadata, &mut file, self.offset)?;
        if watch.is_over() {
            self.identity.forget_time();
        }
        Ok(())
    }

    /// Reads records from `offset` on to the end of what is there.
    fn read(&mut self, file: &File, budget: &mut Budget, watch: &mut Watch<'_>) {
        let base = self.offset;
        let limits = record::Limits { max_record_bytes: budget.limits.max_record_bytes };
        let mut records = RecordReader::with_limits(file, limits);
        self.obstacle = loop {
            let offset = base + records.offset();
            if watch.is_over_at(offset) {
                self.offset = offset;
                break None;
            }
            match records.read_record() {
                Ok(Some(data)) => {
                    if let Go::Stop(problem) = self.take(offset, data, budget) {
                        self.sealed = true;
                        self.offset = offset;
                        break Some(problem);
                    }
                }
                Ok(None) => {
                    self.offset = base + records.offset();
                    break None;
                }
                Err(error) => {
                    let at = base + error.offset;
                    let kind = match error.kind {
                        RecordErrorKind::DataChecksum { .. } => ProblemKind::Damaged,
                        RecordErrorKind::OverLimit { .. } => ProblemKind::Limit,
                        RecordErrorKind::Truncated { .. } => ProblemKind::TornTail,
                        RecordErrorKind::LengthChecksum { .. } => ProblemKind::Damaged,
                        RecordErrorKind::Io(_) => ProblemKind::Unreadable,
                    };
                    let problem = self.problem(Some(at), kind, error.kind.to_string());
                    if !matches!(
                        error.kind,
                        RecordErrorKind::DataChecksum { .. } | RecordErrorKind::OverLimit { .. }
                    ) {
                        self.offset = at;
                        break Some(problem);
                    }
                    self.note(problem);
                }
            }
        };
    }

    fn problem(&self, offset: Option<u64>, kind: ProblemKind, message: String) -> Problem {
        Problem { path: self.path.clone(), offset, kind, message }
    }

    /// Keeps a problem. The same place is told once, though it may be looked at again.
    fn note(&mut self, problem: Problem) {
        if self.problems.iter().any(|known| known.offset == problem.offset && known.kind == problem.kind) {
            return;
        }
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        } else {
            self.more_problems += 1;
        }
    }

    /// Takes in the record at `offset`.
    fn take(&mut self, offset: u64, data: &[u8], budget: &mut Budget) -> Go {
        let event = match skim::event(data) {
            Ok(event) => event,
            Err(error) => {
                self.note(self.problem(
                    Some(offset),
                    ProblemKind::NotAnEvent,
                    format!("it is no event: {error}"),
                ));
                return Go::On;
            }
        };
        let Ok(wall_time) = WallTime::new(event.wall_time) else {
            let message = format!("its wall time is {}; the event is left out", event.wall_time);
            self.note(self.problem(Some(offset), ProblemKind::WallTime, message));
            return Go::On;
        };
        let record = data.len() as u64 + FRAMING;
        let go = self.take_event(offset, record, &event, wall_time, budget);
        self.events += 1;
        if self.start_time.is_none_or(|start| wall_time < start) {
            self.start_time = Some(wall_time);
        }
        if let (None, Some(writer)) = (&self.writer, event.writer) {
            self.writer = Some(String::from_utf8_lossy(writer).chars().take(MAX_WRITER).collect());
        }
        go
    }

    fn take_event(
        &mut self,
        offset: u64,
        record: u64,
        event: &Skimmed<'_>,
        wall_time: WallTime,
        budget: &mut Budget,
    ) -> Go {
        let row = Row { step: event.step, wall_time, cell: Cell::Stored { offset, index: 0 } };
        match event.what {
            What::Nothing => Go::On,
            What::FileVersion(version) => {
                self.versioned |= is_version_2(version);
                Go::On
            }
            What::Start => {
                if self.starts.len() < MAX_STARTS {
                    self.starts.push(event.step);
                    self.unheeded_starts += usize::from(!self.versioned);
                } else {
                    let message =
                        format!("the file has more than {MAX_STARTS} session starts; this one is left out");
                    self.note(self.problem(Some(offset), ProblemKind::Limit, message));
                }
                Go::On
            }
            What::Graph => {
                let value =
                    SkimmedValue { tag: GRAPH_TAG.as_bytes(), form: Form::Graph, ..Default::default() };
                self.add(offset, &value, row, record, budget)
            }
            What::RunMetadata(tag) => {
                let value = SkimmedValue { tag, form: Form::RunMetadata, ..Default::default() };
                self.add(offset, &value, row, record, budget)
            }
            What::Summary(summary) => self.take_summary(offset, record, row, summary, budget),
        }
    }

    fn take_summary(
        &mut self,
        offset: u64,
        record: u64,
        event: Row,
        summary: &[u8],
        budget: &mut Budget,
    ) -> Go {
        let is_alone = skim::values(summary).nth(1).is_none();
        for (index, value) in skim::values(summary).enumerate() {
            let (value, len) = match value.and_then(|bytes| Ok((skim::value(bytes)?, bytes.len() as u64))) {
                Ok(value) => value,
                Err(error) => {
                    let message = format!("value {index} of it cannot be understood: {error}");
                    self.note(self.problem(Some(offset), ProblemKind::NotAnEvent, message));
                    continue;
                }
            };
            let cell = match value.number {
                Some(number)
                    if value.form == Form::SimpleValue || self.is_scalar(value.tag, value.metadata) =>
                {
                    Cell::Number(number)
                }
                _ => Cell::Stored { offset, index: u32::try_from(index).unwrap_or(u32::MAX) },
            };
            let row = Row { cell, ..event };
            let bytes = if is_alone { record } else { len };
            if let Go::Stop(problem) = self.add(offset, &value, row, bytes, budget) {
                return Go::Stop(problem);
            }
        }
        self.first_step.get_or_insert(event.step);
        self.last_step = Some(event.step);
        Go::On
    }

    /// Whether a tensor of this tag is one of the numbers of a curve.
    fn is_scalar(&self, tag: &[u8], metadata: Option<&[u8]>) -> bool {
        let known = str::from_utf8(tag).ok().and_then(|tag| self.columns.get(tag));
        match (known, metadata) {
            (Some(column), _) => {
                column.form == Form::SimpleValue || column.metadata.as_deref().is_some_and(scalar_metadata)
            }
            (None, Some(metadata)) => {
                SummaryMetadata::decode(metadata).is_ok_and(|metadata| scalar_metadata(&metadata))
            }
            (None, None) => false,
        }
    }

    /// Adds a value, which takes so many bytes in the file, to its column.
    fn add(
        &mut self,
        offset: u64,
        value: &SkimmedValue<'_>,
        row: Row,
        in_file: u64,
        budget: &mut Budget,
    ) -> Go {
        let &SkimmedValue { form, metadata, .. } = value;
        let Ok(tag) = str::from_utf8(value.tag) else {
            self.note(self.problem(
                Some(offset),
                ProblemKind::NotAnEvent,
                "a tag of it is no UTF-8 text".to_owned(),
            ));
            return Go::On;
        };
        if tag.len() > budget.limits.max_tag_bytes {
            let message =
                format!("a tag has {} bytes, at most {} are allowed", tag.len(), budget.limits.max_tag_bytes);
            self.note(self.problem(Some(offset), ProblemKind::Limit, message));
            return Go::On;
        }
        let known = self.columns.get(tag);
        let wanted = if known.is_none_or(|column| column.metadata.is_none()) { metadata } else { None };
        let bytes = known.map_or(tag.len() + size_of::<Column>(), |_| 0) + wanted.map_or(0, <[u8]>::len);
        let tags = self.columns.len() + usize::from(known.is_none());
        if let Err(message) = budget.take(tags, 1, bytes) {
            return Go::Stop(self.problem(Some(offset), ProblemKind::Limit, message));
        }
        self.values += 1;
        self.metadata_bytes += bytes;
        let metadata = wanted.and_then(|bytes| match SummaryMetadata::decode(bytes) {
            Ok(metadata) => Some(Box::new(metadata)),
            Err(error) => {
                let message = format!("the metadata of tag `{tag}` cannot be understood: {error}");
                self.note(self.problem(Some(offset), ProblemKind::NotAnEvent, message));
                None
            }
        });
        let starts = u32::try_from(self.starts.len()).unwrap_or(u32::MAX);
        let backward = !self.versioned && self.last_step.is_some_and(|last| row.step < last);
        let column = match self.columns.get_mut(tag) {
            Some(column) => column,
            None => self.columns.entry(tag.to_owned()).or_insert_with(|| Column::of(form)),
        };
        if column.metadata.is_none() {
            column.metadata = metadata;
        }
        column.leads |= column.rows.is_empty() && !self.versioned && self.first_step.is_none();
        column.bytes += in_file;
        column.push(row, self.events, starts, backward);
        Go::On
    }
}

fn scalar_metadata(metadata: &SummaryMetadata) -> bool {
    match metadata.data_class() {
        DataClass::Scalar => true,
        DataClass::Unknown => {
            metadata.plugin_data.as_ref().is_some_and(|plugin| plugin.plugin_name == super::tag_info::SCALARS)
        }
        _ => false,
    }
}

/// Whether a file says that it is of version 2 or later, as in "brain.Event:2".
fn is_version_2(version: &[u8]) -> bool {
    let version = String::from_utf8_lossy(version);
    let number = version.rsplit("brain.Event:").next().unwrap_or_default();
    number.trim().parse::<f64>().is_ok_and(|number| number >= 2.0)
}
