//! Encoding and writing, ours beside the crate `tensorboard-rs`, in one run:
//! `cargo bench --no-default-features --features tensorboard-rs --bench writer`.
//!
//! Each number is the median of several rounds, in which the two take turns.

#![allow(missing_docs, clippy::unwrap_used)]

use std::{
    fs,
    hint::black_box,
    path::Path,
    time::{Duration, Instant},
};

use convscope::{
    Histogram, Step, Summary, SummaryWriter, Tag, WallTime,
    event::{EventFileOptions, EventFileWriter, Sample},
};
use tensorboard_rs::summary_writer::SummaryWriter as Peer;

const ROUNDS: usize = 7;
/// From the first call until the operating system has everything. (Closing ours also waits for the device, which the
/// other does not.)
const SCALARS: usize = 200_000;
/// Few enough to fit into our queue: what a call costs the training.
const CALLS: usize = 8_000;
const HISTOGRAMS: usize = 5_000;
const TAGS: usize = 20;

/// What one round took, and how large the files are.
struct Round {
    time: Duration,
    bytes: u64,
}

fn main() {
    let tags: Vec<String> = (0..TAGS).map(|tag| format!("group/time_series_{tag}")).collect();
    compare("scalars, whole run", SCALARS, |dir| ours(dir, &tags, SCALARS), |dir| peer(dir, &tags, SCALARS));
    compare("scalars, in the caller", CALLS, |dir| our_calls(dir, &tags), |dir| peer_calls(dir, &tags));
    compare("histograms, whole run", HISTOGRAMS, our_histograms, peer_histograms);
    report("scalars, encoding and writing alone", SCALARS, &rounds(|dir| encode_and_write(dir, &tags)));
}

fn compare(what: &str, count: usize, ours: impl Fn(&Path) -> Round, peer: impl Fn(&Path) -> Round) {
    let (mut our_rounds, mut peer_rounds) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        our_rounds.push(in_folder(&ours));
        peer_rounds.push(in_folder(&peer));
    }
    let our_time = report(&format!("{what}: convscope"), count, &our_rounds);
    let peer_time = report(&format!("{what}: tensorboard-rs"), count, &peer_rounds);
    println!("{:<46} {:>9.2} times as fast", format!("{what}: convscope is"), peer_time / our_time);
}

fn rounds(run: impl Fn(&Path) -> Round) -> Vec<Round> {
    (0..ROUNDS).map(|_| in_folder(&run)).collect()
}

fn in_folder(run: &impl Fn(&Path) -> Round) -> Round {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path())
}

/// Prints a line; returns the median time in seconds.
fn report(what: &str, count: usize, rounds: &[Round]) -> f64 {
    let mut times: Vec<f64> = rounds.iter().map(|round| round.time.as_secs_f64()).collect();
    times.sort_by(f64::total_cmp);
    let time = times[times.len() / 2];
    let (count, megabytes) = (count as f64, rounds[0].bytes as f64 / 1e6);
    println!(
        "{what:<46} {:>9.0} ns each {:>9.0} records/s {:>7.1} MB/s",
        time / count * 1e9,
        count / time,
        megabytes / time
    );
    time
}

/// Times `work` and then measures the files in `dir`.
fn timed(dir: &Path, work: impl FnOnce()) -> Round {
    let start = Instant::now();
    work();
    let time = start.elapsed();
    Round { time, bytes: bytes_in(dir) }
}

fn bytes_in(dir: &Path) -> u64 {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

fn ours(dir: &Path, tags: &[String], count: usize) -> Round {
    let writer = SummaryWriter::open(dir).unwrap();
    timed(dir, || {
        for step in 0..count / TAGS {
            for tag in tags {
                writer.add_scalar(tag, step as f64, step as i64).unwrap();
            }
        }
        writer.flush().unwrap();
    })
}

fn peer(dir: &Path, tags: &[String], count: usize) -> Round {
    let mut writer = Peer::new(dir);
    timed(dir, || {
        for step in 0..count / TAGS {
            for tag in tags {
                writer.add_scalar(tag, step as f32, step);
            }
        }
        drop(writer);
    })
}

fn our_calls(dir: &Path, tags: &[String]) -> Round {
    let writer = SummaryWriter::open(dir).unwrap();
    let round = timed(dir, || {
        for step in 0..CALLS / TAGS {
            for tag in tags {
                writer.add_scalar(tag, step as f64, step as i64).unwrap();
            }
        }
    });
    writer.close().unwrap();
    Round { bytes: bytes_in(dir), ..round }
}

fn peer_calls(dir: &Path, tags: &[String]) -> Round {
    let mut writer = Peer::new(dir);
    let round = timed(dir, || {
        for step in 0..CALLS / TAGS {
            for tag in tags {
                writer.add_scalar(tag, step as f32, step);
            }
        }
    });
    drop(writer);
    Round { bytes: bytes_in(dir), ..round }
}

/// A distribution with many buckets, counted outside of what is timed.
fn distribution() -> Histogram {
    let values: Vec<f64> = (1..10_000).map(|i| f64::from(i).sqrt() * f64::from(i % 2 * 2 - 1)).collect();
    Histogram::from_f64(&values)
}

fn our_histograms(dir: &Path) -> Round {
    let summary = Summary::histogram(&distribution());
    let writer = SummaryWriter::open(dir).unwrap();
    timed(dir, || {
        for step in 0..HISTOGRAMS {
            writer.add("weights", summary.clone(), step as i64).unwrap();
        }
        writer.flush().unwrap();
    })
}

fn peer_histograms(dir: &Path) -> Round {
    let buckets = distribution().buckets();
    let limits: Vec<f64> = buckets.iter().map(|bucket| bucket.right).collect();
    let counts: Vec<f64> = buckets.iter().map(|bucket| bucket.count as f64).collect();
    let mut writer = Peer::new(dir);
    timed(dir, || {
        for step in 0..HISTOGRAMS {
            writer.add_histogram_raw("weights", -100.0, 100.0, 1e4, 0.0, 0.0, &limits, &counts, step);
        }
        drop(writer);
    })
}

/// What the background thread does, without a queue.
fn encode_and_write(dir: &Path, tags: &[String]) -> Round {
    let tags: Vec<Tag> = tags.iter().map(|tag| Tag::new(tag.as_str()).unwrap()).collect();
    let sample = |index: usize| Sample {
        tag: tags[index % TAGS].clone(),
        step: Step::new((index / TAGS) as i64),
        wall_time: WallTime::now(),
        summary: Summary::scalar(index as f64),
    };
    let samples: Vec<Sample> = (0..SCALARS).map(sample).collect();
    let mut file = EventFileWriter::create(dir, &EventFileOptions::default()).unwrap();
    timed(dir, || {
        for batch in samples.chunks(CALLS) {
            file.append(black_box(batch)).unwrap();
        }
    })
}
