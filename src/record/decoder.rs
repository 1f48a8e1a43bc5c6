//! Records out of bytes that somebody else reads.

use std::ops::Range;

use super::{FOOTER, FRAMING, HEADER, Limits, MaskedCrc, RecordError, RecordErrorKind};

/// Finds the records in a stream of bytes, without doing any input itself: [`push`](RecordDecoder::push) bytes in
/// pieces of any size, take records out. The pieces' sizes never change the result.
///
/// It holds no more than what was pushed and not yet taken; the length that a record claims allocates nothing.
///
/// ```
/// use convscope::record::{Limits, RecordDecoder, RecordEncoder};
///
/// let mut encoder = RecordEncoder::new();
/// encoder.push(b"first");
/// let (head, tail) = encoder.as_bytes().split_at(7);
///
/// let mut decoder = RecordDecoder::new(Limits::default());
/// decoder.push(head);
/// assert_eq!(decoder.next_record()?, None); // more bytes are needed
/// decoder.push(tail);
/// assert_eq!(decoder.next_record()?, Some(&b"first"[..]));
/// # Ok::<(), convscope::record::RecordError>(())
/// ```
#[derive(Debug)]
pub struct RecordDecoder {
    limits: Limits,
    buffer: Vec<u8>,
    /// What of the buffer was used up.
    start: usize,
    /// Where `buffer[start]` is in the input.
    offset: u64,
    /// Bytes of a record over the limit that are still to come and to be ignored, and where that record began.
    skip: u64,
    skipped_from: u64,
}

impl RecordDecoder {
    /// A decoder at the start of its input.
    pub fn new(limits: Limits) -> RecordDecoder {
        RecordDecoder { limits, buffer: Vec::new(), start: 0, offset: 0, skip: 0, skipped_from: 0 }
    }

    /// Takes the next bytes of the input.
    pub fn push(&mut self, bytes: &[u8]) {
        let ignored = self.skip.min(bytes.len() as u64);
        self.skip -= ignored;
        self.offset = self.offset.saturating_add(ignored);
        // What was used up makes room first, so that the buffer stays as small as one record and one piece.
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(&bytes[ignored as usize..]);
    }

    /// Where the next record begins, in bytes from the start of the input. Nothing of it need be there yet.
    pub fn offset(&self) -> u64 {
        self.offset.saturating_add(self.skip)
    }

    /// The data of the next record; `None` when more bytes are needed.
    ///
    /// # Errors
    /// A damaged or too long record: see [`RecordErrorKind`] for how to go on. Never `Truncated` or `Io`, since only
    /// the one who reads knows whether there is more.
    pub fn next_record(&mut self) -> Result<Option<&[u8]>, RecordError> {
        let data = self.next_range()?;
        Ok(data.map(|range| &self.buffer[range]))
    }

    /// [`next_record`](RecordDecoder::next_record), as a place in the buffer that [`data`](RecordDecoder::data) opens.
    pub(super) fn next_range(&mut self) -> Result<Option<Range<usize>>, RecordError> {
        let Some(length) = self.length()? else { return Ok(None) };
        let there = self.buffer.len() - self.start - HEADER;
        if length.checked_add(FOOTER).is_none_or(|wanted| there < wanted) {
            return Ok(None);
        }
        let data = self.start + HEADER..self.start + HEADER + length;
        let footer = &self.buffer[data.end..data.end + FOOTER];
        let found = MaskedCrc(le_u32(footer));
        let expected = MaskedCrc::compute(&self.buffer[data.clone()]);
        let offset = self.offset;
        self.consume(HEADER + length + FOOTER);
        if found != expected {
            return Err(error(offset, RecordErrorKind::DataChecksum { found, expected }));
        }
        Ok(Some(data))
    }

    pub(super) fn data(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    /// Whether the input, if it ended here, would end inside a record: the error to return then.
    pub(super) fn truncated(&self) -> Option<RecordError> {
        let from = if self.skip > 0 { self.skipped_from } else { self.offset };
        let found = self.pushed() - from;
        (found > 0).then(|| error(from, RecordErrorKind::Truncated { found }))
    }

    /// Bytes that were pushed so far.
    pub(super) fn pushed(&self) -> u64 {
        self.offset + (self.buffer.len() - self.start) as u64
    }

    /// Length of the next record's data, if its header is there.
    fn length(&mut self) -> Result<Option<usize>, RecordError> {
        let Some(header) = self.buffer.get(self.start..self.start + HEADER) else { return Ok(None) };
        let (length, checksum) = header.split_at(8);
        let (found, expected) = (MaskedCrc(le_u32(checksum)), MaskedCrc::compute(length));
        if found != expected {
            return Err(error(self.offset, RecordErrorKind::LengthChecksum { found, expected }));
        }
        let length = u64::from(le_u32(&length[..4])) | u64::from(le_u32(&length[4..])) << 32;
        match usize::try_from(length) {
            Ok(short) if length <= self.limits.max_record_bytes => Ok(Some(short)),
            _ => Err(self.skip_over(length)),
        }
    }

    /// Gives up a record that is too long, wherever it ends.
    fn skip_over(&mut self, length: u64) -> RecordError {
        self.skipped_from = self.offset;
        let total = length.saturating_add(FRAMING);
        let here = total.min((self.buffer.len() - self.start) as u64);
        self.consume(here as usize);
        self.skip = total - here;
        let limit = self.limits.max_record_bytes;
        error(self.skipped_from, RecordErrorKind::OverLimit { length, limit })
    }

    fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        self.offset = self.offset.saturating_add(bytes as u64);
    }
}

fn error(offset: u64, kind: RecordErrorKind) -> RecordError {
    RecordError { path: None, offset, kind }
}

/// The first four bytes as a number; missing ones count as 0.
fn le_u32(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}
