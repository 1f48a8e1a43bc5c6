//! The tensor message, in the two forms that event files need.

use crate::proto::{DataType, TensorProto, TensorShapeProto, tensor_shape_proto::Dim};

/// Byte strings of this shape; a scalar where `shape` is empty.
pub(super) fn strings(values: Vec<Vec<u8>>, shape: &[usize]) -> TensorProto {
    TensorProto {
        dtype: DataType::DtString as i32,
        tensor_shape: Some(dims(shape)),
        string_val: values,
        ..Default::default()
    }
}

/// 64-bit floats of this shape.
pub(super) fn doubles(values: impl IntoIterator<Item = f64>, shape: &[usize]) -> TensorProto {
    TensorProto {
        dtype: DataType::DtDouble as i32,
        tensor_shape: Some(dims(shape)),
        tensor_content: values.into_iter().flat_map(f64::to_le_bytes).collect(),
        ..Default::default()
    }
}

fn dims(shape: &[usize]) -> TensorShapeProto {
    let dim = |&size: &usize| Dim { size: size as i64, ..Default::default() };
    TensorShapeProto { dim: shape.iter().map(dim).collect(), ..Default::default() }
}
