//! Floor 6: pictures of every size and mode are read as a person sees them, and bad files are refused.
#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)]

use std::{fs, io::Cursor};

use convscope::data::{Normalization, Picture, Preprocessing, Resize};
use image::{
    DynamicImage, ImageBuffer, ImageEncoder as _, ImageFormat, Luma, LumaA, Rgb, Rgba,
    codecs::{jpeg::JpegEncoder, png::PngEncoder},
};
use tch::Tensor;

/// No change of size or values.
fn plain(channels: usize) -> Preprocessing {
    Preprocessing {
        resize: Resize::Keep,
        crop: None,
        invert: false,
        normalization: Normalization::identity(channels),
    }
}

/// Brightness times 255, channel by channel, row by row.
fn seen(picture: &Picture, channels: usize) -> Vec<f32> {
    let pixels: Tensor = plain(channels).pixels(picture).unwrap();
    let [rows, columns] = picture.size().map(i64::from);
    assert_eq!(pixels.size(), [1, channels as i64, rows, columns]);
    Vec::try_from((pixels * 255.0).reshape([-1])).unwrap()
}

fn close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance, "{found} found, {expected} expected");
    }
}

fn png(picture: impl Into<DynamicImage>) -> Picture {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, ImageFormat::Png).unwrap();
    Picture::from_bytes("a.png", bytes.get_ref()).unwrap()
}

#[test]
fn every_mode_of_png_is_grey_or_rgb() {
    let grey = png(ImageBuffer::from_raw(3, 1, vec![0u8, 77, 255]).map(DynamicImage::ImageLuma8).unwrap());
    assert_eq!((grey.channels(), grey.size()), (1, [1, 3]));
    close(&seen(&grey, 1), &[0.0, 77.0, 255.0], 1e-3);
    close(&seen(&grey, 3), &[0.0, 77.0, 255.0].repeat(3), 1e-3);

    // 16 bits keep what 8 would round: 12345 of 65535.
    let deep = png(DynamicImage::ImageLuma16(ImageBuffer::from_pixel(1, 1, Luma([12345u16]))));
    close(&seen(&deep, 1), &[12345.0 / 257.0], 1e-3);
    let deep = png(DynamicImage::ImageRgb16(ImageBuffer::from_pixel(1, 1, Rgb([1u16, 12345, 65535]))));
    close(&seen(&deep, 3), &[1.0 / 257.0, 12345.0 / 257.0, 255.0], 1e-3);

    let rgb = png(DynamicImage::ImageRgb8(ImageBuffer::from_pixel(1, 1, Rgb([10u8, 200, 77]))));
    close(&seen(&rgb, 3), &[10.0, 200.0, 77.0], 1e-3);
    close(&seen(&rgb, 1), &[0.299 * 10.0 + 0.587 * 200.0 + 0.114 * 77.0], 1e-2); // Pillow's mode L: 129
}

#[test]
fn what_can_be_seen_through_stands_on_white() {
    let half = |value: f32| value * 128.0 / 255.0 + 255.0 * (127.0 / 255.0);
    let rgba = png(DynamicImage::ImageRgba8(ImageBuffer::from_fn(3, 1, |x, _| {
        Rgba([10u8, 200, 77, [0, 128, 255][x as usize]])
    })));
    assert_eq!(rgba.channels(), 3);
    let expected = [10.0, 200.0, 77.0].map(|value| [255.0, half(value), value]).concat();
    close(&seen(&rgba, 3), &expected, 0.51);

    let grey = png(DynamicImage::ImageLumaA8(ImageBuffer::from_pixel(1, 1, LumaA([10u8, 128]))));
    assert_eq!(grey.channels(), 1);
    close(&seen(&grey, 1), &[half(10.0)], 0.51);

    let deep =
        png(DynamicImage::ImageRgba16(ImageBuffer::from_pixel(1, 1, Rgba([0u16, 65535, 30000, 0x8000]))));
    let half = |value: f32| (value * 32768.0 + 65535.0 * 32767.0) / 65535.0 / 257.0;
    close(&seen(&deep, 3), &[half(0.0), half(65535.0), half(30000.0)], 1e-2);
    let deep = png(DynamicImage::ImageLumaA16(ImageBuffer::from_pixel(1, 1, LumaA([30000u16, 0x8000]))));
    close(&seen(&deep, 1), &[half(30000.0)], 1e-2);
}

#[test]
fn palettes_and_single_bits_are_unpacked() {
    let write = |colour: png::ColorType, depth: png::BitDepth, data: &[u8]| {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 3, 1);
        encoder.set_color(colour);
        encoder.set_depth(depth);
        if colour == png::ColorType::Indexed {
            encoder.set_palette(vec![255, 0, 0, 0, 0, 255]);
            encoder.set_trns(vec![255, 0]); // the second colour cannot be seen
        }
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(data).unwrap();
        writer.finish().unwrap();
        Picture::from_bytes("a.png", &bytes).unwrap()
    };
    let palette = write(png::ColorType::Indexed, png::BitDepth::Eight, &[0, 1, 0]);
    close(&seen(&palette, 3), &[255.0, 255.0, 255.0, 0.0, 255.0, 0.0, 0.0, 255.0, 0.0], 1e-3);
    let bits = write(png::ColorType::Grayscale, png::BitDepth::One, &[0b1010_0000]);
    close(&seen(&bits, 1), &[255.0, 0.0, 255.0], 1e-3);
}

/// A TIFF block with the orientation alone, as cameras write it into EXIF.
fn exif(orientation: u8) -> Vec<u8> {
    let mut block = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    block.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    block
}

/// What each of the eight orientations of EXIF 2.32 makes of a stored picture of 2 rows and 3 columns
/// (1 2 3 / 4 5 6), from the standard's words: where row 0 and column 0 of the stored pixels are seen.
#[test]
fn cameras_held_any_way_give_upright_pictures() {
    let stored: Vec<u8> = (1..=6).map(|value| value * 40).collect();
    let upright: [(u8, [u32; 2], [u8; 6]); 8] = [
        (1, [2, 3], [1, 2, 3, 4, 5, 6]), // row 0 is the top, column 0 the left side
        (2, [2, 3], [3, 2, 1, 6, 5, 4]), // top, right
        (3, [2, 3], [6, 5, 4, 3, 2, 1]), // bottom, right
        (4, [2, 3], [4, 5, 6, 1, 2, 3]), // bottom, left
        (5, [3, 2], [1, 4, 2, 5, 3, 6]), // left, top
        (6, [3, 2], [4, 1, 5, 2, 6, 3]), // right, top
        (7, [3, 2], [6, 3, 5, 2, 4, 1]), // right, bottom
        (8, [3, 2], [3, 6, 2, 5, 1, 4]), // left, bottom
    ];
    for (orientation, size, expected) in upright {
        let mut bytes = Vec::new();
        let mut encoder = PngEncoder::new(&mut bytes);
        encoder.set_exif_metadata(exif(orientation)).unwrap();
        encoder.write_image(&stored, 3, 2, image::ExtendedColorType::L8).unwrap();
        let picture = Picture::from_bytes("a.png", &bytes).unwrap();
        assert_eq!(picture.size(), size, "orientation {orientation}");
        close(&seen(&picture, 1), &expected.map(|value| f32::from(value) * 40.0), 1e-3);
    }

    // In JPEG, whose values are not exact: the dark half was stored at the top, and is seen on the right.
    let half = ImageBuffer::from_fn(32, 48, |_, y| Luma([if y < 24 { 20u8 } else { 230 }]));
    let mut bytes = Vec::new();
    let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 95);
    encoder.set_exif_metadata(exif(6)).unwrap();
    encoder.write_image(half.as_raw(), 32, 48, image::ExtendedColorType::L8).unwrap();
    let picture = Picture::from_bytes("a.jpg", &bytes).unwrap();
    assert_eq!(picture.size(), [32, 48]);
    let row = &seen(&picture, 1)[16 * 48..17 * 48];
    close(&[row[4], row[43]], &[230.0, 20.0], 4.0);
}

#[test]
fn an_animation_is_its_first_frame() {
    let mut bytes = Vec::new();
    let mut encoder = gif::Encoder::new(&mut bytes, 2, 1, &[255, 0, 0, 0, 0, 255]).unwrap();
    for indices in [[0u8, 1], [1, 1]] {
        encoder
            .write_frame(&gif::Frame {
                width: 2,
                height: 1,
                buffer: indices.to_vec().into(),
                ..Default::default()
            })
            .unwrap();
    }
    drop(encoder);
    let picture = Picture::from_bytes("a.gif", &bytes).unwrap();
    close(&seen(&picture, 3), &[255.0, 0.0, 0.0, 0.0, 0.0, 255.0], 1e-3);
}

#[test]
fn formats_are_told_by_content_and_read_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let picture =
        DynamicImage::ImageRgb8(ImageBuffer::from_fn(5, 4, |x, y| Rgb([x as u8 * 50, y as u8 * 60, 7])));
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::Pnm, ImageFormat::WebP] {
        let path = folder.path().join("named_wrongly.jpg");
        picture.save_with_format(&path, format).unwrap();
        let read = Picture::open(&path).unwrap();
        assert_eq!((read.size(), read.channels()), ([4, 5], 3), "{format:?}");
        let expected: Vec<f32> =
            (0..3).flat_map(|c| (0..20).map(move |i| [i % 5 * 50, i / 5 * 60, 7][c] as f32)).collect();
        close(&seen(&read, 3), &expected, 1e-3);
    }
}

#[test]
fn bad_files_are_refused_with_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let refusal = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let error = Picture::open(&path).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
        error
    };
    assert!(refusal("empty.png", b"").contains("PNG, JPEG"), "{}", refusal("empty.png", b""));
    assert!(refusal("text.png", b"hello, this is text").contains("PNG, JPEG"));
    assert!(refusal("half.tiff", b"II*\0\x08\0\0\0\0\0").contains("PNG, JPEG"));
    let missing = Picture::open(folder.path().join("none.png")).unwrap_err();
    assert!(missing.is_io() && missing.to_string().contains("none.png"), "{missing}");
    assert!(Picture::open(folder.path()).unwrap_err().to_string().contains("it is a folder"));

    let mut whole = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(ImageBuffer::from_fn(64, 64, |x, y| Rgb([x as u8, y as u8, (x * y) as u8])))
        .write_to(&mut whole, ImageFormat::Png)
        .unwrap();
    let whole = whole.into_inner();
    for end in [9, 30, 60, whole.len() / 2] {
        assert!(refusal("cut.png", &whole[..end]).len() < 300);
    }
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 20].fill(0x55);
    refusal("damaged.png", &damaged);
}

/// A header that promises far more pixels than there are costs no memory.
#[test]
fn a_bomb_is_refused_before_it_is_unpacked() {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(ImageBuffer::new(1, 1)).write_to(&mut bytes, ImageFormat::Png).unwrap();
    let mut bytes = bytes.into_inner();
    // The header's width and height, and its checksum.
    bytes[16..24].copy_from_slice(&[60_000u32.to_be_bytes(), 60_000u32.to_be_bytes()].concat());
    let mut sum = flate2::Crc::new();
    sum.update(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&sum.sum().to_be_bytes());
    let error = Picture::from_bytes("bomb.png", &bytes).unwrap_err().to_string();
    assert!(error.starts_with("bomb.png: it takes more than 400 MiB unpacked"), "{error}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.png");
    DynamicImage::ImageLuma8(ImageBuffer::new(2000, 1000)).save(&path).unwrap();
    assert!(Picture::open_within(&path, 1 << 20).unwrap_err().to_string().contains("more than 1 MiB"));
    assert_eq!(Picture::open_within(&path, 2 << 20).unwrap().size(), [1000, 2000]);
}
