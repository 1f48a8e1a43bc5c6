//! Values of every kind: what the writer wrote is what is read.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use convscope::{
    Audio, HParams, Histogram, Image, Mesh, PrCurve, SessionStatus, Step, Summary, SummaryWriter, Table,
    Tensor, Video,
    logdir::{LogDir, Point, Run, Series, SeriesKind},
    proto::session_start_info::hyperparameter_value::Kind,
    summary::{Category, Chart, ConceptualGraph, ConceptualLayer, Graph, GraphNode, Layout},
};

/// What `write` wrote into one run, read back.
fn read(path: &Path, write: impl FnOnce(&SummaryWriter)) -> LogDir {
    let writer = SummaryWriter::open(path).unwrap();
    write(&writer);
    writer.close().unwrap();
    let logs = LogDir::open(path).unwrap();
    assert_eq!(logs.problems().count(), 0);
    logs
}

fn with_run(write: impl FnOnce(&SummaryWriter), check: impl FnOnce(&Run)) {
    let folder = tempfile::tempdir().unwrap();
    check(read(folder.path(), write).run(".").unwrap());
}

/// The values of a series, without their steps.
fn all<T>(series: Series<'_, T>) -> Vec<T> {
    series.map(|point| point.unwrap().value).collect()
}

fn kinds(run: &Run) -> Vec<(&str, SeriesKind)> {
    run.tags().iter().map(|info| (info.tag.as_str(), info.kind)).collect()
}

#[test]
fn histograms() {
    let first = Histogram::from_f32(&[-1.0, 0.0, 0.0, 0.5, f32::NAN]);
    let second = Histogram::from_f64(&(0..1000).map(|number| f64::from(number).sin()).collect::<Vec<_>>());
    with_run(
        |writer| {
            for (step, histogram) in [&first, &second, &Histogram::new()].into_iter().enumerate() {
                writer.add_histogram_data("h", histogram, step).unwrap();
            }
        },
        |run| {
            let read: Vec<Point<_>> = run.histograms("h").unwrap().map(Result::unwrap).collect();
            assert_eq!(read.iter().map(|point| point.step).collect::<Vec<_>>(), [0, 1, 2].map(Step::new));
            for (histogram, point) in [&first, &second].into_iter().zip(&read) {
                let written = histogram.buckets();
                assert_eq!(point.value.len(), written.len());
                for (bucket, written) in point.value.iter().zip(written) {
                    assert_eq!((bucket.left, bucket.right), (written.left, written.right));
                    assert_eq!(bucket.count, written.count as f64);
                }
            }
            // Nothing is a bucket of nothing on the wire.
            assert_eq!(read[2].value.iter().map(|bucket| bucket.count).sum::<f64>(), 0.0);
        },
    );
}

#[test]
fn pictures() {
    let gray = |shade| Image::gray(3, 2, vec![shade; 6]).unwrap();
    let video = Video::new(vec![gray(0), gray(9)], 2.0).unwrap();
    with_run(
        |writer| {
            writer.add_images("images", vec![gray(1), gray(2)], 0).unwrap();
            writer.add_image("images", gray(3), 1).unwrap();
            writer.add_video("video", video.clone(), 0).unwrap();
        },
        |run| {
            let images = all(run.images("images").unwrap());
            assert_eq!(images.iter().map(|step| (step.width, step.height)).collect::<Vec<_>>(), [(3, 2); 2]);
            let shades = |step: usize| -> Vec<u8> {
                images[step]
                    .samples
                    .iter()
                    .map(|png| Image::from_png(png.clone()).unwrap().pixels()[0])
                    .collect()
            };
            assert_eq!((shades(0), shades(1)), (vec![1, 2], vec![3]));
            assert_eq!(all(run.images("video").unwrap())[0].samples, [video.to_file().unwrap()]);
            assert_eq!(all(run.blobs("images").unwrap())[0][..2], [b"3".to_vec(), b"2".to_vec()]);
        },
    );
}

#[test]
fn sounds_texts_and_tables() {
    let clip = Audio::mono(8000, &[0.0, 0.5, -0.5]).unwrap();
    let table = Table::new(["name", "size"]);
    with_run(
        |writer| {
            writer.add_audio("sound", clip.clone(), 3).unwrap();
            writer.add_text("text", "*Markdown* ä", 1).unwrap();
            writer.add_table("table", &table, 1).unwrap();
        },
        |run| {
            assert_eq!(all(run.audio("sound").unwrap()), [vec![clip.wav().to_vec()]]);
            let text = all(run.texts("text").unwrap());
            assert_eq!((text[0].as_markdown(), text[0].shape.len()), (Some("*Markdown* ä"), 0));
            assert_eq!(all(run.texts("table").unwrap())[0].as_markdown(), Some(table.to_markdown().as_str()));
            assert_eq!(
                kinds(run),
                [("sound", SeriesKind::Audio), ("table", SeriesKind::Text), ("text", SeriesKind::Text)]
            );
        },
    );
}

#[test]
fn tensors_of_every_type() {
    let tensors = [
        Tensor::new(&[2, 1], vec![0.5_f32, f32::INFINITY]).unwrap(),
        Tensor::new(&[2], vec![0.1_f64, -1e300]).unwrap(),
        Tensor::new(&[2], vec![i32::MIN, 7]).unwrap(),
        Tensor::new(&[2], vec![i64::MAX, i64::MIN + 1]).unwrap(),
        Tensor::new(&[3], vec![0_u8, 128, 255]).unwrap(),
        Tensor::new(&[2], vec![true, false]).unwrap(),
        Tensor::new(&[2], vec!["ä".to_owned(), String::new()]).unwrap(),
        Tensor::scalar(2.5_f32),
        Tensor::new(&[0, 3], Vec::<f64>::new()).unwrap(),
    ];
    with_run(
        |writer| {
            for (number, tensor) in tensors.iter().enumerate() {
                writer.add_tensor(&format!("t{number}"), tensor.clone(), 1).unwrap();
            }
            let own = Summary::tensor("weather", b"v1".to_vec(), tensors[0].clone()).unwrap();
            writer.add("own", own.with_description("rain"), 2).unwrap();
        },
        |run| {
            for (number, tensor) in tensors.iter().enumerate() {
                assert_eq!(&all(run.tensors(&format!("t{number}")).unwrap()), std::slice::from_ref(tensor));
            }
            let own = run.tag("own").unwrap();
            assert_eq!(
                (own.kind, own.plugin.as_str(), own.content.as_slice()),
                (SeriesKind::Other, "weather", &b"v1"[..])
            );
            assert_eq!(own.description, "rain");
        },
    );
}

#[test]
fn curves_layouts_and_meshes() {
    let curve = PrCurve::new(&[true, false, true], &[0.9, 0.2, 0.4], 5).unwrap();
    let layout =
        Layout::new(vec![Category::new("losses", vec![Chart::tags("loss", ["a/loss", "b/loss"])])]).unwrap();
    let vertices = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.5]];
    let mesh = Mesh::new(&vertices).unwrap().with_faces(&[[0, 1, 2]]).unwrap();
    with_run(
        |writer| {
            writer.add_pr_curve("pr", curve.clone(), 1).unwrap();
            writer.add_custom_scalars(&layout).unwrap();
            writer.add_mesh("mesh", &mesh, 1).unwrap();
        },
        |run| {
            let read = all(run.pr_curves("pr").unwrap()).remove(0);
            let wide = |numbers: &[f32]| numbers.iter().copied().map(f64::from).collect::<Vec<_>>();
            assert_eq!(read.true_positives, wide(curve.true_positives()));
            assert_eq!(read.false_negatives, wide(curve.false_negatives()));
            assert_eq!(read.recall, wide(curve.recall()));
            let layout = run.layout().unwrap().unwrap();
            assert_eq!(
                (layout.category[0].title.as_str(), layout.category[0].chart[0].title.as_str()),
                ("losses", "loss")
            );
            let points = all(run.tensors("mesh_VERTEX").unwrap()).remove(0);
            assert_eq!(points.shape(), [1, 3, 3]);
            assert_eq!(points.values::<f32>().unwrap(), vertices.as_flattened());
            assert_eq!(all(run.tensors("mesh_FACE").unwrap())[0].values::<i32>(), Some(&[0, 1, 2][..]));
        },
    );
}

#[test]
fn graphs_and_hyperparameters() {
    let graph =
        Graph::new(vec![GraphNode::new("in", "Placeholder"), GraphNode::new("out", "Relu").input("in")])
            .unwrap();
    let layers = ConceptualGraph::sequential("net", vec![ConceptualLayer::new("fc", "Dense")]).unwrap();
    with_run(
        |writer| {
            writer.add_graph(&graph).unwrap();
            writer.add_conceptual_graph("layers", &layers).unwrap();
            writer.add_hparams(&HParams::new().with("lr", 0.1).with("augment", true)).unwrap();
            writer.finish_hparams(SessionStatus::Success).unwrap();
        },
        |run| {
            let read = run.graph().unwrap().unwrap();
            let names: Vec<_> = read.node.iter().map(|node| (node.name.as_str(), node.op.as_str())).collect();
            assert_eq!(names, [("in", "Placeholder"), ("out", "Relu")]);
            assert!(run.conceptual_graph().unwrap().unwrap().contains("\"Dense\""));
            let hparams = run.hparams().unwrap();
            let start = hparams.start.unwrap().hparams;
            assert_eq!(start["lr"].kind, Some(Kind::NumberValue(0.1)));
            assert_eq!(start["augment"].kind, Some(Kind::BoolValue(true)));
            assert_eq!(hparams.end.unwrap().status().as_str_name(), "STATUS_SUCCESS");
        },
    );
    with_run(
        |writer| writer.add_scalar("loss", 0.5, 0).unwrap(),
        |run| {
            assert_eq!(run.graph().unwrap(), None);
            assert_eq!(run.conceptual_graph().unwrap(), None);
            assert_eq!(run.layout().unwrap(), None);
            assert_eq!(run.hparams().unwrap(), Default::default());
        },
    );
}
