//! Models as TOML text.

mod fields;
mod read;
mod write;

pub(super) use self::{
    read::{Document, MOST_BYTES, read},
    write::write,
};
