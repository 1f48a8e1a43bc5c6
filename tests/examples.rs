//! Every example runs.

#![allow(clippy::unwrap_used)] // in helpers of tests

#[path = "support/example.rs"]
mod example;

use std::{collections::BTreeSet, path::Path, process::Command};

/// Arguments that make an example quick; `{logs}` is an empty folder.
const EXAMPLES: &[(&str, &[&str])] = &[
    ("architecture", &["{logs}", "resnet18", "32"]),
    ("audio", &["{logs}"]),
    #[cfg(feature = "tch")]
    ("custom_loop", &["{logs}", "1"]),
    ("custom_scalars", &["{logs}"]),
    ("dilation", &["{logs}"]),
    ("embedding", &["{logs}"]),
    ("figure", &["{logs}"]),
    ("graph", &["{logs}"]),
    ("hparams", &["{logs}"]),
    ("image_boxes", &["{logs}"]),
    ("lecture_panels", &["{logs}"]),
    ("mesh", &["{logs}"]),
    #[cfg(feature = "tch")]
    ("pathologies", &["--run", "zero_weights", "--logdir", "{logs}"]),
    ("pr_curve", &["{logs}"]),
    ("rules_without_libtorch", &["{logs}"]),
    ("scalars", &["{logs}"]),
    ("text", &["{logs}"]),
    ("video", &["{logs}"]),
    ("writer_only", &["{logs}"]),
];

#[test]
fn all_examples_are_listed_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let found: BTreeSet<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "rs") || path.join("main.rs").exists())
        .map(|path| path.file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    let mut listed: BTreeSet<String> = EXAMPLES.iter().map(|(name, _)| (*name).to_owned()).collect();
    listed.extend(["custom_loop", "pathologies"].map(str::to_owned)); // also where they cannot be built
    listed.extend(["receptive_field_sweep", "trust_thresholds"].map(str::to_owned)); // have tests of their own
    assert_eq!(found, listed);
}

#[test]
fn all_examples_run_and_write_a_run() {
    for (name, arguments) in EXAMPLES {
        let logs = tempfile::tempdir().unwrap();
        let arguments = arguments.iter().map(|a| a.replace("{logs}", logs.path().to_str().unwrap()));
        let output = Command::new(example::program(name)).args(arguments).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let runs = std::fs::read_dir(logs.path()).unwrap().count();
        assert_eq!(runs, 1, "{name} made one run folder");
    }
}

#[cfg(feature = "tch")]
#[test]
fn the_table_of_trust_knows_who_does_not_ask_the_network() {
    let output = Command::new(example::program("trust_thresholds"))
        .args(["--model", "lenet5", "--epochs", "1", "--images", "2"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let table = String::from_utf8(output.stdout).unwrap();
    let row = |method: &str| table.lines().find(|line| line.starts_with(method)).unwrap().to_owned();
    for method in ["edge detector", "noise"] {
        assert_eq!(row(method).matches(" 1.00").count(), 8, "{table}");
    }
    assert!(!row("saliency").contains(" 1.00"), "{table}");
}
