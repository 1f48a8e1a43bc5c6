//! Values of the page Scalars: a 32-bit float per step.

use crate::proto::{DataClass, summary::value::Value};

pub(super) const PLUGIN: &str = "scalars";
pub(super) const DATA_CLASS: DataClass = DataClass::Scalar;

/// TensorBoard keeps 32 bits: what is out of their range becomes an infinity, which it draws as a marker, as it does
/// with NaN. (The short field holds the same as a rank-0 tensor in ten bytes less.)
pub(super) fn encode(value: f64) -> Value {
    Value::SimpleValue(value as f32)
}
