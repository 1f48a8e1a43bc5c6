//! One IDX file.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};

const IMAGES_MAGIC: u32 = 0x0803;
const LABELS_MAGIC: u32 = 0x0801;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// No deflate stream can grow more than this when it is unpacked, so a header that promises more is forged.
const MAX_GROWTH: u64 = 1032;

/// Bytes to read an IDX file from, and what to call them in errors.
pub(in crate::data) struct Source<'a> {
    name: String,
    bytes: Box<dyn BufRead + 'a>,
    /// Bytes as stored, packed or not.
    stored: u64,
}

impl<'a> Source<'a> {
    pub(super) fn open(path: &Path) -> Result<Source<'static>> {
        let cannot = |action: &'static str| move |error| Error::io(action, path, error);
        let file = File::open(path).map_err(cannot("open"))?;
        let stored = file.metadata().map_err(cannot("read"))?.len();
        Ok(Source { name: path.display().to_string(), bytes: Box::new(BufReader::new(file)), stored })
    }

    pub(in crate::data) fn bytes(name: &str, bytes: &'a [u8]) -> Source<'a> {
        Source { name: name.to_owned(), bytes: Box::new(bytes), stored: bytes.len() as u64 }
    }

    /// Reads header and values of a file with `N` dimensions.
    fn read<const N: usize>(self, magic: u32, holds: &str) -> Result<(String, [u32; N], Vec<u8>)> {
        let Source { name, mut bytes, stored } = self;
        let packed =
            bytes.fill_buf().map_err(|error| Error::io("read", &name, error))?.starts_with(&GZIP_MAGIC);
        let (mut bytes, most): (Box<dyn Read + 'a>, u64) = if packed {
            (Box::new(MultiGzDecoder::new(bytes)), stored.saturating_mul(MAX_GROWTH))
        } else {
            (Box::new(bytes), stored)
        };
        let mut reader = Reader { name: &name, bytes: &mut bytes };
        let size = reader.header::<N>(magic, holds)?;
        let values = reader.values(&size, most)?;
        Ok((name, size, values))
    }
}

struct Reader<'a> {
    name: &'a str,
    bytes: &'a mut dyn Read,
}

impl Reader<'_> {
    fn header<const N: usize>(&mut self, magic: u32, holds: &str) -> Result<[u32; N]> {
        let found = self.number()?;
        if found != magic {
            return Err(self.refuse(format!(
                "magic number {found:#010x} found, {magic:#010x} expected: this is not an IDX file of {holds}"
            )));
        }
        let mut size = [0; N];
        for dimension in &mut size {
            *dimension = self.number()?;
        }
        if size.contains(&0) {
            return Err(self.refuse(format!("it declares the size {size:?}: there is nothing in it")));
        }
        Ok(size)
    }

    fn number(&mut self) -> Result<u32> {
        let mut bytes = [0; 4];
        self.bytes.read_exact(&mut bytes).map_err(|error| self.cannot_read(error))?;
        Ok(u32::from_be_bytes(bytes))
    }

    /// The rest of the file, which must be what `size` says. `most` bounds what the file can hold.
    ///
    /// Memory grows with what is there, not with what the header declares.
    fn values(&mut self, size: &[u32], most: u64) -> Result<Vec<u8>> {
        let declared = size.iter().try_fold(1u64, |product, &n| product.checked_mul(n.into()));
        let Some(declared) = declared.filter(|&declared| declared <= most) else {
            return Err(self.refuse(format!(
                "it declares the size {size:?}, more than the file can hold: it is cut short"
            )));
        };
        let mut values = Vec::new();
        // One byte more, to see whether the file goes on. It also makes gzip check its checksum.
        self.bytes.take(declared + 1).read_to_end(&mut values).map_err(|error| self.cannot_read(error))?;
        let found = values.len() as u64;
        if found < declared {
            return Err(self.refuse(format!(
                "{found} bytes found after the header, {declared} expected for the size {size:?}: it is cut short"
            )));
        }
        if found > declared {
            return Err(self.refuse(format!(
                "more than the {declared} bytes found that the size {size:?} in its header asks for"
            )));
        }
        Ok(values)
    }

    /// An error of the data or of the operating system.
    fn cannot_read(&self, error: io::Error) -> Error {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => self.refuse("it ends too early: it is cut short".to_owned()),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
                self.refuse(format!("its gzip stream is damaged: {error}"))
            }
            _ => Error::io("read", self.name, error),
        }
    }

    fn refuse(&self, why: String) -> Error {
        Error::invalid(self.name, why)
    }
}

/// A file of grey images.
pub(super) struct Images {
    pub(super) name: String,
    /// Number, height, width.
    pub(super) size: [u32; 3],
    pub(super) pixels: Vec<u8>,
}

impl Images {
    pub(super) fn read(source: Source<'_>) -> Result<Images> {
        let (name, size, pixels) = source.read::<3>(IMAGES_MAGIC, "images")?;
        Ok(Images { name, size, pixels })
    }
}

/// A file of labels.
pub(super) struct Labels {
    pub(super) name: String,
    pub(super) values: Vec<u8>,
}

impl Labels {
    pub(super) fn read(source: Source<'_>) -> Result<Labels> {
        let (name, _, values) = source.read::<1>(LABELS_MAGIC, "labels")?;
        Ok(Labels { name, values })
    }

    pub(super) fn check_range(&self, classes: usize) -> Result<()> {
        match self.values.iter().enumerate().find(|&(_, &label)| usize::from(label) >= classes) {
            None => Ok(()),
            Some((index, label)) => Err(Error::invalid(
                &self.name,
                format!(
                    "label {label} of image {index} found; {classes} classes allow 0 to {}",
                    classes.max(1) - 1
                ),
            )),
        }
    }

    /// Classes named after the labels, which must leave none out: a damaged label would else make up new classes.
    pub(super) fn classes(&self) -> Result<Vec<String>> {
        let mut seen = [false; 256];
        for &label in &self.values {
            seen[usize::from(label)] = true;
        }
        let count = seen.iter().rposition(|&seen| seen).map_or(0, |last| last + 1);
        match seen.iter().take(count).position(|&seen| !seen) {
            None => Ok((0..count).map(|class| class.to_string()).collect()),
            Some(gap) => Err(Error::invalid(
                &self.name,
                format!(
                    "label {} found, but no image of class {gap}; if that is right, name the classes in classes.txt \
                     beside it, one a line",
                    count - 1
                ),
            )),
        }
    }
}
