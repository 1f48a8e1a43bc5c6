//! The writer against a real operating system that refuses things, and what it warns of.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::Duration,
};

use convscope::{
    ErrorKind, HParams, SummaryWriter,
    event::EventFileReader,
    proto::{event::What, summary::value::Value},
    summary::{Category, Chart, ConceptualGraph, ConceptualLayer, Graph, GraphNode, Layout},
};

fn scalars(dir: &Path) -> Vec<(i64, f32)> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().contains("tfevents"));
    files.sort();
    let mut found = Vec::new();
    for event in files.iter().flat_map(|file| EventFileReader::open(file).unwrap()) {
        let event = event.unwrap();
        if let Some(What::Summary(summary)) = event.what
            && let Some(Value::SimpleValue(value)) = summary.value[0].value
        {
            found.push((event.step, value));
        }
    }
    found
}

/// The error must be the operating system's, on a path below `path`.
fn assert_io_below(error: &convscope::Error, path: &Path) {
    match error.kind() {
        ErrorKind::Io { path: found, .. } => assert!(found.starts_with(path), "{}", found.display()),
        _ => panic!("{error}"),
    }
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    assert!(std::error::Error::source(error).is_some());
}

#[test]
fn a_folder_that_cannot_be_made_shows_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "in the way").unwrap();
    assert_io_below(&SummaryWriter::create(&file).unwrap_err(), &file);
    assert_io_below(&SummaryWriter::open(file.join("run")).unwrap_err(), &file);
    assert_eq!(fs::read(&file).unwrap(), b"in the way");
}

#[cfg(target_os = "linux")]
#[test]
fn a_folder_that_nobody_may_write_shows_at_once() {
    let logs = Path::new("/proc/convscope");
    assert_io_below(&SummaryWriter::create(logs).unwrap_err(), logs);
}

#[test]
fn a_sub_run_gets_its_values_once_the_way_is_free() {
    let run = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(run.path()).unwrap();
    let train = writer.sub_run("train").unwrap();
    fs::write(train.path(), "in the way").unwrap();
    train.add_scalar("loss", 1.0, 1).unwrap();
    writer.add_scalar("loss", 2.0, 1).unwrap();
    assert_io_below(&writer.flush().unwrap_err(), train.path());
    // The other runs do not suffer.
    assert_eq!(scalars(run.path()), [(1, 2.0)]);
    fs::remove_file(train.path()).unwrap();
    writer.flush().unwrap();
    assert_eq!(scalars(train.path()), [(1, 1.0)]);
    writer.close().unwrap();
}

#[cfg(unix)]
#[test]
fn a_vanished_folder_is_told_and_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("logs/run");
    let writer = SummaryWriter::open(&run).unwrap();
    writer.add_scalar("loss", 1.0, 1).unwrap();
    writer.flush().unwrap();
    fs::remove_dir_all(dir.path().join("logs")).unwrap();
    writer.add_scalar("loss", 2.0, 2).unwrap();
    let error = writer.flush().unwrap_err();
    assert_io_below(&error, &run);
    assert!(error.to_string().contains("removed"), "{error}");
    // What came after is there, with metadata; the error was told once.
    writer.add_scalar("loss", 3.0, 3).unwrap();
    writer.flush().unwrap();
    assert_eq!(scalars(&run), [(2, 2.0), (3, 3.0)]);
    let file = fs::read_dir(&run).unwrap().next().unwrap().unwrap().path();
    let first_value = EventFileReader::open(file).unwrap().find_map(|event| match event.unwrap().what {
        Some(What::Summary(summary)) => Some(summary.value[0].clone()),
        _ => None,
    });
    assert!(first_value.unwrap().metadata.is_some());
    let error = writer.close().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Dropped { count: 1, .. }), "{error}");
}

#[cfg(unix)]
#[test]
fn a_replaced_file_is_noticed() {
    let run = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(run.path()).unwrap();
    let file = fs::read_dir(run.path()).unwrap().next().unwrap().unwrap().path();
    fs::rename(&file, run.path().join("moved")).unwrap();
    fs::write(&file, "").unwrap();
    writer.add_scalar("loss", 1.0, 1).unwrap();
    assert_io_below(&writer.flush().unwrap_err(), &file);
    writer.close().unwrap();
    fs::remove_file(run.path().join("moved")).unwrap();
    assert_eq!(scalars(run.path()), [(1, 1.0)]);
}

/// Without a sound disk the writer must say so as well: a limit on the size of files stands for a full disk. The limit
/// is set by a shell for a second run of this program, which does what follows.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_grow_ends_with_a_whole_record() {
    const RUN: &str = "CONVSCOPE_TEST_RUN";
    if let Some(run) = env::var_os(RUN) {
        return write_until_full(Path::new(&run));
    }
    let run = tempfile::tempdir().unwrap();
    let script =
        "trap '' XFSZ; ulimit -f 8; exec \"$0\" --exact a_file_that_cannot_grow_ends_with_a_whole_record";
    let output = std::process::Command::new("sh")
        .args(["-c", script])
        .arg(env::current_exe().unwrap())
        .env(RUN, run.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    let found = scalars(run.path()); // no torn record, or this panics
    assert!(found.len() > 50, "{}", found.len());
    assert_eq!(found, (0..found.len() as i64).map(|step| (step, step as f32)).collect::<Vec<_>>());
}

#[cfg(target_os = "linux")]
fn write_until_full(run: &Path) {
    let writer = SummaryWriter::builder().flush_interval(Duration::from_secs(1000)).open(run).unwrap();
    for step in 0..1000 {
        writer.add_scalar("loss", step as f64, step).unwrap();
    }
    assert_io_below(&writer.flush().unwrap_err(), run);
    let error = writer.close().unwrap_err();
    let ErrorKind::Dropped { count, cause, .. } = error.kind() else { panic!("{error}") };
    assert_eq!(*count, 1000 - scalars(run).len() as u64);
    assert!(cause.contains("File too large"), "{cause}");
}

#[test]
fn steps_that_do_not_increase_are_warned_of_once_per_tag_and_run() {
    let run = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(run.path()).unwrap();
    let log = Log::default();
    tracing::subscriber::with_default(log.clone(), || {
        for step in [1, 2, 5, 3, 1, 4] {
            writer.add_scalar("back", 0.0, step).unwrap();
        }
        for step in [7, 7, 7] {
            writer.sub_run("train").unwrap().add_scalar("back", 0.0, step).unwrap();
        }
        for step in [-3, 0, 9] {
            writer.add_scalar("fine", 0.0, step).unwrap();
        }
    });
    let warnings = log.lines.lock().unwrap().clone();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    let drops = "tag `back`: step 3 follows step 5; TensorBoard drops every value of this tag from step 3 on";
    assert!(warnings[0].starts_with(drops), "{}", warnings[0]);
    let last =
        "tag `back` of run `train`: step 7 was given twice; TensorBoard shows only the last value of a step";
    assert!(warnings[1].starts_with(last), "{}", warnings[1]);
    writer.close().unwrap();
    assert_eq!(scalars(run.path()).len(), 9, "everything is written all the same");
}

#[test]
fn what_is_said_of_the_whole_run_needs_no_steps() {
    let run = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(run.path()).unwrap();
    let log = Log::default();
    let graph = Graph::new(vec![GraphNode::new("input", "Placeholder")]).unwrap();
    let layers = ConceptualGraph::sequential("net", vec![ConceptualLayer::new("a", "Dense")]).unwrap();
    let layout = Layout::new(vec![Category::new("all", vec![Chart::tags("losses", ["loss"])])]).unwrap();
    tracing::subscriber::with_default(log.clone(), || {
        for _ in 0..2 {
            writer.add_graph(&graph).unwrap();
            writer.add_conceptual_graph("keras", &layers).unwrap();
            writer.add_custom_scalars(&layout).unwrap();
            writer.add_hparams(&HParams::new().with("rate", 0.1)).unwrap();
        }
        writer.add_text("note", "hello", 0).unwrap();
        assert!(log.lines.lock().unwrap().is_empty(), "{log:?}");
        writer.add_text("note", "hello", 0).unwrap();
        assert_eq!(log.lines.lock().unwrap().len(), 1, "{log:?}");
    });
    writer.close().unwrap();
}

/// Keeps the warnings of one thread.
#[derive(Debug, Clone, Default)]
struct Log {
    lines: Arc<Mutex<Vec<String>>>,
}

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Message(String);
        impl tracing::field::Visit for Message {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        self.lines.lock().unwrap().push(message.0);
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}
