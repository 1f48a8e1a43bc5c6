//! Event files, put together event by event, as other writers leave them.

use std::{fs, path::Path};

use convscope::{
    proto::{
        self, Event, HistogramProto, SessionLog, Summary, SummaryMetadata, TaggedRunMetadata, TensorProto,
        event::What,
        session_log::SessionStatus,
        summary::{self, value::Value},
        summary_metadata::PluginData,
    },
    record::RecordEncoder,
};
use prost::Message as _;

/// The bytes of one event file. Each event is a second after the one before it.
pub struct EventFile {
    records: RecordEncoder,
    secs: f64,
}

impl EventFile {
    /// A file that begins as all should.
    pub fn new() -> EventFile {
        let mut file = EventFile::without_version();
        file.version();
        file
    }

    /// An empty file.
    pub fn without_version() -> EventFile {
        EventFile { records: RecordEncoder::new(), secs: 1.5e9 }
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.records.as_bytes().to_vec()
    }

    pub fn event(&mut self, step: i64, what: What) {
        self.secs += 1.0;
        let event = Event { wall_time: self.secs, step, what: Some(what), ..Default::default() };
        self.records.push(&event.encode_to_vec());
    }

    pub fn version(&mut self) {
        self.event(0, What::FileVersion("brain.Event:2".to_owned()));
    }

    pub fn start(&mut self, step: i64) {
        let log = SessionLog { status: SessionStatus::Start as i32, ..Default::default() };
        self.event(step, What::SessionLog(log));
    }

    pub fn values(&mut self, step: i64, value: Vec<summary::Value>) {
        self.event(step, What::Summary(Summary { value }));
    }

    pub fn scalar(&mut self, tag: &str, step: i64, number: f32) {
        self.scalars(&[(tag, number)], step);
    }

    pub fn scalars(&mut self, numbers: &[(&str, f32)], step: i64) {
        let values = numbers.iter().map(|&(tag, number)| value(tag, Value::SimpleValue(number)));
        self.values(step, values.collect());
    }

    pub fn image(&mut self, tag: &str, step: i64, bytes: &[u8]) {
        let image =
            summary::Image { width: 3, height: 5, colorspace: 1, encoded_image_string: bytes.to_vec() };
        self.values(step, vec![value(tag, Value::Image(image))]);
    }

    pub fn audio(&mut self, tag: &str, step: i64, bytes: &[u8]) {
        let audio = summary::Audio { encoded_audio_string: bytes.to_vec(), ..Default::default() };
        self.values(step, vec![value(tag, Value::Audio(audio))]);
    }

    /// With an empty bucket at both ends, as PyTorch has one.
    pub fn histogram(&mut self, tag: &str, step: i64, count: f64) {
        let histogram = histo(tag, vec![0.0, count, 3.0, 0.0], vec![-1.0, -0.3, 0.7, 2.0]);
        self.values(step, vec![histogram]);
    }

    pub fn graph(&mut self, bytes: &[u8]) {
        self.event(0, What::GraphDef(bytes.to_vec()));
    }

    pub fn run_metadata(&mut self, tag: &str, bytes: &[u8]) {
        let metadata = TaggedRunMetadata { tag: tag.to_owned(), run_metadata: bytes.to_vec() };
        self.event(0, What::TaggedRunMetadata(metadata));
    }
}

pub fn value(tag: &str, value: Value) -> summary::Value {
    summary::Value { tag: tag.to_owned(), value: Some(value), ..Default::default() }
}

/// An old-form histogram of values from -1.5 to 1.25.
pub fn histo(tag: &str, bucket: Vec<f64>, bucket_limit: Vec<f64>) -> summary::Value {
    let histogram = HistogramProto { min: -1.5, max: 1.25, bucket, bucket_limit, ..Default::default() };
    value(tag, Value::Histo(histogram))
}

/// A tensor with the name of its plugin and no storage class.
pub fn tensor(plugin: &str, tag: &str, tensor: TensorProto) -> summary::Value {
    let plugin_data = Some(PluginData { plugin_name: plugin.to_owned(), ..Default::default() });
    let metadata = SummaryMetadata { plugin_data, ..Default::default() };
    proto::summary::Value { metadata: Some(metadata), ..value(tag, Value::Tensor(tensor)) }
}

/// Writes the files of a run, named in their order.
pub fn write(logdir: &Path, run: &str, files: &[Vec<u8>]) {
    fs::create_dir_all(logdir.join(run)).unwrap();
    for (number, bytes) in files.iter().enumerate() {
        fs::write(logdir.join(run).join(format!("events.out.tfevents.{number:010}")), bytes).unwrap();
    }
}

/// Numbers that only look random (xorshift64*), the same in every run of the tests.
pub struct Random(pub u64);

impl Random {
    /// From 0 to `end` - 1.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end.max(1)
    }
}
