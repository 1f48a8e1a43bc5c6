//! Values that are read from their file when somebody asks for them.

use std::{
    fs::File,
    io::{Seek as _, SeekFrom},
    path::Path,
};

use prost::Message as _;

use super::{
    file::LogFile,
    skim::{self, What},
};
use crate::{
    error::{Error, ErrorKind, Result},
    event::count_fields,
    proto::summary::{self, value::Value},
    record::{Limits, RecordError, RecordErrorKind, RecordReader},
};

/// Most parts of a value that take more memory than bytes in the file: texts and dimensions of a tensor.
pub(super) const MAX_PARTS: usize = 1 << 20;

/// A value as it stands in the file.
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::large_enum_variant)] // there is one at a time
pub(super) enum Stored {
    /// A serialized `GraphDef`.
    Graph(Vec<u8>),
    /// A serialized `RunMetadata`.
    RunMetadata(Vec<u8>),
    /// A value of a summary; `None` where it only says something of its tag.
    Value(Option<Value>),
}

/// The files of a run, open as long as values of one file are read.
#[derive(Debug)]
pub(super) struct Store<'a> {
    files: &'a [LogFile],
    max_record_bytes: u64,
    open: Option<(usize, File)>,
}

impl<'a> Store<'a> {
    pub fn new(files: &'a [LogFile], max_record_bytes: u64) -> Store<'a> {
        Store { files, max_record_bytes, open: None }
    }

    /// The value of `tag` that is number `index` of the event at `offset`.
    pub fn read(&mut self, file: usize, tag: &str, offset: u64, index: u32) -> Result<Stored> {
        let path = self.files[file].path();
        let data = self.record(file, offset)?;
        find(&data, tag, index as usize, path, offset)
    }

    fn record(&mut self, number: usize, offset: u64) -> Result<Vec<u8>> {
        let path = self.files[number].path();
        let io = |error| Error::io("read", path, error);
        let mut file = match self.open.take() {
            Some((open, file)) if open == number => file,
            _ => File::open(path).map_err(io)?,
        };
        file.seek(SeekFrom::Start(offset)).map_err(io)?;
        let limits = Limits { max_record_bytes: self.max_record_bytes };
        let mut records = RecordReader::with_limits(&file, limits);
        let data = match records.read_record() {
            Ok(Some(data)) => data.to_vec(),
            Ok(None) => return Err(changed(path, offset)),
            Err(RecordError { kind: RecordErrorKind::Io(error), .. }) => return Err(io(error)),
            // The record was sound when it was found.
            Err(_) => return Err(changed(path, offset)),
        };
        self.open = Some((number, file));
        Ok(data)
    }
}

/// The value in a serialized event.
fn find(data: &[u8], tag: &str, index: usize, path: &Path, offset: u64) -> Result<Stored> {
    let wire = |source| Error::new(ErrorKind::Event { path: Some(path.to_owned()), offset, source });
    let event = skim::event(data).map_err(wire)?;
    match event.what {
        What::Graph => {
            let graph = skim::bytes_field(data, 4).map_err(wire)?.unwrap_or_default();
            Ok(Stored::Graph(graph.to_vec()))
        }
        What::RunMetadata(found) if found == tag.as_bytes() => {
            let tagged = skim::bytes_field(data, 8).map_err(wire)?.unwrap_or_default();
            let metadata = skim::bytes_field(tagged, 2).map_err(wire)?.unwrap_or_default();
            Ok(Stored::RunMetadata(metadata.to_vec()))
        }
        What::Summary(summary) => {
            let value =
                skim::values(summary).nth(index).ok_or_else(|| changed(path, offset))?.map_err(wire)?;
            if skim::value(value).map_err(wire)?.tag != tag.as_bytes() {
                return Err(changed(path, offset));
            }
            if parts(value).map_err(wire)? > MAX_PARTS {
                return Err(Error::invalid(
                    format!("tag `{tag}`"),
                    format!(
                        "the value at byte {offset} of {} has more than {MAX_PARTS} texts or dimensions",
                        path.display()
                    ),
                ));
            }
            Ok(Stored::Value(summary::Value::decode(value).map_err(wire)?.value))
        }
        _ => Err(changed(path, offset)),
    }
}

/// How many texts and dimensions the tensor in a serialized value has: each takes up to 32 bytes in memory, and 2 in the
/// file.
fn parts(value: &[u8]) -> Result<usize, prost::DecodeError> {
    Ok(count_fields(value, &[8, 8])? + count_fields(value, &[8, 2, 2])?)
}

fn changed(path: &Path, offset: u64) -> Error {
    Error::invalid(
        "event file",
        format!(
            "{} has no value at byte {offset} any more: it changed. Refresh the log folder",
            path.display()
        ),
    )
}
