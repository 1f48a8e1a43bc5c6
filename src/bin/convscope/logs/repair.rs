//! `convscope logs repair`.

use std::{io, path::PathBuf, process::ExitCode};

use convscope::{
    logdir::{
        lint::MAX_RECORD_BYTES,
        repair::{Repaired, repair_with},
    },
    record::Limits,
};
use serde_json::json;

use super::{
    interrupt,
    progress::Progress,
    size::{bytes, count},
};
use crate::page::Page;

/// Places that are shown of a file. `--json` gives more.
const MOST_PLACES: usize = 20;

/// Save what is whole of damaged event files, into new files
///
/// The source is never changed. Records with damaged data are left out; after a damaged length the next whole record
/// is looked for. Other files than event files are not copied.
#[derive(clap::Args)]
pub struct Args {
    /// Log folder, run folder or event file
    source: PathBuf,

    /// New folder, or new file where the source is a file
    target: PathBuf,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    interrupt::listen()?;
    let progress = Progress::new("repairing", super::bytes_below(&args.source));
    let limits = Limits { max_record_bytes: MAX_RECORD_BYTES };
    let repaired = progress.end_with(|progress| {
        repair_with(&args.source, &args.target, limits, &mut |bytes| progress.set(bytes))
    })?;
    let mut page = Page::new();
    if args.json {
        page.json(&to_json(&repaired))?;
    } else {
        show(&mut page, &repaired)?;
    }
    page.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn show(page: &mut Page, files: &[Repaired]) -> io::Result<()> {
    for file in files.iter().filter(|file| !file.is_unchanged()) {
        page.line(&file.source.display().to_string())?;
        for damage in file.damage.iter().take(MOST_PLACES) {
            let first = format!("  byte {}: ", damage.offset);
            page.paragraph(&first, 4, &format!("{} left out: {}", bytes(damage.bytes), damage.reason))?;
        }
        if file.places > MOST_PLACES as u64 {
            let more = count(file.places - MOST_PLACES as u64, "more place");
            page.line(&format!("  and {more}, {} left out in all", bytes(file.lost_bytes)))?;
        }
        if file.mended_lengths > 0 {
            let events = count(file.mended_lengths, "event");
            page.line(&format!("  {events} had a damaged length, and sound data that proved it"))?;
        }
        if file.mended_times > 0 {
            page.line(&format!(
                "  {} got the wall time of the one before",
                count(file.mended_times, "event")
            ))?;
        }
        if file.rescued_tags > 0 {
            page.line(&format!("  the metadata of {} was rescued", count(file.rescued_tags, "tag")))?;
        }
        if file.added_version {
            page.line("  a file version was put first")?;
        }
    }
    let sum = |number: fn(&Repaired) -> u64| files.iter().map(number).sum::<u64>();
    page.line(&format!(
        "{}, {} saved, {} left out in {}",
        count(files.len() as u64, "file"),
        count(sum(|file| file.events), "event"),
        bytes(sum(|file| file.lost_bytes)),
        count(sum(|file| file.places), "place"),
    ))
}

fn to_json(files: &[Repaired]) -> serde_json::Value {
    let files: Vec<serde_json::Value> = files
        .iter()
        .map(|file| {
            let damage: Vec<serde_json::Value> = file
                .damage
                .iter()
                .map(
                    |damage| json!({"offset": damage.offset, "bytes": damage.bytes, "reason": damage.reason}),
                )
                .collect();
            json!({
                "source": file.source.to_string_lossy(),
                "target": file.target.to_string_lossy(),
                "events": file.events,
                "mended_times": file.mended_times,
                "rescued_tags": file.rescued_tags,
                "added_version": file.added_version,
                "lost_bytes": file.lost_bytes,
                "mended_lengths": file.mended_lengths,
                "places": file.places,
                "damage": damage,
            })
        })
        .collect();
    json!({ "files": files })
}
