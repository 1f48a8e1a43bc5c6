//! Log folders as TensorBoard's own loaders see them: our reader finds the same values by the rules of either, in files
//! with restarts, steps that go back, several files, torn ends, and old forms of values.

#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "support/events.rs"]
mod events;
#[path = "support/python.rs"]
mod python;

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use convscope::{
    logdir::{LogDir, LogDirOptions, Restarts, Run, SeriesKind, TagInfo},
    proto::{self, DataClass, DataType, TensorProto, TensorShapeProto, tensor_shape_proto::Dim},
};
use events::{EventFile, Random};
use serde_json::Value as Json;

/// Run and tag, with step, wall time and value of each point.
type Found = BTreeMap<(String, String), Vec<(i64, String, String)>>;

/// What one of TensorBoard's loaders reads.
fn theirs(loader: &str, logdir: &Path) -> Found {
    let blobs = tempfile::tempdir().unwrap();
    let finished = python::run(
        "tests/conformance/read_logdir.py",
        [Path::new("--loader"), Path::new(loader), Path::new("--blobs"), blobs.path(), logdir],
        Duration::from_secs(180),
    );
    assert!(finished.status.success(), "the {loader} loader said:\n{}", finished.stderr);
    let told: Json = serde_json::from_str(&finished.stdout).unwrap();
    let mut found = Found::new();
    for (run, tags) in told["runs"].as_object().unwrap() {
        for (tag, series) in tags.as_object().unwrap() {
            let points = series["points"].as_array().unwrap().iter().map(|point| {
                let value = match series["data_class"].as_str().unwrap() {
                    "scalar" => number(&point[2]),
                    "tensor" => tensor(&point[2]),
                    _ => blob_texts(
                        point[2]
                            .as_array()
                            .unwrap()
                            .iter()
                            .map(|name| fs::read(blobs.path().join(name.as_str().unwrap())).unwrap()),
                    ),
                };
                (point[0].as_i64().unwrap(), number(&point[1]), value)
            });
            found.insert((run.clone(), tag.clone()), points.collect());
        }
    }
    found
}

fn number(json: &Json) -> String {
    let number: f64 = json.as_str().unwrap().parse().unwrap();
    format!("{number:?}")
}

/// The elements of a tensor.
fn tensor(json: &Json) -> String {
    let numeric =
        ["float", "int", "uint", "bool"].iter().any(|name| json["dtype"].as_str().unwrap().starts_with(name));
    let element = |item: &Json| if numeric { number(item) } else { text(item.as_str().unwrap()) };
    json["items"].as_array().unwrap().iter().map(element).collect::<Vec<_>>().join(" ")
}

/// A text as the hexadecimal digits of its bytes.
fn text(digits: &str) -> String {
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    String::from_utf8((0..digits.len()).step_by(2).map(byte).collect()).unwrap()
}

fn blob_texts(blobs: impl Iterator<Item = Vec<u8>>) -> String {
    blobs.map(|blob| String::from_utf8_lossy(&blob).into_owned()).collect::<Vec<_>>().join(" ")
}

/// What our reader finds.
fn ours(logdir: &Path, restarts: Restarts) -> Found {
    let logs = LogDir::open_with(logdir, LogDirOptions { restarts, ..Default::default() }).unwrap();
    let mut found = Found::new();
    for run in logs.runs() {
        for info in run.tags() {
            // TensorBoard lists what has a storage class alone.
            if info.data_class != DataClass::Unknown {
                found.insert((run.name().to_owned(), info.tag.clone()), points(run, info));
            }
        }
    }
    found
}

fn points(run: &Run, info: &TagInfo) -> Vec<(i64, String, String)> {
    let tag = &info.tag;
    let join =
        |numbers: Vec<f64>| numbers.iter().map(|number| format!("{number:?}")).collect::<Vec<_>>().join(" ");
    match info.kind {
        SeriesKind::Scalar => {
            strings(run.scalars(tag).unwrap().into_iter().map(Ok), |value| format!("{value:?}"))
        }
        SeriesKind::Histogram => strings(run.histograms(tag).unwrap(), |buckets| {
            join(buckets.iter().flat_map(|bucket| [bucket.left, bucket.right, bucket.count]).collect())
        }),
        SeriesKind::Text => strings(run.texts(tag).unwrap(), |text| text.strings.join(" ")),
        SeriesKind::PrCurve => strings(run.pr_curves(tag).unwrap(), |curve| {
            let rows = [
                curve.true_positives,
                curve.false_positives,
                curve.true_negatives,
                curve.false_negatives,
                curve.precision,
                curve.recall,
            ];
            join(rows.concat())
        }),
        _ if info.data_class == DataClass::BlobSequence => {
            strings(run.blobs(tag).unwrap(), |blobs| blob_texts(blobs.into_iter()))
        }
        _ => strings(run.tensors(tag).unwrap(), |tensor| {
            tensor
                .values::<f32>()
                .unwrap()
                .iter()
                .map(|number| format!("{number:?}"))
                .collect::<Vec<_>>()
                .join(" ")
        }),
    }
}

fn strings<T>(
    points: impl Iterator<Item = convscope::Result<convscope::logdir::Point<T>>>,
    text: impl Fn(T) -> String,
) -> Vec<(i64, String, String)> {
    points
        .map(Result::unwrap)
        .map(|point| (point.step.get(), format!("{:?}", point.wall_time.secs()), text(point.value)))
        .collect()
}

fn assert_equal_to_both(logdir: &Path) {
    for (loader, restarts) in [("fast", Restarts::DataServer), ("slow", Restarts::Python)] {
        let (theirs, ours) = (theirs(loader, logdir), ours(logdir, restarts));
        let keys = |found: &Found| found.keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&ours), keys(&theirs), "{loader}: runs and tags");
        for (key, theirs) in &theirs {
            assert_eq!(&ours[key], theirs, "{loader}: {key:?}");
        }
    }
}

#[test]
fn restarts() {
    let folder = tempfile::tempdir().unwrap();
    // Steps 0 to 9, then a resume at 5: `a` is logged again up to 7, `b` is not.
    for (run, starts) in [("none", [None, None]), ("second", [None, Some(5)]), ("both", [Some(0), Some(5)])] {
        let mut first = EventFile::new();
        starts[0].into_iter().for_each(|step| first.start(step));
        for step in 0..10 {
            first.scalar("a", step, 1.0);
            first.scalar("b", step, 1.0);
        }
        let mut second = EventFile::new();
        starts[1].into_iter().for_each(|step| second.start(step));
        for step in 5..8 {
            second.scalar("a", step, 2.0);
        }
        // The first session was killed: its file ends inside a record.
        let mut torn = first.bytes();
        torn.truncate(torn.len() - 3);
        events::write(folder.path(), run, &[torn, second.bytes()]);
    }
    assert_equal_to_both(folder.path());
    // As in the table of the format's description.
    let steps = |restarts, run: &str, tag: &str| -> Vec<i64> {
        let found = &ours(folder.path(), restarts)[&(run.to_owned(), tag.to_owned())];
        found.iter().map(|point| point.0).collect()
    };
    for run in ["none", "second", "both"] {
        assert_eq!(steps(Restarts::DataServer, run, "a"), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(steps(Restarts::DataServer, run, "b"), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(steps(Restarts::KeepAll, run, "a"), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 5, 6, 7]);
    }
    assert_eq!(steps(Restarts::Python, "both", "a"), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(steps(Restarts::Python, "both", "b"), [0, 1, 2, 3, 4]);
    assert_eq!(steps(Restarts::Python, "second", "a"), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 5, 6, 7]);
}

/// Random sessions of up to three files: steps that go back or stay, starts anywhere, files that tell no version.
#[test]
fn random_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let mut random = Random(0x5eed);
    for run in 0..60 {
        let files: Vec<Vec<u8>> = (0..=random.below(3)).map(|_| random_file(&mut random)).collect();
        events::write(folder.path(), &format!("run{run:02}"), &files);
    }
    assert_equal_to_both(folder.path());
}

fn random_file(random: &mut Random) -> Vec<u8> {
    let mut file = if random.below(5) == 0 { EventFile::without_version() } else { EventFile::new() };
    let mut step = random.below(6) as i64;
    for number in 0..random.below(30) {
        match random.below(12) {
            0 => file.start(random.below(12) as i64),
            1 => step -= random.below(5) as i64,
            2 => file.image("image", step, &[b'0' + number as u8]),
            3 => file.histogram("histogram", step, number as f64),
            4 => file.scalars(&[("a", number as f32), ("b", 0.5)], step),
            5 => file.version(),
            choice => file.scalar(["a", "b", "c"][choice as usize % 3], step, number as f32),
        }
        step += random.below(3) as i64;
    }
    let mut bytes = file.bytes();
    if random.below(4) == 0 {
        bytes.truncate(bytes.len().saturating_sub(1 + random.below(20) as usize));
    }
    bytes
}

/// Values as PyTorch, tensorboardX, TensorFlow and tensorboard-rs write them: old forms, metadata without a storage class.
#[test]
fn old_forms() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = EventFile::new();
    file.scalar("scalar", 0, 0.1);
    file.scalar("scalar", 1, f32::NAN);
    file.image("image", 0, b"png 0");
    file.image("image", 1, b"png 1");
    file.audio("audio", 0, b"wav");
    file.graph(b"graph 0");
    file.run_metadata("step1", b"metadata");
    file.histogram("histogram", 0, 1.0);
    file.values(0, vec![events::histo("empty", vec![0.0, 0.0], vec![1.0, 2.0])]);
    file.values(0, vec![events::histo("leading", vec![0.0, 2.0, 1.0, 0.0], vec![-1.0, 0.1, 1.7, f64::MAX])]);
    file.values(0, vec![events::histo("none", vec![], vec![])]);
    let named = |plugin: &str, tag: &str, tensor: TensorProto| events::tensor(plugin, tag, tensor);
    let strings = |shape: &[i64], texts: &[&str]| TensorProto {
        string_val: texts.iter().map(|text| text.as_bytes().to_vec()).collect(),
        ..shaped(DataType::DtString, shape)
    };
    let floats = |shape: &[i64], numbers: &[f32]| TensorProto {
        float_val: numbers.to_vec(),
        ..shaped(DataType::DtFloat, shape)
    };
    file.values(
        2,
        vec![
            named("text", "text", strings(&[], &["one *piece*"])),
            named("text", "table", strings(&[2, 2], &["a", "b", "c", "d"])),
            named("scalars", "tensor scalar", floats(&[], &[0.25])),
            named(
                "pr_curves",
                "curve",
                floats(&[6, 2], &[1., 2., 3., 4., 5., 6., 7., 8., 9., 10., 11., 12.]),
            ),
            named("images", "images", strings(&[4], &["3", "5", "first", "second"])),
            named("audio", "clips", strings(&[2, 2], &["first", "label", "second", "label"])),
            named("mesh", "mesh_VERTEX", floats(&[1, 1, 3], &[1., 2., 3.])),
            named("graph_keras_model", "keras", strings(&[], &["{}"])),
            named("histograms", "one number", floats(&[2, 3], &[1.0])),
            named("weather", "unknown", floats(&[1], &[1.0])),
        ],
    );
    // A second value of a tag brings no metadata.
    file.values(
        3,
        vec![proto::summary::Value {
            tag: "text".to_owned(),
            value: Some(proto::summary::value::Value::Tensor(strings(&[], &["two"]))),
            ..Default::default()
        }],
    );
    // PyTorch's hyperparameters have metadata alone.
    file.values(
        0,
        vec![proto::summary::Value {
            value: None,
            ..named("hparams", "_hparams_/session_start_info", floats(&[], &[]))
        }],
    );
    events::write(folder.path(), "run", &[file.bytes()]);
    assert_equal_to_both(folder.path());

    let logs = LogDir::open(folder.path()).unwrap();
    let unknown = logs.run("run").unwrap().tag("unknown").unwrap();
    assert_eq!((unknown.kind, unknown.plugin.as_str(), unknown.values), (SeriesKind::Other, "weather", 1));
}

fn shaped(dtype: DataType, shape: &[i64]) -> TensorProto {
    let dim = shape.iter().map(|&size| Dim { size, ..Default::default() }).collect();
    let tensor_shape = Some(TensorShapeProto { dim, ..Default::default() });
    TensorProto { dtype: dtype as i32, tensor_shape, ..Default::default() }
}
