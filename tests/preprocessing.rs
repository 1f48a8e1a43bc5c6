//! Floor 6: how a picture becomes a model's input: against Pillow's values, a slow twin, and torchvision's rules of rounding.
#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)]

use std::io::Cursor;

use convscope::data::{self, Normalization, Picture, Preprocessing, Resize};
use image::{DynamicImage, ImageBuffer, ImageFormat, Luma, Rgb};
use tch::{Device, Tensor};

fn preprocessing(resize: Resize, crop: Option<[u32; 2]>, channels: usize) -> Preprocessing {
    Preprocessing { resize, crop, invert: false, normalization: Normalization::identity(channels) }
}

fn picture(pixels: &DynamicImage) -> Picture {
    let mut bytes = Cursor::new(Vec::new());
    pixels.write_to(&mut bytes, ImageFormat::Png).unwrap();
    Picture::from_bytes("a.png", bytes.get_ref()).unwrap()
}

fn value(x: u32, y: u32, channel: u32) -> u8 {
    let [x, y, channel] = [x, y, channel].map(u64::from); // squares of long sides
    ((x * x * 7 + y * y * 13 + x * y * 5 + channel * 41) % 251) as u8
}

fn rgb(width: u32, height: u32) -> Picture {
    let pixel = |x, y| Rgb([0, 1, 2].map(|channel| value(x, y, channel)));
    picture(&DynamicImage::ImageRgb8(ImageBuffer::from_fn(width, height, pixel)))
}

fn grey(width: u32, height: u32) -> Picture {
    picture(&DynamicImage::ImageLuma8(ImageBuffer::from_fn(width, height, |x, y| Luma([value(x, y, 0)]))))
}

/// Size and values times 255.
fn seen(preprocessing: &Preprocessing, picture: &Picture) -> (Vec<i64>, Vec<f32>) {
    let pixels = preprocessing.pixels(picture).unwrap();
    (pixels.size(), Vec::try_from((pixels * 255.0).reshape([-1])).unwrap())
}

fn close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (place, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert!((found - expected).abs() <= tolerance, "{place}: {found} found, {expected} expected");
    }
}

/// Values of Pillow 13.0, `Image.resize(size, Image.BILINEAR)` on mode `F`: what torchvision's `Resize` does to a picture, but
/// for rounding to whole numbers.
#[test]
fn resizing_is_pillows() {
    let down = [
        15.019, 51.61, 133.591, 88.086, 157.674, 114.502, 74.04, 121.323, 132.783, 122.651, 147.875, 131.829,
        161.693, 125.949, 128.669, 150.732, 133.49, 130.909, 108.473, 109.298, 121.631, 125.857, 121.555,
        112.026, 56.019, 92.61, 145.731, 97.602, 143.693, 146.282, 115.04, 139.482, 144.888, 121.532,
        122.611, 134.39, 146.755, 104.952, 108.205, 131.002, 149.39, 133.47, 80.491, 113.245, 135.811,
        108.553, 108.769, 79.946, 97.019, 133.311, 145.334, 103.328, 120.15, 107.03, 150.016, 143.836,
        119.036, 126.535, 105.63, 113.429, 118.336, 112.569, 149.205, 107.354, 89.99, 112.509, 115.686,
        150.958, 109.469, 146.929, 143.793, 115.823,
    ];
    // 7 rows and 11 columns: the shorter side becomes 4, the other one 4 * 11 / 7 = 6.28, rounded down.
    let (size, values) = seen(&preprocessing(Resize::ShorterSide(4), None, 3), &rgb(11, 7));
    assert_eq!(size, [1, 3, 4, 6]);
    close(&values, &down, 0.51);
    let up = [
        0.0, 2.8, 7.0, 19.6, 28.0, 0.0, 2.8, 7.0, 19.6, 28.0, 4.333, 7.8, 13.0, 26.6, 35.667, 8.667, 12.8,
        19.0, 33.6, 43.333, 13.0, 17.8, 25.0, 40.6, 51.0, 13.0, 17.8, 25.0, 40.6, 51.0,
    ];
    let (size, values) = seen(&preprocessing(Resize::Exact([6, 5]), None, 1), &grey(3, 2));
    assert_eq!(size, [1, 1, 6, 5]);
    close(&values, &up, 0.51);
}

/// The definition in plain loops: a triangle over all pixels that a new one covers.
fn twin(width: u32, height: u32, new: [u32; 2]) -> Vec<f32> {
    let weights = |old: u32, new: u32, at: u32| -> Vec<f64> {
        let scale = f64::from(old) / f64::from(new);
        let center = (f64::from(at) + 0.5) * scale;
        let weight = |i: u32| (1.0 - ((f64::from(i) + 0.5 - center) / scale.max(1.0)).abs()).max(0.0);
        let all: Vec<f64> = (0..old).map(weight).collect();
        let sum: f64 = all.iter().sum();
        all.into_iter().map(|weight| weight / sum).collect()
    };
    let mut values = Vec::new();
    for row in 0..new[0] {
        for column in 0..new[1] {
            let (of_rows, of_columns) = (weights(height, new[0], row), weights(width, new[1], column));
            let mut sum = 0.0;
            for (y, by_row) in (0..).zip(&of_rows) {
                for (x, by_column) in (0..).zip(&of_columns) {
                    sum += by_row * by_column * f64::from(value(x, y, 0));
                }
            }
            values.push(sum as f32);
        }
    }
    values
}

#[test]
fn resizing_is_its_definition_for_all_sizes() {
    for (width, height, new) in [
        (9, 9, [4, 4]),
        (20, 3, [3, 8]),
        (5, 17, [11, 2]),
        (6, 6, [13, 9]),
        (1, 1, [4, 3]),
        (40, 30, [1, 1]),
        (8, 5, [5, 8]),
    ] {
        let (size, values) = seen(&preprocessing(Resize::Exact(new), None, 1), &grey(width, height));
        assert_eq!(size, [1, 1, i64::from(new[0]), i64::from(new[1])]);
        close(&values, &twin(width, height, new), 0.51);
    }
}

/// torchvision rounds where the middle begins by Python's `round`: 0.5 to 0, 1.5 to 2, 2.5 to 2.
#[test]
fn the_crop_is_torchvisions() {
    for (side, crop, begin) in [(5, 4, 0), (7, 4, 2), (9, 4, 2), (8, 4, 2), (4, 4, 0)] {
        let (size, values) = seen(&preprocessing(Resize::Keep, Some([crop, crop]), 1), &grey(side, side));
        assert_eq!(size, [1, 1, 4, 4]);
        let expected: Vec<f32> = (0..16).map(|i| value(begin + i % 4, begin + i / 4, 0).into()).collect();
        close(&values, &expected, 1e-3);
    }
    let error = preprocessing(Resize::Keep, Some([4, 9]), 1).pixels(&grey(8, 8)).unwrap_err().to_string();
    assert!(error.contains("8x8 pixels") && error.contains("4x9"), "{error}");
}

#[test]
fn channels_are_converted_and_black_and_white_change_places() {
    let (_, values) = seen(&preprocessing(Resize::Keep, None, 1), &rgb(4, 3));
    let luma = |i: u32| {
        let [r, g, b] = [0, 1, 2].map(|channel| f32::from(value(i % 4, i / 4, channel)));
        0.299 * r + 0.587 * g + 0.114 * b
    };
    close(&values, &(0..12).map(luma).collect::<Vec<_>>(), 0.01);
    let mut inverted = preprocessing(Resize::Keep, None, 3);
    inverted.invert = true;
    let (size, values) = seen(&inverted, &grey(2, 1));
    assert_eq!(size, [1, 3, 1, 2]);
    close(&values, &[255.0, 248.0].repeat(3), 1e-3);
    let error = preprocessing(Resize::Keep, None, 2).pixels(&grey(2, 2)).unwrap_err().to_string();
    assert!(error.contains("1 or 3 channels") && error.contains("2 values"), "{error}");
}

#[test]
fn mean_and_deviation_come_last() {
    let mut steps = Preprocessing::imagenet();
    assert_eq!(steps.input(), Some([3, 224, 224]));
    steps.resize = Resize::Exact([1, 1]);
    steps.crop = None;
    let white = picture(&DynamicImage::ImageRgb8(ImageBuffer::from_pixel(3, 3, Rgb([255u8, 0, 51]))));
    let input: Vec<f64> = Vec::try_from(steps.apply(&white, Device::Cpu).unwrap().reshape([-1])).unwrap();
    for (found, expected) in input.iter().zip([(1.0 - 0.485) / 0.229, -0.456 / 0.224, (0.2 - 0.406) / 0.225])
    {
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
    }
}

/// An image of the data that was saved as a file is the same input.
#[test]
fn a_picture_of_the_models_own_size_is_not_touched() {
    let data = data::bundled().unwrap().validation;
    let normalization = Normalization { mean: vec![0.3], std: vec![0.4] };
    let steps = Preprocessing::for_input(data.image_shape(), normalization.clone()).unwrap();
    let one = data.subset(&[17]).unwrap();
    let bytes: Vec<u8> = Vec::try_from(one.images().reshape([-1])).unwrap();
    let file = picture(&DynamicImage::ImageLuma8(ImageBuffer::from_raw(28, 28, bytes).unwrap()));
    let expected = normalization.apply(&one.pixels().unwrap(), Device::Cpu).unwrap();
    assert_eq!(steps.apply(&file, Device::Cpu).unwrap(), expected);
}

#[test]
fn pictures_of_any_shape_fit_into_a_model() {
    let square = Preprocessing::for_input([1, 28, 28], Normalization::identity(1)).unwrap();
    let flat = Preprocessing::for_input([3, 20, 30], Normalization::identity(3)).unwrap();
    for (width, height) in
        [(1, 1), (3, 2), (28, 28), (500, 30), (30, 500), (2, 30_000), (30_000, 1), (1000, 999)]
    {
        assert_eq!(square.pixels(&rgb(width, height)).unwrap().size(), [1, 1, 28, 28], "{width}x{height}");
        assert_eq!(flat.pixels(&grey(width, height)).unwrap().size(), [1, 3, 20, 30], "{width}x{height}");
    }
    // A long strip: its middle is seen, which is bright.
    let strip = picture(&DynamicImage::ImageLuma8(ImageBuffer::from_fn(9000, 3, |x, _| {
        Luma([if (4490..4510).contains(&x) { 255u8 } else { 0 }])
    })));
    let pixels: Tensor = square.pixels(&strip).unwrap();
    assert_eq!(f64::try_from(pixels.min()).unwrap(), 1.0);
    let error = preprocessing(Resize::ShorterSide(2000), None, 1).pixels(&strip).unwrap_err().to_string();
    assert!(error.contains("2000x6000000 pixels"), "{error}");
    assert!(Preprocessing::for_input([3, 28, 28], Normalization::identity(1)).is_err());
    assert!(Preprocessing::for_input([1, 0, 28], Normalization::identity(1)).is_err());
}

#[test]
fn as_toml_and_back() {
    let normalization = Normalization { mean: vec![0.1, 1.0 / 3.0, 0.0], std: vec![1.0, 1e-3, 0.25] };
    for resize in [Resize::Keep, Resize::ShorterSide(256), Resize::Exact([20, 30])] {
        for (crop, invert) in [(None, true), (Some([7, 9]), false)] {
            let steps = Preprocessing { resize, crop, invert, normalization: normalization.clone() };
            assert_eq!(Preprocessing::from_toml(&steps.to_toml()).unwrap(), steps);
        }
    }
    let short = Preprocessing::from_toml("mean = [0]\nstd = [1]").unwrap();
    assert_eq!(short, preprocessing(Resize::Keep, None, 1));
    for (text, says) in [
        ("mean = [0.5]", "`std` are expected"),
        ("mean = [0.5]\nstd = [1, 1]", "field `std`: has 2 numbers and `mean` 1"),
        ("mean = ['a']\nstd = [1]", "field `mean`"),
        ("mean = [0]\nstd = [1]\nresize = 0", "field `resize`: 0 found"),
        ("mean = [0]\nstd = [1]\nresize = [1, 2, 3]", "field `resize`"),
        ("mean = [0]\nstd = [1]\ncrop = 224", "field `crop`: 224 found, [rows, columns] expected"),
        ("mean = [0]\nstd = [1]\ninvert = 1", "field `invert`"),
        ("mean = [0]\nstd = [1]\nrezise = 1", "field `rezise`: is unknown; did you mean `resize`?"),
        ("mean = ", "it is no TOML"),
    ] {
        let error = Preprocessing::from_toml(text).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    // What cannot be divided by is refused where it is used.
    let zero = Preprocessing::from_toml("mean = [0]\nstd = [0]").unwrap();
    assert!(zero.apply(&grey(2, 2), Device::Cpu).unwrap_err().to_string().contains("std above 0"));
}
