//! Time series as TensorBoard's loaders tell them and as the tests expect them.

use std::{collections::BTreeMap, fmt, fs, path::Path, time::Duration};

use convscope::{Bucket, Image};
use serde_json::Value as Json;

use crate::python;

/// Run and tag, with the series.
pub type AllSeries = BTreeMap<(String, String), Series>;

/// One tag of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    pub plugin: String,
    pub data_class: String,
    pub display_name: String,
    pub description: String,
    pub points: Vec<Point>,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub step: i64,
    pub wall_time: f64,
    pub value: Value,
}

#[derive(Clone, PartialEq)]
pub enum Value {
    Scalar(Number),
    /// Left edge, right edge, count.
    Histogram(Vec<[f64; 3]>),
    Images(Vec<Picture>),
    Text(String),
    /// Sound, moving pictures, graphs: byte for byte.
    Files(Vec<Vec<u8>>),
    Tensor(Tensor),
}

/// An array of numbers or texts.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// As numpy calls it.
    pub dtype: String,
    pub shape: Vec<usize>,
    pub items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    Number(Number),
    Bytes(Vec<u8>),
}

/// What a picture shows, however it was packed.
#[derive(Clone, PartialEq)]
pub struct Picture {
    width: u32,
    height: u32,
    channels: u8,
    pixels: Vec<u8>,
}

/// A number that equals itself, also when it is none.
#[derive(Debug, Clone, Copy)]
pub struct Number(pub f64);

impl PartialEq for Number {
    fn eq(&self, other: &Number) -> bool {
        self.0 == other.0 || (self.0.is_nan() && other.0.is_nan())
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = &self.pixels[..self.pixels.len().min(12)];
        write!(f, "{} x {} x {} {head:?}…", self.width, self.height, self.channels)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Scalar(number) => write!(f, "{}", number.0),
            Value::Histogram(buckets) => write!(f, "{} buckets {buckets:?}", buckets.len()),
            Value::Images(images) => write!(f, "{images:?}"),
            Value::Text(text) => write!(f, "{text:?}"),
            Value::Files(files) => {
                write!(f, "files of {:?} bytes", files.iter().map(Vec::len).collect::<Vec<_>>())
            }
            Value::Tensor(tensor) => write!(f, "{tensor:?}"),
        }
    }
}

impl Value {
    /// As it is on the wire: rounded to 32 bits.
    pub fn scalar(value: f64) -> Value {
        #[allow(clippy::cast_possible_truncation)]
        Value::Scalar(Number(f64::from(value as f32)))
    }

    /// No buckets are a bucket of nothing on the wire, because TensorBoard needs one.
    pub fn histogram(buckets: &[Bucket]) -> Value {
        if buckets.is_empty() {
            return Value::Histogram(vec![[0.0; 3]]);
        }
        Value::Histogram(
            buckets.iter().map(|bucket| [bucket.left, bucket.right, bucket.count as f64]).collect(),
        )
    }
}

impl From<&Image> for Picture {
    fn from(image: &Image) -> Picture {
        let pixels = image.pixels().to_vec();
        Picture { width: image.width(), height: image.height(), channels: image.channels(), pixels }
    }
}

impl Series {
    /// An empty one, with the plugin and the data class that belong to a kind of value.
    pub fn of(value: &Value) -> Series {
        let (plugin, data_class) = match value {
            Value::Scalar(_) => ("scalars", "scalar"),
            Value::Histogram(_) => ("histograms", "tensor"),
            Value::Images(_) => ("images", "blob sequence"),
            Value::Text(_) => ("text", "tensor"),
            Value::Files(_) | Value::Tensor(_) => panic!("of several plugins: use `Series::new`"),
        };
        Series::new(plugin, data_class)
    }

    /// An empty one.
    pub fn new(plugin: &str, data_class: &str) -> Series {
        Series {
            plugin: plugin.to_owned(),
            data_class: data_class.to_owned(),
            display_name: String::new(),
            description: String::new(),
            points: Vec::new(),
        }
    }
}

/// TensorBoard's readers of event files.
pub const LOADERS: [&str; 3] = ["fast", "slow", "accumulator"];

/// What one loader reads from a log folder. Panics where it has anything to say on stderr.
pub fn load(loader: &str, logdir: &Path) -> AllSeries {
    let (all, said) = load_with_words(loader, logdir);
    assert!(said.is_empty(), "the {loader} loader said:\n{said}");
    all
}

/// What one loader reads from a log folder, and what it has to say on stderr.
pub fn load_with_words(loader: &str, logdir: &Path) -> (AllSeries, String) {
    let blobs = tempfile::tempdir().unwrap();
    let finished = python::run(
        "tests/conformance/read_logdir.py",
        [Path::new("--loader"), Path::new(loader), Path::new("--blobs"), blobs.path(), logdir],
        Duration::from_secs(180),
    );
    let said = finished.stderr;
    assert!(
        finished.status.success(),
        "the {loader} loader ended with {} and said:\n{said}",
        finished.status
    );
    let told: Json = serde_json::from_str(&finished.stdout).unwrap();
    let mut all = AllSeries::new();
    for (run, tags) in told["runs"].as_object().unwrap() {
        for (tag, series) in tags.as_object().unwrap() {
            let mut series = parse_series(series, blobs.path());
            // The slow loader makes up this name where it turns plain scalars into tensors.
            if series.display_name == *tag {
                series.display_name.clear();
            }
            all.insert((run.clone(), tag.clone()), series);
        }
    }
    (all, said)
}

fn parse_series(json: &Json, blobs: &Path) -> Series {
    let text = |field: &str| json[field].as_str().unwrap().to_owned();
    let points = json["points"].as_array().unwrap().iter().map(|point| Point {
        step: point[0].as_i64().unwrap(),
        wall_time: parse_number(&point[1]),
        value: parse_value(json, &point[2], blobs),
    });
    Series {
        points: points.collect(),
        data_class: text("data_class"),
        display_name: text("display_name"),
        description: text("description"),
        plugin: text("plugin"),
    }
}

fn parse_value(series: &Json, json: &Json, blobs: &Path) -> Value {
    let files =
        || json.as_array().unwrap().iter().map(|name| fs::read(blobs.join(name.as_str().unwrap())).unwrap());
    let plugin = series["plugin"].as_str().unwrap();
    match plugin {
        "scalars" => Value::Scalar(Number(parse_number(json))),
        "images" => parse_images(files().collect()),
        _ if series["data_class"] == "blob sequence" => Value::Files(files().collect()),
        "histograms" => parse_tensor(json).histogram(),
        "text" => parse_tensor(json).text(),
        _ => Value::Tensor(parse_tensor(json)),
    }
}

fn parse_tensor(json: &Json) -> Tensor {
    let dtype = json["dtype"].as_str().unwrap().to_owned();
    let items = json["items"].as_array().unwrap().iter().map(|item| match &*dtype {
        "object" => Item::Bytes(parse_hex(item.as_str().unwrap())),
        _ => Item::Number(Number(parse_number(item))),
    });
    Tensor { items: items.collect(), shape: serde_json::from_value(json["shape"].clone()).unwrap(), dtype }
}

fn parse_hex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

impl Tensor {
    fn histogram(&self) -> Value {
        assert_eq!((&*self.dtype, self.shape.len(), self.shape[1]), ("float64", 2, 3));
        let numbers: Vec<f64> = self.items.iter().map(Item::number).collect();
        Value::Histogram(numbers.as_chunks::<3>().0.to_vec())
    }

    fn text(&self) -> Value {
        match &*self.items {
            [Item::Bytes(text)] if self.shape.is_empty() => {
                Value::Text(String::from_utf8(text.clone()).unwrap())
            }
            _ => panic!("not one text: {self:?}"),
        }
    }
}

impl Item {
    fn number(&self) -> f64 {
        match self {
            Item::Number(number) => number.0,
            Item::Bytes(_) => panic!("not a number: {self:?}"),
        }
    }
}

/// A number written as text, which keeps all of its digits and can be NaN or an infinity.
fn parse_number(json: &Json) -> f64 {
    json.as_str().unwrap().parse().unwrap()
}

/// Width and height as text, then files: pictures, or what moves and is kept as it is.
fn parse_images(blobs: Vec<Vec<u8>>) -> Value {
    let (size, files) = blobs.split_at(2);
    let moves = |file: &Vec<u8>| file.starts_with(b"GIF") || file.windows(4).any(|chunk| chunk == b"acTL");
    if files.iter().any(moves) {
        return Value::Files(blobs);
    }
    let pictures: Vec<Picture> =
        files.iter().map(|png| Picture::from(&Image::from_png(png.clone()).unwrap())).collect();
    let size = [0, 1].map(|side| str::from_utf8(&size[side]).unwrap().parse::<u32>().unwrap());
    assert_eq!(size, [pictures[0].width, pictures[0].height], "the size that stands before the pictures");
    Value::Images(pictures)
}

/// Panics at the first difference, named by loader, run, tag and point.
pub fn assert_same(loader: &str, found: &AllSeries, expected: &AllSeries) {
    let keys = |all: &AllSeries| all.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(found), keys(expected), "{loader}: runs and tags");
    for (key, expected) in expected {
        let found = &found[key];
        let steps = |series: &Series| series.points.iter().map(|point| point.step).collect::<Vec<_>>();
        assert_eq!(steps(found), steps(expected), "{loader}: steps of {key:?}");
        for (found, expected) in found.points.iter().zip(&expected.points) {
            assert_eq!(found, expected, "{loader}: {key:?}");
        }
        assert_eq!(found, expected, "{loader}: {key:?}");
    }
}
