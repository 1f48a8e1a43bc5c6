//! What the fuzz targets of `fuzz/` check, over the inputs that are kept in `tests/fuzz/corpus/` and over small changes to
//! them: the same in every run.

#![allow(clippy::unwrap_used, clippy::panic)]

mod fuzz;

use std::{
    fs,
    path::Path,
    sync::{Mutex, PoisonError},
};

use fuzz::{TARGETS, Target, mutate::mutated};

/// Changed inputs per target.
const CHANGED: usize = 1_000;

/// The targets measure the memory of the whole process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

fn run(name: &str) {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let (_, target) = TARGETS.iter().find(|(target, _)| *target == name).unwrap();
    let inputs = corpus(name);
    assert!(inputs.len() > 30, "{} inputs for {name}", inputs.len());
    inputs.iter().for_each(|input| check(name, *target, input));
    for seed in 0..CHANGED {
        let (input, other) = (&inputs[seed % inputs.len()], &inputs[seed * 7 % inputs.len()]);
        check(name, *target, &mutated(input, other, seed as u64));
    }
}

/// Runs the target, and shows the input where it fails.
fn check(name: &str, target: Target, input: &[u8]) {
    if std::panic::catch_unwind(|| target(input)).is_err() {
        panic!("target {name} fails for b\"{}\"", input.escape_ascii());
    }
}

#[test]
fn events() {
    run("events");
}

#[test]
fn idx() {
    run("idx");
}

#[test]
fn logdir() {
    run("logdir");
}

#[test]
fn records() {
    run("records");
}

#[test]
fn spec() {
    run("spec");
}
