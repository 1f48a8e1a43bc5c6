//! Records into anything that can be written.

use std::io::{self, Write};

use super::RecordEncoder;

/// Writes records, each with one call, so that somebody who reads meanwhile sees few torn ones. It does not
/// buffer. After an error the output may end in a torn record: cut it off before going on.
///
/// ```
/// use convscope::record::{RecordReader, RecordWriter};
///
/// let mut writer = RecordWriter::new(Vec::new());
/// writer.write_record(b"hello")?;
/// let bytes = writer.into_inner();
/// assert_eq!(RecordReader::new(&bytes[..]).read_record()?, Some(&b"hello"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct RecordWriter<W> {
    output: W,
    encoder: RecordEncoder,
}

impl<W: Write> RecordWriter<W> {
    /// A writer of records to `output`.
    pub fn new(output: W) -> RecordWriter<W> {
        RecordWriter { output, encoder: RecordEncoder::new() }
    }

    /// Writes one record.
    ///
    /// # Errors
    /// Those of the output.
    pub fn write_record(&mut self, data: &[u8]) -> io::Result<()> {
        self.encoder.clear();
        self.encoder.push(data);
        self.output.write_all(self.encoder.as_bytes())
    }

    /// Flushes the output.
    ///
    /// # Errors
    /// Those of the output.
    pub fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }

    /// The output.
    pub fn into_inner(self) -> W {
        self.output
    }
}
