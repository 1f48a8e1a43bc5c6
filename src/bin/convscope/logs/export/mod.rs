//! `convscope logs export`.

mod files;
mod histograms;
#[cfg(feature = "parquet")]
mod parquet;
mod scalars;
mod sink;

use std::process::ExitCode;

use clap::Subcommand;

pub use self::scalars::point_json;
use super::interrupt;

/// Convert what runs hold for other programs
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Curves, as a table of run, tag, step, wall time and value
    Scalars(scalars::Args),
    /// Pictures, as the files that were logged: <OUTPUT>/<run>/<tag>/<step>_<number>.png
    Images(files::Args),
    /// Sounds, as the files that were logged: <OUTPUT>/<run>/<tag>/<step>_<number>.wav
    Audio(files::Args),
    /// Distributions, as JSON: an array of run, tag, step, wall time and buckets [left, right, count]
    Histograms(histograms::Args),
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    interrupt::listen()?;
    match &args.what {
        What::Scalars(args) => scalars::run(args),
        What::Images(args) => files::images(args),
        What::Audio(args) => files::audio(args),
        What::Histograms(args) => histograms::run(args),
    }
}
