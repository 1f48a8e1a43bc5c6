//! Several numbers in one chart.

use crate::error::{Error, Result};

/// The sub-run of one of them: PyTorch's layout of folders.
pub(super) fn scalars_run(main_tag: &str, key: &str) -> Result<String> {
    if key.is_empty() {
        return Err(Error::invalid(
            format!("key of a scalar of `{main_tag}`"),
            "it is empty; it names the curve",
        ));
    }
    Ok(format!("{}_{key}", main_tag.replace('/', "_")))
}

/// All are carried out; an error of one keeps none of the others from it.
pub(super) fn first_error(results: impl Iterator<Item = Result<()>>) -> Result<()> {
    results.fold(Ok(()), Result::and)
}
