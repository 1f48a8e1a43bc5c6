//! What can be wrong with a model, and where.

use std::{fmt, path::PathBuf};

/// Why a [`ModelSpec`](super::ModelSpec) cannot be read or built.
///
/// Printed as `models/net.toml:12: layer `conv1`: field `stride`: found 0, expected at least 1`, without the parts
/// that are not known.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelError {
    /// The file, where the model came from one.
    pub path: Option<PathBuf>,
    /// Line in the TOML text, counted from 1.
    pub line: Option<usize>,
    /// Name of the layer.
    pub layer: Option<String>,
    /// Name of the field.
    pub field: Option<String>,
    /// What was found and what was expected.
    pub why: String,
}

impl ModelError {
    /// About the model as a whole.
    pub(super) fn new(why: impl Into<String>) -> ModelError {
        ModelError { path: None, line: None, layer: None, field: None, why: why.into() }
    }

    pub(super) fn layer(mut self, name: &str) -> ModelError {
        self.layer = Some(name.to_owned());
        self
    }

    pub(super) fn field(mut self, name: &str) -> ModelError {
        self.field = Some(name.to_owned());
        self
    }

    pub(super) fn line(mut self, line: usize) -> ModelError {
        self.line = Some(line);
        self
    }
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.path, self.line) {
            (Some(path), Some(line)) => write!(f, "{}:{line}: ", path.display())?,
            (Some(path), None) => write!(f, "{}: ", path.display())?,
            (None, Some(line)) => write!(f, "line {line}: ")?,
            (None, None) => write!(f, "model: ")?,
        }
        if let Some(layer) = &self.layer {
            write!(f, "layer `{layer}`: ")?;
        }
        if let Some(field) = &self.field {
            write!(f, "field `{field}`: ")?;
        }
        f.write_str(&self.why)
    }
}

impl std::error::Error for ModelError {}
