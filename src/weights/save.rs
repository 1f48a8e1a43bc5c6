//! From variables into a file.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use tch::{Device, Tensor};

use crate::{
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// Writes `variables` to the file at `path`: a whole new file, or none. Reading them changes nothing.
///
/// # Errors
/// A file that cannot be written (the one there before stays as it was), a variable that cannot be copied.
pub(crate) fn save(mut variables: Vec<(String, Tensor)>, path: &Path) -> Result<()> {
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, tensor) in &mut variables {
        *tensor = tensor
            .f_detach()
            .and_then(|tensor| tensor.f_to_device(Device::Cpu)?.f_contiguous())
            .context(|| format!("copying `{name}` for {}", path.display()))?;
    }
    let unfinished = unfinished(path);
    let written = Tensor::write_safetensors(&variables, &unfinished)
        .context(|| format!("cannot write {}", unfinished.display()))
        .and_then(|()| publish(&unfinished, path));
    if written.is_err() {
        fs::remove_file(&unfinished).ok(); // the error says more than a failure to tidy up
    }
    written
}

/// The name under which a file is written until it is complete.
pub(crate) fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".unfinished");
    PathBuf::from(name)
}

/// Brings a complete file to the disk, then to its name.
fn publish(unfinished: &Path, path: &Path) -> Result<()> {
    let sync = |path: &Path| File::options().write(true).open(path).and_then(|file| file.sync_all());
    sync(unfinished).map_err(|source| Error::io("write", unfinished, source))?;
    fs::rename(unfinished, path).map_err(|source| Error::io("rename to", path, source))?;
    sync_folder(path).map_err(|source| Error::io("write the folder of", path, source))
}

/// Makes the new name last through a power cut. Windows needs and allows no such thing.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if cfg!(unix) => {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            File::open(folder)?.sync_all()
        }
        _ => Ok(()),
    }
}
