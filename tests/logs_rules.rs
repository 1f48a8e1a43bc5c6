//! Every rule of `convscope logs verify`: a log that breaks it, and one like it that does not.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{collections::BTreeSet, fs, path::Path, process::Command};

use convscope::{
    Image,
    logdir::lint::{Rule, Severity},
    proto::{
        CustomScalarLayout, DataType, Event, GraphDef, HParamsPluginData, HistogramProto, MeshPluginData,
        NodeDef, PrCurvePluginData, SessionLog, SourceMetadata, Summary, SummaryMetadata, TaggedRunMetadata,
        TensorProto, TensorShapeProto,
        event::What,
        mesh_plugin_data::ContentType,
        session_log::SessionStatus,
        summary::{self, value::Value},
        summary_metadata::PluginData,
        tensor_shape_proto::Dim,
    },
    record::RecordEncoder,
};
use prost::Message as _;

/// When the first event of a file was written, unless it is said otherwise.
const TIME: f64 = 1.7e9;

/// The bytes of an event file.
#[derive(Clone)]
struct File {
    bytes: Vec<u8>,
    time: f64,
}

impl File {
    fn bare() -> File {
        File { bytes: Vec::new(), time: TIME }
    }

    fn versioned() -> File {
        File::bare().what(0, What::FileVersion("brain.Event:2".into()))
    }

    /// With what every file should begin with.
    fn new() -> File {
        File::versioned().start(0)
    }

    /// The next events are written so many seconds after [`TIME`].
    fn at(mut self, secs: f64) -> File {
        self.time = TIME + secs;
        self
    }

    fn data(mut self, data: &[u8]) -> File {
        let mut encoder = RecordEncoder::new();
        encoder.push(data);
        self.bytes.extend_from_slice(encoder.as_bytes());
        self
    }

    fn event(self, event: &Event) -> File {
        self.data(&event.encode_to_vec())
    }

    fn what(self, step: i64, what: What) -> File {
        let wall_time = self.time;
        self.event(&Event { wall_time, step, what: Some(what), ..Default::default() })
    }

    fn start(self, step: i64) -> File {
        self.what(
            step,
            What::SessionLog(SessionLog { status: SessionStatus::Start as i32, ..Default::default() }),
        )
    }

    fn value(self, step: i64, value: summary::Value) -> File {
        self.what(step, What::Summary(Summary { value: vec![value] }))
    }

    fn scalar(self, tag: &str, step: i64) -> File {
        self.value(step, scalar(tag))
    }

    fn graph(self, nodes: &[&str]) -> File {
        let node =
            |name: &&str| NodeDef { name: (*name).to_owned(), op: "Const".into(), ..Default::default() };
        let graph = GraphDef { node: nodes.iter().map(node).collect(), ..Default::default() };
        self.what(0, What::GraphDef(graph.encode_to_vec()))
    }

    /// Flips a bit of the byte so far from the end.
    fn damage(mut self, from_end: usize) -> File {
        let at = self.bytes.len() - from_end;
        self.bytes[at] ^= 1;
        self
    }
}

fn metadata(plugin: &str, content: &[u8], data_class: i32) -> SummaryMetadata {
    SummaryMetadata {
        plugin_data: Some(PluginData { plugin_name: plugin.into(), content: content.to_vec() }),
        data_class,
        ..Default::default()
    }
}

fn value(tag: &str, metadata: Option<SummaryMetadata>, value: Value) -> summary::Value {
    summary::Value { tag: tag.into(), metadata, value: Some(value), ..Default::default() }
}

fn scalar(tag: &str) -> summary::Value {
    value(tag, Some(metadata("scalars", b"", 1)), Value::SimpleValue(0.5))
}

fn shape(dims: &[i64]) -> Option<TensorShapeProto> {
    let dim = dims.iter().map(|&size| Dim { size, ..Default::default() }).collect();
    Some(TensorShapeProto { dim, ..Default::default() })
}

fn tensor(dtype: DataType, dims: &[i64], content: Vec<u8>) -> TensorProto {
    TensorProto {
        dtype: dtype as i32,
        tensor_shape: shape(dims),
        tensor_content: content,
        ..Default::default()
    }
}

fn strings(dims: &[i64], strings: &[&[u8]]) -> TensorProto {
    let string_val = strings.iter().map(|bytes| bytes.to_vec()).collect();
    TensorProto { string_val, ..tensor(DataType::DtString, dims, Vec::new()) }
}

fn doubles(dims: &[i64], numbers: &[f64]) -> TensorProto {
    tensor(DataType::DtDouble, dims, numbers.iter().flat_map(|x| x.to_le_bytes()).collect())
}

fn floats(dims: &[i64], count: usize) -> TensorProto {
    tensor(DataType::DtFloat, dims, vec![0; 4 * count])
}

fn of(plugin: &str, data_class: i32, tensor: TensorProto) -> File {
    tagged("tag", plugin, b"", data_class, tensor)
}

fn tagged(tag: &str, plugin: &str, content: &[u8], data_class: i32, tensor: TensorProto) -> File {
    File::new().value(1, value(tag, Some(metadata(plugin, content, data_class)), Value::Tensor(tensor)))
}

fn histogram(rows: &[f64]) -> File {
    of("histograms", 2, doubles(&[rows.len() as i64 / 3, 3], rows))
}

fn legacy_histogram(histogram: HistogramProto) -> File {
    File::new().value(1, value("tag", None, Value::Histo(histogram)))
}

fn png() -> Vec<u8> {
    Image::gray(3, 2, vec![0; 6]).unwrap().to_png().unwrap()
}

fn images(width: &[u8], height: &[u8], files: &[&[u8]]) -> File {
    let all: Vec<&[u8]> = [width, height].into_iter().chain(files.iter().copied()).collect();
    of("images", 3, strings(&[all.len() as i64], &all))
}

fn mesh(part: ContentType, tensor: TensorProto) -> summary::Value {
    let content = MeshPluginData { name: "m".into(), content_type: part as i32, ..Default::default() };
    let tag = match part {
        ContentType::Vertex => "m_VERTEX",
        ContentType::Face => "m_FACE",
        _ => "m_COLOR",
    };
    value(tag, Some(metadata("mesh", &content.encode_to_vec(), 2)), Value::Tensor(tensor))
}

fn vertices() -> summary::Value {
    mesh(ContentType::Vertex, floats(&[1, 4, 3], 12))
}

fn faces(vertices: [i32; 3]) -> summary::Value {
    let content = vertices.iter().flat_map(|x| x.to_le_bytes()).collect();
    mesh(ContentType::Face, tensor(DataType::DtInt32, &[1, 1, 3], content))
}

fn pr_curve(columns: i64) -> File {
    let content = PrCurvePluginData { num_thresholds: 5, ..Default::default() }.encode_to_vec();
    tagged("pr", "pr_curves", &content, 2, floats(&[6, columns], 6 * columns as usize))
}

fn without_data_class(plugin: &str) -> File {
    of(plugin, 0, strings(&[], &[b"text"]))
}

/// Files by their path below the log folder; names are given where only one file is there.
type Log = Vec<(&'static str, File)>;

const A: &str = "events.out.tfevents.0000000001.a";
const B: &str = "events.out.tfevents.0000000002.b";

fn one(file: File) -> Log {
    vec![(A, file)]
}

fn two(a: File, b: File) -> Log {
    vec![(A, a), (B, b)]
}

/// A log that breaks the rule, and one that does not. `None` where files are not enough: see the other tests.
fn logs(rule: Rule) -> Option<(Log, Log)> {
    let scalars = || File::new().scalar("a", 1).scalar("a", 2);
    let pair = match rule {
        Rule::Unreadable
        | Rule::FolderNamedTfevents
        | Rule::NotLookedAt
        | Rule::ProjectorConfig
        | Rule::ProjectorWithoutRun
        | Rule::ProjectorZeros
        | Rule::ProjectorSprite
        | Rule::ProjectorAsset => return None,
        Rule::ProfileEmpty => (
            vec![("x.tfevents.1.profile-empty", scalars())],
            vec![("x.tfevents.1.profile-empty", File::new()), (A, scalars())],
        ),
        Rule::LengthChecksum => {
            let length = scalars().bytes.len() - File::new().scalar("a", 1).bytes.len();
            (one(scalars().damage(length)), one(scalars()))
        }
        Rule::DataChecksum => (one(scalars().damage(6).scalar("a", 3)), one(scalars().scalar("a", 3))),
        Rule::TornTail => {
            let mut torn = scalars();
            torn.bytes.pop();
            (one(torn), one(scalars()))
        }
        Rule::NotAnEvent => (one(File::new().data(&[0xff; 3])), one(File::new().data(&[]))),
        // `--max-message 1000` for these two.
        Rule::OversizeRecord => (
            one(of("text", 2, strings(&[], &[&[b'x'; 1200]]))),
            one(of("text", 2, strings(&[], &[&[b'x'; 800]]))),
        ),
        Rule::OversizeSeries => {
            let texts = |count| {
                (0..count).fold(File::new(), |file, step| {
                    let tensor = strings(&[], &[&[b'x'; 400]]);
                    file.value(step, value("tag", Some(metadata("text", b"", 2)), Value::Tensor(tensor)))
                })
            };
            (one(texts(3)), one(texts(2)))
        }

        Rule::MissingFileVersion => (one(File::bare().start(0).scalar("a", 1)), one(scalars())),
        Rule::LateFileVersion => {
            let mut joined = scalars();
            joined.bytes.extend(scalars().scalar("b", 1).bytes);
            (one(joined), two(scalars(), File::new().at(1.0).scalar("b", 1)))
        }
        Rule::UnknownFileVersion => {
            (one(File::bare().what(0, What::FileVersion("brain.Event:1".into())).start(0)), one(File::new()))
        }
        Rule::SourceMetadata => {
            let named = |length| Event {
                wall_time: TIME,
                what: Some(What::FileVersion("brain.Event:2".into())),
                source_metadata: Some(SourceMetadata { writer: "w".repeat(length) }),
                ..Default::default()
            };
            (one(File::bare().event(&named(129))), one(File::bare().event(&named(128))))
        }
        Rule::WallTimeNotFinite => {
            (one(scalars().at(f64::NAN).scalar("a", 3)), one(scalars().at(1.0).scalar("a", 3)))
        }
        Rule::WallTime1970 => {
            (one(scalars().at(-TIME).scalar("a", 3)), one(scalars().at(-1e9).scalar("a", 3)))
        }

        Rule::MissingStart => (one(File::versioned().scalar("a", 1)), one(scalars())),
        Rule::FileOrder => (
            two(scalars().at(10.0).scalar("a", 3), File::new().at(-10.0).scalar("b", 4)),
            two(scalars().at(10.0).scalar("a", 3), File::new().at(11.0).scalar("b", 4)),
        ),
        Rule::SeveralLiveFiles => (
            two(scalars().at(10.0).scalar("a", 3), File::new().at(9.0).scalar("b", 1)),
            two(scalars().at(10.0).scalar("a", 3), File::new().at(10.0).scalar("b", 1)),
        ),
        Rule::OverlaidRestart => (
            two(scalars(), File::versioned().at(1.0).start(i64::MAX).scalar("a", 2)),
            two(scalars(), File::versioned().at(1.0).start(2).scalar("a", 2)),
        ),
        Rule::StaleTail => {
            let first = || scalars().scalar("b", 2);
            let resumed = || File::versioned().at(1.0).start(2).scalar("a", 2);
            (two(first(), resumed()), two(first(), resumed().scalar("b", 2)))
        }
        Rule::StepsOutOfOrder => (one(scalars().scalar("a", 1)), one(scalars().scalar("b", 1))),
        Rule::StepTwice => (one(scalars().scalar("a", 2)), one(scalars().scalar("b", 2))),
        Rule::MoreThanKept => {
            let pictures = |count| {
                (0..count).fold(File::new(), |file, step| {
                    let picture = strings(&[3], &[b"3", b"2", &png()]);
                    file.value(step, value("p", Some(metadata("images", b"", 3)), Value::Tensor(picture)))
                })
            };
            (one(pictures(11)), one(pictures(10)))
        }

        Rule::EmptyTag => (one(File::new().scalar("", 1)), one(File::new().scalar(" ", 1))),
        Rule::KindConflict => {
            let text = |tag| value(tag, Some(metadata("text", b"", 2)), Value::Tensor(strings(&[], &[b"x"])));
            (one(scalars().value(3, text("a"))), one(scalars().value(3, text("b"))))
        }
        Rule::MissingMetadata => (
            one(File::new().value(1, value("a", None, Value::Tensor(strings(&[], &[b"x"]))))),
            one(File::new().value(1, value("a", None, Value::SimpleValue(1.0)))),
        ),
        Rule::LateMetadata => {
            let bare = || File::new().value(1, value("a", None, Value::SimpleValue(1.0)));
            let named = SummaryMetadata { display_name: "A".into(), ..metadata("scalars", b"", 1) };
            let labelled = |tag| value(tag, Some(named.clone()), Value::SimpleValue(1.0));
            (one(bare().value(2, labelled("a"))), one(bare().value(2, labelled("b"))))
        }
        Rule::ChangedMetadata => {
            let named = SummaryMetadata { display_name: "A".into(), ..metadata("scalars", b"", 1) };
            let labelled = value("a", Some(named), Value::SimpleValue(1.0));
            (one(scalars().value(3, labelled)), one(scalars().value(3, scalar("a"))))
        }
        Rule::MetadataMissingInFile => {
            let text = |step, metadata| {
                File::new()
                    .at(step as f64)
                    .value(step, value("a", metadata, Value::Tensor(strings(&[], &[b"x"]))))
            };
            let meta = || Some(metadata("text", b"", 2));
            (two(text(1, meta()), text(2, None)), two(text(1, meta()), text(2, meta())))
        }
        Rule::MissingDataClass => {
            (one(without_data_class("weather")), one(of("weather", 2, strings(&[], &[b"x"]))))
        }
        Rule::WrongDataClass => {
            (one(of("text", 3, strings(&[], &[b"x"]))), one(of("weather", 3, strings(&[1], &[b"x"]))))
        }
        Rule::NoValue => {
            let nothing = |plugin| summary::Value {
                tag: "a".into(),
                metadata: Some(metadata(plugin, &HParamsPluginData::default().encode_to_vec(), 2)),
                ..Default::default()
            };
            (one(File::new().value(1, nothing("text"))), one(File::new().value(1, nothing("hparams"))))
        }

        Rule::TensorSize => (one(of("x", 2, floats(&[2, 3], 5))), one(of("x", 2, floats(&[2, 3], 6)))),
        Rule::ScalarType => {
            (one(of("scalars", 1, doubles(&[], &[1.0]))), one(of("scalars", 1, floats(&[], 1))))
        }
        Rule::ScalarShape => (one(of("scalars", 1, floats(&[1], 1))), one(of("scalars", 1, floats(&[], 1)))),
        Rule::HistogramShape => (
            one(of("histograms", 2, doubles(&[3, 2], &[0.0; 6]))),
            one(of("histograms", 2, doubles(&[0, 3], &[]))),
        ),
        Rule::HistogramNotFinite => (one(histogram(&[0.0, f64::NAN, 1.0])), one(histogram(&[0.0, 0.0, 1.0]))),
        Rule::HistogramLeadingEmpty => {
            // PyTorch's: the smallest value is in the second bucket.
            let old = |min| HistogramProto {
                min,
                max: 0.0,
                bucket_limit: vec![-1.5, 0.0],
                bucket: vec![0.0, 2.0],
                ..Default::default()
            };
            (one(legacy_histogram(old(-1.0))), one(legacy_histogram(old(-1.5))))
        }
        Rule::HistogramUnsorted => {
            (one(histogram(&[0.0, 2.0, 1.0, 1.0, 3.0, 1.0])), one(histogram(&[0.0, 2.0, 1.0, 2.0, 3.0, 1.0])))
        }
        Rule::HistogramCount => (one(histogram(&[0.0, 1.0, -1.0])), one(histogram(&[0.0, 1.0, 0.0]))),
        Rule::ImageShape => (
            one(of("images", 3, strings(&[1, 3], &[b"3", b"2", &png()]))),
            one(images(b"3", b"2", &[&png()])),
        ),
        Rule::ImageSize => (one(images(b"2", b"3", &[&png()])), one(images(b"3", b"2", &[&png()]))),
        Rule::ImageEmpty => (one(images(b"3", b"2", &[])), one(images(b"3", b"2", &[&png(), &png()]))),
        Rule::ImageType => (
            one(images(b"3", b"2", &[b"RIFF\0\0\0\0WEBPVP8 "])),
            one(images(b"3", b"2", &[b"GIF89a", b"\xff\xd8\xff\xe0", b"BM", &png()])),
        ),
        Rule::AudioShape => (
            one(of("audio", 3, strings(&[], &[b"RIFF\0\0\0\0WAVE"]))),
            one(of("audio", 3, strings(&[1], &[b"RIFF\0\0\0\0WAVE"]))),
        ),
        Rule::AudioType => (
            one(of("audio", 3, strings(&[1], &[b"ID3"]))),
            one(of("audio", 3, strings(&[1, 2], &[b"RIFF\0\0\0\0WAVE", b"a label"]))),
        ),
        Rule::TextType => (
            one(of("text", 2, strings(&[], &[b"\xff"]))),
            one(of("text", 2, strings(&[], &["ü".as_bytes()]))),
        ),
        Rule::TextRank => {
            (one(of("text", 2, strings(&[1, 1, 1], &[b"x"]))), one(of("text", 2, strings(&[1, 1], &[b"x"]))))
        }
        Rule::PrCurveShape => (one(pr_curve(4)), one(pr_curve(5))),
        Rule::MeshShape => (
            one(File::new().value(1, mesh(ContentType::Vertex, floats(&[4, 3], 12)))),
            one(File::new().value(1, vertices())),
        ),
        Rule::MeshWithoutVertices => (
            one(File::new().value(1, faces([0, 1, 2]))),
            // They belong together by the name in their metadata.
            one(File::new()
                .value(1, faces([0, 1, 2]))
                .value(1, summary::Value { tag: "m".into(), ..vertices() })),
        ),
        Rule::MeshFace => (
            one(File::new().value(1, vertices()).value(1, faces([0, -1, 2]))),
            one(File::new().value(1, vertices()).value(1, faces([0, 1, 2]))),
        ),
        Rule::CustomScalarsLayout => {
            let layout = CustomScalarLayout::default().encode_to_vec();
            let at = |tag| one(tagged(tag, "custom_scalars", b"", 2, strings(&[], &[&layout])));
            (at("layout"), at("custom_scalars__config__"))
        }
        Rule::HparamsContent => {
            let at = |content: &[u8]| {
                let tag = "_hparams_/session_start_info";
                one(tagged(tag, "hparams", content, 2, floats(&[0], 0)))
            };
            (at(b"\xff"), at(&HParamsPluginData::default().encode_to_vec()))
        }
        Rule::HparamsExperiment => {
            let run = || tagged("_hparams_/experiment", "hparams", b"", 2, floats(&[0], 0));
            (
                vec![("a/tfevents", run()), ("b/tfevents", run())],
                vec![("a/tfevents", run()), ("b/tfevents", scalars())],
            )
        }
        Rule::GraphContent => {
            (one(File::new().what(0, What::GraphDef(vec![0xff]))), one(File::new().graph(&["a"])))
        }
        Rule::GraphEmpty => (one(File::new().graph(&[])), one(File::new().graph(&["a"]))),
        Rule::GraphNodeRenamed => (
            one(File::new().graph(&["a", "a-1", "a/b"])),
            one(File::new().graph(&["a", "a-1/b", "ab/c", "/a", ""])),
        ),
        Rule::GraphSelfLoop => {
            let graph = |inputs: &[&str]| {
                let input = inputs.iter().map(|input| (*input).to_owned()).collect();
                let node = NodeDef { name: "a".into(), op: "Merge".into(), input, ..Default::default() };
                let graph = GraphDef { node: vec![node], ..Default::default() };
                one(File::new().what(0, What::GraphDef(graph.encode_to_vec())))
            };
            (graph(&["b", "^a"]), graph(&["b", "^aa", "a:x", "b:0"]))
        }
        Rule::GraphTwice => (
            one(File::new().graph(&["a"]).graph(&["b"])),
            vec![("a/tfevents", File::new().graph(&["a"])), ("b/tfevents", File::new().graph(&["b"]))],
        ),
        _ => panic!("no log for {rule}"),
    };
    Some(pair)
}

fn write(folder: &Path, log: &Log) {
    for (name, file) in log {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &file.bytes).unwrap();
    }
}

/// What `convscope logs verify --json` finds, and its exit code.
fn verify(folder: &Path, flags: &[&str]) -> (serde_json::Value, i32) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_convscope"));
    let output = command.args(["logs", "verify", "--json"]).args(flags).arg(folder).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    let found = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {stderr}"));
    (found, output.status.code().unwrap())
}

fn rules(found: &serde_json::Value) -> BTreeSet<String> {
    let findings = found["findings"].as_array().unwrap();
    findings.iter().map(|finding| finding["rule"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_rule_is_broken_by_a_log_and_kept_by_another() {
    for &rule in Rule::ALL {
        let Some((bad, good)) = logs(rule) else { continue };
        let flags: &[&str] = match rule {
            Rule::OversizeRecord | Rule::OversizeSeries => &["--max-message", "1000"],
            _ => &[],
        };
        let folder = tempfile::tempdir().unwrap();
        let (bad_folder, good_folder) = (folder.path().join("bad"), folder.path().join("good"));
        write(&bad_folder, &bad);
        write(&good_folder, &good);

        let (found, code) = verify(&bad_folder, flags);
        assert!(rules(&found).contains(rule.name()), "{rule} is not found: {found:#}");
        let of_rule =
            found["findings"].as_array().unwrap().iter().find(|of| of["rule"] == rule.name()).unwrap();
        let named = bad.iter().any(|(name, _)| of_rule["file"] == bad_folder.join(name).to_str().unwrap());
        assert!(named, "{rule} names {}", of_rule["file"]);
        assert!(!of_rule["message"].as_str().unwrap().is_empty());
        assert_eq!(of_rule["advice"], rule.advice());
        let is_error = found["errors"] != 0;
        assert_eq!(code, i32::from(is_error), "{rule}: {found:#}");
        assert_eq!(
            is_error || found["warnings"] != 0,
            verify(&bad_folder, &[&["--strict"], flags].concat()).1 == 1
        );

        let (found, _) = verify(&good_folder, flags);
        assert!(!rules(&found).contains(rule.name()), "{rule} is found in a good log: {found:#}");
        assert_eq!(found["errors"], 0, "the good log of {rule}: {found:#}");
    }
}

#[test]
fn names_are_those_of_the_documentation_and_unique() {
    let names: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.name()).collect();
    assert_eq!(names.len(), Rule::ALL.len());
    assert!(
        names
            .iter()
            .all(|name| name.bytes().all(|c| c.is_ascii_lowercase() || c == b'-' || c.is_ascii_digit()))
    );
    assert_eq!(Rule::StepsOutOfOrder.to_string(), "steps-out-of-order");
    assert!(Severity::Error > Severity::Warning && Severity::Warning > Severity::Note);
}

#[test]
fn folders_that_cannot_be_read_or_are_named_like_files() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &vec![("my.tfevents.run/events.out.tfevents.1", File::new().scalar("a", 1))]);
    let (found, code) = verify(folder.path(), &[]);
    assert_eq!((rules(&found), code), ([Rule::FolderNamedTfevents.name().to_owned()].into(), 1));
    assert_eq!(found["findings"][0]["offset"], serde_json::Value::Null);
    assert_eq!(found["files"], 1, "the file in it is looked at");

    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &one(File::new().scalar("a", 1)));
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("nowhere", folder.path().join("gone.tfevents")).unwrap();
        let (found, code) = verify(folder.path(), &[]);
        assert_eq!((rules(&found), code), ([Rule::Unreadable.name().to_owned()].into(), 1));
        fs::remove_file(folder.path().join("gone.tfevents")).unwrap();
        // A link that leads back is not followed for ever.
        std::os::unix::fs::symlink(folder.path(), folder.path().join("back")).unwrap();
    }
    let (found, code) = verify(folder.path(), &[]);
    assert_eq!((rules(&found), code), (BTreeSet::new(), 0));
}

#[test]
fn projector_configurations_name_files_below_them() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    write(folder.path(), &vec![("run/events.out.tfevents.1", File::new().scalar("a", 1))]);
    let config = |tensor: &str| {
        let text = format!("embeddings {{\n  tensor_name: \"a:0\"\n  tensor_path: \"{tensor}\"\n}}\n");
        fs::write(run.join("projector_config.pbtxt"), text).unwrap();
    };
    fs::write(run.join("a.tsv"), "1\t2\n").unwrap();
    fs::write(folder.path().join("outside.tsv"), "1\t2\n").unwrap();
    config("a.tsv");
    assert_eq!(verify(folder.path(), &[]).1, 0);
    for bad in ["b.tsv", "../outside.tsv", folder.path().join("outside.tsv").to_str().unwrap()] {
        config(bad);
        let (found, code) = verify(folder.path(), &[]);
        assert_eq!((rules(&found), code), ([Rule::ProjectorAsset.name().to_owned()].into(), 1), "{bad}");
    }
}

#[test]
#[cfg(unix)]
fn pipes_are_not_opened() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &one(File::new().scalar("a", 1)));
    for name in ["projector_config.pbtxt", "x.tfevents"] {
        let pipe = folder.path().join(name);
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::os::unix::fs::symlink(name, folder.path().join(format!("{name}.tfevents"))).unwrap();
        let (found, code) = verify(folder.path(), &[]);
        assert_eq!((rules(&found), code), ([Rule::Unreadable.name().to_owned()].into(), 1));
        assert_eq!((found["errors"].as_u64(), found["files"].as_u64()), (Some(2), Some(1)), "pipe and link");
        fs::remove_file(folder.path().join(format!("{name}.tfevents"))).unwrap();
        let saved = folder.path().with_extension("saved");
        for command in [&["inspect"][..], &["export", "scalars"], &["repair"]] {
            let mut program = Command::new(env!("CARGO_BIN_EXE_convscope"));
            program.arg("logs").args(command).arg(folder.path());
            let output =
                if command == ["repair"] { program.arg(&saved) } else { &mut program }.output().unwrap();
            assert!(output.status.success(), "{command:?}: {output:?}");
        }
        fs::remove_dir_all(saved).unwrap();
        fs::remove_file(pipe).unwrap();
    }
}

#[test]
fn files_of_very_many_zeros_end_soon() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &one(File::new().scalar("a", 1)));
    for (name, rule) in
        [("projector_config.pbtxt", Rule::ProjectorConfig), ("x.tfevents", Rule::LengthChecksum)]
    {
        let path = folder.path().join(name);
        fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let (found, code) = verify(folder.path(), &[]);
        assert_eq!((rules(&found), code), ([rule.name().to_owned()].into(), 1));
        fs::remove_file(path).unwrap();
    }
}

#[test]
#[cfg(unix)]
fn links_do_not_multiply_without_end() {
    let folder = tempfile::tempdir().unwrap();
    let level = |n: usize| folder.path().join(n.to_string());
    for n in 0..40 {
        fs::create_dir(level(n)).unwrap();
        for name in ["a", "b"] {
            std::os::unix::fs::symlink(level(n + 1), level(n).join(name)).unwrap();
        }
    }
    write(&level(40), &one(File::new().scalar("a", 1)));
    let (found, code) = verify(&level(0), &[]);
    assert_eq!((rules(&found), code), ([Rule::NotLookedAt.name().to_owned()].into(), 0));
    assert!((1..=16).contains(&found["files"].as_u64().unwrap()), "{}", found["files"]);

    // Another name or two for a run are fine.
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &vec![("run/x.tfevents", File::new().scalar("a", 1))]);
    std::os::unix::fs::symlink("run", folder.path().join("latest")).unwrap();
    let (found, code) = verify(folder.path(), &[]);
    assert_eq!((rules(&found), code, found["files"].as_u64()), (BTreeSet::new(), 0, Some(2)));

    let deep = (0..70).fold(folder.path().to_owned(), |path, _| path.join("d"));
    fs::create_dir_all(&deep).unwrap();
    let (found, _) = verify(folder.path(), &[]);
    assert_eq!(rules(&found), [Rule::NotLookedAt.name().to_owned()].into());
}

#[test]
fn tags_and_findings_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    let values: Vec<_> = (0..100_003).map(|n| value(&n.to_string(), None, Value::SimpleValue(0.5))).collect();
    let long = value(&"x".repeat((64 << 10) + 1), None, Value::SimpleValue(0.5));
    let file = values.chunks(5000).fold(File::new().value(0, long), |file, values| {
        file.what(1, What::Summary(Summary { value: values.to_vec() }))
    });
    write(folder.path(), &one(file));
    let (found, code) = verify(folder.path(), &[]);
    assert_eq!((rules(&found), code), ([Rule::NotLookedAt.name().to_owned()].into(), 0));
    assert_eq!((&found["findings"][0]["count"], &found["warnings"]), (&4.into(), &1.into()));

    let folder = tempfile::tempdir().unwrap();
    let file = (0..250).fold(File::new(), |file, n| {
        file.value(0, value(&n.to_string(), None, Value::Tensor(strings(&[], &[b"x"]))))
    });
    write(folder.path(), &one(file));
    let (found, code) = verify(folder.path(), &[]);
    assert_eq!((code, found["errors"].as_u64()), (1, Some(101)));
    let more = found["findings"].as_array().unwrap().iter().find(|of| of["count"] == 150).unwrap();
    assert_eq!((&more["rule"], &more["tag"]), (&"missing-metadata".into(), &serde_json::Value::Null));
}

#[test]
fn restarts_are_settled_by_the_next_value() {
    let restarts =
        |steps: &[i64]| steps.iter().fold(File::versioned().at(1.0), |file, &step| file.start(step));
    let first = || File::new().scalar("a", 1).scalar("a", 5).scalar("b", 5);
    for (second, stale) in [
        (restarts(&[6]), vec![]),
        (restarts(&[5]), vec!["a", "b"]),
        (restarts(&[3, 9]), vec!["a", "b"]),
        (restarts(&[9, 3]).scalar("a", 6), vec!["a", "b"]),
        (restarts(&[3]).scalar("a", 5).scalar("b", 5), vec![]),
        (restarts(&[3]).scalar("a", 4).start(4).scalar("b", 4), vec!["a"]),
        (restarts(&[3]).scalar("a", 4).start(4).scalar("b", 4).scalar("a", 4), vec![]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &two(first(), second));
        let (found, _) = verify(folder.path(), &[]);
        let findings = found["findings"].as_array().unwrap().iter();
        let found: Vec<&str> = findings
            .filter(|finding| finding["rule"] == Rule::StaleTail.name())
            .map(|finding| finding["tag"].as_str().unwrap())
            .collect();
        assert_eq!(found, stale);
    }
}

#[test]
fn run_metadata_takes_bytes_too() {
    let folder = tempfile::tempdir().unwrap();
    let metadata = TaggedRunMetadata { tag: "step1".into(), run_metadata: vec![0; 500] };
    write(folder.path(), &one(File::new().what(0, What::TaggedRunMetadata(metadata))));
    let logs = convscope::LogDir::open(folder.path()).unwrap();
    assert!(logs.run(".").unwrap().tag("step1").unwrap().bytes > 500);
}

#[test]
fn files_of_the_projector_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    write(folder.path(), &vec![("run/events.out.tfevents.1", File::new().scalar("a", 1))]);
    let sprite =
        |width: u32| [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", &width.to_be_bytes()[..], &[0, 0, 0, 9]].concat();
    for (key, bytes, rule) in [
        ("tensor_path", vec![0; 4000], Some(Rule::ProjectorZeros)),
        ("tensor_path", [vec![0; 4000], vec![1]].concat(), None),
        ("metadata_path", vec![0; 4000], None),
        ("image_path", sprite(8193), Some(Rule::ProjectorSprite)),
        ("image_path", sprite(8192), None),
        ("image_path", b"no picture".to_vec(), None),
    ] {
        fs::write(run.join("file"), bytes).unwrap();
        let text = format!("embeddings {{\n  sprite {{\n    {key}: \"file\"\n  }}\n}}\n");
        fs::write(run.join("projector_config.pbtxt"), text).unwrap();
        let expected: BTreeSet<String> = rule.map(|rule| rule.name().to_owned()).into_iter().collect();
        assert_eq!(rules(&verify(folder.path(), &[]).0), expected, "{key}");
    }
    // The page finds it in a run, in the page's own folder of a run, and in the log folder itself.
    for (path, found_there) in [
        ("run", true),
        ("run/plugins/org_tensorflow_tensorboard_projector", true),
        (".", true),
        ("other", false),
        ("run/plugins", false),
    ] {
        let config = folder.path().join(path).join("projector_config.pbtxt");
        fs::create_dir_all(config.parent().unwrap()).unwrap();
        fs::write(&config, "").unwrap();
        let found = rules(&verify(folder.path(), &[]).0);
        assert_eq!(!found.contains(Rule::ProjectorWithoutRun.name()), found_there, "{path}");
        fs::remove_file(config).unwrap();
    }
}

#[test]
fn the_option_that_keeps_all_values_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let scalars = |count| (0..count).fold(File::new(), |file, step| file.scalar("a", step));
    write(folder.path(), &vec![("a/x.tfevents", scalars(1001)), ("b/x.tfevents", scalars(1003))]);
    let (found, code) = verify(folder.path(), &[]);
    assert_eq!((found["notes"].as_u64(), found["findings"].as_array().unwrap().len(), code), (Some(1), 1, 0));
    let message = found["findings"][0]["message"].as_str().unwrap();
    assert!(message.ends_with("--samples_per_plugin scalars=1003"), "{message}");
}

#[test]
fn a_missing_start_matters_where_there_are_several_files() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &one(File::versioned().scalar("a", 1)));
    let (found, code) = verify(folder.path(), &["--strict"]);
    assert_eq!((found["notes"].as_u64(), found["warnings"].as_u64(), code), (Some(1), Some(0), 0));
    assert_eq!(verify(folder.path(), &["--no-notes"]).0["notes"], 0);

    write(folder.path(), &vec![(B, File::versioned().at(1.0).scalar("a", 2))]);
    let (found, code) = verify(folder.path(), &["--strict"]);
    assert_eq!((found["notes"].as_u64(), found["warnings"].as_u64(), code), (Some(0), Some(2), 1));
}

#[test]
fn a_finding_has_the_place_of_the_first_and_a_count() {
    let folder = tempfile::tempdir().unwrap();
    let good = File::new().scalar("a", 5);
    let offset = good.bytes.len();
    write(folder.path(), &one(good.scalar("a", 4).scalar("a", 3)));
    let (found, _) = verify(folder.path(), &[]);
    let finding = &found["findings"][0];
    assert_eq!(finding["offset"], offset);
    assert_eq!((finding["tag"].as_str(), finding["step"].as_i64()), (Some("a"), Some(4)));
    assert_eq!((finding["count"].as_u64(), finding["severity"].as_str()), (Some(2), Some("warning")));
    assert_eq!(finding["message"], "step 4 follows step 5");
}

#[test]
fn old_forms_of_values_are_looked_at_too() {
    let histo = |min, bucket_limit: &[f64], bucket: &[f64]| {
        let (bucket_limit, bucket) = (bucket_limit.to_vec(), bucket.to_vec());
        legacy_histogram(HistogramProto { min, max: 2.0, bucket_limit, bucket, ..Default::default() })
    };
    let image = |width| {
        let picture = summary::Image { width, height: 2, colorspace: 1, encoded_image_string: png() };
        File::new().value(1, value("a", None, Value::Image(picture)))
    };
    let sound = |bytes: &[u8]| {
        let sound = summary::Audio { encoded_audio_string: bytes.to_vec(), ..Default::default() };
        File::new().value(1, value("a", None, Value::Audio(sound)))
    };
    for (file, expected) in [
        (histo(0.0, &[1.0, f64::MAX], &[1.0, 1.0]), None),
        (histo(0.0, &[1.0], &[1.0, 1.0]), Some(Rule::HistogramShape)),
        (histo(f64::NAN, &[1.0, 2.0], &[1.0, 1.0]), Some(Rule::HistogramNotFinite)),
        (histo(0.0, &[2.0, 1.0], &[1.0, 1.0]), Some(Rule::HistogramUnsorted)),
        (histo(0.0, &[1.0, 2.0], &[1.0, f64::NAN]), Some(Rule::HistogramCount)),
        (image(3), None),
        (image(4), Some(Rule::ImageSize)),
        (sound(b"RIFF\0\0\0\0WAVE"), None),
        (sound(b"OggS"), Some(Rule::AudioType)),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &one(file));
        let expected: BTreeSet<String> = expected.map(|rule| rule.name().to_owned()).into_iter().collect();
        assert_eq!(rules(&verify(folder.path(), &[]).0), expected);
    }
}

#[test]
fn descriptions_without_data_class_are_a_warning_and_known_plugins_a_note() {
    let labelled = SummaryMetadata { display_name: "A".into(), ..metadata("scalars", b"", 0) };
    for (file, severity) in [
        (without_data_class("weather"), "error"),
        (without_data_class("text"), "note"),
        (File::new().value(1, value("a", Some(labelled), Value::SimpleValue(1.0))), "warning"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &one(file));
        let (found, _) = verify(folder.path(), &[]);
        assert_eq!(found["findings"][0]["rule"], Rule::MissingDataClass.name());
        assert_eq!(found["findings"][0]["severity"], severity);
    }
}
