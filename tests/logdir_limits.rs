//! What a log folder may make its reader hold is bounded, and what is left out is told.

#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code)]
#[path = "support/events.rs"]
mod events;

use std::{fs, path::Path};

use convscope::{
    logdir::{Limits, LogDir, LogDirOptions, Problem, ProblemKind, Run},
    proto::{DataType, GraphDef, NodeDef, TensorProto, TensorShapeProto, tensor_shape_proto::Dim},
    record::MaskedCrc,
};
use events::EventFile;
use prost::Message as _;

fn open(path: &Path, limits: Limits) -> LogDir {
    LogDir::open_with(path, LogDirOptions { limits, ..Default::default() }).unwrap()
}

/// The only problem there is.
fn problem(logs: &LogDir) -> Problem {
    let problems: Vec<&Problem> = logs.problems().collect();
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems[0].clone()
}

#[test]
fn values_and_tags() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = EventFile::new();
    for step in 0..10 {
        file.scalar("a", step, 0.5);
        file.scalar(&format!("t{step}"), step, 0.5);
    }
    events::write(folder.path(), "run", &[file.bytes()]);
    let count = |limits| {
        let logs = open(folder.path(), limits);
        let problem = problem(&logs);
        assert_eq!(problem.kind, ProblemKind::Limit);
        let run = logs.run("run").unwrap();
        (run.files()[0].values(), run.tags().len(), problem.message)
    };
    let (values, _, message) = count(Limits { max_values: 7, ..Limits::default() });
    assert_eq!(values, 7);
    assert!(message.starts_with("there are more than 7 values in the log folder;"), "{message}");
    assert!(message.contains("`Limits::max_values`"), "{message}");
    let (_, tags, message) = count(Limits { max_tags: 3, ..Limits::default() });
    assert_eq!(tags, 3);
    assert!(message.starts_with("there are more than 3 tags in the file;"), "{message}");
    let (values, _, message) = count(Limits { max_metadata_bytes: 1000, ..Limits::default() });
    assert!(values < 20);
    assert!(message.contains("1000 bytes of tags and metadata"), "{message}");
}

#[test]
fn a_file_at_its_limit_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = EventFile::new();
    (0..10).for_each(|step| file.scalar("a", step, 0.5));
    events::write(folder.path(), "run", &[file.bytes()]);
    let mut logs = open(folder.path(), Limits { max_values: 4, ..Limits::default() });
    file.scalar("a", 10, 0.5);
    events::write(folder.path(), "run", &[file.bytes()]);
    logs.refresh().unwrap();
    assert_eq!(logs.run("run").unwrap().scalars("a").unwrap().len(), 4);
    assert_eq!(problem(&logs).kind, ProblemKind::Limit);
    // Another file in its place makes room.
    let mut small = EventFile::new();
    small.scalar("b", 0, 1.0);
    events::write(folder.path(), "run", &[small.bytes()]);
    assert_eq!(logs.refresh().unwrap().files_replaced, 1);
    assert_eq!(logs.problems().count(), 0);
    assert_eq!(logs.run("run").unwrap().tags().len(), 1);
}

#[test]
fn runs_and_files() {
    let folder = tempfile::tempdir().unwrap();
    for run in ["a", "b", "c"] {
        events::write(folder.path(), run, &[EventFile::new().bytes(), EventFile::new().bytes()]);
    }
    let logs = open(folder.path(), Limits { max_runs: 2, ..Limits::default() });
    assert_eq!(logs.runs().iter().map(Run::name).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(problem(&logs).kind, ProblemKind::Limit);
    let logs = open(folder.path(), Limits { max_files: 3, ..Limits::default() });
    assert_eq!(logs.runs().iter().map(|run| run.files().len()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(problem(&logs).kind, ProblemKind::Limit);
}

#[test]
fn a_claimed_length_allocates_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = EventFile::new();
    file.scalar("a", 0, 0.5);
    let mut bytes = file.bytes();
    let offset = bytes.len() as u64;
    let length = (1_u64 << 60).to_le_bytes();
    bytes.extend(length);
    bytes.extend(MaskedCrc::compute(&length).0.to_le_bytes());
    events::write(folder.path(), "run", &[bytes]);
    let mut logs = open(folder.path(), Limits::default());
    for _ in 0..3 {
        let limits: Vec<_> = logs.problems().filter(|problem| problem.kind == ProblemKind::Limit).collect();
        assert_eq!(limits.len(), 1, "told once");
        assert_eq!(limits[0].offset, Some(offset));
        assert_eq!(logs.run("run").unwrap().scalars("a").unwrap().len(), 1);
        logs.refresh().unwrap();
    }
}

/// Two bytes in the file that would be a hundred in memory.
#[test]
fn many_small_parts_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let many = (1 << 20) + 1;
    let mut file = EventFile::new();
    let dim = Dim { size: many as i64, ..Default::default() };
    let texts = TensorProto {
        dtype: DataType::DtString as i32,
        tensor_shape: Some(TensorShapeProto { dim: vec![dim], ..Default::default() }),
        string_val: vec![Vec::new(); many],
        ..Default::default()
    };
    file.values(0, vec![events::tensor("text", "text", texts)]);
    file.graph(&GraphDef { node: vec![NodeDef::default(); many], ..Default::default() }.encode_to_vec());
    events::write(folder.path(), "run", &[file.bytes()]);
    let logs = open(folder.path(), Limits::default());
    let run = logs.run("run").unwrap();
    let error = run.texts("text").unwrap().next().unwrap().unwrap_err();
    assert!(error.to_string().contains("more than 1048576 texts or dimensions"), "{error}");
    let error = run.graph().unwrap_err();
    assert!(error.to_string().contains("1048577 nodes, at most 1048576"), "{error}");
}

#[test]
fn long_tags_and_records_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = EventFile::new();
    file.scalar(&"a".repeat(100), 0, 0.5);
    file.scalar("b", 0, 0.5);
    events::write(folder.path(), "run", &[file.bytes()]);
    let logs = open(folder.path(), Limits { max_tag_bytes: 99, ..Limits::default() });
    assert_eq!(problem(&logs).message, "a tag has 100 bytes, at most 99 are allowed");
    let logs = open(folder.path(), Limits { max_record_bytes: 99, ..Limits::default() });
    assert_eq!(problem(&logs).kind, ProblemKind::Limit);
    let run = logs.run("run").unwrap();
    assert_eq!(run.tags().iter().map(|info| info.tag.as_str()).collect::<Vec<_>>(), ["b"]);
}

#[test]
fn a_changed_file_is_told_when_a_value_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = EventFile::new();
    file.histogram("h", 0, 1.0);
    events::write(folder.path(), "run", &[file.bytes()]);
    let mut logs = open(folder.path(), Limits::default());
    let mut other = EventFile::new();
    other.scalar("a", 0, 1.0);
    events::write(folder.path(), "run", &[other.bytes()]);
    let error = logs.run("run").unwrap().histograms("h").unwrap().next().unwrap().unwrap_err();
    assert!(error.to_string().contains("it changed. Refresh the log folder"), "{error}");
    logs.refresh().unwrap();
    assert!(logs.run("run").unwrap().histograms("h").is_err());
    fs::remove_dir_all(folder.path().join("run")).unwrap();
    logs.refresh().unwrap();
    assert!(logs.runs().is_empty());
}

#[cfg(unix)]
#[test]
fn links_are_followed_but_not_in_circles() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = EventFile::new();
    file.scalar("a", 0, 0.5);
    events::write(folder.path(), "run", &[file.bytes()]);
    std::os::unix::fs::symlink(folder.path().join("run"), folder.path().join("same")).unwrap();
    std::os::unix::fs::symlink(folder.path(), folder.path().join("run/loop")).unwrap();
    let logs = open(folder.path(), Limits::default());
    assert_eq!(logs.runs().iter().map(Run::name).collect::<Vec<_>>(), ["run", "same"]);
    assert!(logs.problems().all(|problem| problem.kind == ProblemKind::Unreadable));
    assert!(logs.problems().count() > 0);
}

/// Two links in each of 30 folders to the next one: 2^30 names for the last.
#[cfg(unix)]
#[test]
fn links_do_not_multiply() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let level = |number: usize| folder.path().join(format!("elsewhere/{number:02}"));
    for number in 0..30 {
        fs::create_dir_all(level(number)).unwrap();
        for name in ["a", "b"] {
            symlink(level(number + 1), level(number).join(name)).unwrap();
        }
    }
    let mut file = EventFile::new();
    file.scalar("a", 1, 0.5);
    events::write(folder.path(), "elsewhere/30", &[file.bytes()]);
    events::write(folder.path(), "logs", &[file.bytes()]);
    symlink(level(0), folder.path().join("logs/links")).unwrap();
    let logs = open(&folder.path().join("logs"), Limits::default());
    assert!(logs.run(".").is_ok());
    assert!((2..=17).contains(&logs.runs().len()), "{}", logs.runs().len());
    let problems: Vec<&Problem> = logs.problems().collect();
    assert!(!problems.is_empty() && problems.len() <= 100);
    assert!(
        problems.iter().all(|problem| problem.kind == ProblemKind::Limit
            && problem.message.contains("under more than 16 names"))
    );
}

/// A pipe that nobody writes to, a link to one, a device that never ends.
#[cfg(unix)]
#[test]
fn only_regular_files_are_read() {
    use std::os::unix::fs::symlink;
    let folder = tempfile::tempdir().unwrap();
    let mut file = EventFile::new();
    file.scalar("a", 1, 0.5);
    events::write(folder.path(), "run", &[file.bytes()]);
    let run = folder.path().join("run");
    let pipe = run.join("pipe.tfevents");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    symlink(&pipe, run.join("link.tfevents")).unwrap();
    symlink("/dev/zero", run.join("zero.tfevents")).unwrap();
    let mut logs = open(folder.path(), Limits::default());
    assert_eq!(logs.run("run").unwrap().files().len(), 1);
    assert_eq!(logs.problems().count(), 0);
    // One that takes the place of a file that was read.
    let known = logs.run("run").unwrap().files()[0].path().to_owned();
    fs::rename(&pipe, &known).unwrap();
    logs.refresh().unwrap();
    assert!(logs.runs().is_empty());
    assert!(open(&known, Limits::default()).runs().is_empty());
}
