//! `convscope rules`.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use convscope::{
    rules::{Persistence, RuleSet},
    summary::Table,
};

use crate::page::Page;

/// Show the rules that look at a training, and their thresholds
///
/// Write the thresholds to a file, change it, and give it to `convscope train --rules FILE.toml`:
/// convscope rules --toml > rules.toml
#[derive(clap::Args)]
pub struct Args {
    /// Settings of a file in the place of the defaults; says what is wrong with them
    #[arg(value_name = "FILE.toml")]
    file: Option<PathBuf>,

    /// Every setting as TOML, with a comment on each
    #[arg(long)]
    toml: bool,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let rules = match &args.file {
        Some(path) => RuleSet::load(path).context("rules")?,
        None => RuleSet::standard(),
    };
    let mut page = Page::new();
    if args.toml {
        page.text(&rules.to_toml())?;
    } else {
        page.table(&table(&rules))?;
        page.line("")?;
        page.paragraph("", 0, LEGEND)?;
    }
    page.flush()?;
    Ok(ExitCode::SUCCESS)
}

const LEGEND: &str = "A rule looks from its step on, and speaks up when it saw the same trouble that often among its last \
    looks. `convscope rules --toml` has all thresholds.";

fn table(rules: &RuleSet) -> Table {
    let mut table = Table::new(["rule", "from step", "seen", "looks for"]);
    for name in rules.names() {
        let Persistence { warm_up, raise, of, .. } =
            rules.persistence(name).unwrap_or(Persistence::at_once());
        let seen = if rules.is_enabled(name) { format!("{raise} of {of}") } else { "off".to_owned() };
        table.row([name, &warm_up.to_string(), &seen, rules.about(name).unwrap_or_default()]);
    }
    table
}
