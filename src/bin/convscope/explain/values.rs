//! `explain.json`, written while the studies run: raw values are many, and none is kept in memory.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use convscope::{Error, Result};
use serde_json::{Map, Value as Json, json};

use super::{folder, sink};

/// From so many numbers on, a list is a file of its own: in JSON they take up to 10 bytes each, and far more once they are
/// read.
pub const MANY: usize = 200_000;

/// The file while it grows: `{"values": {"occlusion": {"12_Coat": …}, …}, …}`.
pub struct Values {
    folder: PathBuf,
    unfinished: PathBuf,
    out: BufWriter<File>,
    /// The study whose values are being written.
    study: Option<&'static str>,
    /// Names of the files with many numbers.
    raw: BTreeSet<String>,
    /// The first failure: nothing is written after it.
    failed: Option<Error>,
}

impl Values {
    /// Begins the file; it has its name when it is [finished](Values::finish).
    pub fn create(folder: &Path) -> Result<Values> {
        let unfinished = folder.join(format!("{}.unfinished", folder::VALUES));
        let begin = || {
            let mut out = BufWriter::new(File::create(&unfinished)?);
            out.write_all(b"{\"values\":{")?;
            Ok(out)
        };
        let out = begin().map_err(|error| Error::io("create", &unfinished, error))?;
        let (folder, raw) = (folder.to_owned(), BTreeSet::new());
        Ok(Values { folder, unfinished, out, study: None, raw, failed: None })
    }

    /// Takes values of `what` that a study found.
    pub fn take(&mut self, study: &'static str, what: &str, values: Json) {
        if self.failed.is_some() {
            return;
        }
        let taken = self.with_raw_files(values, &format!("{study}/{what}"));
        self.failed = taken.and_then(|values| self.add(study, what, &values)).err();
    }

    /// Writes the rest of the document, and gives the file its name. The files with many numbers are in its list `raw`.
    pub fn finish(mut self, mut rest: Map<String, Json>) -> Result<()> {
        let raw: Vec<Json> = self.raw.iter().map(|file| json!({ "file": file })).collect();
        rest.insert("raw".to_owned(), raw.into());
        let path = self.folder.join(folder::VALUES);
        let written = match self.failed.take() {
            Some(error) => Err(error),
            None => self.end(&rest, &path).map_err(|error| Error::io("write", &path, error)),
        };
        if written.is_err() {
            fs::remove_file(&self.unfinished).ok(); // the error says more than a failure to tidy up
        }
        written
    }

    fn add(&mut self, study: &'static str, what: &str, values: &Json) -> Result<()> {
        let mut add = || {
            match self.study.replace(study) {
                Some(before) if before == study => self.out.write_all(b",")?,
                before => {
                    self.out.write_all(if before.is_some() { b"}," } else { b"" })?;
                    write!(self.out, "{}:{{", Json::from(study))?;
                }
            }
            write!(self.out, "\n{}:", Json::from(what))?;
            write_json(&mut self.out, values)
        };
        add().map_err(|error| Error::io("write", &self.unfinished, error))
    }

    fn end(&mut self, rest: &Map<String, Json>, path: &Path) -> io::Result<()> {
        self.out.write_all(if self.study.is_some() { b"}}" } else { b"}" })?;
        for (name, value) in rest {
            write!(self.out, ",\n{}:", Json::from(name.as_str()))?;
            write_json(&mut self.out, value)?;
        }
        self.out.write_all(b"}\n")?;
        self.out.flush()?;
        fs::rename(&self.unfinished, path)
    }

    /// The values with long lists of numbers in files of their own.
    fn with_raw_files(&mut self, values: Json, place: &str) -> Result<Json> {
        match values {
            Json::Array(list) if list.len() > MANY => {
                match list.iter().map(single).collect::<Option<Vec<f32>>>() {
                    Some(numbers) => self.write_raw(&numbers, place),
                    None => Ok(Json::Array(list)),
                }
            }
            Json::Array(list) => {
                let inner = list.into_iter().enumerate();
                inner.map(|(at, value)| self.with_raw_files(value, &format!("{place}/{at}"))).collect()
            }
            Json::Object(map) => {
                let inner = map.into_iter().map(|(name, value)| {
                    let value = self.with_raw_files(value, &format!("{place}/{name}"))?;
                    Ok((name, value))
                });
                inner.collect::<Result<Map<_, _>>>().map(Json::Object)
            }
            other => Ok(other),
        }
    }

    fn write_raw(&mut self, numbers: &[f32], place: &str) -> Result<Json> {
        let name = sink::file_name(place);
        let mut candidates = (1..)
            .map(|number| if number == 1 { format!("{name}.f32") } else { format!("{name}_{number}.f32") });
        let is_taken = |file: &String| self.raw.iter().any(|raw| raw.to_lowercase() == file.to_lowercase());
        let file = candidates.find(|file| !is_taken(file)).unwrap_or(name);
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        sink::write_whole(&self.folder.join(&file), &bytes)?;
        self.raw.insert(file.clone());
        Ok(json!({ "file": file, "format": "float32, little-endian", "count": numbers.len() }))
    }
}

/// A number as [`write_json`] and the studies write it: what is not finite is a string.
fn single(value: &Json) -> Option<f32> {
    let number = value.as_f64().or_else(|| value.as_str()?.parse().ok())?;
    Some(number as f32)
}

/// JSON in which numbers of single precision have as few digits as tell them apart.
fn write_json(out: &mut impl Write, value: &Json) -> io::Result<()> {
    match value {
        Json::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            let short = number as f32;
            // The form with an exponent, where that is shorter: `1e-30`.
            if f64::from(short) == number { write!(out, "{short:?}") } else { write!(out, "{number:?}") }
        }
        Json::Array(list) => {
            out.write_all(b"[")?;
            for (at, value) in list.iter().enumerate() {
                out.write_all(if at > 0 { b"," } else { b"" })?;
                write_json(out, value)?;
            }
            out.write_all(b"]")
        }
        Json::Object(map) => {
            out.write_all(b"{")?;
            for (at, (name, value)) in map.iter().enumerate() {
                out.write_all(if at > 0 { b"," } else { b"" })?;
                write!(out, "{}:", Json::from(name.as_str()))?;
                write_json(out, value)?;
            }
            out.write_all(b"}")
        }
        other => write!(out, "{other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(folder: &Path) -> Json {
        serde_json::from_slice(&fs::read(folder.join(folder::VALUES)).unwrap()).unwrap()
    }

    #[test]
    fn values_come_one_by_one_and_many_numbers_are_files() {
        let place = tempfile::tempdir().unwrap();
        let mut values = Values::create(place.path()).unwrap();
        let many: Vec<f32> = (0..=MANY).map(|i| (i as f32).sqrt()).collect();
        let mut list: Vec<Json> = many.iter().map(|value| json!(f64::from(*value))).collect();
        list[7] = json!("NaN");
        values.take(
            "saliency",
            "a \"b\"",
            json!({ "values": [f64::from(0.1f32), 1e-30, "inf", 2], "class": 3 }),
        );
        values.take("saliency", "c", json!({ "values": list, "shape": [1, 1, many.len()] }));
        values.take("pruning", "curves", json!([0.1, null, true]));
        let written_so_far = fs::metadata(place.path().join("saliency/c/values.f32")).unwrap().len();
        assert_eq!(written_so_far, 4 * many.len() as u64);
        values.finish(Map::from_iter([("seed".to_owned(), json!(0))])).unwrap();

        let text = fs::read_to_string(place.path().join(folder::VALUES)).unwrap();
        assert!(text.len() < 1000 && text.contains("[0.1,1e-30,\"inf\",2]"), "{text}");
        let found = read(place.path());
        assert_eq!(found["values"]["saliency"]["a \"b\""]["class"], 3);
        assert_eq!(found["values"]["pruning"]["curves"], json!([0.1, null, true]));
        assert_eq!(found["seed"], 0);
        let c = &found["values"]["saliency"]["c"];
        assert_eq!(
            (&c["values"]["count"], &c["values"]["file"]),
            (&json!(many.len()), &found["raw"][0]["file"])
        );
        let bytes = fs::read(place.path().join("saliency/c/values.f32")).unwrap();
        for (at, (bytes, expected)) in bytes.chunks(4).zip(&many).enumerate() {
            let number = f32::from_le_bytes(bytes.try_into().unwrap());
            assert!(if at == 7 { number.is_nan() } else { number == *expected }, "{at}");
        }
    }

    #[test]
    fn nothing_found_is_a_whole_document_too() {
        let place = tempfile::tempdir().unwrap();
        Values::create(place.path()).unwrap().finish(Map::new()).unwrap();
        assert_eq!(read(place.path()), json!({ "values": {}, "raw": [] }));
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 1);
    }
}
