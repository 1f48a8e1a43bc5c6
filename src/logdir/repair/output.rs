//! Files that are there only when they are complete.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
    process,
};

use crate::error::{Error, Result};

/// A new file under another name until [`finish`](NewFile::finish); removed if it is dropped before.
#[derive(Debug)]
pub(crate) struct NewFile {
    path: PathBuf,
    hidden: PathBuf,
    output: Option<BufWriter<File>>,
}

impl NewFile {
    /// Begins a file that must not be there, and the folder that it is in.
    pub fn create(path: &Path) -> Result<NewFile> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(folder).map_err(|error| Error::io("create the folder", folder, error))?;
        refuse_existing(path)?;
        // No `tfevents` in the name: TensorBoard must not read it yet.
        let mut number = 0;
        let (hidden, file) = loop {
            let hidden = folder.join(format!(".convscope-{}-{number}.part", process::id()));
            match OpenOptions::new().write(true).create_new(true).open(&hidden) {
                Ok(file) => break (hidden, file),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && number < 100 => number += 1,
                Err(error) => return Err(Error::io("create", hidden, error)),
            }
        };
        Ok(NewFile { path: path.to_owned(), hidden, output: Some(BufWriter::new(file)) })
    }

    /// Appends bytes.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let Some(output) = &mut self.output else { return Ok(()) };
        output.write_all(bytes).map_err(|error| Error::io("write to", &self.path, error))
    }

    /// Makes sure that everything is on the device, and gives the file its name.
    pub fn finish(mut self) -> Result<()> {
        let cannot = |error| Error::io("write to", &self.path, error);
        if let Some(output) = self.output.take() {
            let file = output.into_inner().map_err(|error| cannot(error.into_error()))?;
            file.sync_data().map_err(cannot)?;
        }
        refuse_existing(&self.path)?;
        fs::rename(&self.hidden, &self.path).map_err(cannot)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        self.output = None;
        fs::remove_file(&self.hidden).ok(); // not there after `finish`
    }
}

fn refuse_existing(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Error::io("look at", path, error)),
        Ok(_) => Err(Error::invalid(
            path.display().to_string(),
            "it is there already, and nothing is overwritten: give a new name",
        )),
    }
}
