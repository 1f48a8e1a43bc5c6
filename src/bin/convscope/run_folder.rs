//! Where a run's files go.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use convscope::SummaryWriter;

/// Sub-folder for the model's variables and what is needed to use them. Event files have `tfevents` in their names; this
/// must not.
pub const CHECKPOINTS: &str = "checkpoints";

/// `--run`: a folder name, or several with `/` between.
pub fn run_name(text: &str) -> Result<String, String> {
    let is_plain =
        |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains(['\\', '\0']);
    if !text.split('/').all(is_plain) {
        return Err("give a folder name below the log folder, such as baseline or sgd/lr_0.1".to_owned());
    }
    if text.contains("tfevents") {
        return Err("TensorBoard takes names with `tfevents` for event files; choose another".to_owned());
    }
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
    fn run_names() {
        for good in ["baseline", "sgd/lr_0.1", "a b", ".hidden"] {
            assert_eq!(run_name(good), Ok(good.to_owned()));
        }
        for bad in ["", "/", "/tmp", "..", "a/../b", "a//b", "a/", "x.tfevents", "a\\b"] {
            assert!(run_name(bad).is_err(), "{bad}");
        }
    }

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
