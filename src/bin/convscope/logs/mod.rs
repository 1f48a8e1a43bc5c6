//! `convscope logs`: what TensorBoard's files hold, without TensorBoard.

mod export;
mod filter;
mod inspect;
pub mod interrupt;
mod merge;
mod progress;
mod repair;
mod size;
mod tail;
mod verify;

use std::{io, path::Path, process::ExitCode};

use clap::Subcommand;

use self::interrupt::Interrupted;
use crate::terminal;

/// Look into TensorBoard's event files, check, mend and convert them
///
/// They may come from any writer: this one, PyTorch, tensorboardX, TensorFlow.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Inspect(inspect::Args),
    Verify(verify::Args),
    Repair(repair::Args),
    Export(export::Args),
    Tail(tail::Args),
    Merge(merge::Args),
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    terminal::show_warnings(io::stderr);
    let result = match &args.command {
        Command::Inspect(args) => inspect::run(args),
        Command::Verify(args) => verify::run(args),
        Command::Repair(args) => repair::run(args),
        Command::Export(args) => export::run(args),
        Command::Tail(args) => tail::run(args),
        Command::Merge(args) => merge::run(args),
    };
    match result {
        Err(error) if error.is::<Interrupted>() => Ok(ExitCode::from(terminal::INTERRUPTED)),
        result => result,
    }
}

/// How long the event files at a path are together; 0 where they cannot be read.
fn bytes_below(path: &Path) -> u64 {
    convscope::logdir::lint::event_files(path).map_or(0, |files| files.iter().map(|file| file.bytes).sum())
}
