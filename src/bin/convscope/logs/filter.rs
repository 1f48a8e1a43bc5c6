//! Which runs and tags a command is about, and by whose rules.

use std::path::Path;

use anyhow::ensure;
use clap::ValueEnum;
use convscope::logdir::{LogDir, LogDirOptions, Restarts, Run, TagInfo};

use super::progress::Progress;
use crate::terminal::harmless;

/// Flags of commands that read values.
#[derive(clap::Args)]
pub struct Filter {
    /// Only runs of this name; `*` stands for any characters. Repeatable
    #[arg(long = "run", value_name = "NAME")]
    runs: Vec<String>,

    /// Only tags of this name; `*` stands for any characters. Repeatable
    #[arg(long = "tag", value_name = "NAME")]
    tags: Vec<String>,
}

/// Flag of commands that leave out what a restart made obsolete.
#[derive(clap::Args)]
pub struct Rules {
    /// By whose rules values are left out that were logged again after a restart
    #[arg(long, value_enum, value_name = "RULES", default_value = "data-server")]
    restarts: RestartRules,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RestartRules {
    /// Those of TensorBoard's default loader
    DataServer,
    /// Those of TensorBoard's Python loader
    Python,
    /// None: everything is kept
    KeepAll,
}

impl Rules {
    /// Reads a log folder with runs, or an event file.
    pub fn open(&self, path: &Path) -> anyhow::Result<LogDir> {
        let restarts = match self.restarts {
            RestartRules::DataServer => Restarts::DataServer,
            RestartRules::Python => Restarts::Python,
            RestartRules::KeepAll => Restarts::KeepAll,
        };
        let logdir = open(path, restarts)?;
        ensure!(
            !logdir.runs().is_empty(),
            "{}: no event file there or below (a file with `tfevents` in its name)",
            path.display()
        );
        Ok(logdir)
    }
}

/// Reads a log folder, or an event file.
pub fn open(path: &Path, restarts: Restarts) -> anyhow::Result<LogDir> {
    let options = LogDirOptions { restarts, ..LogDirOptions::default() };
    let progress = Progress::unmeasured("reading");
    let logdir = progress.end_with(|progress| {
        LogDir::open_watched(path, options, &mut |bytes, all| progress.set_of(bytes, all))
    })?;
    for problem in logdir.problems() {
        tracing::warn!("{}", harmless(&problem.to_string()));
    }
    Ok(logdir)
}

impl Filter {
    /// The runs and tags that are asked for, sorted.
    pub fn series<'a>(&'a self, logdir: &'a LogDir) -> impl Iterator<Item = (&'a Run, &'a TagInfo)> {
        self.runs(logdir).flat_map(|run| self.tags(run).map(move |tag| (run, tag)))
    }

    /// The tags of a run that are asked for, sorted.
    pub fn tags<'a>(&'a self, run: &'a Run) -> impl Iterator<Item = &'a TagInfo> {
        run.tags().iter().filter(|tag| matches(&self.tags, &tag.tag))
    }

    /// The runs that are asked for, sorted.
    pub fn runs<'a>(&'a self, logdir: &'a LogDir) -> impl Iterator<Item = &'a Run> {
        logdir.runs().iter().filter(|run| matches(&self.runs, run.name()))
    }
}

/// Whether a name is one of those asked for.
fn matches(patterns: &[String], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| is_like(pattern.as_bytes(), name.as_bytes()))
}

/// Whether a name has the form of a pattern, in which `*` stands for any characters.
fn is_like(pattern: &[u8], name: &[u8]) -> bool {
    // Where the last `*` stands, and where the part of the name that it takes ends: one character more on each failure.
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, n));
            p += 1;
        } else if pattern.get(p) == Some(&name[n]) {
            p += 1;
            n += 1;
        } else if let Some((at, taken)) = star {
            star = Some((at, taken + 1));
            (p, n) = (at + 1, taken + 1);
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_anything() {
        for (pattern, name) in [
            ("loss", "loss"),
            ("*", ""),
            ("*loss", "a/loss"),
            ("norm/*/w*", "norm/a/b/weight"),
            ("a*b*c", "abbc"),
        ] {
            assert!(is_like(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
        for (pattern, name) in [("loss", "loss2"), ("", "a"), ("*loss", "loss/a"), ("a*b*c", "acb")] {
            assert!(!is_like(pattern.as_bytes(), name.as_bytes()), "{pattern} {name}");
        }
    }
}
