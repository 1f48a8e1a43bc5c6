//! Embeddings: the files of the page Projector.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Barrier,
    thread,
};

use convscope::{
    ErrorKind, Image, Kind, MemorySink, Step, Summary, SummarySink as _, SummaryWriter,
    event::{EventFileOptions, EventFileReader, EventFileWriter, Sample},
    proto::event::What,
    summary::Embedding,
};

fn text(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn config(run: &Path) -> String {
    text(run.join("projector_config.pbtxt"))
}

/// The values of a field in a configuration, in order.
fn fields(config: &str, field: &str) -> Vec<String> {
    let value = |line: &str| Some(line.trim().strip_prefix(field)?.strip_prefix(": ")?.to_owned());
    config.lines().filter_map(value).collect()
}

fn points() -> Embedding {
    Embedding::from_rows(&[[1.0, 0.0, -2.5], [0.1, 1e-9, 3e20]]).unwrap()
}

/// Writes one embedding as `tag` at step 7 and returns the folder of its files.
fn write(run: &Path, tag: &str, embedding: &Embedding) -> PathBuf {
    let writer = SummaryWriter::open(run).unwrap();
    writer.add_embedding(tag, embedding, 7).unwrap();
    writer.close().unwrap();
    let path = fields(&config(run), "tensor_path").pop().unwrap();
    run.join(path.trim_matches('"')).parent().unwrap().to_owned()
}

#[test]
fn an_embedding_is_a_configuration_and_files() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path();
    let pictures = [0, 255].map(|gray| Image::gray(3, 2, vec![gray; 6]).unwrap());
    let embedding = points()
        .metadata(&["class", "size"], vec![vec!["cat".into(), "1".into()], vec!["dög".into(), "2".into()]])
        .unwrap()
        .sprites(pictures.to_vec())
        .unwrap();
    let folder = write(run, "features/conv1", &embedding);
    assert_eq!(
        config(run),
        r#"embeddings {
  tensor_name: "features/conv1 (step 7)"
  tensor_path: "projector/features%2Fconv1/7/tensors.tsv"
  metadata_path: "projector/features%2Fconv1/7/metadata.tsv"
  sprite {
    image_path: "projector/features%2Fconv1/7/sprites.png"
    single_image_dim: 3
    single_image_dim: 2
  }
  tensor_shape: 2
  tensor_shape: 3
}
"#
    );
    assert_eq!(text(folder.join("tensors.tsv")), "1.0\t0.0\t-2.5\n0.1\t1e-9\t3e20\n");
    assert_eq!(text(folder.join("metadata.tsv")), "class\tsize\ncat\t1\ndög\t2\n");
    let sheet = Image::from_png(fs::read(folder.join("sprites.png")).unwrap()).unwrap();
    assert_eq!((sheet.width(), sheet.height(), sheet.channels()), (6, 4, 1));
    let line = [0, 0, 0, 255, 255, 255];
    assert_eq!(sheet.pixels(), [line, line, [0; 6], [0; 6]].concat());
    let names: Vec<_> = fs::read_dir(run).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 3, "the event file, the configuration, the files: {names:?}");
}

#[test]
fn all_embeddings_of_a_run_are_in_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path();
    let other = "# by hand\nembeddings {\n  tensor_name: \"weights\"\n  tensor_path: \"00001/weights/tensors.tsv\"\n}";
    fs::write(run.join("projector_config.pbtxt"), other).unwrap();
    for (tag, step) in [("a", 1), ("b", 1), ("a", 2)] {
        // A writer each time, as a program that is started again.
        let writer = SummaryWriter::open(run).unwrap();
        writer.add_embedding(tag, &points(), step).unwrap();
        writer.close().unwrap();
    }
    let all = ["\"weights\"", "\"a (step 1)\"", "\"b (step 1)\"", "\"a (step 2)\""];
    assert!(config(run).starts_with(other));
    assert_eq!(fields(&config(run), "tensor_name"), all);

    // The same name again takes the place of the first.
    let writer = SummaryWriter::open(run).unwrap();
    let more = Embedding::new(vec![0.0; 40], 4).unwrap();
    writer.add_embedding("a", &more, 1).unwrap();
    writer.close().unwrap();
    let now = ["\"weights\"", "\"b (step 1)\"", "\"a (step 2)\"", "\"a (step 1)\""];
    assert_eq!(fields(&config(run), "tensor_name"), now);
    assert_eq!(fields(&config(run), "tensor_shape"), ["2", "3", "2", "3", "10", "4"]);
    assert_eq!(text(run.join("projector/a/1/tensors.tsv")), "0.0\t0.0\t0.0\t0.0\n".repeat(10));
}

#[test]
fn a_resumed_run_forgets_later_ones() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path();
    // By others, in our layout.
    let other = "embeddings {\n  tensor_name: \"w (step 9)\"\n  tensor_path: \"w.tsv\"\n}\n";
    fs::write(run.join("projector_config.pbtxt"), other).unwrap();
    let writer = SummaryWriter::open(run).unwrap();
    let train = writer.sub_run("train").unwrap();
    for step in [-1, 4, 5, 10] {
        writer.add_embedding("a", &points(), step).unwrap();
        train.add_embedding("b (step 9)", &points(), step).unwrap();
    }
    writer.close().unwrap();
    SummaryWriter::resume(run, 5).unwrap().close().unwrap();
    let steps = |run: &Path, tag: &str| {
        let mut names: Vec<_> = fs::read_dir(run.join("projector").join(tag))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    };
    assert_eq!(steps(run, "a"), ["-1", "4"], "files went as well");
    assert_eq!(steps(&run.join("train"), "b%20%28step%209%29"), ["-1", "4"]);
    let own = ["\"w (step 9)\"", "\"a (step -1)\"", "\"a (step 4)\""];
    assert_eq!(fields(&config(run), "tensor_name"), own);
    let train = ["\"b (step 9) (step -1)\"", "\"b (step 9) (step 4)\""];
    assert_eq!(fields(&config(&run.join("train")), "tensor_name"), train);
}

#[test]
fn a_resume_leaves_what_is_not_ours() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path();
    let writer = SummaryWriter::open(run).unwrap();
    writer.add_scalar("loss", 0.5, 9).unwrap();
    (1..4).for_each(|step| writer.add_embedding("a", &points(), step).unwrap());
    writer.close().unwrap();
    // A configuration by hand names files of ours; a file by hand lies among ours; a folder is not ours; a program was
    // stopped while it wrote.
    let file = |path: &str| {
        fs::create_dir_all(run.join(path).parent().unwrap()).unwrap();
        fs::write(run.join(path), "x").unwrap();
    };
    let by_hand =
        "embeddings {\r\n  tensor_name: \"b\"\r\n  tensor_path: \"projector/a/2/tensors.tsv\"\r\n}\r\n";
    fs::write(run.join("projector_config.pbtxt"), by_hand).unwrap();
    ["projector/a/3/notes", "projector/a/4/tensors.tsv", "projector/b/7"].iter().for_each(|path| file(path));
    file("projector/a/1/tensors.tsv.1.2.convscope-unfinished");
    SummaryWriter::resume(run, 1).unwrap().close().unwrap();
    assert_eq!(config(run), by_hand, "not even its line ends changed");
    let mut left = Vec::new();
    for step in fs::read_dir(run.join("projector/a")).unwrap().map(|entry| entry.unwrap().path()) {
        left.extend(fs::read_dir(step).unwrap().map(|entry| entry.unwrap().path()));
    }
    left.sort();
    let expected = ["2/embedding.pbtxt", "2/tensors.tsv", "3/notes", "4/tensors.tsv"];
    assert_eq!(left, expected.map(|path| run.join("projector/a").join(path)));
    assert!(run.join("projector/b/7").is_file());
}

#[test]
fn a_configuration_that_cannot_be_read_costs_the_embedding_alone() {
    let large = vec![b'#'; (16 << 20) + 1];
    for bad in [vec![0xff, 0xfe], large] {
        let dir = tempfile::tempdir().unwrap();
        let run = dir.path();
        fs::write(run.join("projector_config.pbtxt"), &bad).unwrap();
        let writer = SummaryWriter::open(run).unwrap();
        writer.add_scalar("loss", 0.5, 0).unwrap();
        writer.add_embedding("a", &points(), 1).unwrap();
        let error = writer.flush().unwrap_err().to_string();
        assert!(error.contains("projector_config.pbtxt") && error.contains("move it"), "{error}");
        // Told once: nothing is tried again.
        writer.add_scalar("loss", 0.5, 2).unwrap();
        writer.flush().unwrap();
        assert!(!run.join("projector").exists(), "nothing is left that no configuration names");
        let error = writer.close().unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Dropped { count: 1, .. }), "{error}");

        let writer = SummaryWriter::resume(run, 2).unwrap();
        writer.add_scalar("loss", 0.5, 2).unwrap();
        writer.close().unwrap();
        let mut files: Vec<_> = fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.to_string_lossy().contains("tfevents"));
        files.sort();
        let events = files.iter().flat_map(|file| EventFileReader::open(file).unwrap());
        let steps = events.map(Result::unwrap).filter(|event| matches!(event.what, Some(What::Summary(_))));
        assert_eq!(steps.map(|event| event.step).collect::<Vec<_>>(), [0, 2]);
        assert_eq!(fs::read(run.join("projector_config.pbtxt")).unwrap(), bad);
    }
}

#[test]
fn two_writers_of_one_run_lose_no_embedding() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path();
    let other = "# by hand\r\nembeddings { tensor_name: \"weights\" tensor_path: \"weights.tsv\" }";
    fs::write(run.join("projector_config.pbtxt"), other).unwrap();
    const EACH: i64 = 40;
    let begin = Barrier::new(2);
    let write = |tag: &str| {
        let writer = SummaryWriter::open(run).unwrap();
        begin.wait();
        for step in 0..EACH {
            writer.add_embedding(tag, &points(), step).unwrap();
            writer.flush().unwrap();
        }
        writer.close().unwrap();
    };
    thread::scope(|scope| {
        scope.spawn(|| write("a"));
        scope.spawn(|| write("b"));
    });
    let config = config(run);
    assert!(config.starts_with(&format!("{other}\n")));
    let mut names = fields(&config, "tensor_name");
    names.sort();
    let mut expected: Vec<String> =
        (0..EACH).flat_map(|step| ["a", "b"].map(|tag| format!("\"{tag} (step {step})\""))).collect();
    expected.sort();
    assert_eq!(names, expected);
}

#[test]
fn sub_runs_have_their_own() {
    let dir = tempfile::tempdir().unwrap();
    let writer = SummaryWriter::open(dir.path()).unwrap();
    writer.sub_run("train").unwrap().add_embedding("a", &points(), 1).unwrap();
    writer.close().unwrap();
    assert_eq!(fields(&config(&dir.path().join("train")), "tensor_name"), ["\"a (step 1)\""]);
    assert!(!dir.path().join("projector_config.pbtxt").exists());
    let files = fs::read_dir(dir.path().join("train")).unwrap();
    let names: Vec<String> =
        files.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    assert!(
        names.iter().any(|name| name.contains("tfevents")),
        "TensorBoard lists no run without: {names:?}"
    );
}

#[test]
fn points_that_are_not_finite_are_left_out_with_their_labels_and_pictures() {
    let rows = [[0.0; 3], [1.0, f32::NAN, 0.0], [2.0; 3], [f32::INFINITY; 3], [0.0; 3]];
    let pictures = (0..5).map(|gray| Image::gray(1, 1, vec![gray]).unwrap()).collect();
    let embedding = Embedding::from_rows(&rows)
        .unwrap()
        .labels(["a", "b", "c", "d", "e"])
        .unwrap()
        .sprites(pictures)
        .unwrap();
    assert_eq!((embedding.points(), embedding.non_finite()), (5, 2));
    let dir = tempfile::tempdir().unwrap();
    let folder = write(dir.path(), "a", &embedding);
    assert_eq!(text(folder.join("tensors.tsv")), "0.0\t0.0\t0.0\n2.0\t2.0\t2.0\n0.0\t0.0\t0.0\n");
    assert_eq!(text(folder.join("metadata.tsv")), "a\nc\ne\n");
    assert_eq!(
        Image::from_png(fs::read(folder.join("sprites.png")).unwrap()).unwrap().pixels(),
        [0, 2, 4, 0]
    );
    assert_eq!(fields(&config(dir.path()), "tensor_shape"), ["3", "3"]);
}

#[test]
fn one_column_has_no_header_and_no_line_is_blank() {
    let embedding = Embedding::new(vec![0.5; 4], 1).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let labels = embedding.clone().labels(["a\tb", "", " \u{a0}", "c\r\nd"]).unwrap();
    let folder = write(&dir.path().join("one"), "a", &labels);
    assert_eq!(text(folder.join("metadata.tsv")), "a b\n-\n- \u{a0}\nc  d\n");
    assert_eq!(text(folder.join("tensors.tsv")), "0.5\t0.0\t0.0\n".repeat(4), "three dimensions at least");

    let rows = [["", ""], ["", "x"], ["y", ""], ["1", "2"]].map(|row| row.map(str::to_owned).to_vec());
    let two = embedding.metadata(&["left\tone", "right"], rows.to_vec()).unwrap();
    let folder = write(&dir.path().join("two"), "a", &two);
    assert_eq!(text(folder.join("metadata.tsv")), "left one\tright\n-\t\n\tx\ny\t\n1\t2\n");
}

#[test]
fn files_stay_below_the_configuration_whatever_the_tag() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path();
    let long = "x".repeat(400);
    let longer = format!("{long}y");
    let tags =
        ["..", ".", "/etc", "a/b", "a%2Fb", "a\\b", "tfevents", "a\"b", "a&b#c+d%", "ü\n", &long, &longer];
    let writer = SummaryWriter::open(run).unwrap();
    tags.iter().for_each(|tag| writer.add_embedding(tag, &points(), -3).unwrap());
    writer.close().unwrap();
    let config = config(run);
    let mut paths = fields(&config, "tensor_path");
    for path in &paths {
        let path = path.strip_prefix('"').and_then(|path| path.strip_suffix('"')).unwrap();
        let parts: Vec<&str> = path.split('/').collect();
        assert!(matches!(parts[..], ["projector", _, "-3", "tensors.tsv"]), "{path}");
        assert!(parts[1].len() < 128 && !path.contains("tfevents") && !parts[1].starts_with('.'), "{path}");
        assert!(run.join(path).is_file(), "{path}");
    }
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), tags.len(), "each tag has its own folder");
    let names = fields(&config, "tensor_name");
    assert_eq!(names[7], r#""a\"b (step -3)""#);
    assert_eq!(names[8], "\"a＆b＃c＋d％ (step -3)\"", "the page puts it into an address as it is");
    assert_eq!(names[9], "\"ü  (step -3)\"");
}

#[test]
fn what_cannot_be_written_is_kept_and_tried_again_and_keeps_nothing_else_waiting() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let writer = SummaryWriter::open(&run).unwrap();
    fs::write(run.join("projector"), "in the way").unwrap();
    writer.add_embedding("a", &points(), 1).unwrap();
    writer.add_scalar("loss", 0.5, 1).unwrap();
    let error = writer.flush().unwrap_err();
    assert!(error.is_io() && error.to_string().contains("projector"), "{error}");
    assert!(!run.join("projector_config.pbtxt").exists());
    let event_file = fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().path());
    let mut event_file = event_file.filter(|path| path.to_string_lossy().contains("tfevents"));
    let event_file = event_file.next().unwrap();
    let steps: Vec<i64> =
        EventFileReader::open(&event_file).unwrap().map(|event| event.unwrap().step).collect();
    assert_eq!(steps, [0, 0, 1], "the scalar did not wait");

    fs::remove_file(run.join("projector")).unwrap();
    writer.flush().unwrap();
    assert_eq!(fields(&config(&run), "tensor_name"), ["\"a (step 1)\""]);
    writer.close().unwrap();
}

#[test]
fn the_event_writer_alone_writes_them_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let mut file = EventFileWriter::create(dir.path(), &EventFileOptions::default()).unwrap();
    let sample = |step: i64, summary| Sample {
        tag: convscope::Tag::new("a").unwrap(),
        step: Step::new(step),
        wall_time: convscope::WallTime::now(),
        summary,
    };
    file.append(&[sample(1, Summary::embedding(&points())), sample(2, Summary::text("b"))]).unwrap();
    assert_eq!(fields(&config(dir.path()), "tensor_name"), ["\"a (step 1)\""]);
    let steps: Vec<i64> =
        EventFileReader::open(file.path()).unwrap().map(|event| event.unwrap().step).collect();
    assert_eq!(steps, [0, 0, 2], "an embedding is no event");
}

#[test]
fn sheets_are_square_and_fit_the_page() {
    // 900 pictures of 300 x 30: 30 in a row, each at most 8192 / 30 = 273 wide.
    let picture = |gray: u32| Image::gray(300, 30, vec![(gray % 251) as u8; 9000]).unwrap();
    let embedding =
        Embedding::new(vec![1.0; 2700], 3).unwrap().sprites((0..900).map(picture).collect()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let folder = write(dir.path(), "a", &embedding);
    assert_eq!(fields(&config(dir.path()), "single_image_dim"), ["273", "27"]);
    let sheet = Image::from_png(fs::read(folder.join("sprites.png")).unwrap()).unwrap();
    assert_eq!((sheet.width(), sheet.height()), (30 * 273, 30 * 27));
    for index in 0..900 {
        let (row, column) = (index / 30, index % 30);
        let at = (row * 27 + 13) * 30 * 273 + column * 273 + 100;
        assert_eq!(usize::from(sheet.pixels()[at]), index % 251, "sprite {index}");
    }
}

#[test]
fn what_is_no_embedding_is_refused() {
    let error = |result: convscope::Result<Embedding>| result.unwrap_err().to_string();
    let gray = |width, height| Image::gray(width, height, vec![0; (width * height) as usize]).unwrap();
    let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
    let cases = [
        (error(Embedding::new(vec![], 3)), "0 numbers for points of 3 dimensions"),
        (error(Embedding::new(vec![1.0], 0)), "1 numbers for points of 0 dimensions"),
        (error(Embedding::new(vec![1.0; 5], 2)), "5 numbers for points of 2 dimensions"),
        (error(Embedding::new(vec![1.0; 3], 3)), "1 points, 0 of them with a number that is not finite"),
        (
            error(Embedding::new(vec![f32::NAN, 1.0], 1)),
            "2 points, 1 of them with a number that is not finite",
        ),
        (error(Embedding::from_rows(&[vec![1.0], vec![]])), "point 1 has 0 numbers, point 0 has 1"),
        (error(points().labels(["a"; 3])), "3 labels for 2 points"),
        (error(points().metadata(&[], vec![])), "metadata has no column"),
        (error(points().metadata(&["a", " "], vec![])), "the column name ` ` is blank"),
        (error(points().metadata(&["a", "a"], vec![])), "the column name `a` is blank or given twice"),
        (error(points().metadata(&["a"], vec![row(&["1"])])), "1 rows of metadata for 2 points"),
        (
            error(points().metadata(&["a"], vec![row(&["1"]), row(&["1", "2"])])),
            "row 1 of the metadata has 2 cells for 1 columns",
        ),
        (error(points().sprites(vec![gray(1, 1)])), "1 sprites for 2 points"),
        (
            error(points().sprites(vec![gray(1, 1), gray(1, 2)])),
            "sprite 1 has 1 x 2 pixels, sprite 0 has others",
        ),
    ];
    for (error, expected) in cases {
        assert!(error.starts_with("embedding: ") && error.contains(expected), "{error}");
    }
}

#[test]
fn sinks_keep_the_points() {
    let mut sink = MemorySink::default();
    sink.add_embedding("a", &points(), Step::new(3)).unwrap();
    let summary = &sink.entries[0].summary;
    assert_eq!((summary.kind(), summary.as_embedding()), (Kind::Embedding, Some(&points())));
    assert_eq!(points().values()[2], -2.5);
}
