//! Files of the page Projector: `projector_config.pbtxt` in the run's folder, and below `projector/` what it names.
//!
//! TensorBoard reads the configuration strictly: where it is half written or names a file that is not there, the page
//! fails for all runs. So files come before the configuration, and each takes its place whole, by a rename.

mod blocks;
mod config;
mod forget;

use std::{fmt::Write as _, path::Path};

pub(crate) use self::forget::ForgottenEmbeddings;
use self::{
    blocks::{BLOCK, Block, TENSORS},
    config::quoted,
};
use super::{Disk, disk::create_folders, unfinished, writer::write_all};
use crate::{
    error::{Error, Result},
    summary::{EmbeddingFiles, Step, Tag},
};

/// What TensorBoard looks for in the folder of a run.
const CONFIG: &str = "projector_config.pbtxt";
/// Folder of the files that it names; they must lie below the configuration.
const ASSETS: &str = "projector";
/// Names of the files of an embedding; the others stand with its block.
const METADATA: &str = "metadata.tsv";
const SPRITES: &str = "sprites.png";
/// Longest folder name, in bytes; file systems take 255.
const MAX_FOLDER: usize = 100;

/// Writes the files of an embedding and puts it into the configuration, in place of one of the same name. Doing it
/// again changes nothing.
pub(super) fn write(
    disk: &dyn Disk,
    run: &Path,
    tag: &Tag,
    step: Step,
    files: &EmbeddingFiles,
) -> Result<()> {
    // Before files are made for nothing.
    config::read(disk, run)?;
    let folder = format!("{ASSETS}/{}/{step}", folder_name(tag));
    let dir = run.join(&folder);
    create_folders(disk, &dir).map_err(|error| Error::io("create the folder", &dir, error))?;
    let name = tensor_name(tag, step);
    let mut block = format!("embeddings {{\n  tensor_name: {}\n", quoted(&name));
    let mut put = |field: &str, name: &str, bytes: &[u8]| {
        let _ = writeln!(block, "{field}: {}", quoted(&format!("{folder}/{name}")));
        replace(disk, &dir.join(name), bytes)
    };
    put("  tensor_path", TENSORS, &files.tensors)?;
    if let Some(metadata) = &files.metadata {
        put("  metadata_path", METADATA, metadata)?;
    }
    if let Some(sprites) = &files.sprites {
        put("  sprite {\n    image_path", SPRITES, &sprites.png)?;
        for size in sprites.size {
            let _ = writeln!(block, "    single_image_dim: {size}");
        }
        block.push_str("  }\n");
    }
    for size in files.shape {
        let _ = writeln!(block, "  tensor_shape: {size}");
    }
    block.push_str("}\n");
    replace(disk, &dir.join(BLOCK), block.as_bytes())?;
    config::add(disk, run, &Block { name, text: block })
}

/// The name in the page's list. The page puts it into an address as it is, so that what has a meaning there is replaced
/// by a letter that looks the same. (The end cannot be `:0`, which TensorBoard would cut off.)
fn tensor_name(tag: &Tag, step: Step) -> String {
    let harmless = |c: char| match c {
        '&' => '＆',
        '#' => '＃',
        '+' => '＋',
        '%' => '％',
        c if c.is_control() => ' ',
        c => c,
    };
    format!("{} (step {step})", tag.as_str().chars().map(harmless).collect::<String>())
}

/// A name for the folder of a tag that every file system takes, another one for each tag. What is not plain becomes
/// `%` and two digits; a long name is cut and gets a checksum.
fn folder_name(tag: &Tag) -> String {
    let mut name = String::new();
    for (index, byte) in tag.as_str().bytes().enumerate() {
        match byte {
            b'.' if index > 0 => name.push('.'),
            b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'-' | b'_' => name.push(char::from(byte)),
            _ => {
                let _ = write!(name, "%{byte:02X}");
            }
        }
    }
    // TensorBoard would take the folder for an event file.
    let mut name = name.replace("tfevents", "%74fevents");
    if name.len() > MAX_FOLDER {
        name.truncate(MAX_FOLDER);
        let _ = write!(name, "%{:08x}", crc32c::crc32c(tag.as_str().as_bytes()));
    }
    name
}

/// Writes a file that takes its place whole.
fn replace(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<()> {
    unfinished::replace(disk, path, |output, _| {
        write_all(output, bytes).1.map_err(|error| Error::io("write", path, error))
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, path::PathBuf};

    use super::*;
    use crate::event::testing::FaultyDisk;

    fn files() -> EmbeddingFiles {
        EmbeddingFiles {
            tensors: b"1.0\t2.0\t3.0\n".repeat(8),
            shape: [8, 3],
            metadata: Some(b"label\n".repeat(8)),
            sprites: None,
        }
    }

    /// All files below a folder, by their path in it.
    fn tree(dir: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        let mut found: Vec<PathBuf> =
            entries.flat_map(|path| if path.is_dir() { tree(&path) } else { vec![path] }).collect();
        found.sort();
        found
    }

    #[test]
    fn a_full_disk_leaves_whole_files_and_a_whole_configuration() {
        let tag = |name: &str| Tag::new(name).unwrap();
        let whole = {
            let dir = tempfile::tempdir().unwrap();
            let disk = FaultyDisk::default();
            write(&disk, dir.path(), &tag("first"), Step::new(1), &files()).unwrap();
            let first = fs::read_to_string(dir.path().join(CONFIG)).unwrap();
            write(&disk, dir.path(), &tag("second"), Step::new(1), &files()).unwrap();
            [first, fs::read_to_string(dir.path().join(CONFIG)).unwrap()]
        };
        let block = whole[1].len() - whole[0].len();
        let needed = 96 + 48 + block + whole[1].len();
        for room in (0..needed).step_by(23).chain([needed - 1, needed]) {
            let dir = tempfile::tempdir().unwrap();
            let disk = FaultyDisk::default();
            write(&disk, dir.path(), &tag("first"), Step::new(1), &files()).unwrap();
            disk.set(|faults| faults.room = Some(room));
            let result = write(&disk, dir.path(), &tag("second"), Step::new(1), &files());
            assert_eq!(result.is_ok(), room >= needed, "{room}");
            assert!(result.is_ok() || result.unwrap_err().is_io());
            let config = fs::read_to_string(dir.path().join(CONFIG)).unwrap();
            assert_eq!(config, whole[usize::from(room >= needed)], "{room}");
            for path in tree(dir.path()) {
                let expected = match path.extension().and_then(|extension| extension.to_str()) {
                    Some("pbtxt") => continue,
                    Some("tsv") if path.ends_with("tensors.tsv") => files().tensors,
                    Some("tsv") => files().metadata.unwrap(),
                    _ => panic!("{} was left", path.display()),
                };
                assert_eq!(fs::read(&path).unwrap(), expected, "{}", path.display());
            }
            disk.set(|faults| faults.room = None);
            write(&disk, dir.path(), &tag("second"), Step::new(1), &files()).unwrap();
            assert_eq!(fs::read_to_string(dir.path().join(CONFIG)).unwrap(), whole[1], "{room}");
        }
    }

    #[test]
    fn a_configuration_that_is_no_text_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(CONFIG), [0xff, 0xfe]).unwrap();
        let disk = FaultyDisk::default();
        let error = write(&disk, dir.path(), &Tag::new("a").unwrap(), Step::new(1), &files()).unwrap_err();
        assert!(!error.is_io(), "it would be tried for ever: {error}");
        let error = error.to_string();
        assert!(error.contains(CONFIG), "{error}");
        assert_eq!(fs::read(dir.path().join(CONFIG)).unwrap(), [0xff, 0xfe]);
    }
}
