//! Who is told how far the reading is.

use std::mem;

use crate::error::{Error, Result};

/// Bytes after which the reader's progress is told again.
const GRAIN: u64 = 256 << 10;

/// Told how many bytes were read, and of how many; an error from it ends the reading.
pub(super) type OnProgress<'a> = &'a mut dyn FnMut(u64, u64) -> Result<()>;

/// How far the reading is.
pub(super) struct Watch<'a> {
    on_progress: Option<OnProgress<'a>>,
    /// Bytes of all files.
    pub found: u64,
    /// Bytes of the files that are done.
    done: u64,
    /// What was told last.
    told: u64,
    stopped: Option<Error>,
}

impl<'a> Watch<'a> {
    pub fn new(on_progress: Option<OnProgress<'a>>) -> Watch<'a> {
        Watch { on_progress, found: 0, done: 0, told: 0, stopped: None }
    }

    pub fn is_watched(&self) -> bool {
        self.on_progress.is_some()
    }

    /// The reading is at this byte of a file. Whether it shall end.
    pub fn is_over_at(&mut self, offset: u64) -> bool {
        if self.done + offset >= self.told.saturating_add(GRAIN) {
            self.tell(self.done + offset);
        }
        self.is_over()
    }

    /// A file of this length is done.
    pub fn file_done(&mut self, len: u64) {
        self.done += len;
        self.is_over_at(0);
    }

    /// Tells how far it is.
    pub fn tell(&mut self, bytes: u64) {
        self.told = bytes;
        if let (Some(on_progress), None) = (&mut self.on_progress, &self.stopped) {
            // A file may have grown since they were measured.
            self.stopped = on_progress(bytes.min(self.found), self.found).err();
        }
    }

    pub fn is_over(&self) -> bool {
        self.stopped.is_some()
    }

    /// The error that ended the reading.
    pub fn outcome(&mut self) -> Result<()> {
        mem::take(&mut self.stopped).map_or(Ok(()), Err)
    }
}
