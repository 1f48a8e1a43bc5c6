//! Models as TOML text.

mod fields;
mod nearby;
mod read;
mod write;

pub(super) use self::{nearby::did_you_mean, read::read, write::write};
