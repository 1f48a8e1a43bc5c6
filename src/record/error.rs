//! Why a record could not be read.

use std::{fmt, io, path::PathBuf};

use super::MaskedCrc;

/// A record that cannot be read: what is wrong, in which file, and where.
#[derive(Debug)]
pub struct RecordError {
    /// The file, where it is known.
    pub path: Option<PathBuf>,
    /// Where the record begins, in bytes from the start of the input.
    pub offset: u64,
    /// What is wrong with it.
    pub kind: RecordErrorKind,
}

/// What is wrong with a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordErrorKind {
    /// The input ends inside the record. Call again when there may be more: a writer could be in the middle of it.
    /// If nobody writes the file any more, this is its end, and everything before is whole.
    #[error("the record is cut off after {found} bytes")]
    Truncated {
        /// Bytes of the record that are there, its header included. At least 1.
        found: u64,
    },
    /// The length is damaged, so nobody knows where the next record begins. Give up the rest of the input.
    #[error("its length has checksum {found}, {expected} expected: the file is damaged from here on")]
    LengthChecksum {
        /// Checksum in the file.
        found: MaskedCrc,
        /// Checksum of the length that is in the file.
        expected: MaskedCrc,
    },
    /// The data is damaged and was skipped. Call again for the record after it, or give up the file.
    #[error("its data has checksum {found}, {expected} expected: the record is damaged")]
    DataChecksum {
        /// Checksum in the file.
        found: MaskedCrc,
        /// Checksum of the data that is in the file.
        expected: MaskedCrc,
    },
    /// The record is longer than [`Limits`](super::Limits) allow and was skipped. Call again for the record after it,
    /// or read the file anew with higher limits if you trust it.
    #[error("it has {length} bytes, at most {limit} are allowed")]
    OverLimit {
        /// Length of its data in bytes.
        length: u64,
        /// `Limits::max_record_bytes`.
        limit: u64,
    },
    /// The input could not be read. Nothing is lost: call again once the cause is mended.
    #[error("cannot read it: {0}")]
    Io(#[from] io::Error),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}: ", path.display())?;
        }
        write!(f, "record at byte {}: {}", self.offset, self.kind)
    }
}

impl std::error::Error for RecordError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            RecordErrorKind::Io(source) => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_where_and_what() {
        let kind = RecordErrorKind::OverLimit { length: 100, limit: 64 };
        let error = RecordError { path: Some("run/a.tfevents".into()), offset: 40, kind };
        assert_eq!(
            error.to_string(),
            "run/a.tfevents: record at byte 40: it has 100 bytes, at most 64 are allowed"
        );
        let error = RecordError { path: None, offset: 0, kind: RecordErrorKind::Truncated { found: 3 } };
        assert_eq!(error.to_string(), "record at byte 0: the record is cut off after 3 bytes");
    }
}
