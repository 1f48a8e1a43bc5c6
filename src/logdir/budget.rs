//! What may still be kept.

use super::limits::Limits;

/// The limits, and what was used of them.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    pub limits: Limits,
    values: usize,
    metadata_bytes: usize,
}

impl Budget {
    /// Nothing used yet but this.
    pub fn new(limits: Limits, values: usize, metadata_bytes: usize) -> Budget {
        Budget { limits, values, metadata_bytes }
    }

    /// Takes so much, where the limits allow it; else says which one does not.
    pub fn take(&mut self, tags_of_file: usize, values: usize, metadata_bytes: usize) -> Result<(), String> {
        let over = |what: &str, limit: usize, name: &str| {
            Err(format!(
                "there are more than {limit} {what}; the file is read up to here. Raise `Limits::{name}` if you trust it"
            ))
        };
        if tags_of_file > self.limits.max_tags {
            return over("tags in the file", self.limits.max_tags, "max_tags");
        }
        if self.values + values > self.limits.max_values {
            return over("values in the log folder", self.limits.max_values, "max_values");
        }
        if self.metadata_bytes.saturating_add(metadata_bytes) > self.limits.max_metadata_bytes {
            return over(
                "bytes of tags and metadata in the log folder",
                self.limits.max_metadata_bytes,
                "max_metadata_bytes",
            );
        }
        self.values += values;
        self.metadata_bytes += metadata_bytes;
        Ok(())
    }

    /// What was taken and is not needed any more.
    pub fn give_back(&mut self, values: usize, metadata_bytes: usize) {
        self.values = self.values.saturating_sub(values);
        self.metadata_bytes = self.metadata_bytes.saturating_sub(metadata_bytes);
    }
}
