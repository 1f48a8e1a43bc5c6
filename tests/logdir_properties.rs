//! A log folder that is followed gives what one gives that is opened when all is there, however its files grew; and no
//! file makes the reader panic.

#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code)]
#[path = "support/events.rs"]
mod events;

use std::{fs, io::Write as _, path::Path};

use convscope::{
    logdir::{LogDir, LogDirOptions, Restarts, Run, TagInfo},
    record::RecordEncoder,
};
use events::{EventFile, Random};
use proptest::{collection::vec, prelude::*};

const RULES: [Restarts; 3] = [Restarts::DataServer, Restarts::Python, Restarts::KeepAll];

fn open(path: &Path, restarts: Restarts) -> LogDir {
    LogDir::open_with(path, LogDirOptions { restarts, ..Default::default() }).unwrap()
}

/// All that can be asked of a log folder, as text.
fn everything(logs: &LogDir) -> String {
    let mut text: String = logs.problems().map(|problem| format!("{problem:?}\n")).collect();
    for run in logs.runs() {
        text += &format!("{} {:?} {:?}\n", run.name(), run.start_time(), run.hparams().is_ok());
        for file in run.files() {
            text += &format!("{:?} {} {} {:?}\n", file.path(), file.len(), file.events(), file.writer());
        }
        for info in run.tags() {
            text += &format!("{info:?}\n{}", values(run, info));
        }
        text += &format!("{:?} {:?} {:?}\n", run.graph(), run.conceptual_graph(), run.layout());
    }
    text
}

fn values(run: &Run, info: &TagInfo) -> String {
    let tag = info.tag.as_str();
    let scalars = run.scalars(tag).map(|points| format!("{points:?}\n")).unwrap_or_default();
    let histograms =
        run.histograms(tag).map(|all| format!("{:?}\n", all.collect::<Vec<_>>())).unwrap_or_default();
    let images = run.images(tag).map(|all| format!("{:?}\n", all.collect::<Vec<_>>())).unwrap_or_default();
    let audio = run.audio(tag).map(|all| format!("{:?}\n", all.collect::<Vec<_>>())).unwrap_or_default();
    let texts = run.texts(tag).map(|all| format!("{:?}\n", all.collect::<Vec<_>>())).unwrap_or_default();
    let curves = run.pr_curves(tag).map(|all| format!("{:?}\n", all.collect::<Vec<_>>())).unwrap_or_default();
    let tensors = run.tensors(tag).map(|all| format!("{:?}\n", all.collect::<Vec<_>>())).unwrap_or_default();
    let blobs = run.blobs(tag).map(|all| format!("{:?}\n", all.collect::<Vec<_>>())).unwrap_or_default();
    [scalars, histograms, images, audio, texts, curves, tensors, blobs].concat()
}

/// A session of random events, of every form.
fn session(seed: u64) -> Vec<u8> {
    let random = &mut Random(seed | 1);
    let mut file = if random.below(5) == 0 { EventFile::without_version() } else { EventFile::new() };
    let mut step = random.below(6) as i64;
    for number in 0..random.below(25) {
        match random.below(14) {
            0 => file.start(random.below(12) as i64),
            1 => step -= random.below(5) as i64,
            2 => file.image("image", step, &[number as u8; 40]),
            3 => file.histogram("histogram", step, number as f64),
            4 => file.scalars(&[("a", number as f32), ("b", 0.5)], step),
            5 => file.version(),
            6 => file.graph(b"\x0a\x03\x0a\x01a"),
            7 => file.audio("audio", step, b"wav"),
            choice => file.scalar(["a", "b", "c"][choice as usize % 3], step, number as f32),
        }
        step += random.below(3) as i64;
    }
    file.bytes()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Three files of a run grow in pieces of any size, in any order, with a refresh after each piece. One of them may be
    /// damaged.
    #[test]
    fn refreshes_never_change_the_result(
        seeds in vec(any::<u64>(), 3),
        pieces in vec((0..3_usize, 1..200_usize), 0..40),
        damage in proptest::option::of((0..3_usize, any::<prop::sample::Index>(), 1..=255_u8)),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut contents: Vec<Vec<u8>> = seeds.into_iter().map(session).collect();
        if let Some((file, at, flip)) = damage
            && !contents[file].is_empty()
        {
            let at = at.index(contents[file].len());
            contents[file][at] ^= flip;
        }
        events::write(folder.path(), "run", &[vec![], vec![], vec![]]);
        let mut followed = RULES.map(|rule| open(folder.path(), rule));
        let mut written = [0; 3];
        let rest = (0..3).map(|file| (file, usize::MAX));
        for (file, size) in pieces.into_iter().chain(rest) {
            let piece = &contents[file][written[file]..];
            let piece = &piece[..piece.len().min(size)];
            written[file] += piece.len();
            let path = folder.path().join(format!("run/events.out.tfevents.{file:010}"));
            fs::File::options().append(true).open(path).unwrap().write_all(piece).unwrap();
            for logs in &mut followed {
                logs.refresh().unwrap();
            }
        }
        for logs in &followed {
            let anew = open(folder.path(), logs.options().restarts);
            prop_assert_eq!(everything(logs), everything(&anew));
        }
    }

    /// Bytes of any sort, in sound records or not, after sound events that give their tags a kind.
    #[test]
    fn no_file_makes_it_panic(
        seed in any::<u64>(),
        records in vec(vec(any::<u8>(), 0..200), 0..8),
        tail in vec(any::<u8>(), 0..64),
    ) {
        let mut bytes = session(seed);
        let mut encoder = RecordEncoder::new();
        records.iter().for_each(|record| encoder.push(record));
        bytes.extend_from_slice(encoder.as_bytes());
        bytes.extend(tail);
        let folder = tempfile::tempdir().unwrap();
        events::write(folder.path(), "run", &[bytes]);
        for rule in RULES {
            everything(&open(folder.path(), rule));
        }
    }

    /// Sound records of events with a byte changed, so that damage gets past the checksums.
    #[test]
    fn no_event_makes_it_panic(
        seed in any::<u64>(),
        record in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let bytes = session(seed);
        let mut decoder = convscope::record::RecordDecoder::new(Default::default());
        decoder.push(&bytes);
        let mut records = Vec::new();
        while let Some(data) = decoder.next_record().unwrap() {
            records.push(data.to_vec());
        }
        if !records.is_empty() {
            let record = record.index(records.len());
            let at = at.index(records[record].len());
            records[record][at] = byte;
        }
        let mut encoder = RecordEncoder::new();
        records.iter().for_each(|record| encoder.push(record));
        let folder = tempfile::tempdir().unwrap();
        events::write(folder.path(), "run", &[encoder.as_bytes().to_vec()]);
        for rule in RULES {
            everything(&open(folder.path(), rule));
        }
    }
}
