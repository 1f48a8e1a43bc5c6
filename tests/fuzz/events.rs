//! The reader of event files.

use std::io::Read;

use convscope::{
    event::EventFileReader,
    proto,
    record::{Limits, RecordReader},
};
use prost::Message as _;

use super::{
    chopped::{Chopped, Pieces},
    stream, within,
};

/// How many bytes of memory a byte of the file may take: an empty value has two bytes in the file, and lies in a vector
/// that holds up to three times its content while it grows.
const GROWTH: usize = 3 * size_of::<proto::summary::Value>() / 2;

/// - How the input is chopped into reads changes nothing.
/// - An event that was read, written and read again is the same.
/// - An event takes memory in proportion to its bytes.
/// - Every file ends.
pub fn events(data: &[u8]) {
    let (_, bytes) = stream::of_script(data);
    let most_events = bytes.len() / 16 + 2;
    let whole = read_all(EventFileReader::new(&bytes[..]), most_events);
    let chopped = read_all(EventFileReader::new(Chopped::new(&bytes)), most_events);
    assert_eq!(whole, chopped, "in one piece, and chopped");
    assert_eq!(read_growing(&bytes), without_tail(&whole), "growing");
    whole.iter().flatten().for_each(|event| is_stable(event));

    let limits = Limits::default();
    within(bytes.len() * GROWTH + (256 << 10), || {
        let records = RecordReader::with_limits(&bytes[..], limits);
        for event in EventFileReader::from_records(records).take(most_events) {
            drop(event);
        }
    });
}

/// An event as bytes, since a number in it may not equal itself; or what is wrong.
type Said = Result<Vec<u8>, String>;

fn said(event: convscope::Result<proto::Event>) -> Said {
    event.map(|event| event.encode_to_vec()).map_err(|error| error.to_string())
}

fn read_all(reader: EventFileReader<impl Read>, most: usize) -> Vec<Said> {
    let events: Vec<Said> = reader.take(most + 1).map(said).collect();
    assert!(events.len() <= most, "{} events out of a file that has room for {most}", events.len());
    events
}

/// Reads a file that is being written: what it says in between of a record that is cut off is of no interest.
fn read_growing(bytes: &[u8]) -> Vec<Said> {
    let mut reader = EventFileReader::from_records(RecordReader::new(Chopped::growing(bytes)));
    let mut events = Vec::new();
    for _ in 0..2 * Pieces::of(bytes).count() + 2 {
        events.extend(reader.by_ref().map(said));
    }
    let mut events = without_tail(&events);
    // What stands in the way is said again whenever there is more to read.
    events.dedup_by(|next, last| next.is_err() && next == last);
    events
}

fn without_tail(events: &[Said]) -> Vec<Said> {
    let cut_off = |event: &&Said| !event.as_ref().is_err_and(|why| why.contains("cut off"));
    events.iter().filter(cut_off).cloned().collect()
}

fn is_stable(event: &[u8]) {
    let again = proto::Event::decode(event).unwrap().encode_to_vec();
    assert_eq!(again, event);
}
