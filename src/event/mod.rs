//! Floor 2: event files, one value to a record.

pub(crate) mod bounds;
mod disk;
mod file_name;
mod projector;
mod reader;
mod rewrite;
mod sample;
mod size;
mod unfinished;
mod writer;

#[cfg(test)]
pub(crate) use self::disk::testing;
pub(crate) use self::{
    bounds::count as count_fields,
    disk::{Disk, RealDisk, create_folders},
    file_name::{check_suffix, is_event_file, sanitized_host},
    projector::ForgottenEmbeddings,
    rewrite::{Filter, Rewrite},
    unfinished::remove_unfinished,
    writer::{Appended, FILE_VERSION, header},
};
pub use self::{
    file_name::check_run_name,
    reader::EventFileReader,
    sample::Sample,
    writer::{EventFileOptions, EventFileWriter},
};
