//! Which files become which run.

use std::{collections::BTreeMap, path::Path};

use crate::{
    error::{Error, Result},
    logdir::lint::{EventFile, event_files},
};

/// A file of a run.
pub(super) struct SourceFile {
    /// Number of the source it belongs to.
    pub source: usize,
    pub file: EventFile,
    pub bytes: u64,
}

/// Files by the name of the run that they become, in the order of the sources and their names.
pub(super) fn runs(sources: &[&Path]) -> Result<BTreeMap<String, Vec<SourceFile>>> {
    let mut runs: BTreeMap<String, Vec<SourceFile>> = BTreeMap::new();
    for (source, path) in sources.iter().enumerate() {
        let files = event_files(path)?;
        if files.is_empty() {
            return Err(Error::invalid(path.display().to_string(), "no event file there or below"));
        }
        for file in files {
            let bytes = file.bytes;
            runs.entry(file.run.clone()).or_default().push(SourceFile { source, file, bytes });
        }
    }
    Ok(runs)
}
