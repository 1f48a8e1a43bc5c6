//! Tensors of numbers.

use crate::{
    logdir::stored::MAX_PARTS,
    proto::{DataType, TensorProto},
};

/// Shape and numbers of a tensor in row-major order; `None` where it holds no numbers, or not as many as its shape says.
///
/// A single number in the field of its type stands for all of them.
pub(in crate::logdir) fn numbers(tensor: &TensorProto) -> Option<(Vec<usize>, Vec<f64>)> {
    let dims = tensor.tensor_shape.as_ref().map_or(&[][..], |shape| &shape.dim);
    let shape = dims.iter().map(|dim| usize::try_from(dim.size).ok()).collect::<Option<Vec<usize>>>()?;
    let wanted = shape.iter().try_fold(1_usize, |size, &dim| size.checked_mul(dim))?;
    let mut numbers =
        if tensor.tensor_content.is_empty() { from_fields(tensor)? } else { from_content(tensor)? };
    // The shape is only a claim: what it makes of one number is bounded.
    if let [number] = numbers[..]
        && wanted <= MAX_PARTS
    {
        numbers = vec![number; wanted];
    }
    (numbers.len() == wanted).then_some((shape, numbers))
}

/// Little-endian numbers.
fn from_content(tensor: &TensorProto) -> Option<Vec<f64>> {
    fn all<const N: usize>(bytes: &[u8], number: fn([u8; N]) -> f64) -> Option<Vec<f64>> {
        let (numbers, rest) = bytes.as_chunks::<N>();
        rest.is_empty().then(|| numbers.iter().map(|&bytes| number(bytes)).collect())
    }
    let bytes = &tensor.tensor_content;
    match tensor.dtype() {
        DataType::DtFloat => all(bytes, |it| f32::from_le_bytes(it).into()),
        DataType::DtDouble => all(bytes, f64::from_le_bytes),
        DataType::DtInt64 => all(bytes, |it| i64::from_le_bytes(it) as f64),
        DataType::DtInt32 => all(bytes, |it| i32::from_le_bytes(it).into()),
        DataType::DtInt16 => all(bytes, |it| i16::from_le_bytes(it).into()),
        DataType::DtInt8 => all(bytes, |it| i8::from_le_bytes(it).into()),
        DataType::DtUint64 => all(bytes, |it| u64::from_le_bytes(it) as f64),
        DataType::DtUint32 => all(bytes, |it| u32::from_le_bytes(it).into()),
        DataType::DtUint16 => all(bytes, |it| u16::from_le_bytes(it).into()),
        DataType::DtUint8 | DataType::DtBool => all(bytes, |[it]: [u8; 1]| it.into()),
        DataType::DtHalf => all(bytes, |it| half(u16::from_le_bytes(it))),
        DataType::DtBfloat16 => all(bytes, |it| bfloat(u16::from_le_bytes(it))),
        DataType::DtInvalid | DataType::DtString => None,
    }
}

/// Numbers in the field of their type.
fn from_fields(tensor: &TensorProto) -> Option<Vec<f64>> {
    fn all<T: Copy>(values: &[T], number: impl Fn(T) -> f64) -> Option<Vec<f64>> {
        Some(values.iter().map(|&value| number(value)).collect())
    }
    match tensor.dtype() {
        DataType::DtFloat => all(&tensor.float_val, f64::from),
        DataType::DtDouble => all(&tensor.double_val, f64::from),
        DataType::DtInt64 => all(&tensor.int64_val, |it| it as f64),
        DataType::DtInt32 | DataType::DtInt16 | DataType::DtInt8 | DataType::DtUint8 | DataType::DtUint16 => {
            all(&tensor.int_val, f64::from)
        }
        DataType::DtUint64 => all(&tensor.uint64_val, |it| it as f64),
        DataType::DtUint32 => all(&tensor.uint32_val, f64::from),
        DataType::DtBool => all(&tensor.bool_val, f64::from),
        DataType::DtHalf => all(&tensor.half_val, |it| half(it as u16)),
        DataType::DtBfloat16 => all(&tensor.half_val, |it| bfloat(it as u16)),
        DataType::DtInvalid | DataType::DtString => None,
    }
}

/// A number of 1 sign, 5 exponent and 10 fraction bits (IEEE 754 binary16).
fn half(bits: u16) -> f64 {
    let sign = if bits >> 15 == 0 { 1.0 } else { -1.0 };
    let fraction = f64::from(bits & 0x3ff);
    match bits >> 10 & 0x1f {
        0 => sign * fraction * 2_f64.powi(-24),
        0x1f if fraction == 0.0 => sign * f64::INFINITY,
        0x1f => f64::NAN,
        exponent => sign * (1.0 + fraction / 1024.0) * 2_f64.powi(i32::from(exponent) - 15),
    }
}

/// The upper half of a 32-bit float.
fn bfloat(bits: u16) -> f64 {
    f32::from_bits(u32::from(bits) << 16).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{TensorShapeProto, tensor_shape_proto::Dim};

    fn shaped(dtype: DataType, shape: &[i64]) -> TensorProto {
        let dim = shape.iter().map(|&size| Dim { size, ..Default::default() }).collect();
        let tensor_shape = Some(TensorShapeProto { dim, ..Default::default() });
        TensorProto { dtype: dtype as i32, tensor_shape, ..Default::default() }
    }

    #[test]
    fn content_and_fields_are_the_same() {
        let content = [1_i32, -2].iter().flat_map(|number| number.to_le_bytes()).collect();
        let packed = TensorProto { tensor_content: content, ..shaped(DataType::DtInt32, &[2, 1]) };
        let listed = TensorProto { int_val: vec![1, -2], ..shaped(DataType::DtInt32, &[2, 1]) };
        assert_eq!(numbers(&packed), Some((vec![2, 1], vec![1.0, -2.0])));
        assert_eq!(numbers(&listed), numbers(&packed));
    }

    #[test]
    fn one_number_stands_for_all_but_not_for_a_claim() {
        let one = |shape: &[i64]| {
            numbers(&TensorProto { float_val: vec![0.5], ..shaped(DataType::DtFloat, shape) })
        };
        assert_eq!(one(&[2]), Some((vec![2], vec![0.5, 0.5])));
        assert_eq!(one(&[1 << 40]), None);
        assert_eq!(one(&[i64::MAX, i64::MAX]), None);
        assert_eq!(one(&[-1]), None);
    }

    #[test]
    fn short_floats() {
        for (bits, number) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x0001, 2_f64.powi(-24)),
            (0x7bff, 65504.0),
            (0x3555, 0.333_251_953_125),
        ] {
            assert_eq!(half(bits), number, "{bits:#x}");
        }
        assert_eq!(half(0xfc00), f64::NEG_INFINITY);
        assert!(half(0x7e00).is_nan());
        assert_eq!(bfloat(0x3fc0), 1.5);
    }
}
