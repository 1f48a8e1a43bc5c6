//! What an event needs to be taken by both loaders.

use std::collections::{BTreeMap, BTreeSet};

use prost::{
    Message as _,
    encoding::{DecodeContext, WireType, decode_key, skip_field},
};

use crate::{
    event::FILE_VERSION,
    logdir::lint::decode_event,
    proto::{self, SummaryMetadata, event::What},
};

/// Most bytes of names and metadata that are kept, as in a log folder that is read.
const MAX_KEPT: usize = 256 << 20;
/// What a name takes besides its bytes.
const ENTRY: usize = 64;

/// Number of the field `wall_time` of an event.
const WALL_TIME: u32 = 1;

/// Events of one file, one after the other.
#[derive(Debug)]
pub(super) struct Mender {
    /// The last time that made sense.
    last_time: f64,
    /// Metadata in damaged records, by tag.
    lost: BTreeMap<String, SummaryMetadata>,
    /// Tags that there were values of.
    tags: BTreeSet<String>,
    /// Bytes of names and metadata that may still be kept.
    budget: usize,
}

/// What became of an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mended {
    /// It is as it was.
    Whole,
    /// Its time was replaced.
    WallTime,
    /// It got the metadata of so many tags whose first record was damaged.
    Metadata(u64),
    /// It is no event.
    NoEvent(String),
}

impl Mender {
    /// `wall_time` is for events without any, before the first that has one.
    pub fn new(wall_time: f64) -> Mender {
        Mender { last_time: wall_time, lost: BTreeMap::new(), tags: BTreeSet::new(), budget: MAX_KEPT }
    }

    /// Notes the metadata in a damaged record, if there is any to be seen: without it no page would show the tag. What is
    /// over the bound on memory is not noted.
    pub fn damaged(&mut self, data: &[u8]) {
        let Ok(Some(What::Summary(summary))) = decode_event(data).map(|event| event.what) else { return };
        for value in summary.value {
            let Some(metadata) = value.metadata else { continue };
            let is_new = !self.tags.contains(&value.tag) && !self.lost.contains_key(&value.tag);
            if is_new && self.take(value.tag.len() + size_of_val(&metadata) + metadata.encoded_len()) {
                self.lost.insert(value.tag, metadata);
            }
        }
    }

    /// Changes as few bytes as need be, so that fields which nobody knows yet stay.
    pub fn mend(&mut self, data: &mut Vec<u8>) -> Mended {
        let mut event = match decode_event(data) {
            Ok(event) => event,
            Err(error) => return Mended::NoEvent(format!("a sound record that is no event: {error}")),
        };
        let is_finite = event.wall_time.is_finite();
        if is_finite {
            self.last_time = event.wall_time;
        } else {
            event.wall_time = self.last_time;
            set_wall_time(data, self.last_time);
        }
        let rescued = self.describe(&mut event);
        if rescued > 0 {
            *data = event.encode_to_vec();
        }
        match (is_finite, rescued) {
            (false, _) => Mended::WallTime,
            (true, 0) => Mended::Whole,
            (true, tags) => Mended::Metadata(tags),
        }
    }

    /// Gives the first values of tags the metadata that was lost; of how many.
    fn describe(&mut self, event: &mut proto::Event) -> u64 {
        let Some(What::Summary(summary)) = &mut event.what else { return 0 };
        let mut rescued = 0;
        for value in &mut summary.value {
            if self.tags.contains(&value.tag) {
                continue;
            }
            if self.take(value.tag.len()) {
                self.tags.insert(value.tag.clone());
            }
            if value.metadata.is_none()
                && let Some(metadata) = self.lost.remove(&value.tag)
            {
                value.metadata = Some(metadata);
                rescued += 1;
            }
        }
        rescued
    }

    /// Whether so many bytes more may be kept.
    fn take(&mut self, bytes: usize) -> bool {
        let left = self.budget.checked_sub(bytes + ENTRY);
        self.budget = left.unwrap_or(self.budget);
        left.is_some()
    }

    /// A file version, for a file that does not begin with one.
    pub fn file_version(&self, first: &proto::Event) -> Vec<u8> {
        let wall_time = if first.wall_time.is_finite() { first.wall_time } else { self.last_time };
        let what = Some(What::FileVersion(FILE_VERSION.to_owned()));
        proto::Event { wall_time, what, ..Default::default() }.encode_to_vec()
    }
}

/// Overwrites every field `wall_time` of an event.
fn set_wall_time(data: &mut [u8], wall_time: f64) {
    let mut at = 0;
    while at < data.len() {
        let mut rest = &data[at..];
        let before = rest.len();
        let Ok((number, wire_type)) = decode_key(&mut rest) else { return };
        let value = at + (before - rest.len());
        if skip_field(wire_type, number, &mut rest, DecodeContext::default()).is_err() {
            return;
        }
        let end = at + (before - rest.len());
        if number == WALL_TIME && wire_type == WireType::SixtyFourBit {
            data[value..end].copy_from_slice(&wall_time.to_le_bytes());
        }
        at = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_time_changes() {
        let event = |wall_time| proto::Event {
            wall_time,
            step: 7,
            what: Some(What::GraphDef(vec![1, 2, 3])),
            ..Default::default()
        };
        let mut mender = Mender::new(0.0);
        let mut good = event(5.0).encode_to_vec();
        assert_eq!(mender.mend(&mut good), Mended::Whole);
        let mut bad = event(f64::NAN).encode_to_vec();
        bad.extend_from_slice(&[0xf8, 0x3f, 0x05]); // field 1023, which nobody knows
        let length = bad.len();
        assert_eq!(mender.mend(&mut bad), Mended::WallTime);
        assert_eq!(bad.len(), length);
        assert_eq!(bad[length - 3..], [0xf8, 0x3f, 0x05]);
        assert_eq!(proto::Event::decode(&bad[..]).unwrap(), event(5.0));
    }

    #[test]
    fn garbage_is_no_event() {
        assert!(matches!(Mender::new(0.0).mend(&mut vec![0xff; 3]), Mended::NoEvent(_)));
    }
}
