//! The folder of a run.

use std::{
    io,
    path::{Path, PathBuf},
};

use chrono::Local;

use crate::{
    error::{Error, Result},
    event::{Disk, check_run_name, create_folders, is_event_file, sanitized_host},
};

/// How many runs may begin in one second on one host.
const ATTEMPTS: u32 = 1000;

/// Makes the folder `logdir/<timestamp>_<host>`, such as `2026-11-23_14-05-09_node1`; if another run has it, with `_1`,
/// `_2`, ... behind.
pub(super) fn new_run(disk: &dyn Disk, logdir: &Path) -> Result<PathBuf> {
    create_folders(disk, logdir).map_err(|error| Error::io("create the folder", logdir, error))?;
    let name = format!("{}_{}", Local::now().format("%Y-%m-%d_%H-%M-%S"), sanitized_host());
    for attempt in 0..ATTEMPTS {
        let suffix = if attempt == 0 { String::new() } else { format!("_{attempt}") };
        let run = logdir.join(format!("{name}{suffix}"));
        match disk.create_dir(&run) {
            Ok(()) => {
                disk.sync_dir(logdir).map_err(|error| Error::io("write to the folder", logdir, error))?;
                return Ok(run);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io("create the folder", run, error)),
        }
    }
    Err(Error::io("create the folder", logdir.join(name), io::ErrorKind::AlreadyExists.into()))
}

/// The folder `logdir/name`, new or not.
pub(super) fn named_run(logdir: &Path, name: &str) -> Result<PathBuf> {
    check_run_name(name)?;
    Ok(logdir.join(name))
}

/// Refuses a folder that TensorBoard would take for an event file.
pub(super) fn check_run_folder(run: &Path) -> Result<()> {
    match run.file_name() {
        Some(name) if is_event_file(name) => check_run_name(&name.to_string_lossy()),
        _ => Ok(()),
    }
}
