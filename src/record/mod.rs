//! Floor 0: bytes. TFRecord framing and its checksums.
//!
//! A record is `length: u64 LE | masked CRC-32C of the length | data | masked CRC-32C of the data`.

mod decoder;
mod encoder;
mod error;
mod limits;
mod masked_crc;
mod reader;
mod writer;

pub use self::{
    decoder::RecordDecoder,
    encoder::RecordEncoder,
    error::{RecordError, RecordErrorKind},
    limits::Limits,
    masked_crc::MaskedCrc,
    reader::RecordReader,
    writer::RecordWriter,
};

/// Bytes before the data of a record: its length and the checksum of that.
pub(crate) const HEADER: usize = 12;
/// Bytes after the data: its checksum.
pub(crate) const FOOTER: usize = 4;
/// Both together.
pub(crate) const FRAMING: u64 = (HEADER + FOOTER) as u64;
