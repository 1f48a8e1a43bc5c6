//! Records: whatever is cut off, flipped or chopped, nothing wrong is ever read.

#![allow(clippy::unwrap_used)]

use std::{
    collections::VecDeque,
    io::{self, Read, Write as _},
};

use convscope::record::{
    Limits, MaskedCrc, RecordDecoder, RecordEncoder, RecordError, RecordErrorKind, RecordReader, RecordWriter,
};
use proptest::prelude::*;

/// Records of several lengths, the empty one among them.
const RECORDS: [&[u8]; 4] = [b"first", b"", b"a third one, longer", b"4"];

fn file_of(records: &[&[u8]]) -> Vec<u8> {
    let mut writer = RecordWriter::new(Vec::new());
    records.iter().for_each(|record| writer.write_record(record).unwrap());
    writer.into_inner()
}

/// Where the records of a file begin, and its length.
fn boundaries(records: &[&[u8]]) -> Vec<usize> {
    let mut ends = vec![0];
    ends.extend(records.iter().scan(0, |end, record| {
        *end += record.len() + 16;
        Some(*end)
    }));
    ends
}

/// What a reader says from start to end, errors as text.
#[derive(Debug, PartialEq, Clone)]
enum Read1 {
    Record(Vec<u8>),
    Error(String),
}

/// Reads until the input ends or reading cannot go on.
fn read_all(reader: &mut RecordReader<impl Read>) -> Vec<Read1> {
    let mut found = Vec::new();
    loop {
        match reader.read_record() {
            Ok(Some(data)) => found.push(Read1::Record(data.to_vec())),
            Ok(None) => return found,
            Err(error) => {
                found.push(Read1::Error(error.to_string()));
                match error.kind {
                    RecordErrorKind::DataChecksum { .. } | RecordErrorKind::OverLimit { .. } => {}
                    _ => return found,
                }
            }
        }
    }
}

fn error_of(bytes: &[u8], limits: Limits) -> RecordError {
    RecordReader::with_limits(bytes, limits).read_record().unwrap_err()
}

#[test]
fn bytes_are_those_of_tensorflow() {
    let event = b"\x09\x00\x00\x80\x38\x99\xd6\xd7\x41\x1a\x0dbrain.Event:2";
    let mut expected = vec![24, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22];
    expected.extend_from_slice(event);
    expected.extend_from_slice(&[0x12, 0x4b, 0x36, 0xab]);
    assert_eq!(file_of(&[event]), expected);
    assert_eq!(RecordReader::new(&expected[..]).read_record().unwrap(), Some(&event[..]));
}

#[test]
fn a_record_is_one_write() {
    struct Calls(Vec<usize>);
    impl io::Write for Calls {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(bytes.len());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut writer = RecordWriter::new(Calls(Vec::new()));
    RECORDS.iter().for_each(|record| writer.write_record(record).unwrap());
    assert_eq!(writer.into_inner().0, RECORDS.map(|record| record.len() + 16));
}

#[test]
fn cut_anywhere_it_is_truncated_and_goes_on() {
    let file = file_of(&RECORDS);
    let boundaries = boundaries(&RECORDS);
    for cut in 0..=file.len() {
        let whole = boundaries.iter().filter(|end| **end <= cut).count() - 1;
        let mut reader = RecordReader::new(Scripted::new([&file[..cut], &file[cut..]]));
        for record in &RECORDS[..whole] {
            assert_eq!(reader.read_record().unwrap(), Some(*record));
        }
        assert_eq!(reader.offset(), boundaries[whole] as u64);
        // Asking again does not change the answer.
        for _ in 0..2 {
            let end = reader.read_record().map(|record| record.map(<[u8]>::to_vec));
            if cut == boundaries[whole] {
                assert_eq!(end.unwrap(), None, "cut at {cut}");
            } else {
                let error = end.unwrap_err();
                let found = (cut - boundaries[whole]) as u64;
                let kind = &error.kind;
                assert!(matches!(kind, RecordErrorKind::Truncated { found: f } if *f == found), "{kind:?}");
                assert_eq!(error.offset, boundaries[whole] as u64);
            }
        }
        reader.get_mut().go_on();
        let rest: Vec<Read1> = RECORDS[whole..].iter().map(|record| Read1::Record(record.to_vec())).collect();
        assert_eq!(read_all(&mut reader), rest, "cut at {cut}");
    }
}

#[test]
fn a_flipped_bit_is_never_read() {
    let file = file_of(&RECORDS);
    let boundaries = boundaries(&RECORDS);
    for position in 0..file.len() {
        let record = boundaries.iter().filter(|end| **end <= position).count() - 1;
        let within = position - boundaries[record];
        for bit in 0..8 {
            let mut damaged = file.clone();
            damaged[position] ^= 1 << bit;
            let mut reader = RecordReader::new(&damaged[..]);
            for record in &RECORDS[..record] {
                assert_eq!(reader.read_record().unwrap(), Some(*record));
            }
            let error = reader.read_record().unwrap_err();
            assert_eq!(error.offset, boundaries[record] as u64);
            if within < 12 {
                assert!(
                    matches!(error.kind, RecordErrorKind::LengthChecksum { .. }),
                    "{position}.{bit}: {error}"
                );
                let again = reader.read_record().unwrap_err();
                assert_eq!(error.to_string(), again.to_string(), "there is no way on");
            } else {
                assert!(
                    matches!(error.kind, RecordErrorKind::DataChecksum { .. }),
                    "{position}.{bit}: {error}"
                );
                let rest: Vec<Read1> =
                    RECORDS[record + 1..].iter().map(|record| Read1::Record(record.to_vec())).collect();
                assert_eq!(read_all(&mut reader), rest);
            }
        }
    }
}

/// A sound header that promises `length` bytes.
fn forged(length: u64) -> Vec<u8> {
    let mut header = length.to_le_bytes().to_vec();
    let checksum = MaskedCrc::compute(&header);
    header.extend_from_slice(&checksum.to_le_bytes());
    header
}

#[test]
fn a_forged_length_allocates_nothing() {
    for length in [(64 << 20) + 1, u64::MAX - 15, u64::MAX] {
        let error = error_of(&forged(length), Limits::default());
        let limit = 64 << 20;
        assert!(
            matches!(error.kind, RecordErrorKind::OverLimit { length: l, limit: m } if l == length && m == limit)
        );
    }
    // Within the limit, and a limit that allows anything: the promise is not believed either.
    for (length, limits) in [
        (64 << 20, Limits::default()),
        (u64::MAX, Limits { max_record_bytes: u64::MAX }),
        (1 << 60, Limits { max_record_bytes: u64::MAX }),
    ] {
        let error = error_of(&forged(length), limits);
        assert!(matches!(error.kind, RecordErrorKind::Truncated { found: 12 }), "{length}: {error}");
    }
}

#[test]
fn a_record_over_the_limit_is_skipped() {
    let file = file_of(&[b"short", &[7; 100], b"short too"]);
    let limits = Limits { max_record_bytes: 99 };
    let mut reader = RecordReader::with_limits(&file[..], limits);
    let skipped = "record at byte 21: it has 100 bytes, at most 99 are allowed";
    let expected = [
        Read1::Record(b"short".to_vec()),
        Read1::Error(skipped.into()),
        Read1::Record(b"short too".to_vec()),
    ];
    assert_eq!(read_all(&mut reader), expected);
    // Cut off inside what is skipped.
    let mut reader = RecordReader::with_limits(&file[..60], limits);
    let truncated = "record at byte 21: the record is cut off after 39 bytes";
    let expected =
        [Read1::Record(b"short".to_vec()), Read1::Error(skipped.into()), Read1::Error(truncated.into())];
    assert_eq!(read_all(&mut reader), expected);
    assert_eq!(
        RecordReader::with_limits(&file_of(&[&[1; 99]])[..], limits).read_record().unwrap().unwrap().len(),
        99
    );
}

#[test]
fn errors_name_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.tfevents");
    let mut bytes = file_of(&RECORDS);
    bytes[21 + 3] ^= 1;
    std::fs::File::create(&path).unwrap().write_all(&bytes).unwrap();
    let mut reader = RecordReader::open(&path, Limits::default()).unwrap();
    reader.read_record().unwrap();
    let error = reader.read_record().unwrap_err();
    assert_eq!((error.path.as_deref(), error.offset), (Some(&*path), 21));
    assert!(error.to_string().starts_with(&format!("{}: record at byte 21: ", path.display())), "{error}");
    let missing = RecordReader::open(dir.path().join("none"), Limits::default()).unwrap_err();
    assert!(matches!(missing.kind, RecordErrorKind::Io(_)));
    assert!(missing.to_string().contains("none"));
}

#[test]
fn input_errors_lose_nothing() {
    struct Flaky<'a> {
        bytes: &'a [u8],
        calls: usize,
    }
    impl Read for Flaky<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.calls += 1;
            match self.calls % 3 {
                0 => Err(io::ErrorKind::Interrupted.into()),
                1 => Err(io::Error::other("the cable is out")),
                _ => self.bytes.read(&mut into[..1]),
            }
        }
    }
    let file = file_of(&RECORDS);
    let mut reader = RecordReader::new(Flaky { bytes: &file, calls: 0 });
    let mut found: Vec<Vec<u8>> = Vec::new();
    let mut failures = 0;
    loop {
        match reader.read_record() {
            Ok(Some(data)) => found.push(data.to_vec()),
            Ok(None) => break,
            Err(error) => {
                assert!(matches!(error.kind, RecordErrorKind::Io(_)), "{error}");
                assert!(error.to_string().contains("the cable is out"));
                failures += 1;
            }
        }
    }
    assert_eq!(found, RECORDS);
    assert!(failures > file.len() / 2);
}

/// Comes to its end between pieces, as a file does that somebody writes.
struct Scripted {
    pieces: VecDeque<Vec<u8>>,
}

impl Scripted {
    fn new<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Scripted {
        Scripted { pieces: pieces.into_iter().map(<[u8]>::to_vec).collect() }
    }

    fn go_on(&mut self) {
        self.pieces.pop_front();
    }
}

impl Read for Scripted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let Some(piece) = self.pieces.front_mut() else { return Ok(0) };
        let read = (&piece[..]).read(into)?;
        piece.drain(..read);
        Ok(read)
    }
}

/// A file with damage: records, and bits to flip.
fn damaged_file() -> impl Strategy<Value = Vec<u8>> {
    let records = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..8);
    let flips = prop::collection::vec((any::<prop::sample::Index>(), 0..8u32), 0..3);
    (records, flips).prop_map(|(records, flips)| {
        let mut encoder = RecordEncoder::new();
        records.iter().for_each(|record| encoder.push(record));
        let mut file = encoder.as_bytes().to_vec();
        for (position, bit) in flips {
            if !file.is_empty() {
                let position = position.index(file.len());
                file[position] ^= 1 << bit;
            }
        }
        file
    })
}

#[test]
fn the_next_record_begins_behind_one_that_is_too_long_however_it_is_read() {
    let file = file_of(&RECORDS);
    let starts = boundaries(&RECORDS);
    let limits = Limits { max_record_bytes: 8 };
    for size in [1, 7, file.len()] {
        let mut decoder = RecordDecoder::new(limits);
        let mut found = Vec::new();
        for piece in file.chunks(size) {
            decoder.push(piece);
            loop {
                let offset = decoder.offset() as usize;
                match decoder.next_record() {
                    Ok(None) => break,
                    Ok(Some(_)) => found.push(offset),
                    Err(error) => assert_eq!(error.offset as usize, starts[2]),
                }
            }
        }
        assert_eq!(found, [starts[0], starts[1], starts[3]], "{size}");
    }
}

proptest! {
    /// However the input is chopped, and wherever it seems to end for a while, the result is that of the whole.
    #[test]
    fn chopping_changes_nothing(file in damaged_file(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..20)) {
        let limits = Limits { max_record_bytes: 150 };
        let whole = read_all(&mut RecordReader::with_limits(&file[..], limits));

        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(file.len() + 1)).collect();
        cuts.extend([0, file.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|ends| &file[ends[0]..ends[1]]).collect();

        let mut reader = RecordReader::with_limits(Scripted::new(pieces.iter().copied()), limits);
        let mut resumed = Vec::new();
        for piece in 0..pieces.len() {
            let mut found = read_all(&mut reader);
            reader.get_mut().go_on();
            let last = piece + 1 == pieces.len();
            // An error that ends reading is said again by the next call; only the last one counts.
            let ends = |read: &Read1| matches!(read, Read1::Error(text) if !text.contains("its data has") && !text.contains("allowed"));
            if !last && found.last().is_some_and(ends) {
                found.pop();
            }
            resumed.extend(found);
        }
        if pieces.is_empty() {
            resumed = read_all(&mut reader);
        }
        prop_assert_eq!(resumed, whole);
    }

    /// The decoder finds what the encoder was given, pushed in pieces of any size.
    #[test]
    fn decoder_undoes_encoder(records in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..10), size in 1usize..100) {
        let mut encoder = RecordEncoder::new();
        records.iter().for_each(|record| encoder.push(record));
        let mut decoder = RecordDecoder::new(Limits::default());
        let mut found: Vec<Vec<u8>> = Vec::new();
        for piece in encoder.as_bytes().chunks(size) {
            decoder.push(piece);
            while let Some(data) = decoder.next_record().unwrap() {
                found.push(data.to_vec());
            }
        }
        prop_assert_eq!(found, records);
        prop_assert_eq!(decoder.offset(), encoder.len() as u64);
    }
}
