//! One run of a writer cannot be written: the others lose nothing.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{fs, path::Path, time::Duration};

use convscope::{
    ErrorKind, SummaryWriter,
    event::EventFileReader,
    proto::event::What,
    summary::Embedding,
    writer::{BackPressure, OnError},
};

const QUEUE: usize = 10;
const VALUES: i64 = 1_000;

/// Steps of all values in a folder.
fn steps(dir: &Path) -> Vec<i64> {
    let mut files: Vec<_> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().contains("tfevents"));
    files.sort();
    let events = files.iter().flat_map(|file| EventFileReader::open(file).unwrap()).map(Result::unwrap);
    events.filter(|event| matches!(event.what, Some(What::Summary(_)))).map(|event| event.step).collect()
}

/// Adds to a run that cannot be written until a value is refused. Returns how many were taken.
fn fill(writer: &SummaryWriter) -> i64 {
    for step in 0.. {
        match writer.add_scalar("loss", 1.0, step).map_err(|error| error.to_string()) {
            Err(text) if text.contains("the queue is full, because writing fails") => return step,
            // The earlier failure, told once; the value is taken.
            _ => {}
        }
    }
    unreachable!("the queue has an end")
}

#[test]
fn a_run_that_cannot_be_written_takes_nothing_from_the_others() {
    let run = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::builder().max_queued_records(QUEUE).open(run.path()).unwrap();
    let train = writer.sub_run("train").unwrap();
    fs::write(train.path(), "a file in the place of the folder").unwrap();
    let taken = fill(&train);
    assert!((1..=QUEUE as i64).contains(&taken), "{taken}");
    for step in 0..VALUES {
        writer.add_scalar("loss", 1.0, step).unwrap();
    }
    assert!(matches!(writer.flush().unwrap_err().kind(), ErrorKind::Io { .. }));
    assert_eq!(steps(run.path()), (0..VALUES).collect::<Vec<_>>());
    // What the other had taken is still there.
    fs::remove_file(train.path()).unwrap();
    writer.flush().unwrap();
    assert_eq!(steps(train.path()), (0..taken).collect::<Vec<_>>());
    train.add_scalar("loss", 1.0, taken + 1).unwrap();
    let stats = writer.stats();
    assert_eq!((stats.dropped_records(), stats.lost), (1, 0));
    let error = writer.close().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Dropped { count: 1, .. }), "{error}");
}

#[test]
fn each_run_tells_of_its_own_failure() {
    let run = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::builder().flush_interval(Duration::MAX).open(run.path()).unwrap();
    for name in ["train", "validation"] {
        let below = writer.sub_run(name).unwrap();
        fs::write(below.path(), "a file in the place of the folder").unwrap();
        below.add_scalar("loss", 1.0, 1).unwrap();
        let error = writer.flush().unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn an_embedding_that_cannot_be_written_takes_nothing_from_the_values() {
    for back_pressure in [BackPressure::Block, BackPressure::DropNewest] {
        let run = tempfile::tempdir().unwrap();
        let builder = SummaryWriter::builder().max_queued_records(QUEUE).on_error(OnError::Warn);
        let writer = builder.back_pressure(back_pressure).open(run.path()).unwrap();
        fs::write(run.path().join("projector"), "a file in the place of the folder").unwrap();
        let points = Embedding::new(vec![1.0, 2.0, 3.0, 4.0], 2).unwrap();
        for step in 0..2 * QUEUE {
            writer.add_embedding("points", &points, step).unwrap();
            writer.flush().unwrap(); // it fails
        }
        assert_eq!(writer.dropped() as usize, 2 * QUEUE - QUEUE / 2);
        for step in 0..VALUES {
            writer.add_scalar("loss", 1.0, step).unwrap();
            if back_pressure == BackPressure::DropNewest {
                writer.flush().unwrap();
            }
        }
        fs::remove_file(run.path().join("projector")).unwrap();
        writer.flush().unwrap();
        assert_eq!(steps(run.path()), (0..VALUES).collect::<Vec<_>>());
        assert_eq!(writer.stats().lost, 0);
        assert!(run.path().join("projector_config.pbtxt").exists());
        writer.close().unwrap_err();
    }
}
