//! The record reader.

use std::io::Read;

use convscope::record::{Limits, MaskedCrc, RecordDecoder, RecordEncoder, RecordErrorKind, RecordReader};

use super::{
    chopped::{Chopped, Pieces},
    stream, within,
};

/// What the reader asks its input for at a time, in bytes.
const CHUNK: usize = 64 << 10;

/// - The reader says what a reader of ten lines says that has the whole file before it.
/// - How the input is chopped into reads changes nothing, nor that it grows while it is read.
/// - What was read makes the same bytes again.
/// - The memory taken is that of one record and one chunk.
pub fn records(data: &[u8]) {
    let (limits, bytes) = stream::of_script(data);
    let expected = slow_twin(&bytes, limits);
    assert_eq!(read_all(&mut RecordReader::with_limits(&bytes[..], limits)), expected, "in one piece");
    assert_eq!(read_all(&mut RecordReader::with_limits(Chopped::new(&bytes), limits)), expected, "chopped");
    assert_eq!(read_growing(&bytes, limits), expected, "growing");
    assert_eq!(decode_pieces(&bytes, limits), expected_of_decoder(&expected), "pushed");
    encodes_again(&bytes, &expected);

    let record = (limits.max_record_bytes as usize).min(bytes.len()) + 16;
    // A vector that grows holds up to twice its content, and for a moment the old one as well.
    within(3 * (record + CHUNK) + CHUNK + 1024, || {
        let mut reader = RecordReader::with_limits(Chopped::new(&bytes), limits);
        while let Some(going_on) = step(&mut reader, |_, _| {}) {
            if !going_on {
                break;
            }
        }
    });
}

/// What a reader says of one record: where it begins and its data, or what is wrong with it.
type Said = (u64, Result<Vec<u8>, String>);

fn read_all(reader: &mut RecordReader<impl Read>) -> Vec<Said> {
    let mut said = Vec::new();
    while step(reader, |at, what| said.push((at, what.map(<[u8]>::to_vec)))) == Some(true) {}
    said
}

/// Reads one record. `None` at the end, `Some(false)` after an error that stands in the way.
fn step(
    reader: &mut RecordReader<impl Read>,
    mut say: impl FnMut(u64, Result<&[u8], String>),
) -> Option<bool> {
    let at = reader.offset();
    match reader.read_record() {
        Ok(Some(data)) => say(at, Ok(data)),
        Ok(None) => return None,
        Err(error) => {
            say(error.offset, Err(error.to_string()));
            return Some(matches!(
                error.kind,
                RecordErrorKind::DataChecksum { .. } | RecordErrorKind::OverLimit { .. }
            ));
        }
    }
    Some(true)
}

/// Reads an input that seems to end again and again.
fn read_growing(bytes: &[u8], limits: Limits) -> Vec<Said> {
    let mut reader = RecordReader::with_limits(Chopped::growing(bytes), limits);
    let mut said = Vec::new();
    loop {
        let before = said.len();
        let going_on = step(&mut reader, |at, what| said.push((at, what.map(<[u8]>::to_vec))));
        match going_on {
            Some(true) => {}
            _ if reader.get_ref().is_done() => return said,
            // The end for now: of no interest.
            None => {}
            Some(false) if said[before].1.as_ref().is_err_and(|why| why.contains("cut off")) => {
                said.truncate(before);
            }
            Some(false) => return said,
        }
    }
}

fn decode_pieces(bytes: &[u8], limits: Limits) -> Vec<Said> {
    let mut decoder = RecordDecoder::new(limits);
    let mut said = Vec::new();
    for piece in Pieces::of(bytes) {
        decoder.push(piece);
        loop {
            let at = decoder.offset();
            match decoder.next_record() {
                Ok(None) => break,
                Ok(Some(data)) => said.push((at, Ok(data.to_vec()))),
                Err(error) => {
                    said.push((error.offset, Err(error.to_string())));
                    if matches!(error.kind, RecordErrorKind::LengthChecksum { .. }) {
                        return said;
                    }
                }
            }
        }
    }
    said
}

/// A decoder does not know that the input ends.
fn expected_of_decoder(said: &[Said]) -> Vec<Said> {
    let cut_off = |said: &&Said| !said.1.as_ref().is_err_and(|why| why.contains("cut off"));
    said.iter().filter(cut_off).cloned().collect()
}

fn encodes_again(bytes: &[u8], said: &[Said]) {
    for (at, what) in said {
        let Ok(data) = what else { continue };
        let mut encoder = RecordEncoder::new();
        encoder.push(data);
        let at = *at as usize;
        assert_eq!(encoder.as_bytes(), &bytes[at..at + encoder.len()]);
    }
}

/// The format as it is described, without any state.
fn slow_twin(bytes: &[u8], limits: Limits) -> Vec<Said> {
    let mut said = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let mut say = |what: Result<Vec<u8>, String>| {
            let what = what.map_err(|why| format!("record at byte {at}: {why}"));
            said.push((at as u64, what));
        };
        let cut_off = Err(format!("the record is cut off after {} bytes", rest.len()));
        if rest.len() < 12 {
            say(cut_off);
            break;
        }
        let (found, expected) = (crc_at(rest, 8), MaskedCrc::compute(&rest[..8]));
        if found != expected {
            say(Err(format!(
                "its length has checksum {found}, {expected} expected: the file is damaged from here on"
            )));
            break;
        }
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap());
        let limit = limits.max_record_bytes;
        if length > limit {
            say(Err(format!("it has {length} bytes, at most {limit} are allowed")));
        }
        let Some(end) = usize::try_from(length)
            .ok()
            .and_then(|length| length.checked_add(16))
            .filter(|&end| end <= rest.len())
        else {
            say(cut_off);
            break;
        };
        if length <= limit {
            let data = &rest[12..end - 4];
            let (found, expected) = (crc_at(rest, end - 4), MaskedCrc::compute(data));
            say(if found == expected {
                Ok(data.to_vec())
            } else {
                Err(format!("its data has checksum {found}, {expected} expected: the record is damaged"))
            });
        }
        at += end;
    }
    said
}

fn crc_at(bytes: &[u8], at: usize) -> MaskedCrc {
    MaskedCrc(u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()))
}
