//! The writer's own accounts.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use convscope::{
    ErrorKind, SummaryWriter,
    event::EventFileReader,
    proto::{event::What, summary::value::Value},
};

fn event_files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    files
}

/// Steps and values of each scalar tag in a folder.
fn scalars(dir: &Path) -> BTreeMap<String, Vec<(i64, f32)>> {
    let mut found: BTreeMap<String, Vec<(i64, f32)>> = BTreeMap::new();
    for event in event_files(dir).iter().flat_map(|file| EventFileReader::open(file).unwrap()) {
        let event = event.unwrap();
        let Some(What::Summary(summary)) = event.what else { continue };
        let Some(Value::SimpleValue(value)) = summary.value[0].value else { continue };
        found.entry(summary.value[0].tag.clone()).or_default().push((event.step, value));
    }
    found
}

#[test]
fn counts_are_those_of_the_files() {
    let run = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::builder().max_queued_records(100).open(run.path()).unwrap();
    let train = writer.sub_run("train").unwrap();
    let in_files = || -> u64 {
        [run.path(), train.path()]
            .into_iter()
            .filter(|dir| dir.exists())
            .flat_map(event_files)
            .map(|file| file.metadata().unwrap().len())
            .sum()
    };
    let stats = writer.stats();
    assert_eq!((stats.records, stats.bytes, stats.files), (0, in_files(), 1));
    for step in 0..1000 {
        writer.add_scalar("loss", 1.0, step).unwrap();
        train.add_text("note", "hello", step).unwrap();
    }
    writer.flush().unwrap();
    let stats = train.stats();
    assert_eq!((stats.records, stats.bytes, stats.files), (2000, in_files(), 2));
    assert_eq!((stats.queued_records, stats.queued_bytes, stats.lost), (0, 0, 0));
    assert!(stats.dropped.is_empty());
    assert!((1..=100).contains(&stats.most_queued_records), "{}", stats.most_queued_records);
    assert!(stats.most_queued_bytes > 0);
    for time in [stats.time_in_calls, stats.time_waiting, stats.time_writing] {
        assert!(time > Duration::ZERO);
    }
    writer.close().unwrap();
}

#[cfg(unix)]
#[test]
fn what_was_lost_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let writer = SummaryWriter::open(&run).unwrap();
    for step in 0..3 {
        writer.add_scalar("loss", 1.0, step).unwrap();
    }
    writer.flush().unwrap();
    fs::remove_dir_all(&run).unwrap();
    writer.add_scalar("loss", 1.0, 3).unwrap();
    assert!(writer.flush().is_err());
    let stats = writer.stats();
    assert_eq!((stats.records, stats.lost, stats.files), (4, 3, 2));
    writer.close().unwrap_err();
}

#[test]
fn the_accounts_are_scalars_of_the_run() {
    let run = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::builder().log_stats(Duration::ZERO).open(run.path()).unwrap();
    let error = writer.add_text("logger/records", "mine", 0).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::TagKind { .. }), "{error}");
    for step in [10, 20] {
        writer.sub_run("train").unwrap().add_scalar("loss", 1.0, step - 1).unwrap();
        writer.add_scalar("loss", 1.0, step).unwrap();
        writer.flush().unwrap();
    }
    // No new step, nothing new to tell.
    writer.flush().unwrap();
    let last = writer.stats();
    writer.close().unwrap();
    let found = scalars(run.path());
    let tags: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    let expected = [
        "logger/bytes",
        "logger/dropped",
        "logger/files",
        "logger/lost",
        "logger/most_queued_bytes",
        "logger/most_queued_records",
        "logger/records",
        "logger/seconds_in_calls",
        "logger/seconds_waiting",
        "logger/seconds_writing",
        "loss",
    ];
    assert_eq!(tags, expected.into());
    // Rounds can come between, so the first steps of the accounts depend on the moment; the last does not.
    let records = &found["logger/records"];
    assert!(records.iter().all(|(step, _)| [9, 10, 19, 20].contains(step)), "{records:?}");
    assert!(records.is_sorted_by(|a, b| a.0 < b.0), "{records:?}");
    let own = 10 * records.len() as u64;
    assert_eq!(records.last().unwrap().0, 20);
    assert_eq!(last.records, 4 + own);
    assert_eq!(found["logger/files"].last(), Some(&(20, 2.0)));
    assert!(!scalars(&run.path().join("train")).contains_key("logger/records"));
}

#[test]
fn without_being_asked_nothing_is_logged() {
    let run = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(run.path()).unwrap();
    writer.add_text("logger/records", "mine", 0).unwrap();
    writer.close().unwrap();
    assert!(scalars(run.path()).is_empty());
}

/// Ends after a minute where the writer does not come to it.
fn wait_for_records(writer: &SummaryWriter, records: u64) {
    let begin = Instant::now();
    while writer.stats().records < records {
        assert!(begin.elapsed() < Duration::from_secs(60), "{:?}", writer.stats());
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn the_accounts_keep_their_interval_whatever_that_of_the_values() {
    let run = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::builder()
        .flush_interval(Duration::MAX)
        .log_stats(Duration::from_millis(20))
        .open(run.path())
        .unwrap();
    for step in 1..=3 {
        writer.add_scalar("loss", 1.0, step).unwrap();
        // That one and the ten accounts.
        wait_for_records(&writer, 11 * step);
        // More of a step that was told of already wait, but do not keep the next step from being seen.
        writer.add_text("note", "hello", step).unwrap();
        assert_eq!(writer.stats().queued_records, 1);
        writer.flush().unwrap();
        writer.sub_run("train").unwrap().add_scalar("loss", 1.0, 0).unwrap();
    }
    writer.close().unwrap();
    let steps: Vec<i64> = scalars(run.path())["logger/records"].iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [1, 2, 3]);
}

#[test]
fn an_idle_writer_does_nothing() {
    for (flush, log) in [(Duration::ZERO, None), (Duration::from_millis(1), Some(Duration::from_millis(1)))] {
        let run = tempfile::tempdir().unwrap();
        let mut builder = SummaryWriter::builder().flush_interval(flush);
        if let Some(interval) = log {
            builder = builder.log_stats(interval);
        }
        let writer = builder.open(run.path()).unwrap();
        for round in 1..=3 {
            writer.add_scalar("loss", 1.0, round).unwrap();
            wait_for_records(&writer, if log.is_some() { 11 * round } else { round });
            let before = writer.stats();
            thread::sleep(Duration::from_millis(100));
            // Every round takes the thread some time.
            assert_eq!(writer.stats(), before);
        }
        writer.close().unwrap();
    }
}
