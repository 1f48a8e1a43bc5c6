//! The whole records of a damaged file.

use std::{
    fs::File,
    io::{Read, Seek},
    path::{Path, PathBuf},
};

use super::window::{CHUNK, Window};
use crate::{
    error::{Error, Result},
    record::{self, FRAMING, Limits, MaskedCrc, RecordErrorKind},
};

/// Bytes of a record before and after its data, as distances in the file.
const HEADER: u64 = record::HEADER as u64;
const FOOTER: u64 = record::FOOTER as u64;
/// Longest damaged place that is looked into.
const MAX_LOOK: u64 = 64 << 20;
/// Damaged places that are not longer are kept, so as not to read them twice.
const MAX_KEPT: u64 = 1 << 20;
/// How often, on average, a byte of the file may be part of a checksum that turns out wrong. A file that is made so that
/// very many places look like the beginning of a long record is given up then.
const RECHECKS: u64 = 16;

/// Reads the whole records of a file, whatever is between them.
///
/// A place is taken for the beginning of a record if both checksums are right, which no place has by chance in 2^64.
pub(crate) struct Salvage<R> {
    path: PathBuf,
    limits: Limits,
    window: Window<R>,
    /// Where the next record begins.
    offset: u64,
    /// Bytes that may still be part of wrong checksums.
    budget: u64,
}

/// A part of a file that holds no whole record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How long it is.
    pub bytes: u64,
    /// What is wrong.
    pub reason: String,
}

/// The next part of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A record with sound data.
    Record {
        offset: u64,
        data: Vec<u8>,
        /// Whether its length or the checksum of that is damaged: the checksum of the data proves it.
        has_damaged_length: bool,
    },
    /// What is not, and what looks like its data, where it is not too long.
    Damage { damage: Damage, data: Option<Vec<u8>> },
}

/// What stands at a place.
enum Seen {
    /// A whole record with so many bytes of data.
    Record(u64),
    Damaged(RecordErrorKind),
    /// Nobody knows: too much of the file was looked at in vain.
    GivenUp,
}

impl Salvage<File> {
    pub fn open(path: &Path, limits: Limits) -> Result<Salvage<File>> {
        let file = File::open(path).map_err(|error| Error::io("open", path, error))?;
        let bytes = file.metadata().map_err(|error| Error::io("look at", path, error))?.len();
        Ok(Salvage::new(file, bytes, path, limits))
    }
}

impl<R: Read + Seek> Salvage<R> {
    fn new(input: R, bytes: u64, path: &Path, limits: Limits) -> Salvage<R> {
        let budget = bytes.saturating_mul(RECHECKS);
        Salvage { path: path.to_owned(), limits, window: Window::new(input, bytes), offset: 0, budget }
    }

    /// Where the next record begins.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The next part of the file; `on_bytes` hears from time to time how far it is.
    pub fn next(&mut self, on_bytes: &mut dyn FnMut(u64) -> Result<()>) -> Result<Option<Piece>> {
        let offset = self.offset;
        if offset >= self.window.bytes() {
            return Ok(None);
        }
        on_bytes(offset)?;
        self.window.release(offset);
        let (reason, after) = match self.look(offset)? {
            Seen::Record(length) => return self.record(offset, length, false).map(Some),
            Seen::GivenUp => {
                let reason =
                    "too many places that look like records and are none: nothing is looked for from here on";
                (reason.to_owned(), self.window.bytes())
            }
            Seen::Damaged(kind) => {
                if let Some(length) = self.stated_length(offset, &kind)? {
                    return self.record(offset, length, true).map(Some);
                }
                let after = match self.end_of(offset, &kind)? {
                    Some(after) => after,
                    None => self.find(offset, on_bytes)?,
                };
                (kind.to_string(), after)
            }
        };
        self.offset = after;
        let bytes = after - offset;
        let looked_into = bytes.checked_sub(FRAMING).is_some_and(|length| length <= MAX_LOOK);
        let mut data = if looked_into { Some(self.peek(offset + HEADER, bytes - HEADER)?) } else { None };
        if let Some(data) = &mut data {
            let footer = data.split_off(data.len().saturating_sub(FOOTER as usize));
            let allowed = !data.is_empty() && data.len() as u64 <= self.limits.max_record_bytes;
            // Its end is known by the record after it, so its length is, though it was overwritten.
            if allowed && MaskedCrc::compute(data).to_le_bytes()[..] == footer[..] {
                let data = std::mem::take(data);
                return Ok(Some(Piece::Record { offset, data, has_damaged_length: true }));
            }
        }
        Ok(Some(Piece::Damage { damage: Damage { offset, bytes, reason }, data }))
    }

    /// Takes the record at `offset` and goes on behind it.
    fn record(&mut self, offset: u64, length: u64, has_damaged_length: bool) -> Result<Piece> {
        let data = self.get(offset + HEADER, length)?.to_vec();
        self.offset = offset + length + FRAMING;
        Ok(Piece::Record { offset, data, has_damaged_length })
    }

    /// What stands at `offset`.
    fn look(&mut self, offset: u64) -> Result<Seen> {
        let left = self.window.bytes() - offset;
        let Some(header) = Header::of(self.get(offset, HEADER)?) else {
            return Ok(Seen::Damaged(RecordErrorKind::Truncated { found: left }));
        };
        let (found, expected) = (header.checksum, header.right_checksum());
        if found != expected {
            return Ok(Seen::Damaged(RecordErrorKind::LengthChecksum { found, expected }));
        }
        let (length, limit) = (header.length, self.limits.max_record_bytes);
        if length > limit {
            return Ok(Seen::Damaged(RecordErrorKind::OverLimit { length, limit }));
        }
        if length + FRAMING > left {
            return Ok(Seen::Damaged(RecordErrorKind::Truncated { found: left }));
        }
        Ok(match self.checksums(offset, length)? {
            None => Seen::GivenUp,
            Some((found, expected)) if found == expected => Seen::Record(length),
            Some((found, expected)) => Seen::Damaged(RecordErrorKind::DataChecksum { found, expected }),
        })
    }

    /// The checksum in the file and the right one of the data of a record that the file has room for. `None` if too many
    /// were wrong.
    fn checksums(&mut self, offset: u64, length: u64) -> Result<Option<(MaskedCrc, MaskedCrc)>> {
        if self.budget < length {
            return Ok(None);
        }
        let bytes = self.get(offset + HEADER, length + FOOTER)?;
        let (data, footer) = bytes.split_at(bytes.len().saturating_sub(FOOTER as usize));
        let footer: [u8; FOOTER as usize] = footer.try_into().unwrap_or_default();
        let (found, expected) = (MaskedCrc(u32::from_le_bytes(footer)), MaskedCrc::compute(data));
        if found != expected {
            self.budget -= length;
        }
        Ok(Some((found, expected)))
    }

    /// The length of a record of which the checksum of the length alone is damaged.
    fn stated_length(&mut self, offset: u64, kind: &RecordErrorKind) -> Result<Option<u64>> {
        if !matches!(kind, RecordErrorKind::LengthChecksum { .. }) {
            return Ok(None);
        }
        let Some(Header { length, .. }) = Header::of(self.get(offset, HEADER)?) else { return Ok(None) };
        if !self.has_room(offset, length) {
            return Ok(None);
        }
        let is_whole = self.checksums(offset, length)?.is_some_and(|(found, expected)| found == expected);
        Ok(is_whole.then_some(length))
    }

    /// Where a damaged record with a sound length ends, if a record begins there or the file ends.
    fn end_of(&mut self, offset: u64, kind: &RecordErrorKind) -> Result<Option<u64>> {
        let length = match kind {
            RecordErrorKind::DataChecksum { .. } => Header::of(self.get(offset, HEADER)?).map(|it| it.length),
            RecordErrorKind::OverLimit { length, .. } => Some(*length),
            _ => None,
        };
        let Some(end) = length.and_then(|length| offset.checked_add(length)?.checked_add(FRAMING)) else {
            return Ok(None);
        };
        let bytes = self.window.bytes();
        if end >= bytes {
            return Ok((end == bytes).then_some(end));
        }
        let header = Header::of(&self.peek(end, HEADER)?);
        let is_sound = |header: Header| header.checksum == header.right_checksum();
        Ok(header.is_some_and(is_sound).then_some(end))
    }

    /// Where the first whole record after `offset` begins, or where the file ends.
    fn find(&mut self, offset: u64, on_bytes: &mut dyn FnMut(u64) -> Result<()>) -> Result<u64> {
        let mut at = offset + 1;
        while at + FRAMING <= self.window.bytes() {
            if at.is_multiple_of(CHUNK) {
                on_bytes(at)?;
            }
            if at - offset > MAX_KEPT {
                self.window.release(at);
            }
            let Some(header) = Header::of(self.get(at, HEADER)?) else { break };
            if self.has_room(at, header.length) && header.checksum == header.right_checksum() {
                on_bytes(at)?;
                if self.checksums(at, header.length)?.is_some_and(|(found, expected)| found == expected) {
                    return Ok(at);
                }
            }
            at += 1;
        }
        Ok(self.window.bytes())
    }

    /// Whether a record at `offset` can have so many bytes of data. Runs of zeros are the damage that is seen most, and a
    /// length of zero is no event's.
    fn has_room(&self, offset: u64, length: u64) -> bool {
        length > 0
            && length <= self.limits.max_record_bytes
            && length + FRAMING <= self.window.bytes().saturating_sub(offset)
    }

    fn get(&mut self, offset: u64, length: u64) -> Result<&[u8]> {
        self.window.get(offset, length).map_err(|error| Error::io("read", &self.path, error))
    }

    fn peek(&mut self, offset: u64, length: u64) -> Result<Vec<u8>> {
        self.window.peek(offset, length).map_err(|error| Error::io("read", &self.path, error))
    }
}

/// What stands before the data of a record.
#[derive(Debug, Clone, Copy)]
struct Header {
    length: u64,
    checksum: MaskedCrc,
}

impl Header {
    /// `None` where the file ended before.
    fn of(bytes: &[u8]) -> Option<Header> {
        let (length, rest) = bytes.split_first_chunk()?;
        let checksum = rest.first_chunk()?;
        Some(Header {
            length: u64::from_le_bytes(*length),
            checksum: MaskedCrc(u32::from_le_bytes(*checksum)),
        })
    }

    fn right_checksum(self) -> MaskedCrc {
        MaskedCrc::compute(&self.length.to_le_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Cursor, SeekFrom};

    use super::*;
    use crate::record::RecordEncoder;

    /// Counts what is read.
    struct Counting {
        input: Cursor<Vec<u8>>,
        bytes: u64,
        calls: u64,
    }

    impl Read for Counting {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let read = self.input.read(buffer)?;
            self.bytes += read as u64;
            self.calls += 1;
            Ok(read)
        }
    }

    impl Seek for Counting {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.input.seek(to)
        }
    }

    fn salvage(bytes: Vec<u8>) -> Salvage<Counting> {
        let length = bytes.len() as u64;
        let input = Counting { input: Cursor::new(bytes), bytes: 0, calls: 0 };
        Salvage::new(input, length, Path::new("a.tfevents"), Limits::default())
    }

    /// Numbers of records and of damaged places.
    fn count(salvage: &mut Salvage<Counting>) -> (u64, u64) {
        let (mut records, mut places) = (0, 0);
        while let Some(piece) = salvage.next(&mut |_| Ok(())).unwrap() {
            match piece {
                Piece::Record { .. } => records += 1,
                Piece::Damage { .. } => places += 1,
            }
        }
        (records, places)
    }

    fn record(data: &[u8]) -> Vec<u8> {
        let mut encoder = RecordEncoder::new();
        encoder.push(data);
        encoder.as_bytes().to_vec()
    }

    #[test]
    fn each_byte_is_read_about_once_however_many_places_are_damaged() {
        let unit = [&[0xff][..], &record(&[7; 60])].concat();
        let bytes = unit.repeat(20_000);
        let length = bytes.len() as u64;
        let mut salvage = salvage(bytes);
        assert_eq!(count(&mut salvage), (20_000, 20_000));
        let input = &salvage.window.input;
        assert!(input.bytes <= 2 * length, "{} bytes read of {length}", input.bytes);
        assert!(input.calls <= 8 * (length / CHUNK + 1), "{} calls for {length} bytes", input.calls);
    }

    #[test]
    fn headers_that_promise_long_records_are_read_about_once() {
        // Every tenth place says that a record of all that follows begins there.
        let length = 200_000u64;
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < length {
            bytes.extend(record(b"whole"));
            let rest = length.saturating_sub(bytes.len() as u64 + 100).to_le_bytes();
            bytes.extend(rest);
            bytes.extend(MaskedCrc::compute(&rest).to_le_bytes());
        }
        let length = bytes.len() as u64;
        let mut salvage = salvage(bytes);
        let (records, places) = count(&mut salvage);
        assert!(records > 10 && places > 10, "{records} records, {places} places");
        assert!(
            salvage.window.input.bytes <= 3 * length,
            "{} bytes read of {length}",
            salvage.window.input.bytes
        );
    }

    #[test]
    fn looking_for_a_record_can_be_given_up() {
        let mut salvage = salvage(vec![0xab; 1 << 20]);
        let mut calls = 0;
        let error = salvage.next(&mut |at| {
            calls += 1;
            if at > 300_000 { Err(Error::invalid("work", "interrupted")) } else { Ok(()) }
        });
        assert!(error.is_err());
        assert!((2..20).contains(&calls), "{calls} calls");
    }
}
