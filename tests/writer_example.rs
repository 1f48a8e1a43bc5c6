//! The example `writer_only` writes what it says.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../examples/writer_only.rs"]
mod writer_only;

use std::{collections::BTreeMap, fs, path::Path};

use convscope::{event::EventFileReader, proto::event::What};

/// How many values each tag of a folder has.
fn counts(dir: &Path) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for file in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        for event in EventFileReader::open(file).unwrap() {
            if let Some(What::Summary(summary)) = event.unwrap().what {
                summary.value.into_iter().for_each(|value| *counts.entry(value.tag).or_default() += 1);
            }
        }
    }
    counts
}

#[test]
fn the_run_is_complete() {
    let logs = tempfile::tempdir().unwrap();
    let run = writer_only::write_a_run(logs.path()).unwrap();
    assert_eq!(run.parent(), Some(logs.path()));
    let expect = |dir: &str, tags: &[(&str, usize)]| {
        let tags = tags.iter().map(|(tag, count)| ((*tag).to_owned(), *count)).collect();
        assert_eq!(counts(&run.join(dir)), tags, "{dir}");
    };
    expect("", &[("configuration", 1)]);
    expect("train", &[("loss", 100), ("weights/conv1", 10), ("filters/conv1", 10)]);
    expect("validation", &[("loss", 10)]);
}
