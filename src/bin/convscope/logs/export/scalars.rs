//! Curves.

use std::{path::PathBuf, process::ExitCode};

use clap::ValueEnum;
use convscope::logdir::{Point, SeriesKind};
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

    /// Form of the table
    #[arg(long, value_enum, value_name = "FORM", default_value = "csv")]
    format: Format,

    /// As `--format jsonl`
    #[arg(long, conflicts_with = "format")]
    json: bool,

    #[command(flatten)]
    filter: Filter,

    #[command(flatten)]
    rules: Rules,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    /// Comma-separated values with a head, as in RFC 4180
    Csv,
    /// A JSON object a line; NaN and infinities are strings
    Jsonl,
    /// A Parquet file; needs --output
    #[cfg(feature = "parquet")]
    Parquet,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let logdir = args.rules.open(&args.path)?;
    let format = if args.json { Format::Jsonl } else { args.format };
    let curves = || args.filter.series(&logdir).filter(|(_, tag)| tag.kind == SeriesKind::Scalar);
    #[cfg(feature = "parquet")]
    if format == Format::Parquet {
        super::parquet::write(&args.output, curves())?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut sink = Sink::open(&args.output)?;
    if format == Format::Csv {
        sink.text("run,tag,step,wall_time,value\n")?;
    }
    for (run, tag) in curves() {
        for point in run.scalars(&tag.tag)? {
            interrupt::check()?;
            sink.text(&match format {
                Format::Csv => csv(run.name(), &tag.tag, &point),
                _ => format!("{}\n", point_json(run.name(), &tag.tag, &point)),
            })?;
        }
        if sink.is_closed() {
            break;
        }
    }
    sink.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// A value as JSON.
pub fn point_json(run: &str, tag: &str, point: &Point<f64>) -> serde_json::Value {
    json!({
        "run": run,
        "tag": tag,
        "step": point.step.get(),
        "wall_time": number(point.wall_time.secs()),
        "value": number(point.value),
    })
}

fn csv(run: &str, tag: &str, point: &Point<f64>) -> String {
    let (step, wall_time, value) = (point.step, point.wall_time.secs(), point.value);
    format!("{},{},{step},{wall_time},{value}\n", quoted(run), quoted(tag))
}

/// A field, in quotes where it needs them.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_quoted_where_they_need_it() {
        assert_eq!(quoted("norm/a b"), "norm/a b");
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("say \"x\"\n"), "\"say \"\"x\"\"\n\"");
    }
}
