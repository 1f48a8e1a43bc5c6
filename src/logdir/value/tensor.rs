//! Tensors with their type.

use super::numbers::numbers;
use crate::{
    logdir::{restarts::Restarts, stored::Stored},
    proto::{DataType, TensorProto, summary::value::Value},
    summary::Tensor,
};

/// The tensor of a value.
pub(in crate::logdir) fn tensor(stored: Stored, _: Restarts) -> Option<Tensor> {
    match stored {
        Stored::Value(Some(Value::Tensor(tensor))) => typed(tensor),
        // What a value that only says something of its tag stands for in TensorBoard.
        Stored::Value(None) => Tensor::new(&[0], Vec::<f32>::new()).ok(),
        _ => None,
    }
}

/// The serialized message that a rank-0 text is.
pub(in crate::logdir) fn message(stored: Stored, _: Restarts) -> Option<Vec<u8>> {
    match stored {
        Stored::Value(Some(Value::Tensor(tensor))) if tensor.dtype() == DataType::DtString => {
            tensor.string_val.into_iter().next()
        }
        _ => None,
    }
}

fn typed(tensor: TensorProto) -> Option<Tensor> {
    let dtype = tensor.dtype();
    if dtype == DataType::DtString {
        let dims = tensor.tensor_shape.unwrap_or_default().dim;
        let shape = dims.iter().map(|dim| usize::try_from(dim.size).ok()).collect::<Option<Vec<usize>>>()?;
        let texts = tensor.string_val.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect();
        return Tensor::new::<String>(&shape, texts).ok();
    }
    if let DataType::DtInt64 | DataType::DtUint64 = dtype {
        let (shape, _) = numbers(&tensor)?;
        return Tensor::new(&shape, wide(&tensor)?).ok();
    }
    let (shape, numbers) = numbers(&tensor)?;
    let numbers = numbers.into_iter();
    match dtype {
        DataType::DtFloat | DataType::DtHalf | DataType::DtBfloat16 => {
            Tensor::new(&shape, numbers.map(|number| number as f32).collect())
        }
        DataType::DtDouble => Tensor::new(&shape, numbers.collect()),
        DataType::DtInt32 | DataType::DtInt16 | DataType::DtInt8 | DataType::DtUint16 => {
            Tensor::new(&shape, numbers.map(|number| number as i32).collect())
        }
        DataType::DtUint32 => Tensor::new(&shape, numbers.map(|number| number as i64).collect()),
        DataType::DtUint8 => Tensor::new(&shape, numbers.map(|number| number as u8).collect()),
        DataType::DtBool => Tensor::new(&shape, numbers.map(|number| number != 0.0).collect()),
        DataType::DtInt64 | DataType::DtUint64 | DataType::DtString | DataType::DtInvalid => return None,
    }
    .ok()
}

/// Integers of 64 bits, which floats do not hold exactly. Unsigned ones beyond the signed range are refused.
fn wide(tensor: &TensorProto) -> Option<Vec<i64>> {
    let (words, _) = tensor.tensor_content.as_chunks::<8>();
    let unsigned =
        |numbers: &mut dyn Iterator<Item = u64>| numbers.map(|it| i64::try_from(it).ok()).collect();
    match (tensor.dtype(), words) {
        (DataType::DtInt64, []) => Some(tensor.int64_val.clone()),
        (DataType::DtInt64, words) => Some(words.iter().map(|&word| i64::from_le_bytes(word)).collect()),
        (_, []) => unsigned(&mut tensor.uint64_val.iter().copied()),
        (_, words) => unsigned(&mut words.iter().map(|&word| u64::from_le_bytes(word))),
    }
}
