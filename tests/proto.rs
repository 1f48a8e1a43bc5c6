//! The checked-in `src/proto.rs` is what `proto/` generates. `UPDATE=1 cargo test --test proto` writes it anew.

use std::{env, fs, path::Path};

#[test]
fn generated_code_is_fresh() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let descriptors = protox::compile(
        ["tensorboard/event.proto", "tensorboard/graph.proto", "tensorboard/plugins.proto"],
        [root.join("proto")],
    )
    .unwrap();
    let out = tempfile::tempdir().unwrap();
    // Ordered maps, so that equal messages have equal bytes.
    prost_build::Config::new().btree_map(["."]).out_dir(out.path()).compile_fds(descriptors).unwrap();
    let body = fs::read_to_string(out.path().join("tensorboard.rs")).unwrap();
    let fresh = format!("// From proto/, by `UPDATE=1 cargo test --test proto`. Do not edit.\n{body}");

    let checked_in = root.join("src/proto.rs");
    if env::var_os("UPDATE").is_some() {
        fs::write(&checked_in, &fresh).unwrap();
    }
    let found = fs::read_to_string(&checked_in).unwrap_or_default();
    assert!(found == fresh, "src/proto.rs is stale: run `UPDATE=1 cargo test --test proto`");
}
