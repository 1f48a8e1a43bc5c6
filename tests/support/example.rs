//! The programs of the examples, which `cargo test` builds beside the tests.

use std::path::{Path, PathBuf};

/// The path of an example's program. Panics where it is not built.
pub fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let program = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(program.exists(), "{} is not built: run `cargo build --examples` first", program.display());
    program
}
