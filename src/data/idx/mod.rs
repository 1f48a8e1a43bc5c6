//! IDX, the format of MNIST and its kin: a file of images and a file of labels.
//!
//! A file is a magic number (`0x0803` for images, `0x0801` for labels), one big-endian `u32` per dimension, and one byte
//! per value. It may be packed with gzip.

mod file;
mod folder;

pub use self::folder::idx;
pub(super) use self::{file::Source, folder::Part};
