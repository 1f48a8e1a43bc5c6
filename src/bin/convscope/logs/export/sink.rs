//! Where exported text goes.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::page::Page;

/// The standard output, or a new file; that is removed if the work is given up.
pub enum Sink {
    Page(Page),
    File { path: PathBuf, output: BufWriter<File>, done: bool },
}

impl Sink {
    /// `-` is the standard output.
    pub fn open(path: &Path) -> anyhow::Result<Sink> {
        if path == Path::new("-") {
            return Ok(Sink::Page(Page::new()));
        }
        let output = BufWriter::new(create_new(path)?);
        Ok(Sink::File { path: path.to_owned(), output, done: false })
    }

    pub fn text(&mut self, text: &str) -> anyhow::Result<()> {
        match self {
            Sink::Page(page) => page.text(text)?,
            Sink::File { path, output, .. } => cannot_write(output.write_all(text.as_bytes()), path)?,
        }
        Ok(())
    }

    /// Whether nobody reads any more.
    pub fn is_closed(&self) -> bool {
        matches!(self, Sink::Page(page) if page.is_closed())
    }

    /// Makes sure that everything is written.
    pub fn finish(mut self) -> anyhow::Result<()> {
        match &mut self {
            Sink::Page(page) => page.flush()?,
            Sink::File { path, output, done } => {
                cannot_write(output.flush(), path)?;
                *done = true;
            }
        }
        Ok(())
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if let Sink::File { path, done: false, .. } = self {
            fs::remove_file(path).ok(); // half of it would look like the whole
        }
    }
}

/// A file that must not be there, and the folder that it is in.
pub fn create_new(path: &Path) -> anyhow::Result<File> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create the folder {}", folder.display()))?;
    }
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            anyhow::bail!(
                "{}: it is there already, and nothing is overwritten: give a new name",
                path.display()
            )
        }
        result => result.with_context(|| format!("cannot create {}", path.display())),
    }
}

pub fn cannot_write<T>(result: io::Result<T>, path: &Path) -> anyhow::Result<T> {
    result.with_context(|| format!("cannot write to {}", path.display()))
}
