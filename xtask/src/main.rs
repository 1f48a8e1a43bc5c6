//! The chores of the repository. `cargo xtask` without a command lists them.

mod advice;
mod cargo;
mod data;
mod install;
mod libtorch;
mod platform;
mod python;
mod tensorboard;
mod wheel;

use std::{
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// One sentence that names what is missing or wrong, and what to do about it.
type Result<T = ()> = std::result::Result<T, String>;

const USAGE: &str = "\
Usage: cargo xtask <COMMAND>

  train [ARGS]             train on the bundled images; ARGS go to `convscope train`
  test [ARGS]              every test; ARGS go to `cargo test`
  tensorboard [LOGDIR]     stock TensorBoard on LOGDIR (default: logs); further arguments go to it
  bench [ARGS]             the benchmarks that need no libtorch; ARGS go to `cargo bench`
  libtorch                 fetch libtorch into .libtorch, so that plain `cargo build` works
  venv                     make .venv, the Python environment with TensorBoard
  data [FOLDER] [--check]  make data/ from the whole Fashion-MNIST in FOLDER, or compare the two

`train`, `test` and `tensorboard` fetch what they need by themselves, the first time.
";

fn main() -> ExitCode {
    let mut args = env::args_os().skip(1);
    let command = args.next().unwrap_or_default();
    let args: Vec<OsString> = args.collect();
    let root = root();
    let result = match command.to_str() {
        Some("train") => train(&root, &args),
        Some("test") => test(&root, &args),
        Some("tensorboard") => tensorboard(&root, &args),
        Some("bench") => bench(&root, &args),
        Some("libtorch") => libtorch::ensure(&root).map(|_| ExitCode::SUCCESS),
        Some("venv") => python::ensure_venv(&root).map(|_| ExitCode::SUCCESS),
        Some("data") => data::run(&root, &args).map(|()| ExitCode::SUCCESS),
        Some("help" | "--help" | "-h") => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    result.unwrap_or_else(|message| {
        eprintln!("error: {message}");
        ExitCode::FAILURE
    })
}

/// The root of the repository: the folder above this crate.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

fn train(root: &Path, args: &[OsString]) -> Result<ExitCode> {
    advice::require_cxx()?;
    let libtorch = libtorch::ensure(root)?;
    cargo::become_it(cargo::command(root, "run", &libtorch).args(cargo::train_args(args)))
}

fn test(root: &Path, args: &[OsString]) -> Result<ExitCode> {
    advice::require_cxx()?;
    let libtorch = libtorch::ensure(root)?;
    python::ensure_venv(root)?;
    cargo::become_it(cargo::command(root, "test", &libtorch).arg("--workspace").args(args))
}

fn bench(root: &Path, args: &[OsString]) -> Result<ExitCode> {
    // The bench profile would compile libtorch's wrapper a second time, so the default is the part without libtorch.
    let libtorch = if cargo::asks_for_features(args) {
        advice::require_cxx()?;
        libtorch::ensure(root)?
    } else {
        libtorch::Libtorch::managed(root)
    };
    cargo::become_it(cargo::command(root, "bench", &libtorch).args(cargo::bench_args(args)))
}

fn tensorboard(root: &Path, args: &[OsString]) -> Result<ExitCode> {
    let python = python::ensure_venv(root)?;
    let (logdir, rest) = tensorboard::split_args(args);
    cargo::become_it(&mut tensorboard::command(&python, logdir, rest))
}
