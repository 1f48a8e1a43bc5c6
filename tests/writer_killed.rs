//! Programs that are killed while they write: nothing is missing that `flush` had returned for, no record is damaged,
//! and `resume` goes on from what is left.

#![allow(clippy::unwrap_used, clippy::panic)]
#![cfg(unix)]

#[path = "support/system.rs"]
mod system;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::Path,
    thread,
    time::Duration,
};

use convscope::{Image, SummaryWriter};
use system::{Chance, Found, again, last_number, read, second, steps};

/// How often a program is killed, and how often one that resumes.
const KILLS: usize = 200;
const KILLS_OF_RESUME: usize = 40;
const FLUSH_EVERY: i64 = 25;

/// Length of the text of a step.
fn length(step: i64) -> usize {
    (step * 37 % 700) as usize
}

fn add(writer: &SummaryWriter, train: &SummaryWriter, step: i64) {
    writer.add_scalar("loss", step as f64, step).unwrap();
    writer.add_text("note", &"x".repeat(length(step)), step).unwrap();
    train.add_scalar("loss", -step as f64, step).unwrap();
    let image = Image::gray(9, 7, (0..63).map(|pixel| pixel ^ step as u8).collect()).unwrap();
    train.add_image("picture", image, step).unwrap();
}

/// Writes as fast as it can, and says up to which step `flush` returned.
fn write_for_ever(run: &Path) {
    let writer = SummaryWriter::builder().flush_interval(Duration::from_millis(1)).open(run).unwrap();
    let train = writer.sub_run("train").unwrap();
    for step in 0.. {
        add(&writer, &train, step);
        if step % FLUSH_EVERY == 0 {
            writer.flush().unwrap();
            println!("flushed {step}");
        }
    }
}

/// The run holds the steps 0, 1, 2, ... of each tag, at most one torn record at the end of each file, and nothing else.
/// Returns how many steps of each tag.
fn whole_steps(run: &Path, files: usize) -> [i64; 4] {
    let (own, own_torn) = read(run);
    let (train, train_torn) = read(&run.join("train"));
    assert!(own_torn <= files && train_torn <= files);
    let number = |value: &Found| f64::from(value.number.unwrap()) as i64;
    for value in own.iter().chain(&train) {
        match value.tag.as_str() {
            "loss" => assert_eq!(number(value).abs(), value.step),
            "note" => assert_eq!(value.length, length(value.step)),
            "picture" => assert!(value.length > 60),
            other => panic!("a tag `{other}`"),
        }
    }
    [(&own, "loss"), (&own, "note"), (&train, "loss"), (&train, "picture")].map(|(found, tag)| {
        let steps = steps(found, tag);
        assert_eq!(steps, (0..steps.len() as i64).collect::<Vec<_>>(), "{tag}");
        steps.len() as i64
    })
}

#[test]
fn a_killed_program_leaves_what_it_flushed_and_can_go_on() {
    if let Some(run) = second() {
        return write_for_ever(Path::new(&run));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut chance = Chance::new();
    for round in 0..KILLS {
        let run = dir.path().join(round.to_string());
        let mut child =
            again(&[], "a_killed_program_leaves_what_it_flushed_and_can_go_on", &run).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        // Each second time while it starts; else once it is at it.
        if round % 2 == 0 {
            while !text.contains("flushed") {
                said.read_line(&mut text).unwrap();
            }
        }
        thread::sleep(Duration::from_micros(chance.below(30_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        said.read_to_string(&mut text).unwrap();
        let flushed = last_number(&text, "flushed");
        assert!(round % 2 == 1 || flushed.is_some());

        let there = whole_steps(&run, 1);
        let least = there.into_iter().min().unwrap();
        assert!(least > flushed.unwrap_or(-1), "round {round}: {there:?} of at least {flushed:?}");

        // Before what is there, in it, and at its end.
        let from = chance.below(least as u64 + 1) as i64;
        let writer = SummaryWriter::resume(&run, from).unwrap();
        let train = writer.sub_run("train").unwrap();
        (from..from + 3).for_each(|step| add(&writer, &train, step));
        writer.close().unwrap();
        assert_eq!(whole_steps(&run, 0), [from + 3; 4], "round {round} from {from}");
        fs::remove_dir_all(&run).unwrap();
    }
}

/// Steps of the run that is resumed again and again.
const STEPS: i64 = 1_000;
/// Each time from so many steps earlier.
const BACK: i64 = 7;

fn resume_for_ever(run: &Path) {
    for from in (0..STEPS).rev().step_by(BACK as usize) {
        println!("resuming {from}");
        SummaryWriter::resume(run, from).unwrap().close().unwrap();
    }
}

#[test]
fn a_killed_resume_leaves_whole_files_and_can_be_done_again() {
    if let Some(run) = second() {
        return resume_for_ever(Path::new(&run));
    }
    let dir = tempfile::tempdir().unwrap();
    let mut chance = Chance::new();
    let mut left_behind = 0;
    for round in 0..KILLS_OF_RESUME {
        let run = dir.path().join(round.to_string());
        let writer = SummaryWriter::open(&run).unwrap();
        let train = writer.sub_run("train").unwrap();
        (0..STEPS).for_each(|step| add(&writer, &train, step));
        writer.close().unwrap();

        let mut child =
            again(&[], "a_killed_resume_leaves_whole_files_and_can_be_done_again", &run).spawn().unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        while !text.contains("resuming") {
            said.read_line(&mut text).unwrap();
        }
        thread::sleep(Duration::from_micros(chance.below(100_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        said.read_to_string(&mut text).unwrap();
        let from = last_number(&text, "resuming").unwrap();

        // Each file is the old one or the new one.
        for there in whole_steps(&run, 1) {
            assert!(there == from || there == (from + BACK).min(STEPS), "{there} steps, killed at {from}");
        }
        left_behind += usize::from(has_unfinished(&run));
        SummaryWriter::resume(&run, from).unwrap().close().unwrap();
        assert_eq!(whole_steps(&run, 0), [from; 4]);
        assert!(!has_unfinished(&run));
        fs::remove_dir_all(&run).unwrap();
    }
    println!("{left_behind} of {KILLS_OF_RESUME} left an unfinished file behind");
}

fn has_unfinished(run: &Path) -> bool {
    let folders = [run.to_owned(), run.join("train")];
    let mut names =
        folders.iter().flat_map(|dir| fs::read_dir(dir).unwrap()).map(|entry| entry.unwrap().path());
    names.any(|path| path.is_file() && !path.to_string_lossy().contains("tfevents"))
}
