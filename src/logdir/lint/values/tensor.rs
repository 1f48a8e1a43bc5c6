//! Elements and shape of a tensor.

use super::super::{
    Rule,
    finding::{Findings, Place},
};
use crate::proto::{DataType, TensorProto};

/// Sizes of the dimensions; none for a scalar.
pub(super) fn dims(tensor: &TensorProto) -> Vec<i64> {
    tensor.tensor_shape.iter().flat_map(|shape| &shape.dim).map(|dim| dim.size).collect()
}

/// `[2, 3] of DT_FLOAT`.
pub(super) fn describe(tensor: &TensorProto) -> String {
    let name = DataType::try_from(tensor.dtype)
        .map_or_else(|_| format!("data type {}", tensor.dtype), |dtype| dtype.as_str_name().to_owned());
    format!("{:?} of {name}", dims(tensor))
}

/// Number of elements that the shape has, unless it makes no sense.
fn elements(tensor: &TensorProto) -> Option<u64> {
    dims(tensor).iter().try_fold(1u64, |product, &size| product.checked_mul(u64::try_from(size).ok()?))
}

/// Bytes of an element; `None` for strings and types that are not known.
fn element_size(tensor: &TensorProto) -> Option<u64> {
    Some(match DataType::try_from(tensor.dtype).ok()? {
        DataType::DtUint8 | DataType::DtInt8 | DataType::DtBool => 1,
        DataType::DtInt16 | DataType::DtUint16 | DataType::DtHalf | DataType::DtBfloat16 => 2,
        DataType::DtFloat | DataType::DtInt32 | DataType::DtUint32 => 4,
        DataType::DtDouble | DataType::DtInt64 | DataType::DtUint64 => 8,
        DataType::DtString | DataType::DtInvalid => return None,
    })
}

/// Elements that stand one by one in the field of their type.
fn listed(tensor: &TensorProto) -> Option<usize> {
    Some(match DataType::try_from(tensor.dtype).ok()? {
        DataType::DtFloat => tensor.float_val.len(),
        DataType::DtDouble => tensor.double_val.len(),
        DataType::DtInt32 | DataType::DtInt16 | DataType::DtInt8 | DataType::DtUint8 | DataType::DtUint16 => {
            tensor.int_val.len()
        }
        DataType::DtInt64 => tensor.int64_val.len(),
        DataType::DtBool => tensor.bool_val.len(),
        DataType::DtUint32 => tensor.uint32_val.len(),
        DataType::DtUint64 => tensor.uint64_val.len(),
        DataType::DtHalf | DataType::DtBfloat16 => tensor.half_val.len(),
        DataType::DtString => tensor.string_val.len(),
        DataType::DtInvalid => return None,
    })
}

/// Whether there are as many elements as the shape has; notes it where there are not.
///
/// One element, or the last of several, may stand for all that follow: TensorFlow writes constant tensors so.
pub(super) fn check_size(findings: &mut Findings, place: Place<'_>, tensor: &TensorProto) -> bool {
    let mut refuse = |found: String| {
        findings.add(Rule::TensorSize, place, || format!("a tensor {} with {found}", describe(tensor)));
        false
    };
    let Some(elements) = elements(tensor) else { return refuse("an impossible shape".to_owned()) };
    if !tensor.tensor_content.is_empty() {
        let expected = element_size(tensor).and_then(|size| elements.checked_mul(size));
        let found = tensor.tensor_content.len() as u64;
        return match expected {
            Some(expected) if expected != found => refuse(format!("{found} bytes, {expected} expected")),
            _ => true,
        };
    }
    match listed(tensor) {
        Some(0) if elements > 0 => refuse("no elements".to_owned()),
        Some(listed) if listed as u64 > elements => refuse(format!("{listed} elements")),
        Some(listed) if (listed as u64) < elements && tensor.dtype == DataType::DtString as i32 => {
            refuse(format!("{listed} strings"))
        }
        _ => true,
    }
}

/// Floats of 32 or 64 bits, as many as there are.
pub(super) fn floats(tensor: &TensorProto) -> Option<Vec<f64>> {
    let content = &tensor.tensor_content;
    let numbers: Vec<f64> = match DataType::try_from(tensor.dtype).ok()? {
        DataType::DtFloat if content.is_empty() => tensor.float_val.iter().map(|&x| x.into()).collect(),
        DataType::DtFloat => {
            content.as_chunks::<4>().0.iter().map(|&b| f32::from_le_bytes(b).into()).collect()
        }
        DataType::DtDouble if content.is_empty() => tensor.double_val.clone(),
        DataType::DtDouble => content.as_chunks::<8>().0.iter().map(|&b| f64::from_le_bytes(b)).collect(),
        _ => return None,
    };
    Some(numbers)
}

/// Whole numbers of 32 bits, as many as there are.
pub(super) fn integers(tensor: &TensorProto) -> Option<Vec<i32>> {
    let content = &tensor.tensor_content;
    match DataType::try_from(tensor.dtype).ok()? {
        DataType::DtInt32 if content.is_empty() => Some(tensor.int_val.clone()),
        DataType::DtInt32 => {
            Some(content.as_chunks::<4>().0.iter().map(|&b| i32::from_le_bytes(b)).collect())
        }
        _ => None,
    }
}
