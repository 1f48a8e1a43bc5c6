//! What goes wrong around a writer: permissions, clocks, other writers, and the program itself.

#![allow(clippy::unwrap_used, clippy::panic)]
#![cfg(unix)]

#[path = "support/system.rs"]
mod system;

use std::{
    fs,
    io::{BufRead as _, BufReader, ErrorKind as IoKind, Write as _},
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::Stdio,
    sync::Barrier,
    thread,
};

use convscope::{
    Error, ErrorKind, Image, Result, Step, SummaryWriter, WallTime, event::EventFileReader,
    proto::event::What,
};
use system::{again, event_files, output, read, second, steps};

fn allow(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn is_denied(error: &Error, below: &Path) -> bool {
    matches!(error.kind(), ErrorKind::Io { path, source, .. }
        if source.kind() == IoKind::PermissionDenied && path.starts_with(below))
}

/// Steps of the session starts in a folder's files.
fn starts(dir: &Path) -> Vec<i64> {
    let events = event_files(dir).into_iter().flat_map(|file| EventFileReader::open(file).unwrap());
    let mut found = Vec::new();
    for event in events {
        let event = event.unwrap();
        found.extend(matches!(event.what, Some(What::SessionLog(_))).then_some(event.step));
    }
    found
}

/// In a process that permissions bind.
fn lose_permissions(run: &Path) {
    let writer = SummaryWriter::open(run).unwrap();
    let train = writer.sub_run("train").unwrap();
    writer.add_scalar("loss", 1.0, 1).unwrap();
    writer.flush().unwrap();
    let file = event_files(run)[0].clone();

    // Nothing may be made in the folder: the sub-run waits, the run's own file goes on.
    allow(run, 0o500);
    assert_eq!(fs::write(run.join("x"), "").unwrap_err().kind(), IoKind::PermissionDenied, "as planned");
    train.add_scalar("loss", 1.0, 1).unwrap();
    writer.add_scalar("loss", 2.0, 2).unwrap();
    let error = writer.flush().unwrap_err();
    assert!(is_denied(&error, train.path()), "{error}");
    assert_eq!(steps(&read(run).0, "loss"), [1, 2]);

    // It cannot even be looked into: that is no reason to give the file up.
    allow(run, 0o000);
    assert!(fs::metadata(&file).is_err());
    writer.add_scalar("loss", 3.0, 3).unwrap();
    assert!(is_denied(&writer.flush().unwrap_err(), train.path()));
    allow(run, 0o700);
    assert_eq!(steps(&read(run).0, "loss"), [1, 2, 3]);

    // Mended, what waited is written.
    writer.flush().unwrap();
    train.add_scalar("loss", 2.0, 2).unwrap();
    writer.close().unwrap();
    assert_eq!(steps(&read(&run.join("train")).0, "loss"), [1, 2]);
    assert_eq!((event_files(run).len(), event_files(&run.join("train")).len()), (1, 1));

    // Resuming needs to read each file, and to write in each folder; else nothing is changed.
    let before = fs::read(&file).unwrap();
    for (path, mode) in [(&file, 0o000), (&run.to_owned(), 0o500), (&run.join("train"), 0o000)] {
        let usual = fs::metadata(path).unwrap().permissions();
        allow(path, mode);
        let error = SummaryWriter::resume(run, 2).unwrap_err();
        assert!(is_denied(&error, path), "{error}");
        fs::set_permissions(path, usual).unwrap();
        assert_eq!(fs::read(&file).unwrap(), before, "{}", path.display());
    }
    SummaryWriter::resume(run, 2).unwrap().close().unwrap();
    assert_eq!(steps(&read(run).0, "loss"), [1]);
}

#[test]
fn lost_permissions_are_told_and_lose_nothing() {
    if let Some(run) = second() {
        return lose_permissions(Path::new(&run));
    }
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    // Permissions do not bind root, but without capabilities they do.
    let is_root = fs::metadata(dir.path()).unwrap().uid() == 0;
    let without = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"];
    output(again(if is_root { &without } else { &[] }, "lost_permissions_are_told_and_lose_nothing", &run));
}

#[test]
fn a_clock_that_steps_back_disturbs_nothing() {
    let run = tempfile::tempdir().unwrap();
    // A file of a later time: the clock was set back since.
    let late = run.path().join("events.out.tfevents.4000000000.host.1.0");
    let first = SummaryWriter::open(run.path()).unwrap();
    first.add_scalar("loss", 0.0, 0).unwrap();
    first.close().unwrap();
    fs::rename(&event_files(run.path())[0], &late).unwrap();
    for session in 1..4_i64 {
        let writer = SummaryWriter::open(run.path()).unwrap();
        // Wall times of values go back too; steps are what counts.
        let time = WallTime::new(2e9 - 1e6 * session as f64).unwrap();
        writer.at(time).add_scalar("loss", 0.0, session).unwrap();
        writer.close().unwrap();
    }
    // TensorBoard reads the files in the order of their names.
    assert_eq!(steps(&read(run.path()).0, "loss"), [0, 1, 2, 3]);
    assert_eq!(event_files(run.path())[0], late);
    let writer = SummaryWriter::resume(run.path(), 2).unwrap();
    writer.add_scalar("loss", 0.0, 2).unwrap();
    writer.close().unwrap();
    assert_eq!(steps(&read(run.path()).0, "loss"), [0, 1, 2]);
}

#[test]
fn writers_that_begin_at_once_in_one_folder_get_own_files() {
    const WRITERS: usize = 8;
    for _ in 0..20 {
        let run = tempfile::tempdir().unwrap();
        let barrier = Barrier::new(WRITERS);
        thread::scope(|scope| {
            for number in 0..WRITERS {
                let (barrier, run) = (&barrier, run.path());
                scope.spawn(move || {
                    barrier.wait();
                    let writer = SummaryWriter::open(run).unwrap();
                    for step in 0..20 {
                        writer.add_scalar(&format!("writer {number}"), 0.0, step).unwrap();
                    }
                    writer.close().unwrap();
                });
            }
        });
        let (found, torn) = read(run.path());
        assert_eq!((event_files(run.path()).len(), torn), (WRITERS, 0));
        for number in 0..WRITERS {
            assert_eq!(steps(&found, &format!("writer {number}")), (0..20).collect::<Vec<_>>());
        }
        // A session that starts at 0 makes TensorBoard forget the others; all but one know better.
        let starts = starts(run.path());
        assert!(starts.iter().filter(|start| **start == 0).count() <= 1, "{starts:?}");
        assert!(starts.iter().all(|start| [0, i64::MAX].contains(start)));
    }
}

const VALUES: i64 = 5_000;

fn write_all(run: &Path, tag: &str) {
    let writer = SummaryWriter::open(run).unwrap();
    // Both processes begin their values together.
    println!("ready");
    std::io::stdin().lock().read_line(&mut String::new()).unwrap();
    let train = writer.sub_run("train").unwrap();
    for step in 0..VALUES {
        writer.add_scalar(tag, step as f64, step).unwrap();
        train.add_text(tag, &"x".repeat((step % 50) as usize), step).unwrap();
        if step % 100 == 0 {
            writer.flush().unwrap();
        }
    }
    writer.close().unwrap();
}

/// As after a `fork`, the two know nothing of each other.
#[test]
fn two_processes_on_one_run_disturb_each_other_nowhere() {
    if let Some(told) = second() {
        let (tag, run) = told.split_once(' ').unwrap();
        return write_all(Path::new(run), tag);
    }
    let run = tempfile::tempdir().unwrap();
    let tags = ["one", "two", "three"];
    let mut children: Vec<_> = tags
        .iter()
        .map(|tag| {
            let told = format!("{tag} {}", run.path().display());
            let mut command = again(&[], "two_processes_on_one_run_disturb_each_other_nowhere", told);
            let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
            let mut said = BufReader::new(child.stdout.take().unwrap());
            let mut text = String::new();
            while !text.contains("ready") {
                assert!(said.read_line(&mut text).unwrap() > 0, "{text}");
            }
            (child, said)
        })
        .collect();
    for (child, _) in &mut children {
        child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    }
    for (mut child, _said) in children {
        assert!(child.wait().unwrap().success());
    }
    for dir in [run.path().to_owned(), run.path().join("train")] {
        let (found, torn) = read(&dir);
        assert_eq!((event_files(&dir).len(), torn), (tags.len(), 0));
        for tag in tags {
            assert_eq!(steps(&found, tag), (0..VALUES).collect::<Vec<_>>(), "{tag}");
        }
    }
}

#[test]
fn a_writer_survives_a_panic_of_its_user() {
    let run = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(run.path()).unwrap();
    for step in 0..10 {
        let result = catch_unwind(AssertUnwindSafe(|| {
            writer.add_scalar("before", 1.0, step).unwrap();
            // In the middle of a call, while the value is being made.
            let figure = || -> Result<Image> { panic!("the figure cannot be drawn, as planned") };
            writer.add_figure("figure", &figure, step).unwrap();
        }));
        assert!(result.is_err());
        writer.add_scalar("after", 1.0, step).unwrap();
    }
    // And in several threads at once, with the handle in their hands.
    thread::scope(|scope| {
        let threads: Vec<_> = (0..8_i64)
            .map(|number| {
                let writer = writer.clone();
                scope.spawn(move || {
                    writer.add_scalar(&format!("thread {number}"), 1.0, number).unwrap();
                    panic!("the thread fails, as planned");
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| assert!(thread.join().is_err()));
    });
    writer.flush().unwrap();
    let (found, torn) = read(run.path());
    assert_eq!(torn, 0);
    for tag in ["before", "after"] {
        assert_eq!(steps(&found, tag), (0..10).collect::<Vec<_>>());
    }
    (0..8).for_each(|number| assert_eq!(steps(&found, &format!("thread {number}")), [number]));
    writer.close().unwrap();
}

#[test]
fn a_program_that_panics_leaves_everything_it_added() {
    if let Some(run) = second() {
        let writer = SummaryWriter::open(run).unwrap();
        (0..1_000).for_each(|step| writer.add_scalar("loss", 1.0, step).unwrap());
        panic!("the program fails, as planned");
    }
    let run = tempfile::tempdir().unwrap();
    let mut command = again(&[], "a_program_that_panics_leaves_everything_it_added", run.path());
    assert!(!command.stderr(Stdio::null()).status().unwrap().success());
    let (found, torn) = read(run.path());
    assert_eq!((steps(&found, "loss"), torn), ((0..1_000).collect::<Vec<_>>(), 0));
}

#[test]
fn handles_of_a_closed_writer_are_of_no_use_in_any_thread() {
    let run = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(run.path()).unwrap();
    let (train, late, twice) = (writer.sub_run("train").unwrap(), writer.clone(), writer.clone());
    writer.add_scalar("loss", 1.0, Step::new(1)).unwrap();
    writer.close().unwrap();
    thread::scope(|scope| {
        for handle in [train, late.clone(), late.sub_run("validation").unwrap()] {
            scope.spawn(move || {
                let error = handle.add_scalar("loss", 1.0, 2).unwrap_err();
                assert!(matches!(error.kind(), ErrorKind::Closed { .. }), "{error}");
                handle.flush().unwrap();
                handle.close().unwrap();
            });
        }
    });
    twice.close().unwrap();
    assert_eq!(late.stats().records, 1);
    assert_eq!(steps(&read(run.path()).0, "loss"), [1]);
    assert_eq!(fs::read_dir(run.path()).unwrap().count(), 1);
    // The folder is free for another.
    let next = SummaryWriter::resume(run.path(), 2).unwrap();
    next.add_scalar("loss", 1.0, 2).unwrap();
    next.close().unwrap();
    assert_eq!(steps(&read(run.path()).0, "loss"), [1, 2]);
}
