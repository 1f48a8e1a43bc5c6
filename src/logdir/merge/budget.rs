//! How much a run that is made may take.

use crate::{
    error::{Error, Result},
    logdir::Limits,
};

/// What an entry of a map takes besides its bytes.
const ENTRY: usize = 64;

/// The limits of one run, and what was used of them.
#[derive(Debug)]
pub(super) struct Budget<'a> {
    run: &'a str,
    pub limits: Limits,
    values: usize,
    metadata_bytes: usize,
}

impl Budget<'_> {
    /// Nothing used yet.
    pub fn new(run: &str, limits: Limits) -> Budget<'_> {
        Budget { run, limits, values: 0, metadata_bytes: 0 }
    }

    /// Takes one value, or one start of a session.
    pub fn value(&mut self) -> Result<()> {
        self.values += 1;
        self.refuse(self.values > self.limits.max_values, self.limits.max_values, "values", "max_values")
    }

    /// Takes a tag with metadata of so many bytes, the last of `tags` tags of a source.
    pub fn tag(&mut self, tag: &str, metadata_bytes: usize, tags: usize) -> Result<()> {
        let limits = self.limits;
        self.metadata_bytes = self.metadata_bytes.saturating_add(tag.len() + metadata_bytes + ENTRY);
        self.refuse(
            tag.len() > limits.max_tag_bytes,
            limits.max_tag_bytes,
            "bytes in a tag",
            "max_tag_bytes",
        )?;
        self.refuse(tags > limits.max_tags, limits.max_tags, "tags in a source", "max_tags")?;
        let most = limits.max_metadata_bytes;
        self.refuse(self.metadata_bytes > most, most, "bytes of tags and metadata", "max_metadata_bytes")
    }

    /// Takes so many files.
    pub fn files(&self, files: usize) -> Result<()> {
        self.refuse(files > self.limits.max_files, self.limits.max_files, "files", "max_files")
    }

    fn refuse(&self, is_over: bool, limit: usize, what: &str, name: &str) -> Result<()> {
        if !is_over {
            return Ok(());
        }
        Err(Error::invalid(
            format!("run `{}`", self.run),
            format!(
                "its sources have more than {limit} {what}: merge fewer of them, or raise `Limits::{name}` if you trust them"
            ),
        ))
    }
}
