//! Floor 2: event files, one value to a record.

mod disk;
mod file_name;
mod projector;
mod reader;
mod sample;
mod writer;

#[cfg(test)]
pub(crate) use self::disk::testing;
pub(crate) use self::{
    disk::{Disk, RealDisk},
    file_name::{check_suffix, is_event_file, sanitized_host},
    writer::Appended,
};
pub use self::{
    file_name::check_run_name,
    reader::EventFileReader,
    sample::Sample,
    writer::{EventFileOptions, EventFileWriter},
};
