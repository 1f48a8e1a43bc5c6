//! How a log folder is read.

use super::{limits::Limits, restarts::Restarts};

/// How a log folder is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogDirOptions {
    /// What becomes of values that a resumed training logged again. The default is the data server's rule.
    pub restarts: Restarts,
    /// How much is read at most.
    pub limits: Limits,
}
