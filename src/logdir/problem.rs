//! What is wrong with the files of a log folder.

use std::{fmt, path::PathBuf};

/// Something in a file or folder that could not be read, or was left out.
///
/// What was read before, and where it can be found what stands behind, is there all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file or folder.
    pub path: PathBuf,
    /// Where the record begins, in bytes from the start of the file.
    pub offset: Option<u64>,
    /// What sort of problem it is.
    pub kind: ProblemKind,
    /// What was found and what was done about it, as a sentence without its end.
    pub message: String,
}

/// What sort of problem it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ProblemKind {
    /// The file ends inside a record. Its writer may be at it: the next refresh looks again.
    TornTail,
    /// A record is damaged. Behind a damaged length nothing can be found; behind damaged data reading goes on.
    Damaged,
    /// A sound record holds no event, or a value that cannot be understood. It was left out.
    NotAnEvent,
    /// The time of an event is not finite. The event was left out.
    WallTime,
    /// A limit was reached: see [`Limits`](super::Limits).
    Limit,
    /// The operating system refused.
    Unreadable,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.path.display())?;
        if let Some(offset) = self.offset {
            write!(f, "record at byte {offset}: ")?;
        }
        f.write_str(&self.message)
    }
}
