//! Files of other writers, read as stock TensorBoard reads them. `golden/write.py` makes the files and asks both of
//! TensorBoard's loaders what is in them.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use convscope::{
    event::EventFileReader,
    logdir::{LogDir, LogDirOptions, LoggedBucket, Point, Restarts, Run, Series, SeriesKind, TagInfo},
    proto::{DataClass, event::What},
    summary::{Tensor, Values},
};
use serde_json::Value as Json;

const WRITERS: [&str; 5] = ["pytorch", "tensorboardx", "tensorflow", "tensorflow1", "tensorboard_rs"];

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn event_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(event_files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

#[test]
fn every_event_of_every_writer_is_read() {
    for writer in WRITERS {
        for file in event_files(&golden(writer)) {
            let events: Vec<_> = EventFileReader::open(&file).unwrap().map(Result::unwrap).collect();
            assert_eq!(events[0].what, Some(What::FileVersion("brain.Event:2".to_owned())), "{file:?}");
            for (index, event) in events.iter().enumerate() {
                // tensorboard-rs gives graphs no time.
                if writer != "tensorboard_rs" || event.wall_time != 0.0 {
                    assert_eq!(event.wall_time, 1_700_000_000.0 + index as f64, "{file:?}");
                }
                assert!(event.what.is_some(), "{file:?}: event {index}");
            }
            assert!(events.len() > 1, "{file:?}");
        }
    }
}

#[test]
fn as_the_data_server_reads_them() {
    for writer in WRITERS {
        compare(writer, "fast", Restarts::DataServer);
    }
}

#[test]
fn as_the_python_loader_reads_them() {
    for writer in WRITERS {
        compare(writer, "slow", Restarts::Python);
    }
}

type Tags = BTreeMap<String, Json>;

/// A scalar of 64 bits: the data server drops it, and only its log says so. It is read here.
const DROPPED: (&str, &str, &str) = ("pytorch", "fast", "double");
/// Metadata of an old form without a storage class: the data server forgets the name and the description. They are kept
/// here.
const NAMELESS: (&str, &str, &str) = ("tensorboardx", "fast", "with_name");

fn compare(writer: &str, loader: &str, restarts: Restarts) {
    let expected = fs::read_to_string(golden(&format!("{writer}.json"))).unwrap();
    let mut expected: BTreeMap<String, BTreeMap<String, Tags>> = serde_json::from_str(&expected).unwrap();
    let expected = expected.remove(loader).unwrap();
    let options = LogDirOptions { restarts, ..LogDirOptions::default() };
    let logs = LogDir::open_with(golden(writer), options).unwrap();
    assert_eq!(logs.problems().count(), 0, "{writer}: {:?}", logs.problems().collect::<Vec<_>>());
    let names: Vec<&str> = logs.runs().iter().map(Run::name).collect();
    assert_eq!(names, expected.keys().collect::<Vec<_>>(), "{writer}, {loader}");
    let mut differences = Vec::new();
    for run in logs.runs() {
        let tags = &expected[run.name()];
        // TensorBoard lists no tag of an unknown storage class.
        let shown = run.tags().iter().filter(|info| info.data_class != DataClass::Unknown);
        let found: BTreeMap<&str, &TagInfo> = shown.map(|info| (info.tag.as_str(), info)).collect();
        for (tag, info) in &found {
            let place = format!("run {}, tag {tag}", run.name());
            match tags.get(*tag) {
                Some(expected) => {
                    if (writer, loader, *tag) == NAMELESS {
                        assert_eq!(
                            (expected["display_name"].as_str(), info.display_name.as_str()),
                            (Some(""), "A name")
                        );
                        continue;
                    }
                    differences.extend(differ(run, info, expected).map(|what| format!("{place}: {what}")));
                }
                None if (writer, loader, *tag) == DROPPED => {}
                None => differences.push(format!("{place} is not in TensorBoard")),
            }
        }
        let missing = tags.keys().filter(|tag| !found.contains_key(tag.as_str()));
        differences.extend(missing.map(|tag| format!("run {}, tag {tag} is missing", run.name())));
    }
    assert!(differences.is_empty(), "{writer}, {loader}:\n{}", differences.join("\n"));
}

/// What TensorBoard reads otherwise, if anything.
fn differ(run: &Run, info: &TagInfo, expected: &Json) -> Option<String> {
    let class = match info.data_class {
        DataClass::Scalar => "scalar",
        DataClass::Tensor => "tensor",
        DataClass::BlobSequence => "blob sequence",
        DataClass::Unknown => "unknown",
    };
    // For values of old forms the Python loader makes the tag itself the name that is shown.
    let name = |name: &str| if name.is_empty() { info.tag.clone() } else { name.to_owned() };
    let text = |field: &str| expected[field].as_str().unwrap();
    let found = [info.plugin.clone(), class.to_owned(), name(&info.display_name), info.description.clone()];
    let wanted = [
        text("plugin").to_owned(),
        text("data_class").to_owned(),
        name(text("display_name")),
        text("description").to_owned(),
    ];
    let wanted_points: Vec<Json> = expected["points"].as_array().unwrap().iter().map(with_numbers).collect();
    let points = points(run, info);
    if found != wanted {
        Some(format!("found {found:?}, expected {wanted:?}"))
    } else if points != wanted_points {
        let differ = points.iter().zip(&wanted_points).find(|(found, wanted)| found != wanted);
        Some(format!("found {} points, expected {}: {differ:?}", points.len(), wanted_points.len()))
    } else if info.values != points.len() {
        Some(format!("{} values told, {} found", info.values, points.len()))
    } else {
        None
    }
}

/// All values of a tag as the expectation has them.
fn points(run: &Run, info: &TagInfo) -> Vec<Json> {
    let tag = &info.tag;
    match info.data_class {
        DataClass::Scalar => {
            run.scalars(tag).unwrap().iter().map(|point| json(point, number(point.value))).collect()
        }
        DataClass::BlobSequence => all(run.blobs(tag).unwrap(), |blobs: &Vec<Vec<u8>>| {
            let sums = blobs.iter().map(|blob| format!("{}:{:08x}", blob.len(), crc32c::crc32c(blob)));
            sums.collect::<Vec<_>>().into()
        }),
        _ if info.kind == SeriesKind::Histogram => {
            all(run.histograms(tag).unwrap(), |buckets: &Vec<LoggedBucket>| {
                let items = buckets.iter().flat_map(|bucket| [bucket.left, bucket.right, bucket.count]);
                shaped(&[buckets.len(), 3], items.map(number).collect())
            })
        }
        _ => all(run.tensors(tag).unwrap(), flat),
    }
}

fn all<T>(series: Series<'_, T>, value: impl Fn(&T) -> Json) -> Vec<Json> {
    let points = series.map(Result::unwrap);
    points.map(|point| json(&point, value(&point.value))).collect()
}

fn json<T>(point: &Point<T>, value: Json) -> Json {
    vec![Json::from(point.step.get()), number(point.wall_time.secs()), value].into()
}

/// A number as text, so that it can be one that JSON has not.
fn number(number: f64) -> Json {
    format!("{number:?}").into()
}

/// The expectation with its numbers written as [`number`] writes them.
fn with_numbers(expected: &Json) -> Json {
    match expected {
        Json::Array(items) => items.iter().map(with_numbers).collect::<Vec<_>>().into(),
        Json::String(text) => match text.parse::<f64>() {
            Ok(value) => number(value),
            Err(_) => expected.clone(),
        },
        // A tensor of byte strings in hexadecimal, which are not to be taken for numbers.
        Json::Object(tensor) if tensor["dtype"] == "object" => {
            vec![tensor["shape"].clone(), tensor["items"].clone()].into()
        }
        // Its type is not compared: some are read as a wider one.
        Json::Object(tensor) => vec![tensor["shape"].clone(), with_numbers(&tensor["items"])].into(),
        other => other.clone(),
    }
}

/// Shape and elements of a tensor.
fn flat(tensor: &Tensor) -> Json {
    fn each<T: Clone>(values: &[T], json: impl Fn(T) -> Json) -> Vec<Json> {
        values.iter().cloned().map(json).collect()
    }
    let items = match tensor.any_values() {
        Values::F32(values) => each(values, |value| number(value.into())),
        Values::F64(values) => each(values, number),
        Values::I32(values) => each(values, |value| number(value.into())),
        Values::I64(values) => each(values, |value| number(value as f64)),
        Values::U8(values) => each(values, |value| number(value.into())),
        Values::Bool(values) => each(values, |value| number(value.into())),
        Values::Strings(values) => {
            each(values, |text| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>().into())
        }
        other => panic!("{other:?}"),
    };
    shaped(tensor.shape(), items)
}

fn shaped(shape: &[usize], items: Vec<Json>) -> Json {
    vec![Json::from(shape), items.into()].into()
}

/// Writes what `tensorboard-rs` can, for `golden/write.py`.
#[cfg(feature = "tensorboard-rs")]
#[test]
#[ignore = "makes a golden file"]
fn write_tensorboard_rs() {
    let folder = std::env::var("GOLDEN_FOLDER").unwrap();
    let mut writer = tensorboard_rs::summary_writer::SummaryWriter::new(&folder);
    for step in [1, 2, 5] {
        writer.add_scalar("loss", 1.0 / step as f32, step);
    }
    writer.add_scalar("not_finite", f32::NAN, 1);
    writer.add_histogram_raw("raw", 0.0, 2.0, 3.0, 3.5, 4.5, &[1.0, 2.0], &[1.0, 2.0], 1);
    let ramp: Vec<u8> = (0..12).map(|value| value * 20).collect();
    writer.add_image("image", &ramp, &[3, 2, 2], 1);
    writer.add_scalars("both", &[("a".to_owned(), 1.0), ("b".to_owned(), 2.0)].into(), 1);
    writer.add_graph(&[]);
    writer.flush();
}
