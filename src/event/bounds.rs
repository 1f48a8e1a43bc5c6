//! What an event may hold, checked before it is unpacked.

use prost::{
    DecodeError,
    bytes::Buf as _,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};

/// Most parts of one event. A part is two bytes in a file and takes much more in memory, so that their number must be
/// bounded; the largest honest events have some thousands.
pub(crate) const MOST_PARTS: usize = 1 << 20;
/// What a value of a summary counts: in memory it takes 16 times what a string or a dimension takes.
const VALUE: usize = 16;

/// A repeated field of a message: `path` leads to it from the event, `parts` is what each one counts.
struct Repeated {
    path: &'static [u32],
    parts: usize,
}

/// All repeated fields below an event that hold messages, strings or bytes.
const REPEATED: [Repeated; 3] = [
    Repeated { path: &[5, 1], parts: VALUE },      // summary.value
    Repeated { path: &[5, 1, 8, 8], parts: 1 },    // summary.value.tensor.string_val
    Repeated { path: &[5, 1, 8, 2, 2], parts: 1 }, // summary.value.tensor.tensor_shape.dim
];

/// How many parts a serialized event has.
pub(crate) fn parts(event: &[u8]) -> Result<usize, DecodeError> {
    REPEATED.iter().try_fold(0_usize, |sum, repeated| {
        let count = count(event, repeated.path)?;
        Ok(sum.saturating_add(count.saturating_mul(repeated.parts)))
    })
}

/// How many fields of a message `path` leads to.
pub(crate) fn count(mut message: &[u8], path: &[u32]) -> Result<usize, DecodeError> {
    let Some((&wanted, below)) = path.split_first() else { return Ok(1) };
    let mut found = 0;
    while message.has_remaining() {
        let (number, wire_type) = decode_key(&mut message)?;
        if number == wanted && wire_type == WireType::LengthDelimited {
            let length = decode_varint(&mut message)?;
            let inner = usize::try_from(length).ok().and_then(|length| message.get(..length));
            // The decoder says what is wrong with a length that leads out of the message.
            let Some(inner) = inner else { break };
            found += count(inner, below)?;
            message.advance(inner.len());
        } else {
            skip_field(wire_type, number, &mut message, DecodeContext::default())?;
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use prost::Message as _;

    use super::*;
    use crate::proto::{
        DataType, Event, Summary, TensorProto, TensorShapeProto, event::What, summary,
        tensor_shape_proto::Dim,
    };

    fn tensor(strings: usize, dims: usize) -> summary::Value {
        let tensor = TensorProto {
            dtype: DataType::DtString.into(),
            string_val: vec![Vec::new(); strings],
            tensor_shape: Some(TensorShapeProto { dim: vec![Dim::default(); dims], unknown_rank: false }),
            ..Default::default()
        };
        summary::Value { value: Some(summary::value::Value::Tensor(tensor)), ..Default::default() }
    }

    #[test]
    fn values_strings_and_dimensions_count() {
        let summary = Summary { value: vec![tensor(3, 2), tensor(0, 4), summary::Value::default()] };
        let event = Event { what: Some(What::Summary(summary)), ..Default::default() };
        assert_eq!(parts(&event.encode_to_vec()).unwrap(), 3 * VALUE + 3 + 6);
        let event = Event { what: Some(What::FileVersion("brain.Event:2".into())), ..Default::default() };
        assert_eq!(parts(&event.encode_to_vec()).unwrap(), 0);
    }

    #[test]
    fn what_leads_out_of_the_message_is_left_to_the_decoder() {
        for bad in
            [&b"\x2a\x7f\x0a\x00"[..], b"\x2a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", b"\x2a\x02\x0a\x50"]
        {
            assert_eq!(parts(bad).ok(), Some(0), "{bad:?}");
            assert!(Event::decode(bad).is_err());
        }
    }
}
