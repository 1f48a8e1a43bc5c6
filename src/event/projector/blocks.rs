//! What the configuration says of one embedding, kept beside its files as well.

use std::{
    collections::HashSet,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use super::{ASSETS, config};
use crate::{
    error::{Error, Result},
    event::Disk,
};

/// Name of the file with the block.
pub(super) const BLOCK: &str = "embedding.pbtxt";
/// Name of the file with the points.
pub(super) const TENSORS: &str = "tensors.tsv";
/// Largest block: a few lines.
const MAX_BLOCK: u64 = 64 << 10;

/// What a configuration says of one embedding.
pub(super) struct Block {
    /// Its name in the page's list.
    pub name: String,
    /// The lines, with those of the beginning and the end.
    pub text: String,
}

/// The folder of an embedding's files.
pub(super) struct Folder {
    /// Relative to the run, with `/` between.
    pub path: String,
    pub step: i64,
}

impl Block {
    /// The blocks in a run's folders that are not in this configuration, in the order of the folders' names.
    pub(super) fn missing(disk: &dyn Disk, run: &Path, config: &str) -> Result<Vec<String>> {
        let there: HashSet<&str> =
            config.lines().filter(|line| line.starts_with("  tensor_path: ")).collect();
        let mut missing = Vec::new();
        for folder in Folder::all(disk, run)? {
            let line = folder.path_line();
            if there.contains(&*line) {
                continue;
            }
            let path = run.join(&folder.path).join(BLOCK);
            let bytes = match disk.read(&path, MAX_BLOCK) {
                Ok(bytes) => bytes,
                Err(error) if is_elsewhere(&error) || error.kind() == io::ErrorKind::FileTooLarge => continue,
                Err(error) => return Err(Error::io("read", path, error)),
            };
            // Others may have files of that name.
            let Ok(text) = String::from_utf8(bytes) else { continue };
            if text.starts_with("embeddings {\n")
                && text.ends_with("\n}\n")
                && text.lines().any(|found| found == line)
            {
                missing.push(text);
            }
        }
        Ok(missing)
    }
}

impl Folder {
    /// All folders that may hold an embedding's files, sorted. Links are not followed: they may lead to another run.
    pub(super) fn all(disk: &dyn Disk, run: &Path) -> Result<Vec<Folder>> {
        let mut found = Vec::new();
        for tag in folders(disk, &run.join(ASSETS))? {
            for step in folders(disk, &run.join(ASSETS).join(&tag))? {
                if let Ok(number) = step.parse() {
                    found.push(Folder { path: format!("{ASSETS}/{tag}/{step}"), step: number });
                }
            }
        }
        Ok(found)
    }

    /// The line of a configuration that names its points.
    pub(super) fn path_line(&self) -> String {
        format!("  tensor_path: {}", config::quoted(&format!("{}/{TENSORS}", self.path)))
    }
}

/// Names of the folders in a folder, sorted.
fn folders(disk: &dyn Disk, dir: &Path) -> Result<Vec<String>> {
    let mut names: Vec<String> =
        names(disk, dir)?.into_iter().filter_map(|name| name.into_string().ok()).collect();
    names.retain(|name| is_folder(&dir.join(name)));
    names.sort();
    Ok(names)
}

/// Names in a folder; none where it is no folder.
pub(super) fn names(disk: &dyn Disk, dir: &Path) -> Result<Vec<OsString>> {
    if !is_folder(dir) {
        return Ok(Vec::new());
    }
    match disk.names(dir) {
        Err(error) if is_elsewhere(&error) => Ok(Vec::new()),
        names => names.map_err(|error| Error::io("read the folder", dir, error)),
    }
}

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|there| there.is_dir())
}

fn is_elsewhere(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The files that an embedding may have; the block last, as it says that the others are there.
pub(super) fn files(dir: &Path) -> [PathBuf; 4] {
    [TENSORS, super::METADATA, super::SPRITES, BLOCK].map(|name| dir.join(name))
}
