//! `convscope logs` as its user meets it, run as a process.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code)]
#[path = "support/events.rs"]
mod events;
#[path = "support/program.rs"]
mod program;

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use convscope::{Image, Summary, SummaryWriter, WallTime};
use events::EventFile;
use program::Program;
use serde_json::Value as Json;

/// The command beside a log folder with a run of every kind that the tools have to do with.
fn logs() -> Program {
    let logs = Program::new("logs");
    let writer = SummaryWriter::open(logs.path("logs/run")).unwrap();
    let picture = |level| Image::gray(2, 1, vec![0, level]).unwrap();
    for step in 0..3 {
        writer.add_histogram("weights/fc1", &[0.0, 1.0, step as f64], step).unwrap();
        writer.add_images("a|b/pictures", vec![picture(1), picture(2)], step).unwrap();
    }
    let train = writer.sub_run("train").unwrap();
    for (step, loss) in [(1, 0.5), (2, f64::NAN), (3, f64::INFINITY)] {
        let at = WallTime::new(1.5e9 + step as f64 / 4.0).unwrap();
        train.at(at).add_scalar("loss", loss, step).unwrap();
    }
    train.add("accuracy, \"top 1\"", Summary::scalar(0.25).with_display_name("Top"), 3).unwrap();
    writer.close().unwrap();
    logs
}

fn event_file(folder: &Path) -> PathBuf {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    files.remove(0)
}

#[test]
fn inspect_shows_runs_tags_kinds_steps_and_sizes() {
    let logs = logs();
    let text = logs.good("inspect logs");
    let line = |start: &str| text.lines().find(|line| line.trim().starts_with(start)).unwrap().to_owned();
    assert!(line("run  (1 file, ").contains(", since "), "{text}");
    let words = |line: String| line.split_whitespace().map(str::to_owned).collect::<Vec<String>>();
    assert_eq!(words(line("tag")), ["tag", "kind", "values", "steps", "size"]);
    assert_eq!(words(line("weights/fc1"))[1..4], ["histogram", "3", "0..2"]);
    assert_eq!(words(line("loss"))[1..4], ["scalar", "3", "1..3"]);
    assert!(text.lines().last().unwrap().starts_with("2 runs, 4 tags, 10 values, "), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");

    let json = logs.json("inspect logs --json --run *train");
    let [run] = &json["runs"].as_array().unwrap()[..] else { panic!("{json}") };
    assert_eq!(run["run"], "run/train");
    assert!(run["start_time"].as_f64().unwrap() > 1.5e9);
    let bytes = fs::metadata(event_file(&logs.path("logs/run/train"))).unwrap().len();
    assert_eq!((run["bytes"].as_u64(), run["files"][0]["bytes"].as_u64()), (Some(bytes), Some(bytes)));
    let [accuracy, loss] = &run["tags"].as_array().unwrap()[..] else { panic!("{json}") };
    assert_eq!(accuracy["display_name"], "Top");
    assert_eq!((loss["first_step"].as_i64(), loss["last_step"].as_i64()), (Some(1), Some(3)));
    assert!(loss["bytes"].as_u64().unwrap() > 3 * 16 && loss["bytes"].as_u64().unwrap() < bytes);
}

#[test]
fn an_event_file_is_as_good_as_a_folder() {
    let logs = logs();
    let file = event_file(&logs.path("logs/run/train"));
    let file = file.to_str().unwrap();
    assert_eq!(logs.json(&format!("inspect --json {file}"))["runs"][0]["tags"].as_array().unwrap().len(), 2);
    assert_eq!(logs.good(&format!("export scalars --tag loss {file}")).lines().count(), 4);
    assert_eq!(logs.json(&format!("verify --json {file}"))["events"], 6);
}

#[test]
fn scalars_become_tables() {
    let logs = logs();
    let csv = logs.good("export scalars logs");
    assert_eq!(csv.lines().next(), Some("run,tag,step,wall_time,value"));
    assert!(csv.lines().any(|line| line.starts_with("run/train,\"accuracy, \"\"top 1\"\"\",3,")), "{csv}");
    let loss: Vec<&str> = csv.lines().filter(|line| line.starts_with("run/train,loss,")).collect();
    assert_eq!(
        loss,
        [
            "run/train,loss,1,1500000000.25,0.5",
            "run/train,loss,2,1500000000.5,NaN",
            "run/train,loss,3,1500000000.75,inf"
        ]
    );

    let lines = logs.good("export scalars logs --format jsonl --tag l*s");
    let values: Vec<Json> =
        lines.lines().map(|line| serde_json::from_str::<Json>(line).unwrap()["value"].clone()).collect();
    assert_eq!(values, [Json::from(0.5), "NaN".into(), "Infinity".into()]);

    assert_eq!(logs.good("export scalars logs --output new/out.csv"), "");
    assert_eq!(fs::read_to_string(logs.path("new/out.csv")).unwrap(), csv);
    let (code, complaint) = logs.bad("export scalars logs --output new/out.csv");
    assert_eq!(code, Some(1));
    assert!(complaint.contains("new/out.csv: it is there already"), "{complaint}");
    assert_eq!(fs::read_to_string(logs.path("new/out.csv")).unwrap(), csv);
}

#[test]
fn pictures_become_the_files_that_were_logged() {
    let logs = logs();
    assert_eq!(logs.good("export images logs --output pictures"), "6 pictures in pictures\n");
    let file = logs.path("pictures/run/a_b/pictures/0000000001_1.png");
    assert_eq!(Image::from_png(fs::read(file).unwrap()).unwrap().pixels(), [0, 2]);
    let (code, complaint) = logs.bad("export images logs --output pictures");
    assert_eq!(code, Some(1));
    assert!(complaint.contains("nothing is overwritten"), "{complaint}");

    let lines = logs.good("export images logs --output again --json");
    let files: Vec<Json> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(files.len(), 6);
    assert!(files.iter().all(|file| logs.path(file["file"].as_str().unwrap()).is_file()));
    assert_eq!((files[5]["tag"].as_str(), files[5]["step"].as_i64()), (Some("a|b/pictures"), Some(2)));
}

#[test]
fn histograms_become_json() {
    let logs = logs();
    let all = logs.json("export histograms logs");
    let all = all.as_array().unwrap();
    assert_eq!(all.len(), 3);
    assert_eq!(
        (all[2]["run"].as_str(), all[2]["tag"].as_str(), all[2]["step"].as_i64()),
        (Some("run"), Some("weights/fc1"), Some(2))
    );
    let counts = all[2]["buckets"].as_array().unwrap().iter().map(|bucket| bucket[2].as_f64().unwrap());
    assert_eq!(counts.sum::<f64>(), 3.0);
    assert_eq!(logs.json("export histograms logs --tag none"), Json::Array(Vec::new()));
}

#[test]
fn sounds_become_the_files_that_were_logged() {
    let logs = logs();
    assert_eq!(logs.good("export audio logs --output sounds"), "0 sounds in sounds\n");
}

#[test]
fn damage_is_found_repaired_and_gone() {
    let logs = logs();
    let file = event_file(&logs.path("logs/run"));
    let mut bytes = fs::read(&file).unwrap();
    let pictures = bytes.windows(4).enumerate().filter(|(_, bytes)| bytes == b"IDAT");
    let second_step = pictures.map(|(at, _)| at).nth(2).unwrap();
    bytes[second_step] ^= 1;
    bytes.pop();
    fs::write(&file, &bytes).unwrap();

    let output = logs.run("verify logs");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains(file.strip_prefix(logs.folder()).unwrap().to_str().unwrap()), "{text}");
    assert!(
        text.contains("  error    data-checksum (byte ") && text.contains("  warning  torn-tail (byte "),
        "{text}"
    );
    assert!(text.contains("-> `convscope logs repair`"), "{text}");
    assert!(text.lines().skip(1).all(|line| line.chars().count() <= 80), "{text}");

    let repaired = logs.json("repair logs mended --json");
    let saved = &repaired["files"].as_array().unwrap()[0];
    assert_eq!(saved["damage"].as_array().unwrap().len(), 2);
    assert_eq!(
        saved["lost_bytes"].as_u64().unwrap(),
        bytes.len() as u64 - fs::metadata(logs.path(saved["target"].as_str().unwrap())).unwrap().len()
    );
    assert_eq!(logs.json("verify mended --json")["findings"], Json::Array(Vec::new()));
    assert_eq!(fs::read(&file).unwrap(), bytes, "the source is not touched");
    let (code, complaint) = logs.bad("repair logs mended");
    assert_eq!((code, complaint.contains("nothing is overwritten")), (Some(1), true), "{complaint}");
    let text = logs.good("repair logs again");
    assert!(text.contains(" left out: its data has checksum "), "{text}");
    assert!(text.contains("2 files, ") && text.contains(" left out in 2 places"), "{text}");
}

#[test]
fn runs_are_merged() {
    let logs = logs();
    let json = logs.json("merge logs/run --into new --json");
    let runs: Vec<&str> =
        json["runs"].as_array().unwrap().iter().map(|run| run["run"].as_str().unwrap()).collect();
    assert_eq!(runs, [".", "train"]);
    assert_eq!(
        logs.json("inspect new --json")["runs"][1]["tags"],
        logs.json("inspect logs/run --json")["runs"][1]["tags"]
    );
    let text = logs.good("merge logs/run logs/run --into twice --overlap all");
    assert!(text.contains("6 values from 2 files, 6 replaced by later ones"), "{text}");
    assert_eq!(logs.json("verify twice --json --strict")["findings"], Json::Array(Vec::new()));
}

#[test]
fn exit_codes_tell_failure_from_wrong_usage() {
    let logs = logs();
    fs::create_dir(logs.path("empty")).unwrap();
    for args in
        ["verify", "inspect", "export scalars", "export histograms", "repair --json x", "tail --no-follow"]
    {
        let (code, complaint) = logs.bad(&format!("{args} nowhere"));
        assert_eq!(code, Some(1), "{args}");
        let path = if args.starts_with("repair") { "x" } else { "nowhere" };
        assert!(complaint.starts_with("error: cannot ") && complaint.contains(path), "{complaint}");
        assert_eq!(complaint.matches("No such file").count(), 1, "{complaint}");
    }
    for args in
        ["verify empty", "inspect empty", "export scalars empty", "repair empty x", "merge empty --into x"]
    {
        let (code, complaint) = logs.bad(args);
        assert_eq!(code, Some(1), "{args}");
        assert!(complaint.starts_with("error: empty: no event file there or below"), "{complaint}");
    }
    for args in [
        "",
        "verify",
        "verify --strict",
        "repair logs",
        "merge logs",
        "export logs",
        "tail --interval 0 logs",
        "tail -n x logs",
    ] {
        let (code, complaint) = logs.bad(args);
        assert_eq!(code, Some(2), "{args}");
        assert!(complaint.contains("Usage:") || complaint.contains("--help"), "{complaint}");
    }
    let help = logs.good("--help");
    for command in ["inspect", "verify", "repair", "export", "tail", "merge"] {
        assert!(help.contains(command));
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let logs = logs();
    // Much more than fits into a pipe.
    let writer = SummaryWriter::open(logs.path("long/run")).unwrap();
    for step in 0..20_000 {
        writer.add_scalar("a/rather/long/tag/that/fills/pipes", 0.5, step).unwrap();
        if step % 10 == 0 {
            writer.add_scalar(&format!("tag/{step}"), 0.5, step).unwrap();
        }
    }
    writer.close().unwrap();
    for args in
        ["export scalars long", "inspect long", "inspect long --json", "tail --no-follow -n 20000 long"]
    {
        let mut child = logs.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = [0; 10];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap(); // and drop the rest
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{args}");
        assert_eq!(output.status.code(), Some(0), "{args}");
    }
}

/// A program at work, ended with the test at the latest.
struct Tail {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Tail {
    fn start(logs: &Program, args: &str) -> Tail {
        let mut child = logs.command(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Tail { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn json(&mut self) -> (String, String, i64, f64) {
        let json: Json = serde_json::from_str(&self.line()).unwrap();
        let text = |key: &str| json[key].as_str().unwrap().to_owned();
        (text("run"), text("tag"), json["step"].as_i64().unwrap(), json["value"].as_f64().unwrap())
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[test]
fn tail_follows_growing_and_new_files_until_ctrl_c() {
    let logs = Program::new("logs");
    let writer = SummaryWriter::open(logs.path("logs/a")).unwrap();
    writer.add_scalar("loss", 4.0, 1).unwrap();
    writer.add_scalar("loss", 3.0, 2).unwrap();
    writer.flush().unwrap();
    let mut tail = Tail::start(&logs, "tail logs --json --interval 0.02");
    let of = |run: &str, step, value| (run.to_owned(), "loss".to_owned(), step, value);
    assert_eq!(tail.json(), of("a", 2, 3.0));
    writer.add_scalar("loss", 2.0, 3).unwrap();
    writer.add_text("notes", "no number", 3).unwrap();
    writer.flush().unwrap();
    assert_eq!(tail.json(), of("a", 3, 2.0));
    let other = SummaryWriter::open(logs.path("logs/b")).unwrap();
    other.add_scalar("loss", 9.0, 1).unwrap();
    other.flush().unwrap();
    assert_eq!(tail.json(), of("b", 1, 9.0));
    // A restart goes back.
    let again = SummaryWriter::open(logs.path("logs/a")).unwrap();
    again.add_scalar("loss", 1.0, 2).unwrap();
    again.flush().unwrap();
    assert_eq!(tail.json(), of("a", 2, 1.0));

    #[cfg(unix)]
    {
        Command::new("kill").args(["-INT", &tail.child.id().to_string()]).status().unwrap();
        assert_eq!(tail.child.wait().unwrap().code(), Some(130));
        let mut stderr = String::new();
        tail.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!(stderr, "");
    }
}

#[test]
fn tail_shows_the_last_values_in_the_order_of_their_time() {
    let logs = logs();
    let text = logs.good("tail logs --no-follow -n 2 --tag loss");
    let lines: Vec<&str> = text.lines().map(|line| line.split_once("  ").unwrap().1).collect();
    assert_eq!(lines, ["run/train  loss  step 2  NaN", "run/train  loss  step 3  inf"]);
    assert_eq!(logs.good("tail logs --no-follow -n 0"), "");
}

#[test]
fn tail_goes_on_after_a_value_that_is_no_number() {
    let logs = Program::new("logs");
    let (path, mut file) = (logs.path("run/events.out.tfevents.1"), EventFile::new());
    fs::create_dir(logs.path("run")).unwrap();
    let grow = |file: &EventFile| fs::write(&path, file.bytes()).unwrap(); // the same file, only longer
    file.scalar("loss", 1, 0.5);
    grow(&file);
    let mut tail = Tail::start(&logs, "tail run --json --interval 0.02");
    assert_eq!(tail.json().2, 1);
    for step in [2, 4] {
        file.image("loss", step, b"no number");
        file.scalar("loss", step + 1, 0.25);
        grow(&file);
        assert_eq!(tail.json().2, step + 1);
    }
    tail.child.kill().unwrap();
    let mut complaints = String::new();
    tail.child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
    assert_eq!(complaints.matches("no number and is left out").count(), 2, "once each: {complaints}");
}

#[test]
fn tail_shows_what_earlier_and_replaced_files_get() {
    let logs = Program::new("logs");
    fs::create_dir(logs.path("run")).unwrap();
    let (early, late) = (logs.path("run/events.out.tfevents.1"), logs.path("run/events.out.tfevents.2"));
    let (mut first, mut second) = (EventFile::new(), EventFile::new());
    for step in 1..4 {
        first.scalar("loss", step, 0.5);
        second.scalar("loss", 10 * step, 0.5);
    }
    fs::write(&early, first.bytes()).unwrap();
    fs::write(&late, second.bytes()).unwrap();
    let mut tail = Tail::start(&logs, "tail run --json --interval 0.02");
    assert_eq!(tail.json().2, 30);
    first.scalar("loss", 4, 0.5);
    fs::write(&early, first.bytes()).unwrap();
    assert_eq!(tail.json().2, 4);
    // As a program that copies files from elsewhere: another file of the same name, and longer.
    second.scalar("loss", 40, 0.5);
    fs::write(logs.path("copy"), second.bytes()).unwrap();
    fs::rename(logs.path("copy"), &late).unwrap();
    assert_eq!(tail.json().2, 40);
    // One that is shorter and has one new value.
    let mut cut = EventFile::new();
    (0..9).for_each(|_| cut.version());
    cut.scalar("loss", 2, 0.5);
    fs::write(logs.path("copy"), cut.bytes()).unwrap();
    fs::rename(logs.path("copy"), &early).unwrap();
    assert_eq!(tail.json().2, 2);
}

#[test]
fn every_export_of_text_takes_json() {
    let logs = logs();
    assert_eq!(logs.good("export scalars logs --json"), logs.good("export scalars logs --format jsonl"));
    assert_eq!(logs.good("export histograms logs --json"), logs.good("export histograms logs"));
    assert_eq!(logs.bad("export scalars logs --json --format csv").0, Some(2));
}

/// A tag and a run that would clear the screen and write lines of their own.
#[cfg(unix)]
#[test]
fn names_in_files_do_not_command_the_terminal() {
    const HOSTILE: &str = "a\x1b[2J\nfake: all well\u{9b}1m\u{202e}";
    let logs = Program::new("logs");
    let folder = logs.path("logs").join(HOSTILE);
    fs::create_dir_all(&folder).unwrap();
    let mut file = EventFile::new();
    file.scalar(HOSTILE, 1, 0.5);
    file.image(HOSTILE, 2, b"no number");
    file.scalar(HOSTILE, 3, f32::NAN);
    let mut bytes = file.bytes();
    bytes.pop();
    fs::write(folder.join("events.out.tfevents.1"), bytes).unwrap();
    for args in [
        "inspect logs",
        "verify logs",
        "repair logs mended",
        "tail logs --no-follow",
        "merge logs --into merged",
        "export audio logs --output sounds",
    ] {
        let output = logs.run(args);
        for text in [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()) {
            let raw = text.chars().find(|&c| (c.is_control() && c != '\n') || c == '\u{202e}');
            assert_eq!(raw, None, "{args}: {text:?}");
            assert!(text.lines().all(|line| !line.starts_with("fake")), "{args}: {text}");
        }
    }
    assert!(logs.run("tail logs --no-follow").stdout.ends_with(b"step 1  0.5\n"));
    let lines = String::from_utf8(logs.run("tail logs --no-follow --json").stdout).unwrap();
    let json: Json = serde_json::from_str(&lines).unwrap();
    assert_eq!((json["run"].as_str(), json["tag"].as_str()), (Some(HOSTILE), Some(HOSTILE)));
}
