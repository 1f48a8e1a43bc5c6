//! `convscope logs inspect`.

use std::{io, path::PathBuf, process::ExitCode};

use chrono::{DateTime, Local};
use convscope::{
    WallTime,
    logdir::{LogDir, LogFile, Run, TagInfo},
};
use serde_json::json;

use super::{
    filter::{Filter, Rules},
    interrupt,
    page::{self, Page},
    size::{bytes, count},
};
use crate::table::{Table, thousands};

/// Show runs and their tags: kinds, steps and sizes
#[derive(clap::Args)]
pub struct Args {
    /// Log folder, run folder or event file
    path: PathBuf,

    #[command(flatten)]
    filter: Filter,

    #[command(flatten)]
    rules: Rules,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    interrupt::listen()?;
    let logdir = args.rules.open(&args.path)?;
    let mut page = Page::new();
    if args.json {
        page.json(&to_json(args, &logdir))?;
    } else {
        show(&mut page, args, &logdir)?;
    }
    page.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn show(page: &mut Page, args: &Args, logdir: &LogDir) -> io::Result<()> {
    let mut all = Totals::default();
    for run in args.filter.runs(logdir) {
        page.line(&format!(
            "{}  ({}, {}{})",
            run.name(),
            count(run.files().len() as u64, "file"),
            bytes(run_bytes(run)),
            run.start_time().map_or_else(String::new, |time| format!(", since {}", local(time))),
        ))?;
        let mut table = Table::new(["tag", "kind", "values", "steps", "size"]);
        for (_, tag) in args.filter.series(logdir).filter(|(of, _)| of.name() == run.name()) {
            table.row([tag.tag.clone(), kind(tag), thousands(&tag.values), steps(tag), bytes(tag.bytes)]);
            all.tags += 1;
            all.values += tag.values as u64;
        }
        page.table(&table)?;
        page.line("")?;
        all.runs += 1;
        all.bytes += run_bytes(run);
    }
    page.line(&format!(
        "{}, {}, {}, {}",
        count(all.runs, "run"),
        count(all.tags, "tag"),
        count(all.values, "value"),
        bytes(all.bytes)
    ))
}

#[derive(Default)]
struct Totals {
    runs: u64,
    tags: u64,
    values: u64,
    bytes: u64,
}

fn run_bytes(run: &Run) -> u64 {
    run.files().iter().map(LogFile::len).sum()
}

/// The kind, and the name of a plugin that TensorBoard does not bring.
fn kind(tag: &TagInfo) -> String {
    match tag.kind {
        convscope::logdir::SeriesKind::Other if tag.plugin.is_empty() => "unknown".to_owned(),
        convscope::logdir::SeriesKind::Other => tag.plugin.clone(),
        kind => kind.to_string(),
    }
}

/// `0` or `0..100`.
fn steps(tag: &TagInfo) -> String {
    match (tag.first_step, tag.last_step) {
        (Some(first), Some(last)) if first == last => first.to_string(),
        (Some(first), Some(last)) => format!("{first}..{last}"),
        _ => String::new(),
    }
}

/// A time in the zone of this machine, to the second.
fn local(time: WallTime) -> String {
    DateTime::from_timestamp(time.secs() as i64, 0).map_or_else(
        || format!("{} s", time.secs()),
        |time| time.with_timezone(&Local).format("%F %T").to_string(),
    )
}

fn to_json(args: &Args, logdir: &LogDir) -> serde_json::Value {
    let runs: Vec<serde_json::Value> = args
        .filter
        .runs(logdir)
        .map(|run| {
            let tags: Vec<serde_json::Value> = args
                .filter
                .series(logdir)
                .filter(|(of, _)| of.name() == run.name())
                .map(|(_, tag)| {
                    json!({
                        "tag": tag.tag,
                        "kind": tag.kind.to_string(),
                        "plugin": tag.plugin,
                        "display_name": tag.display_name,
                        "description": tag.description,
                        "values": tag.values,
                        "first_step": tag.first_step.map(convscope::Step::get),
                        "last_step": tag.last_step.map(convscope::Step::get),
                        "last_wall_time": tag.last_wall_time.map(|time| page::number(time.secs())),
                        "bytes": tag.bytes,
                    })
                })
                .collect();
            let files: Vec<serde_json::Value> = run
                .files()
                .iter()
                .map(|file| {
                    json!({
                        "path": file.path().to_string_lossy(),
                        "bytes": file.len(),
                        "events": file.events(),
                        "writer": file.writer(),
                    })
                })
                .collect();
            json!({
                "run": run.name(),
                "start_time": run.start_time().map(|time| page::number(time.secs())),
                "bytes": run_bytes(run),
                "files": files,
                "tags": tags,
            })
        })
        .collect();
    json!({ "runs": runs })
}
