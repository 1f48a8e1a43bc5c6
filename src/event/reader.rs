//! Event files, read back.

use std::{fs::File, io::Read, path::Path};

use prost::Message as _;

use super::bounds;
use crate::{
    error::{Error, ErrorKind, Result},
    proto,
    record::{Limits, RecordErrorKind, RecordReader},
};

/// Reads the events of a file in their order, also of one that grows.
///
/// As an iterator it ends where the file ends now; ask again later, and it goes on with what was appended. An error
/// that stands in the way of the next event ([`RecordErrorKind`] says which do) is returned once; then the
/// iterator ends as well, until there is more to read. After a damaged event that can be skipped it goes on.
///
/// One event is held at a time: at most its record (see [`Limits`]), and 24 times as much once it is unpacked.
///
/// ```
/// use convscope::{event::EventFileReader, proto::event::What, record::RecordEncoder};
///
/// let mut file = RecordEncoder::new();
/// file.push(b"\x1a\x0dbrain.Event:2");
/// let mut events = EventFileReader::new(file.as_bytes());
/// let first = events.next().unwrap()?;
/// assert_eq!(first.what, Some(What::FileVersion("brain.Event:2".to_owned())));
/// assert!(events.next().is_none());
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug)]
pub struct EventFileReader<R> {
    records: RecordReader<R>,
    /// How much was read when the last error that stops was returned.
    stopped_at: Option<u64>,
}

impl EventFileReader<File> {
    /// Opens a file with the default [`Limits`].
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<EventFileReader<File>> {
        Ok(EventFileReader::from_records(RecordReader::open(path, Limits::default())?))
    }
}

impl<R: Read> EventFileReader<R> {
    /// A reader with the default [`Limits`].
    pub fn new(input: R) -> EventFileReader<R> {
        EventFileReader::from_records(RecordReader::new(input))
    }

    /// A reader of the events in these records.
    pub fn from_records(records: RecordReader<R>) -> EventFileReader<R> {
        EventFileReader { records, stopped_at: None }
    }

    /// Where the next event begins, in bytes from the start of the input.
    pub fn offset(&self) -> u64 {
        self.records.offset()
    }

    /// The next event; `None` at the end of what is there now.
    ///
    /// # Errors
    /// [`ErrorKind::Record`] for a record that cannot be read, [`ErrorKind::Event`] for a sound record that holds no
    /// event, [`ErrorKind::EventParts`] for an event that would take too much memory. The same call tries again.
    pub fn read_event(&mut self) -> Result<Option<proto::Event>> {
        let offset = self.records.offset();
        let decoded = match self.records.read_record()? {
            Some(data) => bounds::parts(data).and_then(|parts| match parts {
                ..=bounds::MOST_PARTS => proto::Event::decode(data).map(Ok),
                _ => Ok(Err(parts)),
            }),
            None => return Ok(None),
        };
        let path = || self.records.path().map(Path::to_owned);
        match decoded {
            Ok(Ok(event)) => Ok(Some(event)),
            Ok(Err(parts)) => Err(Error::new(ErrorKind::EventParts {
                path: path(),
                offset,
                parts,
                limit: bounds::MOST_PARTS,
            })),
            Err(source) => Err(Error::new(ErrorKind::Event { path: path(), offset, source })),
        }
    }
}

impl<R: Read> Iterator for EventFileReader<R> {
    type Item = Result<proto::Event>;

    fn next(&mut self) -> Option<Result<proto::Event>> {
        let result = self.read_event();
        let stops = matches!(&result, Err(error) if stops(error));
        let before = self.stopped_at.take();
        if stops {
            self.stopped_at = Some(self.records.bytes_read());
            if before == self.stopped_at {
                return None;
            }
        }
        result.transpose()
    }
}

/// Whether the error stands in the way of the events after it.
fn stops(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Record(record) => {
            !matches!(record.kind, RecordErrorKind::DataChecksum { .. } | RecordErrorKind::OverLimit { .. })
        }
        _ => false,
    }
}
