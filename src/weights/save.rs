//! From variables into a file.

use std::{
    borrow::Cow,
    cell::RefCell,
    collections::HashMap,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use safetensors::{SafeTensorError, View, serialize_to_file, tensor::Dtype};
use tch::{Device, TchError, Tensor};

use crate::{
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// A key and its text in the file's header. One at most: the format's crate writes several in an order that is another
/// every time.
pub(crate) type Metadata = Option<(&'static str, String)>;

/// Writes `variables` to the file at `path`: a whole new file, or none. Reading them changes nothing.
///
/// # Errors
/// A file that cannot be written (the one there before stays as it was), a variable that cannot be copied.
pub(crate) fn save(mut variables: Vec<(String, Tensor)>, metadata: Metadata, path: &Path) -> Result<()> {
    variables.sort_by(|a, b| a.0.cmp(&b.0));
    for (name, tensor) in &mut variables {
        *tensor = tensor
            .f_detach()
            .and_then(|tensor| tensor.f_to_device(Device::Cpu)?.f_contiguous())
            .context(|| format!("copying `{name}` for {}", path.display()))?;
    }
    let unfinished = unfinished(path);
    let written = write(&variables, metadata, &unfinished).and_then(|()| publish(&unfinished, path));
    if written.is_err() {
        fs::remove_file(&unfinished).ok(); // the error says more than a failure to tidy up
    }
    written
}

fn write(variables: &[(String, Tensor)], metadata: Metadata, path: &Path) -> Result<()> {
    let failure = RefCell::new(None);
    let values = |(name, tensor)| Ok((name, Values::of(tensor, &failure).context(|| format!("`{name}`"))?));
    let tensors =
        variables.iter().map(|(name, tensor)| values((name, tensor))).collect::<Result<Vec<_>>>()?;
    let metadata = metadata.map(|(key, text)| HashMap::from([(key.to_owned(), text)]));
    let written = serialize_to_file(tensors, &metadata, path);
    if let Some(error) = failure.take() {
        return Err(error).context(|| format!("copying values for {}", path.display()));
    }
    written.map_err(|error| match error {
        SafeTensorError::IoError(error) => Error::io("write", path, error),
        error => Error::invalid(path.display().to_string(), format!("it cannot be written: {error}")),
    })
}

/// A tensor as the format's crate takes it; its bytes are copied when they are written.
struct Values<'a> {
    tensor: &'a Tensor,
    dtype: Dtype,
    size: Vec<usize>,
    /// Where an error goes that the crate's interface has no place for.
    failure: &'a RefCell<Option<TchError>>,
}

impl<'a> Values<'a> {
    fn of(tensor: &'a Tensor, failure: &'a RefCell<Option<TchError>>) -> Result<Values<'a>, TchError> {
        let dtype = tensor.f_kind()?.try_into()?;
        let size = tensor.size().iter().map(|dim| dim.unsigned_abs() as usize).collect();
        Ok(Values { tensor, dtype, size, failure })
    }
}

impl View for Values<'_> {
    fn dtype(&self) -> Dtype {
        self.dtype
    }

    fn shape(&self) -> &[usize] {
        &self.size
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let mut bytes = vec![0; self.data_len()];
        if let Err(error) = self.tensor.f_copy_data_u8(&mut bytes, self.tensor.numel()) {
            self.failure.borrow_mut().get_or_insert(error);
        }
        bytes.into()
    }

    fn data_len(&self) -> usize {
        self.tensor.numel() * self.dtype.size()
    }
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
