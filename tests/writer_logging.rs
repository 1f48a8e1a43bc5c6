//! A program whose log messages go to the run that they are about.

#![allow(clippy::unwrap_used, clippy::panic)]
#![cfg(unix)]

use std::{
    fs,
    sync::{Mutex, OnceLock, mpsc},
    thread,
    time::Duration,
};

use convscope::{ErrorKind, SummaryWriter, event::EventFileReader, proto::event::What, writer::OnError};

/// Where warnings go.
static WRITER: OnceLock<SummaryWriter> = OnceLock::new();
/// What `flush` says in the subscriber.
static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

const QUEUE: usize = 4;
const VALUES: i64 = 50;

/// Logs every warning to the run, at more length than the queue has room for.
struct ToRun;

impl tracing::Subscriber for ToRun {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::WARN
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, _: &tracing::Event<'_>) {
        let Some(writer) = WRITER.get() else { return };
        for step in 0..VALUES {
            writer.add_scalar("warnings", 1.0, step).unwrap();
        }
        let mut said = SAID.lock().unwrap();
        said.push(writer.flush().unwrap_err().to_string());
        said.push(writer.clone().close().unwrap_err().to_string());
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

#[test]
fn a_warning_of_the_background_thread_can_be_logged_to_its_own_full_queue() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let builder = SummaryWriter::builder().max_queued_records(QUEUE).on_error(OnError::Warn);
    let writer = builder.open(&run).unwrap();
    writer.add_scalar("loss", 1.0, 0).unwrap();
    writer.flush().unwrap();
    tracing::subscriber::set_global_default(ToRun).unwrap();
    WRITER.set(writer.clone()).unwrap();
    fs::remove_dir_all(&run).unwrap();

    let (done, ended) = mpsc::channel();
    thread::spawn(move || {
        writer.add_scalar("loss", 1.0, 1).unwrap();
        // The background thread finds the folder removed, and warns.
        writer.flush().unwrap();
        while SAID.lock().unwrap().len() < 2 {
            thread::sleep(Duration::from_millis(5));
        }
        done.send(writer.close()).unwrap();
    });
    // Or it hangs.
    let closed = ended.recv_timeout(Duration::from_secs(60)).unwrap();
    let error = closed.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Dropped { count: 1, .. }), "{error}");
    assert!(SAID.lock().unwrap().iter().all(|text| text.contains("cannot wait for itself")));

    let file = fs::read_dir(&run).unwrap().next().unwrap().unwrap().path();
    let mut found = Vec::new();
    for event in EventFileReader::open(file).unwrap() {
        let event = event.unwrap();
        let Some(What::Summary(summary)) = event.what else { continue };
        found.extend((summary.value[0].tag == "warnings").then_some(event.step));
    }
    assert_eq!(found, (0..VALUES).collect::<Vec<_>>());
}
