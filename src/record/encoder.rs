//! Records into bytes that somebody else writes.

use super::{FOOTER, HEADER, MaskedCrc};

/// Frames records one after the other into one buffer, to be written with one call.
///
/// ```
/// use convscope::record::RecordEncoder;
///
/// let mut encoder = RecordEncoder::new();
/// encoder.push(b"abc");
/// assert_eq!(encoder.as_bytes().len(), 8 + 4 + 3 + 4);
/// assert_eq!(&encoder.as_bytes()[12..15], b"abc");
/// ```
#[derive(Debug, Default)]
pub struct RecordEncoder {
    buffer: Vec<u8>,
}

impl RecordEncoder {
    /// An encoder that holds nothing.
    pub fn new() -> RecordEncoder {
        RecordEncoder::default()
    }

    /// Appends a record with this data.
    pub fn push(&mut self, data: &[u8]) {
        self.push_with(|buffer| buffer.extend_from_slice(data));
    }

    /// Appends a record whose data `fill` appends to the buffer, so that it need not be copied. What is in the buffer
    /// before must be left alone: hence not public.
    pub(crate) fn push_with<T>(&mut self, fill: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        let start = self.buffer.len();
        self.buffer.extend_from_slice(&[0; HEADER]);
        let result = fill(&mut self.buffer);
        let data = start + HEADER;
        let length = ((self.buffer.len() - data) as u64).to_le_bytes();
        self.buffer[start..start + 8].copy_from_slice(&length);
        self.buffer[start + 8..data].copy_from_slice(&MaskedCrc::compute(&length).to_le_bytes());
        let checksum: [u8; FOOTER] = MaskedCrc::compute(&self.buffer[data..]).to_le_bytes();
        self.buffer.extend_from_slice(&checksum);
        result
    }

    /// The records so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.buffer
    }

    /// How many bytes they are.
    pub fn len(&self) -> usize {
        self.buffer.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Forgets the records and keeps the memory.
    pub fn clear(&mut self) {
        self.buffer.clear();
    }

    /// Gives memory back above `capacity` bytes, after a few large records.
    pub(crate) fn shrink_to(&mut self, capacity: usize) {
        self.buffer.shrink_to(capacity);
    }
}
