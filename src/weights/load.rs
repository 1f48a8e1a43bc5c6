//! From a file into variables.

use std::path::Path;

use tch::Tensor;

use super::{differences::Differences, file::WeightsFile};
use crate::{error::Result, params::Filter, tch_context::TchContext as _};

/// Sets `variables` to the tensors of the same names in the file at `path`, as far as `filter` means their names.
///
/// All values are in memory before the first variable changes: once, in the variables' kinds.
///
/// # Errors
/// A file that cannot be read; all differences between the file and the variables of `model` in one. Either way, no
/// variable is changed.
pub(crate) fn load(model: &str, variables: &[(String, Tensor)], path: &Path, filter: &Filter) -> Result<()> {
    let mut file = WeightsFile::open(path)?;
    let variables: Vec<&(String, Tensor)> =
        variables.iter().filter(|(name, _)| filter.matches(name)).collect();
    Differences::between(&variables, &file.entries, filter).check(model, path)?;
    let mut values = Vec::with_capacity(variables.len());
    for (name, variable) in &variables {
        let read = file.read(name)?;
        let read = read.f_to_kind(variable.kind()).context(|| format!("converting `{name}`"))?;
        values.push(read);
    }
    tch::no_grad(|| {
        for ((name, variable), value) in variables.into_iter().zip(values) {
            let mut variable = variable.shallow_clone();
            variable.f_copy_(&value).context(|| format!("loading `{name}` from {}", path.display()))?;
        }
        Ok(())
    })
}
