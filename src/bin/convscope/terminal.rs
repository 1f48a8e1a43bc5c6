//! What the user sees and does at the terminal. A closed stream is no reason to stop a training.

use std::{
    io::{self, IsTerminal as _, Write as _},
    path::Path,
    process,
};

use anyhow::Context as _;
use convscope::{Interrupter, callback::Console};

/// Exit code of a program that Ctrl-C ended: 128 + the number of SIGINT.
pub const INTERRUPTED: u8 = 130;

const STOPPING: &str =
    "stopping after this step; Ctrl-C again stops at once and may lose what is not yet written\n";

/// Prints to the standard output.
pub fn say(text: &str) {
    writeln!(io::stdout(), "{text}").ok();
}

/// Prints to the standard error stream.
pub fn complain(text: &str) {
    writeln!(io::stderr(), "{text}").ok();
}

/// Shows the library's warnings on `console`.
pub fn show_warnings(console: Console) {
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_writer(move || console.clone())
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .without_time()
        .init();
}

/// A switch that the first Ctrl-C turns on. The second ends the program at once.
pub fn interrupter(mut console: Console) -> anyhow::Result<Interrupter> {
    let interrupter = Interrupter::new();
    let switch = interrupter.clone();
    ctrlc::set_handler(move || {
        if switch.is_interrupted() {
            process::exit(INTERRUPTED.into());
        }
        switch.interrupt();
        console.write_all(STOPPING.as_bytes()).ok();
    })
    .context("cannot take over Ctrl-C")?;
    Ok(interrupter)
}

/// A path as an argument in a command line that can be pasted into a shell.
pub fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,+@%".contains(c);
    if !text.is_empty() && text.chars().all(|c| plain(c) || (cfg!(windows) && c == '\\')) {
        text
    } else if cfg!(windows) {
        format!("\"{text}\"")
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(unix)]
    fn shells_read_quoted_paths_back() {
        for path in ["logs", "my logs", "it's", "$HOME/`x`", "a\"b\\c", "", "日本", "-rf *"] {
            let command = format!("printf %s {}", quoted(Path::new(path)));
            let output = process::Command::new("sh").arg("-c").arg(command).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), path);
        }
    }
}
