//! The fields of a message, one after the other, without building the message.
//!
//! What a hostile message claims to hold costs nothing here: nothing is allocated, and every length is checked against
//! the bytes that are there.

use prost::{
    DecodeError,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};

/// One field: its number and what it holds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Field<'a> {
    pub number: u32,
    pub content: Content<'a>,
}

/// What a field holds, by its wire type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Content<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
    /// A group, which no message of ours has.
    Group,
}

/// The fields of a serialized message.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn of(message: &'a [u8]) -> Fields<'a> {
        Fields { rest: message }
    }

    fn read(&mut self) -> Result<Field<'a>, DecodeError> {
        let (number, wire_type) = decode_key(&mut self.rest)?;
        let start = self.rest;
        skip_field(wire_type, number, &mut self.rest, DecodeContext::default())?;
        let mut bytes = &start[..start.len() - self.rest.len()];
        let content = match wire_type {
            WireType::Varint => Content::Varint(decode_varint(&mut bytes)?),
            WireType::SixtyFourBit => Content::Fixed64(little_endian(bytes)),
            WireType::ThirtyTwoBit => Content::Fixed32(little_endian(bytes) as u32),
            WireType::LengthDelimited => {
                decode_varint(&mut bytes)?;
                Content::Bytes(bytes)
            }
            WireType::StartGroup | WireType::EndGroup => Content::Group,
        };
        Ok(Field { number, content })
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().take(8).rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::proto;

    #[test]
    fn every_wire_type() {
        let event = proto::Event {
            wall_time: 1.5,
            step: -1,
            what: Some(proto::event::What::FileVersion("v".to_owned())),
            ..Default::default()
        }
        .encode_to_vec();
        let fields: Vec<Field<'_>> = Fields::of(&event).map(Result::unwrap).collect();
        assert!(fields.contains(&Field { number: 1, content: Content::Fixed64(1.5_f64.to_bits()) }));
        assert!(fields.contains(&Field { number: 2, content: Content::Varint(u64::MAX) }));
        assert!(fields.contains(&Field { number: 3, content: Content::Bytes(b"v") }));
        assert_eq!(
            Fields::of(b"\x15\x01\x02\x03\x04").next().unwrap().unwrap(),
            Field { number: 2, content: Content::Fixed32(0x0403_0201) }
        );
    }

    #[test]
    fn ends_at_the_first_error() {
        for bad in
            [&b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"[..], b"\x0a\x05abc", b"\x09\x01", b"\x00", b"\x0f"]
        {
            let mut fields = Fields::of(bad);
            assert!(fields.next().unwrap().is_err(), "{bad:?}");
            assert!(fields.next().is_none());
        }
    }
}
