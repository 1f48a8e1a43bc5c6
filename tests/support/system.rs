//! What the tests with processes share: this program run a second time, chance with a printed seed, and event files.

#![allow(dead_code)] // each test program uses a part
#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

use std::{
    env,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use convscope::{
    ErrorKind,
    event::EventFileReader,
    proto::{Event, event::What, summary::value::Value},
    record::RecordErrorKind,
};

/// Tells the second process that it is the second, and what it needs to know.
const SECOND: &str = "CONVSCOPE_TEST_SECOND";

/// What the first process gave to `again`; `None` in the first.
pub fn second() -> Option<String> {
    env::var(SECOND).ok()
}

/// This program once more, for the test `name` alone. `before` is a command line that starts it; its output is piped.
pub fn again(before: &[&str], name: &str, told: impl AsRef<OsStr>) -> Command {
    let program = env::current_exe().unwrap();
    let mut command = match before {
        [] => Command::new(program),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    };
    command.args(["--exact", name, "--nocapture"]).env(SECOND, told).stdout(Stdio::piped());
    command
}

/// Runs the command to its end and returns what it printed. It must have passed its one test.
pub fn output(mut command: Command) -> String {
    let output = command.stderr(Stdio::piped()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{}:\n{text}\n{errors}", output.status);
    text
}

/// What follows `word ` in the last whole line that has it.
pub fn last_number(text: &str, word: &str) -> Option<i64> {
    let whole = &text[..=text.rfind('\n')?];
    let after = whole.lines().filter_map(|line| line.split_once(&format!("{word} "))).next_back()?.1;
    Some(after.trim().parse().unwrap())
}

/// Random numbers (SplitMix64). The seed is printed, and can be given in `CONVSCOPE_TEST_SEED`.
pub struct Chance(u64);

impl Chance {
    pub fn new() -> Chance {
        let seed = match env::var("CONVSCOPE_TEST_SEED") {
            Ok(seed) => seed.parse().unwrap(),
            Err(_) => SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64,
        };
        println!("CONVSCOPE_TEST_SEED={seed}");
        Chance(seed)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

/// The event files of a folder, in the order of their names; none where there is no folder.
pub fn event_files(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.is_file() && path.to_string_lossy().contains("tfevents"));
    files.sort();
    files
}

/// The events of a folder's files, file by file. Panics at any damage.
pub fn events(dir: &Path) -> Vec<Event> {
    let events = event_files(dir).into_iter().flat_map(|file| EventFileReader::open(file).unwrap());
    events.map(|event| event.unwrap()).collect()
}

/// Steps of the session starts in a folder's files.
pub fn starts(dir: &Path) -> Vec<i64> {
    let is_start = |event: &Event| matches!(event.what, Some(What::SessionLog(_)));
    events(dir).into_iter().filter(is_start).map(|event| event.step).collect()
}

/// One value: tag, step, the number if it is one, and the length of its tensor if it has one.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub tag: String,
    pub step: i64,
    pub number: Option<f32>,
    pub length: usize,
}

/// All values of a folder, file by file, and how many files end in a torn record. Panics at any other damage.
pub fn read(dir: &Path) -> (Vec<Found>, usize) {
    let (mut found, mut torn) = (Vec::new(), 0);
    for event in event_files(dir).iter().flat_map(|file| EventFileReader::open(file).unwrap()) {
        match event {
            Ok(event) => {
                let Some(What::Summary(summary)) = event.what else { continue };
                found.extend(summary.value.into_iter().map(|value| {
                    let (number, length) = match value.value {
                        Some(Value::SimpleValue(number)) => (Some(number), 0),
                        Some(Value::Tensor(tensor)) => {
                            (None, tensor.string_val.iter().map(Vec::len).sum::<usize>())
                        }
                        other => panic!("{other:?}"),
                    };
                    Found { tag: value.tag, step: event.step, number, length }
                }));
            }
            Err(error) => {
                let is_torn = matches!(error.kind(), ErrorKind::Record(record)
                    if matches!(record.kind, RecordErrorKind::Truncated { .. }));
                assert!(is_torn, "{error}");
                torn += 1;
            }
        }
    }
    (found, torn)
}

/// Steps of a tag, in the order of the files.
pub fn steps(found: &[Found], tag: &str) -> Vec<i64> {
    found.iter().filter(|value| value.tag == tag).map(|value| value.step).collect()
}
