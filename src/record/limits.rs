//! How much a file may make its reader hold.

/// Bounds on what a reader takes from a file that it did not write.
///
/// ```
/// use convscope::record::Limits;
///
/// assert_eq!(Limits::default().max_record_bytes, 64 << 20);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest record that is read, in bytes of data. The default is 64 MiB.
    pub max_record_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { max_record_bytes: 64 << 20 }
    }
}
