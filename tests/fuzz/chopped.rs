//! An input in pieces.

use std::io::{self, Read};

/// Pieces of 1 to 40 bytes, or of up to 80,000, as the input itself decides: the same input is always chopped alike.
pub struct Pieces<'a> {
    rest: &'a [u8],
    random: u64,
}

impl<'a> Pieces<'a> {
    pub fn of(bytes: &'a [u8]) -> Pieces<'a> {
        let random = bytes.iter().fold(bytes.len() as u64, |sum, &byte| mix(sum ^ u64::from(byte)));
        Pieces { rest: bytes, random }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.random = mix(self.random);
        let most = if self.random.is_multiple_of(5) { 80_000 } else { 40 };
        let length = 1 + (self.random >> 32) as usize % most;
        let (piece, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        (!piece.is_empty()).then_some(piece)
    }
}

/// One step of a linear congruential generator (Knuth's MMIX).
pub fn mix(state: u64) -> u64 {
    state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
}

/// A reader that gives one piece at a time, and is interrupted before each.
pub struct Chopped<'a> {
    pieces: Pieces<'a>,
    now: &'a [u8],
    interrupted: bool,
    /// Whether the input seems to end after each piece, like a file that somebody is writing.
    grows: bool,
    at_end: bool,
}

impl<'a> Chopped<'a> {
    pub fn new(bytes: &'a [u8]) -> Chopped<'a> {
        Chopped { pieces: Pieces::of(bytes), now: &[], interrupted: false, grows: false, at_end: false }
    }

    pub fn growing(bytes: &'a [u8]) -> Chopped<'a> {
        Chopped { grows: true, ..Chopped::new(bytes) }
    }

    /// Whether everything was given.
    pub fn is_done(&self) -> bool {
        self.now.is_empty() && self.pieces.rest.is_empty()
    }
}

impl Read for Chopped<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.now.is_empty() {
            self.interrupted = !self.interrupted;
            if self.interrupted {
                return Err(io::ErrorKind::Interrupted.into());
            }
            self.at_end = !self.at_end;
            if self.grows && self.at_end {
                self.interrupted = true;
                return Ok(0);
            }
            self.now = self.pieces.next().unwrap_or_default();
        }
        self.now.read(buffer)
    }
}
