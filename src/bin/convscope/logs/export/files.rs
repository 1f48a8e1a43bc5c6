//! Pictures and sounds.

use std::{collections::BTreeSet, io::Write as _, path::PathBuf, process::ExitCode};

use convscope::logdir::{Run, SeriesKind, TagInfo, lint::picture_extension};
use serde_json::json;

use super::{
    super::{
        filter::{Filter, Rules},
        interrupt,
        size::count,
    },
    sink::{cannot_write, create_new},
};
use crate::page::{Page, number};

#[derive(clap::Args)]
pub struct Args {
    /// Log folder, run folder or event file
    path: PathBuf,

    /// Folder for the files; none that is there is overwritten
    #[arg(short, long, value_name = "FOLDER")]
    output: PathBuf,

    #[command(flatten)]
    filter: Filter,

    #[command(flatten)]
    rules: Rules,

    /// Print a JSON object for each file
    #[arg(long)]
    json: bool,
}

/// What is needed of one step.
struct Samples {
    step: i64,
    wall_time: f64,
    files: Vec<Vec<u8>>,
}

pub fn images(args: &Args) -> anyhow::Result<ExitCode> {
    export(args, SeriesKind::Image, |file| picture_extension(file).unwrap_or("bin"), "picture")
}

pub fn audio(args: &Args) -> anyhow::Result<ExitCode> {
    let extension = |file: &[u8]| if file.starts_with(b"RIFF") { "wav" } else { "bin" };
    export(args, SeriesKind::Audio, extension, "sound")
}

fn export(
    args: &Args,
    kind: SeriesKind,
    extension: impl Fn(&[u8]) -> &'static str,
    what: &str,
) -> anyhow::Result<ExitCode> {
    let logdir = args.rules.open(&args.path)?;
    let mut page = Page::new();
    let mut folders = BTreeSet::new();
    let mut written = 0;
    for (run, tag) in args.filter.series(&logdir).filter(|(_, tag)| tag.kind == kind) {
        let folder = args.output.join(unique(&mut folders, &folder_of(run.name(), &tag.tag)));
        let mut names = BTreeSet::new();
        each_step(run, tag, kind, &mut |samples| {
            interrupt::check()?;
            for (i, file) in samples.files.iter().enumerate() {
                let name = unique(&mut names, &format!("{:010}_{i}", samples.step));
                let path = folder.join(format!("{name}.{}", extension(file)));
                cannot_write(create_new(&path)?.write_all(file), &path)?;
                written += 1;
                if args.json {
                    page.json(&json!({
                        "run": run.name(),
                        "tag": tag.tag,
                        "step": samples.step,
                        "wall_time": number(samples.wall_time),
                        "file": path.to_string_lossy(),
                    }))?;
                }
            }
            Ok(())
        })?;
    }
    if !args.json {
        page.line(&format!("{} in {}", count(written, what), args.output.display()))?;
    }
    page.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn each_step(
    run: &Run,
    tag: &TagInfo,
    kind: SeriesKind,
    use_samples: &mut dyn FnMut(Samples) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if kind == SeriesKind::Image {
        for point in run.images(&tag.tag)? {
            let point = point?;
            let (step, wall_time) = (point.step.get(), point.wall_time.secs());
            use_samples(Samples { step, wall_time, files: point.value.samples })?;
        }
    } else {
        for point in run.audio(&tag.tag)? {
            let point = point?;
            let (step, wall_time) = (point.step.get(), point.wall_time.secs());
            use_samples(Samples { step, wall_time, files: point.value })?;
        }
    }
    Ok(())
}

/// A folder for a tag: `/` separates folders as in the tag, other characters that could hurt become `_`.
fn folder_of(run: &str, tag: &str) -> String {
    let parts = run.split('/').filter(|part| *part != ".").chain(tag.split('/'));
    let parts: Vec<String> = parts.filter(|part| !part.is_empty()).map(harmless).collect();
    parts.join("/")
}

fn harmless(name: &str) -> String {
    let plain = |c: char| if c.is_alphanumeric() || "-_. =,+".contains(c) { c } else { '_' };
    let name: String = name.chars().map(plain).take(100).collect();
    if name.chars().all(|c| c == '.') || name.ends_with([' ', '.']) { format!("{name}_") } else { name }
}

/// The name, with a number where it was given before.
fn unique(names: &mut BTreeSet<String>, name: &str) -> String {
    // Not all file systems tell letters by their case.
    let mut candidate = name.to_owned();
    let mut number = 2;
    while !names.insert(candidate.to_lowercase()) {
        candidate = format!("{name}_{number}");
        number += 1;
    }
    candidate
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn tags_become_folders_that_stay_below() {
        assert_eq!(folder_of("a/train", "filters/conv"), "a/train/filters/conv");
        assert_eq!(folder_of(".", "../../etc//x"), ".._/.._/etc/x");
        assert_eq!(folder_of(".", "C:\\x|y"), "C__x_y");
        assert!(!Path::new(&folder_of("..", "/")).is_absolute());
    }

    #[test]
    fn names_are_given_once() {
        let mut names = BTreeSet::new();
        let given = ["a", "A", "a", "b"].map(|name| unique(&mut names, name));
        assert_eq!(given, ["a", "A_2", "a_3", "b"]);
    }
}
