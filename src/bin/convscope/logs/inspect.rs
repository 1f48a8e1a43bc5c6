//! `convscope logs inspect`.

use std::{io, iter, path::PathBuf, process::ExitCode};

use chrono::{DateTime, Local};
use convscope::{
    WallTime,
    logdir::{LogDir, LogFile, Run, TagInfo},
    summary::{Table, thousands},
};
use serde_json::json;

use super::{
    filter::{Filter, Rules},
    interrupt,
    size::{bytes, count},
};
use crate::page::{self, Page};

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
        let facts = format!(
            "  ({}, {}{})",
            count(run.files().len() as u64, "file"),
            bytes(run_bytes(run)),
            run.start_time().map_or_else(String::new, |time| format!(", since {}", local(time))),
        );
        page.line(&format!("{}{facts}", page.fitting(run.name(), facts.chars().count())))?;
        let tags: Vec<&TagInfo> = args.filter.tags(run).collect();
        page.table(&table(page, &tags))?;
        all.tags += tags.len() as u64;
        all.values += tags.iter().map(|tag| tag.values as u64).sum::<u64>();
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

/// A row for each tag.
fn table(page: &Page, tags: &[&TagInfo]) -> Table {
    let row = |tag: &&TagInfo| [kind(tag), thousands(&tag.values), steps(tag), bytes(tag.bytes)];
    let facts: Vec<[String; 4]> = iter::once(["kind", "values", "steps", "size"].map(str::to_owned))
        .chain(tags.iter().map(row))
        .collect();
    let width = |column: usize| facts.iter().map(|facts| facts[column].chars().count() + 2).max();
    let beside = 2 + (0..4).filter_map(width).sum::<usize>();
    let mut names = vec!["tag".to_owned()];
    names.extend(tags.iter().map(|tag| page.fitting(&tag.tag, beside)));
    let mut rows = names.into_iter().zip(facts).map(|(name, facts)| iter::once(name).chain(facts));
    let mut table = Table::new(rows.next().into_iter().flatten());
    for row in rows {
        table.row(row);
    }
    table
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
                .tags(run)
                .map(|tag| {
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
