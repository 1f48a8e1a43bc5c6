//! Files of the page Projector: `projector_config.pbtxt` in the run's folder, and below `projector/` what it names.
//!
//! TensorBoard reads the configuration strictly: where it is half written or names a file that is not there, the page
//! fails for all runs. So files come before the configuration, and each takes its place whole, by a rename.

use std::{
    fmt::Write as _,
    io,
    path::Path,
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{Disk, writer::write_all};
use crate::{
    error::{Error, Result},
    summary::{EmbeddingFiles, Step, Tag},
};

/// What TensorBoard looks for in the folder of a run.
const CONFIG: &str = "projector_config.pbtxt";
/// Folder of the files that it names; they must lie below the configuration.
const ASSETS: &str = "projector";
/// Largest configuration that is read: ten thousands of embeddings.
const MAX_CONFIG: u64 = 16 << 20;
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
    let folder = format!("{ASSETS}/{}/{step}", folder_name(tag));
    let dir = run.join(&folder);
    disk.create_dir_all(&dir).map_err(|error| Error::io("create the folder", &dir, error))?;
    let mut block = format!("embeddings {{\n  tensor_name: {}\n", quoted(&tensor_name(tag, step)));
    let mut put = |field: &str, name: &str, bytes: &[u8]| {
        let _ = writeln!(block, "{field}: {}", quoted(&format!("{folder}/{name}")));
        replace(disk, &dir.join(name), bytes)
    };
    put("  tensor_path", "tensors.tsv", &files.tensors)?;
    if let Some(metadata) = &files.metadata {
        put("  metadata_path", "metadata.tsv", metadata)?;
    }
    if let Some(sprites) = &files.sprites {
        put("  sprite {\n    image_path", "sprites.png", &sprites.png)?;
        for size in sprites.size {
            let _ = writeln!(block, "    single_image_dim: {size}");
        }
        block.push_str("  }\n");
    }
    for size in files.shape {
        let _ = writeln!(block, "  tensor_shape: {size}");
    }
    block.push_str("}\n");
    add_to_config(disk, &run.join(CONFIG), &tensor_name(tag, step), &block)
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

/// Puts an embedding behind those that are there.
fn add_to_config(disk: &dyn Disk, path: &Path, name: &str, block: &str) -> Result<()> {
    let before = match disk.read(path, MAX_CONFIG) {
        Ok(bytes) => String::from_utf8(bytes)
            .map_err(|error| Error::io("read", path, io::Error::new(io::ErrorKind::InvalidData, error)))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(Error::io("read", path, error)),
    };
    let after = without(&before, name) + block;
    if after == before { Ok(()) } else { replace(disk, path, after.as_bytes()) }
}

/// Takes the embeddings of `step` and later ones out of the configuration of a run, where this module wrote them. Their
/// files stay until they are written again.
pub(crate) fn forget_embeddings(disk: &dyn Disk, run: &Path, step: Step) -> Result<()> {
    let path = run.join(CONFIG);
    let before = match disk.read(&path, MAX_CONFIG) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io("read", path, error)),
    };
    // What is no text was not written here.
    let Ok(before) = String::from_utf8(before) else { return Ok(()) };
    let after = retain(&before, |name, path| {
        let ours = path.starts_with(&format!("  tensor_path: \"{ASSETS}/"));
        let of = name.strip_suffix(")\"").and_then(|name| name.rsplit_once(" (step ")?.1.parse().ok());
        !(ours && of.is_some_and(|of| Step::new(of) >= step))
    });
    if after == before { Ok(()) } else { replace(disk, &path, after.as_bytes()) }
}

/// The text of a configuration without the embedding of this name.
fn without(config: &str, name: &str) -> String {
    let name = format!("  tensor_name: {}", quoted(name));
    retain(config, |line, _| line != name)
}

/// The text of a configuration with those embeddings whose lines of name and path are to be kept. The layout is that of
/// this module and of Google's library: an embedding begins and ends with a line of its own. All else stays as it is.
fn retain(config: &str, keep: impl Fn(&str, &str) -> bool) -> String {
    let mut kept = String::with_capacity(config.len());
    let mut lines = config.lines();
    while let Some(line) = lines.next() {
        let mut next = lines.clone();
        if line == "embeddings {" && !keep(next.next().unwrap_or_default(), next.next().unwrap_or_default()) {
            let _ = lines.find(|line| *line == "}");
        } else {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// A string as the text format of protocol buffers has it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let mut utf8 = [0; 4];
                for byte in c.encode_utf8(&mut utf8).bytes() {
                    let _ = write!(out, "\\{byte:03o}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
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
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_extension(format!("{}.{count}.tmp", process::id()));
    let written = disk.create_new(&temporary).and_then(|mut output| {
        write_all(&mut *output, bytes).1?;
        output.sync()?;
        drop(output);
        disk.rename(&temporary, path)
    });
    written.map_err(|error| {
        // Half a file would only be in the way.
        let _ = disk.remove(&temporary);
        Error::io("write", path, error)
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
        let needed = 96 + 48 + whole[1].len();
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
        let error = write(&disk, dir.path(), &Tag::new("a").unwrap(), Step::new(1), &files())
            .unwrap_err()
            .to_string();
        assert!(error.contains(CONFIG), "{error}");
        assert_eq!(fs::read(dir.path().join(CONFIG)).unwrap(), [0xff, 0xfe]);
    }

    #[test]
    fn one_embedding_leaves_the_others_and_all_that_is_not_ours() {
        let ours =
            |name: &str| format!("embeddings {{\n  tensor_name: {}\n  sprite {{\n  }}\n}}\n", quoted(name));
        let other = "model_checkpoint_path: \"x\"\nembeddings { tensor_name: \"b\" }\n# }\n";
        let config = format!("{}{other}{}{}", ours("a"), ours("b\""), ours("c"));
        assert_eq!(without(&config, "b\""), format!("{}{other}{}", ours("a"), ours("c")));
        assert_eq!(without(&config, "b"), config, "one of another layout is left");
        assert_eq!(without("no line end", "a"), "no line end\n");
        assert_eq!(without("", "a"), "");
    }

    #[test]
    fn texts_are_quoted() {
        assert_eq!(quoted("a\"b\\c"), r#""a\"b\\c""#);
        assert_eq!(quoted("ü\t\u{85}\u{7f}"), r#""ü\011\302\205\177""#);
    }
}
