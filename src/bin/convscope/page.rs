//! The standard output.

use std::{
    env,
    io::{self, BufWriter, IsTerminal as _, Stdout, Write},
};

use convscope::summary::Table;

use crate::terminal::harmless;

/// Width that text is broken at.
const WIDTH: usize = 80;

/// What is left of a name at least, however narrow the terminal is.
const MIN_NAME: usize = 9;

/// The standard output of a command. A reader who has seen enough (`| head`) closes it: then everything else is left
/// out, and that is no error.
pub struct Page {
    output: BufWriter<Stdout>,
    closed: bool,
    colourful: bool,
    width: Option<usize>,
}

/// Colours of the terminal's own palette.
#[derive(Debug, Clone, Copy)]
pub enum Colour {
    Red = 31,
    Yellow = 33,
    Blue = 34,
}

impl Page {
    pub fn new() -> Page {
        let no_color = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()); // no-color.org
        let is_terminal = io::stdout().is_terminal();
        let columns = || console::Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
        Page {
            output: BufWriter::new(io::stdout()),
            closed: false,
            colourful: is_terminal && !no_color,
            width: is_terminal.then(|| columns().unwrap_or(WIDTH)),
        }
    }

    /// A name that takes no more of a line than what is `beside` it leaves on the terminal; else `…` stands for its
    /// middle. Where the output is no terminal, nothing is taken away.
    pub fn fitting(&self, name: &str, beside: usize) -> String {
        let name = harmless(name);
        match self.width {
            Some(width) => shortened(&name, width.saturating_sub(beside).max(MIN_NAME)),
            None => name.into_owned(),
        }
    }

    /// Whether nobody reads any more.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Writes a line. What would command the terminal is shown as characters.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        self.write(format_args!("{}\n", harmless(text)))
    }

    /// Writes a line that begins with a label, in a colour where colours are wanted.
    pub fn labelled(&mut self, colour: Colour, label: &str, text: &str) -> io::Result<()> {
        let (label, text) = (harmless(label), harmless(text));
        if self.colourful {
            self.write(format_args!("  \x1b[{}m{label}\x1b[0m  {text}\n", colour as u8))
        } else {
            self.write(format_args!("  {label}  {text}\n"))
        }
    }

    /// Writes a table.
    pub fn table(&mut self, table: &Table) -> io::Result<()> {
        table.to_text().lines().try_for_each(|line| self.line(line))
    }

    /// Writes data as they are.
    pub fn text(&mut self, text: &str) -> io::Result<()> {
        self.write(format_args!("{text}"))
    }

    /// Writes words in lines of [`WIDTH`] characters, all but the first indented.
    pub fn paragraph(&mut self, first: &str, indent: usize, words: &str) -> io::Result<()> {
        let blank = " ".repeat(indent);
        let words = harmless(words);
        let mut line = first.to_owned();
        let mut is_empty = true;
        for word in words.split(' ') {
            if !is_empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.line(&line)?;
                line.clone_from(&blank);
                is_empty = true;
            }
            if !is_empty {
                line.push(' ');
            }
            line.push_str(word);
            is_empty = false;
        }
        self.line(&line)
    }

    /// Writes a value as JSON, in one line.
    pub fn json(&mut self, value: &serde_json::Value) -> io::Result<()> {
        self.write(format_args!("{value}\n"))
    }

    /// Sends what was written on its way.
    pub fn flush(&mut self) -> io::Result<()> {
        let flushed = self.output.flush();
        self.unless_closed(flushed)
    }

    fn write(&mut self, text: std::fmt::Arguments<'_>) -> io::Result<()> {
        if self.closed {
            return Ok(());
        }
        let written = self.output.write_fmt(text);
        self.unless_closed(written)
    }

    fn unless_closed(&mut self, result: io::Result<()>) -> io::Result<()> {
        match result {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            result => result,
        }
    }
}

/// The first and last characters of a text, so many that it has `most` with the `…` between them.
fn shortened(text: &str, most: usize) -> String {
    let chars: Vec<char> = text.chars().collect();
    let Some(over) = chars.len().checked_sub(most).filter(|over| *over > 0) else { return text.to_owned() };
    let head = most / 2;
    let (head, tail) = (&chars[..head], &chars[head + over + 1..]);
    head.iter().chain(&['…']).chain(tail).collect()
}

/// A number as JSON: those that JSON has no form for are strings, as TensorBoard sends them.
pub fn number(value: f64) -> serde_json::Value {
    if value.is_finite() {
        value.into()
    } else if value.is_nan() {
        "NaN".into()
    } else if value > 0.0 {
        "Infinity".into()
    } else {
        "-Infinity".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_their_middle() {
        assert_eq!(shortened("weights/fc1", 11), "weights/fc1");
        assert_eq!(shortened("weights/fc1", 10), "weigh…/fc1");
        assert_eq!(shortened("äöü", 2), "ä…");
        assert_eq!(shortened("abc", 1), "…");
    }
}
