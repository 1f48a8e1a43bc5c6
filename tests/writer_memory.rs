//! The bound on memory that the documentation of `SummaryWriterBuilder` states, by its own accounts and by those of the
//! operating system. Each test measures a process of its own.

#![allow(clippy::unwrap_used, clippy::panic)]
#![cfg(target_os = "linux")]

#[path = "support/system.rs"]
mod system;

use std::{fs, path::Path, thread, time::Duration};

use convscope::{
    Image, SummaryWriter,
    writer::{BackPressure, OnError},
};
use system::{Chance, Found, again, last_number, output, read, second};

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;

/// What the documentation allows for values of at most `largest` bytes.
fn bound(records: usize, bytes: usize, largest: usize) -> usize {
    bytes + records * KIB + 4 * MIB + 6 * largest
}

/// A line of `/proc/self/status`, in bytes.
fn status(field: &str) -> usize {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim_matches(|c: char| !c.is_ascii_digit()).parse::<usize>().unwrap() * KIB
}

/// Says by how much the process has grown at most since `before`, and that this is within `bound`, with a quarter more for
/// what the allocator keeps to itself.
fn tell_growth(before: usize, bound: usize) {
    let bound = bound + bound / 4;
    let grown = status("VmHWM:").saturating_sub(before);
    println!("grown {}", grown / KIB);
    assert!(grown < bound, "grown by {} KiB, {} allowed", grown / KIB, bound / KIB);
}

const THREADS: usize = 64;
const EACH: usize = 15_625; // a million in all
const QUEUE: (usize, usize) = (4_096, MIB);

fn sixty_four_threads(run: &Path) {
    let before = status("VmRSS:");
    let writer =
        SummaryWriter::builder().max_queued_records(QUEUE.0).max_queued_bytes(QUEUE.1).open(run).unwrap();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let writer = &writer;
            scope.spawn(move || {
                let tag = format!("thread/{thread}");
                for step in 0..EACH {
                    writer.add_scalar(&tag, (thread * EACH + step) as f64, step).unwrap();
                }
            });
        }
    });
    writer.flush().unwrap();
    let stats = writer.stats();
    assert_eq!((stats.records, stats.lost, stats.dropped_records()), ((THREADS * EACH) as u64, 0, 0));
    assert!(stats.most_queued_records <= QUEUE.0 && stats.most_queued_bytes <= QUEUE.1, "{stats:?}");
    // The threads' own stacks and heaps are not the writer's.
    tell_growth(before, bound(QUEUE.0, QUEUE.1, 0) + THREADS * 64 * KIB);
    writer.close().unwrap();
}

#[test]
fn a_million_values_of_64_threads_are_all_there_in_bounded_memory() {
    if let Some(run) = second() {
        return sixty_four_threads(Path::new(&run));
    }
    let run = tempfile::tempdir().unwrap();
    let text =
        output(again(&[], "a_million_values_of_64_threads_are_all_there_in_bounded_memory", run.path()));
    println!("grown by {} KiB", last_number(&text, "grown").unwrap());
    let (found, torn) = read(run.path());
    assert_eq!((found.len(), torn), (THREADS * EACH, 0));
    // Each thread's values in its own order, whatever stands between.
    let mut next = [0; THREADS];
    for Found { tag, step, number, .. } in found {
        let thread: usize = tag.strip_prefix("thread/").unwrap().parse().unwrap();
        let at = next[thread];
        assert_eq!((step, number), (at as i64, Some((thread * EACH + at) as f32)), "{tag}");
        next[thread] += 1;
    }
}

/// Raw bytes of a picture that cannot be compressed.
const PICTURE: usize = 512 * 512 * 3;
const PICTURES: i64 = 100;
const PICTURE_QUEUE: (usize, usize) = (100, 8 * MIB);

fn noise(chance: &mut Chance) -> Image {
    let pixels = (0..PICTURE / 8).flat_map(|_| chance.below(u64::MAX).to_le_bytes()).collect();
    Image::rgb(512, 512, pixels).unwrap()
}

fn pictures(run: &Path) {
    let mut chance = Chance::new();
    let before = status("VmRSS:");
    let writer = SummaryWriter::builder()
        .max_queued_records(PICTURE_QUEUE.0)
        .max_queued_bytes(PICTURE_QUEUE.1)
        .open(run)
        .unwrap();
    for step in 0..PICTURES {
        writer.add_image("picture", noise(&mut chance), step).unwrap();
    }
    writer.flush().unwrap();
    let stats = writer.stats();
    assert_eq!(stats.records, PICTURES as u64);
    assert!(stats.most_queued_bytes <= PICTURE_QUEUE.1, "{stats:?}");
    // One picture is in the caller's hand.
    tell_growth(before, bound(PICTURE_QUEUE.0, PICTURE_QUEUE.1, PICTURE) + 2 * PICTURE);
    writer.close().unwrap();
}

#[test]
fn large_values_are_bounded_too() {
    if let Some(run) = second() {
        return pictures(Path::new(&run));
    }
    let run = tempfile::tempdir().unwrap();
    let text = output(again(&[], "large_values_are_bounded_too", run.path()));
    println!("grown by {} KiB", last_number(&text, "grown").unwrap());
    assert_eq!(read(run.path()).0.len(), PICTURES as usize);
}

const TEXT: usize = 10 * KIB;
const TEXTS: i64 = 10_000;
const TEXT_QUEUE: (usize, usize) = (1_000, 4 * MIB);

/// All of it in a process whose files cannot grow.
fn full_disk(run: &Path) {
    let before = status("VmRSS:");
    let writer = SummaryWriter::builder()
        .max_queued_records(TEXT_QUEUE.0)
        .max_queued_bytes(TEXT_QUEUE.1)
        .back_pressure(BackPressure::DropNewest)
        .on_error(OnError::Warn)
        .flush_interval(Duration::from_millis(10))
        .open(run)
        .unwrap();
    for step in 0..TEXTS {
        writer.add_text("note", &"x".repeat(TEXT), step).unwrap();
    }
    let stats = writer.stats();
    assert!(stats.most_queued_bytes <= TEXT_QUEUE.1, "{stats:?}");
    let waiting = stats.queued_records as u64;
    assert_eq!(stats.records + waiting + stats.dropped_records(), TEXTS as u64, "{stats:?}");
    assert!(stats.dropped_records() > TEXTS as u64 / 2, "{stats:?}");
    tell_growth(before, bound(TEXT_QUEUE.0, TEXT_QUEUE.1, TEXT));
    writer.close().unwrap_err();
}

#[test]
fn a_full_disk_fills_no_memory() {
    if let Some(run) = second() {
        return full_disk(Path::new(&run));
    }
    let run = tempfile::tempdir().unwrap();
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" \"$@\"";
    let text = output(again(&["sh", "-c", script], "a_full_disk_fills_no_memory", run.path()));
    println!("grown by {} KiB", last_number(&text, "grown").unwrap());
}

const SUB_RUNS: usize = 200;
const OF_EACH: usize = 10_000;
/// Room for all values of a sub-run at once: its batch is large, and what it would keep of it far beyond the bound.
const SUB_RUN_QUEUE: (usize, usize) = (16_384, 4 * MIB);

fn sub_runs(run: &Path) {
    let before = status("VmRSS:");
    let writer = SummaryWriter::builder()
        .max_queued_records(SUB_RUN_QUEUE.0)
        .max_queued_bytes(SUB_RUN_QUEUE.1)
        .open(run)
        .unwrap();
    for number in 0..SUB_RUNS {
        // One after the other has much to write.
        let fold = writer.sub_run(&format!("fold_{number}")).unwrap();
        for step in 0..OF_EACH {
            fold.add_scalar("loss", 1.0, step).unwrap();
        }
    }
    writer.flush().unwrap();
    assert_eq!(writer.stats().records, (SUB_RUNS * OF_EACH) as u64);
    tell_growth(before, bound(SUB_RUN_QUEUE.0, SUB_RUN_QUEUE.1, 0) + SUB_RUNS * 128 * KIB);
    writer.close().unwrap();
}

#[test]
fn many_sub_runs_keep_little() {
    if let Some(run) = second() {
        return sub_runs(Path::new(&run));
    }
    let run = tempfile::tempdir().unwrap();
    let text = output(again(&[], "many_sub_runs_keep_little", run.path()));
    println!("grown by {} KiB", last_number(&text, "grown").unwrap());
}
