//! Log folders read back: what was written is what is read, also while files grow, are replaced or vanish.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{fs, path::Path};

use convscope::{
    Error, Step, Summary, SummaryWriter,
    logdir::{LogDir, LogDirOptions, LogFile, Restarts, Run, SeriesKind},
};

fn writer(run: &Path) -> SummaryWriter {
    SummaryWriter::open(run).unwrap()
}

/// Steps and numbers of a tag.
fn curve(logs: &LogDir, run: &str, tag: &str) -> Vec<(i64, f64)> {
    let points = logs.run(run).unwrap().scalars(tag).unwrap();
    points.into_iter().map(|point| (point.step.get(), point.value)).collect()
}

#[test]
fn what_was_written_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let writer = writer(&folder.path().join("a/train"));
    let loss = Summary::scalar(0.1).with_display_name("Loss").with_description("*mean*");
    writer.add("loss", loss, 1).unwrap();
    writer.add_scalar("loss", f64::NAN, 2).unwrap();
    writer.add_scalar("loss", f64::INFINITY, 3).unwrap();
    writer.add_scalar("accuracy", 1.0, -5).unwrap();
    writer.add_text("note", "hello", 3).unwrap();
    writer.close().unwrap();

    let logs = LogDir::open(folder.path()).unwrap();
    assert_eq!(logs.problems().count(), 0);
    assert_eq!(logs.runs().iter().map(Run::name).collect::<Vec<_>>(), ["a/train"]);
    let run = logs.run("a/train").unwrap();
    let tags: Vec<_> = run.tags().iter().map(|info| (info.tag.as_str(), info.kind, info.values)).collect();
    assert_eq!(
        tags,
        [("accuracy", SeriesKind::Scalar, 1), ("loss", SeriesKind::Scalar, 3), ("note", SeriesKind::Text, 1)]
    );
    let info = run.tag("loss").unwrap();
    assert_eq!((info.display_name.as_str(), info.description.as_str()), ("Loss", "*mean*"));
    assert_eq!((info.first_step, info.last_step), (Some(Step::new(1)), Some(Step::new(3))));
    let loss = curve(&logs, "a/train", "loss");
    assert_eq!(loss[0], (1, f64::from(0.1_f32)));
    assert!(loss[1].1.is_nan());
    assert_eq!(loss[2], (3, f64::INFINITY));
    assert_eq!(curve(&logs, "a/train", "accuracy"), [(-5, 1.0)]);
    assert!(run.files()[0].writer().unwrap().starts_with("convscope "));
}

#[test]
fn errors_name_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let writer = writer(folder.path());
    writer.add_scalar("loss", 0.5, 1).unwrap();
    writer.add_text("note", "hello", 1).unwrap();
    writer.close().unwrap();
    let logs = LogDir::open(folder.path()).unwrap();
    assert!(logs.run("train").is_err());
    let run = logs.run(".").unwrap();
    assert_eq!(
        run.scalars("acc").unwrap_err().to_string(),
        "tag: run `.` has no tag `acc`; it has `loss`, `note`"
    );
    assert_eq!(
        run.scalars("note").unwrap_err().to_string(),
        "tag: `note` of run `.` is of kind text, not scalar"
    );
    assert!(LogDir::open(folder.path().join("none")).unwrap_err().is_io());
}

#[test]
fn follows_growing_new_replaced_and_vanishing_files() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let first = writer(&run);
    first.add_scalar("loss", 1.0, 1).unwrap();
    first.flush().unwrap();
    let mut logs = LogDir::open(folder.path()).unwrap();
    assert!(!logs.refresh().unwrap().changed());

    first.add_scalar("loss", 2.0, 2).unwrap();
    first.flush().unwrap();
    let refreshed = logs.refresh().unwrap();
    assert_eq!((refreshed.events, refreshed.files_added), (1, 0));
    assert_eq!(curve(&logs, "run", "loss"), [(1, 1.0), (2, 2.0)]);
    first.close().unwrap();

    let second = writer(&run);
    second.add_scalar("loss", 3.0, 3).unwrap();
    second.close().unwrap();
    assert_eq!(logs.refresh().unwrap().files_added, 1);
    assert_eq!(curve(&logs, "run", "loss"), [(1, 1.0), (2, 2.0), (3, 3.0)]);

    // Another file takes the place of the first.
    let other = folder.path().join("other");
    let replacement = writer(&other);
    replacement.add_scalar("loss", 9.0, 1).unwrap();
    replacement.add_scalar("loss", 9.5, 2).unwrap();
    replacement.close().unwrap();
    let path = logs.run("run").unwrap().files()[0].path().to_owned();
    fs::rename(fs::read_dir(&other).unwrap().next().unwrap().unwrap().path(), &path).unwrap();
    let refreshed = logs.refresh().unwrap();
    assert_eq!((refreshed.files_replaced, refreshed.files_added), (1, 0));
    assert_eq!(curve(&logs, "run", "loss"), [(1, 9.0), (2, 9.5), (3, 3.0)]);

    fs::remove_file(&path).unwrap();
    assert_eq!(logs.refresh().unwrap().files_removed, 1);
    assert_eq!(curve(&logs, "run", "loss"), [(3, 3.0)]);
    fs::remove_dir_all(&run).unwrap();
    logs.refresh().unwrap();
    assert!(logs.runs().is_empty());
}

#[test]
fn written_anew_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let writer = |run: &str, values: &[f64]| {
        let writer = writer(&folder.path().join(run));
        for (step, value) in values.iter().enumerate() {
            writer.add_scalar("loss", *value, step).unwrap();
        }
        writer.close().unwrap();
        fs::read_dir(folder.path().join(run)).unwrap().next().unwrap().unwrap().path()
    };
    let path = writer("run", &[1.0, 2.0]);
    let other = writer("other", &[7.0, 8.0, 9.0]);
    let mut logs = LogDir::open(folder.path()).unwrap();
    // Longer than before, in the same place on the disk: only the bytes tell.
    fs::write(&path, fs::read(other).unwrap()).unwrap();
    assert_eq!(logs.refresh().unwrap().files_replaced, 1);
    assert_eq!(curve(&logs, "run", "loss"), [(0, 7.0), (1, 8.0), (2, 9.0)]);
    // Cut short.
    let len = fs::metadata(&path).unwrap().len();
    fs::File::options().write(true).open(&path).unwrap().set_len(len - 1).unwrap();
    logs.refresh().unwrap();
    assert_eq!(curve(&logs, "run", "loss"), [(0, 7.0), (1, 8.0)]);
    assert_eq!(logs.problems().count(), 1);
    assert_eq!(logs.options().restarts, Restarts::DataServer);
}

/// A training that is resumed leaves one curve, whichever rules are asked for.
#[test]
fn a_resumed_run_looks_the_same_by_all_rules() {
    let folder = tempfile::tempdir().unwrap();
    let first = writer(folder.path());
    for step in 0..10 {
        first.add_scalar("a", 1.0, step).unwrap();
        first.add_scalar("b", 1.0, step).unwrap();
    }
    first.close().unwrap();
    let mut followed = LogDir::open(folder.path()).unwrap();
    let second = SummaryWriter::resume(folder.path(), 5).unwrap();
    for step in 5..8 {
        second.add_scalar("a", 2.0, step).unwrap();
    }
    second.close().unwrap();
    followed.refresh().unwrap();
    for restarts in [Restarts::DataServer, Restarts::Python, Restarts::KeepAll] {
        let anew =
            LogDir::open_with(folder.path(), LogDirOptions { restarts, ..Default::default() }).unwrap();
        for logs in [&followed, &anew] {
            let steps = |tag| curve(logs, ".", tag).into_iter().map(|point| point.0).collect::<Vec<_>>();
            assert_eq!(steps("a"), [0, 1, 2, 3, 4, 5, 6, 7]);
            assert_eq!(steps("b"), [0, 1, 2, 3, 4]);
            assert_eq!(curve(logs, ".", "a")[5], (5, 2.0));
        }
    }
}

/// While one thread writes, what another reads is always the beginning of it.
#[test]
fn reads_while_somebody_writes() {
    const STEPS: i64 = 3000;
    let folder = tempfile::tempdir().unwrap();
    let writer = writer(folder.path());
    let mut logs = LogDir::open(folder.path()).unwrap();
    let thread = std::thread::spawn(move || {
        for step in 0..STEPS {
            writer.add_scalar("loss", step as f64, step).unwrap();
            writer.add_histogram("h", &[step as f64], step).unwrap();
            if step % 50 == 0 {
                writer.flush().unwrap();
            }
        }
        writer.close().unwrap();
    });
    let mut seen = 0;
    loop {
        let done = thread.is_finished();
        logs.refresh().unwrap();
        let run = logs.run(".").unwrap();
        if run.tag("loss").is_ok() {
            let loss = curve(&logs, ".", "loss");
            assert!(loss.iter().enumerate().all(|(index, point)| *point == (index as i64, index as f64)));
            assert!(loss.len() >= seen, "values vanished");
            seen = loss.len();
        }
        if done {
            break;
        }
    }
    thread.join().unwrap();
    assert_eq!(seen, STEPS as usize);
    let histograms = logs.run(".").unwrap().histograms("h").unwrap();
    assert_eq!(histograms.map(|point| point.unwrap().value[0].count).sum::<f64>(), STEPS as f64);
    assert_eq!(logs.problems().count(), 0);
}

#[test]
fn reading_can_be_watched_given_up_and_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    for run in ["a", "b"] {
        let writer = writer(&folder.path().join(run));
        for step in 0..20 {
            writer.add_text("notes", &"long ".repeat(20_000), step).unwrap();
            writer.add_scalar("loss", 0.5, step).unwrap();
        }
        writer.close().unwrap();
    }
    let options = LogDirOptions::default();
    let mut told = Vec::new();
    let mut logs = LogDir::open_watched(folder.path(), options, &mut |read, all| {
        told.push((read, all));
        Ok(())
    })
    .unwrap();
    let all = logs.runs().iter().flat_map(Run::files).map(LogFile::len).sum();
    assert!(told.len() > 10 && told.iter().all(|&(read, of)| read <= of && of == all), "{told:?}");
    assert!(told.is_sorted() && told.last() == Some(&(all, all)), "{told:?}");
    let notes = logs.run("a").unwrap().tag("notes").unwrap().bytes;
    assert!(notes > 20 * 100_000 && notes < 20 * 100_100, "{notes}");

    // As much again, and a reader who gives up half way.
    for run in ["a", "b"] {
        let writer = writer(&folder.path().join(run));
        for step in 20..40 {
            writer.add_text("notes", &"long ".repeat(20_000), step).unwrap();
        }
        writer.close().unwrap();
    }
    let fail_at = |limit: f64| {
        move |read: u64, all: u64| {
            if read as f64 > limit * all as f64 { Err(Error::invalid("reading", "enough")) } else { Ok(()) }
        }
    };
    let values = |logs: &LogDir| -> Vec<usize> {
        logs.runs().iter().map(|run| run.tag("notes").map_or(0, |tag| tag.values)).collect()
    };
    let error = logs.refresh_watched(&mut fail_at(0.4)).unwrap_err();
    assert!(error.to_string().contains("enough"));
    let half = values(&logs);
    assert!(half[0] > 20 && half[0] < 40 && half[1] == 20, "{half:?}");
    let refreshed = logs.refresh().unwrap();
    assert_eq!((values(&logs), refreshed.files_replaced), (vec![40, 40], 0));
    assert_eq!(logs.run("a").unwrap().scalars("loss").unwrap().len(), 20);
}
