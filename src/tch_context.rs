//! Errors of libtorch become errors of the crate.

use tch::TchError;

use crate::error::{Error, ErrorKind, Result};

/// Says which layer or parameter an operation of libtorch failed on.
pub(crate) trait TchContext<T> {
    /// Wraps libtorch's error with what was tried.
    fn context(self, what: impl FnOnce() -> String) -> Result<T>;
}

impl<T> TchContext<T> for Result<T, TchError> {
    fn context(self, what: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|source| Error::new(ErrorKind::Tch { context: what(), source: source.into() }))
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn the_reason_stays_libtorchs() {
        let failed: Result<(), _> = Err(TchError::Torch("no such thing".to_owned()));
        let error = failed.context(|| "layer `x`".to_owned()).unwrap_err();
        assert!(error.to_string().starts_with("layer `x`: "), "{error}");
        let source = error.source().unwrap().downcast_ref::<TchError>();
        assert!(matches!(source, Some(TchError::Torch(why)) if why == "no such thing"), "{source:?}");
    }
}
