//! Whether a file is still the one that was read before.

use std::{
    fs::{File, Metadata},
    io::{self, Read as _, Seek as _, SeekFrom},
    time::SystemTime,
};

/// Bytes that are compared at the start of the file and before the place where reading goes on. The first record of an
/// event file holds the time at which it was made, and each record a checksum, so that two files differ here.
const SAMPLE: u64 = 64;
/// Seconds within which a change may not show in a file's time.
const CLOCK_GRAIN: u64 = 2;

/// What is remembered of a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Identity {
    /// Number of the device and of the file on it, where the system has such numbers.
    number: Option<(u64, u64)>,
    len: u64,
    modified: Option<SystemTime>,
    head: Vec<u8>,
    tail: Vec<u8>,
}

impl Identity {
    /// Whether nothing happened to the file, as far as its metadata tells.
    pub fn unchanged(&self, metadata: &Metadata) -> bool {
        let age = self.modified.and_then(|modified| modified.elapsed().ok());
        self.number == number(metadata)
            && self.len == metadata.len()
            && self.modified == metadata.modified().ok()
            && age.is_some_and(|age| age.as_secs() >= CLOCK_GRAIN)
    }

    /// Whether the file begins with what was read up to `offset`: not replaced by another, not cut short and not
    /// written anew.
    pub fn continues(&self, metadata: &Metadata, file: &mut File, offset: u64) -> io::Result<bool> {
        if offset == 0 {
            return Ok(true);
        }
        let same = self.number == number(metadata) && metadata.len() >= offset;
        Ok(same
            && sample(file, 0, offset)? == self.head
            && sample(file, tail_of(offset), offset)? == self.tail)
    }

    /// Forgets what would tell that nothing happened to the file: not all of it was read.
    pub fn forget_time(&mut self) {
        self.modified = None;
    }

    /// Remembers the file as it is now, read up to `offset`.
    pub fn remember(&mut self, metadata: &Metadata, file: &mut File, offset: u64) -> io::Result<()> {
        *self = Identity {
            number: number(metadata),
            len: metadata.len(),
            modified: metadata.modified().ok(),
            head: sample(file, 0, offset)?,
            tail: sample(file, tail_of(offset), offset)?,
        };
        Ok(())
    }
}

fn tail_of(offset: u64) -> u64 {
    offset.saturating_sub(SAMPLE)
}

/// Bytes from `start` on, as far as they lie before `end`.
fn sample(file: &mut File, start: u64, end: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(SAMPLE.min(end - start)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Number of the device and of the file on it, where the system has such numbers.
#[cfg(unix)]
pub(super) fn number(metadata: &Metadata) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
pub(super) fn number(_: &Metadata) -> Option<(u64, u64)> {
    None
}
