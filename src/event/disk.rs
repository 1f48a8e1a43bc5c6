//! What event files ask of the operating system, so that tests can let it fail.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io::{
        self,
        ErrorKind::{InvalidInput, PermissionDenied, Unsupported},
        Read, Seek, SeekFrom, Write,
    },
    path::Path,
};

/// Where event files are made.
pub(crate) trait Disk: Send + Sync {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Makes a folder that must not exist.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;
    /// Names in a folder, in any order.
    fn names(&self, dir: &Path) -> io::Result<Vec<OsString>>;
    /// Makes a file that must not exist.
    fn create_new(&self, path: &Path) -> io::Result<Box<dyn Output>>;
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder that is empty.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;
    /// A whole file, of at most `limit` bytes.
    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>>;
    /// Gives a file another name, in place of what has it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Cuts a file that nobody has open to `len` bytes, on the device too.
    fn cut(&self, path: &Path, len: u64) -> io::Result<()>;
    /// Waits until the names in a folder are on the device.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
}

/// An event file that is being written.
pub(crate) trait Output: Send {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize>;
    /// Cuts the file to `len` bytes; the next write goes there.
    fn cut(&mut self, len: u64) -> io::Result<()>;
    /// Whether `path` is still this file. A removed file takes bytes as if nothing had happened, and loses them.
    fn is_at(&self, path: &Path) -> bool;
    /// Waits until the bytes are on the device.
    fn sync(&mut self) -> io::Result<()>;
    /// [`Disk::sync_dir`], for the folder of the file.
    fn sync_dir(&mut self, dir: &Path) -> io::Result<()>;
}

/// Makes a folder and those above it, where they are missing, and waits until their names are on the device.
pub(crate) fn create_folders(disk: &dyn Disk, dir: &Path) -> io::Result<()> {
    let missing = dir.ancestors().take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists());
    let above: Vec<&Path> = missing.filter_map(Path::parent).collect();
    disk.create_dir_all(dir)?;
    above.into_iter().try_for_each(|dir| disk.sync_dir(dir))
}

/// The operating system's own.
pub(crate) struct RealDisk;

impl Disk for RealDisk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir(dir)
    }

    fn names(&self, dir: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn create_new(&self, path: &Path) -> io::Result<Box<dyn Output>> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        let identity = identity(&file.metadata()?);
        Ok(Box::new(RealOutput { file, identity }))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir(dir)
    }

    fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limit {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("more than {limit} bytes")));
        }
        Ok(bytes)
    }

    fn cut(&self, path: &Path, len: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(len)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        // Other systems cannot open a folder, and need not.
        if !cfg!(unix) {
            return Ok(());
        }
        let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
        match File::open(dir).and_then(|dir| dir.sync_all()) {
            // A folder that may not be read, or a file system without such a thing: then nobody can do more.
            Err(error) if matches!(error.kind(), PermissionDenied | InvalidInput | Unsupported) => Ok(()),
            synced => synced,
        }
    }
}

struct RealOutput {
    file: File,
    identity: Identity,
}

impl Output for RealOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn cut(&mut self, len: u64) -> io::Result<()> {
        self.file.set_len(len)?;
        self.file.seek(SeekFrom::Start(len)).map(drop)
    }

    fn is_at(&self, path: &Path) -> bool {
        match fs::metadata(path) {
            Ok(there) => identity(&there) == self.identity,
            // Anything else (no permission to look, a network that is down) says nothing about the file.
            Err(error) => !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        RealDisk.sync_dir(dir)
    }
}

/// Device and number of a file.
#[cfg(unix)]
type Identity = (u64, u64);
#[cfg(unix)]
fn identity(metadata: &fs::Metadata) -> Identity {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

/// Elsewhere an open file cannot be removed or replaced, so being there is enough.
#[cfg(not(unix))]
type Identity = ();
#[cfg(not(unix))]
fn identity(_: &fs::Metadata) -> Identity {}

/// A disk that fails when it is told to, over a real one.
#[cfg(test)]
pub(crate) mod testing {
    use std::{
        collections::BTreeSet,
        path::PathBuf,
        sync::{Arc, Condvar, Mutex},
    };

    use super::*;

    /// What goes wrong. Shared with the test.
    #[derive(Debug, Default)]
    pub(crate) struct Faults {
        /// Bytes that are left; `None` is no end of them.
        pub room: Option<usize>,
        /// Nothing can be cut off.
        pub cut_fails: bool,
        /// Writing waits.
        pub stalled: bool,
        /// Writing panics.
        pub panics: bool,
        /// Nothing gets to the device.
        pub sync_fails: bool,
        /// How often it was asked whether a file is where it was.
        pub looks: usize,
        /// Folders with new names that are not on the device.
        pub unsynced: BTreeSet<PathBuf>,
        /// So many files can still be renamed; `None` is no end of them.
        pub renames: Option<usize>,
    }

    #[derive(Clone, Default)]
    pub(crate) struct FaultyDisk {
        shared: Arc<(Mutex<Faults>, Condvar)>,
    }

    impl FaultyDisk {
        pub(crate) fn set(&self, change: impl FnOnce(&mut Faults)) {
            change(&mut self.shared.0.lock().unwrap());
            self.shared.1.notify_all();
        }

        /// Folders with new names that are not on the device.
        pub(crate) fn unsynced(&self) -> BTreeSet<PathBuf> {
            self.shared.0.lock().unwrap().unsynced.clone()
        }

        fn named(&self, path: &Path) {
            self.shared.0.lock().unwrap().unsynced.insert(path.parent().unwrap().to_owned());
        }
    }

    impl Disk for FaultyDisk {
        fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
            dir.ancestors().take_while(|dir| !dir.exists()).for_each(|dir| self.named(dir));
            RealDisk.create_dir_all(dir)
        }

        fn create_dir(&self, dir: &Path) -> io::Result<()> {
            self.named(dir);
            RealDisk.create_dir(dir)
        }

        fn names(&self, dir: &Path) -> io::Result<Vec<OsString>> {
            RealDisk.names(dir)
        }

        fn create_new(&self, path: &Path) -> io::Result<Box<dyn Output>> {
            self.named(path);
            Ok(Box::new(FaultyOutput { disk: self.clone(), real: RealDisk.create_new(path)?, len: 0 }))
        }

        fn remove(&self, path: &Path) -> io::Result<()> {
            RealDisk.remove(path)
        }

        fn remove_dir(&self, dir: &Path) -> io::Result<()> {
            RealDisk.remove_dir(dir)
        }

        fn read(&self, path: &Path, limit: u64) -> io::Result<Vec<u8>> {
            RealDisk.read(path, limit)
        }

        fn cut(&self, path: &Path, len: u64) -> io::Result<()> {
            RealDisk.cut(path, len)
        }

        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            if let Some(left) = &mut self.shared.0.lock().unwrap().renames {
                *left = left.checked_sub(1).ok_or_else(|| io::Error::from_raw_os_error(5))?; // EIO
            }
            self.named(to);
            RealDisk.rename(from, to)
        }

        fn sync_dir(&self, dir: &Path) -> io::Result<()> {
            self.shared.0.lock().unwrap().unsynced.remove(dir);
            RealDisk.sync_dir(dir)
        }
    }

    struct FaultyOutput {
        disk: FaultyDisk,
        real: Box<dyn Output>,
        len: usize,
    }

    impl Output for FaultyOutput {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let (faults, changed) = &*self.disk.shared;
            let mut faults = changed.wait_while(faults.lock().unwrap(), |faults| faults.stalled).unwrap();
            assert!(!faults.panics, "the disk panics, as planned");
            let taken = faults.room.map_or(bytes.len(), |room| room.min(bytes.len()));
            if taken == 0 {
                return Err(io::Error::from_raw_os_error(28)); // ENOSPC
            }
            let written = self.real.write(&bytes[..taken])?;
            self.len += written;
            faults.room = faults.room.map(|room| room - written);
            Ok(written)
        }

        fn cut(&mut self, len: u64) -> io::Result<()> {
            let mut faults = self.disk.shared.0.lock().unwrap();
            if faults.cut_fails {
                return Err(io::Error::other("cannot cut"));
            }
            let freed = self.len - len as usize;
            faults.room = faults.room.map(|room| room + freed);
            self.len = len as usize;
            self.real.cut(len)
        }

        fn is_at(&self, path: &Path) -> bool {
            self.disk.shared.0.lock().unwrap().looks += 1;
            self.real.is_at(path)
        }

        fn sync(&mut self) -> io::Result<()> {
            if self.disk.shared.0.lock().unwrap().sync_fails {
                return Err(io::Error::from_raw_os_error(5)); // EIO
            }
            self.real.sync()
        }

        fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
            self.disk.sync_dir(dir)
        }
    }
}
