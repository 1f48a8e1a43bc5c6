//! How much a log folder may make its reader hold.

use crate::record;

/// Bounds on what is read of a log folder. What is over them is left out, and [`LogDir::problems`](super::LogDir::problems)
/// says so.
///
/// The defaults are far beyond any honest log folder. Together they bound the memory: 32 bytes for each value (and as
/// many again while a list grows), the bytes of names and metadata, and one record while it is read. Besides, a value that
/// is unpacked has at most 1,048,576 texts, dimensions or nodes.
///
/// ```
/// use convscope::logdir::{Limits, LogDirOptions};
///
/// let small = Limits { max_values: 1_000_000, ..Limits::default() };
/// let options = LogDirOptions { limits: small, ..LogDirOptions::default() };
/// assert_eq!(options.limits.max_runs, 100_000);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest record that is read, in bytes of data. The default is 64 MiB.
    pub max_record_bytes: u64,
    /// Most folders with event files. The default is 100,000.
    pub max_runs: usize,
    /// Most event files. The default is 1,000,000.
    pub max_files: usize,
    /// Most tags of one file. The default is 100,000.
    pub max_tags: usize,
    /// Longest tag, in bytes. The default is 64 KiB.
    pub max_tag_bytes: usize,
    /// Most values of all files together. The default is 50,000,000, which take 1.6 GB.
    pub max_values: usize,
    /// Most bytes of tags and their metadata, of all files together. The default is
    /// 256 MiB.
    pub max_metadata_bytes: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            max_record_bytes: record::Limits::default().max_record_bytes,
            max_runs: 100_000,
            max_files: 1_000_000,
            max_tags: 100_000,
            max_tag_bytes: 64 << 10,
            max_values: 50_000_000,
            max_metadata_bytes: 256 << 20,
        }
    }
}
