//! A file of images and a file of labels.

use std::{io::Read, path::Path};

use super::source::Source;
use crate::error::Result;

const IMAGES_MAGIC: u32 = 0x0803;
const LABELS_MAGIC: u32 = 0x0801;

/// An IDX file of grey images, which may be packed with gzip.
///
/// ```
/// use convscope::data::IdxImages;
///
/// let mut file = vec![0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]; // one image, 2 x 3 pixels
/// file.extend([0, 10, 20, 30, 40, 50]);
/// let images = IdxImages::from_bytes("train-images-idx3-ubyte", &file)?;
/// assert_eq!(images.size(), [1, 2, 3]);
/// assert_eq!(images.pixels()[3..], [30, 40, 50]);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdxImages {
    pub(super) name: String,
    size: [u32; 3],
    pixels: Vec<u8>,
}

impl IdxImages {
    /// Reads a file.
    ///
    /// # Errors
    /// A file that cannot be read, is no IDX file of images, is shorter or longer than its header says, has a damaged
    /// gzip stream, holds nothing, or holds more than 4 GiB. Each says which file, what was found and what was expected.
    pub fn open(path: impl AsRef<Path>) -> Result<IdxImages> {
        IdxImages::read(Source::open(path.as_ref())?)
    }

    /// The same for bytes in memory; `name` is what errors call them.
    ///
    /// # Errors
    /// As [`open`](IdxImages::open).
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<IdxImages> {
        IdxImages::read(Source::bytes(name, bytes))
    }

    /// The same for anything that can be read. It buffers by itself.
    ///
    /// # Errors
    /// As [`open`](IdxImages::open).
    pub fn from_reader(name: &str, input: impl Read) -> Result<IdxImages> {
        IdxImages::read(Source::reader(name, input))
    }

    fn read(source: Source<'_>) -> Result<IdxImages> {
        let (name, size, pixels) = source.read(IMAGES_MAGIC, "images")?;
        Ok(IdxImages { name, size, pixels })
    }

    /// Number of images, height, width. None is 0.
    pub fn size(&self) -> [u32; 3] {
        self.size
    }

    /// All pixels, image by image, row by row: 0 to 255.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }
}

/// An IDX file of labels, which may be packed with gzip.
///
/// ```
/// use convscope::data::IdxLabels;
///
/// let labels = IdxLabels::from_bytes("train-labels-idx1-ubyte", &[0, 0, 8, 1, 0, 0, 0, 3, 7, 0, 9])?;
/// assert_eq!(labels.values(), [7, 0, 9]);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdxLabels {
    pub(super) name: String,
    values: Vec<u8>,
}

impl IdxLabels {
    /// Reads a file.
    ///
    /// # Errors
    /// As [`IdxImages::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<IdxLabels> {
        IdxLabels::read(Source::open(path.as_ref())?)
    }

    /// The same for bytes in memory; `name` is what errors call them.
    ///
    /// # Errors
    /// As [`IdxImages::open`].
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<IdxLabels> {
        IdxLabels::read(Source::bytes(name, bytes))
    }

    /// The same for anything that can be read. It buffers by itself.
    ///
    /// # Errors
    /// As [`IdxImages::open`].
    pub fn from_reader(name: &str, input: impl Read) -> Result<IdxLabels> {
        IdxLabels::read(Source::reader(name, input))
    }

    fn read(source: Source<'_>) -> Result<IdxLabels> {
        let (name, [_], values) = source.read(LABELS_MAGIC, "labels")?;
        Ok(IdxLabels { name, values })
    }

    /// One label per image. At least one.
    pub fn values(&self) -> &[u8] {
        &self.values
    }
}
