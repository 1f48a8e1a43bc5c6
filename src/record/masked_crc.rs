//! The checksum of the record format.

use std::fmt;

/// Added to the rotated checksum, so that a checksum of data that holds checksums is not trivial.
const MASK_DELTA: u32 = 0xa282_ead8;

/// A masked CRC-32C (Castagnoli): the checksum of the record format. Printed as eight hexadecimal digits.
///
/// ```
/// use convscope::record::MaskedCrc;
///
/// assert_eq!(MaskedCrc::compute(b"\x1a\x11CRC test, one two").to_string(), "5794d08a");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MaskedCrc(pub u32);

impl MaskedCrc {
    /// The checksum of `bytes`.
    pub fn compute(bytes: &[u8]) -> MaskedCrc {
        MaskedCrc(crc32c::crc32c(bytes).rotate_right(15).wrapping_add(MASK_DELTA))
    }

    /// As it stands in a file.
    pub fn to_le_bytes(self) -> [u8; 4] {
        self.0.to_le_bytes()
    }
}

impl fmt::Display for MaskedCrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for MaskedCrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MaskedCrc({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_checksums() {
        assert_eq!(MaskedCrc::compute(b"\x1a\x11CRC test, one two"), MaskedCrc(0x5794_d08a));
        assert_eq!(MaskedCrc::compute(&24u64.to_le_bytes()), MaskedCrc(0x224b_7fa3));
        let event = b"\x09\x00\x00\x80\x38\x99\xd6\xd7\x41\x1a\x0dbrain.Event:2";
        assert_eq!(MaskedCrc::compute(event), MaskedCrc(0xab36_4b12));
    }

    #[test]
    fn printed_with_leading_zeros() {
        assert_eq!(MaskedCrc(0xab).to_string(), "000000ab");
        assert_eq!(format!("{:?}", MaskedCrc(0xab)), "MaskedCrc(000000ab)");
    }
}
