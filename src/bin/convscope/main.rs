//! The `convscope` program. `convscope --help` lists its commands.

#[cfg(feature = "tch")]
mod explain;
mod logs;
mod model;
mod page;
mod rules;
mod terminal;
#[cfg(feature = "tch")]
mod train;

use std::{error::Error, process::ExitCode};

use clap::{Parser, Subcommand};

/// Makes a CNN that trains on libtorch explain itself in stock TensorBoard.
///
/// Exit codes: 0 success, 1 failure, 2 wrong usage, 130 after Ctrl-C.
#[derive(Parser)]
#[command(version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[cfg(feature = "tch")]
    Train(Box<train::Args>),
    #[cfg(feature = "tch")]
    Explain(Box<explain::Args>),
    Model(model::Args),
    Rules(rules::Args),
    Logs(logs::Args),
}

fn main() -> ExitCode {
    let cli = Cli::parse(); // wrong usage ends here, with exit code 2
    let result = match &cli.command {
        #[cfg(feature = "tch")]
        Command::Train(args) => train::run(args),
        #[cfg(feature = "tch")]
        Command::Explain(args) => explain::run(args),
        Command::Model(args) => model::run(args),
        Command::Rules(args) => rules::run(args),
        Command::Logs(args) => logs::run(args),
    };
    result.unwrap_or_else(|error| {
        let is_interrupted = |cause: &(dyn Error + 'static)| {
            cause.downcast_ref::<convscope::Error>().is_some_and(convscope::Error::is_interrupted)
        };
        if error.chain().any(is_interrupted) {
            terminal::complain("interrupted");
            return ExitCode::from(terminal::INTERRUPTED);
        }
        terminal::complain(&format!("error: {}", terminal::with_causes(&error)));
        ExitCode::FAILURE
    })
}
