//! Event files as our own reader sees them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use convscope::{
    Image,
    event::EventFileReader,
    proto::{DataClass, SummaryMetadata, TensorProto, event::What, summary::value},
};

use crate::series::{AllSeries, Item, Number, Picture, Point, Series, Tensor, Value};

/// The tag under which TensorBoard's loaders keep the graph of a run, which has none in the file.
pub const RUN_GRAPH: &str = "__run_graph__";

/// Every series below a log folder.
pub fn read(logdir: &Path) -> AllSeries {
    let mut all = AllSeries::new();
    for file in event_files(logdir) {
        let run = file.parent().unwrap().strip_prefix(logdir).unwrap().to_str().unwrap();
        read_file(&file, run, &mut all);
    }
    all
}

/// Below a folder, in the order in which TensorBoard reads them.
fn event_files(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = paths.into_iter().partition(|path| path.is_dir());
    let is_event_file = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().contains("tfevents");
    files
        .into_iter()
        .filter(is_event_file)
        .chain(folders.iter().flat_map(|below| event_files(below)))
        .collect()
}

fn read_file(path: &Path, run: &str, all: &mut AllSeries) {
    for event in EventFileReader::open(path).unwrap() {
        let event = event.unwrap();
        let summary = match event.what {
            Some(What::Summary(summary)) => summary,
            Some(What::GraphDef(bytes)) => {
                let graph =
                    Point { step: event.step, wall_time: event.wall_time, value: Value::Files(vec![bytes]) };
                let key = (run.to_owned(), RUN_GRAPH.to_owned());
                let empty = || Series::new("graphs", "blob sequence");
                all.entry(key).or_insert_with(empty).points.push(graph);
                continue;
            }
            _ => continue,
        };
        for value in summary.value {
            let key = (run.to_owned(), value.tag);
            let series = all.entry(key).or_insert_with(|| labels(value.metadata.as_ref().unwrap()));
            let value = match value.value.unwrap() {
                value::Value::SimpleValue(number) => Value::Scalar(Number(number.into())),
                value::Value::Tensor(tensor) => from_tensor(&series.plugin, tensor),
                other => panic!("an old form of value: {other:?}"),
            };
            series.points.push(Point { step: event.step, wall_time: event.wall_time, value });
        }
    }
}

fn labels(metadata: &SummaryMetadata) -> Series {
    let data_class = match metadata.data_class() {
        DataClass::Scalar => "scalar",
        DataClass::Tensor => "tensor",
        DataClass::BlobSequence => "blob sequence",
        DataClass::Unknown => "unknown",
    };
    Series {
        plugin: metadata.plugin_data.as_ref().unwrap().plugin_name.clone(),
        data_class: data_class.to_owned(),
        display_name: metadata.display_name.clone(),
        description: metadata.summary_description.clone(),
        points: Vec::new(),
    }
}

fn from_tensor(plugin: &str, tensor: TensorProto) -> Value {
    match plugin {
        "histograms" => {
            let (numbers, rest) = tensor.tensor_content.as_chunks::<8>();
            let numbers: Vec<f64> = numbers.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect();
            let (buckets, left) = numbers.as_chunks::<3>();
            assert!(rest.is_empty() && left.is_empty(), "rows of three numbers");
            Value::Histogram(buckets.to_vec())
        }
        "images" => {
            // Width and height come first.
            let pictures = tensor
                .string_val
                .into_iter()
                .skip(2)
                .map(|png| Picture::from(&Image::from_png(png).unwrap()));
            Value::Images(pictures.collect())
        }
        "custom_scalars" => {
            let items = tensor.string_val.into_iter().map(Item::Bytes).collect();
            Value::Tensor(Tensor { dtype: "object".to_owned(), shape: Vec::new(), items })
        }
        "pr_curves" => {
            let (numbers, rest) = tensor.tensor_content.as_chunks::<4>();
            assert!(rest.is_empty(), "numbers of 32 bits");
            let item = |&bytes: &[u8; 4]| Item::Number(Number(f32::from_le_bytes(bytes).into()));
            let sides = tensor.tensor_shape.unwrap().dim;
            Value::Tensor(Tensor {
                dtype: "float32".to_owned(),
                shape: sides.iter().map(|side| usize::try_from(side.size).unwrap()).collect(),
                items: numbers.iter().map(item).collect(),
            })
        }
        "graph_keras_model" => Value::Files(tensor.string_val),
        "text" => Value::Text(String::from_utf8(tensor.string_val.concat()).unwrap()),
        other => panic!("a tensor of the plugin {other}"),
    }
}
