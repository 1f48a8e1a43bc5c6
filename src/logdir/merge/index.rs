//! What the values of a run are, and where they stand.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use prost::Message as _;

use super::{budget::Budget, sources::SourceFile, tag::Tag};
use crate::{
    error::{Error, Result},
    logdir::{
        lint::decode_event,
        repair::{Piece, Salvage},
    },
    proto::{self, event::What, session_log::SessionStatus},
    record::Limits,
};

/// A value, and where it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct ValueAt {
    pub step: i64,
    pub wall_time: f64,
    /// Number in `Index::tags`.
    pub tag: u32,
    /// Number in `Index::files`.
    pub file: u32,
    /// Where its record begins, and how long the data of that is.
    pub offset: u64,
    pub length: u32,
    /// Which value of its event.
    pub index: u32,
}

/// A start of a session that makes values before it obsolete.
#[derive(Debug, Clone, Copy)]
pub(super) struct Restart {
    /// Number of values that come before it.
    pub before: usize,
    /// The first of these that are of the same source.
    pub from: usize,
    pub step: i64,
}

/// All values of the files that become one run, in the order in which these are taken.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub values: Vec<ValueAt>,
    pub restarts: Vec<Restart>,
    pub files: Vec<PathBuf>,
    pub tags: Vec<Tag>,
    pub damaged: u64,
    numbers: BTreeMap<(Sort, String), u32>,
}

/// Values that are not of a summary have names of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Sort {
    Summary,
    Graph,
    RunMetadata,
    MetaGraph,
}

impl Index {
    /// Reads all files.
    pub fn read(
        files: &[SourceFile],
        budget: &mut Budget<'_>,
        on_bytes: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<Index> {
        // Each source by itself, to see when it began.
        let mut sources: BTreeMap<usize, Index> = BTreeMap::new();
        budget.files(files.len())?;
        let mut before = 0;
        for file in files {
            let index = sources.entry(file.source).or_default();
            index.file(&file.file.path, budget, &mut |bytes| on_bytes(before + bytes))?;
            before += file.bytes;
        }
        let mut sources: Vec<Index> = sources.into_values().collect();
        for index in &mut sources {
            index.restarts.drain(..index.restarts.len().min(1)); // the first start of a source is no restart
        }
        let begin = |index: &Index| index.values.first().map_or(f64::INFINITY, |value| value.wall_time);
        sources.sort_by(|a, b| begin(a).total_cmp(&begin(b)));
        let mut sources = sources.into_iter();
        let mut all = sources.next().unwrap_or_default();
        for index in sources {
            all.append(index)?;
        }
        Ok(all)
    }

    fn file(
        &mut self,
        path: &Path,
        budget: &mut Budget<'_>,
        on_bytes: &mut dyn FnMut(u64) -> Result<()>,
    ) -> Result<()> {
        let file = self.files.len() as u32;
        self.files.push(path.to_owned());
        let limits = Limits { max_record_bytes: budget.limits.max_record_bytes };
        let mut salvage = Salvage::open(path, limits)?;
        while let Some(piece) = salvage.next(on_bytes)? {
            let Piece::Record { offset, data, .. } = piece else {
                self.damaged += 1;
                continue;
            };
            match decode_event(&data) {
                Ok(event) => self.event(file, offset, data.len() as u32, event, budget)?,
                Err(_) => self.damaged += 1,
            }
        }
        Ok(())
    }

    fn event(
        &mut self,
        file: u32,
        offset: u64,
        length: u32,
        event: proto::Event,
        budget: &mut Budget<'_>,
    ) -> Result<()> {
        // A time that is not finite would stop the data server; there is nothing better than that of the value before.
        let before = self.values.last().map_or(0.0, |value| value.wall_time);
        let wall_time = if event.wall_time.is_finite() { event.wall_time } else { before };
        let at = ValueAt { step: event.step, wall_time, tag: 0, file, offset, length, index: 0 };
        match event.what {
            Some(What::Summary(summary)) => {
                for (index, mut value) in summary.value.into_iter().enumerate() {
                    let what = Tag::of(&mut value, file);
                    let tag = self.new_tag(Sort::Summary, value.tag, what, budget)?;
                    budget.value()?;
                    self.values.push(ValueAt { tag, index: index as u32, ..at });
                }
            }
            Some(What::GraphDef(_)) => self.other(at, Sort::Graph, String::new(), budget)?,
            Some(What::MetaGraphDef(_)) => self.other(at, Sort::MetaGraph, String::new(), budget)?,
            Some(What::TaggedRunMetadata(run)) => self.other(at, Sort::RunMetadata, run.tag, budget)?,
            Some(What::SessionLog(log)) if log.status() == SessionStatus::Start => {
                budget.value()?;
                self.restarts.push(Restart { before: self.values.len(), from: 0, step: event.step });
            }
            _ => {}
        }
        Ok(())
    }

    fn other(&mut self, at: ValueAt, sort: Sort, name: String, budget: &mut Budget<'_>) -> Result<()> {
        let tag = self.new_tag(sort, name, Tag::unknown(at.file), budget)?;
        budget.value()?;
        self.values.push(ValueAt { tag, ..at });
        Ok(())
    }

    /// [`tag`](Index::tag), if the budget has room for it.
    fn new_tag(&mut self, sort: Sort, name: String, what: Tag, budget: &mut Budget<'_>) -> Result<u32> {
        let key = (sort, name);
        let known = self.numbers.get(&key).and_then(|&number| self.tags.get(number as usize));
        if known.is_none_or(|tag| tag.metadata.is_none() && what.metadata.is_some()) {
            let metadata = what.metadata.as_ref().map_or(0, |it| size_of_val(it) + it.encoded_len());
            budget.tag(&key.1, metadata, self.tags.len() + usize::from(known.is_none()))?;
        }
        self.tag(key, what)
    }

    /// The number of a tag of which a value says `what`.
    fn tag(&mut self, key: (Sort, String), what: Tag) -> Result<u32> {
        let Some(&number) = self.numbers.get(&key) else {
            let number = self.tags.len() as u32;
            self.numbers.insert(key, number);
            self.tags.push(what);
            return Ok(number);
        };
        let Some(known) = self.tags.get_mut(number as usize) else { return Ok(number) };
        if known.agrees(&what) {
            known.join(what);
            return Ok(number);
        }
        let in_file = |tag: &Tag| {
            let path = self.files.get(tag.file as usize).map(|path| path.display().to_string());
            format!("{} in {}", tag.describe(), path.unwrap_or_default())
        };
        let (first, other) = (in_file(&self.tags[number as usize]), in_file(&what));
        Err(Error::invalid(
            format!("tag `{}`", key.1),
            format!(
                "it holds {first}, and {other}: TensorBoard shows one kind for a tag. Leave one of the files out"
            ),
        ))
    }

    /// Takes the values of a source that began later.
    fn append(&mut self, other: Index) -> Result<()> {
        let (files, values) = (self.files.len() as u32, self.values.len());
        self.files.extend(other.files);
        let mut tags = vec![0; other.tags.len()];
        let mut what = other.tags;
        for (key, number) in other.numbers {
            let number = number as usize;
            let mut tag = std::mem::take(&mut what[number]);
            tag.file += files;
            tags[number] = self.tag(key, tag)?;
        }
        self.values.extend(other.values.into_iter().map(|value| ValueAt {
            tag: tags[value.tag as usize],
            file: files + value.file,
            ..value
        }));
        self.restarts.extend(other.restarts.into_iter().map(|restart| Restart {
            before: values + restart.before,
            from: values,
            ..restart
        }));
        self.damaged += other.damaged;
        Ok(())
    }
}
