//! IDX, the format of MNIST and its kin: a file of images and a file of labels.
//!
//! A file is a magic number (`0x0803` for images, `0x0801` for labels), one big-endian `u32` per dimension, and one byte
//! per value. It may be packed with gzip.

mod file;
#[cfg(feature = "tch")]
mod folder;
mod source;

pub use self::file::{IdxImages, IdxLabels};
#[cfg(feature = "tch")]
pub(super) use self::folder::Part;
#[cfg(feature = "tch")]
pub use self::folder::idx;
