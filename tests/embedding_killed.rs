//! Programs that are killed while they write embeddings: the configuration and the files that it names are whole, all
//! that `flush` returned for is there, and `resume` clears the rest away.

#![allow(clippy::unwrap_used, clippy::panic)]
#![cfg(unix)]

#[path = "support/system.rs"]
mod system;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use convscope::{SummaryWriter, summary::Embedding};
use system::{Chance, again, last_number, second};

const KILLS: usize = 40;

fn points() -> Embedding {
    Embedding::new(vec![0.5; 30], 3).unwrap().labels(["label"; 10]).unwrap()
}

fn write_for_ever(run: &Path) {
    let writer = SummaryWriter::open(run).unwrap();
    for step in 0.. {
        writer.add_embedding("points", &points(), step).unwrap();
        writer.flush().unwrap();
        println!("flushed {step}");
    }
}

/// The steps in the configuration. All that it names is there as it was written.
fn check(run: &Path) -> Vec<i64> {
    let config = fs::read_to_string(run.join("projector_config.pbtxt")).unwrap_or_default();
    let mut steps = Vec::new();
    for block in config.split("embeddings {\n").skip(1) {
        let quoted: Vec<&str> = block.split('"').skip(1).step_by(2).collect();
        let [name, tensors, metadata] = quoted[..] else { panic!("{block}") };
        assert!(block.ends_with("\n}\n"), "{block}");
        assert_eq!(fs::read_to_string(run.join(tensors)).unwrap(), "0.5\t0.5\t0.5\n".repeat(10));
        assert_eq!(fs::read_to_string(run.join(metadata)).unwrap(), "label\n".repeat(10));
        steps.push(name.split(['(', ' ', ')']).filter_map(|word| word.parse().ok()).next().unwrap());
    }
    steps
}

/// All files below a folder.
fn tree(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let entries = entries.map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { tree(&path) } else { vec![path] }).collect()
}

#[test]
fn a_killed_program_leaves_whole_embeddings() {
    if let Some(run) = second() {
        return write_for_ever(Path::new(&run));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut chance = Chance::new();
    for round in 0..KILLS {
        let run = dir.path().join(round.to_string());
        let mut child = again(&[], "a_killed_program_leaves_whole_embeddings", &run).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        while !text.contains("flushed") {
            said.read_line(&mut text).unwrap();
        }
        thread::sleep(Duration::from_micros(chance.below(50_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        said.read_to_string(&mut text).unwrap();
        let flushed = last_number(&text, "flushed").unwrap();

        let steps = check(&run);
        assert_eq!(steps, (0..steps.len() as i64).collect::<Vec<_>>());
        assert!(steps.len() as i64 > flushed, "{steps:?} after {flushed}");
        let from = chance.below(steps.len() as u64 + 1) as i64;
        let writer = SummaryWriter::resume(&run, from).unwrap();
        writer.add_embedding("points", &points(), from).unwrap();
        writer.close().unwrap();
        assert_eq!(check(&run), (0..=from).collect::<Vec<_>>());
        for path in tree(&run) {
            assert!(!path.to_string_lossy().contains("unfinished"), "{}", path.display());
        }
        fs::remove_dir_all(&run).unwrap();
    }
}
