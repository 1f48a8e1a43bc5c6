//! Floor 6: folders of IDX files, good and bad.

#![cfg(feature = "tch")]
#![allow(clippy::unwrap_used)]

use std::{fs, io::Write as _, path::Path};

use convscope::data;
use flate2::{Compression, write::GzEncoder};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn file(magic: u32, size: &[u32], values: &[u8]) -> Vec<u8> {
    let header = [magic].into_iter().chain(size.iter().copied()).flat_map(u32::to_be_bytes);
    header.chain(values.iter().copied()).collect()
}

/// Images of 2 x 3 pixels, counted through.
fn images(count: u32) -> Vec<u8> {
    let pixels: Vec<u8> = (0..count * 6).map(|pixel| u8::try_from(pixel).unwrap()).collect();
    file(0x0803, &[count, 2, 3], &pixels)
}

fn labels(labels: &[u8]) -> Vec<u8> {
    file(0x0801, &[u32::try_from(labels.len()).unwrap()], labels)
}

const TRAIN_IMAGES: &str = "train-images-idx3-ubyte";
const TRAIN_LABELS: &str = "train-labels-idx1-ubyte";
const TEST_IMAGES: &str = "t10k-images-idx3-ubyte";
const TEST_LABELS: &str = "t10k-labels-idx1-ubyte";

/// A folder that can be read: three training images of classes 0, 1, 1, two for validation.
fn good_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let files = [
        (TRAIN_IMAGES, images(3)),
        (TRAIN_LABELS, labels(&[0, 1, 1])),
        (TEST_IMAGES, images(2)),
        (TEST_LABELS, labels(&[1, 0])),
    ];
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

fn refusal(folder: &Path) -> String {
    data::idx(folder).unwrap_err().to_string()
}

#[test]
fn a_folder_is_read() {
    let folder = good_folder();
    let split = data::idx(folder.path()).unwrap();
    assert_eq!((split.train.len(), split.validation.len()), (3, 2));
    assert_eq!(split.train.image_shape(), [1, 2, 3]);
    assert_eq!(split.train.labels(), [0, 1, 1]);
    assert_eq!(split.validation.labels(), [1, 0]);
    assert_eq!(split.train.classes(), ["0", "1"]);
    let pixels: Vec<u8> = Vec::try_from(&split.train.images().flatten(0, -1)).unwrap();
    assert_eq!(pixels, (0..18).collect::<Vec<u8>>());
}

#[test]
fn all_names_and_packings_are_read_alike() {
    let expected = data::idx(good_folder().path()).unwrap();
    let renames: [&dyn Fn(&str) -> String; 4] = [
        &|name| format!("{name}.gz"),
        &|name| name.replace("-idx", ".idx"),
        &|name| name.replace("t10k", "validation"),
        &|name| format!("{}.gz", name.replace("t10k", "test")),
    ];
    for rename in renames {
        for pack in [true, false] {
            let folder = good_folder();
            for name in [TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS] {
                let bytes = fs::read(folder.path().join(name)).unwrap();
                fs::remove_file(folder.path().join(name)).unwrap();
                let bytes = if pack { gzip(&bytes) } else { bytes };
                fs::write(folder.path().join(rename(name)), bytes).unwrap();
            }
            let found = data::idx(folder.path()).unwrap();
            assert_eq!(found.train.labels(), expected.train.labels());
            assert_eq!(found.train.images(), expected.train.images());
            assert_eq!(found.validation.images(), expected.validation.images());
        }
    }
}

#[test]
fn classes_can_be_named() {
    let folder = good_folder();
    fs::write(folder.path().join("classes.txt"), "cat\n dog \nbird\n").unwrap();
    let split = data::idx(folder.path()).unwrap();
    assert_eq!(split.train.classes(), ["cat", "dog", "bird"]);
    assert_eq!(split.train.class_counts(), [1, 2, 0]);
    assert_eq!(split.validation.label_names(), ["dog", "cat"]);
}

#[test]
fn bad_files_are_refused_with_file_and_reason() {
    let mut cut_gzip = gzip(&images(3));
    cut_gzip.truncate(cut_gzip.len() - 9);
    let mut cut_trailer = gzip(&images(3));
    cut_trailer.truncate(cut_trailer.len() - 2);
    let mut bad_checksum = gzip(&images(3));
    let at = bad_checksum.len() - 6;
    bad_checksum[at] ^= 1;
    let short = images(3)[..16 + 17].to_vec();
    let long = [images(3), vec![0]].concat();
    let forged = |size: [u32; 3]| file(0x0803, &size, &[0; 18]);
    let huge = u32::MAX;

    #[rustfmt::skip]
    let cases: Vec<(&str, Vec<u8>, &[&str])> = vec![
        (TRAIN_IMAGES, vec![], &["too early"]),
        (TRAIN_IMAGES, images(3)[..10].to_vec(), &["too early"]),
        (TRAIN_IMAGES, labels(&[0, 1, 1]), &["0x00000801 found", "0x00000803 expected", "images"]),
        (TRAIN_LABELS, images(3), &["0x00000803 found", "0x00000801 expected", "labels"]),
        (TRAIN_IMAGES, b"<html>no such file</html>".to_vec(), &["0x3c68746d found"]),
        (TRAIN_IMAGES, cut_gzip, &["cut short"]),
        (TRAIN_IMAGES, cut_trailer, &["cut short"]),
        (TRAIN_IMAGES, bad_checksum, &["gzip", "damaged"]),
        (TRAIN_IMAGES, [&[0x1f, 0x8b][..], b"nonsense"].concat(), &["gzip", "damaged"]),
        (TRAIN_IMAGES, short.clone(), &["17 bytes found", "18 expected", "[3, 2, 3]", "cut short"]),
        (TRAIN_IMAGES, gzip(&short), &["17 bytes found", "18 expected"]),
        (TRAIN_IMAGES, long.clone(), &["more than the 18 bytes"]),
        (TRAIN_IMAGES, gzip(&long), &["more than the 18 bytes"]),
        (TRAIN_IMAGES, forged([huge, 28, 28]), &["more than the file can hold"]),
        (TRAIN_IMAGES, forged([huge, huge, huge]), &["more than the file can hold"]),
        (TRAIN_IMAGES, gzip(&forged([huge, 28, 28])), &["more than the file can hold"]),
        (TRAIN_IMAGES, file(0x0803, &[0, 2, 3], &[]), &["[0, 2, 3]", "nothing in it"]),
        (TRAIN_IMAGES, file(0x0803, &[3, 0, 3], &[]), &["[3, 0, 3]", "nothing in it"]),
        (TRAIN_LABELS, labels(&[]), &["nothing in it"]),
        (TRAIN_LABELS, labels(&[0, 1]), &["2 labels found for the 3 images of", TRAIN_IMAGES]),
        (TRAIN_LABELS, labels(&[0, 1, 1, 0]), &["4 labels found for the 3 images of"]),
        (TRAIN_LABELS, labels(&[0, 200, 1]), &["label 200 found", "no image of class 2", "classes.txt"]),
        (TEST_LABELS, labels(&[0, 2]), &["label 2 of image 1 found", "2 classes allow 0 to 1"]),
        (TEST_IMAGES, file(0x0803, &[2, 3, 3], &[0; 18]), &["[1, 3, 3] found", "[1, 2, 3]"]),
        ("classes.txt", b"cat\n".to_vec(), &["label 1 of image 1 found", "1 classes allow 0 to 0"]),
        ("classes.txt", b"cat\n\ndog\n".to_vec(), &["3 lines found, one of them empty"]),
        ("classes.txt", vec![], &["0 lines found"]),
    ];
    for (name, bytes, expected) in cases {
        let folder = good_folder();
        fs::write(folder.path().join(name), &bytes).unwrap();
        let error = refusal(folder.path());
        assert!(error.contains(&folder.path().display().to_string()), "{name}: {error}");
        for part in expected {
            assert!(error.contains(part), "{name}: {error:?} should contain {part:?}");
        }
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    for packed in [false, true] {
        let whole = if packed { gzip(&images(3)) } else { images(3) };
        let folder = good_folder();
        for len in 0..whole.len() {
            fs::write(folder.path().join(TRAIN_IMAGES), &whole[..len]).unwrap();
            let error = refusal(folder.path());
            assert!(error.contains(TRAIN_IMAGES), "{len} bytes: {error}");
        }
        fs::write(folder.path().join(TRAIN_IMAGES), &whole).unwrap();
        assert!(data::idx(folder.path()).is_ok());
    }
}

#[test]
fn a_flipped_bit_in_a_packed_file_never_makes_other_images() {
    let folder = good_folder();
    let expected = data::idx(folder.path()).unwrap().train;
    let whole = gzip(&images(3));
    let mut refused = 0;
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(folder.path().join(TRAIN_IMAGES), bytes).unwrap();
        match data::idx(folder.path()) {
            // Bits of the time stamp and the like mean nothing to the images.
            Ok(split) => assert_eq!(split.train.images(), expected.images(), "bit {bit}"),
            Err(error) => {
                refused += 1;
                assert!(error.to_string().contains(TRAIN_IMAGES), "bit {bit}: {error}");
            }
        }
    }
    assert!(refused > whole.len() * 4, "{refused} of {} bits", whole.len() * 8);
}

#[test]
fn a_flipped_bit_in_a_header_is_refused() {
    let folder = good_folder();
    for (name, header) in [(TRAIN_IMAGES, 16), (TRAIN_LABELS, 8)] {
        let whole = fs::read(folder.path().join(name)).unwrap();
        for bit in 0..header * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(folder.path().join(name), bytes).unwrap();
            let error = refusal(folder.path());
            assert!(error.contains(name), "bit {bit}: {error}");
        }
        fs::write(folder.path().join(name), whole).unwrap();
    }
}

#[test]
fn missing_folders_and_files_are_named() {
    let folder = good_folder();
    let missing = refusal(&folder.path().join("nowhere"));
    assert!(missing.contains("nowhere: there is no such folder"), "{missing}");
    let file = refusal(&folder.path().join(TRAIN_LABELS));
    assert!(file.contains("is not a folder"), "{file}");

    for (name, expected) in [
        (TRAIN_IMAGES, "there is no file train-images-idx3-ubyte[.gz]"),
        (TRAIN_LABELS, "there is no file train-labels-idx1-ubyte[.gz]"),
        (TEST_IMAGES, "validation-images-idx3-ubyte[.gz] or t10k-images-idx3-ubyte[.gz]"),
        (TEST_LABELS, "validation-labels-idx1-ubyte[.gz] or t10k-labels-idx1-ubyte[.gz]"),
    ] {
        let folder = good_folder();
        fs::remove_file(folder.path().join(name)).unwrap();
        let error = refusal(folder.path());
        assert!(error.contains(expected) && error.contains(&folder.path().display().to_string()), "{error}");
    }
}

#[test]
fn the_bundled_files_are_such_a_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let (read, bundled) = (data::idx(&folder).unwrap(), data::bundled().unwrap());
    for (read, bundled) in [(read.train, bundled.train), (read.validation, bundled.validation)] {
        assert_eq!(read.labels(), bundled.labels());
        assert_eq!(read.images(), bundled.images());
    }
}
