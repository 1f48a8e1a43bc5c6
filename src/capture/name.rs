//! Names of layers.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// Counts how often each layer passes, so that the passes have names of their own.
#[derive(Debug, Default)]
pub(super) struct Passes(BTreeMap<String, usize>);

impl Passes {
    /// `conv1` the first time, `conv1:2` the second.
    pub(super) fn next(&mut self, name: &str) -> String {
        let times = self.0.entry(name.to_owned()).or_default();
        *times += 1;
        if *times == 1 { name.to_owned() } else { format!("{name}:{times}") }
    }
}

/// A name becomes part of a tag, where `/` makes groups. `:` counts passes.
pub(super) fn check_name(name: &str) -> Result<()> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let why = if name.is_empty() {
        "it is empty; give the layer a name such as `conv1`".to_owned()
    } else if let Some(found) = name.chars().find(|&c| !allowed(c)) {
        format!("{found:?} found; use letters, digits, `_`, `-`, `.`, and `/` for groups")
    } else if name.split('/').any(str::is_empty) {
        "there is nothing before, after or between `/`".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::invalid(format!("layer name {name:?}"), why))
}
