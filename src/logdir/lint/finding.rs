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

/// Most findings of one rule in one file that are told one by one.
const MAX_PER_RULE: usize = 100;
/// Most findings that are told one by one, and most bytes of their texts.
const MAX_FINDINGS: usize = 10_000;
const MAX_BYTES: usize = 16 << 20;
/// Longest message, in characters.
const MAX_MESSAGE: usize = 1000;

/// Collects findings, a bounded number of them.
#[derive(Debug, Default)]
pub(super) struct Findings {
    files: BTreeMap<PathBuf, BTreeMap<Rule, OfRule>>,
    /// Those for which there is no room, of all files.
    rest: BTreeMap<Rule, Finding>,
    count: usize,
    bytes: usize,
}

/// Findings of one rule in one file.
#[derive(Debug, Default)]
struct OfRule {
    /// By tag; that without one is under the empty tag.
    tags: BTreeMap<String, Finding>,
    /// Those of further tags, as one.
    more: Option<Finding>,
}

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
        let tag = place.tag.unwrap_or_default();
        let known = self.files.get_mut(place.file).and_then(|rules| rules.get_mut(&rule));
        let finding = match known {
            Some(OfRule { tags, .. }) if tags.contains_key(tag) => tags.get_mut(tag),
            Some(OfRule { tags, more }) if tags.len() >= MAX_PER_RULE => {
                Some(more.get_or_insert_with(|| further(rule, place, "of further tags of the file")))
            }
            _ if self.count >= MAX_FINDINGS || self.bytes >= MAX_BYTES => {
                let new = || further(rule, Place { tag: None, ..place }, "in this and other files");
                Some(self.rest.entry(rule).or_insert_with(new))
            }
            _ => None,
        };
        match finding {
            Some(finding) => {
                finding.count += 1;
                finding.severity = finding.severity.max(severity);
            }
            None => self.insert(severity, rule, place, message()),
        }
    }

    fn insert(&mut self, severity: Severity, rule: Rule, place: Place<'_>, message: String) {
        let message = match message.char_indices().nth(MAX_MESSAGE) {
            Some((end, _)) => format!("{}...", &message[..end]),
            None => message,
        };
        let finding = Finding {
            rule,
            severity,
            file: place.file.to_owned(),
            offset: place.offset,
            tag: place.tag.map(str::to_owned),
            step: place.step,
            count: 1,
            message,
        };
        let tag = place.tag.unwrap_or_default().to_owned();
        self.count += 1;
        self.bytes += finding.message.len() + 2 * tag.len() + place.file.as_os_str().len();
        if !self.files.contains_key(place.file) {
            self.files.insert(place.file.to_owned(), BTreeMap::new());
        }
        if let Some(rules) = self.files.get_mut(place.file) {
            rules.entry(rule).or_default().tags.insert(tag, finding);
        }
    }

    /// Whether nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// By file, place, rule and tag.
    pub fn into_sorted(self) -> Vec<Finding> {
        let of_rules = self.files.into_values().flat_map(BTreeMap::into_values);
        let mut findings: Vec<Finding> = of_rules
            .flat_map(|of| of.tags.into_values().chain(of.more))
            .chain(self.rest.into_values())
            .collect();
        findings
            .sort_by(|a, b| (&a.file, a.offset, a.rule, &a.tag).cmp(&(&b.file, b.offset, b.rule, &b.tag)));
        findings
    }
}

/// A finding that stands for all those that are not told one by one.
fn further(rule: Rule, place: Place<'_>, which: &str) -> Finding {
    Finding {
        rule,
        severity: Severity::Note,
        file: place.file.to_owned(),
        offset: place.offset,
        tag: None,
        step: place.step,
        count: 0,
        message: format!("more {which}, which are not told one by one; this is the first"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_are_bounded_by_rule_and_in_all() {
        let mut findings = Findings::default();
        let files: Vec<PathBuf> = (0..200).map(|n| PathBuf::from(format!("{n:03}"))).collect();
        for file in &files {
            for offset in 0..150 {
                let tag = offset.to_string();
                let place = Place { tag: Some(&tag), ..Place::record(file, offset) };
                findings.add(Rule::NoValue, place, || "x".repeat(5000));
                findings.add(Rule::NoValue, place, || "again".to_owned());
            }
        }
        let last = Place::file(&files[199]);
        findings.add_as(Severity::Error, Rule::Unreadable, last, || "lost".to_owned());
        let found = findings.into_sorted();
        assert_eq!(found.iter().map(|finding| finding.count).sum::<u64>(), 200 * 150 * 2 + 1);
        // 100 files with all their findings, each with one for 50 further tags, then one for each rule.
        assert_eq!(found.len(), 100 * 101 + 2);
        let more = &found[100];
        assert_eq!((more.count, &more.tag, more.severity), (100, &None, Severity::Warning));
        assert_eq!(found[0].message.len(), MAX_MESSAGE + 3);
        let rest: Vec<_> = found[10_100..].iter().map(|of| (of.rule, of.severity, of.count)).collect();
        assert_eq!(
            rest,
            [(Rule::NoValue, Severity::Warning, 100 * 300), (Rule::Unreadable, Severity::Error, 1)]
        );
    }
}
