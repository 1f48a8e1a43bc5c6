//! Repair and merge: what is whole is saved, and nothing else is touched.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use convscope::{
    SummaryWriter,
    event::EventFileReader,
    logdir::{
        Limits as LogLimits, LogDir, Run,
        lint::verify,
        merge::{Overlap, merge, merge_with},
        repair::{MAX_LISTED, Repaired, repair, repair_with},
    },
    proto::{
        Event, SessionLog, Summary, SummaryMetadata,
        event::What,
        session_log::SessionStatus,
        summary::{self, value::Value},
        summary_metadata::PluginData,
    },
    record::{Limits, MaskedCrc, RecordEncoder},
};
use prost::Message as _;

/// A file of a version and a few scalars, and where each of its records begins.
fn file(count: i64) -> (Vec<u8>, Vec<usize>) {
    let mut encoder = RecordEncoder::new();
    let mut offsets = Vec::new();
    for step in 0..count {
        offsets.push(encoder.len());
        encoder.push(&event(step, 1.5e9 + step as f64).encode_to_vec());
    }
    (encoder.as_bytes().to_vec(), offsets)
}

fn event(step: i64, wall_time: f64) -> Event {
    let what = if step == 0 {
        What::FileVersion("brain.Event:2".into())
    } else {
        let tag = format!("tag/{}", "x".repeat(step as usize % 7));
        let value =
            summary::Value { tag, value: Some(Value::SimpleValue(step as f32)), ..Default::default() };
        What::Summary(Summary { value: vec![value] })
    };
    Event { wall_time, step, what: Some(what), ..Default::default() }
}

/// Repairs `bytes`; the steps that were saved.
fn saved(bytes: &[u8]) -> (Vec<i64>, Repaired) {
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("a.tfevents"), folder.path().join("b.tfevents"));
    fs::write(&source, bytes).unwrap();
    let repaired = repair(&source, &target).unwrap().remove(0);
    assert_eq!(fs::read(&source).unwrap(), bytes, "the source was changed");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "something was left behind");
    let events: Vec<Event> = EventFileReader::open(&target).unwrap().map(Result::unwrap).collect();
    let added = usize::from(repaired.added_version);
    assert_eq!(events.len() as u64, repaired.events + added as u64);
    (events[added..].iter().map(|event| event.step).collect(), repaired)
}

#[test]
fn a_whole_file_is_copied_byte_by_byte() {
    let (bytes, _) = file(20);
    let (steps, repaired) = saved(&bytes);
    assert_eq!(steps, (0..20).collect::<Vec<i64>>());
    assert!(repaired.is_unchanged());
}

#[test]
fn of_a_file_cut_anywhere_the_whole_records_are_saved() {
    let (bytes, offsets) = file(6);
    for end in 0..bytes.len() {
        let whole = offsets.iter().skip(1).filter(|&&offset| offset <= end).count();
        let (steps, repaired) = saved(&bytes[..end]);
        assert_eq!(steps, (0..whole as i64).collect::<Vec<i64>>(), "cut at {end}");
        assert_eq!(repaired.lost_bytes as usize, end - offsets[whole]);
    }
}

#[test]
fn one_damaged_byte_costs_one_record_at_most() {
    let (bytes, offsets) = file(6);
    for at in 0..bytes.len() {
        let hit = offsets.iter().rposition(|&offset| offset <= at).unwrap();
        for bit in [0, 7] {
            let mut bytes = bytes.clone();
            bytes[at] ^= 1 << bit;
            let (steps, repaired) = saved(&bytes);
            if at < offsets[hit] + 12 {
                // The checksum of the data proves a record whose length, or the checksum of that, is damaged.
                assert_eq!(steps, [0, 1, 2, 3, 4, 5], "bit {bit} of byte {at}");
                assert_eq!((repaired.mended_lengths, repaired.places, repaired.lost_bytes), (1, 0, 0));
                assert!(!repaired.is_unchanged());
                continue;
            }
            let expected: Vec<i64> = (0..6).filter(|&step| step != hit as i64).collect();
            assert_eq!(steps, expected, "bit {bit} of byte {at}");
            assert_eq!((repaired.damage.len(), repaired.places), (1, 1));
            assert_eq!(repaired.damage[0].offset as usize, offsets[hit]);
            let next = offsets.get(hit + 1).copied().unwrap_or(bytes.len());
            assert_eq!(repaired.damage[0].bytes as usize, next - offsets[hit]);
            assert_eq!(repaired.added_version, hit == 0);
        }
    }
}

#[test]
fn a_length_that_is_too_long_does_not_take_the_records_after_it_along() {
    let (bytes, offsets) = file(6);
    for length in [1u64 << 40, u64::MAX, 1 << 20, 300 << 20] {
        let mut header = length.to_le_bytes().to_vec();
        header.extend(MaskedCrc::compute(&header).to_le_bytes());
        let (before, after) = bytes.split_at(offsets[3]);
        let (steps, repaired) = saved(&[before, &header, after].concat());
        assert_eq!(steps, [0, 1, 2, 3, 4, 5], "length {length}");
        assert_eq!((repaired.places, repaired.lost_bytes), (1, 12));
        // In the place of the length of record 3, whose data is sound.
        let (steps, repaired) = saved(&[before, &header, &after[12..]].concat());
        assert_eq!(steps, [0, 1, 2, 3, 4, 5], "length {length}");
        assert_eq!((repaired.places, repaired.mended_lengths), (0, 1));
    }
}

#[test]
fn records_over_the_limit_are_passed_over() {
    let (bytes, offsets) = file(6);
    let mut encoder = RecordEncoder::new();
    encoder.push(&[7; 5000]);
    let with = [&bytes[..offsets[2]], encoder.as_bytes(), &bytes[offsets[2]..]].concat();
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("a.tfevents"), folder.path().join("b.tfevents"));
    fs::write(&source, with).unwrap();
    let limits = Limits { max_record_bytes: 1000 };
    let repaired = repair_with(&source, &target, limits, &mut |_| Ok(())).unwrap().remove(0);
    assert_eq!((repaired.events, repaired.places, repaired.lost_bytes), (6, 1, 5016));
    assert_eq!(fs::read(&target).unwrap(), bytes);
}

#[test]
fn very_many_damaged_places_are_counted_and_the_first_listed() {
    let (bytes, offsets) = file(3000);
    let mut damaged = bytes.clone();
    offsets[1..].iter().for_each(|&offset| damaged[offset + 12] ^= 1);
    let (steps, repaired) = saved(&damaged);
    assert_eq!(steps, [0]);
    assert_eq!((repaired.damage.len(), repaired.places), (MAX_LISTED, 2999));
    assert_eq!(repaired.lost_bytes as usize, bytes.len() - offsets[1]);
    assert_eq!(repaired.damage[1].offset as usize, offsets[2]);
}

#[test]
fn zeros_a_torn_record_and_garbage_in_the_middle_are_passed_over() {
    let (bytes, offsets) = file(6);
    let middle = offsets[3];
    let garbage: Vec<u8> = (0..5000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for between in
        [vec![0; 4096], bytes[middle..offsets[4] - 1].to_vec(), bytes[middle..middle + 12].to_vec(), garbage]
    {
        let with = [&bytes[..middle], &between, &bytes[middle..]].concat();
        let (steps, repaired) = saved(&with);
        assert_eq!(steps, [0, 1, 2, 3, 4, 5]);
        assert_eq!(repaired.lost_bytes as usize, between.len());
    }
}

#[test]
fn a_record_that_was_overwritten_does_not_take_the_ones_after_it_along() {
    // A process died inside record 2, and another appended to the same file: the length of record 2 reaches into it.
    let (bytes, offsets) = file(6);
    let torn = [&bytes[..offsets[3] - 6], &bytes[offsets[3]..]].concat();
    assert_eq!(saved(&torn).0, [0, 1, 3, 4, 5]);
}

#[test]
fn events_without_a_time_get_that_of_the_one_before() {
    let mut encoder = RecordEncoder::new();
    for (step, wall_time) in [(0, 100.0), (1, 101.0), (2, f64::NAN), (3, f64::INFINITY), (4, 104.0)] {
        encoder.push(&event(step, wall_time).encode_to_vec());
    }
    encoder.push(b"\xff\xff\xff"); // no event
    let folder = tempfile::tempdir().unwrap();
    let (source, target) = (folder.path().join("a.tfevents"), folder.path().join("b.tfevents"));
    fs::write(&source, encoder.as_bytes()).unwrap();
    let repaired = repair(&source, &target).unwrap().remove(0);
    assert_eq!((repaired.events, repaired.mended_times, repaired.damage.len()), (5, 2, 1));
    let times: Vec<f64> =
        EventFileReader::open(&target).unwrap().map(|event| event.unwrap().wall_time).collect();
    assert_eq!(times, [100.0, 101.0, 101.0, 101.0, 104.0]);
}

#[test]
fn a_tag_is_known_by_its_name_though_its_first_record_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let writer = SummaryWriter::open(&run).unwrap();
    for step in 0..3 {
        writer.add_text("notes", &format!("the text of step {step}"), step).unwrap();
    }
    writer.close().unwrap();
    let file = fs::read_dir(&run).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&file).unwrap();
    let first = bytes.windows(8).position(|bytes| bytes == b"the text").unwrap();
    bytes[first] = b'T';
    fs::write(&file, &bytes).unwrap();

    let new = dir.path().join("new");
    let repaired = repair(&run, &new).unwrap().remove(0);
    assert_eq!((repaired.events, repaired.damage.len(), repaired.rescued_tags), (4, 1, 1));
    assert_eq!(verify(&new).unwrap().findings, []);
    let logs = LogDir::open(&new).unwrap();
    let texts = logs.run(".").unwrap().texts("notes").unwrap();
    let texts: Vec<String> = texts.map(|text| text.unwrap().value.strings.concat()).collect();
    assert_eq!(texts, ["the text of step 1", "the text of step 2"]);
}

#[test]
fn folders_are_mirrored_and_nothing_is_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let logs = folder.path().join("logs");
    let writer = SummaryWriter::open(logs.join("run")).unwrap();
    writer.add_scalar("loss", 1.0, 1).unwrap();
    writer.sub_run("train").unwrap().add_scalar("loss", 2.0, 1).unwrap();
    writer.close().unwrap();
    fs::write(logs.join("run/model.toml"), "x").unwrap();

    let target = folder.path().join("new");
    assert_eq!(repair(&logs, &target).unwrap().len(), 2);
    let read = LogDir::open(&target).unwrap();
    let names: Vec<&str> = read.runs().iter().map(Run::name).collect();
    assert_eq!(names, ["run", "run/train"]);
    assert!(!target.join("run/model.toml").exists());

    for bad in [&target, &logs, &logs.join("below")] {
        let error = repair(&logs, bad).unwrap_err().to_string();
        assert!(error.starts_with(bad.to_str().unwrap()), "{error}");
    }
    let file = fs::read_dir(target.join("run/train")).unwrap().next().unwrap().unwrap().path();
    assert!(repair(logs.join("nowhere"), folder.path().join("x")).is_err());
    let before = fs::read(&file).unwrap();
    assert!(repair(&file, &file).is_err());
    assert_eq!(fs::read(&file).unwrap(), before);
}

/// A run with a scalar at each of these steps.
fn run(folder: &Path, tag: &str, wall_time: f64, start: Option<i64>, steps: &[i64]) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    let mut encoder = RecordEncoder::new();
    let mut push = |step, what| {
        encoder.push(
            &Event { wall_time: wall_time + step as f64, step, what: Some(what), ..Default::default() }
                .encode_to_vec(),
        );
    };
    push(0, What::FileVersion("brain.Event:2".into()));
    if let Some(start) = start {
        push(
            start,
            What::SessionLog(SessionLog { status: SessionStatus::Start as i32, ..Default::default() }),
        );
    }
    for (i, &step) in steps.iter().enumerate() {
        let metadata = (i == 0).then(|| SummaryMetadata {
            plugin_data: Some(PluginData { plugin_name: "scalars".into(), ..Default::default() }),
            display_name: format!("{tag} of {wall_time}"),
            data_class: 1,
            ..Default::default()
        });
        let number = (wall_time / 1000.0) as f32;
        let value = summary::Value {
            tag: tag.into(),
            metadata,
            value: Some(Value::SimpleValue(number)),
            ..Default::default()
        };
        push(step, What::Summary(Summary { value: vec![value] }));
    }
    let count = fs::read_dir(folder).unwrap().count();
    let path = folder.join(format!("events.out.tfevents.{count:010}"));
    fs::write(&path, encoder.as_bytes()).unwrap();
    path
}

/// Steps and thousands of seconds of a tag.
fn curve(folder: &Path, tag: &str) -> Vec<(i64, f64)> {
    let logs = LogDir::open(folder).unwrap();
    let points = logs.run(".").unwrap().scalars(tag).unwrap();
    points.iter().map(|point| (point.step.get(), point.value)).collect()
}

#[test]
fn a_later_run_goes_on_where_it_begins() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let late = run(&at("late"), "loss", 2e9, Some(0), &[2, 4]);
    run(&at("early"), "loss", 1e9, Some(0), &[0, 1, 2, 3, 4, 5]);
    run(&at("early"), "other", 1.5e9, Some(i64::MAX), &[7, 5, 6]);
    // The order in which they are given does not matter.
    let merged = merge(&[late, at("early")], at("new"), Overlap::Restart).unwrap();
    assert_eq!((merged.len(), merged[0].values, merged[0].replaced), (1, 7, 4));
    assert_eq!(curve(&at("new"), "loss"), [(0, 1e6), (1, 1e6), (2, 2e6), (4, 2e6)]);
    assert_eq!(curve(&at("new"), "other"), [(5, 1.5e6), (6, 1.5e6), (7, 1.5e6)]);
    assert_eq!(verify(at("new")).unwrap().findings, []);
    let read = LogDir::open(at("new")).unwrap();
    let tags = read.run(".").unwrap().tags();
    let names: Vec<&str> = tags.iter().map(|tag| tag.display_name.as_str()).collect();
    assert_eq!(names, ["loss of 1000000000", "other of 1500000000"]);
}

#[test]
fn parts_of_one_run_keep_all_their_steps() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    run(&at("a"), "loss", 1e9, Some(0), &[1, 3, 5]);
    run(&at("b"), "loss", 2e9, Some(0), &[0, 3, 4]);
    let merged = merge(&[at("a"), at("b")], at("new"), Overlap::All).unwrap();
    assert_eq!((merged[0].values, merged[0].replaced), (5, 1));
    assert_eq!(curve(&at("new"), "loss"), [(0, 2e6), (1, 1e6), (3, 2e6), (4, 2e6), (5, 1e6)]);
    assert_eq!(verify(at("new")).unwrap().findings, []);
}

#[test]
fn starts_within_a_source_make_all_its_tags_begin_again() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    run(&at("a"), "loss", 1e9, Some(0), &[1, 2, 3]);
    run(&at("a"), "stale", 1.1e9, Some(i64::MAX), &[1, 2, 3]);
    run(&at("a"), "loss", 1.2e9, Some(2), &[3]);
    run(&at("b"), "elsewhere", 1.05e9, Some(0), &[1, 2, 3]);
    merge(&[at("a"), at("b")], at("new"), Overlap::Restart).unwrap();
    let steps = |tag| curve(&at("new"), tag).into_iter().map(|(step, _)| step).collect::<Vec<i64>>();
    assert_eq!(steps("loss"), [1, 3]);
    assert_eq!(steps("stale"), [1]);
    assert_eq!(steps("elsewhere"), [1, 2, 3], "a start is about its own source");
}

#[test]
fn every_kind_of_value_and_sub_runs_come_through_a_merge() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    for (name, steps) in [("a", 0..3), ("b", 3..5)] {
        let writer = SummaryWriter::open(at(name)).unwrap();
        for step in steps {
            writer.add_histogram("weights", &[0.5f32, 1.0, step as f32], step).unwrap();
            writer.add_text("notes", &format!("step {step}"), step).unwrap();
            writer.sub_run("train").unwrap().add_scalar("loss", step as f64, step).unwrap();
        }
        writer.close().unwrap();
    }
    let merged = merge(&[at("a"), at("b")], at("new"), Overlap::Restart).unwrap();
    let runs: Vec<(&str, u64)> = merged.iter().map(|run| (run.run.as_str(), run.values)).collect();
    assert_eq!(runs, [(".", 10), ("train", 5)]);
    assert_eq!(verify(at("new")).unwrap().findings, []);
    let logs = LogDir::open(at("new")).unwrap();
    let texts: Vec<String> = logs
        .run(".")
        .unwrap()
        .texts("notes")
        .unwrap()
        .map(|text| text.unwrap().value.as_markdown().unwrap().to_owned())
        .collect();
    assert_eq!(texts, ["step 0", "step 1", "step 2", "step 3", "step 4"]);
    let error = merge(&[at("a")], at("new"), Overlap::Restart).unwrap_err().to_string();
    assert!(error.starts_with(at("new").to_str().unwrap()), "{error}");
    assert!(merge(&[at("nowhere")], at("c"), Overlap::All).is_err());
}

#[test]
fn nothing_is_merged_into_a_folder_with_something_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("d");
    let sources = [run(&folder, "loss", 1e9, None, &[1]), run(&folder, "loss", 2e9, None, &[2])];
    let error = merge(&sources, &folder, Overlap::All).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "{}: there is something in it, and nothing is overwritten: give a new folder",
            folder.display()
        )
    );
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    let empty = dir.path().join("empty");
    fs::create_dir(&empty).unwrap();
    assert_eq!(merge(&sources, &empty, Overlap::All).unwrap()[0].values, 2);
}

#[test]
fn a_tag_of_two_kinds_is_not_merged() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let a = run(&at("a"), "same", 1e9, None, &[1]);
    let writer = SummaryWriter::open(at("b")).unwrap();
    writer.add_text("same", "words", 2).unwrap();
    writer.add_text("other", "words", 2).unwrap();
    writer.close().unwrap();
    let b = fs::read_dir(at("b")).unwrap().next().unwrap().unwrap().path();
    let error = merge(&[&a, &b], at("new"), Overlap::All).unwrap_err().to_string();
    let expected = format!(
        "tag `same`: it holds values of the plugin `scalars` (numbers) in {}, and values of the plugin `text` (tensors) in {}: \
         TensorBoard shows one kind for a tag. Leave one of the files out",
        a.display(),
        b.display()
    );
    assert_eq!(error, expected);
    assert!(!at("new").exists());
    // Old files name no plugin, but their values do.
    let mut encoder = RecordEncoder::new();
    let value = |tag: &str| summary::Value {
        tag: tag.into(),
        value: Some(Value::SimpleValue(5.0)),
        ..Default::default()
    };
    let what = What::Summary(Summary { value: vec![value("same"), value("other")] });
    encoder.push(&Event { wall_time: 3e9, step: 3, what: Some(what), ..Default::default() }.encode_to_vec());
    let old = at("old.tfevents");
    fs::write(&old, encoder.as_bytes()).unwrap();
    assert_eq!(merge(&[&a, &old], at("both"), Overlap::All).unwrap()[0].values, 3);
    let error = merge(&[&old, &b], at("new"), Overlap::All).unwrap_err().to_string();
    assert!(error.contains("`scalars` in") && error.contains("`text` (tensors) in"), "{error}");
}

#[test]
fn a_merge_takes_no_more_memory_than_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    run(&at("a"), "loss", 1e9, None, &[1, 2, 3]);
    run(&at("b"), "error", 2e9, None, &[4, 5, 6]);
    let sources = [at("a"), at("b")];
    let with = |limits| {
        let sources = [sources[0].as_path(), &sources[1]];
        merge_with(&sources, &at("new"), Overlap::All, limits, &mut |_| Ok(()))
            .map_err(|error| error.to_string())
    };
    let limits = LogLimits::default();
    let cases = [
        (LogLimits { max_values: 5, ..limits }, "5 values"),
        (LogLimits { max_tags: 0, ..limits }, "0 tags in a source"),
        (LogLimits { max_tag_bytes: 4, ..limits }, "4 bytes in a tag"),
        (LogLimits { max_metadata_bytes: 300, ..limits }, "300 bytes of tags and metadata"),
        (LogLimits { max_files: 1, ..limits }, "1 files"),
    ];
    for (limits, what) in cases {
        let error = with(limits).unwrap_err();
        assert!(error.starts_with(&format!("run `.`: its sources have more than {what}: ")), "{error}");
        assert!(!at("new").exists());
    }
    assert_eq!(
        with(LogLimits { max_values: 6, max_tags: 1, max_tag_bytes: 5, ..limits }).unwrap()[0].values,
        6
    );
}
