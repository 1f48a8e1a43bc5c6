//! Runs made of what a writer could get wrong.

use std::path::Path;

use convscope::{Histogram, Image, Summary, SummaryWriter, WallTime};

use crate::series::{AllSeries, LOADERS, Picture, Point, Series, Value, assert_same, load};

/// A writer that keeps a list of what must be read back.
pub struct Recorder {
    pub writer: SummaryWriter,
    /// Name of the writer's own run: its folder as seen from the log folder.
    name: &'static str,
    clock: f64,
    expected: AllSeries,
}

impl Recorder {
    pub fn open(logdir: &Path, name: &'static str) -> Recorder {
        let writer = SummaryWriter::open(logdir.join(name)).unwrap();
        Recorder { writer, name, clock: 1.75e9, expected: AllSeries::new() }
    }

    fn add(&mut self, run: &str, tag: &str, step: i64, summary: Summary) {
        self.add_described(run, tag, step, summary, "", "");
    }

    fn add_described(
        &mut self,
        run: &str,
        tag: &str,
        step: i64,
        summary: Summary,
        name: &str,
        description: &str,
    ) {
        self.clock += 0.125;
        let point = Point { step, wall_time: self.clock, value: value_of(&summary) };
        let writer = if run.is_empty() { self.writer.clone() } else { self.writer.sub_run(run).unwrap() };
        let summary = summary.with_display_name(name).with_description(description);
        writer.at(WallTime::new(self.clock).unwrap()).add(tag, summary, step).unwrap();
        self.series(run, tag, &point.value, name, description).points.push(point);
    }

    /// A value of a plugin that [`value_of`] does not know, with a name and a description.
    pub fn add_of(
        &mut self,
        (plugin, data_class): (&str, &str),
        tag: &str,
        step: i64,
        summary: Summary,
        value: Value,
    ) {
        self.clock += 0.125;
        let (name, description) = (format!("Name of {tag}"), format!("About *{tag}*: größer."));
        let point = Point { step, wall_time: self.clock, value };
        let summary = summary.with_display_name(&name).with_description(&description);
        self.writer.at(WallTime::new(self.clock).unwrap()).add(tag, summary, step).unwrap();
        let empty = Series { display_name: name, description, ..Series::new(plugin, data_class) };
        let key = (self.name.to_owned(), tag.to_owned());
        self.expected.entry(key).or_insert(empty).points.push(point);
    }

    fn scalar(&mut self, run: &str, tag: &str, step: i64, value: f64) {
        self.add(run, tag, step, Summary::scalar(value));
    }

    fn series(&mut self, run: &str, tag: &str, value: &Value, name: &str, description: &str) -> &mut Series {
        let run = if run.is_empty() { self.name.to_owned() } else { format!("{}/{run}", self.name) };
        self.expected.entry((run, tag.to_owned())).or_insert_with(|| Series {
            display_name: name.to_owned(),
            description: description.to_owned(),
            ..Series::of(value)
        })
    }

    pub fn close(self) -> AllSeries {
        self.writer.close().unwrap();
        self.expected
    }
}

fn value_of(summary: &Summary) -> Value {
    if let Some(number) = summary.as_scalar() {
        Value::scalar(number)
    } else if let Some(buckets) = summary.as_buckets() {
        Value::histogram(buckets)
    } else if let Some(images) = summary.as_images() {
        Value::Images(images.iter().map(Picture::from).collect())
    } else {
        Value::Text(summary.as_text().unwrap().to_owned())
    }
}

/// A picture whose pixels are all different from those of another `seed`.
fn picture(width: u32, height: u32, channels: u32, seed: u32) -> Image {
    let pixels = (0..width * height * channels).map(|at| (at * 7 + seed * 13) as u8).collect();
    match channels {
        1 => Image::gray(width, height, pixels),
        3 => Image::rgb(width, height, pixels),
        _ => Image::rgba(width, height, pixels),
    }
    .unwrap()
}

pub fn all_loaders_see(logdir: &Path, expected: &AllSeries) {
    for loader in LOADERS {
        assert_same(loader, &load(loader, logdir), expected);
    }
}

#[test]
fn every_kind_is_read_as_written() {
    let logdir = tempfile::tempdir().unwrap();
    let mut run = Recorder::open(logdir.path(), "every kind");
    for (step, value) in (0..).zip([1.0, -0.5, 0.1, -0.0, 1e-45, 3.4e38, 1e300, f64::NAN, f64::INFINITY]) {
        run.scalar("", "numbers", step, value);
        run.scalar("", "negative numbers", step, -value);
    }
    for (step, values) in (0..).zip(distributions()) {
        run.add("", "distribution", step, Summary::histogram(&Histogram::from_f64(&values)));
    }
    for (channels, tag) in [(1, "images/gray"), (3, "images/rgb"), (4, "images/rgba")] {
        run.add("", tag, 0, Summary::image(picture(5, 3, channels, 0)));
        run.add("", tag, 10, Summary::image(picture(1, 1, channels, 1)));
        run.add("", tag, 20, Summary::image(picture(300, 200, channels, 2)));
    }
    for step in 0..4 {
        let samples = (0..=step).map(|sample| picture(6, 4, 3, sample)).collect();
        run.add("", "images/several", i64::from(step), Summary::images(samples).unwrap());
    }
    for (step, text) in (0..).zip(texts()) {
        run.add("", "text", step, Summary::text(text));
    }
    let expected = run.close();
    all_loaders_see(logdir.path(), &expected);
}

/// Of each kind that a network has, and of each that has no proper distribution.
fn distributions() -> Vec<Vec<f64>> {
    let wave = |at: u32| f64::from(at).sin();
    vec![
        vec![],
        vec![f64::NAN; 3],
        vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY],
        vec![0.0; 100],
        vec![-2.5],
        vec![1.0, 2.0, f64::NAN, f64::INFINITY],
        vec![f64::MIN, -1e-300, 0.0, 1e-300, f64::MAX],
        (0..10_000).map(wave).collect(),
        (0..10_000).map(|at| wave(at).max(0.0)).collect(),
        (0..10_000).map(|at| 1.0 + 1e-3 * wave(at)).collect(),
        (0..10_000).map(|at| wave(at).powi(-9)).collect(),
    ]
}

fn texts() -> Vec<String> {
    vec![
        "one line".to_owned(),
        String::new(),
        "| layer | output |\n|---|---|\n| conv1 | 16×28×28 |\n".to_owned(),
        "Ünïcödé, 図, 🙂, and a \0 and \\ and \"quotes\"".to_owned(),
        "<b>no</b> & <script>alert(1)</script>".to_owned(),
        "long ".repeat(50_000),
    ]
}

#[test]
fn two_thousand_values_of_one_tag_are_all_there() {
    let logdir = tempfile::tempdir().unwrap();
    let mut run = Recorder::open(logdir.path(), "long");
    for step in 0..2_000 {
        run.scalar("train", "loss", step, 1.0 / (step as f64 + 1.0));
        if step % 100 == 99 {
            run.scalar("validation", "loss", step, 2.0 / (step as f64 + 1.0));
        }
    }
    let expected = run.close();
    all_loaders_see(logdir.path(), &expected);
}

#[test]
fn runs_tags_and_labels_keep_their_names() {
    let logdir = tempfile::tempdir().unwrap();
    let mut run = Recorder::open(logdir.path(), "Lauf 1, größer");
    for name in ["train", "validation", "fold 2/train", "日本", "a.b-c_d=e,f"] {
        run.scalar(name, "loss", 1, 0.5);
    }
    let tags = [
        "a",
        "a/b",
        "a/b/c",
        "with spaces",
        "ünï/cödé",
        "図/畳み込み",
        "🙂",
        "q\"uo'te",
        "a?b=c&d#e%20",
        "\\d+(.*)",
        ".",
    ];
    for (at, tag) in tags.into_iter().enumerate() {
        run.scalar("", tag, 7, at as f64);
    }
    run.scalar("", &"long/".repeat(100), 7, 1.0);
    run.add_described(
        "",
        "described",
        0,
        Summary::scalar(1.0),
        "A name",
        "What it *means*: <b>größer</b> is `better`.",
    );
    run.scalar("", "described", 1, 2.0);
    run.add_described("", "described image", 0, Summary::image(picture(2, 2, 3, 0)), "Bild", "Ein **Bild**.");
    run.add_described("", "described text", 0, Summary::text("t"), "", "Only a description.");
    run.add_described(
        "",
        "described distribution",
        0,
        Summary::histogram(&Histogram::from_f32(&[1.0, 2.0])),
        "Name",
        "",
    );
    let expected = run.close();
    all_loaders_see(logdir.path(), &expected);
}

#[test]
fn negative_and_large_steps_are_read_as_written() {
    let logdir = tempfile::tempdir().unwrap();
    let mut run = Recorder::open(logdir.path(), "steps");
    for step in [i64::MIN, -1_000_000_000_000, -5, -1, 0, 1, 1 << 40, i64::MAX] {
        run.scalar("", "scalar", step, 1.0);
        run.add("", "text", step, Summary::text(step.to_string()));
        run.add("", "image", step, Summary::image(picture(2, 2, 1, 3)));
        run.add("", "distribution", step, Summary::histogram(&Histogram::from_f32(&[1.0, 2.0])));
    }
    let expected = run.close();
    all_loaders_see(logdir.path(), &expected);
}

#[test]
fn the_log_folder_itself_can_be_a_run() {
    let logdir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(logdir.path()).unwrap();
    let mut run = Recorder { writer, name: ".", clock: 1.75e9, expected: AllSeries::new() };
    run.scalar("", "loss", 1, 0.25);
    let expected = run.close();
    all_loaders_see(logdir.path(), &expected);
}

#[test]
fn a_flushed_run_is_seen_while_it_is_open() {
    let logdir = tempfile::tempdir().unwrap();
    let mut run = Recorder::open(logdir.path(), "open");
    run.scalar("train", "loss", 1, 0.5);
    run.writer.flush().unwrap();
    all_loaders_see(logdir.path(), &run.expected);
    run.scalar("train", "loss", 2, 0.25);
    run.add("", "note", 2, Summary::text("more"));
    run.writer.flush().unwrap();
    all_loaders_see(logdir.path(), &run.expected);
}

/// What a killed program leaves: the beginning of a record at the end of a file.
#[test]
fn a_torn_end_is_passed_over_before_and_after_resuming() {
    let logdir = tempfile::tempdir().unwrap();
    let mut run = Recorder::open(logdir.path(), "killed");
    for step in 0..10 {
        run.scalar("", "loss", step, step as f64);
        run.add("", "note", step, Summary::text(format!("step {step}")));
    }
    let clock = run.clock;
    let mut expected = run.close();
    let folder = logdir.path().join("killed");
    let file = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let mut bytes = std::fs::read(&file).unwrap();
    // 30 bytes of a longer record: the first one of the file once more.
    bytes.extend_from_within(..30);
    std::fs::write(&file, bytes).unwrap();
    all_loaders_see(logdir.path(), &expected);

    let writer = SummaryWriter::resume(&folder, 10).unwrap();
    let mut run = Recorder { writer, name: "killed", clock, expected: AllSeries::new() };
    run.scalar("", "loss", 10, 10.0);
    for (key, second) in run.close() {
        expected.get_mut(&key).unwrap().points.extend(second.points);
    }
    all_loaders_see(logdir.path(), &expected);
}

/// A run that stopped after step 9, and goes on from its checkpoint of step 5 in a second file: one clean curve, also
/// for what the second attempt does not write again.
#[test]
fn a_resumed_run_shows_the_second_attempt() {
    let logdir = tempfile::tempdir().unwrap();
    let mut run = Recorder::open(logdir.path(), "resumed");
    for step in 0..10 {
        for below in ["", "train"] {
            run.scalar(below, "loss", step, step as f64);
            run.scalar(below, "not again", step, step as f64);
            run.add(below, "note", step, Summary::text(format!("first {step}")));
            run.add(below, "note not again", step, Summary::text(format!("first {step}")));
        }
    }
    let clock = run.clock;
    let mut expected = run.close();

    let writer = SummaryWriter::resume(logdir.path().join("resumed"), 5).unwrap();
    let mut run = Recorder { writer, name: "resumed", clock, expected: AllSeries::new() };
    for step in 5..8 {
        for below in ["", "train"] {
            run.scalar(below, "loss", step, -step as f64);
            run.add(below, "note", step, Summary::text(format!("second {step}")));
        }
    }
    let second = run.close();
    for series in expected.values_mut() {
        series.points.retain(|point| point.step < 5);
    }
    for (key, second) in second {
        expected.get_mut(&key).unwrap().points.extend(second.points);
    }
    all_loaders_see(logdir.path(), &expected);
}
