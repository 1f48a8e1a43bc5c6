//! What summaries look like on the wire.

use super::*;
use crate::proto::{DataClass, DataType, TensorProto, summary::value::Value as Wire};

fn tensor(summary: &Summary) -> TensorProto {
    match summary.encode().unwrap() {
        Encoded::Value(Wire::Tensor(tensor)) => tensor,
        other => panic!("a tensor was expected, not {other:?}"),
    }
}

fn shape(tensor: &TensorProto) -> Vec<i64> {
    tensor.tensor_shape.as_ref().unwrap().dim.iter().map(|dim| dim.size).collect()
}

fn doubles(tensor: &TensorProto) -> Vec<f64> {
    tensor.tensor_content.chunks(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).collect()
}

#[test]
fn metadata_names_dashboard_and_storage_class() {
    let image = Image::gray(1, 1, vec![0]).unwrap();
    let cases = [
        (Summary::scalar(1.0), "scalars", DataClass::Scalar),
        (Summary::histogram(&Histogram::new()), "histograms", DataClass::Tensor),
        (Summary::image(image), "images", DataClass::BlobSequence),
        (Summary::text("a"), "text", DataClass::Tensor),
        (Summary::audio(clip()), "audio", DataClass::BlobSequence),
        (Summary::video(video()), "images", DataClass::BlobSequence),
        (Summary::tensor("mine", vec![7], Tensor::scalar(1_u8)).unwrap(), "mine", DataClass::Tensor),
        (Summary::conceptual_graph(&layers()), "graph_keras_model", DataClass::BlobSequence),
        (Summary::pr_curve(curve()), "pr_curves", DataClass::Tensor),
        (Summary::custom_scalars(&charts()), "custom_scalars", DataClass::Tensor),
        (Summary::hparams(&HParams::new().with("a", 1.0)).unwrap(), "hparams", DataClass::Tensor),
        (Summary::hparams_end(SessionStatus::Success, WallTime::now()), "hparams", DataClass::Tensor),
    ];
    let cloud = Mesh::new(&[[0.0; 3]]).unwrap().with_colors(&[[7; 3]]).unwrap();
    let parts = Summary::mesh("cloud", &cloud).into_iter();
    let cases = cases.into_iter().chain(parts.map(|(_, part)| (part, "mesh", DataClass::Tensor)));
    for (summary, plugin, class) in cases {
        let metadata = summary.with_display_name("Name").with_description("*Why*").metadata();
        assert_eq!(metadata.data_class(), class);
        assert_eq!(metadata.plugin_data.unwrap().plugin_name, plugin);
        assert_eq!(
            (metadata.display_name.as_str(), metadata.summary_description.as_str()),
            ("Name", "*Why*")
        );
    }
}

fn layers() -> ConceptualGraph {
    ConceptualGraph::sequential("net", vec![ConceptualLayer::new("conv1", "Conv2D")]).unwrap()
}

fn curve() -> PrCurve {
    PrCurve::new(&[true, false], &[0.9, 0.1], 3).unwrap()
}

fn charts() -> Layout {
    Layout::new(vec![Category::new("all", vec![Chart::multiline("loss", ["loss"])])]).unwrap()
}

fn clip() -> Audio {
    Audio::mono(8000, &[0.0, 1.0]).unwrap()
}

fn video() -> Video {
    Video::new(vec![Image::gray(3, 2, vec![0; 6]).unwrap(); 2], 1.0).unwrap()
}

#[test]
fn plugins_are_told_what_they_need() {
    let content = |summary: &Summary| summary.metadata().plugin_data.unwrap().content;
    assert_eq!(content(&Summary::audio(clip())), [2 << 3, 11], "field 2, encoding: WAV");
    assert_eq!(content(&Summary::tensor("mine", vec![1, 2], Tensor::scalar(0.5_f32)).unwrap()), [1, 2]);
    assert!(content(&Summary::video(video())).is_empty());
}

#[test]
fn audio_is_a_row_of_files() {
    let tensor = tensor(&Summary::audios(vec![clip(), clip()]).unwrap());
    assert_eq!((tensor.dtype(), shape(&tensor)), (DataType::DtString, vec![2]));
    assert_eq!(tensor.string_val, [clip().wav(), clip().wav()]);
}

#[test]
fn videos_are_width_height_and_files() {
    let tensor = tensor(&Summary::videos(vec![video(), video().gif()]).unwrap());
    assert_eq!((tensor.dtype(), shape(&tensor)), (DataType::DtString, vec![4]));
    assert_eq!(tensor.string_val[..2], [b"3", b"2"]);
    assert!(tensor.string_val[2].starts_with(b"\x89PNG") && tensor.string_val[3].starts_with(b"GIF89a"));
}

#[test]
fn tensors_of_each_type() {
    fn encode<T: TensorElement>(values: Vec<T>) -> TensorProto {
        tensor(&Summary::tensor("mine", Vec::new(), Tensor::new(&[2, 1], values).unwrap()).unwrap())
    }
    let numbers = [
        (encode(vec![1.0_f32, -2.0]), DataType::DtFloat, vec![0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0]),
        (
            encode(vec![1.0, f64::NEG_INFINITY]),
            DataType::DtDouble,
            [1.0, f64::NEG_INFINITY].map(f64::to_le_bytes).concat(),
        ),
        (encode(vec![1_i32, -1]), DataType::DtInt32, vec![1, 0, 0, 0, 255, 255, 255, 255]),
        (encode(vec![1_i64, -1]), DataType::DtInt64, [1_i64, -1].map(i64::to_le_bytes).concat()),
        (encode(vec![1_u8, 255]), DataType::DtUint8, vec![1, 255]),
        (encode(vec![true, false]), DataType::DtBool, vec![1, 0]),
    ];
    for (tensor, dtype, bytes) in numbers {
        assert_eq!((tensor.dtype(), shape(&tensor), &tensor.tensor_content), (dtype, vec![2, 1], &bytes));
    }
    let texts = encode(vec!["ä".to_owned(), String::new()]);
    assert_eq!((texts.dtype(), shape(&texts)), (DataType::DtString, vec![2, 1]));
    assert_eq!(texts.string_val, ["ä".as_bytes(), b""]);
}

#[test]
fn scalars_keep_what_is_not_finite() {
    let encode = |value: f64| match Summary::scalar(value).encode().unwrap() {
        Encoded::Value(Wire::SimpleValue(value)) => value,
        other => panic!("a number was expected, not {other:?}"),
    };
    assert_eq!(encode(0.1), 0.1_f32);
    assert!(encode(f64::NAN).is_nan());
    assert_eq!(encode(f64::NEG_INFINITY), f32::NEG_INFINITY);
    assert_eq!((encode(1e300), encode(-1e300), encode(1e-300)), (f32::INFINITY, f32::NEG_INFINITY, 0.0));
}

#[test]
fn histograms_are_rows_of_left_right_count() {
    let tensor = tensor(&Summary::histogram(&Histogram::from_f32(&[1.0, 1.0, 3.0])));
    assert_eq!((tensor.dtype(), shape(&tensor)), (DataType::DtDouble, vec![3, 3]));
    assert_eq!(doubles(&tensor), [1.0, 1.0, 2.0, 1.0, 3.0, 0.0, 3.0, 3.0, 1.0]);
}

#[test]
fn a_histogram_of_no_values_is_a_row_of_zeros() {
    let tensor = tensor(&Summary::histogram(&Histogram::from_f32(&[f32::NAN])));
    assert_eq!((shape(&tensor), doubles(&tensor)), (vec![1, 3], vec![0.0; 3]));
}

#[test]
fn a_histogram_takes_at_most_2_kilobytes() {
    use prost::Message as _;
    let values: Vec<f32> = (0..100_000).map(|i| (i as f32 * 0.37).tan()).collect();
    let tensor = tensor(&Summary::histogram(&Histogram::from_f32(&values)));
    assert!((1024..=2048).contains(&tensor.encoded_len()), "{}", tensor.encoded_len());
}

#[test]
fn images_are_width_height_and_files() {
    let pictures =
        [[0, 64, 128, 255, 1, 2], [9; 6]].map(|pixels| Image::gray(3, 2, pixels.to_vec()).unwrap());
    let tensor = tensor(&Summary::images(pictures.to_vec()).unwrap());
    assert_eq!((tensor.dtype(), shape(&tensor)), (DataType::DtString, vec![4]));
    assert_eq!(&tensor.string_val[..2], [b"3", b"2"]);
    for (png, picture) in tensor.string_val[2..].iter().zip(&pictures) {
        assert_eq!(Image::from_png(png.clone()).unwrap().pixels(), picture.pixels());
    }
}

#[test]
fn png_files_are_written_as_they_are() {
    let file = Image::rgba(1, 2, (0..8).collect()).unwrap().to_png().unwrap();
    let image = Image::from_png(file.clone()).unwrap();
    assert_eq!((image.width(), image.height(), image.channels()), (1, 2, 4));
    assert_eq!(image.pixels(), (0..8).collect::<Vec<u8>>());
    assert_eq!(tensor(&Summary::image(image)).string_val[2], file);
}

#[test]
fn pixels_that_do_not_fit_are_refused() {
    let error = Image::rgb(2, 2, vec![0; 11]).unwrap_err().to_string();
    assert_eq!(error, "image: 11 bytes for 2 x 2 pixels of 3 channels, which take 12");
    assert!(Image::rgba(0, 5, Vec::new()).is_err());
    assert!(Image::rgb(u32::MAX, u32::MAX, Vec::new()).is_err());
    let png = Image::gray(8, 8, vec![7; 64]).unwrap().to_png().unwrap();
    for end in 0..png.len() - 12 {
        assert!(Image::from_png(png[..end].to_vec()).is_err(), "cut after {end} bytes");
    }
}

#[test]
fn text_is_one_string() {
    let tensor = tensor(&Summary::text("# Ünïcode"));
    assert_eq!((tensor.dtype(), shape(&tensor)), (DataType::DtString, vec![]));
    assert_eq!(tensor.string_val, ["# Ünïcode".as_bytes()]);
}

#[test]
fn the_size_hint_covers_what_is_held() {
    let pixels = Image::rgb(100, 100, vec![0; 30_000]).unwrap();
    assert!(Summary::images(vec![pixels.clone(), pixels]).unwrap().size_hint() >= 60_000);
    assert!(Summary::text("x".repeat(5_000)).size_hint() >= 5_000);
    assert!(Summary::audio(Audio::mono(8000, &[0.0; 4_000]).unwrap()).size_hint() >= 8_000);
    let frame = Image::gray(50, 50, vec![0; 2_500]).unwrap();
    assert!(Summary::video(Video::new(vec![frame; 4], 1.0).unwrap()).size_hint() >= 10_000);
    assert!(
        Summary::tensor("mine", vec![0; 900], Tensor::new(&[500], vec![0_i64; 500]).unwrap())
            .unwrap()
            .size_hint()
            >= 4_900
    );
    assert!(Summary::scalar(1.0).with_description("d".repeat(700)).size_hint() >= 700);
    assert!(Summary::scalar(1.0).size_hint() >= size_of::<Summary>());
}

#[test]
fn raw_buckets_are_checked() {
    let raw = |edges: &[(f64, f64)]| {
        let buckets = edges.iter().map(|&(left, right)| Bucket { left, right, count: 1 }).collect();
        Summary::histogram_raw(buckets).map(|summary| summary.as_buckets().map(<[Bucket]>::len))
    };
    assert_eq!(raw(&[]).unwrap(), Some(0));
    assert_eq!(raw(&[(-1.0, 0.0), (0.0, 0.0), (0.0, 0.5), (2.0, 3.0)]).unwrap(), Some(4));
    for (edges, words) in [
        (vec![(0.0, f64::NAN)], "bucket 0 goes from 0 to NaN; both edges must be finite"),
        (vec![(0.0, 1.0), (1.0, f64::INFINITY)], "bucket 1 goes from 1 to inf; both edges must be finite"),
        (vec![(1.0, 0.0)], "bucket 0 goes from 1 down to 0; exchange its edges"),
        (
            vec![(1.0, 2.0), (0.0, 1.0)],
            "bucket 1 begins at 0, before bucket 0 ends at 2; sort them, without overlap",
        ),
    ] {
        assert_eq!(raw(&edges).unwrap_err().to_string(), format!("histogram: {words}"));
    }
}

/// Thousands of scalars wait in the writer's queue, and each is moved several times.
#[test]
fn a_summary_stays_small() {
    assert!(size_of::<Summary>() <= 5 * size_of::<usize>(), "{} bytes", size_of::<Summary>());
}
