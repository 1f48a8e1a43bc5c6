//! Finding the next whole record in damaged bytes.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
};

use crate::record::{Limits, MaskedCrc};

/// Bytes before and after the data of a record.
const HEADER: usize = 12;
const FOOTER: usize = 4;
/// Bytes that are looked at together.
const WINDOW: usize = 1 << 20;
/// How often, on average, a byte of the file may be read to check a checksum. A file that is made so that very many
/// places look like the beginning of a long record is given up then.
const REREADS: u64 = 16;

/// Looks for records at every byte of a file, and not where the record before ends.
pub(super) struct Resync {
    limits: Limits,
    /// Bytes that may still be read to check checksums.
    budget: u64,
}

impl Resync {
    /// For a file of so many bytes.
    pub fn new(bytes: u64, limits: Limits) -> Resync {
        Resync { limits, budget: bytes.saturating_mul(REREADS) }
    }

    /// Where the first whole record at `from` or after begins: both of its checksums are right, which no place has by
    /// chance in 2^64. `None` if there is none to the end of the file.
    pub fn find(&mut self, file: &mut File, bytes: u64, from: u64) -> io::Result<Option<u64>> {
        let mut window = Vec::with_capacity(WINDOW);
        let mut start = from;
        while start + ((HEADER + FOOTER) as u64) <= bytes {
            window.clear();
            file.seek(SeekFrom::Start(start))?;
            file.take(WINDOW as u64).read_to_end(&mut window)?;
            let Some(places) = window.len().checked_sub(HEADER - 1) else { break };
            for place in 0..places {
                let header = &window[place..place + HEADER];
                let offset = start + place as u64;
                if let Some(length) = self.length(header, bytes - offset)
                    && self.is_whole(file, offset, length)?
                {
                    return Ok(Some(offset));
                }
            }
            start += places as u64;
        }
        Ok(None)
    }

    /// Whether there is a length with the right checksum.
    pub fn is_header(&self, file: &mut File, bytes: u64, offset: u64) -> io::Result<bool> {
        let mut header = Vec::with_capacity(HEADER);
        file.seek(SeekFrom::Start(offset))?;
        file.take(HEADER as u64).read_to_end(&mut header)?;
        Ok(header.len() == HEADER && self.length(&header, bytes - offset).is_some())
    }

    /// The length in a header, if it can be one and its checksum is right.
    fn length(&self, header: &[u8], left: u64) -> Option<u64> {
        let (length, checksum) = header.split_at(8);
        let number = u64::from_le_bytes(length.try_into().ok()?);
        let fits = number <= self.limits.max_record_bytes && number + (HEADER + FOOTER) as u64 <= left;
        let is_right = || MaskedCrc::compute(length).to_le_bytes() == checksum;
        // Runs of zeros are the damage that is seen most, and a length of zero is no event's.
        (fits && number > 0 && is_right()).then_some(number)
    }

    fn is_whole(&mut self, file: &mut File, offset: u64, length: u64) -> io::Result<bool> {
        let Some(budget) = self.budget.checked_sub(length) else { return Ok(false) };
        self.budget = budget;
        let mut data = Vec::new();
        file.seek(SeekFrom::Start(offset + HEADER as u64))?;
        file.take(length + FOOTER as u64).read_to_end(&mut data)?;
        let Some(footer) = data.get(length as usize..) else { return Ok(false) };
        Ok(MaskedCrc::compute(&data[..length as usize]).to_le_bytes() == footer)
    }
}
