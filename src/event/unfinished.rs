//! Files that take the place of others whole, by a rename.

use std::{
    ffi::{OsStr, OsString},
    io,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{Disk, disk::Output, file_name::without_infix};
use crate::error::{Error, Result};

/// End of the names of files that are being made.
const UNFINISHED: &str = ".convscope-unfinished";

/// Lets `fill` write a file, given with its name for the time being, that then takes the place of `path`. On return both
/// the bytes and the name are on the device; on failure there is what was there before.
pub(super) fn replace(
    disk: &dyn Disk,
    path: &Path,
    fill: impl FnOnce(&mut dyn Output, &Path) -> Result<()>,
) -> Result<()> {
    let (unfinished, mut output) = create(disk, path).map_err(|error| Error::io("write", path, error))?;
    let filled = fill(&mut *output, &unfinished).and_then(|()| {
        output.sync().map_err(|error| Error::io("write", path, error))?;
        drop(output);
        disk.rename(&unfinished, path).map_err(|error| Error::io("replace", path, error))
    });
    if let Err(error) = filled {
        // Half a file would only be in the way.
        let _ = disk.remove(&unfinished);
        return Err(error);
    }
    let dir = path.parent().unwrap_or(path);
    disk.sync_dir(dir).map_err(|error| Error::io("write to the folder", dir, error))
}

/// Makes a file that nobody else has: in two containers programs have the same number.
fn create(disk: &dyn Disk, path: &Path) -> io::Result<(PathBuf, Box<dyn Output>)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    // TensorBoard must not take it for an event file.
    let name = without_infix(&path.file_name().unwrap_or_default().to_string_lossy());
    loop {
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let unfinished = path.with_file_name(format!("{name}.{}.{count}{UNFINISHED}", process::id()));
        match disk.create_new(&unfinished) {
            Ok(output) => return Ok((unfinished, output)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes what a stopped program left of such files in a folder with these names.
pub(crate) fn remove_unfinished(disk: &dyn Disk, dir: &Path, names: &[OsString]) -> Result<()> {
    for name in names.iter().filter(|name| is_unfinished(name)) {
        let path = dir.join(name);
        disk.remove(&path).map_err(|error| Error::io("remove", path, error))?;
    }
    Ok(())
}

fn is_unfinished(name: &OsStr) -> bool {
    name.to_string_lossy().ends_with(UNFINISHED)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::event::{RealDisk, writer::write_all};

    #[test]
    fn a_name_that_somebody_has_is_left_to_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.tfevents.txt");
        let put = |bytes: &'static [u8]| {
            move |output: &mut dyn Output, name: &Path| {
                write_all(output, bytes).1.map_err(|error| Error::io("write", name, error))
            }
        };
        let next = |path: &Path| {
            let (unfinished, output) = create(&RealDisk, path).unwrap();
            drop(output);
            unfinished
        };
        // The names that come next, as if a program of the same number had them.
        let mine = next(&path);
        let count: u64 = mine.to_string_lossy().rsplit('.').nth(1).unwrap().parse().unwrap();
        let theirs = (count + 1..count + 20).map(|count| {
            path.with_file_name(format!("a.tf-events.txt.{}.{count}{UNFINISHED}", process::id()))
        });
        let theirs: Vec<PathBuf> = theirs.collect();
        theirs.iter().for_each(|path| fs::write(path, "theirs").unwrap());
        replace(&RealDisk, &path, put(b"mine")).unwrap();
        let refused = |_: &mut dyn Output, _: &Path| Err(Error::invalid("a", "b"));
        assert!(replace(&RealDisk, &path, refused).is_err());
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        assert!(theirs.iter().all(|path| fs::read(path).unwrap() == b"theirs"));
        let names = RealDisk.names(dir.path()).unwrap();
        assert_eq!(names.len(), 2 + theirs.len(), "what failed is removed: {names:?}");
        remove_unfinished(&RealDisk, dir.path(), &names).unwrap();
        assert_eq!(RealDisk.names(dir.path()).unwrap(), ["a.tfevents.txt"]);
    }
}
