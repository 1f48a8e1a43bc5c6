//! One tag: its kind, its metadata, the order of its steps.

use std::{collections::BTreeSet, path::Path, rc::Rc};

use super::{
    Rule, Severity,
    finding::{Findings, Place},
    kept::Kept,
    sessions::Sessions,
    values::{self, ValueCheck},
};
use crate::proto::{self, DataClass, SummaryMetadata, summary::value::Value};

/// Values of a tag that the data server keeps, where they are tensors.
const KEPT_TENSORS: u64 = 100;

/// Longest name of a plugin that is kept beside the metadata of the first value, in bytes.
const MAX_PLUGIN: usize = 128;

/// What is known of a time series.
pub(super) struct Series {
    /// Which page it is for; empty where nobody said so.
    plugin: String,
    metadata: Option<SummaryMetadata>,
    /// The last file in which metadata was sent.
    metadata_file: usize,
    /// The last file in which there was a value.
    value_file: usize,
    last_step: i64,
    /// The first value's place.
    file: Rc<Path>,
    offset: Option<u64>,
    /// How many sessions had started at the last value.
    starts: u32,
    /// Step of a restart before which there were values from that step on, until the tag is logged again.
    stale_from: Option<i64>,
    values: u64,
    tensor_bytes: u64,
    check: ValueCheck,
}

impl Series {
    /// The series of which this is the first value.
    pub fn new(
        findings: &mut Findings,
        place: Place<'_>,
        value: &proto::summary::Value,
        (index, file): (usize, &Rc<Path>),
        starts: u32,
    ) -> Series {
        let mut series = Series {
            plugin: plugin_of(value).unwrap_or_default().to_owned(),
            metadata: value.metadata.clone(),
            metadata_file: index,
            value_file: index,
            last_step: place.step.unwrap_or_default(),
            file: Rc::clone(file),
            offset: place.offset,
            starts,
            stale_from: None,
            values: 0,
            tensor_bytes: 0,
            check: ValueCheck::default(),
        };
        series.first_metadata(findings, place, value);
        series.check.metadata(&series.plugin, findings, place, series.metadata.as_ref());
        series.content(findings, place, value);
        series
    }

    /// A further value.
    pub fn value(
        &mut self,
        findings: &mut Findings,
        place: Place<'_>,
        value: &proto::summary::Value,
        file: usize,
        sessions: &Sessions,
    ) {
        self.order(findings, place, file, sessions);
        self.kind_and_metadata(findings, place, value, file);
        self.content(findings, place, value);
        self.value_file = file;
    }

    /// Since which restart values are stale after all starts so far, with no value after them.
    fn stale_from(&self, sessions: &Sessions) -> Option<i64> {
        let new = sessions.lowest_after(self.starts).filter(|&step| step <= self.last_step);
        self.stale_from.into_iter().chain(new).min()
    }

    /// The name of the mesh of which these are the vertices.
    pub fn vertices(&self) -> Option<&str> {
        self.check.vertices()
    }

    /// Counts the values of the tag.
    pub fn count(&self, kept: &mut Kept, tag: &str) {
        kept.count(&self.plugin, self.values, &self.file, self.offset, tag);
    }

    /// What can be told at the end only. `vertices` are the names of the run's meshes, `max_bytes` is how much a message
    /// takes.
    pub fn finish(
        &self,
        findings: &mut Findings,
        tag: &str,
        sessions: &Sessions,
        vertices: &BTreeSet<&str>,
        max_bytes: u64,
    ) {
        let place = Place { file: &self.file, offset: self.offset, tag: Some(tag), step: None };
        if let Some(from) = self.stale_from(sessions) {
            let step = Some(self.last_step);
            findings.add(Rule::StaleTail, Place { step, ..place }, || {
                format!("values up to step {} from before the restart at step {from}", self.last_step)
            });
        }
        let kept = self.values.clamp(1, KEPT_TENSORS);
        let bytes = self.tensor_bytes / self.values.max(1) * kept;
        if bytes > max_bytes {
            findings.add(Rule::OversizeSeries, place, || {
                format!("{kept} values are kept, {bytes} bytes together; a message takes {max_bytes} at most")
            });
        }
        self.check.finish(findings, place, vertices);
    }

    fn first_metadata(&self, findings: &mut Findings, place: Place<'_>, value: &proto::summary::Value) {
        let Some(metadata) = &value.metadata else {
            if matches!(value.value, Some(Value::Tensor(_)) | None) {
                findings.add(Rule::MissingMetadata, place, || "the first value has no metadata".to_owned());
            }
            return;
        };
        if self.plugin.is_empty() && metadata.data_class() == DataClass::Unknown {
            findings.add(Rule::MissingMetadata, place, || "the metadata names no plugin".to_owned());
            return;
        }
        let expected = values::data_class(&self.plugin);
        let found = metadata.data_class;
        if metadata.data_class() == DataClass::Unknown {
            self.missing_data_class(findings, place, value, metadata, expected);
        } else if let Some(expected) = expected.filter(|&expected| expected as i32 != found) {
            findings.add(Rule::WrongDataClass, place, || {
                format!("data class {found} for the plugin `{}`, {} expected", self.plugin, expected as i32)
            });
        }
    }

    fn missing_data_class(
        &self,
        findings: &mut Findings,
        place: Place<'_>,
        value: &proto::summary::Value,
        metadata: &SummaryMetadata,
        expected: Option<DataClass>,
    ) {
        let labelled = !metadata.display_name.is_empty() || !metadata.summary_description.is_empty();
        let is_simple = matches!(value.value, Some(Value::SimpleValue(_)));
        let (severity, effect) = match expected {
            None => (Severity::Error, "nobody knows what it holds, and no page shows it"),
            Some(_) if is_simple && labelled => {
                (Severity::Warning, "the data server drops display name and description")
            }
            Some(_) => (Severity::Note, "the loaders know the plugin, and fill it in"),
        };
        findings.add_as(severity, Rule::MissingDataClass, place, || {
            format!("no data class for the plugin `{}`: {effect}", self.plugin)
        });
    }

    fn order(&mut self, findings: &mut Findings, place: Place<'_>, file: usize, sessions: &Sessions) {
        let step = place.step.unwrap_or_default();
        let stale_from = self.stale_from(sessions);
        let last = std::mem::replace(&mut self.last_step, step);
        let restarted = sessions.restart_after(self.starts).is_some_and(|from| from <= step);
        self.starts = sessions.starts();
        // Steps from the restart up to this one are in question; without a list of them, those above are certain.
        self.stale_from = stale_from.filter(|_| step > last);
        if step > last || restarted {
            return;
        }
        if file != self.value_file {
            findings.add(Rule::OverlaidRestart, place, || {
                format!("step {step} follows step {last} of the file before, and no session starts at a step in between")
            });
        } else if step == last {
            findings.add(Rule::StepTwice, place, || format!("step {step} again"));
        } else {
            findings.add(Rule::StepsOutOfOrder, place, || format!("step {step} follows step {last}"));
        }
    }

    fn kind_and_metadata(
        &mut self,
        findings: &mut Findings,
        place: Place<'_>,
        value: &proto::summary::Value,
        file: usize,
    ) {
        if let Some(plugin) = plugin_of(value).filter(|plugin| *plugin != self.plugin) {
            if self.plugin.is_empty() {
                findings.add(Rule::LateMetadata, place, || {
                    format!("the plugin `{plugin}`, after the first value")
                });
                if plugin.len() <= MAX_PLUGIN {
                    plugin.clone_into(&mut self.plugin);
                }
            } else {
                findings.add(Rule::KindConflict, place, || {
                    format!("a value of the plugin `{plugin}` in a series of `{}`", self.plugin)
                });
            }
        }
        match (&self.metadata, &value.metadata) {
            (Some(first), Some(later)) if first != later && same_plugin(first, later) => {
                findings.add(Rule::ChangedMetadata, place, || what_changed(first, later));
            }
            (None, Some(later)) if !self.plugin.is_empty() && is_telling(later) => {
                findings.add(Rule::LateMetadata, place, || "metadata after the first value".to_owned());
            }
            (Some(_), None)
                if self.metadata_file != file && matches!(value.value, Some(Value::Tensor(_))) =>
            {
                findings.add(Rule::MetadataMissingInFile, place, || {
                    "the first value of the tag in this file has no metadata".to_owned()
                });
                self.metadata_file = file; // once a file is enough
            }
            _ => {}
        }
        if value.metadata.is_some() {
            self.metadata_file = file;
        }
    }

    fn content(&mut self, findings: &mut Findings, place: Place<'_>, value: &proto::summary::Value) {
        self.values += 1;
        if let Some(Value::Tensor(tensor)) = &value.value
            && values::data_class(&self.plugin) != Some(DataClass::BlobSequence)
        {
            self.tensor_bytes += prost::Message::encoded_len(tensor) as u64;
        }
        // A value of another kind than the series is a finding of its own.
        if plugin_of(value).is_none_or(|plugin| plugin == self.plugin) {
            self.check.value(&self.plugin, findings, place, value.value.as_ref());
        }
    }
}

/// Which page a value says that it is for.
fn plugin_of(value: &proto::summary::Value) -> Option<&str> {
    let named = value.metadata.as_ref().and_then(|metadata| metadata.plugin_data.as_ref());
    let named = named.map(|data| data.plugin_name.as_str()).filter(|name| !name.is_empty());
    match &value.value {
        Some(Value::SimpleValue(_)) => {
            let has_class = value.metadata.as_ref().is_some_and(|of| of.data_class() != DataClass::Unknown);
            named.filter(|_| has_class).or(Some("scalars"))
        }
        Some(Value::Histo(_)) => Some("histograms"),
        Some(Value::Image(_)) => Some("images"),
        Some(Value::Audio(_)) => Some("audio"),
        Some(Value::Tensor(_)) | None => named,
    }
}

fn same_plugin(a: &SummaryMetadata, b: &SummaryMetadata) -> bool {
    let name = |of: &SummaryMetadata| of.plugin_data.as_ref().map(|data| data.plugin_name.clone());
    name(a) == name(b)
}

/// Whether something would be lost without this metadata.
fn is_telling(metadata: &SummaryMetadata) -> bool {
    !metadata.display_name.is_empty() || !metadata.summary_description.is_empty()
}

fn what_changed(first: &SummaryMetadata, later: &SummaryMetadata) -> String {
    let field = if first.plugin_data != later.plugin_data {
        "content"
    } else if first.display_name != later.display_name {
        "display name"
    } else if first.summary_description != later.summary_description {
        "description"
    } else {
        "data class"
    };
    format!("another {field} than that of the first value")
}
