//! `SummaryWriter::resume`: what it removes, what it keeps, and what it refuses.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, OpenOptions},
    io::Write as _,
    path::{Path, PathBuf},
};

use convscope::{
    ErrorKind, Step, Summary, SummaryWriter, Tag, WallTime,
    event::{EventFileOptions, EventFileReader, EventFileWriter, Sample},
    proto::{self, event::What, summary::value::Value},
    record::RecordEncoder,
};
use proptest::prelude::*;
use prost::Message as _;

fn event_files(dir: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file() && path.to_string_lossy().contains("tfevents"));
    files.sort();
    files
}

fn events(file: &Path) -> Vec<proto::Event> {
    EventFileReader::open(file).unwrap().map(|event| event.unwrap()).collect()
}

/// Tag, step and whether it has metadata, of each value in the files of a folder.
fn values(dir: &Path) -> Vec<(String, i64, bool)> {
    let mut found = Vec::new();
    for event in event_files(dir).iter().flat_map(|file| events(file)) {
        let Some(What::Summary(summary)) = event.what else { continue };
        found
            .extend(summary.value.into_iter().map(|value| (value.tag, event.step, value.metadata.is_some())));
    }
    found
}

fn steps(dir: &Path, tag: &str) -> Vec<i64> {
    values(dir).into_iter().filter(|value| value.0 == tag).map(|value| value.1).collect()
}

/// Steps of the session starts.
fn starts(dir: &Path) -> Vec<i64> {
    let events = event_files(dir).into_iter().flat_map(|file| events(&file));
    events.filter(|event| matches!(event.what, Some(What::SessionLog(_)))).map(|event| event.step).collect()
}

fn write_run(dir: &Path, steps: std::ops::Range<i64>) {
    let writer = SummaryWriter::open(dir).unwrap();
    let train = writer.sub_run("fold/train").unwrap();
    for step in steps {
        writer.add_scalar("loss", step as f64, step).unwrap();
        train.add_text("note", &format!("step {step}"), step).unwrap();
    }
    writer.close().unwrap();
}

/// Contents of all files below a folder.
fn contents(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.append(&mut contents(&entry));
        } else {
            found.insert(entry.clone(), fs::read(&entry).unwrap());
        }
    }
    found
}

fn append(file: &Path, bytes: &[u8]) {
    OpenOptions::new().append(true).open(file).unwrap().write_all(bytes).unwrap();
}

fn record(event: &proto::Event) -> Vec<u8> {
    let mut encoder = RecordEncoder::new();
    encoder.push(&event.encode_to_vec());
    encoder.as_bytes().to_vec()
}

fn summary(step: i64, values: Vec<proto::summary::Value>) -> proto::Event {
    let what = Some(What::Summary(proto::Summary { value: values }));
    proto::Event { wall_time: 1.75e9, step, what, ..Default::default() }
}

fn value(tag: &str, metadata: Option<&str>) -> proto::summary::Value {
    proto::summary::Value {
        tag: tag.to_owned(),
        metadata: metadata
            .map(|name| proto::SummaryMetadata { display_name: name.to_owned(), ..Default::default() }),
        value: Some(Value::SimpleValue(1.0)),
        ..Default::default()
    }
}

/// A file of these events.
fn file_of(dir: &Path, name: &str, events: &[proto::Event]) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, events.iter().flat_map(record).collect::<Vec<u8>>()).unwrap();
    path
}

#[test]
fn the_run_and_its_sub_runs_go_on_from_the_step() {
    let run = tempfile::tempdir().unwrap();
    let train = run.path().join("fold/train");
    write_run(run.path(), 0..10);
    let writer = SummaryWriter::resume(run.path(), 5).unwrap();
    for (dir, tag) in [(run.path(), "loss"), (&train, "note")] {
        assert_eq!(steps(dir, tag), [0, 1, 2, 3, 4]);
    }
    writer.add_scalar("loss", 1.0, 5).unwrap();
    writer.sub_run("fold/train").unwrap().add_text("note", "again", 5).unwrap();
    writer.close().unwrap();
    for (dir, tag) in [(run.path(), "loss"), (&train, "note")] {
        assert_eq!(steps(dir, tag), [0, 1, 2, 3, 4, 5]);
        assert_eq!(starts(dir), [0, 5]);
    }
    // And once more, from a step before the second file.
    SummaryWriter::resume(run.path(), 2).unwrap().close().unwrap();
    assert_eq!((steps(run.path(), "loss"), steps(&train, "note")), (vec![0, 1], vec![0, 1]));
    assert_eq!(starts(run.path()), [0, 5, 2]);
    SummaryWriter::resume(run.path(), i64::MIN).unwrap().close().unwrap();
    assert_eq!((values(run.path()), values(&train)), (vec![], vec![]));
}

#[test]
fn what_needs_no_change_is_left_alone() {
    let run = tempfile::tempdir().unwrap();
    write_run(run.path(), 0..5);
    write_run(run.path(), 5..10);
    fs::write(run.path().join("model.toml"), "kept").unwrap();
    let before = contents(run.path());
    let first = event_files(run.path())[0].clone();
    let open_before = fs::File::open(&first).unwrap().metadata().unwrap();
    SummaryWriter::resume(run.path(), 5).unwrap().close().unwrap();
    let after = contents(run.path());
    assert_eq!(after.len(), before.len() + 1, "one new file, and nothing that was in between");
    for (path, bytes) in &before {
        let is_second =
            event_files(run.path())[1] == *path || event_files(&run.path().join("fold/train"))[1] == *path;
        assert_eq!(after[path] == *bytes, !is_second, "{}", path.display());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        assert_eq!(fs::metadata(&first).unwrap().ino(), open_before.ino());
    }
}

#[test]
fn a_run_can_begin_with_it() {
    let logs = tempfile::tempdir().unwrap();
    let run = logs.path().join("a/b");
    let writer = SummaryWriter::resume(&run, 100).unwrap();
    writer.sub_run("train").unwrap().add_scalar("loss", 1.0, 100).unwrap();
    writer.close().unwrap();
    assert_eq!((starts(&run), starts(&run.join("train"))), (vec![100], vec![100]));
    // A folder of runs is no run.
    let before = contents(logs.path());
    let error = SummaryWriter::resume(logs.path(), 0).unwrap_err();
    assert!(error.to_string().contains("no event file of its own"), "{error}");
    assert!(matches!(error.kind(), ErrorKind::Invalid { .. }));
    assert_eq!(contents(logs.path()), before);
    assert!(SummaryWriter::builder().run_name("x").resume(&run, 0).is_err());
    assert!(SummaryWriter::resume(logs.path().join("x.tfevents"), 0).is_err());
}

#[test]
fn torn_ends_are_cut_off() {
    let run = tempfile::tempdir().unwrap();
    let late = record(&summary(3, vec![value("loss", None)]));
    // In the header, in the data, and what a power cut leaves; before and after a change.
    for step in [100, 2] {
        for torn in [&late[..1], &late[..11], &late[..late.len() - 1], &[0; 5000]] {
            let dir = run.path().join(format!("{step}_{}", torn.len()));
            write_run(&dir, 0..4);
            let files = [event_files(&dir), event_files(&dir.join("fold/train"))].concat();
            files.iter().for_each(|file| append(file, torn));
            SummaryWriter::resume(&dir, step).unwrap().close().unwrap();
            assert_eq!(steps(&dir, "loss"), (0..step.min(4)).collect::<Vec<_>>());
            assert_eq!(steps(&dir.join("fold/train"), "note"), (0..step.min(4)).collect::<Vec<_>>());
        }
    }
    // Nothing but a torn record, and nothing at all.
    for bytes in [&late[..5], &[]] {
        let dir = run.path().join(format!("only {}", bytes.len()));
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("events.out.tfevents.1"), bytes).unwrap();
        SummaryWriter::resume(&dir, 1).unwrap().close().unwrap();
        assert_eq!(fs::read(dir.join("events.out.tfevents.1")).unwrap(), b"");
    }
}

#[test]
fn a_damaged_file_is_named_and_nothing_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    type Damage = fn(&mut Vec<u8>);
    let damages: [Damage; 4] = [
        |bytes| bytes[40] ^= 1,                  // data of the first record
        |bytes| bytes[0] ^= 1,                   // its length
        |bytes| *bytes.last_mut().unwrap() ^= 1, // checksum of the last one
        |bytes| {
            // A sound record that holds no event.
            let mut encoder = RecordEncoder::new();
            encoder.push(b"\xff\xff\xff");
            bytes.extend_from_slice(encoder.as_bytes());
        },
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        let run = dir.path().join(number.to_string());
        write_run(&run, 0..10);
        write_run(&run, 10..20);
        // The last of the files that are read.
        let file = event_files(&run.join("fold/train"))[1].clone();
        let mut bytes = fs::read(&file).unwrap();
        damage(&mut bytes);
        fs::write(&file, bytes).unwrap();
        let before = contents(&run);
        let error = SummaryWriter::resume(&run, 5).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Damaged { path, .. } if *path == file), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("convscope logs repair") && text.contains(&file.display().to_string()),
            "{text}"
        );
        assert!(contents(&run) == before);
    }
}

#[test]
fn metadata_outlives_the_value_that_brought_it() {
    let run = tempfile::tempdir().unwrap();
    let files = [
        vec![
            summary(10, vec![value("a", Some("A")), value("b", Some("B")), value("c", Some("C"))]),
            summary(3, vec![value("a", None)]),
            summary(4, vec![value("a", None)]),
            summary(4, vec![value("b", Some("own"))]),
        ],
        // Of the second file: `c` goes on without metadata of its own, `b` has some again.
        vec![
            summary(1, vec![value("c", None)]),
            summary(9, vec![value("b", Some("later"))]),
            summary(2, vec![value("b", None), value("d", None)]),
        ],
    ];
    for (number, events) in files.iter().enumerate() {
        file_of(run.path(), &format!("events.out.tfevents.{number}"), events);
    }
    SummaryWriter::resume(run.path(), 5).unwrap().close().unwrap();
    let mut found = Vec::new();
    for event in event_files(run.path()).iter().flat_map(|file| events(file)) {
        let Some(What::Summary(summary)) = event.what else { continue };
        for value in summary.value {
            found.push((value.tag, event.step, value.metadata.map_or(String::new(), |m| m.display_name)));
        }
    }
    let expected =
        [("a", 3, "A"), ("a", 4, ""), ("b", 4, "own"), ("c", 1, "C"), ("b", 2, "later"), ("d", 2, "")];
    assert_eq!(found, expected.map(|(tag, step, name)| (tag.to_owned(), step, name.to_owned())));
}

#[test]
fn the_end_of_a_session_is_forgotten_whatever_its_step() {
    let run = tempfile::tempdir().unwrap();
    let (start, end) = ("_hparams_/session_start_info", "_hparams_/session_end_info");
    let events = [
        summary(0, vec![value(start, Some("hyperparameters"))]),
        summary(1, vec![value("loss", None), value(end, Some("failed")), value("accuracy", None)]),
        summary(1, vec![value(end, None)]),
    ];
    file_of(run.path(), "events.out.tfevents.0", &events);
    SummaryWriter::resume(run.path(), 5).unwrap().close().unwrap();
    let expected = [(start, 0, true), ("loss", 1, false), ("accuracy", 1, false)];
    assert_eq!(values(run.path()), expected.map(|(tag, step, with)| (tag.to_owned(), step, with)));
}

#[test]
fn graphs_follow_their_step_and_the_rest_stays_byte_for_byte() {
    let run = tempfile::tempdir().unwrap();
    let graph = |step| proto::Event { step, what: Some(What::GraphDef(vec![1, 2])), ..Default::default() };
    let version =
        proto::Event { what: Some(What::FileVersion("brain.Event:2".into())), ..Default::default() };
    // A field that this program knows nothing of, in an event that stays.
    let mut unknown = summary(0, vec![value("loss", None)]).encode_to_vec();
    unknown.extend_from_slice(b"\xfa\x7f\x03abc");
    let mut encoder = RecordEncoder::new();
    encoder.push(&unknown);
    let kept = [record(&version), record(&graph(0)), encoder.as_bytes().to_vec()].concat();
    let path = run.path().join("events.out.tfevents.0");
    fs::write(
        &path,
        [kept.clone(), record(&graph(5)), record(&summary(6, vec![value("loss", None)]))].concat(),
    )
    .unwrap();
    SummaryWriter::resume(run.path(), 5).unwrap().close().unwrap();
    assert_eq!(fs::read(&path).unwrap(), kept);
}

#[cfg(unix)]
#[test]
fn permissions_stay_and_links_are_not_followed_into_other_runs() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let logs = tempfile::tempdir().unwrap();
    let (run, other) = (logs.path().join("run"), logs.path().join("other"));
    write_run(&run, 0..10);
    write_run(&other, 0..10);
    let file = event_files(&run)[0].clone();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&other, run.join("other")).unwrap();
    symlink(&event_files(&other)[0], run.join("link.tfevents.1")).unwrap();
    let before = contents(&other);
    SummaryWriter::resume(&run, 5).unwrap().close().unwrap();
    assert_eq!(contents(&other), before);
    assert_eq!(steps(&run, "loss"), [[0, 1, 2, 3, 4], [0, 1, 2, 3, 4]].concat());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn what_an_interrupted_one_left_behind_is_removed() {
    let run = tempfile::tempdir().unwrap();
    write_run(run.path(), 0..10);
    let left = run.path().join("events.out.tf-events.0.123.convscope-unfinished");
    fs::write(&left, "half a file").unwrap();
    SummaryWriter::resume(run.path(), 20).unwrap().close().unwrap();
    assert!(!left.exists());
    assert_eq!(fs::read_dir(run.path()).unwrap().count(), 3, "two event files and the sub-run");
}

/// Files of a run, as tags and steps.
fn sessions() -> impl Strategy<Value = Vec<Vec<(u8, i64)>>> {
    prop::collection::vec(prop::collection::vec((0..4u8, -5..15i64), 0..30), 1..4)
}

#[test]
fn an_event_that_would_take_very_much_memory_is_refused() {
    let run = tempfile::tempdir().unwrap();
    write_run(run.path(), 0..10);
    // Empty values of two bytes each.
    let mut encoder = RecordEncoder::new();
    let values = [0x0a, 0].repeat(70_000);
    let mut event = vec![0x2a];
    prost::encoding::encode_varint(values.len() as u64, &mut event);
    encoder.push(&[event, values].concat());
    append(&event_files(run.path())[0], encoder.as_bytes());
    let before = contents(run.path());
    let error = SummaryWriter::resume(run.path(), 5).unwrap_err();
    let ErrorKind::Damaged { source, .. } = error.kind() else { panic!("{error}") };
    assert!(matches!(source.kind(), ErrorKind::EventParts { parts: 1_120_000, .. }), "{error}");
    assert_eq!(contents(run.path()), before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the order of tags and steps: the values before the step stay, in order, and each tag has its metadata
    /// in every file that holds it.
    #[test]
    fn keeps_what_is_before_the_step(sessions in sessions(), from in -6..16i64) {
        let run = tempfile::tempdir().unwrap();
        let mut expected = Vec::new();
        for samples in &sessions {
            let samples: Vec<Sample> = samples.iter().map(|(tag, step)| Sample {
                tag: Tag::new(format!("tag {tag}")).unwrap(),
                step: Step::new(*step),
                wall_time: WallTime::new(1e9).unwrap(),
                summary: Summary::scalar(*step as f64),
            }).collect();
            let mut file = EventFileWriter::create(run.path(), &EventFileOptions::default()).unwrap();
            file.append(&samples).unwrap();
            let mut in_file = BTreeSet::new();
            for sample in samples.iter().filter(|sample| sample.step.get() < from) {
                let tag = sample.tag.as_str().to_owned();
                expected.push((tag.clone(), sample.step.get(), in_file.insert(tag)));
            }
        }
        SummaryWriter::resume(run.path(), from).unwrap().close().unwrap();
        prop_assert_eq!(values(run.path()), expected);
        // Doing it again changes nothing.
        let before = contents(run.path());
        SummaryWriter::resume(run.path(), from).unwrap().close().unwrap();
        let mut after = contents(run.path());
        after.pop_last();
        prop_assert_eq!(after, before);
    }
}
