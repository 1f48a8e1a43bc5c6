//! Where a run's files go.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use convscope::{SummaryWriter, event::check_run_name};

/// Sub-folder for the model's variables and what is needed to use them. Event files have `tfevents` in their names; this
/// must not.
pub const CHECKPOINTS: &str = "checkpoints";

/// `--run`: a folder name, or several with `/` between.
pub fn run_name(text: &str) -> convscope::Result<String> {
    check_run_name(text)?;
    Ok(text.to_owned())
}

/// Refuses the name of a run that is there: two runs in one folder are one line in TensorBoard.
pub fn check_free(logdir: &Path, run: Option<&str>) -> anyhow::Result<()> {
    let Some(run) = run else { return Ok(()) };
    let folder = logdir.join(run);
    match fs::read_dir(&folder).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(false) => {
            bail!("{}: this run is there already; choose another `--run` or remove it", folder.display())
        }
        Err(error) => Err(error).with_context(|| format!("cannot look into {}", folder.display())),
    }
}

/// The folder for checkpoints of the run that `writer` writes.
pub fn checkpoints(writer: &SummaryWriter) -> PathBuf {
    writer.path().join(CHECKPOINTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_are_there_are_refused() {
        let logdir = tempfile::tempdir().unwrap();
        assert!(check_free(logdir.path(), Some("new")).is_ok());
        let there = logdir.path().join("there");
        fs::create_dir(&there).unwrap();
        assert!(check_free(logdir.path(), Some("there")).is_ok(), "an empty folder is no run");
        fs::write(there.join("file"), b"").unwrap();
        let error = check_free(logdir.path(), Some("there")).unwrap_err().to_string();
        assert!(error.contains(there.to_str().unwrap()), "{error}");
        assert!(check_free(&there.join("file"), Some("below")).is_err());
    }
}
