//! A safetensors file: the header's length in eight bytes, the header, the values.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::{Path, PathBuf},
};

use tch::Tensor;

use super::header::{self, Entry, Header};
use crate::{
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// The format's own limit.
const MOST_HEADER_BYTES: u64 = 100_000_000;
/// Bytes of the header's length.
const LENGTH_BYTES: u64 = 8;

const EXPORT: &str = "export the weights in Python with `safetensors.torch.save_file(model.state_dict(), \
                      \"model.safetensors\")`";

/// An open file whose header is sound. The values are still to be read.
pub(super) struct WeightsFile {
    path: PathBuf,
    file: File,
    /// Where the values begin.
    values: u64,
    pub(super) entries: BTreeMap<String, Entry>,
    pub(super) metadata: BTreeMap<String, String>,
}

impl WeightsFile {
    pub(super) fn open(path: &Path) -> Result<WeightsFile> {
        let refuse = |why: String| Error::invalid(path.display().to_string(), why);
        let io = |error| Error::io("read", path, error);
        let mut file = File::open(path).map_err(|error| Error::io("open", path, error))?;
        let file_len = file.metadata().map_err(io)?.len();
        let start = up_to(&mut file, LENGTH_BYTES).map_err(io)?;
        if let Some(why) = another_format(&start) {
            return Err(refuse(why));
        }
        let Ok(start) = <[u8; LENGTH_BYTES as usize]>::try_from(start) else {
            return Err(refuse(format!("no safetensors file: it has {file_len} bytes")));
        };
        let header_len = u64::from_le_bytes(start);
        if header_len > MOST_HEADER_BYTES {
            return Err(refuse(format!("no safetensors file: {EXPORT}")));
        }
        let Some(data_len) = file_len.checked_sub(LENGTH_BYTES + header_len) else {
            return Err(refuse(format!(
                "it is cut off: it has {file_len} bytes, and its header alone should have {header_len}; or it is no \
                 safetensors file"
            )));
        };
        let json = up_to(&mut file, header_len).map_err(io)?;
        let Header { entries, metadata } = header::parse(&json, data_len)
            .map_err(|why| refuse(format!("no safetensors file, or a damaged one: {why}")))?;
        Ok(WeightsFile { path: path.to_owned(), file, values: LENGTH_BYTES + header_len, entries, metadata })
    }

    /// The values of one tensor, in the kind of the file.
    pub(super) fn read(&mut self, name: &str) -> Result<Tensor> {
        let missing =
            || Error::invalid(self.path.display().to_string(), format!("it has no tensor {name:?}"));
        let entry = self.entries.get(name).ok_or_else(missing)?;
        let kind = entry.kind().ok_or_else(missing)?;
        let wanted = entry.bytes.end - entry.bytes.start;
        let bytes = self
            .file
            .seek(SeekFrom::Start(self.values + entry.bytes.start))
            .and_then(|_| up_to(&mut self.file, wanted))
            .and_then(|bytes| {
                // Somebody may cut the file off while it is read.
                let whole = bytes.len() as u64 == wanted;
                if whole { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
            })
            .map_err(|error| Error::io("read", &self.path, error))?;
        Tensor::f_from_data_size(&bytes, &entry.size, kind)
            .context(|| format!("reading `{name}` from {}", self.path.display()))
    }
}

/// The next `count` bytes, or as many as there are.
fn up_to(file: &mut File, count: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(count).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What else a file of weights may be, told by how it begins.
fn another_format(start: &[u8]) -> Option<String> {
    if start.starts_with(b"PK\x03\x04") || start.starts_with(b"\x80\x02") {
        return Some(format!(
            "a file of `torch.save`, which is a program that runs when it is read, and no safetensors file: {EXPORT}"
        ));
    }
    if start.starts_with(b"version ") {
        return Some(
            "a pointer to a file in Git LFS, not the file itself: get it with `git lfs pull`".to_owned(),
        );
    }
    start.starts_with(b"\x1f\x8b").then(|| "compressed by gzip: unpack it first".to_owned())
}
