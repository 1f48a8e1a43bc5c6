//! Which pixels of the image a unit can see: the theoretical receptive field on the graph of layers.

mod axis;
mod field;
mod fields;
mod pixel_box;
mod seen;
mod solve;
mod step;
mod support;

pub(in crate::arch) use self::seen::seen_by;
pub use self::{axis::AxisField, field::ReceptiveField, fields::ReceptiveFields, pixel_box::PixelBox};
