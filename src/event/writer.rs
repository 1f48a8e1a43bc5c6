//! Event files, written.

use std::{
    collections::HashSet,
    fmt, io,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use prost::Message as _;

use super::{
    Disk, RealDisk, Sample,
    disk::{Output, create_folders},
    file_name::{check_suffix, is_event_file, next_file_name},
    projector,
    size::EventSize,
};
use crate::{
    error::{Error, Result},
    proto::{self, event::What},
    record::RecordEncoder,
    summary::{Encoded, Step, Tag, WallTime},
};

/// First event of every file.
pub(crate) const FILE_VERSION: &str = "brain.Event:2";
/// Who wrote it.
const WRITER: &str = concat!("convscope ", env!("CARGO_PKG_VERSION"));
/// Bytes that are written at a time, or one record if that is longer.
const CHUNK: usize = 1 << 20;
/// Memory that a file keeps for the next batch, in bytes and in records.
const KEPT_BYTES: usize = 64 << 10;
const KEPT_RECORDS: usize = 256;
/// The session's start in a folder with earlier event files: beyond every value, so that none is forgotten.
const FORGET_NOTHING: Step = Step::new(i64::MAX);
/// How often another name is tried when somebody else takes the one that was free.
const NAME_ATTEMPTS: usize = 100;

/// How an event file is made.
#[derive(Debug, Clone, Default)]
pub struct EventFileOptions {
    /// End of the file's name. The default is none.
    pub suffix: String,
    /// First step of the session, where training resumes: TensorBoard's Python loader forgets what earlier files of
    /// the folder say of this step and those after. Without it nothing is forgotten. The files stay as they are;
    /// [`SummaryWriter::resume`](crate::SummaryWriter::resume) changes them.
    pub start: Option<Step>,
}

/// Writes one event file.
///
/// Each [`append`](EventFileWriter::append) writes whole records to the operating system, about a MiB at a time: nothing
/// is held back, and a reader sees it at once. What TensorBoard must know of a tag is sent with its first sample.
///
/// ```
/// use convscope::{Step, Summary, Tag, WallTime};
/// use convscope::event::{EventFileOptions, EventFileReader, EventFileWriter, Sample};
///
/// # let dir = tempfile::tempdir()?;
/// # let run = dir.path();
/// let mut file = EventFileWriter::create(run, &EventFileOptions::default())?;
/// file.append(&[Sample {
///     tag: Tag::new("loss")?,
///     step: Step::new(3),
///     wall_time: WallTime::now(),
///     summary: Summary::scalar(0.5),
/// }])?;
///
/// let steps: Vec<i64> = EventFileReader::open(file.path())?.map(|event| Ok(event?.step)).collect::<Result<_, convscope::Error>>()?;
/// assert_eq!(steps, [0, 0, 3]); // file version, start of the session, the value
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct EventFileWriter {
    path: PathBuf,
    output: Box<dyn Output>,
    /// Bytes of whole records in the file.
    len: u64,
    /// The file ends in a torn record that could not be cut off.
    torn: bool,
    /// Tags whose metadata is in the file.
    sent: HashSet<Tag>,
    encoder: RecordEncoder,
    /// Samples that `encoder` holds: index in the batch, where its record ends, whether metadata went with it.
    encoded: Vec<Framed>,
    /// Reused, so that a scalar allocates nothing.
    event: proto::Event,
    pub(super) size: EventSize,
}

struct Framed {
    index: usize,
    end: usize,
    first_of_tag: bool,
}

impl fmt::Debug for EventFileWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventFileWriter")
            .field("path", &self.path)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Appended {
    /// So many samples from the start of the batch are done with: in the file, or in `unencodable`.
    pub done: usize,
    /// Samples that can never be written, and why.
    pub unencodable: Vec<Error>,
    /// Why the others are not in the file.
    pub failure: Option<Error>,
}

impl EventFileWriter {
    /// Makes a file in the folder `run`, and the folder if need be. Its name is new and sorts after the event files
    /// that are there.
    ///
    /// # Errors
    /// A suffix that no file name can have, and what the operating system refuses. No empty file is left then.
    pub fn create(run: impl AsRef<Path>, options: &EventFileOptions) -> Result<EventFileWriter> {
        EventFileWriter::create_on(&RealDisk, run.as_ref(), options)
    }

    pub(crate) fn create_on(
        disk: &dyn Disk,
        run: &Path,
        options: &EventFileOptions,
    ) -> Result<EventFileWriter> {
        check_suffix(&options.suffix)?;
        create_folders(disk, run).map_err(|error| Error::io("create the folder", run, error))?;
        let (path, output, others) = create_file(disk, run, &options.suffix)?;
        let mut file = EventFileWriter {
            path,
            output,
            len: 0,
            torn: false,
            sent: HashSet::new(),
            encoder: RecordEncoder::new(),
            encoded: Vec::new(),
            event: proto::Event::default(),
            size: EventSize::default(),
        };
        let start = options.start.unwrap_or(if others { FORGET_NOTHING } else { Step::default() });
        if let Err(error) = file.write_header(start) {
            // An empty or torn file would only be in the way.
            let _ = disk.remove(&file.path);
            return Err(error);
        }
        Ok(file)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes in the file.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Appends samples.
    ///
    /// # Errors
    /// What the operating system refuses; then the file holds the first samples or none, and ends with a whole
    /// record. A sample that cannot be encoded; then the others are in the file.
    pub fn append(&mut self, samples: &[Sample]) -> Result<()> {
        let mut appended = self.append_some(&RealDisk, samples);
        match appended.failure {
            Some(failure) => Err(failure),
            None => appended.unencodable.drain(..).next().map_or(Ok(()), Err),
        }
    }

    /// Waits until everything is on the device, the file's name in its folder too.
    ///
    /// # Errors
    /// What the operating system refuses.
    pub fn sync(&mut self) -> Result<()> {
        self.output.sync().map_err(|error| Error::io("write to", &self.path, error))?;
        let run = self.path.parent().unwrap_or(&self.path);
        self.output.sync_dir(run).map_err(|error| Error::io("write to the folder", run, error))
    }

    /// Appends as many samples as it can; embeddings become files on `disk`, beside this one.
    pub(crate) fn append_some(&mut self, disk: &dyn Disk, samples: &[Sample]) -> Appended {
        let mut all = Appended::default();
        while all.done < samples.len() && all.failure.is_none() {
            let chunk = self.append_chunk(disk, &samples[all.done..]);
            all.done += chunk.done;
            all.unencodable.extend(chunk.unencodable);
            all.failure = chunk.failure;
        }
        all
    }

    /// Appends the first samples, at least one if nothing fails: as many as are written at a time.
    fn append_chunk(&mut self, disk: &dyn Disk, samples: &[Sample]) -> Appended {
        let mut unencodable = Vec::new();
        let (end, stopped) = self.encode(disk, samples, &mut unencodable);
        let written = self.write_out();
        // What is left in `self.encoded` did not get into the file.
        for lost in self.encoded.iter().filter(|lost| lost.first_of_tag) {
            self.sent.remove(&samples[lost.index].tag);
        }
        let done = self.encoded.first().map_or(end, |first| first.index);
        unencodable.retain(|(index, _)| *index < done);
        let unencodable = unencodable.into_iter().map(|(_, error)| error).collect();
        Appended { done, unencodable, failure: written.err().or(stopped) }
    }

    /// Whether writing can go on: not if the file is no longer where it was, nor if it ends in a torn record.
    pub(crate) fn is_sound(&self) -> bool {
        !self.torn && !self.is_gone()
    }

    /// Whether the file was removed or replaced by somebody else.
    pub(crate) fn is_gone(&self) -> bool {
        !self.output.is_at(&self.path)
    }

    fn write_header(&mut self, start: Step) -> Result<()> {
        for event in header(WallTime::now().secs(), start) {
            push_event(&mut self.encoder, &event);
        }
        self.write_out()
    }

    /// Frames the first samples in `self.encoder` and writes the files of embeddings; notes which cannot be encoded and
    /// why. Returns how far it came, and whether that is because a file could not be written.
    fn encode(
        &mut self,
        disk: &dyn Disk,
        samples: &[Sample],
        unencodable: &mut Vec<(usize, Error)>,
    ) -> (usize, Option<Error>) {
        self.encoder.clear();
        self.encoded.clear();
        for (index, sample) in samples.iter().enumerate() {
            let pushed = match sample.summary.encode() {
                Ok(encoded) => self.push(disk, index, sample, encoded),
                Err(error) => Err(error),
            };
            match pushed {
                Ok(()) => {}
                Err(error) if error.is_io() => return (index, Some(error)),
                Err(error) => unencodable.push((index, error)),
            }
            if self.encoder.len() >= CHUNK {
                return (index + 1, None);
            }
        }
        (samples.len(), None)
    }

    fn push(&mut self, disk: &dyn Disk, index: usize, sample: &Sample, encoded: Encoded) -> Result<()> {
        let mut first_of_tag = false;
        match encoded {
            Encoded::Value(value) => {
                first_of_tag = !self.sent.contains(&sample.tag);
                let metadata = first_of_tag.then(|| sample.summary.metadata());
                fill(&mut self.event, sample, metadata, value);
                if let Err(error) = self.size.check(sample, self.event.encoded_len()) {
                    // Its memory is of no use for the next one.
                    self.event = proto::Event::default();
                    return Err(error);
                }
                if first_of_tag {
                    self.sent.insert(sample.tag.clone());
                }
                push_event(&mut self.encoder, &self.event);
            }
            Encoded::GraphDef(bytes) => {
                let event = graph_event(sample, bytes);
                self.size.check(sample, event.encoded_len())?;
                push_event(&mut self.encoder, &event);
            }
            Encoded::Embedding(files) => {
                let run = self.path.parent().unwrap_or(Path::new("."));
                return projector::write(disk, run, &sample.tag, sample.step, &files);
            }
        }
        self.encoded.push(Framed { index, end: self.encoder.len(), first_of_tag });
        Ok(())
    }

    /// Writes what the encoder holds. On failure the file is cut back to its last whole record, and what is in it is
    /// dropped from `self.encoded`.
    fn write_out(&mut self) -> Result<()> {
        let (written, result) = write_all(&mut *self.output, self.encoder.as_bytes());
        let Err(error) = result else {
            self.len += written as u64;
            self.encoded.clear();
            self.encoded.shrink_to(KEPT_RECORDS);
            self.encoder.clear();
            self.encoder.shrink_to(KEPT_BYTES);
            return Ok(());
        };
        let whole = self.encoded.iter().take_while(|sample| sample.end <= written).count();
        let kept = self.encoded[..whole].last().map_or(0, |sample| sample.end);
        self.len += kept as u64;
        self.torn = written > kept && self.output.cut(self.len).is_err();
        self.encoded.drain(..whole);
        Err(Error::io("write to", &self.path, error))
    }
}

/// Makes a new file; says also whether there were other event files.
fn create_file(disk: &dyn Disk, run: &Path, suffix: &str) -> Result<(PathBuf, Box<dyn Output>, bool)> {
    for _ in 0..NAME_ATTEMPTS {
        let existing = disk.names(run).map_err(|error| Error::io("read the folder", run, error))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let path = run.join(next_file_name(now, &existing, suffix));
        match disk.create_new(&path) {
            Ok(output) => {
                // Asked again: of two writers that begin at once, one at least must see the other.
                let others = disk.names(run).unwrap_or(existing);
                let own = path.file_name();
                let others = others.iter().any(|name| is_event_file(name) && Some(&**name) != own);
                return Ok((path, output, others));
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io("create", path, error)),
        }
    }
    Err(Error::io("create an event file in", run, io::ErrorKind::AlreadyExists.into()))
}

/// How much was written, and why not everything.
pub(super) fn write_all(output: &mut dyn Output, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match output.write(&bytes[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

/// The first events of every file: its version with the writer, and the start of the session at a step.
pub(crate) fn header(wall_time: f64, start: Step) -> [proto::Event; 2] {
    let status = proto::session_log::SessionStatus::Start.into();
    let session = proto::SessionLog { status, ..Default::default() };
    [
        proto::Event {
            wall_time,
            what: Some(What::FileVersion(FILE_VERSION.to_owned())),
            source_metadata: Some(proto::SourceMetadata { writer: WRITER.to_owned() }),
            ..Default::default()
        },
        proto::Event {
            wall_time,
            step: start.get(),
            what: Some(What::SessionLog(session)),
            ..Default::default()
        },
    ]
}

fn push_event(encoder: &mut RecordEncoder, event: &proto::Event) {
    // Encoding fails for lack of room only, and a Vec grows.
    encoder.push_with(|buffer| event.encode(buffer).unwrap_or_default());
}

fn graph_event(sample: &Sample, graph_def: Vec<u8>) -> proto::Event {
    proto::Event {
        wall_time: sample.wall_time.secs(),
        step: sample.step.get(),
        what: Some(What::GraphDef(graph_def)),
        ..Default::default()
    }
}

/// Makes `event` the sample's, in the memory of the one before.
fn fill(
    event: &mut proto::Event,
    sample: &Sample,
    metadata: Option<proto::SummaryMetadata>,
    value: proto::summary::value::Value,
) {
    event.wall_time = sample.wall_time.secs();
    event.step = sample.step.get();
    let mut values = match event.what.take() {
        Some(What::Summary(summary)) => summary.value,
        _ => Vec::new(),
    };
    let mut slot = values.pop().unwrap_or_default();
    slot.tag.clear();
    slot.tag.push_str(sample.tag.as_str());
    slot.metadata = metadata;
    slot.value = Some(value);
    values.push(slot);
    event.what = Some(What::Summary(proto::Summary { value: values }));
}
