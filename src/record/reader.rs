//! Records out of anything that can be read.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use super::{Limits, RecordDecoder, RecordError, RecordErrorKind};

/// Bytes asked for at a time.
const CHUNK: usize = 64 << 10;

/// Reads records, also from a file that grows: at the end of what is there, call again later. It buffers by itself.
///
/// ```
/// use convscope::record::{RecordErrorKind, RecordReader, RecordWriter};
///
/// let mut writer = RecordWriter::new(Vec::new());
/// writer.write_record(b"whole")?;
/// writer.write_record(b"torn")?;
/// let mut bytes = writer.into_inner();
/// bytes.pop();
///
/// let mut reader = RecordReader::new(&bytes[..]);
/// assert_eq!(reader.read_record()?, Some(&b"whole"[..]));
/// let error = reader.read_record().unwrap_err();
/// assert!(matches!(error.kind, RecordErrorKind::Truncated { .. }));
/// assert_eq!(error.offset, 21);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RecordReader<R> {
    input: R,
    path: Option<PathBuf>,
    decoder: RecordDecoder,
    chunk: Box<[u8]>,
}

impl RecordReader<File> {
    /// Opens a file. Errors will name it.
    ///
    /// # Errors
    /// [`RecordErrorKind::Io`] if it cannot be opened.
    pub fn open(path: impl AsRef<Path>, limits: Limits) -> Result<RecordReader<File>, RecordError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|source| RecordError {
            path: Some(path.to_owned()),
            offset: 0,
            kind: RecordErrorKind::Io(source),
        })?;
        Ok(RecordReader { path: Some(path.to_owned()), ..RecordReader::with_limits(file, limits) })
    }
}

impl<R: Read> RecordReader<R> {
    /// A reader with the default [`Limits`].
    pub fn new(input: R) -> RecordReader<R> {
        RecordReader::with_limits(input, Limits::default())
    }

    /// A reader that refuses what is over `limits`.
    pub fn with_limits(input: R, limits: Limits) -> RecordReader<R> {
        RecordReader {
            input,
            path: None,
            decoder: RecordDecoder::new(limits),
            chunk: vec![0; CHUNK].into_boxed_slice(),
        }
    }

    /// The data of the next record. `None` at the end of the input, if that is the end of a record: call again when
    /// there may be more.
    ///
    /// # Errors
    /// See [`RecordErrorKind`] for what each means and how to go on. Reading can always be tried again: what was read
    /// of an unfinished record is kept.
    pub fn read_record(&mut self) -> Result<Option<&[u8]>, RecordError> {
        loop {
            match self.decoder.next_range() {
                Ok(Some(data)) => return Ok(Some(self.decoder.data(data))),
                Ok(None) => {}
                Err(error) => return Err(self.name(error)),
            }
            if !self.fill()? {
                return match self.decoder.truncated() {
                    Some(error) => Err(self.name(error)),
                    None => Ok(None),
                };
            }
        }
    }

    /// Where the next record begins, in bytes from the start of the input.
    pub fn offset(&self) -> u64 {
        self.decoder.offset()
    }

    /// The file, if it was opened by [`open`](RecordReader::open).
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The input.
    pub fn get_ref(&self) -> &R {
        &self.input
    }

    /// The input. Reading from it directly loses records.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.input
    }

    /// Bytes that were read so far.
    pub(crate) fn bytes_read(&self) -> u64 {
        self.decoder.pushed()
    }

    /// Reads once; `false` at the end of the input.
    fn fill(&mut self) -> Result<bool, RecordError> {
        loop {
            match self.input.read(&mut self.chunk) {
                Ok(0) => return Ok(false),
                Ok(read) => {
                    self.decoder.push(&self.chunk[..read]);
                    return Ok(true);
                }
                Err(source) if source.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    let offset = self.decoder.offset();
                    let path = self.path.clone();
                    return Err(RecordError { path, offset, kind: RecordErrorKind::Io(source) });
                }
            }
        }
    }

    fn name(&self, error: RecordError) -> RecordError {
        RecordError { path: self.path.clone(), ..error }
    }
}
