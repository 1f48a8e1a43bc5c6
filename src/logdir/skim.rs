//! What an index needs of an event, found without unpacking the values in it.

use prost::{DecodeError, Message as _};

use super::wire::{Content, Field, Fields};
use crate::proto::{TensorProto, session_log::SessionStatus};

/// An event, as far as it must be known before somebody asks for its values.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Skimmed<'a> {
    pub wall_time: f64,
    pub step: i64,
    pub what: What<'a>,
    /// Name of the program that wrote the file; on its first event.
    pub writer: Option<&'a [u8]>,
}

/// What an event is about.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) enum What<'a> {
    /// Nothing that is a value.
    #[default]
    Nothing,
    FileVersion(&'a [u8]),
    /// A serialized `GraphDef`.
    Graph,
    /// A serialized `Summary`.
    Summary(&'a [u8]),
    /// The start of a session.
    Start,
    /// A serialized `RunMetadata`; the bytes are its tag.
    RunMetadata(&'a [u8]),
}

/// Finds the parts of a serialized event.
pub(super) fn event(bytes: &[u8]) -> Result<Skimmed<'_>, DecodeError> {
    let mut event = Skimmed::default();
    for field in Fields::of(bytes) {
        match field? {
            Field { number: 1, content: Content::Fixed64(bits) } => event.wall_time = f64::from_bits(bits),
            Field { number: 2, content: Content::Varint(step) } => event.step = step as i64,
            Field { number: 3, content: Content::Bytes(version) } => event.what = What::FileVersion(version),
            Field { number: 4, content: Content::Bytes(_) } => event.what = What::Graph,
            Field { number: 5, content: Content::Bytes(summary) } => event.what = What::Summary(summary),
            Field { number: 7, content: Content::Bytes(log) } => {
                event.what = if is_start(log)? { What::Start } else { What::Nothing };
            }
            Field { number: 8, content: Content::Bytes(metadata) } => {
                event.what = What::RunMetadata(bytes_field(metadata, 1)?.unwrap_or_default());
            }
            Field { number: 10, content: Content::Bytes(source) } => event.writer = bytes_field(source, 1)?,
            _ => {}
        }
    }
    Ok(event)
}

fn is_start(log: &[u8]) -> Result<bool, DecodeError> {
    let mut status = 0;
    for field in Fields::of(log) {
        if let Field { number: 1, content: Content::Varint(number) } = field? {
            status = number;
        }
    }
    Ok(status == SessionStatus::Start as u64)
}

/// The last field of this number, where it holds bytes.
pub(super) fn bytes_field(message: &[u8], number: u32) -> Result<Option<&[u8]>, DecodeError> {
    let mut found = None;
    for field in Fields::of(message) {
        match field? {
            Field { number: this, content: Content::Bytes(bytes) } if this == number => found = Some(bytes),
            _ => {}
        }
    }
    Ok(found)
}

/// The serialized values of a serialized `Summary`.
pub(super) fn values(summary: &[u8]) -> impl Iterator<Item = Result<&[u8], DecodeError>> {
    Fields::of(summary).filter_map(|field| match field {
        Ok(Field { number: 1, content: Content::Bytes(value) }) => Some(Ok(value)),
        Ok(_) => None,
        Err(error) => Some(Err(error)),
    })
}

/// One value of a summary.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct SkimmedValue<'a> {
    pub tag: &'a [u8],
    pub metadata: Option<&'a [u8]>,
    pub form: Form,
    /// The number, where the value is one.
    pub number: Option<f64>,
}

/// In which field of the message a value stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// In none: it says something of the tag alone.
    #[default]
    None,
    SimpleValue,
    Image,
    Histogram,
    Audio,
    Tensor,
    /// The whole event is a graph.
    Graph,
    /// The whole event is the metadata of a run of a graph.
    RunMetadata,
}

/// Largest tensor that is looked at for being a number: one takes 20 bytes at most, and a few for empty fields.
const MAX_NUMBER: usize = 64;

/// Finds the parts of a serialized value.
pub(super) fn value(bytes: &[u8]) -> Result<SkimmedValue<'_>, DecodeError> {
    let mut value = SkimmedValue::default();
    // Tensors written by old versions of TensorFlow have no tag but the name of a node.
    let mut node_name: &[u8] = b"";
    for field in Fields::of(bytes) {
        match field? {
            Field { number: 1, content: Content::Bytes(tag) } => value.tag = tag,
            Field { number: 7, content: Content::Bytes(name) } => node_name = name,
            Field { number: 9, content: Content::Bytes(metadata) } => value.metadata = Some(metadata),
            // Of several values the last counts.
            Field { number: 2, content: Content::Fixed32(bits) } => {
                value.form = Form::SimpleValue;
                value.number = Some(f32::from_bits(bits).into());
            }
            Field { number: number @ (4..=6 | 8), content: Content::Bytes(bytes) } => {
                value.form = match number {
                    4 => Form::Image,
                    5 => Form::Histogram,
                    6 => Form::Audio,
                    _ => Form::Tensor,
                };
                let may_be_number = value.form == Form::Tensor && bytes.len() <= MAX_NUMBER;
                value.number = if may_be_number { self::number(&TensorProto::decode(bytes)?) } else { None };
            }
            _ => {}
        }
    }
    if value.tag.is_empty() {
        value.tag = node_name;
    }
    Ok(value)
}

/// The number that a rank-0 tensor of floats holds.
///
/// TensorBoard's data server takes 32-bit floats alone; its Python loader takes every type, as is done here for floats
/// of 64 bits and integers.
pub(super) fn number(tensor: &TensorProto) -> Option<f64> {
    use crate::proto::DataType;
    if tensor.tensor_shape.as_ref().is_some_and(|shape| !shape.dim.is_empty()) {
        return None;
    }
    let content = tensor.tensor_content.as_slice();
    fn only<T: Copy>(values: &[T]) -> Option<T> {
        match values {
            [value] => Some(*value),
            _ => None,
        }
    }
    match tensor.dtype() {
        DataType::DtFloat => {
            only(&tensor.float_val).or_else(|| content.try_into().ok().map(f32::from_le_bytes)).map(f64::from)
        }
        DataType::DtDouble => {
            only(&tensor.double_val).or_else(|| content.try_into().ok().map(f64::from_le_bytes))
        }
        DataType::DtInt32 => {
            only(&tensor.int_val).or_else(|| content.try_into().ok().map(i32::from_le_bytes)).map(f64::from)
        }
        DataType::DtInt64 => only(&tensor.int64_val)
            .or_else(|| content.try_into().ok().map(i64::from_le_bytes))
            .map(|number| number as f64),
        _ => None,
    }
}
