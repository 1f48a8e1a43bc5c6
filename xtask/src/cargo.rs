//! Cargo, started from inside `cargo run`, in the environment that a plain `cargo` has: else each would undo the
//! other's builds.

use crate::{Result, libtorch::Libtorch};
use std::{
    env,
    ffi::{OsStr, OsString},
    path::Path,
    process::{Command, ExitCode},
};

/// `cargo <subcommand>` on the repository, with libtorch to be found.
pub fn command(root: &Path, subcommand: &str, libtorch: &Libtorch) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.arg(subcommand).arg("--manifest-path").arg(root.join("Cargo.toml"));
    for (name, _) in env::vars_os().filter(|(name, _)| is_about_xtask(name)) {
        command.env_remove(name);
    }
    match libtorch {
        Libtorch::Users => {}
        // Plain cargo takes it from .cargo/config.toml.
        Libtorch::Managed(folder) => {
            command.env_remove("LIBTORCH");
            if cfg!(windows) {
                // There is no run path on Windows.
                let old = env::var_os("PATH").unwrap_or_default();
                let folders = std::iter::once(folder.join("lib")).chain(env::split_paths(&old));
                command.env("PATH", env::join_paths(folders).unwrap_or(old.clone()));
            }
        }
    }
    command
}

/// Whether `cargo run` set this variable to tell xtask about itself.
fn is_about_xtask(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|prefix| name.starts_with(prefix))
}

/// The arguments of `cargo run` that start the training program. One leading `--`, which belongs to xtask, is dropped.
pub fn train_args(args: &[OsString]) -> Vec<OsString> {
    let args = args.strip_prefix(&[OsString::from("--")]).unwrap_or(args);
    ["--package", "convscope", "--bin", "convscope", "--", "train"]
        .iter()
        .map(OsString::from)
        .chain(args.iter().cloned())
        .collect()
}

/// The arguments of `cargo test` with the name of the tests in `tests/browser` to be left out.
pub fn without_browser_test(mut args: Vec<OsString>) -> Vec<OsString> {
    if !args.iter().any(|arg| arg == "--") {
        args.push("--".into());
    }
    args.extend(["--skip".into(), "every_page_shows_our_tags".into()]);
    args
}

/// The arguments of `cargo bench`: with the peer that the benchmarks measure us beside, and without libtorch, whose
/// wrapper the bench profile would compile a second time.
pub fn bench_args(args: &[OsString]) -> Vec<OsString> {
    ["--package", "convscope", "--no-default-features", "--features", "tensorboard-rs"]
        .iter()
        .map(OsString::from)
        .chain(args.iter().cloned())
        .collect()
}

/// Runs `command` to its end.
pub fn run(command: &mut Command) -> Result {
    let name = command.get_program().to_string_lossy().into_owned();
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{name} failed: {status}")),
        Err(error) => Err(format!("cannot start {name}: {error}")),
    }
}

/// Ends xtask by becoming `command`, so that Ctrl-C and the exit code belong to it alone.
#[cfg(unix)]
pub fn become_it(command: &mut Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(format!("cannot start {}: {error}", command.get_program().to_string_lossy()))
}

/// Runs `command` to its end and takes over its exit code.
#[cfg(not(unix))]
pub fn become_it(command: &mut Command) -> Result<ExitCode> {
    let status = command
        .status()
        .map_err(|error| format!("cannot start {}: {error}", command.get_program().to_string_lossy()))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn train_passes_arguments_on_with_or_without_a_separator() {
        let expected = args("--package convscope --bin convscope -- train --epochs 3");
        assert_eq!(train_args(&args("-- --epochs 3")), expected);
        assert_eq!(train_args(&args("--epochs 3")), expected);
    }

    #[test]
    fn only_the_first_separator_is_dropped() {
        assert_eq!(
            train_args(&args("-- a -- b")),
            args("--package convscope --bin convscope -- train a -- b")
        );
    }

    #[test]
    fn the_browser_test_is_left_out_behind_the_users_arguments() {
        let left_out = |line| without_browser_test(args(line));
        assert_eq!(left_out("--locked"), args("--locked -- --skip every_page_shows_our_tags"));
        assert_eq!(left_out("-- --nocapture"), args("-- --nocapture --skip every_page_shows_our_tags"));
        for test in [
            include_str!("../../tests/browser/training.rs"),
            include_str!("../../tests/browser/dashboards.rs"),
        ] {
            assert!(test.contains("fn every_page_shows_our_tags()"), "it is still called so");
            assert_eq!(test.matches("#[test]").count(), 1);
        }
    }

    #[test]
    fn bench_measures_beside_the_peer_and_without_libtorch() {
        assert_eq!(
            bench_args(&args("--bench writer -- --quick")),
            args(
                "--package convscope --no-default-features --features tensorboard-rs --bench writer -- --quick"
            )
        );
    }

    #[test]
    fn nested_cargo_forgets_what_cargo_run_said_about_xtask() {
        assert!(is_about_xtask(OsStr::new("CARGO_PKG_NAME")));
        assert!(is_about_xtask(OsStr::new("CARGO_MANIFEST_DIR")));
        for kept in ["CARGO", "CARGO_HOME", "CARGO_TARGET_DIR", "CARGO_TERM_COLOR", "PATH"] {
            assert!(!is_about_xtask(OsStr::new(kept)), "{kept}");
        }
    }

    #[test]
    fn the_users_libtorch_is_kept_and_ours_is_left_to_the_configuration() {
        let removed = |libtorch: &Libtorch| {
            command(Path::new("/repo"), "test", libtorch)
                .get_envs()
                .any(|pair| pair == (OsStr::new("LIBTORCH"), None))
        };
        assert!(!removed(&Libtorch::Users));
        assert!(removed(&Libtorch::managed(Path::new("/repo"))));
    }
}
