//! Pictures from files of any size and mode.

use std::{
    fs::File,
    io::{BufRead, BufReader, Cursor, ErrorKind as IoErrorKind, Seek},
    path::Path,
};

use image::{
    DynamicImage, ImageBuffer, ImageDecoder as _, ImageError, ImageReader, Limits, Luma, Rgb,
    metadata::Orientation,
};

use crate::error::{Error, Result};

/// Bytes that a file may take unpacked where the caller says nothing: 130 million pixels of 8-bit RGB.
const MOST_BYTES: u64 = 400 << 20;
const FORMATS: &str = "PNG, JPEG, GIF, WebP, BMP and PNM are read";

/// A picture from a file, as a person sees it: upright (the file's EXIF orientation is applied), on white where it can be
/// seen through, the first frame of an animation. Grey or RGB, of 8 or 16 bits, as in the file.
///
/// [`Preprocessing`](super::Preprocessing) makes a model's input of it. Colour profiles are not applied.
///
/// ```
/// use convscope::{Image, data::Picture};
///
/// let png = Image::rgba(2, 1, vec![255, 0, 0, 255, 0, 0, 0, 0])?.to_png()?; // red, and nothing
/// let picture = Picture::from_bytes("two pixels", &png)?;
/// assert_eq!((picture.size(), picture.channels()), ([1, 2], 3));
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Picture {
    name: String,
    pixels: DynamicImage,
}

impl Picture {
    /// Reads a file; its format is told by its content.
    ///
    /// # Errors
    /// A file that cannot be read, is of no known format, is damaged, or takes more than 400 MiB unpacked.
    pub fn open(path: impl AsRef<Path>) -> Result<Picture> {
        Picture::open_within(path, MOST_BYTES)
    }

    /// The same, where the file may take `most_bytes` unpacked. The picture and copies of it on their way to the model
    /// take up to three times as much for a moment.
    ///
    /// # Errors
    /// As [`open`](Picture::open).
    pub fn open_within(path: impl AsRef<Path>, most_bytes: u64) -> Result<Picture> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|error| Error::io("open", path, error))?;
        if file.metadata().map_err(|error| Error::io("read", path, error))?.is_dir() {
            return Err(Error::invalid(path.display().to_string(), "it is a folder; a picture is expected"));
        }
        decode(&path.display().to_string(), BufReader::new(file), most_bytes)
    }

    /// Reads a file that is in memory; `name` is what errors call it.
    ///
    /// # Errors
    /// As [`open`](Picture::open).
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Picture> {
        decode(name, Cursor::new(bytes), MOST_BYTES)
    }

    /// The file.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Rows and columns.
    pub fn size(&self) -> [u32; 2] {
        [self.pixels.height(), self.pixels.width()]
    }

    /// 1 for grey, 3 for RGB.
    pub fn channels(&self) -> usize {
        usize::from(self.pixels.color().channel_count())
    }

    /// The pixels: one of `ImageLuma8`, `ImageLuma16`, `ImageRgb8`, `ImageRgb16`.
    pub(super) fn pixels(&self) -> &DynamicImage {
        &self.pixels
    }
}

fn decode(name: &str, file: impl BufRead + Seek, most_bytes: u64) -> Result<Picture> {
    let refuse = |error: ImageError| refusal(name, error, most_bytes);
    let mut limits = Limits::default();
    limits.max_alloc = Some(most_bytes);
    let mut reader =
        ImageReader::new(file).with_guessed_format().map_err(|error| refuse(ImageError::IoError(error)))?;
    reader.limits(limits.clone());
    let mut decoder = reader.into_decoder().map_err(refuse)?;
    limits.reserve(decoder.total_bytes()).map_err(refuse)?; // as `ImageReader::decode` does
    // What is wrong with a file's remarks is no reason not to show it.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut pixels = DynamicImage::from_decoder(decoder).map_err(refuse)?;
    pixels.apply_orientation(orientation);
    if pixels.width() == 0 || pixels.height() == 0 {
        return Err(Error::invalid(name, "it has no pixels"));
    }
    Ok(Picture { name: name.to_owned(), pixels: on_white(pixels) })
}

fn refusal(name: &str, error: ImageError, most_bytes: u64) -> Error {
    match error {
        ImageError::Unsupported(_) => Error::invalid(name, format!("{error}; {FORMATS}")),
        ImageError::Limits(_) => {
            Error::invalid(name, format!("it takes more than {} MiB unpacked ({error})", most_bytes >> 20))
        }
        ImageError::IoError(error) if error.kind() == IoErrorKind::UnexpectedEof => {
            Error::invalid(name, format!("it is cut off: {error}"))
        }
        ImageError::IoError(error) => Error::io("read", name, error),
        error => Error::invalid(name, format!("it is damaged: {error}")),
    }
}

/// Without opacity: over white, as a browser shows it.
fn on_white(picture: DynamicImage) -> DynamicImage {
    match picture {
        DynamicImage::ImageLumaA8(from) => {
            DynamicImage::ImageLuma8(ImageBuffer::from_fn(from.width(), from.height(), |x, y| {
                Luma([over(from.get_pixel(x, y).0[0], from.get_pixel(x, y).0[1], u8::MAX)])
            }))
        }
        DynamicImage::ImageLumaA16(from) => {
            DynamicImage::ImageLuma16(ImageBuffer::from_fn(from.width(), from.height(), |x, y| {
                Luma([over(from.get_pixel(x, y).0[0], from.get_pixel(x, y).0[1], u16::MAX)])
            }))
        }
        DynamicImage::ImageRgba8(from) => {
            DynamicImage::ImageRgb8(ImageBuffer::from_fn(from.width(), from.height(), |x, y| {
                let [red, green, blue, opacity] = from.get_pixel(x, y).0;
                Rgb([red, green, blue].map(|value| over(value, opacity, u8::MAX)))
            }))
        }
        DynamicImage::ImageRgba16(from) => {
            DynamicImage::ImageRgb16(ImageBuffer::from_fn(from.width(), from.height(), |x, y| {
                let [red, green, blue, opacity] = from.get_pixel(x, y).0;
                Rgb([red, green, blue].map(|value| over(value, opacity, u16::MAX)))
            }))
        }
        opaque @ (DynamicImage::ImageLuma8(_)
        | DynamicImage::ImageLuma16(_)
        | DynamicImage::ImageRgb8(_)
        | DynamicImage::ImageRgb16(_)) => opaque,
        other => DynamicImage::ImageRgb16(other.into_rgb16()),
    }
}

/// `value` with `opacity` over white, all from 0 to `white`.
fn over<T: Copy + Into<u64> + TryFrom<u64>>(value: T, opacity: T, white: T) -> T {
    let (of, seen, most) = (value.into(), opacity.into(), white.into());
    T::try_from((of * seen + most * (most - seen) + most / 2) / most).unwrap_or(white)
}
