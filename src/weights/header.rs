//! The header of a safetensors file: which tensors it holds, and where.

use std::{collections::BTreeMap, ops::Range};

use serde_json::{Map, Value};
use tch::Kind;

use super::dtype;

/// The key of free text about the file.
const METADATA: &str = "__metadata__";

/// A tensor as the header states it.
#[derive(Debug, PartialEq)]
pub(super) struct Entry {
    /// The kind's name, such as `F32`.
    pub(super) dtype: String,
    pub(super) size: Vec<i64>,
    /// Its bytes, counted from the end of the header.
    pub(super) bytes: Range<u64>,
}

impl Entry {
    pub(super) fn kind(&self) -> Option<Kind> {
        dtype::kind(&self.dtype)
    }
}

/// What a header holds.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) entries: BTreeMap<String, Entry>,
    /// Free text about the file, by key. What is no text is left out.
    pub(super) metadata: BTreeMap<String, String>,
}

/// The tensors of a header in JSON, whose values take `data_len` bytes after it.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) fn parse(json: &[u8], data_len: u64) -> Result<Header, String> {
    let mut header: Map<String, Value> =
        serde_json::from_slice(json).map_err(|error| format!("its header is no JSON object: {error}"))?;
    let metadata = match header.remove(METADATA) {
        Some(Value::Object(texts)) => {
            texts.into_iter().filter_map(|(key, text)| Some((key, text.as_str()?.to_owned()))).collect()
        }
        _ => BTreeMap::new(),
    };
    let mut entries = BTreeMap::new();
    for (name, value) in header {
        let entry = entry(&value)
            .ok_or_else(|| format!("its header does not state dtype, shape and data_offsets of {name:?}"))?;
        check_length(&entry).map_err(|why| format!("tensor {name:?}: {why}"))?;
        entries.insert(name, entry);
    }
    check_cover(&entries, data_len)?;
    Ok(Header { entries, metadata })
}

fn entry(value: &Value) -> Option<Entry> {
    let size = value.get("shape")?.as_array()?.iter();
    let size = size.map(|dim| dim.as_i64().filter(|&dim| dim >= 0)).collect::<Option<_>>()?;
    let [begin, end] = value.get("data_offsets")?.as_array()?.as_slice() else { return None };
    let bytes = begin.as_u64()?..end.as_u64()?;
    Some(Entry { dtype: value.get("dtype")?.as_str()?.to_owned(), size, bytes })
}

/// A tensor's values fill its bytes. Of kinds that libtorch does not have, the size of a value is not known.
fn check_length(entry: &Entry) -> Result<(), String> {
    let Some(kind) = entry.kind() else { return Ok(()) };
    let count = entry.size.iter().try_fold(1_i64, |count, &dim| count.checked_mul(dim));
    let expected = count.and_then(|count| count.cast_unsigned().checked_mul(kind.elt_size_in_bytes() as u64));
    let found = entry.bytes.end.checked_sub(entry.bytes.start);
    match (expected, found) {
        (Some(expected), Some(found)) if expected == found => Ok(()),
        _ => Err(format!("{:?} {} do not fit into the bytes {:?}", entry.size, entry.dtype, entry.bytes)),
    }
}

/// The format allows neither gaps nor overlaps, so the tensors, one after the other, end where the file does.
fn check_cover(entries: &BTreeMap<String, Entry>, data_len: u64) -> Result<(), String> {
    let mut in_order: Vec<(&String, &Range<u64>)> =
        entries.iter().map(|(name, entry)| (name, &entry.bytes)).collect();
    in_order.sort_unstable_by_key(|(_, bytes)| (bytes.start, bytes.end));
    let mut end = 0;
    for (name, bytes) in in_order {
        if bytes.start != end {
            return Err(format!(
                "tensor {name:?} begins at byte {} of the values, expected {end}",
                bytes.start
            ));
        }
        end = bytes.end;
    }
    match data_len {
        found if found < end => {
            Err(format!("it is cut off: it holds {found} bytes of values, and its header tells of {end}"))
        }
        found if found > end => Err(format!("{} bytes belong to no tensor", found - end)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(json: &str, data_len: u64) -> String {
        parse(json.as_bytes(), data_len).unwrap_err()
    }

    #[test]
    fn tensors_with_their_places() {
        let json = r#"{
            "b": {"dtype": "F32", "shape": [2, 3], "data_offsets": [2, 26]},
            "a": {"dtype": "F16", "shape": [], "data_offsets": [0, 2]},
            "none": {"dtype": "F64", "shape": [0, 7], "data_offsets": [26, 26]},
            "strange": {"dtype": "F8_E4M3", "shape": [5], "data_offsets": [26, 31]},
            "__metadata__": {"format": "pt"}
        }"#;
        let Header { entries, metadata } = parse(json.as_bytes(), 31).unwrap();
        assert_eq!(metadata["format"], "pt");
        let names: Vec<&str> = entries.keys().map(String::as_str).collect();
        assert_eq!(names, ["a", "b", "none", "strange"]);
        let expected = Entry { dtype: "F32".to_owned(), size: vec![2, 3], bytes: 2..26 };
        assert_eq!((&entries["b"], entries["b"].kind()), (&expected, Some(Kind::Float)));
        assert_eq!(entries["strange"].kind(), None);
        assert!(refusal(json, 30).starts_with("it is cut off: it holds 30 bytes of values"));
        assert_eq!(refusal(json, 40), "9 bytes belong to no tensor");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let one = |entry: &str| refusal(&format!(r#"{{"w": {entry}}}"#), 8);
        for entry in [
            "null",
            "[]",
            r#"{"shape": [2], "data_offsets": [0, 8]}"#,
            r#"{"dtype": "F32", "data_offsets": [0, 8]}"#,
            r#"{"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}"#,
            r#"{"dtype": "F32", "shape": [2.5], "data_offsets": [0, 8]}"#,
            r#"{"dtype": "F32", "shape": [2], "data_offsets": [0, 4, 8]}"#,
            r#"{"dtype": "F32", "shape": [2], "data_offsets": [-8, 0]}"#,
        ] {
            assert_eq!(
                one(entry),
                "its header does not state dtype, shape and data_offsets of \"w\"",
                "{entry}"
            );
        }
        for entry in [
            r#"{"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}"#,
            r#"{"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}"#,
            r#"{"dtype": "F32", "shape": [4611686018427387904, 4], "data_offsets": [0, 8]}"#,
            r#"{"dtype": "F32", "shape": [4611686018427387904], "data_offsets": [0, 0]}"#,
        ] {
            assert!(one(entry).contains("do not fit into the bytes"), "{entry}: {}", one(entry));
        }
        let gap = r#"{"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}"#;
        assert_eq!(one(gap), "tensor \"w\" begins at byte 4 of the values, expected 0");
        for json in ["", "[1]", "{", "\u{0}", &"[".repeat(100_000)] {
            assert!(refusal(json, 0).starts_with("its header is no JSON object: "), "{json}");
        }
    }

    /// The parser of JSON keeps the last of two entries of one name; then the values of the first belong to nobody.
    #[test]
    fn a_name_twice_is_refused() {
        let json = r#"{"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]},
                       "w": {"dtype": "U8", "shape": [1], "data_offsets": [1, 2]}}"#;
        assert_eq!(refusal(json, 2), "tensor \"w\" begins at byte 1 of the values, expected 0");
    }
}
