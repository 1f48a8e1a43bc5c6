//! What the values of each kind are, made from how they stand in a file.

mod blobs;
mod histogram;
mod image;
mod numbers;
mod pr_curve;
mod tensor;
mod text;

pub(super) use self::{
    blobs::{audio, blobs},
    histogram::buckets,
    image::images,
    pr_curve::pr_curve,
    tensor::{message, tensor},
    text::text,
};
pub use self::{histogram::LoggedBucket, image::LoggedImages, pr_curve::LoggedPrCurve, text::LoggedText};
