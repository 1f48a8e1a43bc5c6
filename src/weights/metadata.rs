//! What a file says of itself.

use std::{collections::BTreeMap, path::Path};

use super::file::WeightsFile;
use crate::error::Result;

/// The free text in the header of the file at `path`, by key; empty where there is none.
///
/// # Errors
/// A file that cannot be read, or is none.
pub(crate) fn metadata(path: &Path) -> Result<BTreeMap<String, String>> {
    Ok(WeightsFile::open(path)?.metadata)
}
