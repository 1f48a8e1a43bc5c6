//! What the user sees and does at the terminal. A closed stream is no reason to stop a training.

use std::{
    borrow::Cow,
    env,
    io::{self, IsTerminal as _, Write as _},
};

use tracing_subscriber::fmt::MakeWriter;

/// Exit code of a program that Ctrl-C ended: 128 + the number of SIGINT.
pub const INTERRUPTED: u8 = 130;

/// Prints to the standard output.
#[cfg(feature = "tch")]
pub fn say(text: &str) {
    writeln!(io::stdout(), "{text}").ok();
}

/// How many characters a line of words has: at most 100, and as many as the terminal shows.
#[cfg(feature = "tch")]
pub fn width() -> usize {
    const MOST: usize = 100;
    console::Term::stdout().size_checked().map_or(80, |(_, columns)| usize::from(columns).min(MOST))
}

/// Prints to the standard error stream.
pub fn complain(text: &str) {
    writeln!(io::stderr(), "{}", harmless(text)).ok();
}

/// Text in one line that the terminal takes no command from: names in files may be hostile. Characters that control the
/// terminal or the direction of text are shown by their number, as in `\u{1b}`.
pub fn harmless(text: &str) -> Cow<'_, str> {
    let harms = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    if !text.contains(harms) {
        return Cow::Borrowed(text);
    }
    let show = |c: char| if harms(c) { c.escape_unicode().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(show).collect())
}

/// An error with its causes, but for those that it tells itself.
pub fn with_causes(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// Whether the standard error stream is a terminal that may be coloured: <https://no-color.org>.
pub fn is_colourful() -> bool {
    io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Shows the library's warnings where `writer` writes.
pub fn show_warnings(writer: impl for<'w> MakeWriter<'w> + Send + Sync + 'static) {
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::WARN)
        .with_writer(writer)
        .with_ansi(is_colourful())
        .with_target(false)
        .without_time()
        .init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_do_not_command_the_terminal() {
        assert_eq!(harmless("norm/a b \u{e9}"), "norm/a b \u{e9}");
        assert_eq!(harmless("a\x1b[2J\nb\u{9b}\u{202e}"), "a\\u{1b}[2J\\u{a}b\\u{9b}\\u{202e}");
    }
}
