//! Makes `data/`: a class-balanced part of Fashion-MNIST that is small enough to be in the repository and the program.

use crate::Result;
use std::{
    ffi::OsString,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Where Debian's package `dataset-fashion-mnist` puts the whole data set.
const DEBIANS: &str = "/usr/share/datasets/fashion-mnist";

const CLASSES: usize = 10;

/// One half of the data set: how its files are called, and how many images of each class are taken.
struct Half {
    name: &'static str,
    per_class: usize,
}

const HALVES: [Half; 2] = [Half { name: "train", per_class: 600 }, Half { name: "t10k", per_class: 100 }];

/// `data [FOLDER] [--check]`: writes `data/`, or compares it with what would be written.
pub fn run(root: &Path, args: &[OsString]) -> Result {
    let (flags, folders): (Vec<_>, Vec<_>) =
        args.iter().partition(|arg| arg.as_encoded_bytes().starts_with(b"-"));
    if let Some(flag) = flags.iter().find(|flag| **flag != "--check") {
        return Err(format!("unknown argument {}; known is --check", flag.display()));
    }
    let source = match folders.as_slice() {
        [] => PathBuf::from(DEBIANS),
        [folder] => PathBuf::from(folder),
        _ => return Err("one folder with the whole data set is expected".to_owned()),
    };
    if !source.is_dir() {
        return Err(format!(
            "no folder {} with Fashion-MNIST; get it with: sudo apt-get install dataset-fashion-mnist",
            source.display()
        ));
    }
    let data = root.join("data");
    for half in &HALVES {
        let (images, labels) = half.files(&source);
        let (images, labels) = balanced(&unpack(&images)?, &unpack(&labels)?, half.per_class)
            .map_err(|what| format!("{}: {what}", images.display()))?;
        let (images_file, labels_file) = half.files(&data);
        for (file, content) in [(images_file, images), (labels_file, labels)] {
            if flags.is_empty() {
                write_packed(&file, &content)?;
            } else if unpack(&file)? != content {
                return Err(format!("{} is stale; make it again with: cargo xtask data", file.display()));
            }
            println!("{}: {} bytes unpacked", file.display(), content.len());
        }
    }
    Ok(())
}

impl Half {
    fn files(&self, folder: &Path) -> (PathBuf, PathBuf) {
        let file = |what: &str| folder.join(format!("{}-{what}-ubyte.gz", self.name));
        (file("images-idx3"), file("labels-idx1"))
    }
}

/// The first `per_class` images of each class, in the order in which they stand in the files (which is a shuffled one).
fn balanced(images: &[u8], labels: &[u8], per_class: usize) -> Result<(Vec<u8>, Vec<u8>)> {
    let ([count, height, width], pixels) = idx(images)?;
    let ([label_count], labels) = idx(labels)?;
    if count != label_count {
        return Err(format!("{count} images, but {label_count} labels"));
    }
    let mut taken = [0; CLASSES];
    let (mut kept_pixels, mut kept_labels) = (Vec::new(), Vec::new());
    for (image, &label) in pixels.chunks_exact(height * width).zip(labels) {
        let taken = taken
            .get_mut(usize::from(label))
            .ok_or_else(|| format!("label {label}, expected one below {CLASSES}"))?;
        if *taken < per_class {
            *taken += 1;
            kept_pixels.extend_from_slice(image);
            kept_labels.push(label);
        }
    }
    if let Some(class) = taken.iter().position(|taken| *taken < per_class) {
        return Err(format!("{} images of class {class}, expected at least {per_class}", taken[class]));
    }
    Ok((
        packed_idx(&[kept_labels.len(), height, width], &kept_pixels),
        packed_idx(&[kept_labels.len()], &kept_labels),
    ))
}

/// The dimensions and the bytes of an IDX file of unsigned bytes.
fn idx<const N: usize>(file: &[u8]) -> Result<([usize; N], &[u8])> {
    let header = 4 + 4 * N;
    if file.len() < header || file[..4] != [0, 0, 8, N as u8] {
        return Err(format!("not an IDX file of bytes in {N} dimensions"));
    }
    let (sizes, content) = file[4..].split_at(4 * N);
    let mut shape = [0; N];
    for (size, bytes) in shape.iter_mut().zip(sizes.chunks_exact(4)) {
        *size = bytes.iter().fold(0, |size, byte| size << 8 | usize::from(*byte));
    }
    let expected = shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
    if expected != Some(content.len()) || content.is_empty() {
        return Err(format!("{} bytes of content, but its dimensions are {shape:?}", content.len()));
    }
    Ok((shape, content))
}

fn packed_idx(shape: &[usize], content: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, shape.len() as u8];
    for size in shape {
        file.extend_from_slice(&(*size as u32).to_be_bytes());
    }
    file.extend_from_slice(content);
    file
}

fn unpack(file: &Path) -> Result<Vec<u8>> {
    let packed = fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    gzip(&["-dc"], packed).map_err(|error| format!("cannot unpack {}: {error}", file.display()))
}

fn write_packed(file: &Path, content: &[u8]) -> Result {
    // -n: no name and no time, so that the same images give the same bytes.
    let packed = gzip(&["-9nc"], content.to_owned())
        .map_err(|error| format!("cannot pack {}: {error}", file.display()))?;
    fs::write(file, packed).map_err(|error| format!("cannot write {}: {error}", file.display()))
}

fn gzip(args: &[&str], input: Vec<u8>) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| format!("cannot run gzip: {error}");
    let mut child = Command::new("gzip")
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    // Fed from a thread of its own: neither side can wait for the other with full pipes.
    let feeder = child.stdin.take().map(|mut stdin| {
        std::thread::spawn(move || {
            let _ = stdin.write_all(&input);
        })
    });
    let output = child.wait_with_output().map_err(failed)?;
    if let Some(feeder) = feeder {
        let _ = feeder.join();
    }
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `rounds` images of each class in turn, of 1x2 pixels that hold their number.
    fn sample(rounds: usize) -> (Vec<u8>, Vec<u8>) {
        let count = rounds * CLASSES;
        let pixels: Vec<u8> = (0..count).flat_map(|number| [number as u8, 255]).collect();
        let labels: Vec<u8> = (0..count).map(|number| (number % CLASSES) as u8).collect();
        (packed_idx(&[count, 1, 2], &pixels), packed_idx(&[count], &labels))
    }

    #[test]
    fn the_first_images_of_each_class_are_taken_in_order() {
        let (images, labels) = sample(3);
        let (kept_images, kept_labels) = balanced(&images, &labels, 2).unwrap();
        assert_eq!((kept_images, kept_labels), sample(2));
    }

    #[test]
    fn too_few_of_a_class_is_an_error() {
        let (images, labels) = sample(1);
        assert_eq!(balanced(&images, &labels, 2).unwrap_err(), "1 images of class 0, expected at least 2");
    }

    #[test]
    fn damaged_files_are_errors() {
        let (images, labels) = sample(2);
        assert!(balanced(&images[..images.len() - 1], &labels, 2).unwrap_err().contains("dimensions"));
        assert!(balanced(&labels, &labels, 2).unwrap_err().contains("not an IDX file"));
        let (_, fewer) = sample(1);
        assert_eq!(balanced(&images, &fewer, 1).unwrap_err(), "20 images, but 10 labels");
        let mut wrong = labels.clone();
        wrong[8] = 77;
        assert!(balanced(&images, &wrong, 1).unwrap_err().contains("label 77"));
    }

    #[test]
    fn the_bundled_files_hold_what_their_readme_says() {
        let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../data");
        for half in &HALVES {
            let (images, labels) = half.files(&data);
            let (images, labels) = (unpack(&images).unwrap(), unpack(&labels).unwrap());
            let ([count, height, width], _) = idx(&images).unwrap();
            assert_eq!([count, height, width], [half.per_class * CLASSES, 28, 28]);
            // Already balanced: taking as many again changes nothing.
            assert_eq!(balanced(&images, &labels, half.per_class).unwrap(), (images, labels));
        }
    }
}
