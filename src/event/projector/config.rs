//! The text of `projector_config.pbtxt`: what is not ours stays as it is.

use std::{fmt::Write as _, io, path::Path};

use super::{CONFIG, blocks::Block};
use crate::{
    error::{Error, Result},
    event::Disk,
    summary::Step,
};

/// Largest configuration: ten thousands of embeddings.
const MAX_CONFIG: u64 = 16 << 20;
/// How often it is looked at again, where other writers replace it.
const ATTEMPTS: usize = 1000;

/// The configuration of a run; empty where there is none.
///
/// # Errors
/// What the operating system refuses. One that is no text or too large is another error: trying again is of no use.
pub(super) fn read(disk: &dyn Disk, run: &Path) -> Result<String> {
    let path = run.join(CONFIG);
    let what = match disk.read(&path, MAX_CONFIG) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => return Ok(text),
            Err(_) => "it is no text in UTF-8".to_owned(),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => too_large(),
        Err(error) => return Err(Error::io("read", path, error)),
    };
    Err(unusable(&path, &what))
}

fn too_large() -> String {
    format!("it has more than {MAX_CONFIG} bytes")
}

fn unusable(path: &Path, what: &str) -> Error {
    let why =
        format!("{what}, so that no embedding can be added to it. Mend it or move it out of the folder");
    Error::invalid(path.display().to_string(), why)
}

/// Puts an embedding behind those that are there, in place of one of the same name.
///
/// Another writer may do the same at the same time, and replace the configuration by one without this embedding. Each
/// embedding is also a file of its own, though, that is there before it is put into the configuration. So who replaced
/// the configuration looks once more, and puts in what is missing: the last one to do so sees them all.
pub(super) fn add(disk: &dyn Disk, run: &Path, own: &Block) -> Result<()> {
    let path = run.join(CONFIG);
    for attempt in 0..ATTEMPTS {
        let before = read(disk, run)?;
        let mut after = before.clone();
        if attempt == 0 && !before.contains(&own.text) {
            after = without(&before, &own.name);
            append(&mut after, &own.text);
        }
        for block in Block::missing(disk, run, &after)? {
            append(&mut after, &block);
        }
        if after == before {
            return Ok(());
        }
        if after.len() as u64 > MAX_CONFIG {
            return Err(unusable(&path, &too_large()));
        }
        super::replace(disk, &path, after.as_bytes())?;
    }
    Err(Error::io("write", path, io::ErrorKind::ResourceBusy.into()))
}

fn append(config: &mut String, block: &str) {
    if !config.is_empty() && !config.ends_with('\n') {
        config.push('\n');
    }
    config.push_str(block);
}

/// The text of a configuration without the embedding of this name.
fn without(config: &str, name: &str) -> String {
    let name = format!("  tensor_name: {}", quoted(name));
    retain(config, |line, _| line != name)
}

/// The text of a configuration without the embeddings of `step` and later ones, where this module wrote them.
pub(super) fn before(config: &str, step: Step) -> String {
    retain(config, |name, path| {
        let ours = path.starts_with(&format!("  tensor_path: \"{}/", super::ASSETS));
        let of = name.strip_suffix(")\"").and_then(|name| name.rsplit_once(" (step ")?.1.parse().ok());
        !(ours && of.is_some_and(|of| Step::new(of) >= step))
    })
}

/// The text of a configuration with those embeddings whose lines of name and path are to be kept. The layout is that of
/// this module and of Google's library: an embedding begins and ends with a line of its own. All else stays as it is.
fn retain(config: &str, keep: impl Fn(&str, &str) -> bool) -> String {
    let mut kept = String::with_capacity(config.len());
    let mut lines = config.split_inclusive('\n');
    while let Some(line) = lines.next() {
        let mut next = lines.clone().map(bare);
        if bare(line) == "embeddings {"
            && !keep(next.next().unwrap_or_default(), next.next().unwrap_or_default())
            && next.any(|line| line == "}")
        {
            let _ = lines.find(|line| bare(line) == "}");
        } else {
            kept.push_str(line);
        }
    }
    kept
}

/// A line without its end.
fn bare(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

/// A string as the text format of protocol buffers has it.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => {
                let mut utf8 = [0; 4];
                for byte in c.encode_utf8(&mut utf8).bytes() {
                    let _ = write!(out, "\\{byte:03o}");
                }
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_embedding_leaves_the_others_and_all_that_is_not_ours() {
        let ours =
            |name: &str| format!("embeddings {{\n  tensor_name: {}\n  sprite {{\n  }}\n}}\n", quoted(name));
        let other = "model_checkpoint_path: \"x\"\r\nembeddings { tensor_name: \"b\" }\n# }\n";
        let config = format!("{}{other}{}{}", ours("a"), ours("b\""), ours("c"));
        assert_eq!(without(&config, "b\""), format!("{}{other}{}", ours("a"), ours("c")));
        assert_eq!(without(&config, "b"), config, "one of another layout is left");
        let other_ends = |text: &str| text.replace("\r\n", "\n").replace('\n', "\r\n");
        let kept = other_ends(&format!("{}{other}{}", ours("a"), ours("b\"")));
        assert_eq!(without(&other_ends(&config), "c"), kept);
        let open = "embeddings {\n  tensor_name: \"a\"\nmodel_checkpoint_path: \"x\"\n";
        assert_eq!(without(open, "a"), open, "an end is missing");
        assert_eq!(without("no line end", "a"), "no line end");
        assert_eq!(without("", "a"), "");
    }

    #[test]
    fn texts_are_quoted() {
        assert_eq!(quoted("a\"b\\c"), r#""a\"b\\c""#);
        assert_eq!(quoted("ü\t\u{85}\u{7f}"), r#""ü\011\302\205\177""#);
    }
}
