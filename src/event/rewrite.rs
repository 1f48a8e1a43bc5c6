//! Event files without what a resumed training writes again.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use prost::Message as _;

use super::{Disk, bounds, disk::Output, unfinished, writer::write_all};
use crate::{
    error::{Error, ErrorKind, Result},
    proto::{self, event::What},
    record::{Limits, RecordEncoder, RecordErrorKind, RecordReader},
    summary::{HPARAMS_END_TAG, Step},
};

/// Bytes that are written at a time.
const CHUNK: usize = 1 << 20;
/// Longest record that is taken over: what a message can have at most.
const LIMITS: Limits = Limits { max_record_bytes: i32::MAX as u64 };

/// What one event file needs so that a training can go on from a step.
#[derive(Debug)]
pub(crate) struct Rewrite {
    path: PathBuf,
    /// Bytes of whole records.
    end: u64,
    change: Change,
    /// Events that go.
    pub dropped: u64,
}

#[derive(Debug)]
enum Change {
    None,
    /// A torn record at the end is cut off.
    Cut,
    /// Only what the filter keeps stays. It is in the state that it has at the start of the file.
    Filter(Filter),
}

/// Says of each event of a run whether it stays. The run's files go through it in the order of their names.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    /// Values of this step and later ones go.
    step: Step,
    /// By tag: metadata that went with a dropped value, for the next one that stays; `None` where a value that has
    /// its own stayed.
    metadata: HashMap<String, Option<proto::SummaryMetadata>>,
}

/// What becomes of an event.
enum Verdict {
    Keep,
    Drop,
    Replace(proto::Event),
}

impl Filter {
    pub(crate) fn new(step: Step) -> Filter {
        Filter { step, metadata: HashMap::new() }
    }

    /// Each file brings its metadata again; what was dropped before it and nobody took is still needed.
    fn begin_file(&mut self) {
        self.metadata.retain(|_, metadata| metadata.is_some());
    }

    fn judge(&mut self, mut event: proto::Event) -> Verdict {
        let stale = event.step >= self.step.get();
        match &mut event.what {
            Some(What::Summary(summary)) => {
                let mut changed = false;
                summary.value.retain_mut(|value| {
                    // Readers keep the first end of a session: that of the stopped one would stand for ever.
                    let stays = !stale && value.tag != HPARAMS_END_TAG;
                    changed |= if stays { self.give_metadata(value) } else { self.keep_metadata(value) };
                    stays
                });
                match (changed, summary.value.is_empty()) {
                    (false, _) => Verdict::Keep,
                    (true, true) => Verdict::Drop,
                    (true, false) => Verdict::Replace(event),
                }
            }
            Some(What::GraphDef(_) | What::MetaGraphDef(_) | What::TaggedRunMetadata(_)) if stale => {
                Verdict::Drop
            }
            _ => Verdict::Keep,
        }
    }

    /// A value goes: its tag's metadata must not go with it.
    fn keep_metadata(&mut self, value: &mut proto::summary::Value) -> bool {
        if let Some(metadata) = value.metadata.take().filter(|_| value.tag != HPARAMS_END_TAG) {
            self.metadata.entry(value.tag.clone()).or_insert(Some(metadata));
        }
        true
    }

    /// A value stays: it gets what a dropped value of its tag had. Says whether that is so.
    fn give_metadata(&mut self, value: &mut proto::summary::Value) -> bool {
        if value.metadata.is_some() {
            self.metadata.insert(value.tag.clone(), None);
            return false;
        }
        value.metadata = self.metadata.get_mut(&value.tag).and_then(Option::take);
        value.metadata.is_some()
    }
}

impl Rewrite {
    /// Reads a file and finds out what it needs. Changes nothing.
    ///
    /// # Errors
    /// What the operating system refuses, and [`ErrorKind::Damaged`] for a file that cannot be read to its end.
    pub(crate) fn plan(path: &Path, filter: &mut Filter) -> Result<Rewrite> {
        filter.begin_file();
        let before = filter.clone();
        let mut records = open(path)?;
        let (mut dropped, mut changes) = (0, false);
        let torn = loop {
            let offset = records.offset();
            let data = match records.read_record() {
                Ok(Some(data)) => data,
                Ok(None) => break false,
                Err(error) if matches!(error.kind, RecordErrorKind::Truncated { .. }) => break true,
                Err(error) if matches!(error.kind, RecordErrorKind::LengthChecksum { .. }) => {
                    // After a power cut a file can be longer than what was written to it.
                    if only_zeros(path, offset)? {
                        break true;
                    }
                    return Err(damaged(path, error.into()));
                }
                Err(error) => return Err(damaged(path, error.into())),
            };
            match filter.judge(decode(path, offset, data)?) {
                Verdict::Keep => {}
                Verdict::Drop => dropped += 1,
                Verdict::Replace(_) => changes = true,
            }
        };
        let end = records.offset();
        let change = match (changes || dropped > 0, torn) {
            (true, _) => Change::Filter(before),
            (false, true) => Change::Cut,
            (false, false) => Change::None,
        };
        Ok(Rewrite { path: path.to_owned(), end, change, dropped })
    }

    /// Changes the file, if it needs it: by cutting off its end, or by a new file that takes its place in one
    /// step. Whenever it is interrupted, there is the old file or the new one.
    ///
    /// # Errors
    /// What the operating system refuses. The file is then as it was.
    pub(crate) fn apply(self, disk: &dyn Disk) -> Result<()> {
        match self.change {
            Change::None => Ok(()),
            Change::Cut => disk
                .cut(&self.path, self.end)
                .map_err(|error| Error::io("cut the torn end off", &self.path, error)),
            Change::Filter(filter) => replace(disk, &self.path, self.end, filter),
        }
    }
}

/// Puts what the filter keeps of the first `end` bytes in the place of a file.
fn replace(disk: &dyn Disk, path: &Path, end: u64, filter: Filter) -> Result<()> {
    unfinished::replace(disk, path, |output, new| write_kept(path, end, filter, output, new))
}

fn write_kept(path: &Path, end: u64, mut filter: Filter, output: &mut dyn Output, new: &Path) -> Result<()> {
    let mut records = open(path)?;
    let mut encoder = RecordEncoder::new();
    while records.offset() < end {
        let offset = records.offset();
        let Some(data) = records.read_record().map_err(|error| damaged(path, error.into()))? else { break };
        match filter.judge(decode(path, offset, data)?) {
            // Byte for byte, with whatever this program knows nothing of.
            Verdict::Keep => encoder.push(data),
            Verdict::Drop => {}
            Verdict::Replace(event) => encoder.push(&event.encode_to_vec()),
        }
        if encoder.len() >= CHUNK {
            write_out(output, new, &mut encoder)?;
        }
    }
    write_out(output, new, &mut encoder)?;
    let permissions = fs::metadata(path).map_err(|error| Error::io("read", path, error))?.permissions();
    fs::set_permissions(new, permissions).map_err(|error| Error::io("set the permissions of", new, error))
}

fn write_out(output: &mut dyn Output, path: &Path, encoder: &mut RecordEncoder) -> Result<()> {
    write_all(output, encoder.as_bytes()).1.map_err(|error| Error::io("write to", path, error))?;
    encoder.clear();
    Ok(())
}

fn open(path: &Path) -> Result<RecordReader<File>> {
    let opened = RecordReader::open(path, LIMITS);
    opened.map_err(|error| match error.kind {
        RecordErrorKind::Io(source) => Error::io("read", path, source),
        _ => error.into(),
    })
}

fn decode(path: &Path, offset: u64, data: &[u8]) -> Result<proto::Event> {
    let bad = |source| ErrorKind::Event { path: Some(path.to_owned()), offset, source };
    // Before it is unpacked, as a small event can take very much memory then.
    let event = match bounds::parts(data) {
        Ok(..=bounds::MOST_PARTS) => proto::Event::decode(data).map_err(bad),
        Ok(parts) => {
            let limit = bounds::MOST_PARTS;
            Err(ErrorKind::EventParts { path: Some(path.to_owned()), offset, parts, limit })
        }
        Err(source) => Err(bad(source)),
    };
    event.map_err(|kind| damaged(path, Error::new(kind)))
}

fn damaged(path: &Path, source: Error) -> Error {
    match source.into_kind() {
        // Nothing is wrong with the file.
        ErrorKind::Record(error) if matches!(error.kind, RecordErrorKind::Io(_)) => error.into(),
        kind => Error::new(ErrorKind::Damaged { path: path.to_owned(), source: Error::new(kind) }),
    }
}

/// Whether nothing but zeros follows from byte `offset` on.
fn only_zeros(path: &Path, offset: u64) -> Result<bool> {
    let read = || {
        let mut file = File::open(path)?;
        std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(offset))?;
        let mut chunk = vec![0; CHUNK];
        loop {
            match file.read(&mut chunk)? {
                0 => return Ok(true),
                read if chunk[..read].iter().any(|byte| *byte != 0) => return Ok(false),
                _ => {}
            }
        }
    };
    read().map_err(|error| Error::io("read", path, error))
}
