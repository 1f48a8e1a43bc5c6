//! How much each time series takes.

use std::{collections::BTreeMap, path::Path};

use prost::Message as _;

use super::{MAX_RECORD_BYTES, decode_event, event_files};
use crate::{
    error::Result,
    logdir,
    proto::event::What,
    record::{Limits, RecordErrorKind, RecordReader},
    summary::GRAPH_TAG,
};

/// Bytes of a record that are not its data.
const FRAMING: u64 = 16;

/// Bytes that each time series takes in the event files at `path`, by run and tag. Values that a restart made obsolete
/// count, too; damaged records do not, nor does what is over the [`Limits`](logdir::Limits) of tags in a run. Tells `on_progress` how many bytes of all files were read so far; an error that it
/// returns ends the work.
///
/// ```
/// use convscope::{SummaryWriter, logdir::lint::series_bytes};
///
/// # let dir = tempfile::tempdir()?;
/// # let logs = dir.path();
/// let writer = SummaryWriter::open(logs.join("run"))?;
/// writer.add_scalar("loss", 0.5, 1)?;
/// writer.add_text("notes", &"long ".repeat(1000), 1)?;
/// writer.close()?;
///
/// let bytes = series_bytes(logs, &mut |_| Ok(()))?;
/// let of = |tag: &str| bytes[&("run".to_owned(), tag.to_owned())];
/// assert!(of("notes") > 5000 && of("loss") < 100);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// A path that is not there or cannot be read, and those of `on_progress`. Files that cannot be read count nothing.
pub fn series_bytes(
    path: impl AsRef<Path>,
    on_progress: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<BTreeMap<(String, String), u64>> {
    let mut sizes: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    let mut names = Names::default();
    let mut before = 0;
    for file in event_files(path.as_ref())? {
        let run = sizes.entry(file.run).or_default();
        let limits = Limits { max_record_bytes: MAX_RECORD_BYTES };
        let Ok(mut records) = RecordReader::open(&file.path, limits) else { continue };
        loop {
            on_progress(before + records.offset())?;
            match records.read_record() {
                Ok(Some(data)) => add(run, &mut names, data),
                Ok(None) => break,
                Err(error) => match error.kind {
                    RecordErrorKind::DataChecksum { .. } | RecordErrorKind::OverLimit { .. } => {}
                    _ => break,
                },
            }
        }
        before += file.bytes;
    }
    let of_run = |(run, tags): (String, BTreeMap<String, u64>)| {
        tags.into_iter().map(move |(tag, bytes)| ((run.clone(), tag), bytes))
    };
    Ok(sizes.into_iter().flat_map(of_run).collect())
}

/// Which names may still be kept.
#[derive(Debug, Default)]
struct Names {
    limits: logdir::Limits,
    bytes: usize,
}

impl Names {
    /// Whether there is room for a further tag of a run that has so many.
    fn take(&mut self, tags: usize, tag: &str) -> bool {
        let bytes = self.bytes + tag.len();
        let fits = tags < self.limits.max_tags
            && tag.len() <= self.limits.max_tag_bytes
            && bytes <= self.limits.max_metadata_bytes;
        self.bytes = if fits { bytes } else { self.bytes };
        fits
    }
}

fn add(sizes: &mut BTreeMap<String, u64>, names: &mut Names, data: &[u8]) {
    let mut count = |tag: &str, bytes: u64| {
        if let Some(sum) = sizes.get_mut(tag) {
            *sum += bytes;
        } else if names.take(sizes.len(), tag) {
            sizes.insert(tag.to_owned(), bytes);
        }
    };
    let record = data.len() as u64 + FRAMING;
    match decode_event(data).map(|event| event.what) {
        Ok(Some(What::Summary(summary))) => match &summary.value[..] {
            [value] => count(&value.tag, record),
            values => values.iter().for_each(|value| count(&value.tag, value.encoded_len() as u64)),
        },
        Ok(Some(What::GraphDef(_))) => count(GRAPH_TAG, record),
        Ok(Some(What::TaggedRunMetadata(metadata))) => count(&metadata.tag, record),
        _ => {}
    }
}
