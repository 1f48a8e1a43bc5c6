//! Why writing fails, for as long as it does.

use std::{io, path::PathBuf};

use crate::error::{Error, ErrorKind};

/// An error of the operating system that is returned more than once.
pub(super) struct Failure {
    action: &'static str,
    path: PathBuf,
    kind: io::ErrorKind,
    code: Option<i32>,
    text: String,
}

impl Failure {
    pub(super) fn new(error: &Error) -> Failure {
        match error.kind() {
            ErrorKind::Io { action, path, source } => Failure {
                action,
                path: path.clone(),
                kind: source.kind(),
                code: source.raw_os_error(),
                text: source.to_string(),
            },
            other => Failure {
                action: "write",
                path: PathBuf::new(),
                kind: io::ErrorKind::Other,
                code: None,
                text: other.to_string(),
            },
        }
    }

    pub(super) fn error(&self) -> Error {
        let source = match self.code {
            Some(code) => io::Error::from_raw_os_error(code),
            None => io::Error::new(self.kind, self.text.clone()),
        };
        Error::io(self.action, &self.path, source)
    }
}
