//! IDX files.

use std::io::{Read as _, Write as _};

use convscope::data::{IdxImages, IdxLabels};
use flate2::{Compression, read::MultiGzDecoder, write::GzEncoder};

use super::{chopped::Chopped, within};

/// No deflate stream grows more than this.
const MAX_GROWTH: usize = 1032;

/// - A sound file is read to what it was made from, packed or not, in one piece or two.
/// - What was read is all that the file held; a byte more or less is refused.
/// - How the input is chopped into reads changes nothing.
/// - The memory taken is in proportion to what is there, whatever the header declares.
pub fn idx(data: &[u8]) {
    let Some((&settings, rest)) = data.split_first() else { return };
    let (sound, pack) = (settings & 1 == 1, settings & 2 == 2);
    let images = settings & 4 == 4;
    let body = if sound { with_header(images, rest) } else { rest.to_vec() };
    let file = if pack { gzip(&body, settings & 8 == 8) } else { body.clone() };

    let packed = file.starts_with(&[0x1f, 0x8b]);
    let most = 3 * file.len() * if packed { MAX_GROWTH } else { 1 } + (1 << 18);
    let read = within(most, || read(images, &file));
    assert_eq!(read_chopped(images, &file), read, "chopped");
    if sound {
        assert!(read.is_some(), "a sound file is refused");
    }
    if let Some(read) = read {
        assert_eq!(read, unpacked(&file, packed), "what was read is not what the file holds");
        assert_eq!(self::read(images, &read).as_ref(), Some(&read), "unpacked");
        assert_eq!(self::read(images, &gzip(&read, true)).as_ref(), Some(&read), "packed");
        assert_eq!(self::read(images, &[&read[..], &[0]].concat()), None, "a byte more");
        assert_eq!(self::read(images, &read[..read.len() - 1]), None, "a byte less");
        assert_eq!(self::read(!images, &read), None, "as the other kind");
    }
}

/// What was read, as the unpacked file that holds it.
fn read(images: bool, file: &[u8]) -> Option<Vec<u8>> {
    if images {
        IdxImages::from_bytes("file", file).ok().as_ref().map(image_file)
    } else {
        IdxLabels::from_bytes("file", file).ok().as_ref().map(label_file)
    }
}

fn read_chopped(images: bool, file: &[u8]) -> Option<Vec<u8>> {
    let input = Chopped::new(file);
    if images {
        IdxImages::from_reader("file", input).ok().as_ref().map(image_file)
    } else {
        IdxLabels::from_reader("file", input).ok().as_ref().map(label_file)
    }
}

fn image_file(images: &IdxImages) -> Vec<u8> {
    let [count, height, width] = images.size();
    let header = [0x0803, count, height, width].into_iter().flat_map(u32::to_be_bytes);
    header.chain(images.pixels().iter().copied()).collect()
}

fn label_file(labels: &IdxLabels) -> Vec<u8> {
    let count = u32::try_from(labels.values().len()).unwrap();
    let header = [0x0801, count].into_iter().flat_map(u32::to_be_bytes);
    header.chain(labels.values().iter().copied()).collect()
}

/// A sound file that holds as much of `values` as fits, and at least one value.
fn with_header(images: bool, values: &[u8]) -> Vec<u8> {
    let sides = values.iter().take(2).map(|&side| 1 + usize::from(side) % 5).collect::<Vec<_>>();
    let size = match (images, &sides[..]) {
        (true, &[height, width]) => vec![(values.len() / (height * width)).max(1), height, width],
        (true, _) => vec![1, 1, 1],
        (false, _) => vec![values.len().max(1)],
    };
    let magic = if images { 0x0803_u32 } else { 0x0801 };
    let mut file = magic.to_be_bytes().to_vec();
    file.extend(size.iter().flat_map(|&side| u32::try_from(side).unwrap().to_be_bytes()));
    let mut values = values.to_vec();
    values.resize(size.iter().product(), 7);
    file.extend(values);
    file
}

/// As one gzip stream, or as two that are to be read as one.
fn gzip(bytes: &[u8], twice: bool) -> Vec<u8> {
    let (head, tail) = bytes.split_at(if twice { bytes.len() / 3 } else { 0 });
    let mut file = Vec::new();
    for part in [head, tail] {
        if twice || !part.is_empty() {
            let mut encoder = GzEncoder::new(&mut file, Compression::fast());
            encoder.write_all(part).unwrap();
            encoder.finish().unwrap();
        }
    }
    file
}

fn unpacked(file: &[u8], packed: bool) -> Vec<u8> {
    if !packed {
        return file.to_vec();
    }
    let mut bytes = Vec::new();
    MultiGzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    bytes
}
