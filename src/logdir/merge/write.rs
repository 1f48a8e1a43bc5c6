//! One file with the values of a run, in order.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process,
};

use prost::Message as _;

use super::index::{Index, ValueAt};
use crate::{
    error::{Error, Result},
    event::{header, sanitized_host},
    logdir::repair::NewFile,
    proto::{self, SummaryMetadata, event::What},
    record::{MaskedCrc, RecordEncoder},
    summary::Step,
};

/// Bytes before and after the data of a record.
const HEADER: u64 = 12;
const FOOTER: usize = 4;
/// Files that are kept open.
const MAX_OPEN: usize = 64;

/// Writes the values into a new file of the folder `folder`; its path.
pub(super) fn write(index: &Index, folder: &Path) -> Result<PathBuf> {
    let begin = index.values.iter().map(|value| value.wall_time).fold(f64::INFINITY, f64::min);
    let secs = begin.max(0.0) as u64;
    let path =
        folder.join(format!("events.out.tfevents.{secs:010}.{}.{}.0", sanitized_host(), process::id()));
    let mut output = NewFile::create(&path)?;
    let mut encoder = RecordEncoder::new();
    for event in header(begin, Step::default()) {
        encoder.push(&event.encode_to_vec());
    }
    let mut sources = Sources { paths: &index.files, open: BTreeMap::new() };
    let mut described = BTreeMap::new();
    let same_event = |a: &ValueAt, b: &ValueAt| (a.file, a.offset) == (b.file, b.offset);
    for values in index.values.chunk_by(same_event) {
        let data = sources.data(&values[0])?;
        match rewritten(index, values, &data, &mut described) {
            Some(event) => encoder.push(&event.encode_to_vec()),
            None => encoder.push(&data),
        }
        output.write(encoder.as_bytes())?;
        encoder.clear();
    }
    output.finish()?;
    Ok(path)
}

/// The event with these of its values; `described` has the metadata of tags that are in the file. `None` where it can stay as it is.
fn rewritten(
    index: &Index,
    values: &[ValueAt],
    data: &[u8],
    described: &mut BTreeMap<u32, Option<SummaryMetadata>>,
) -> Option<proto::Event> {
    let mut event = proto::Event::decode(data).ok()?;
    let mut changed = !event.wall_time.is_finite() || event.source_metadata.is_some();
    event.source_metadata = None; // belongs to the first event of a file
    event.wall_time = values[0].wall_time;
    if let Some(What::Summary(summary)) = &mut event.what {
        changed |= summary.value.len() != values.len();
        let all = std::mem::take(&mut summary.value);
        for at in values {
            let Some(value) = all.get(at.index as usize) else { continue };
            let mut value = value.clone();
            match described.get(&at.tag) {
                None => {
                    let known = index.tags.get(at.tag as usize).and_then(|tag| tag.metadata.clone());
                    changed |= value.metadata.is_none() && known.is_some();
                    value.metadata = value.metadata.or(known);
                    described.insert(at.tag, value.metadata.clone());
                }
                // Loaders would ignore what differs.
                Some(first) if value.metadata.is_some() && value.metadata != *first => {
                    value.metadata = None;
                    changed = true;
                }
                Some(_) => {}
            }
            summary.value.push(value);
        }
    }
    changed.then_some(event)
}

/// The files that values are read from.
struct Sources<'a> {
    paths: &'a [PathBuf],
    open: BTreeMap<u32, File>,
}

impl Sources<'_> {
    /// The data of the record that a value is in.
    fn data(&mut self, at: &ValueAt) -> Result<Vec<u8>> {
        let path = self.paths.get(at.file as usize).map_or(Path::new(""), PathBuf::as_path);
        if self.open.len() >= MAX_OPEN && !self.open.contains_key(&at.file) {
            self.open.clear();
        }
        let file = match self.open.entry(at.file) {
            std::collections::btree_map::Entry::Occupied(file) => file.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(File::open(path).map_err(|error| Error::io("open", path, error))?)
            }
        };
        let mut data = vec![0; at.length as usize + FOOTER];
        file.seek(SeekFrom::Start(at.offset + HEADER))
            .and_then(|_| file.read_exact(&mut data))
            .map_err(|error| Error::io("read", path, error))?;
        let footer = data.split_off(at.length as usize);
        if MaskedCrc::compute(&data).to_le_bytes()[..] != footer[..] {
            return Err(Error::invalid(
                path.display().to_string(),
                format!(
                    "the record at byte {} changed while it was read: try again when nobody writes",
                    at.offset
                ),
            ));
        }
        Ok(data)
    }
}
