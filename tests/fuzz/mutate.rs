//! Small changes to an input, drawn from a seed.

use super::chopped::mix;

/// Changes one to four places of `input`; `other` is where pieces come from.
pub fn mutated(input: &[u8], other: &[u8], seed: u64) -> Vec<u8> {
    let mut dice = Dice(mix(seed));
    let mut bytes = input.to_vec();
    for _ in 0..1 + dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        match dice.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, dice.below(256) as u8),
            2 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            3 if at < bytes.len() => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][dice.below(5)],
            4 => {
                let from = dice.below(other.len() + 1);
                let piece = &other[from..from + dice.below((other.len() - from).min(64) + 1)];
                bytes.splice(at..at, piece.iter().copied());
            }
            _ => {
                let end = at + dice.below(bytes.len() - at + 1);
                bytes.drain(at..end);
            }
        }
    }
    bytes
}

struct Dice(u64);

impl Dice {
    /// A number below `sides`, which is at least 1.
    fn below(&mut self, sides: usize) -> usize {
        self.0 = mix(self.0);
        (self.0 >> 33) as usize % sides
    }
}
