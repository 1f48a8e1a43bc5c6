//! A disk that is full at a random point, and then has room again. A limit on the size of files stands for it: a shell
//! sets it for a second run of this program, which lifts it when it has seen the error.

#![allow(clippy::unwrap_used, clippy::panic)]
#![cfg(target_os = "linux")]

#[path = "support/system.rs"]
mod system;

use std::{
    path::{Path, PathBuf},
    process::{self, Command},
    time::Duration,
};

use convscope::{Error, ErrorKind, SummaryWriter};
use system::{Chance, again, event_files, last_number, output, read, second, steps};

const POINTS: usize = 50;
/// More than any of the limits lets through.
const ENOUGH: i64 = 100_000;

/// The error is the operating system's "File too large", on an event file of the run.
fn is_full(error: &Error, run: &Path) -> bool {
    matches!(error.kind(), ErrorKind::Io { path, source, .. }
        if source.raw_os_error() == Some(27) && path.starts_with(run))
}

/// Writes until an error comes, then makes room and writes the rest. Values are never dropped: the queue is large.
fn write_until_full(told: &str) {
    let (padding, run) = told.split_once(' ').unwrap();
    let (padding, run) = (padding.parse::<usize>().unwrap(), PathBuf::from(run));
    // Half of them learn it from `flush`, the others from the next value.
    let flushes = padding % 2 == 0;
    let interval = if flushes { Duration::MAX } else { Duration::ZERO };
    let writer = SummaryWriter::builder()
        .flush_interval(interval)
        .max_queued_records(10 * ENOUGH as usize)
        .open(&run)
        .unwrap();
    let train = writer.sub_run("train").unwrap();
    // The point is anywhere in a record.
    writer.add_text("padding", &"x".repeat(padding), 0).unwrap();
    let add = |step: i64| {
        // A call that returns the error of an earlier value takes its own all the same.
        train.add_scalar("loss", step as f64, step).and(writer.add_scalar("loss", step as f64, step))
    };
    let mut step = 0;
    let error = loop {
        assert!(step < ENOUGH, "no error came");
        let added = add(step);
        step += 1;
        let flushed = if flushes && step % 10 == 0 { writer.flush() } else { Ok(()) };
        if let Err(error) = added.and(flushed) {
            break error;
        }
    };
    assert!(is_full(&error, &run), "{error}");
    // Whole records only, and it stays so while more values come and cannot be written.
    for _ in 0..2 {
        assert_eq!((read(&run).1, read(train.path()).1), (0, 0));
        for _ in 0..20 {
            // The error of the other file may still come.
            add(step).or_else(|error| if is_full(&error, &run) { Ok(()) } else { Err(error) }).unwrap();
            step += 1;
        }
        assert!(is_full(&writer.flush().unwrap_err(), &run));
    }
    let process = process::id().to_string();
    let room = Command::new("prlimit").args(["--pid", &process, "--fsize=unlimited:"]).status().unwrap();
    assert!(room.success());
    writer.flush().or_else(|error| if is_full(&error, &run) { writer.flush() } else { Err(error) }).unwrap();
    writer.close().unwrap();
    println!("taken {step}");
}

#[test]
fn a_full_disk_is_told_and_nothing_is_lost() {
    if let Some(told) = second() {
        return write_until_full(&told);
    }
    let dir = tempfile::tempdir().unwrap();
    let mut chance = Chance::new();
    for point in 0..POINTS {
        let run = dir.path().join(point.to_string());
        // In blocks of 512 bytes or 1 KiB, whichever the shell has.
        let blocks = 2 + chance.below(40);
        let padding = chance.below(700);
        let script = format!("trap '' XFSZ; ulimit -S -f {blocks}; exec \"$0\" \"$@\"");
        let told = format!("{padding} {}", run.display());
        let text = output(again(&["sh", "-c", &script], "a_full_disk_is_told_and_nothing_is_lost", told));
        let taken = last_number(&text, "taken").unwrap();
        for dir in [run.clone(), run.join("train")] {
            let (found, torn) = read(&dir);
            assert_eq!(steps(&found, "loss"), (0..taken).collect::<Vec<_>>(), "{blocks} blocks, {padding}");
            assert_eq!(torn, 0);
            assert_eq!(event_files(&dir).len(), 1);
        }
    }
}
