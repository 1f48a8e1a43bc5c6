//! Kinds of values beyond numbers, distributions, pictures and texts.

use convscope::{
    Audio, HParams, Image, Mesh, PrCurve, SessionStatus, Summary, SummaryWriter, Tensor as Array, Video,
    WallTime,
    proto::{
        CustomScalarLayout,
        custom_scalar_layout::{Category, Chart, MultilineChartContent, chart},
    },
    summary::{self, ConceptualGraph, ConceptualLayer, Graph, GraphNode, Layout, TensorElement},
};
use prost::Message as _;

use crate::{
    series::{Item, LOADERS, Number, Tensor, Value, assert_same, load},
    synthetic::{Recorder, all_loaders_see},
};

const BLOBS: &str = "blob sequence";

fn tensor(dtype: &str, shape: &[usize], items: impl IntoIterator<Item = f64>) -> Value {
    let items = items.into_iter().map(|item| Item::Number(Number(item))).collect();
    Value::Tensor(Tensor { dtype: dtype.to_owned(), shape: shape.to_vec(), items })
}

fn texts<T: Into<Vec<u8>>>(shape: &[usize], items: impl IntoIterator<Item = T>) -> Value {
    let items = items.into_iter().map(|item| Item::Bytes(item.into())).collect();
    Value::Tensor(Tensor { dtype: "object".to_owned(), shape: shape.to_vec(), items })
}

#[test]
fn sound_and_moving_pictures_are_read_as_written() {
    let logdir = tempfile::tempdir().unwrap();
    let mut run = Recorder::open(logdir.path(), "media");
    for step in 0..3 {
        let clips = vec![
            Audio::mono(8_000, &[0.0, 0.5, -1.0]).unwrap(),
            Audio::stereo(44_100, &[[0.0, 1.0], [-0.25, step as f32 / 4.0]]).unwrap(),
        ];
        let value = Value::Files(clips.iter().map(|clip| clip.wav().to_vec()).collect());
        run.add_of(("audio", BLOBS), "sound", step, Summary::audios(clips).unwrap(), value);
        for (tag, video) in [("png", video(step)), ("gif", video(step).gif())] {
            let size = ["3", "2"].map(|side| side.as_bytes().to_vec());
            let value = Value::Files(size.into_iter().chain([video.to_file().unwrap()]).collect());
            run.add_of(("images", BLOBS), tag, step, Summary::video(video), value);
        }
    }
    let expected = run.close();
    all_loaders_see(logdir.path(), &expected);
}

/// Three frames of 3 x 2 pixels.
fn video(step: i64) -> Video {
    let frame =
        |at: u8| Image::rgb(3, 2, (0..18).map(|byte| byte * 7 + at * 50 + step as u8).collect()).unwrap();
    Video::new((0..3).map(frame).collect(), 10.0).unwrap()
}

#[test]
fn curves_layouts_meshes_and_hyperparameters_are_read_as_written() {
    let logdir = tempfile::tempdir().unwrap();
    let mut run = Recorder::open(logdir.path(), "plugins");
    for step in 0..3 {
        let scores = [0.9, 0.8, 0.4, 0.1 * step as f32];
        let curve = PrCurve::new(&[true, false, true, false], &scores, 7).unwrap();
        let rows = [
            curve.true_positives(),
            curve.false_positives(),
            curve.true_negatives(),
            curve.false_negatives(),
            curve.precision(),
            curve.recall(),
        ];
        let value = tensor("float32", &[6, 7], rows.concat().into_iter().map(f64::from));
        run.add_of(("pr_curves", "tensor"), "shirt", step, Summary::pr_curve(curve), value);
        add_mesh(&mut run, step);
    }
    let (layout, wire) = layout();
    let plugin = ("custom_scalars", "tensor");
    run.add_of(plugin, "custom_scalars__config__", 0, Summary::custom_scalars(&layout), texts(&[], [wire]));
    let hparams = HParams::new().with("lr", 0.1).with("norm", true).with("name", "a");
    let nothing = || tensor("float32", &[0], []);
    let plugin = ("hparams", "tensor");
    run.add_of(plugin, "_hparams_/session_start_info", 0, Summary::hparams(&hparams).unwrap(), nothing());
    let end = Summary::hparams_end(SessionStatus::Failure, WallTime::new(1.76e9).unwrap());
    run.add_of(plugin, "_hparams_/session_end_info", 0, end, nothing());
    let expected = run.close();
    all_loaders_see(logdir.path(), &expected);
}

fn add_mesh(run: &mut Recorder, step: i64) {
    let points = [[0.0, 0.5, 1e-20], [1.0, 0.0, step as f32], [0.0, 3e38, 0.0]];
    let mesh = Mesh::new(&points).unwrap().with_colors(&[[255, 0, 1]; 3]).unwrap();
    let mesh = mesh.with_faces(&[[0, 1, 2]]).unwrap();
    for (tag, summary) in Summary::mesh("body", &mesh) {
        let value = match &*tag {
            "body_VERTEX" => tensor("float32", &[1, 3, 3], points.into_iter().flatten().map(f64::from)),
            "body_COLOR" => tensor("uint8", &[1, 3, 3], [[255.0, 0.0, 1.0]; 3].into_iter().flatten()),
            "body_FACE" => tensor("int32", &[1, 1, 3], [0.0, 1.0, 2.0]),
            other => panic!("{other} is no part of a mesh"),
        };
        run.add_of(("mesh", "tensor"), &tag, step, summary, value);
    }
}

/// With its bytes.
fn layout() -> (Layout, Vec<u8>) {
    let chart = summary::Chart::multiline("größer", ["loss.*"]);
    let layout = Layout::new(vec![summary::Category::new("all", vec![chart])]).unwrap();
    let content = chart::Content::Multiline(MultilineChartContent { tag: vec!["loss.*".to_owned()] });
    let chart = Chart { title: "größer".to_owned(), content: Some(content) };
    let category = Category { title: "all".to_owned(), chart: vec![chart], ..Default::default() };
    (layout, CustomScalarLayout { category: vec![category], ..Default::default() }.encode_to_vec())
}

#[test]
fn tensors_of_every_type_are_read_as_written() {
    let logdir = tempfile::tempdir().unwrap();
    let mut run = Recorder::open(logdir.path(), "tensors");
    let mut add = |tag: &str, tensor: Array, value: Value| {
        let summary = Summary::tensor("my_plugin", b"content".to_vec(), tensor).unwrap();
        run.add_of(("my_plugin", "tensor"), tag, 3, summary, value);
    };
    let numbers = [-1.5, f64::NAN, f64::INFINITY, 0.25];
    add("f64", array(&[2, 2], numbers.to_vec()), tensor("float64", &[2, 2], numbers));
    add("f32", array(&[4], numbers.map(|x| x as f32).to_vec()), tensor("float32", &[4], numbers));
    add("i32", array(&[1, 2], vec![i32::MIN, 7]), tensor("int32", &[1, 2], [f64::from(i32::MIN), 7.0]));
    add("i64", array(&[2], vec![-(1_i64 << 52), 7]), tensor("int64", &[2], [-((1_i64 << 52) as f64), 7.0]));
    add("u8", array(&[3], vec![0_u8, 128, 255]), tensor("uint8", &[3], [0.0, 128.0, 255.0]));
    add("bool", array(&[2], vec![true, false]), tensor("bool", &[2], [1.0, 0.0]));
    add("text", array(&[2], vec!["größer".to_owned(), String::new()]), texts(&[2], ["größer", ""]));
    add("nothing", array::<f32>(&[0, 5], vec![]), tensor("float32", &[0, 5], []));
    add("rank 0", Array::scalar(2.5_f64), tensor("float64", &[], [2.5]));
    let expected = run.close();
    all_loaders_see(logdir.path(), &expected);
}

fn array<T: TensorElement>(shape: &[usize], values: Vec<T>) -> Array {
    Array::new(shape, values).unwrap()
}

/// Both of TensorBoard's loaders hold the graph of a run as bytes under a tag of its own. (`EventAccumulator` keeps it
/// beside the tags.)
#[test]
fn graphs_are_there_with_both_loaders() {
    let logdir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(logdir.path().join("graph")).unwrap();
    let described =
        |summary: Summary| summary.with_display_name("Net").with_description("Of *layers*: größer.");
    let graph = Summary::graph(&Graph::new(vec![GraphNode::new("input", "Placeholder")]).unwrap());
    writer.add("__run_graph__", described(graph), 0).unwrap();
    let layers = vec![ConceptualLayer::new("conv1", "Conv2D")];
    let layers = Summary::conceptual_graph(&ConceptualGraph::sequential("net", layers).unwrap());
    writer.add("keras", described(layers), 0).unwrap();
    writer.close().unwrap();
    let key = |tag: &str| ("graph".to_owned(), tag.to_owned());
    let [fast, slow] = [LOADERS[0], LOADERS[1]].map(|loader| load(loader, logdir.path()));
    assert_same("fast and slow", &fast, &slow);
    for (tag, plugin, words) in [
        ("__run_graph__", "graphs", ("", "")), // it has no place for them
        ("keras", "graph_keras_model", ("Net", "Of *layers*: größer.")),
    ] {
        let series = &fast[&key(tag)];
        assert_eq!((&*series.display_name, &*series.description), words, "{tag}");
        assert_eq!((&*series.plugin, &*series.data_class, series.points.len()), (plugin, BLOBS, 1));
        let Value::Files(files) = &series.points[0].value else { panic!("{series:?}") };
        assert!(files.len() == 1 && files[0].windows(5).any(|bytes| bytes == b"input" || bytes == b"conv1"));
    }
}
