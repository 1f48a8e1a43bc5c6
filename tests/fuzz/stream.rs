//! A stream of records out of arbitrary bytes. Checksums keep a fuzzer from getting anywhere by itself, so the bytes are
//! a script of records that are whole, damaged, too long, or no records at all.

use convscope::record::{Limits, MaskedCrc, RecordEncoder};

/// The limits and the stream that the script makes.
pub fn of_script(data: &[u8]) -> (Limits, Vec<u8>) {
    let mut script = Script(data);
    let settings = script.byte();
    let limits = Limits { max_record_bytes: 1 << (settings % 24) };
    let mut stream = Vec::new();
    if settings >= 128 {
        stream.extend_from_slice(script.0);
        return (limits, stream);
    }
    while !script.0.is_empty() {
        script.step(&mut stream);
    }
    (limits, stream)
}

struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or_default()
    }

    /// As many as there are.
    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Bytes with their number before them.
    fn counted(&mut self) -> &'a [u8] {
        let count = self.byte().into();
        self.take(count)
    }

    fn step(&mut self, stream: &mut Vec<u8>) {
        match self.byte() % 8 {
            0..=2 => stream.extend(framed(self.counted())),
            3 => {
                let whole = self.0;
                self.0 = &[];
                stream.extend(framed(whole));
            }
            4 => {
                let mut record = framed(self.counted());
                let last = record.len() - 1;
                record[last] ^= 1 + self.byte() % 255;
                stream.extend(record);
            }
            5 => {
                let mut length = [0; 8];
                let given = 1 + usize::from(self.byte() % 8);
                let given = self.take(given);
                length[..given.len()].copy_from_slice(given);
                stream.extend_from_slice(&length);
                stream.extend_from_slice(&MaskedCrc::compute(&length).to_le_bytes());
            }
            6 => stream.extend_from_slice(self.counted()),
            _ => {
                // Longer than what the reader asks for at a time.
                let pattern = [self.byte(), self.byte(), self.byte()];
                stream.extend(framed(&pattern.repeat(1 + 100 * usize::from(self.byte()))));
            }
        }
    }
}

fn framed(data: &[u8]) -> Vec<u8> {
    let mut encoder = RecordEncoder::new();
    encoder.push(data);
    encoder.as_bytes().to_vec()
}
