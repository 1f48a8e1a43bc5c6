//! Values of the page Images: one picture or several of one step.

use std::{fmt, io::Cursor, sync::Arc};

use super::tensor;
use crate::{
    error::{Error, Result},
    proto::{DataClass, summary::value::Value},
};

pub(super) const PLUGIN: &str = "images";
pub(super) const DATA_CLASS: DataClass = DataClass::BlobSequence;

/// A picture of 8 bits per channel, rows from top to bottom, channels of a pixel side by side. Cheap to clone.
///
/// ```
/// use convscope::Image;
///
/// let image = Image::rgb(2, 1, vec![255, 0, 0, 0, 0, 255])?; // a red and a blue pixel
/// assert_eq!((image.width(), image.height(), image.channels()), (2, 1, 3));
/// assert_eq!(&image.pixels()[..3], [255, 0, 0]);
///
/// let error = Image::gray(3, 3, vec![0; 8]).unwrap_err();
/// assert_eq!(error.to_string(), "image: 8 bytes for 3 x 3 pixels of 1 channel, which take 9");
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Clone)]
pub struct Image(Arc<Inner>);

struct Inner {
    width: u32,
    height: u32,
    channels: u8,
    pixels: Vec<u8>,
    /// The file that the picture came from: it is written as it is.
    png: Option<Vec<u8>>,
}

impl Image {
    /// Three bytes per pixel: red, green, blue, each 0 to 255.
    ///
    /// # Errors
    /// A width or height of 0, and a number of bytes other than `width * height * 3`.
    pub fn rgb(width: u32, height: u32, pixels: Vec<u8>) -> Result<Image> {
        Image::new(width, height, 3, pixels)
    }

    /// One byte per pixel: 0 is black, 255 is white.
    ///
    /// # Errors
    /// A width or height of 0, and a number of bytes other than `width * height`.
    pub fn gray(width: u32, height: u32, pixels: Vec<u8>) -> Result<Image> {
        Image::new(width, height, 1, pixels)
    }

    /// Four bytes per pixel: red, green, blue, and opacity from 0 (not seen) to 255.
    ///
    /// # Errors
    /// A width or height of 0, and a number of bytes other than `width * height * 4`.
    pub fn rgba(width: u32, height: u32, pixels: Vec<u8>) -> Result<Image> {
        Image::new(width, height, 4, pixels)
    }

    fn new(width: u32, height: u32, channels: u8, pixels: Vec<u8>) -> Result<Image> {
        if width == 0 || height == 0 {
            return Err(Error::invalid("image", format!("{width} x {height} pixels are none")));
        }
        let size = u128::from(width) * u128::from(height) * u128::from(channels);
        if pixels.len() as u128 != size {
            let plural = if channels == 1 { "" } else { "s" };
            return Err(Error::invalid(
                "image",
                format!(
                    "{} bytes for {width} x {height} pixels of {channels} channel{plural}, which take {size}",
                    pixels.len()
                ),
            ));
        }
        Ok(Image(Arc::new(Inner { width, height, channels, pixels, png: None })))
    }

    /// A PNG file. Its bytes are written as they are, so that an animation stays one.
    ///
    /// Pixels of 16 bits, palettes and bits are seen as 8 bits per channel by [`pixels`](Image::pixels), which shows
    /// the first picture of an animation.
    ///
    /// # Errors
    /// A file that is not a whole PNG, or takes more than 64 MiB unpacked.
    pub fn from_png(png: Vec<u8>) -> Result<Image> {
        let refused = |error: png::DecodingError| Error::invalid("PNG image", error.to_string());
        let mut decoder = png::Decoder::new(Cursor::new(png.as_slice()));
        decoder.set_transformations(png::Transformations::EXPAND | png::Transformations::STRIP_16);
        let mut reader = decoder.read_info().map_err(refused)?;
        let size = reader.output_buffer_size().filter(|&size| size <= MAX_UNPACKED);
        let Some(size) = size else {
            return Err(Error::invalid(
                "PNG image",
                format!("it takes more than {MAX_UNPACKED} bytes unpacked"),
            ));
        };
        let mut pixels = vec![0; size];
        let frame = reader.next_frame(&mut pixels).map_err(refused)?;
        pixels.truncate(frame.buffer_size());
        let channels = frame.color_type.samples() as u8;
        let (width, height) = (frame.width, frame.height);
        Ok(Image(Arc::new(Inner { width, height, channels, pixels, png: Some(png) })))
    }

    /// Pixels from left to right, at least 1.
    pub fn width(&self) -> u32 {
        self.0.width
    }

    /// Pixels from top to bottom, at least 1.
    pub fn height(&self) -> u32 {
        self.0.height
    }

    /// Bytes per pixel: 1 gray, 2 gray and opacity (from PNG files alone), 3 RGB, 4 RGBA.
    pub fn channels(&self) -> u8 {
        self.0.channels
    }

    /// The bytes, `height * width * channels` of them.
    pub fn pixels(&self) -> &[u8] {
        &self.0.pixels
    }

    /// Red, green, blue and opacity of each pixel, whatever the channels.
    pub(crate) fn rgba_pixels(&self) -> impl Iterator<Item = [u8; 4]> + '_ {
        self.0.pixels.chunks_exact(self.0.channels.into()).map(|pixel| match *pixel {
            [gray] => [gray, gray, gray, u8::MAX],
            [gray, opacity] => [gray, gray, gray, opacity],
            [red, green, blue] => [red, green, blue, u8::MAX],
            [red, green, blue, opacity, ..] => [red, green, blue, opacity],
            [] => [0; 4],
        })
    }

    /// Red, green and blue of each pixel, on white where it can be seen through.
    pub(crate) fn opaque_pixels(&self) -> impl Iterator<Item = [u8; 3]> + '_ {
        self.rgba_pixels().map(|[red, green, blue, opacity]| {
            let opacity = u32::from(opacity);
            [red, green, blue].map(|c| ((u32::from(c) * opacity + 255 * (255 - opacity) + 127) / 255) as u8)
        })
    }

    /// The picture as a PNG file.
    ///
    /// # Errors
    /// A picture that is too large for the format: more than 2^31 - 1 pixels wide or high.
    ///
    /// ```
    /// use convscope::Image;
    ///
    /// let image = Image::gray(2, 1, vec![0, 255])?;
    /// assert_eq!(Image::from_png(image.to_png()?)?.pixels(), [0, 255]);
    /// # Ok::<(), convscope::Error>(())
    /// ```
    pub fn to_png(&self) -> Result<Vec<u8>> {
        if let Some(png) = &self.0.png {
            return Ok(png.clone());
        }
        let mut out = Vec::new();
        self.write_png(&mut out)
            .map_err(|error| Error::invalid("image", format!("it cannot be written as PNG: {error}")))?;
        Ok(out)
    }

    fn write_png(&self, out: &mut Vec<u8>) -> Result<(), png::EncodingError> {
        let mut writer = self.png_encoder(out).write_header()?;
        writer.write_image_data(&self.0.pixels)?;
        writer.finish()
    }

    /// Size, depth and colours; the pixels come after the header.
    pub(super) fn png_encoder<'a>(&self, out: &'a mut Vec<u8>) -> png::Encoder<'static, &'a mut Vec<u8>> {
        let mut encoder = png::Encoder::new(out, self.0.width, self.0.height);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_color(match self.0.channels {
            1 => png::ColorType::Grayscale,
            2 => png::ColorType::GrayscaleAlpha,
            3 => png::ColorType::Rgb,
            _ => png::ColorType::Rgba,
        });
        // It runs beside the training: time counts more than the last tenth of the size.
        encoder.set_compression(png::Compression::Fast);
        encoder
    }

    /// Bytes held in memory.
    pub(super) fn size(&self) -> usize {
        self.0.pixels.len() + self.0.png.as_ref().map_or(0, Vec::len)
    }
}

/// The unpacked size that [`Image::from_png`] accepts: 64 MiB.
const MAX_UNPACKED: usize = 64 << 20;

impl PartialEq for Image {
    fn eq(&self, other: &Image) -> bool {
        let Inner { width, height, channels, pixels, png } = &*self.0;
        let of = &*other.0;
        (*width, *height, *channels) == (of.width, of.height, of.channels)
            && *pixels == of.pixels
            && *png == of.png
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({} x {} x {})", self.0.width, self.0.height, self.0.channels)
    }
}

/// Width, height, and the files: TensorBoard shows one card per picture, on one slider of steps.
pub(super) fn encode(images: &[Image]) -> Result<Value> {
    let size = images.first().map_or((0, 0), |image| (image.width(), image.height()));
    let files = images.iter().map(Image::to_png).collect::<Result<Vec<_>>>()?;
    Ok(encode_files(size, files))
}

/// Width and height in pixels, and files of a format that browsers show.
pub(super) fn encode_files((width, height): (u32, u32), files: Vec<Vec<u8>>) -> Value {
    let mut values = vec![width.to_string().into_bytes(), height.to_string().into_bytes()];
    values.extend(files);
    let shape = [values.len()];
    Value::Tensor(tensor::strings(values, &shape))
}
