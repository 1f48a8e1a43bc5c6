//! Embeddings that a resumed training writes again.

use std::path::{Path, PathBuf};

use super::{
    CONFIG,
    blocks::{BLOCK, Folder, files, names},
    config,
};
use crate::{
    error::{Error, Result},
    event::{Disk, remove_unfinished},
    summary::Step,
};

/// The embeddings of one run that go.
#[derive(Debug)]
pub(crate) struct ForgottenEmbeddings {
    run: PathBuf,
    /// What stays of the configuration, if it changes.
    config: Option<String>,
    /// Folders of the embeddings' files, those to be emptied first.
    folders: Vec<(PathBuf, bool)>,
}

impl ForgottenEmbeddings {
    /// Looks which embeddings are of `step` or later. Changes nothing.
    ///
    /// # Errors
    /// What the operating system refuses.
    pub(crate) fn plan(disk: &dyn Disk, run: &Path, step: Step) -> Result<ForgottenEmbeddings> {
        let before = match config::read(disk, run) {
            Ok(text) => text,
            Err(error) if error.is_io() => return Err(error),
            Err(error) => {
                // It was not written here.
                tracing::warn!("{error}. It is left as it is");
                String::new()
            }
        };
        let after = config::before(&before, step);
        let mut folders = Vec::new();
        for folder in Folder::all(disk, run)? {
            let dir = run.join(&folder.path);
            // What somebody else's part of the configuration names stays.
            let goes = Step::new(folder.step) >= step
                && names(disk, &dir)?.iter().any(|name| name == BLOCK)
                && !after.contains(&format!("{}/", folder.path));
            folders.push((dir, goes));
        }
        Ok(ForgottenEmbeddings { run: run.to_owned(), config: (after != before).then_some(after), folders })
    }

    /// Takes them out of the configuration, and removes their files and what unfinished ones there are. Whenever it is
    /// interrupted, the files that the configuration names are there.
    ///
    /// # Errors
    /// What the operating system refuses.
    pub(crate) fn apply(self, disk: &dyn Disk) -> Result<()> {
        let remove = |path: &Path| match disk.remove(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("remove", path, error))
            }
            _ => Ok(()),
        };
        // First, as another writer would take them into the configuration again.
        for (dir, _) in self.folders.iter().filter(|(_, goes)| *goes) {
            remove(&dir.join(BLOCK))?;
        }
        if let Some(text) = &self.config {
            super::replace(disk, &self.run.join(CONFIG), text.as_bytes())?;
        }
        for (dir, goes) in &self.folders {
            remove_unfinished(disk, dir, &names(disk, dir)?)?;
            if *goes {
                files(dir).iter().try_for_each(|path| remove(path))?;
                // Not where something else is in them.
                let _ = disk.remove_dir(dir);
                let _ = dir.parent().map(|of_tag| disk.remove_dir(of_tag));
            }
        }
        Ok(())
    }
}
