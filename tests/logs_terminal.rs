//! `convscope logs` on a terminal, which `script` of util-linux stands for, and with Ctrl-C.
#![cfg(all(feature = "cli", target_os = "linux"))]
#![allow(clippy::unwrap_used, clippy::panic)]

#[allow(dead_code)]
#[path = "support/events.rs"]
mod events;

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use events::EventFile;

const PROGRAM: &str = env!("CARGO_BIN_EXE_convscope");

/// What a terminal of 60 columns gets from `convscope logs <args>`, whose standard output goes to `stdout`.
fn on_terminal(folder: &Path, args: &str, stdout: &str, no_color: &str) -> String {
    let command = format!("stty rows 24 cols 60 && '{PROGRAM}' logs {args} {stdout}");
    let output = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .current_dir(folder)
        .env("NO_COLOR", no_color)
        .env("TERM", "xterm")
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| panic!("cannot run `script`, which is in the package bsdutils: {error}"));
    String::from_utf8(output.stdout).unwrap()
}

fn write(folder: &Path, run: &str, file: &EventFile) {
    events::write(&folder.join("logs"), run, &[file.bytes()]);
}

#[test]
fn a_terminal_gets_colours_unless_it_asks_for_none() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = EventFile::new();
    file.scalar("loss", 1, 0.5);
    events::write(&folder.path().join("logs"), "run", &[file.bytes()[..file.bytes().len() - 1].to_vec()]);
    let text = on_terminal(folder.path(), "verify logs", "", "");
    assert!(text.contains("\x1b[33mwarning\x1b[0m  torn-tail"), "{text:?}");
    let text = on_terminal(folder.path(), "verify logs", "", "1");
    assert!(!text.contains('\x1b') && text.contains("  warning  torn-tail"), "{text:?}");
    let text = on_terminal(folder.path(), "verify logs", "> found", "");
    assert!(!text.contains("\x1b[33m"), "{text:?}");
    assert!(fs::read_to_string(folder.path().join("found")).unwrap().contains("  warning  torn-tail"));
}

#[test]
fn names_are_shortened_on_a_terminal_alone() {
    let folder = tempfile::tempdir().unwrap();
    let tag = format!("norm/{}/weight", "a_very_long_name_of_a_layer/".repeat(4));
    let run = format!("first/{}/last", "a_long_name".repeat(10));
    let mut file = EventFile::new();
    file.scalar(&tag, 1, 0.5);
    file.scalar("loss", 100_000, 0.5);
    write(folder.path(), &run, &file);
    let text = on_terminal(folder.path(), "inspect logs", "", "");
    assert!(text.lines().all(|line| line.trim_end().chars().count() <= 60), "{text}");
    assert!(
        text.contains("  norm/a_ver") && text.contains("…") && text.contains("/weight  scalar"),
        "{text}"
    );
    assert!(text.contains("first/") && text.contains("/last  (1 file, "), "{text}");
    let text = on_terminal(folder.path(), "inspect logs", "> page; cat page", "");
    assert!(text.contains(&tag) && text.contains(&run), "{text}");
    assert!(on_terminal(folder.path(), "inspect logs --json", "", "").contains(&tag));
}

#[test]
fn long_work_shows_a_bar_on_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = EventFile::new();
    for step in 0..40 {
        file.image("image", step, &[7; 1 << 20]);
    }
    write(folder.path(), "run", &file);
    for command in ["inspect", "verify"] {
        let text = on_terminal(folder.path(), &format!("{command} logs"), "> page", "");
        assert!(text.contains("reading") && text.contains("MiB"), "{text:?}");
        assert_eq!(on_terminal(folder.path(), &format!("{command} logs"), "> page 2> bar", ""), "");
        assert_eq!(fs::read_to_string(folder.path().join("bar")).unwrap(), "");
    }
}

#[test]
fn ctrl_c_removes_the_file_that_is_half_written() {
    let folder = tempfile::tempdir().unwrap();
    let mut file = EventFile::new();
    for step in 0..200_000 {
        file.histogram("weights", step, 1.0);
    }
    write(folder.path(), "run", &file);
    let output = folder.path().join("new.json");
    let mut child = Command::new(PROGRAM)
        .args(["logs", "export", "histograms", "logs", "--output", "new.json"])
        .current_dir(folder.path())
        .spawn()
        .unwrap();
    while !output.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended too early");
        thread::sleep(Duration::from_millis(1));
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!output.exists());
}
