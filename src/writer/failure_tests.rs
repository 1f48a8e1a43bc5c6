//! A disk that is full, slow, gone or broken: what is lost is told, the rest is written.

use std::{
    collections::BTreeMap,
    fs, mem,
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use super::{BackPressure, OnError, SummaryWriter, SummaryWriterBuilder};
use crate::{
    error::{Error, ErrorKind},
    event::{EventFileReader, testing::FaultyDisk},
    proto::{event::What, summary::value::Value},
    record::RecordErrorKind,
    summary::{Kind, Step},
};

/// Long enough that only `flush` and a full queue cause writing.
const NEVER: Duration = Duration::from_secs(1_000_000);

struct Bench {
    dir: tempfile::TempDir,
    disk: FaultyDisk,
}

impl Bench {
    fn new() -> Bench {
        Bench { dir: tempfile::tempdir().unwrap(), disk: FaultyDisk::default() }
    }

    fn run(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    fn open(&self, builder: SummaryWriterBuilder) -> SummaryWriter {
        builder.open_on(Arc::new(self.disk.clone()), &self.run()).unwrap()
    }

    /// The disk takes `room` more bytes.
    fn room(&self, room: impl Into<Option<usize>>) {
        let room = room.into();
        self.disk.set(|faults| faults.room = room);
    }
}

fn quiet() -> SummaryWriterBuilder {
    SummaryWriter::builder().flush_interval(NEVER)
}

/// Steps and values of all scalars in a folder, and how many files end in a torn record.
fn read(dir: &Path) -> (Vec<(i64, f32)>, usize) {
    let mut files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().contains("tfevents"));
    files.sort();
    let (mut found, mut torn) = (Vec::new(), 0);
    for event in files.iter().flat_map(|file| EventFileReader::open(file).unwrap()) {
        match event {
            Ok(event) => {
                let Some(What::Summary(summary)) = event.what else { continue };
                let Some(Value::SimpleValue(value)) = summary.value[0].value else { continue };
                found.push((event.step, value));
            }
            Err(error) => {
                assert!(
                    matches!(error.kind(), ErrorKind::Record(e) if matches!(e.kind, RecordErrorKind::Truncated { .. }))
                );
                torn += 1;
            }
        }
    }
    (found, torn)
}

fn add(writer: &SummaryWriter, steps: std::ops::Range<i64>) {
    steps.for_each(|step| writer.add_scalar("loss", step as f64, step).unwrap());
}

fn expected(steps: std::ops::Range<i64>) -> Vec<(i64, f32)> {
    steps.map(|step| (step, step as f32)).collect()
}

fn is_full(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Io { path, source, .. }
        if source.raw_os_error() == Some(28) && path.to_string_lossy().contains("events.out"))
}

#[test]
fn a_full_disk_loses_nothing_wherever_it_was_full() {
    for room in 0..200 {
        let bench = Bench::new();
        let writer = bench.open(quiet());
        bench.room(room);
        add(&writer, 0..20);
        assert!(is_full(&writer.flush().unwrap_err()), "{room}");
        let (found, torn) = read(&bench.run());
        assert_eq!(found, expected(0..found.len() as i64), "{room}");
        assert_eq!(torn, 0, "room for {room} bytes: a torn record was left");
        // Values go on coming meanwhile, and it is still full.
        add(&writer, 20..30);
        assert!(is_full(&writer.flush().unwrap_err()));
        bench.room(None);
        writer.flush().unwrap();
        add(&writer, 30..31);
        writer.close().unwrap();
        assert_eq!(read(&bench.run()), (expected(0..31), 0), "{room}");
    }
}

#[test]
fn metadata_that_did_not_fit_is_sent_again() {
    let bench = Bench::new();
    let writer = bench.open(quiet());
    bench.room(30);
    add(&writer, 0..2);
    writer.flush().unwrap_err();
    bench.room(None);
    writer.close().unwrap();
    let file = fs::read_dir(bench.run()).unwrap().next().unwrap().unwrap().path();
    let with: Vec<bool> = EventFileReader::open(file)
        .unwrap()
        .filter_map(|event| match event.unwrap().what {
            Some(What::Summary(summary)) => Some(summary.value[0].metadata.is_some()),
            _ => None,
        })
        .collect();
    assert_eq!(with, [true, false]);
}

#[test]
fn what_cannot_be_cut_off_is_left_for_a_new_file() {
    let bench = Bench::new();
    let writer = bench.open(quiet());
    add(&writer, 0..3);
    writer.flush().unwrap();
    bench.disk.set(|faults| {
        faults.room = Some(50);
        faults.cut_fails = true;
    });
    add(&writer, 3..10);
    assert!(is_full(&writer.flush().unwrap_err()));
    bench.room(None);
    add(&writer, 10..12);
    writer.close().unwrap();
    assert_eq!(read(&bench.run()), (expected(0..12), 1));
    assert_eq!(fs::read_dir(bench.run()).unwrap().count(), 2);
}

#[test]
fn the_next_call_tells_of_a_failure_once() {
    let bench = Bench::new();
    let writer = bench.open(SummaryWriter::builder().flush_interval(Duration::ZERO));
    bench.room(0);
    let mut step = 0;
    let error = loop {
        let result = writer.add_scalar("loss", step as f64, step);
        step += 1;
        match result {
            Ok(()) => thread::sleep(Duration::from_millis(1)),
            Err(error) => break error,
        }
    };
    assert!(is_full(&error), "{error}");
    add(&writer, step..step + 100);
    bench.room(None);
    writer.close().unwrap();
    assert_eq!(
        read(&bench.run()).0,
        expected(0..step + 100),
        "the value of the call that failed is there too"
    );
}

#[test]
fn writing_is_tried_again_by_itself() {
    let bench = Bench::new();
    let writer = bench.open(SummaryWriter::builder().flush_interval(Duration::from_millis(20)));
    bench.room(0);
    add(&writer, 0..1);
    assert!(writer.flush().is_err());
    bench.room(None);
    while read(&bench.run()).0.is_empty() {
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_full_queue_before_a_full_disk_does_not_hang() {
    for back_pressure in [BackPressure::Block, BackPressure::DropNewest] {
        let bench = Bench::new();
        let writer = bench.open(quiet().max_queued_records(10).back_pressure(back_pressure));
        bench.room(0);
        add(&writer, 0..4);
        assert!(is_full(&writer.flush().unwrap_err()));
        add(&writer, 4..5); // half of the queue
        for count in 1..=3 {
            let error = writer.add_scalar("loss", 99.0, 99).unwrap_err();
            let ErrorKind::Dropped { count: found, cause, path } = error.kind() else { panic!("{error}") };
            assert_eq!((*found, path), (count, &bench.run()));
            assert!(cause.contains("No space left"), "{cause}");
        }
        assert_eq!(writer.dropped(), 3);
        bench.room(None);
        writer.flush().unwrap();
        add(&writer, 5..12);
        let error = writer.close().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Dropped { count: 3, .. }), "{error}");
        assert_eq!(read(&bench.run()).0, expected(0..12));
    }
}

#[test]
fn close_tells_what_was_lost() {
    let bench = Bench::new();
    let writer = bench.open(quiet());
    let other = writer.clone();
    bench.room(0);
    add(&writer, 0..7);
    let error = writer.close().unwrap_err();
    let ErrorKind::Dropped { count: 7, cause, .. } = error.kind() else { panic!("{error}") };
    assert!(cause.contains("No space left") && cause.contains("tfevents"), "{cause}");
    other.close().unwrap();
}

#[test]
fn a_user_who_wants_to_go_on_is_not_stopped() {
    let bench = Bench::new();
    let writer = bench.open(quiet().on_error(OnError::Warn).max_queued_records(10));
    bench.room(0);
    add(&writer, 0..8);
    writer.flush().unwrap();
    add(&writer, 8..15);
    assert_eq!(writer.dropped(), 7);
    let error = writer.close().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Dropped { count: 15, .. }), "{error}");
}

#[test]
fn drop_newest_never_waits_and_counts() {
    let bench = Bench::new();
    let writer = bench.open(quiet().max_queued_records(10).back_pressure(BackPressure::DropNewest));
    bench.disk.set(|faults| faults.stalled = true);
    add(&writer, 0..25);
    writer.add_text("note", "no room", 1).unwrap();
    assert_eq!(writer.dropped(), 16);
    let stats = writer.stats();
    assert_eq!(stats.dropped, BTreeMap::from([(Kind::Scalar, 15), (Kind::Text, 1)]));
    assert_eq!((stats.queued_records, stats.most_queued_records, stats.records), (10, 10, 0));
    assert_eq!(stats.queued_bytes, stats.most_queued_bytes);
    bench.disk.set(|faults| faults.stalled = false);
    writer.flush().unwrap();
    add(&writer, 25..26);
    writer.close().unwrap();
    let mut steps = expected(0..10);
    steps.extend(expected(25..26));
    assert_eq!(read(&bench.run()).0, steps);
}

#[test]
fn dropping_a_writer_on_a_stuck_disk_does_not_hang() {
    let bench = Bench::new();
    let writer = bench.open(quiet().patience(Duration::from_millis(50)));
    bench.disk.set(|faults| faults.stalled = true);
    add(&writer, 0..3);
    drop(writer);
    // Set free, the thread still writes what it has.
    bench.disk.set(|faults| faults.stalled = false);
    while read(&bench.run()).0.len() < 3 {
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_panic_of_the_background_thread_hangs_nobody() {
    let bench = Bench::new();
    let writer = bench.open(quiet());
    bench.disk.set(|faults| faults.panics = true);
    add(&writer, 0..3);
    let error = writer.flush().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Dropped { count: 3, .. }), "{error}");
    let error = writer.add_scalar("loss", 1.0, 4).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Closed { .. }), "{error}");
    let again = writer.flush().unwrap_err();
    assert!(matches!(again.kind(), ErrorKind::Dropped { count: 3, .. }), "{again}");
    drop(writer);
}

#[test]
fn close_tells_that_the_device_did_not_take_it() {
    for on_error in [OnError::Return, OnError::Warn] {
        let bench = Bench::new();
        let writer = bench.open(quiet().on_error(on_error));
        bench.room(0);
        add(&writer, 0..3);
        assert_eq!(writer.flush().is_err(), on_error == OnError::Return);
        bench.disk.set(|faults| {
            faults.room = None;
            faults.sync_fails = true;
        });
        let error = writer.close().unwrap_err();
        assert!(
            matches!(error.kind(), ErrorKind::Io { source, .. } if source.raw_os_error() == Some(5)),
            "{error}"
        );
    }
}

#[test]
fn values_of_a_removed_folder_are_lost_for_close_too() {
    let bench = Bench::new();
    let writer = bench.open(quiet().on_error(OnError::Warn));
    add(&writer, 0..7);
    writer.flush().unwrap();
    fs::remove_dir_all(bench.run()).unwrap();
    add(&writer, 7..9);
    let error = writer.close().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Dropped { count: 7, .. }), "{error}");
    assert_eq!(read(&bench.run()).0, expected(7..9));
}

#[test]
fn no_file_is_left_where_its_header_does_not_fit() {
    let bench = Bench::new();
    bench.room(10);
    let error = SummaryWriter::builder().open_on(Arc::new(bench.disk.clone()), &bench.run()).unwrap_err();
    assert!(is_full(&error), "{error}");
    assert_eq!(fs::read_dir(bench.run()).unwrap().count(), 0);
}

#[test]
fn resuming_on_a_full_disk_changes_nothing() {
    let bench = Bench::new();
    let writer = bench.open(quiet());
    add(&writer, 0..50);
    writer.close().unwrap();
    let resume = || quiet().resume_on(Arc::new(bench.disk.clone()), &bench.run(), Step::new(20));
    for room in (0..800).step_by(37) {
        bench.room(room);
        assert!(is_full(&resume().unwrap_err()), "{room}");
        assert_eq!(read(&bench.run()), (expected(0..50), 0), "{room}");
        assert_eq!(fs::read_dir(bench.run()).unwrap().count(), 1, "{room}: something was left");
    }
    bench.room(None);
    let writer = resume().unwrap();
    add(&writer, 20..30);
    writer.close().unwrap();
    assert_eq!(read(&bench.run()), (expected(0..30), 0));
}

#[test]
fn a_queue_that_a_failing_run_had_filled_before_has_room_for_the_others() {
    let bench = Bench::new();
    let writer = bench.open(quiet().max_queued_records(10));
    let train = writer.sub_run("train").unwrap();
    fs::write(train.path(), "a file in the place of the folder").unwrap();
    bench.disk.set(|faults| faults.stalled = true);
    // The thread hangs in the first value, so that nobody knows yet.
    add(&writer, 0..1);
    thread::scope(|scope| {
        scope.spawn(|| writer.flush());
        while writer.stats().queued_records < 10 {
            train.add_scalar("loss", 1.0, 1).unwrap();
        }
        bench.disk.set(|faults| faults.stalled = false);
    });
    let _ = writer.flush();
    assert_eq!(writer.stats().queued_records, 9);
    add(&writer, 1..1000);
    writer.flush().unwrap_err();
    assert_eq!(read(&bench.run()), (expected(0..1000), 0));
    assert_eq!(writer.dropped(), 0);
    // 10 values and an eighth of that.
    assert!(writer.stats().most_queued_records <= 12);
}

#[test]
fn only_files_that_are_written_are_looked_at() {
    let bench = Bench::new();
    let writer = bench.open(SummaryWriter::builder().flush_interval(Duration::ZERO));
    let below: Vec<_> = (0..5).map(|number| writer.sub_run(&format!("{number}")).unwrap()).collect();
    below.iter().for_each(|run| add(run, 0..1));
    writer.flush().unwrap();
    let looks = || {
        let mut looks = 0;
        bench.disk.set(|faults| looks = mem::take(&mut faults.looks));
        looks
    };
    looks();
    add(&below[3], 1..2);
    while writer.stats().queued_records > 0 {
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(looks(), 2, "before and after");
    writer.flush().unwrap();
    assert_eq!(looks(), 6, "a removed file is noticed by a flush");
}
