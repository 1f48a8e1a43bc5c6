//! Events out of records that anybody may have written.

use prost::{DecodeError, Message as _};

use crate::{
    event::bounds::{MOST_PARTS, parts},
    logdir::wire::{Content, Fields},
    proto,
};

/// The event of a record.
///
/// # Errors
/// Why there is none: bytes that are no event, or one that would take very much more memory than the record.
pub(crate) fn decode_event(data: &[u8]) -> Result<proto::Event, String> {
    let parts = parts(data).map_err(|error| error.to_string())?;
    if parts > MOST_PARTS {
        return Err(format!("it counts {parts} values, texts and dimensions, at most {MOST_PARTS} are read"));
    }
    proto::Event::decode(data).map_err(|error| error.to_string())
}

/// The messages or strings of a field.
pub(super) fn messages(message: &[u8], number: u32) -> impl Iterator<Item = Result<&[u8], DecodeError>> {
    Fields::of(message).filter_map(move |field| match field {
        Ok(field) => match field.content {
            Content::Bytes(bytes) if field.number == number => Some(Ok(bytes)),
            _ => None,
        },
        Err(error) => Some(Err(error)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_that_swell_are_refused() {
        // Empty values of a summary, two bytes each.
        let event = |count: usize| {
            let summary = [0x0a, 0].repeat(count);
            let mut event = vec![0x2a];
            prost::encoding::encode_varint(summary.len() as u64, &mut event);
            [event, summary].concat()
        };
        assert!(decode_event(&event(1000)).is_ok());
        let error = decode_event(&event(MOST_PARTS)).unwrap_err();
        assert!(error.ends_with("at most 1048576 are read"), "{error}");
        assert!(decode_event(b"\xff").is_err());
    }
}
