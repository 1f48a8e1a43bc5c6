//! The writer on a sound disk: what is added is what is in the files.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Barrier},
    thread,
    time::Duration,
};

use convscope::{
    Entry, ErrorKind, Histogram, Image, Kind, MemorySink, Step, Summary, SummarySink, SummaryWriter, Tag,
    WallTime,
    event::EventFileReader,
    proto::{self, event::What, session_log::SessionStatus, summary::value::Value},
    writer::{BackPressure, OnError},
};

/// Event files of a folder, in the order of their names.
fn event_files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file() && path.to_string_lossy().contains("tfevents"))
        .collect();
    files.sort();
    files
}

fn events(dir: &Path) -> Vec<proto::Event> {
    event_files(dir)
        .iter()
        .flat_map(|file| EventFileReader::open(file).unwrap())
        .map(|event| event.unwrap())
        .collect()
}

/// Tag, step and value of every summary.
fn values(dir: &Path) -> Vec<(String, i64, proto::summary::Value)> {
    let mut found = Vec::new();
    for event in events(dir) {
        if let Some(What::Summary(summary)) = event.what {
            found.extend(summary.value.into_iter().map(|value| (value.tag.clone(), event.step, value)));
        }
    }
    found
}

fn scalars(dir: &Path, tag: &str) -> Vec<(i64, f32)> {
    let only = values(dir).into_iter().filter(|(found, ..)| found == tag);
    only.map(|(_, step, value)| match value.value {
        Some(Value::SimpleValue(number)) => (step, number),
        other => panic!("no scalar: {other:?}"),
    })
    .collect()
}

#[test]
fn a_run_holds_what_was_added() {
    let logs = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(logs.path()).unwrap();
    let run = writer.path().to_owned();
    writer.add_scalar("loss", 0.5, 1).unwrap();
    writer.add_scalar("loss", f64::NAN, 2).unwrap();
    writer.add_histogram("weights/a", &[1.0f32, 2.0], 2).unwrap();
    writer.add_histogram("weights/b", &[1.0f64, f64::INFINITY], 2).unwrap();
    let image = Image::gray(2, 1, vec![0, 255]).unwrap();
    writer.add_image("one", image.clone(), 2).unwrap();
    writer.add_images("two", vec![image.clone(), image], 2).unwrap();
    writer.add_text("notes", "*hello*", 2).unwrap();
    writer.close().unwrap();

    let tags: Vec<(String, i64)> = values(&run).into_iter().map(|(tag, step, _)| (tag, step)).collect();
    let expected =
        [("loss", 1), ("loss", 2), ("weights/a", 2), ("weights/b", 2), ("one", 2), ("two", 2), ("notes", 2)];
    assert_eq!(tags, expected.map(|(tag, step)| (tag.to_owned(), step)));
    let loss = scalars(&run, "loss");
    assert_eq!(loss[0], (1, 0.5));
    assert!(loss[1].1.is_nan());
}

#[test]
fn a_file_begins_with_version_and_session_start() {
    let logs = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::create(logs.path()).unwrap();
    // At once, so that TensorBoard lists the run.
    let events = events(writer.path());
    assert_eq!(events.len(), 2);
    assert_eq!(events[0].what, Some(What::FileVersion("brain.Event:2".into())));
    assert!(events[0].source_metadata.as_ref().unwrap().writer.starts_with("convscope"));
    assert!(events[0].wall_time > 1.6e9);
    let Some(What::SessionLog(start)) = &events[1].what else { panic!("{:?}", events[1]) };
    assert_eq!(start.status(), SessionStatus::Start);
    assert_eq!(events[1].step, 0);
}

#[test]
fn metadata_goes_once_per_tag_and_file() {
    let logs = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let writer = SummaryWriter::open(logs.path()).unwrap();
        for step in 0..3 {
            let loss = Summary::scalar(1.0).with_display_name("Loss");
            writer.add("loss", loss, step).unwrap();
            writer.add_text("notes", "hello", step).unwrap();
            writer.flush().unwrap();
        }
        writer.close().unwrap();
    }
    let with: Vec<(String, i64)> = values(logs.path())
        .into_iter()
        .filter(|(.., value)| value.metadata.is_some())
        .map(|(tag, step, _)| (tag, step))
        .collect();
    let once = [("loss".to_owned(), 0), ("notes".to_owned(), 0)];
    assert_eq!(with, [once.clone(), once].concat());
    let first = &values(logs.path())[0].2;
    let metadata = first.metadata.as_ref().unwrap();
    assert_eq!(metadata.display_name, "Loss");
    assert_eq!(metadata.data_class, proto::DataClass::Scalar as i32);
}

#[test]
fn sub_runs_are_folders_made_with_their_first_value() {
    let logs = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(logs.path()).unwrap();
    let train = writer.sub_run("train").unwrap();
    let fold = train.sub_run("fold/1").unwrap();
    writer.flush().unwrap();
    assert!(!train.path().exists());
    train.add_scalar("loss", 1.0, 5).unwrap();
    fold.add_scalar("loss", 2.0, 5).unwrap();
    writer.add_scalar("loss", 3.0, 5).unwrap();
    // One flush serves all runs.
    train.flush().unwrap();
    for (dir, value) in [("train", 1.0), ("train/fold/1", 2.0), ("", 3.0)] {
        assert_eq!(scalars(&logs.path().join(dir), "loss"), [(5, value)]);
        assert_eq!(event_files(&logs.path().join(dir)).len(), 1);
    }
    assert_eq!(train.path(), logs.path().join("train"));
    assert_eq!(fold.path(), logs.path().join("train/fold/1"));
}

#[test]
fn as_a_sink_it_serves_sub_runs_and_wall_times() {
    let logs = tempfile::tempdir().unwrap();
    let mut writer = SummaryWriter::open(logs.path()).unwrap();
    let sink: &mut dyn SummarySink = &mut writer;
    sink.add_scalar("loss", 1.0, Step::new(1)).unwrap();
    sink.sub_run("train").add_scalar("loss", 2.0, Step::new(2)).unwrap();
    let entry = Entry {
        run: "validation".into(),
        tag: Tag::new("loss").unwrap(),
        step: Step::new(3),
        wall_time: Some(WallTime::new(1e9).unwrap()),
        summary: Summary::scalar(3.0),
    };
    sink.write(entry.clone()).unwrap();
    // A sink that is a sub-run itself.
    writer.sub_run("train").unwrap().write(entry).unwrap();
    writer.at(WallTime::new(2e9).unwrap()).add_scalar("late", 4.0, 4).unwrap();
    SummarySink::flush(&mut writer).unwrap();
    for (dir, expected) in
        [("", (1, 1.0)), ("train", (2, 2.0)), ("validation", (3, 3.0)), ("train/validation", (3, 3.0))]
    {
        assert_eq!(scalars(&logs.path().join(dir), "loss"), [expected]);
    }
    assert_eq!(events(&logs.path().join("validation"))[2].wall_time, 1e9);
    assert_eq!(events(logs.path())[3].wall_time, 2e9);
}

#[test]
fn an_interval_without_end_writes_on_flush_and_on_close() {
    let logs = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::builder().flush_interval(Duration::MAX).open(logs.path()).unwrap();
    writer.add_scalar("loss", 1.0, 1).unwrap();
    writer.flush().unwrap();
    assert_eq!(scalars(logs.path(), "loss"), [(1, 1.0)]);
    writer.add_scalar("loss", 2.0, 2).unwrap();
    writer.close().unwrap();
    assert_eq!(scalars(logs.path(), "loss"), [(1, 1.0), (2, 2.0)]);
}

#[test]
fn a_sink_takes_every_kind() {
    let mut memory = MemorySink::default();
    let sink: &mut dyn SummarySink = &mut memory;
    let (step, image) = (Step::new(1), Image::gray(1, 1, vec![7]).unwrap());
    sink.add_scalar("scalar", 1.0, step).unwrap();
    sink.add_histogram_data("histogram", &Histogram::from_f64(&[1.0]), step).unwrap();
    sink.add_image("image", image.clone(), step).unwrap();
    sink.add_images("images", vec![image.clone(), image], step).unwrap();
    sink.add_text("text", "hello", step).unwrap();
    assert!(sink.add_images("none", Vec::new(), step).is_err());
    let kinds: Vec<Kind> = memory.entries.iter().map(|entry| entry.summary.kind()).collect();
    assert_eq!(kinds, [Kind::Scalar, Kind::Histogram, Kind::Image, Kind::Image, Kind::Text]);
}

#[test]
fn mistakes_are_refused_at_once() {
    let logs = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(logs.path()).unwrap();
    assert!(writer.add_scalar("", 1.0, 0).unwrap_err().to_string().contains("tag"));
    writer.add_scalar("loss", 1.0, 0).unwrap();
    let error = writer.add_text("loss", "one", 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "tag `loss` of run `` holds scalar values; a text value was added. Use another tag for it"
    );
    // Another run's tag is another time series.
    writer.sub_run("train").unwrap().add_text("loss", "one", 1).unwrap();
    for name in ["my.tfevents", "../up", "/root", "a//b", ""] {
        assert!(writer.sub_run(name).is_err(), "`{name}` was taken");
    }
    assert!(SummaryWriter::open(logs.path().join("x.tfevents.1")).is_err());
    assert!(SummaryWriter::builder().run_name("tfevents").create(logs.path()).is_err());
    assert!(SummaryWriter::builder().filename_suffix("/x").create(logs.path()).is_err());
    assert!(SummaryWriter::builder().max_queued_records(0).create(logs.path()).is_err());
    assert!(SummaryWriter::builder().run_name("a").open(logs.path()).is_err());
    writer.close().unwrap();
    assert_eq!(scalars(logs.path(), "loss"), [(0, 1.0)]);
    // Nothing was left behind by what was refused.
    let mut left: Vec<_> = fs::read_dir(logs.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.retain(|name| name != "train" && !name.to_string_lossy().contains("tfevents"));
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn runs_of_one_second_get_own_folders() {
    let logs = tempfile::tempdir().unwrap();
    let writers: Vec<_> = (0..3).map(|_| SummaryWriter::create(logs.path()).unwrap()).collect();
    let mut names: Vec<String> =
        writers.iter().map(|w| w.path().file_name().unwrap().to_string_lossy().into_owned()).collect();
    names.dedup();
    assert_eq!(names.len(), 3);
    let stamp = &names[0][..19];
    assert!(chrono::NaiveDateTime::parse_from_str(stamp, "%Y-%m-%d_%H-%M-%S").is_ok(), "{stamp}");
}

#[test]
fn names_and_suffixes_are_used() {
    let logs = tempfile::tempdir().unwrap();
    let writer =
        SummaryWriter::builder().run_name("group/mine").filename_suffix(".v2").create(logs.path()).unwrap();
    assert_eq!(writer.path(), logs.path().join("group/mine"));
    assert!(event_files(writer.path())[0].to_string_lossy().ends_with(".v2"));
}

/// Steps of the session starts in the files of a folder.
fn starts(dir: &Path) -> Vec<i64> {
    let is_start = |event: &proto::Event| matches!(event.what, Some(What::SessionLog(_)));
    events(dir).into_iter().filter(is_start).map(|event| event.step).collect()
}

#[test]
fn a_resumed_run_says_from_which_step() {
    let logs = tempfile::tempdir().unwrap();
    for first in [0, 5] {
        let writer = SummaryWriter::open(logs.path()).unwrap();
        for step in first..first + 7 {
            writer.add_scalar("loss", 1.0, step).unwrap();
        }
        writer.close().unwrap();
    }
    // Beyond every step: TensorBoard forgets nothing unless it is told to.
    assert_eq!(starts(logs.path()), [0, i64::MAX]);
    SummaryWriter::resume(logs.path(), 9).unwrap().close().unwrap();
    assert_eq!(starts(logs.path()), [0, i64::MAX, 9]);
    assert_eq!(event_files(logs.path()).len(), 3);
}

#[test]
fn dropped_without_close_it_writes_everything() {
    let logs = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(logs.path()).unwrap();
    let other = writer.clone();
    for step in 0..100 {
        writer.add_scalar("loss", 1.0, step).unwrap();
    }
    drop(writer);
    other.add_scalar("loss", 1.0, 100).unwrap();
    drop(other);
    assert_eq!(scalars(logs.path(), "loss").len(), 101);
}

#[test]
fn closed_for_all_handles() {
    let logs = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(logs.path()).unwrap();
    let (second, third) = (writer.clone(), writer.clone());
    writer.add_scalar("loss", 1.0, 1).unwrap();
    writer.close().unwrap();
    let error = second.add_scalar("loss", 1.0, 2).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Closed { path } if path == logs.path()), "{error}");
    third.flush().unwrap();
    third.close().unwrap();
    second.close().unwrap();
    assert_eq!(scalars(logs.path(), "loss"), [(1, 1.0)]);
}

#[test]
fn threads_share_a_handle() {
    const THREADS: i64 = 8;
    const VALUES: i64 = 2_000;
    let logs = tempfile::tempdir().unwrap();
    // A small queue, so that the threads also wait for room.
    let writer = SummaryWriter::builder().max_queued_records(64).open(logs.path()).unwrap();
    let start = Arc::new(Barrier::new(THREADS as usize));
    let threads: Vec<_> = (0..THREADS)
        .map(|thread| {
            let (writer, start) = (writer.clone(), start.clone());
            thread::spawn(move || {
                start.wait();
                for step in 0..VALUES {
                    writer.add_scalar(&format!("thread/{thread}"), step as f64, step).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    writer.close().unwrap();
    for thread in 0..THREADS {
        let found = scalars(logs.path(), &format!("thread/{thread}"));
        let expected: Vec<(i64, f32)> = (0..VALUES).map(|step| (step, step as f32)).collect();
        assert_eq!(found, expected);
    }
}

#[test]
fn values_appear_without_a_flush() {
    let logs = tempfile::tempdir().unwrap();
    let writer =
        SummaryWriter::builder().flush_interval(Duration::from_millis(20)).open(logs.path()).unwrap();
    writer.add_scalar("loss", 1.0, 1).unwrap();
    while scalars(logs.path(), "loss").is_empty() {
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_value_larger_than_the_queue_goes_through() {
    let logs = tempfile::tempdir().unwrap();
    for back_pressure in [BackPressure::Block, BackPressure::DropNewest] {
        let run = logs.path().join(format!("{back_pressure:?}"));
        let writer = SummaryWriter::builder()
            .max_queued_bytes(1000)
            .back_pressure(back_pressure)
            .on_error(OnError::Warn)
            .open(&run)
            .unwrap();
        writer.add_text("notes", &"x".repeat(100_000), 1).unwrap();
        writer.flush().unwrap();
        writer.add_text("notes", &"x".repeat(100_000), 2).unwrap();
        writer.close().unwrap();
        assert_eq!(values(&run).len(), 2);
    }
}

#[test]
fn a_panic_of_the_user_loses_nothing() {
    let logs = tempfile::tempdir().unwrap();
    let run = logs.path().to_owned();
    let training = thread::spawn(move || {
        let writer = SummaryWriter::open(&run).unwrap();
        writer.add_scalar("loss", 1.0, 1).unwrap();
        panic!("the training failed, as planned");
    });
    assert!(training.join().is_err());
    assert_eq!(scalars(logs.path(), "loss"), [(1, 1.0)]);
}
