//! The whole records of a damaged file.

use std::{
    fs::File,
    io::{Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use super::resync::Resync;
use crate::{
    error::{Error, Result},
    record::{Limits, RecordErrorKind, RecordReader},
};

/// Bytes of a record that are not its data, and those of them that stand before it.
const FRAMING: u64 = 16;
const HEADER: u64 = 12;
/// Longest damaged place that is looked into.
const MAX_LOOK: u64 = 64 << 20;

/// Reads the whole records of a file, whatever is between them.
pub(crate) struct Salvage {
    path: PathBuf,
    limits: Limits,
    bytes: u64,
    /// Where `records` begins in the file.
    base: u64,
    records: RecordReader<File>,
    /// The same file, for looking at other places.
    scanned: File,
    resync: Resync,
    damage: Vec<Damage>,
    /// How much of `damage` was looked at.
    looked_at: usize,
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

impl Salvage {
    pub fn open(path: &Path, limits: Limits) -> Result<Salvage> {
        let open = || File::open(path).map_err(|error| Error::io("open", path, error));
        let (file, scanned) = (open()?, open()?);
        let bytes = file.metadata().map_err(|error| Error::io("look at", path, error))?.len();
        Ok(Salvage {
            path: path.to_owned(),
            limits,
            bytes,
            base: 0,
            records: RecordReader::with_limits(file, limits),
            scanned,
            resync: Resync::new(bytes, limits),
            damage: Vec::new(),
            looked_at: 0,
        })
    }

    /// The next whole record: where it begins, and its data.
    pub fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>> {
        loop {
            let offset = self.offset();
            let error = match self.records.read_record() {
                Ok(Some(data)) => return Ok(Some((offset, data.to_vec()))),
                Ok(None) => return Ok(None),
                Err(error) => error,
            };
            let after = match error.kind {
                RecordErrorKind::Io(source) => return Err(Error::io("read", &self.path, source)),
                // Its length is sound. What follows is found where it should be, or somewhere in what was taken for data.
                RecordErrorKind::DataChecksum { .. } if self.is_boundary()? => self.offset(),
                RecordErrorKind::OverLimit { length, .. } => {
                    offset.saturating_add(length).saturating_add(FRAMING)
                }
                _ => self.find(offset + 1)?,
            };
            let after = after.min(self.bytes).max(offset);
            let reason = error.kind.to_string();
            self.damage.push(Damage { offset, bytes: after - offset, reason });
            if after >= self.bytes {
                return Ok(None);
            }
            self.go_to(after)?;
        }
    }

    /// What looks like the data of the places that were left out since the last call.
    pub fn damaged_data(&mut self) -> Result<Vec<Vec<u8>>> {
        let mut all = Vec::new();
        for damage in self.damage.iter().skip(self.looked_at) {
            let Some(length) = damage.bytes.checked_sub(FRAMING).filter(|&length| length <= MAX_LOOK) else {
                continue;
            };
            let mut data = Vec::new();
            self.scanned
                .seek(SeekFrom::Start(damage.offset + HEADER))
                .and_then(|_| (&self.scanned).take(length).read_to_end(&mut data))
                .map_err(|error| Error::io("read", &self.path, error))?;
            all.push(data);
        }
        self.looked_at = self.damage.len();
        Ok(all)
    }

    /// What was left out so far.
    pub fn into_damage(self) -> Vec<Damage> {
        self.damage
    }

    /// Where the next record begins.
    pub fn offset(&self) -> u64 {
        self.base + self.records.offset()
    }

    /// Whether a record can begin here, or the file ends.
    fn is_boundary(&mut self) -> Result<bool> {
        let here = self.offset();
        let is_header = self.resync.is_header(&mut self.scanned, self.bytes, here);
        Ok(here == self.bytes || is_header.map_err(|error| Error::io("read", &self.path, error))?)
    }

    /// Where the next whole record begins, or where the file ends.
    fn find(&mut self, from: u64) -> Result<u64> {
        let found = self.resync.find(&mut self.scanned, self.bytes, from);
        Ok(found.map_err(|error| Error::io("read", &self.path, error))?.unwrap_or(self.bytes))
    }

    fn go_to(&mut self, offset: u64) -> Result<()> {
        if offset != self.offset() {
            let mut file = File::open(&self.path).map_err(|error| Error::io("open", &self.path, error))?;
            file.seek(SeekFrom::Start(offset)).map_err(|error| Error::io("read", &self.path, error))?;
            self.records = RecordReader::with_limits(file, self.limits);
            self.base = offset;
        }
        Ok(())
    }
}
