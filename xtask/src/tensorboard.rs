//! Stock TensorBoard from the Python environment.

use std::{
    ffi::{OsStr, OsString},
    path::Path,
    process::Command,
};

/// Where `convscope train` writes unless told otherwise.
const DEFAULT_LOGDIR: &str = "logs";

/// `[LOGDIR] [TENSORBOARD'S ARGS]`, either with a `--` before it: the folder, and what TensorBoard gets besides it.
pub fn split_args(args: &[OsString]) -> (&OsStr, &[OsString]) {
    match without_separator(args) {
        [first, rest @ ..] if !first.as_encoded_bytes().starts_with(b"-") => (first, without_separator(rest)),
        args => (OsStr::new(DEFAULT_LOGDIR), args),
    }
}

fn without_separator(args: &[OsString]) -> &[OsString] {
    args.strip_prefix(&[OsString::from("--")]).unwrap_or(args)
}

/// TensorBoard on `logdir`, run by the interpreter `python`.
pub fn command(python: &Path, logdir: &OsStr, rest: &[OsString]) -> Command {
    if !Path::new(logdir).is_dir() {
        eprintln!(
            "note: {} does not exist yet: TensorBoard shows the runs once they appear",
            Path::new(logdir).display()
        );
    }
    let mut command = Command::new(python);
    command.args(["-m", "tensorboard.main", "--logdir"]).arg(logdir).args(rest);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn logdir_comes_first_and_has_a_default() {
        for (line, logdir, rest) in [
            ("", "logs", ""),
            ("runs", "runs", ""),
            ("runs --port 7007", "runs", "--port 7007"),
            ("--port 7007", "logs", "--port 7007"),
            ("-- runs --port 7007", "runs", "--port 7007"),
            ("runs -- --port 7007", "runs", "--port 7007"),
            ("-- --port 7007", "logs", "--port 7007"),
        ] {
            let given = args(line);
            assert_eq!(split_args(&given), (OsStr::new(logdir), args(rest).as_slice()), "{line:?}");
        }
    }
}
