//! Pictures.

use super::blobs::blobs;
use crate::logdir::{restarts::Restarts, stored::Stored};

/// The pictures of one step, packed as they are in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedImages {
    /// Pixels from left to right, as the writer told it. 0 where that is no number.
    pub width: u32,
    /// Pixels from top to bottom, as the writer told it. 0 where that is no number.
    pub height: u32,
    /// Whole files: PNG mostly, also JPEG and GIF. [`Image::from_png`](crate::Image::from_png) unpacks a PNG.
    pub samples: Vec<Vec<u8>>,
}

/// The pictures of a value.
pub(in crate::logdir) fn images(stored: Stored, restarts: Restarts) -> Option<LoggedImages> {
    let mut blobs = blobs(stored, restarts)?.into_iter();
    let size = |text: Vec<u8>| String::from_utf8(text).ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    let (width, height) = (size(blobs.next()?), size(blobs.next()?));
    Some(LoggedImages { width, height, samples: blobs.collect() })
}
