//! The layout that all IDX files share, out of anything that can be read.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
};

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// No deflate stream can grow more than this when it is unpacked, so a header that promises more is forged.
const MAX_GROWTH: u64 = 1032;
/// More values are not read, packed or not: the largest set in this format that is in use has 0.5 GiB.
const MOST_VALUES: u64 = 4 << 30;

/// Bytes to read an IDX file from, and what to call them in errors.
pub(super) struct Source<'a> {
    name: String,
    bytes: Box<dyn Read + 'a>,
    /// Bytes as stored, packed or not, where that is known.
    stored: Option<u64>,
}

impl<'a> Source<'a> {
    pub(super) fn open(path: &Path) -> Result<Source<'static>> {
        let cannot = |action: &'static str| move |error| Error::io(action, path, error);
        let file = File::open(path).map_err(cannot("open"))?;
        let stored = file.metadata().map_err(cannot("read"))?.len();
        Ok(Source { name: path.display().to_string(), bytes: Box::new(file), stored: Some(stored) })
    }

    pub(super) fn bytes(name: &str, bytes: &'a [u8]) -> Source<'a> {
        Source { name: name.to_owned(), bytes: Box::new(bytes), stored: Some(bytes.len() as u64) }
    }

    pub(super) fn reader(name: &str, input: impl Read + 'a) -> Source<'a> {
        Source { name: name.to_owned(), bytes: Box::new(input), stored: None }
    }

    /// Name, sizes and values of a file with `N` dimensions.
    pub(super) fn read<const N: usize>(self, magic: u32, holds: &str) -> Result<(String, [u32; N], Vec<u8>)> {
        let Source { name, mut bytes, stored } = self;
        // One read may bring a single byte, so the magic number is gathered before it is looked at.
        let mut start = Vec::with_capacity(GZIP_MAGIC.len());
        bytes
            .by_ref()
            .take(GZIP_MAGIC.len() as u64)
            .read_to_end(&mut start)
            .map_err(|error| Error::io("read", &name, error))?;
        let packed = start == GZIP_MAGIC;
        let whole = BufReader::new(io::Cursor::new(start).chain(bytes));
        let (mut bytes, growth): (Box<dyn Read + '_>, u64) =
            if packed { (Box::new(MultiGzDecoder::new(whole)), MAX_GROWTH) } else { (Box::new(whole), 1) };
        let most = stored.map_or(u64::MAX, |stored| stored.saturating_mul(growth));
        let mut reader = Reader { name: &name, bytes: &mut bytes };
        let size = reader.header::<N>(magic, holds)?;
        let values = reader.values(&size, most)?;
        drop(bytes);
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
        if declared > MOST_VALUES {
            return Err(self.refuse(format!(
                "it declares the size {size:?}: {declared} values, at most {MOST_VALUES} are read"
            )));
        }
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
