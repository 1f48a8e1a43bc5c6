//! From a picture of any size to a model's input.

use image::{DynamicImage, imageops::FilterType};
use tch::{Device, Tensor};
use toml::{Table, Value};

use super::{image::Picture, normalization::Normalization};
use crate::{
    arch::did_you_mean,
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// Rec. 601 luma, as torchvision's `rgb_to_grayscale` and Pillow's mode `L` have it.
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];
/// A picture this many times as long as wide is cropped before it is resized, where it will be cropped anyway.
const LONG: u32 = 16;
/// More pixels than any model takes: a slip of the finger.
const MOST_PIXELS: u64 = 1 << 26;

/// How a picture of any size becomes a model's input: resize, crop, channels, mean and standard deviation, in this order.
/// The steps are torchvision's `Resize`, `CenterCrop`, `Grayscale`, `ToTensor` and `Normalize`.
///
/// Resizing is bilinear, over all pixels that a new one covers (torchvision's `antialias=True`). RGB becomes grey by
/// 0.299 R + 0.587 G + 0.114 B; grey becomes RGB by repetition.
///
/// ```
/// use convscope::{Image, data::{Normalization, Picture, Preprocessing}};
/// use tch::Device;
///
/// let preprocessing = Preprocessing::for_input([1, 8, 8], Normalization { mean: vec![0.5], std: vec![0.25] })?;
/// let png = Image::rgb(40, 30, vec![255; 40 * 30 * 3])?.to_png()?;
/// let input = preprocessing.apply(&Picture::from_bytes("white", &png)?, Device::Cpu)?;
/// assert_eq!(input.size(), [1, 1, 8, 8]);
/// assert!((input.double_value(&[0, 0, 3, 3]) - 2.0).abs() < 1e-5); // (1 - 0.5) / 0.25
///
/// assert_eq!(Preprocessing::from_toml(&preprocessing.to_toml())?, preprocessing);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Preprocessing {
    /// What is done to the size.
    pub resize: Resize,
    /// Rows and columns that are cut from the middle.
    pub crop: Option<[u32; 2]>,
    /// Whether black and white change places: for models that learned bright things on black, as MNIST's.
    pub invert: bool,
    /// Mean and standard deviation of each channel; their number, 1 (grey) or 3 (RGB), is that of the input.
    pub normalization: Normalization,
}

/// What [`Preprocessing`] does to a picture's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resize {
    /// Nothing.
    Keep,
    /// The shorter side becomes so many pixels, the other one follows.
    ShorterSide(u32),
    /// Rows and columns become these, whatever they were.
    Exact([u32; 2]),
}

impl Preprocessing {
    /// For a model that takes `[channels, rows, columns]`: a square is cut from the middle of the picture after its shorter
    /// side was resized; what is not square is resized exactly.
    ///
    /// # Errors
    /// A normalisation for another number of channels; a side that is not 1 or more.
    pub fn for_input(input: [i64; 3], normalization: Normalization) -> Result<Preprocessing> {
        let [channels, height, width] = input;
        let side = |side: i64| {
            u32::try_from(side).ok().filter(|&side| side > 0).ok_or_else(|| {
                Error::invalid(
                    "preprocessing",
                    format!("a model's input of shape {input:?} found; sides from 1 expected"),
                )
            })
        };
        let size = [side(height)?, side(width)?];
        if usize::try_from(channels) != Ok(normalization.mean.len()) {
            let why =
                format!("it is for {} channels and the model takes {channels}", normalization.mean.len());
            return Err(Error::invalid("normalization", why));
        }
        let (resize, crop) = if height == width {
            (Resize::ShorterSide(size[0]), Some(size))
        } else {
            (Resize::Exact(size), None)
        };
        Ok(Preprocessing { resize, crop, invert: false, normalization })
    }

    /// That of torchvision's networks for ImageNet: shorter side 256, crop 224, mean (0.485, 0.456, 0.406), standard
    /// deviation (0.229, 0.224, 0.225); `torchvision.transforms._presets.ImageClassification`.
    pub fn imagenet() -> Preprocessing {
        let normalization = Normalization { mean: vec![0.485, 0.456, 0.406], std: vec![0.229, 0.224, 0.225] };
        Preprocessing {
            resize: Resize::ShorterSide(256),
            crop: Some([224, 224]),
            invert: false,
            normalization,
        }
    }

    /// A model's input: `[1, channels, rows, columns]`, normalised, `f32` on `device`.
    ///
    /// # Errors
    /// As [`pixels`](Preprocessing::pixels); a normalisation that is none.
    pub fn apply(&self, picture: &Picture, device: Device) -> Result<Tensor> {
        self.normalization.apply(&self.pixels(picture)?, device)
    }

    /// The same before the normalisation: brightness from 0 to 1, on the CPU.
    ///
    /// # Errors
    /// A crop that is larger than the resized picture; a number of channels other than 1 and 3; a size beyond 67 million
    /// pixels.
    pub fn pixels(&self, picture: &Picture) -> Result<Tensor> {
        let refuse = |why: String| Error::invalid(picture.name(), why);
        let channels = self.normalization.mean.len();
        if !matches!(channels, 1 | 3) {
            return Err(refuse(format!(
                "a picture becomes 1 or 3 channels, and the preprocessing's mean has {channels} values"
            )));
        }
        let middle = self.middle_of_long(picture.pixels());
        let pixels = middle.as_ref().unwrap_or(picture.pixels());
        let size @ [rows, columns] = self.resized([pixels.height(), pixels.width()]);
        if u64::from(rows) * u64::from(columns) > MOST_PIXELS {
            return Err(refuse(format!(
                "{rows}x{columns} pixels after resizing (rows x columns); at most {MOST_PIXELS} pixels are taken: resize it to \
                 less, or crop"
            )));
        }
        let resized;
        let pixels = if size == [pixels.height(), pixels.width()] {
            pixels
        } else {
            resized = pixels.resize_exact(columns, rows, FilterType::Triangle);
            &resized
        };
        let cropped = match self.crop {
            Some(crop) => Some(center(pixels, crop).ok_or_else(|| {
                refuse(format!(
                    "{rows}x{columns} pixels after resizing (rows x columns), fewer than the {}x{} that are to be cropped: \
                     resize it to more, or crop less",
                    crop[0], crop[1]
                ))
            })?),
            None => None,
        };
        self.tensor(cropped.as_ref().unwrap_or(pixels), channels).context(|| picture.name().to_owned())
    }

    /// Channels, rows and columns of the input where they do not depend on the picture.
    pub fn input(&self) -> Option<[i64; 3]> {
        let size = match (self.crop, self.resize) {
            (Some(size), _) | (None, Resize::Exact(size)) => size,
            (None, _) => return None,
        };
        Some([self.normalization.mean.len() as i64, size[0].into(), size[1].into()])
    }

    /// The size after resizing. As in torchvision the longer side is rounded down.
    fn resized(&self, size: [u32; 2]) -> [u32; 2] {
        let [rows, columns] = size;
        let follow = |side: u32, long: u32, short: u32| {
            u32::try_from(u64::from(side) * u64::from(long) / u64::from(short.max(1))).unwrap_or(u32::MAX)
        };
        match self.resize {
            Resize::Keep => size,
            Resize::Exact(size) => size,
            Resize::ShorterSide(side) if rows <= columns => [side, follow(side, columns, rows)],
            Resize::ShorterSide(side) => [follow(side, rows, columns), side],
        }
    }

    /// The middle of a picture that is so long that resizing all of it would cost much more than what is kept: enough for
    /// the crop. `None` for others.
    fn middle_of_long(&self, pixels: &DynamicImage) -> Option<DynamicImage> {
        let (Resize::ShorterSide(side), Some(crop)) = (self.resize, self.crop) else { return None };
        let [height, width] = [pixels.height(), pixels.width()];
        let short = height.min(width);
        let times = LONG.max(2 * crop[0].max(crop[1]).div_ceil(side.max(1)));
        let most = short.saturating_mul(times);
        if height.max(width) <= most {
            return None;
        }
        center(pixels, [height.min(most), width.min(most)])
    }

    /// Brightness, `[1, channels, rows, columns]`.
    fn tensor(&self, pixels: &DynamicImage, channels: usize) -> Result<Tensor, tch::TchError> {
        let planes = planes(pixels);
        let mut planes = match (planes.len(), channels) {
            (1, 3) => vec![planes[0].clone(), planes[0].clone(), planes[0].clone()],
            (3, 1) => {
                let grey =
                    |i| LUMA.iter().zip(&planes).map(|(share, plane): (_, &Vec<f32>)| share * plane[i]).sum();
                vec![(0..planes[0].len()).map(grey).collect()]
            }
            _ => planes,
        };
        if self.invert {
            planes.iter_mut().flatten().for_each(|value| *value = 1.0 - *value);
        }
        let size = [1, channels as i64, pixels.height().into(), pixels.width().into()];
        Tensor::f_from_slice(&planes.concat())?.f_reshape(size)
    }

    /// As a table of TOML: `resize` (a number: the shorter side; two: rows and columns; absent: none), `crop` (rows and
    /// columns), `invert`, `mean`, `std`.
    pub fn to_table(&self) -> Table {
        let sizes =
            |size: [u32; 2]| Value::Array(size.iter().map(|&side| Value::Integer(side.into())).collect());
        let floats = |values: &[f64]| Value::Array(values.iter().map(|&value| Value::Float(value)).collect());
        let mut table = Table::new();
        match self.resize {
            Resize::Keep => None,
            Resize::ShorterSide(side) => table.insert("resize".to_owned(), Value::Integer(side.into())),
            Resize::Exact(size) => table.insert("resize".to_owned(), sizes(size)),
        };
        if let Some(crop) = self.crop {
            table.insert("crop".to_owned(), sizes(crop));
        }
        table.insert("invert".to_owned(), Value::Boolean(self.invert));
        table.insert("mean".to_owned(), floats(&self.normalization.mean));
        table.insert("std".to_owned(), floats(&self.normalization.std));
        table
    }

    /// The table as text.
    pub fn to_toml(&self) -> String {
        self.to_table().to_string()
    }

    /// Reads what [`to_toml`](Preprocessing::to_toml) writes.
    ///
    /// # Errors
    /// A text that is no TOML, a field that is missing, unknown or of another kind, and mean and std that do not fit
    /// together.
    pub fn from_toml(text: &str) -> Result<Preprocessing> {
        let table = text.parse().map_err(|error: toml::de::Error| {
            Error::invalid("preprocessing", format!("it is no TOML: {}", error.message()))
        })?;
        Preprocessing::from_table(&table)
    }

    /// Reads what [`to_table`](Preprocessing::to_table) gives.
    ///
    /// # Errors
    /// As [`from_toml`](Preprocessing::from_toml).
    pub fn from_table(table: &Table) -> Result<Preprocessing> {
        const FIELDS: [&str; 5] = ["resize", "crop", "invert", "mean", "std"];
        if let Some(unknown) = table.keys().find(|key| !FIELDS.contains(&key.as_str())) {
            return Err(wrong(unknown, &format!("is unknown{}", did_you_mean(unknown, FIELDS))));
        }
        let resize =
            |value: &Value| side(value).map(Resize::ShorterSide).or_else(|| sizes(value).map(Resize::Exact));
        let resize = field(table, "resize", "the pixels of the shorter side, or [rows, columns]", resize)?;
        let crop = field(table, "crop", "[rows, columns]", sizes)?;
        let invert = field(table, "invert", "true or false", Value::as_bool)?;
        let mean = field(table, "mean", "a number for each channel", numbers)?;
        let std = field(table, "std", "a number for each channel", numbers)?;
        let (Some(mean), Some(std)) = (mean, std) else {
            return Err(wrong("mean", "and `std` are expected, with a number for each channel"));
        };
        if mean.len() != std.len() {
            return Err(wrong("std", &format!("has {} numbers and `mean` {}", std.len(), mean.len())));
        }
        Ok(Preprocessing {
            resize: resize.unwrap_or(Resize::Keep),
            crop,
            invert: invert.unwrap_or(false),
            normalization: Normalization { mean, std },
        })
    }
}

/// The rows and columns in the middle of a picture, rounded as torchvision's `CenterCrop` rounds; `None` where the picture
/// is smaller.
fn center(pixels: &DynamicImage, [rows, columns]: [u32; 2]) -> Option<DynamicImage> {
    // Python's `round`: a half goes to the even number.
    let half = |room: u32| (f64::from(room) / 2.0).round_ties_even() as u32;
    let top = half(pixels.height().checked_sub(rows)?);
    let left = half(pixels.width().checked_sub(columns)?);
    Some(pixels.crop_imm(left, top, columns, rows))
}

/// Brightness of each channel from 0 to 1, row by row.
fn planes(pixels: &DynamicImage) -> Vec<Vec<f32>> {
    fn split<T: Copy + Into<f32>>(values: &[T], channels: usize, most: f32) -> Vec<Vec<f32>> {
        let plane = |channel| {
            values.iter().skip(channel).step_by(channels).map(|&value| value.into() / most).collect()
        };
        (0..channels).map(plane).collect()
    }
    const BYTE: f32 = u8::MAX as f32;
    const WORD: f32 = u16::MAX as f32;
    match pixels {
        DynamicImage::ImageLuma8(pixels) => split(pixels, 1, BYTE),
        DynamicImage::ImageRgb8(pixels) => split(pixels, 3, BYTE),
        DynamicImage::ImageLuma16(pixels) => split(pixels, 1, WORD),
        DynamicImage::ImageRgb16(pixels) => split(pixels, 3, WORD),
        other => split(&other.to_rgb16(), 3, WORD), // a `Picture` has none
    }
}

/// A field, `None` where it is absent.
fn field<T>(
    table: &Table,
    name: &str,
    expected: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Result<Option<T>> {
    let Some(value) = table.get(name) else { return Ok(None) };
    read(value).map(Some).ok_or_else(|| wrong(name, &format!("{value} found, {expected} expected")))
}

fn wrong(field: &str, why: &str) -> Error {
    Error::invalid("preprocessing", format!("field `{field}`: {why}"))
}

fn side(value: &Value) -> Option<u32> {
    u32::try_from(value.as_integer()?).ok().filter(|&side| side > 0)
}

fn sizes(value: &Value) -> Option<[u32; 2]> {
    match value.as_array()?.as_slice() {
        [rows, columns] => Some([side(rows)?, side(columns)?]),
        _ => None,
    }
}

fn numbers(value: &Value) -> Option<Vec<f64>> {
    let number = |value: &Value| value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64));
    value.as_array()?.iter().map(number).collect()
}
