//! Distributions.

use std::{path::PathBuf, process::ExitCode};

use convscope::logdir::{LoggedBucket, SeriesKind};
use serde_json::json;

use super::{
    super::{
        filter::{Filter, Rules},
        interrupt,
    },
    sink::Sink,
};
use crate::page::number;

#[derive(clap::Args)]
pub struct Args {
    /// Log folder, run folder or event file
    path: PathBuf,

    /// New file; `-` is the standard output
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,

    /// Accepted as by the other commands: there is no other form
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    filter: Filter,

    #[command(flatten)]
    rules: Rules,
}

/// Writes one array with an element a line.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let logdir = args.rules.open(&args.path)?;
    let mut sink = Sink::open(&args.output)?;
    sink.text("[")?;
    let mut separator = "\n";
    for (run, tag) in args.filter.series(&logdir).filter(|(_, tag)| tag.kind == SeriesKind::Histogram) {
        for point in run.histograms(&tag.tag)? {
            interrupt::check()?;
            let point = point?;
            let buckets: Vec<serde_json::Value> = point.value.iter().map(bucket).collect();
            let value = json!({
                "run": run.name(),
                "tag": tag.tag,
                "step": point.step.get(),
                "wall_time": number(point.wall_time.secs()),
                "buckets": buckets,
            });
            sink.text(&format!("{separator}{value}"))?;
            separator = ",\n";
        }
        if sink.is_closed() {
            break;
        }
    }
    sink.text("\n]\n")?;
    sink.finish()?;
    Ok(ExitCode::SUCCESS)
}

fn bucket(bucket: &LoggedBucket) -> serde_json::Value {
    json!([number(bucket.left), number(bucket.right), number(bucket.count)])
}
