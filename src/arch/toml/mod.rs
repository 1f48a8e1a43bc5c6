//! Models as TOML text.

mod fields;
mod read;
mod write;

pub(super) use self::{read::read, write::write};
