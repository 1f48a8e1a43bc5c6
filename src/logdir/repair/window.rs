//! A part of a file that moves on.

use std::io::{self, Read, Seek, SeekFrom};

/// Bytes that are asked for at a time.
pub(super) const CHUNK: u64 = 64 << 10;
/// A buffer larger than this is made smaller when little of it is used.
const LARGE: usize = 1 << 20;

/// Bytes of a file by their place. Who goes on from the front to the back reads each byte once, however often it looks
/// at it: what was read stays until it is [released](Window::release).
#[derive(Debug)]
pub(super) struct Window<R> {
    pub input: R,
    /// Length of the file.
    bytes: u64,
    /// Where `held` begins in the file.
    start: u64,
    held: Vec<u8>,
    /// Nothing before this place will be looked at.
    needed: u64,
}

impl<R: Read + Seek> Window<R> {
    /// Of a file of so many bytes.
    pub fn new(input: R, bytes: u64) -> Window<R> {
        Window { input, bytes, start: 0, held: Vec::new(), needed: 0 }
    }

    /// Length of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Lets go of what lies before `offset`.
    pub fn release(&mut self, offset: u64) {
        self.needed = offset;
    }

    /// `length` bytes from `offset` on, which must not be before what was released; fewer where the file ends.
    pub fn get(&mut self, offset: u64, length: u64) -> io::Result<&[u8]> {
        let end = offset.saturating_add(length).min(self.bytes);
        if offset < self.start || offset > self.end() {
            (self.start, self.needed) = (offset, offset);
            self.held.clear();
        }
        if end > self.end() {
            self.drop_released();
            let here = self.end();
            self.input.seek(SeekFrom::Start(here))?;
            let wanted = (end - here).max(CHUNK).min(self.bytes - here);
            self.held.reserve(wanted as usize);
            self.input.by_ref().take(wanted).read_to_end(&mut self.held)?;
            if self.end() < end {
                self.bytes = self.end(); // somebody cut the file
            }
        }
        let from = (offset - self.start) as usize;
        let to = (end.min(self.end()).max(offset) - self.start) as usize;
        Ok(self.held.get(from..to).unwrap_or_default())
    }

    /// A copy of some bytes anywhere, without moving there.
    pub fn peek(&mut self, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let end = offset.saturating_add(length);
        if offset >= self.start && end <= self.end() {
            return self.get(offset, length).map(<[u8]>::to_vec);
        }
        let mut copy = Vec::new();
        self.input.seek(SeekFrom::Start(offset))?;
        self.input.by_ref().take(length).read_to_end(&mut copy)?;
        Ok(copy)
    }

    fn end(&self) -> u64 {
        self.start + self.held.len() as u64
    }

    fn drop_released(&mut self) {
        let released = self.needed.saturating_sub(self.start).min(self.held.len() as u64);
        self.held.drain(..released as usize);
        self.start += released;
        if self.held.capacity() > LARGE && self.held.len() < self.held.capacity() / 4 {
            self.held.shrink_to_fit();
        }
    }
}
