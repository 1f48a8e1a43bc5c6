//! A zoo of trainings that are sick on purpose, and of healthy ones, on the bundled images: what does the diagnosis say?
//!
//! ```console
//! $ cargo run --example pathologies -- --list                          # what there is
//! $ cargo run --example pathologies -- --run dead_relu --logdir logs   # look at one in TensorBoard
//! $ cargo run --release --example pathologies -- --table --seeds 5     # steps to the diagnosis, false alarms
//! ```
//!
//! One file in `zoo/sick/` says what is wrong with one training. The tests `pathologies` and `healthy` run the same.

mod table;
mod zoo;

use std::process::ExitCode;

use convscope::SummaryWriter;
use zoo::{HEALTHY, Result, SICK};

const USAGE: &str = "usage: pathologies --list | --run NAME [--logdir DIR] [--seed N] | --table [--seeds N]";

fn main() -> ExitCode {
    match command(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn command(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    let (mut list, mut table, mut run) = (false, false, None);
    let (mut logdir, mut seed, mut seeds) = (None, 0, 5);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} needs a value; {USAGE}"));
        match argument.as_str() {
            "--list" => list = true,
            "--table" => table = true,
            "--run" => run = Some(value()?),
            "--logdir" => logdir = Some(value()?),
            "--seed" => seed = value()?.parse()?,
            "--seeds" => seeds = value()?.parse()?,
            _ => return Err(format!("`{argument}` found; {USAGE}").into()),
        }
    }
    match run {
        Some(name) => run_one(&name, seed, logdir.as_deref().unwrap_or("logs")),
        None if table => table::print(seeds),
        None if list => {
            for case in SICK.iter().chain(HEALTHY) {
                println!("{:24}{}", case.name, case.about);
            }
            Ok(())
        }
        None => Err(USAGE.into()),
    }
}

fn run_one(name: &str, seed: u64, logdir: &str) -> Result<()> {
    let case = SICK.iter().chain(HEALTHY).find(|case| case.name == name);
    let case = case.ok_or_else(|| format!("training `{name}` is unknown; --list shows all"))?;
    let writer = SummaryWriter::create(logdir)?;
    let folder = writer.path().to_owned();
    let said = case.run(seed, Some(writer.clone()))?;
    writer.close()?;
    println!("{}\nrun folder: {}", said.verdict.to_text(100), folder.display());
    Ok(())
}
