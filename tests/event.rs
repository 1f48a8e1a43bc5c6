//! Event files: what is written is read, by resuming too, and damage is told.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    fs::{self, OpenOptions},
    io::{Read as _, Write as _},
    path::Path,
};

use convscope::{
    ErrorKind, Step, Summary, Tag, WallTime,
    event::{EventFileOptions, EventFileReader, EventFileWriter, Sample},
    proto::{Event, event::What, summary::value::Value},
    record::{RecordEncoder, RecordErrorKind},
};

fn sample(tag: &str, step: i64) -> Sample {
    Sample {
        tag: Tag::new(tag).unwrap(),
        step: Step::new(step),
        wall_time: WallTime::new(1e9 + step as f64).unwrap(),
        summary: Summary::scalar(step as f64),
    }
}

/// A file of TensorFlow: its first event and one scalar, as they were on disk.
const TENSORFLOW: &[u8] =
    b"\x18\x00\x00\x00\x00\x00\x00\x00\xa3\x7fK\"\t\x00\x00\x808\x99\xd6\xd7A\x1a\rbrain.Event:2\x12K6\xab";

#[test]
fn a_file_of_tensorflow_is_read() {
    let events: Vec<Event> = EventFileReader::new(TENSORFLOW).map(|event| event.unwrap()).collect();
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].what, Some(What::FileVersion("brain.Event:2".into())));
    assert_eq!(events[0].wall_time, 1_599_759_586.0);
}

#[test]
fn samples_come_back() {
    let run = tempfile::tempdir().unwrap();
    let mut file = EventFileWriter::create(run.path(), &EventFileOptions::default()).unwrap();
    file.append(&[sample("a", 1), sample("b", 1)]).unwrap();
    file.append(&[]).unwrap();
    file.append(&[sample("a", -2)]).unwrap();
    file.sync().unwrap();
    let events: Vec<Event> =
        EventFileReader::open(file.path()).unwrap().map(|event| event.unwrap()).skip(2).collect();
    let found: Vec<_> = events
        .iter()
        .map(|event| {
            let Some(What::Summary(summary)) = &event.what else { panic!("{event:?}") };
            let [value] = &summary.value[..] else { panic!("{summary:?}") };
            let Some(Value::SimpleValue(number)) = value.value else { panic!("{value:?}") };
            (value.tag.as_str(), event.step, event.wall_time, number, value.metadata.is_some())
        })
        .collect();
    let expected =
        [("a", 1, 1e9 + 1.0, 1.0, true), ("b", 1, 1e9 + 1.0, 1.0, true), ("a", -2, 1e9 - 2.0, -2.0, false)];
    assert_eq!(found, expected);
}

#[test]
fn the_reader_follows_a_file_that_grows() {
    let run = tempfile::tempdir().unwrap();
    let mut whole = EventFileWriter::create(run.path(), &EventFileOptions::default()).unwrap();
    whole.append(&[sample("a", 1), sample("a", 2)]).unwrap();
    let mut bytes = Vec::new();
    fs::File::open(whole.path()).unwrap().read_to_end(&mut bytes).unwrap();
    let expected: Vec<Event> = EventFileReader::new(&bytes[..]).map(|event| event.unwrap()).collect();

    let path = run.path().join("growing.tfevents");
    fs::write(&path, "").unwrap();
    let mut reader = EventFileReader::open(&path).unwrap();
    let mut growing = OpenOptions::new().append(true).open(&path).unwrap();
    let mut found = Vec::new();
    for byte in bytes {
        growing.write_all(&[byte]).unwrap();
        // Each time it ends, torn or not: the iterator never goes on for ever.
        for event in reader.by_ref() {
            match event {
                Ok(event) => found.push(event),
                Err(error) => assert!(is(&error, |kind| matches!(kind, RecordErrorKind::Truncated { .. }))),
            }
        }
    }
    assert_eq!(found, expected);
    assert!(reader.next().is_none());
}

fn is(error: &convscope::Error, check: impl Fn(&RecordErrorKind) -> bool) -> bool {
    matches!(error.kind(), ErrorKind::Record(record) if check(&record.kind))
}

#[test]
fn damage_is_told_once_and_what_can_be_read_is_read() {
    let mut file = RecordEncoder::new();
    let version = b"\x1a\x0dbrain.Event:2";
    file.push(version);
    let data = file.len() + 12;
    file.push(version);
    file.push(b"\xff\xff\xff");
    let garbage = file.len() - 19;
    file.push(version);
    let length = file.len();
    file.push(version);
    file.push(version);
    let mut bytes = file.as_bytes().to_vec();
    bytes[data] ^= 1;
    bytes[length] ^= 1;

    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("damaged.tfevents");
    fs::write(&path, &bytes).unwrap();
    let found: Vec<Result<Event, convscope::Error>> = EventFileReader::open(&path).unwrap().collect();
    assert_eq!(found.len(), 5);
    assert!(found[0].is_ok() && found[3].is_ok());
    let errors: Vec<&convscope::Error> = found.iter().filter_map(|event| event.as_ref().err()).collect();
    assert!(is(errors[0], |kind| matches!(kind, RecordErrorKind::DataChecksum { .. })));
    let ErrorKind::Event { path: Some(named), offset, .. } = errors[1].kind() else {
        panic!("{}", errors[1])
    };
    assert_eq!((named.as_path(), *offset), (path.as_path(), garbage as u64));
    assert!(is(errors[2], |kind| matches!(kind, RecordErrorKind::LengthChecksum { .. })));
    for error in errors {
        assert!(error.to_string().starts_with(&path.display().to_string()), "{error}");
    }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn file_names_sort_in_the_order_of_their_making() {
    let run = tempfile::tempdir().unwrap();
    // A clock that was set back.
    let future = "events.out.tfevents.9000000000.zzz.1.0";
    fs::write(run.path().join(future), "").unwrap();
    let mut made = vec![future.to_owned()];
    for _ in 0..12 {
        let file = EventFileWriter::create(run.path(), &EventFileOptions::default()).unwrap();
        made.push(file.path().file_name().unwrap().to_string_lossy().into_owned());
    }
    assert_eq!(names(run.path()), made);
}

#[test]
fn options_are_used_and_checked() {
    let run = tempfile::tempdir().unwrap();
    let options = EventFileOptions { suffix: ".v2".into(), start: Some(Step::new(40)) };
    let file = EventFileWriter::create(run.path(), &options).unwrap();
    assert!(file.path().to_string_lossy().ends_with(".v2"));
    let start = EventFileReader::open(file.path()).unwrap().nth(1).unwrap().unwrap();
    assert_eq!(start.step, 40);
    let bad = EventFileOptions { suffix: "a/b".into(), ..Default::default() };
    let error = EventFileWriter::create(run.path(), &bad).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Invalid { .. }), "{error}");
}

#[test]
fn an_event_of_very_many_values_is_refused_and_skipped() {
    // A summary of a million empty values: two megabytes, which would take four hundred in memory.
    let values = b"\x0a\x00".repeat(1 << 20);
    let mut event = vec![0x2a];
    prost::encoding::encode_varint(values.len() as u64, &mut event);
    event.extend(values);
    let mut file = RecordEncoder::new();
    file.push(&event);
    file.push(b"\x10\x07");
    let mut events = EventFileReader::new(file.as_bytes());
    let error = events.next().unwrap().unwrap_err();
    let ErrorKind::EventParts { offset: 0, parts, limit, .. } = error.kind() else { panic!("{error}") };
    assert_eq!((*parts, *limit), (16 << 20, 1 << 20));
    assert_eq!(events.next().unwrap().unwrap().step, 7);
    assert!(events.next().is_none());
}
