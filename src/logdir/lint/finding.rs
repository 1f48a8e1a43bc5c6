//! What was found.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use super::{Rule, Severity};

/// Something that is wrong. The same in one file and tag is one finding, with the place of the first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What is wrong.
    pub rule: Rule,
    /// How bad it is.
    pub severity: Severity,
    /// In which file or folder.
    pub file: PathBuf,
    /// Where the first record of it begins, in bytes; `None` where the file or folder itself is wrong.
    pub offset: Option<u64>,
    /// In which time series, if it is about one; the file that a projector configuration names.
    pub tag: Option<String>,
    /// Step of the first, if it has one.
    pub step: Option<i64>,
    /// How often, at least 1.
    pub count: u64,
    /// What was found and what was expected, of the first.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(offset) = self.offset {
            write!(f, ": byte {offset}")?;
        }
        if let Some(tag) = &self.tag {
            write!(f, ": tag `{tag}`")?;
        }
        write!(f, ": {} [{}]: {}", self.severity, self.rule, self.message)?;
        if self.count > 1 { write!(f, " ({} times)", self.count) } else { Ok(()) }
    }
}

/// What [`verify`](super::verify) saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Everything that is wrong, by file and place.
    pub findings: Vec<Finding>,
    /// How many runs there are.
    pub runs: u64,
    /// How many event files.
    pub files: u64,
    /// How many events could be read.
    pub events: u64,
    /// How many bytes the files have.
    pub bytes: u64,
}

impl Report {
    /// How many findings are of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

/// Where something is wrong.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub file: &'a Path,
    pub offset: Option<u64>,
    pub tag: Option<&'a str>,
    pub step: Option<i64>,
}

impl<'a> Place<'a> {
    /// A file or folder as a whole.
    pub fn file(file: &'a Path) -> Place<'a> {
        Place { file, offset: None, tag: None, step: None }
    }

    /// A record.
    pub fn record(file: &'a Path, offset: u64) -> Place<'a> {
        Place { offset: Some(offset), ..Place::file(file) }
    }
}

/// Collects findings.
#[derive(Debug, Default)]
pub(super) struct Findings(BTreeMap<(PathBuf, Rule, Option<String>), Finding>);

impl Findings {
    /// Notes something that is as bad as its rule says.
    pub fn add(&mut self, rule: Rule, place: Place<'_>, message: impl FnOnce() -> String) {
        self.add_as(rule.severity(), rule, place, message);
    }

    /// Notes something; `message` is asked for the first time only.
    pub fn add_as(
        &mut self,
        severity: Severity,
        rule: Rule,
        place: Place<'_>,
        message: impl FnOnce() -> String,
    ) {
        let key = (place.file.to_owned(), rule, place.tag.map(str::to_owned));
        let new = || Finding {
            rule,
            severity,
            file: place.file.to_owned(),
            offset: place.offset,
            tag: place.tag.map(str::to_owned),
            step: place.step,
            count: 0,
            message: message(),
        };
        let finding = self.0.entry(key).or_insert_with(new);
        finding.count += 1;
        finding.severity = finding.severity.max(severity);
    }

    /// Whether nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// By file, place, rule and tag.
    pub fn into_sorted(self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = self.0.into_values().collect();
        findings
            .sort_by(|a, b| (&a.file, a.offset, a.rule, &a.tag).cmp(&(&b.file, b.offset, b.rule, &b.tag)));
        findings
    }
}
