//! Pictures.

use std::str;

use super::{
    super::{
        Rule,
        finding::{Findings, Place},
    },
    tensor::{describe, dims},
};
use crate::proto::{DataType, TensorProto, summary};

/// Width, height, files.
pub(super) fn check(findings: &mut Findings, place: Place<'_>, tensor: &TensorProto) {
    let is_list = dims(tensor).len() == 1 && tensor.dtype == DataType::DtString as i32;
    let [width, height, files @ ..] = &tensor.string_val[..] else {
        return shape(findings, place, tensor);
    };
    if !is_list {
        return shape(findings, place, tensor);
    }
    if files.is_empty() {
        return findings.add(Rule::ImageEmpty, place, || "width and height, and no picture".to_owned());
    }
    let (Some(width), Some(height)) = (number(width), number(height)) else {
        return findings.add(Rule::ImageSize, place, || {
            format!(
                "size `{}` x `{}`, decimal digits expected",
                String::from_utf8_lossy(width),
                String::from_utf8_lossy(height)
            )
        });
    };
    declared(findings, place, &files[0], width, height);
    for file in files {
        picture(findings, place, file);
    }
}

/// The old form.
pub(super) fn legacy(findings: &mut Findings, place: Place<'_>, image: &summary::Image) {
    let size = |n: i32| u64::try_from(n).unwrap_or_default();
    declared(findings, place, &image.encoded_image_string, size(image.width), size(image.height));
    picture(findings, place, &image.encoded_image_string);
}

fn shape(findings: &mut Findings, place: Place<'_>, tensor: &TensorProto) {
    findings.add(Rule::ImageShape, place, || {
        format!("a tensor {}, [n + 2] of DT_STRING expected: width, height, files", describe(tensor))
    });
}

fn number(digits: &[u8]) -> Option<u64> {
    str::from_utf8(digits).ok().filter(|text| text.bytes().all(|c| c.is_ascii_digit()))?.parse().ok()
}

/// Holds the declared size against that of a PNG file.
fn declared(findings: &mut Findings, place: Place<'_>, file: &[u8], width: u64, height: u64) {
    let Some((w, h)) = png_size(file) else { return };
    if (w, h) != (width, height) {
        findings
            .add(Rule::ImageSize, place, || format!("size {width} x {height} for a picture of {w} x {h}"));
    }
}

/// Width and height in a PNG file's header, which comes first.
pub(in super::super) fn png_size(file: &[u8]) -> Option<(u64, u64)> {
    let header = file.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(8..16)?;
    let number = |bytes: &[u8]| bytes.iter().fold(0, |number, &byte| number << 8 | u64::from(byte));
    Some((number(&header[..4]), number(&header[4..])))
}

fn picture(findings: &mut Findings, place: Place<'_>, file: &[u8]) {
    if picture_extension(file).is_none() {
        findings.add(Rule::ImageType, place, || {
            let beginning: Vec<String> = file.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            format!("a picture of {} bytes that begins with {}", file.len(), beginning.join(" "))
        });
    }
}

/// What the name of a picture file ends with, if TensorBoard shows its type: `png`, `jpg`, `gif` or `bmp`.
///
/// ```
/// use convscope::logdir::lint::picture_extension;
///
/// assert_eq!(picture_extension(b"GIF89a..."), Some("gif"));
/// assert_eq!(picture_extension(b"<svg>"), None);
/// ```
pub fn picture_extension(file: &[u8]) -> Option<&'static str> {
    const TYPES: [(&[u8], &str); 5] = [
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"\xff\xd8\xff", "jpg"),
        (b"GIF87a", "gif"),
        (b"GIF89a", "gif"),
        (b"BM", "bmp"),
    ];
    TYPES.iter().find(|(magic, _)| file.starts_with(magic)).map(|(_, extension)| *extension)
}
