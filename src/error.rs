//! The one error type of the crate.

use std::{fmt, io, path::PathBuf};

use crate::{arch::ModelError, record::RecordError, summary::Kind};

/// What a fallible function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something failed: which file, layer, tag or field, what was found, what was expected, and what to do.
///
/// One word wide, so that `Result` stays cheap where nothing fails. [`Error::kind`] tells the cases apart.
pub struct Error(Box<ErrorKind>);

impl Error {
    /// Wraps the detail.
    pub fn new(kind: ErrorKind) -> Error {
        Error(Box::new(kind))
    }

    /// An I/O failure of `action` ("create", "write to", ...) on `path`.
    pub fn io(action: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Error {
        Error::new(ErrorKind::Io { action, path: path.into(), source })
    }

    /// An argument that cannot be used: `what` it is, and a sentence with what was found and what was expected.
    pub fn invalid(what: impl Into<String>, why: impl Into<String>) -> Error {
        Error::new(ErrorKind::Invalid { what: what.into(), why: why.into() })
    }

    /// A method that cannot be used for a model: `what` it lacks, and a sentence with what was found and what was expected.
    pub fn not_applicable(what: impl Into<String>, why: impl Into<String>) -> Error {
        Error::new(ErrorKind::NotApplicable { what: what.into(), why: why.into() })
    }

    /// The detail.
    pub fn kind(&self) -> &ErrorKind {
        &self.0
    }

    /// The detail, owned.
    pub fn into_kind(self) -> ErrorKind {
        *self.0
    }

    /// Whether the operating system refused something (a folder that cannot be written, a full disk).
    pub fn is_io(&self) -> bool {
        matches!(self.kind(), ErrorKind::Io { .. })
    }

    /// Whether the caller gave the work up.
    pub fn is_interrupted(&self) -> bool {
        matches!(self.kind(), ErrorKind::Interrupted)
    }
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused. Mend the cause and call again: nothing written before is lost.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as in "cannot *create* logs/run".
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A record file that cannot be read on.
    #[error(transparent)]
    Record(RecordError),
    /// A model that cannot be read or built. Nothing was done.
    #[error(transparent)]
    Model(ModelError),
    /// A sound record of an event file that holds no event. It was skipped: call again for the one after it.
    #[error(
        "{}event at byte {offset}: {source}",
        path.as_ref().map_or_else(String::new, |path| format!("{}: ", path.display()))
    )]
    Event {
        /// The file, where it is known.
        path: Option<PathBuf>,
        /// Where its record begins, in bytes from the start of the input.
        offset: u64,
        /// What is wrong with it.
        source: prost::DecodeError,
    },
    /// An event file that cannot be read to its end, so that its run cannot be resumed. Nothing was changed: mend the
    /// file, or move it out of the run's folder.
    #[error(
        "cannot resume: {source}. Mend the file with `convscope logs repair`, or move it out of the folder"
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What stands in the way.
        source: Error,
    },
    /// An event of very many values, strings or dimensions, which would take far more memory than its bytes. It was
    /// skipped: call again for the one after it.
    #[error(
        "{}event at byte {offset}: it has {parts} parts, at most {limit} are unpacked: no honest writer makes so many",
        path.as_ref().map_or_else(String::new, |path| format!("{}: ", path.display()))
    )]
    EventParts {
        /// The file, where it is known.
        path: Option<PathBuf>,
        /// Where its record begins, in bytes from the start of the input.
        offset: u64,
        /// Strings and dimensions in it, and 16 for each value.
        parts: usize,
        /// How many are allowed.
        limit: usize,
    },
    /// An argument that cannot be used. Nothing was done.
    #[error("{what}: {why}")]
    Invalid {
        /// The argument, tag, layer or field.
        what: String,
        /// What was found and what was expected.
        why: String,
    },
    /// A method that is not for this model or image, which lacks what the method looks at. Other methods may be.
    #[error("{what}: {why}")]
    NotApplicable {
        /// What is missing: a layer, a kind of layer.
        what: String,
        /// What was found and what was expected.
        why: String,
    },
    /// The caller gave the work up while it was done.
    #[error("interrupted")]
    Interrupted,
    /// A tag keeps the kind of its first value, because TensorBoard drops or refuses the others.
    #[error(
        "tag `{tag}` of run `{run}` holds {first} values; a {second} value was added. Use another tag for it"
    )]
    TagKind {
        /// Run, relative to the log folder of the writer; empty for the run itself.
        run: String,
        /// The tag.
        tag: String,
        /// Kind of its first value.
        first: Kind,
        /// Kind of the refused value.
        second: Kind,
    },
    /// The writer was closed before.
    #[error("the writer of {} is closed: create a new one to go on", path.display())]
    Closed {
        /// The run's folder.
        path: PathBuf,
    },
    /// Values were given up, because they could not be written and the queue was full, or the writer was closed. Make
    /// room or mend the cause: later values are written again.
    #[error("{count} values for {} were given up: {cause}", path.display())]
    Dropped {
        /// The run's folder.
        path: PathBuf,
        /// How many values.
        count: u64,
        /// Why they could not be written.
        cause: String,
    },
    /// libtorch refused an operation.
    #[error("{context}: {source}")]
    Tch {
        /// Which layer or parameter, and what was tried.
        context: String,
        /// libtorch's reason, a `tch::TchError`.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl From<RecordError> for Error {
    fn from(error: RecordError) -> Error {
        Error::new(ErrorKind::Record(error))
    }
}

impl From<ModelError> for Error {
    fn from(error: ModelError) -> Error {
        Error::new(ErrorKind::Model(error))
    }
}
