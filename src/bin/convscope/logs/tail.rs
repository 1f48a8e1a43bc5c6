//! `convscope logs tail`.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

use chrono::{DateTime, Local};
use convscope::logdir::{LogDir, Point, Position, Restarts, SeriesKind};

use super::{
    export::point_json,
    filter::{self, Filter},
    interrupt::{self, Interrupted},
};
use crate::{page::Page, terminal::harmless};

/// Show scalars as they are written
///
/// Files that grow and new ones are followed until Ctrl-C.
#[derive(clap::Args)]
pub struct Args {
    /// Log folder, run folder or event file
    path: PathBuf,

    #[command(flatten)]
    filter: Filter,

    /// How many of the last values of each tag are shown first
    #[arg(short = 'n', long, value_name = "NUMBER", default_value = "1")]
    lines: usize,

    /// Seconds between two looks at the files
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    interval: Duration,

    /// Show what is there, and end
    #[arg(long)]
    no_follow: bool,

    /// Print a JSON object a line
    #[arg(long)]
    json: bool,
}

/// How often Ctrl-C is looked for.
const PATIENCE: Duration = Duration::from_millis(50);

/// A value with its run and tag.
type Shown = (String, String, Point<f64>);

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    interrupt::listen()?;
    let mut logdir = filter::open(&args.path, Restarts::KeepAll)?;
    let mut page = Page::new();
    let mut seen = Seen::default();
    let mut first = true;
    loop {
        let mut points = seen.new_points(args, &logdir, if first { Some(args.lines) } else { None });
        points.sort_by(|a, b| a.2.wall_time.secs().total_cmp(&b.2.wall_time.secs()));
        for (run, tag, point) in &points {
            if args.json {
                page.json(&point_json(run, tag, point))?;
            } else {
                page.line(&line(run, tag, point))?;
            }
        }
        page.flush()?;
        if args.no_follow || page.is_closed() {
            return Ok(ExitCode::SUCCESS);
        }
        first = false;
        wait(args.interval)?;
        if let Err(error) = logdir.refresh() {
            seen.complain(&error); // the folder may come back
        }
    }
}

/// Most complaints that are remembered.
const MAX_COMPLAINTS: usize = 1000;

/// What was shown or passed over.
#[derive(Default)]
struct Seen {
    /// By run and tag.
    positions: BTreeMap<(String, String), Position>,
    /// What went wrong, which is not told again in each look.
    complaints: BTreeSet<String>,
}

impl Seen {
    /// Values that were not seen before; no more than the last `most` of each series.
    fn new_points(&mut self, args: &Args, logdir: &LogDir, most: Option<usize>) -> Vec<Shown> {
        let mut shown = Vec::new();
        for (run, tag) in args.filter.series(logdir).filter(|(_, tag)| tag.kind == SeriesKind::Scalar) {
            let name = (run.name().to_owned(), tag.tag.clone());
            let position = self.positions.entry(name).or_default();
            let points = match run.new_scalars(&tag.tag, position) {
                Ok(points) => points,
                Err(error) => {
                    self.complain(&error); // a file that was changed is read anew in the next look
                    continue;
                }
            };
            let from = points.len().saturating_sub(most.unwrap_or(usize::MAX));
            let points = points.into_iter().skip(from);
            shown.extend(points.map(|point| (run.name().to_owned(), tag.tag.clone(), point)));
        }
        shown
    }

    fn complain(&mut self, error: &convscope::Error) {
        let complaint = error.to_string();
        if self.complaints.len() < MAX_COMPLAINTS && self.complaints.insert(complaint.clone()) {
            tracing::warn!("{}", harmless(&complaint));
        }
    }
}

fn wait(time: Duration) -> Result<(), Interrupted> {
    let start = Instant::now();
    while let Some(left) = time.checked_sub(start.elapsed()) {
        interrupt::check()?;
        thread::sleep(left.min(PATIENCE));
    }
    interrupt::check()
}

/// `14:05:09  train  loss  step 120  0.25`.
fn line(run: &str, tag: &str, point: &Point<f64>) -> String {
    let time = DateTime::from_timestamp(point.wall_time.secs() as i64, 0)
        .map_or_else(String::new, |time| time.with_timezone(&Local).format("%T").to_string());
    format!("{time}  {run}  {tag}  step {}  {}", point.step, point.value as f32)
}

/// `--interval`.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds: &f64| (0.01..=86_400.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| "give seconds from 0.01 to 86400".to_owned())
}
