//! Videos: pictures that follow each other, as one file that browsers play. They stand on the page Images.

use std::{fmt, sync::Arc};

use super::image::{Image, encode_files};
use crate::{
    error::{Error, Result},
    proto::summary::value::Value,
};

/// Frames per second that are taken. Browsers slow down what is faster.
const RATES: std::ops::RangeInclusive<f64> = 0.02..=60.0;

/// Pictures of one size that are played in a loop. Cheap to clone; packed into a file when it is written.
///
/// The file is an animated PNG, which keeps all colours and which TensorBoard serves as the PNG that it is. See
/// [`gif`](Video::gif) for the other format.
///
/// ```
/// use convscope::{Image, summary::Video};
///
/// let frame = |i: u8| Image::rgb(2, 1, vec![i, 0, 0, 0, 0, i]);
/// let video = Video::new((0..10).map(frame).collect::<Result<_, _>>()?, 5.0)?;
/// assert_eq!((video.frames().len(), video.fps()), (10, 5.0));
/// assert!(video.to_file()?.starts_with(b"\x89PNG"));
/// assert!(video.gif().to_file()?.starts_with(b"GIF89a"));
///
/// let error = Video::new(vec![Image::gray(1, 1, vec![0])?, Image::gray(2, 1, vec![0, 0])?], 5.0).unwrap_err();
/// assert_eq!(error.to_string(), "video: frame 1 has 2 x 1 pixels of 1 channels, frame 0 has 1 x 1 of 1");
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Video {
    frames: Arc<[Image]>,
    fps: f64,
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Apng,
    Gif,
}

impl Video {
    /// Pictures of the same width, height and channels, shown at `fps` of them per second, 0.02 to 60.
    ///
    /// # Errors
    /// No picture, pictures of different sizes, and a rate that is out of range.
    pub fn new(frames: Vec<Image>, fps: f64) -> Result<Video> {
        let Some(first) = frames.first() else {
            return Err(Error::invalid("video", "it has no frames; it takes at least one"));
        };
        let size = |image: &Image| (image.width(), image.height(), image.channels());
        if let Some(at) = frames.iter().position(|frame| size(frame) != size(first)) {
            let ((width, height, channels), (w, h, c)) = (size(&frames[at]), size(first));
            let why = format!(
                "frame {at} has {width} x {height} pixels of {channels} channels, frame 0 has {w} x {h} of {c}"
            );
            return Err(Error::invalid("video", why));
        }
        if !RATES.contains(&fps) {
            let why = format!("{fps} frames per second; {} to {} can be shown", RATES.start(), RATES.end());
            return Err(Error::invalid("video", why));
        }
        Ok(Video { frames: frames.into(), fps, format: Format::Apng })
    }

    /// The same video as a GIF, for programs that do not play an animated PNG. It has at most 256 colours per frame,
    /// each pixel is seen or not, and its times are hundredths of a second, at least two: the mean over the frames is
    /// right, up to 50 frames per second. Finding the colours takes several times as long as packing the other format.
    #[must_use]
    pub fn gif(mut self) -> Video {
        self.format = Format::Gif;
        self
    }

    /// The pictures, at least one.
    pub fn frames(&self) -> &[Image] {
        &self.frames
    }

    /// Pictures per second.
    pub fn fps(&self) -> f64 {
        self.fps
    }

    /// The file, packed: takes milliseconds per frame.
    ///
    /// # Errors
    /// Frames that are too large for the format: more than 2^31 - 1 pixels wide or high, 65,535 in a GIF.
    pub fn to_file(&self) -> Result<Vec<u8>> {
        let mut file = Vec::new();
        let packed = match self.format {
            Format::Apng => self.write_apng(&mut file).map_err(|error| format!("animated PNG: {error}")),
            Format::Gif => self.write_gif(&mut file).map_err(|error| format!("GIF: {error}")),
        };
        packed.map_err(|error| Error::invalid("video", format!("it cannot be written as {error}")))?;
        Ok(file)
    }

    fn write_apng(&self, file: &mut Vec<u8>) -> Result<(), png::EncodingError> {
        let (numerator, denominator) = png_delay(self.fps);
        let mut encoder = self.frames[0].png_encoder(file);
        encoder.set_animated(self.frames.len() as u32, 0)?;
        encoder.set_frame_delay(numerator, denominator)?;
        let mut writer = encoder.write_header()?;
        for frame in &*self.frames {
            writer.write_image_data(frame.pixels())?;
        }
        writer.finish()
    }

    fn write_gif(&self, file: &mut Vec<u8>) -> Result<(), Box<dyn std::error::Error>> {
        let (width, height) =
            (u16::try_from(self.frames[0].width())?, u16::try_from(self.frames[0].height())?);
        let speed = gif_speed(u32::from(width) * u32::from(height));
        let mut encoder = gif::Encoder::new(file, width, height, &[])?;
        encoder.set_repeat(gif::Repeat::Infinite)?;
        for (i, image) in self.frames.iter().enumerate() {
            let mut rgba: Vec<u8> = image.rgba_pixels().flatten().collect();
            let mut frame = gif::Frame::from_rgba_speed(width, height, &mut rgba, speed);
            frame.delay = gif_delay(self.fps, i);
            frame.dispose = gif::DisposalMethod::Background; // so that the frame before is not seen through the next
            encoder.write_frame(&frame)?;
        }
        Ok(())
    }

    /// Bytes held in memory.
    pub(super) fn size(&self) -> usize {
        self.frames.iter().map(Image::size).sum()
    }
}

impl fmt::Debug for Video {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Video({} x {:?} at {} fps, {:?})",
            self.frames.len(),
            self.frames[0],
            self.fps,
            self.format
        )
    }
}

/// Seconds per frame as numerator and denominator, to a thousandth of the rate or of a second.
fn png_delay(fps: f64) -> (u16, u16) {
    if fps < 1.0 { ((1000.0 / fps).round() as u16, 1000) } else { (1000, (1000.0 * fps).round() as u16) }
}

/// Browsers show what is faster than this, in hundredths of a second, ten times slower.
const LEAST_GIF_DELAY: u16 = 2;

/// Hundredths of a second that frame `i` is shown: rounded so that the error does not add up.
fn gif_delay(fps: f64, i: usize) -> u16 {
    let ends = |frames: usize| (100.0 * frames as f64 / fps).round();
    ((ends(i + 1) - ends(i)) as u16).max(LEAST_GIF_DELAY)
}

/// Each how many pixels one is looked at to find the 256 colours of a frame: about 10,000 of them tell enough.
fn gif_speed(pixels: u32) -> i32 {
    (pixels / 10_000).clamp(1, 30) as i32
}

/// Width, height, and the files, as pictures are written.
pub(super) fn encode(videos: &[Video]) -> Result<Value> {
    let size = videos.first().map_or((0, 0), |video| (video.frames[0].width(), video.frames[0].height()));
    let files = videos.iter().map(Video::to_file).collect::<Result<Vec<_>>>()?;
    Ok(encode_files(size, files))
}
