//! Runs the examples, which `cargo test` builds beside the tests.

use std::{path::Path, process::Command};

/// Runs an example to its end; `arguments` come before the log folder's contents are looked at. Panics where it fails.
pub fn run(name: &str, arguments: &[&str]) {
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let program = profile.join("examples").join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(program.exists(), "{} is not built: run `cargo build --examples` first", program.display());
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
}
