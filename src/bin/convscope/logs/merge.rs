//! `convscope logs merge`.

use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::ValueEnum;
use convscope::logdir::{
    Limits,
    lint::MAX_RECORD_BYTES,
    merge::{Merged, Overlap, merge_with},
};
use serde_json::json;

use super::{interrupt, progress::Progress, size::count};
use crate::page::Page;

/// Join several runs, or several files of a run, into one run with its steps in order
///
/// Sub-folders of the same name are joined, too. Sources are taken in the order of their first wall time; of two values
/// of one tag and step the later one is kept. The sources are never changed, and other files are not copied.
#[derive(clap::Args)]
pub struct Args {
    /// Run folders or event files
    #[arg(required = true)]
    sources: Vec<PathBuf>,

    /// New folder for the run
    #[arg(long, value_name = "FOLDER")]
    into: PathBuf,

    /// What becomes of steps that several files have
    #[arg(long, value_enum, value_name = "WHAT", default_value = "restart")]
    overlap: OverlapChoice,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum OverlapChoice {
    /// A later file went on from an earlier step: the steps from there on are its own
    Restart,
    /// All steps are kept
    All,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    interrupt::listen()?;
    let sources: Vec<&Path> = args.sources.iter().map(PathBuf::as_path).collect();
    let overlap = match args.overlap {
        OverlapChoice::Restart => Overlap::Restart,
        OverlapChoice::All => Overlap::All,
    };
    let progress = Progress::new("merging", sources.iter().map(|path| super::bytes_below(path)).sum());
    let limits = Limits { max_record_bytes: MAX_RECORD_BYTES, ..Limits::default() };
    let merged = progress.end_with(|progress| {
        merge_with(&sources, &args.into, overlap, limits, &mut |bytes| progress.set(bytes))
    })?;
    let mut page = Page::new();
    if args.json {
        page.json(&to_json(&merged))?;
    } else {
        show(&mut page, &merged)?;
    }
    page.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn show(page: &mut Page, runs: &[Merged]) -> io::Result<()> {
    for run in runs {
        page.line(&run.file.display().to_string())?;
        let damaged = match run.damaged {
            0 => String::new(),
            places => format!(", {} left out", count(places, "damaged place")),
        };
        page.line(&format!(
            "  {} from {}, {} replaced by later ones{damaged}",
            count(run.values, "value"),
            count(run.sources.len() as u64, "file"),
            run.replaced,
        ))?;
    }
    page.line(&count(runs.len() as u64, "run"))
}

fn to_json(runs: &[Merged]) -> serde_json::Value {
    let runs: Vec<serde_json::Value> = runs
        .iter()
        .map(|run| {
            let sources: Vec<_> = run.sources.iter().map(|path| path.to_string_lossy()).collect();
            json!({
                "run": run.run,
                "file": run.file.to_string_lossy(),
                "sources": sources,
                "values": run.values,
                "replaced": run.replaced,
                "damaged": run.damaged,
            })
        })
        .collect();
    json!({ "runs": runs })
}
