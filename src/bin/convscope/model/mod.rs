//! `convscope model`.

mod classes;
mod source;
mod zoo;

use std::{io, process::ExitCode};

use anyhow::Context as _;
use clap::{ValueEnum, error::ErrorKind};
use convscope::arch::{AdviceOptions, ModelSummary};

pub use self::source::{ModelSource, input};
use crate::{page::Page, terminal};

/// What the columns of the table mean.
const LEGEND: &str = "Receptive field, stride and padding are in pixels of the image: what a unit can see, how far \
    the fields of neighbouring units are apart, and how far that of the first unit reaches beyond the image's start. \
    Without a stride, all units of the layer see the same pixels. Output bytes are those of float32; \
    together they are an upper estimate of what training keeps of them.";

/// Show a model's layers: outputs, parameters, multiply-adds, memory and receptive fields
///
/// Exit codes: 0 success, 1 failure, also where strides do not agree and some receptive fields are not known, 2 wrong
/// usage.
#[derive(clap::Args)]
#[command(override_usage = "convscope model [OPTIONS] <NAME|FILE.toml>\n       convscope model --list")]
pub struct Args {
    /// Model of the zoo, as --list shows them, or a TOML file
    #[arg(value_name = "NAME|FILE.toml", required_unless_present = "list")]
    model: Option<ModelSource>,

    /// Channels, height and width of an image [default: the model's own]
    #[arg(long, value_name = "C,H,W", value_parser = input)]
    input: Option<[i64; 3]>,

    /// Number of outputs [default: the model's own]
    ///
    /// In a file it is that of the last `linear` or `conv2d` layer.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i64).range(1..=i64::from(i32::MAX)))]
    classes: Option<i64>,

    /// Height and width of the objects in an image, which the advice compares with the last receptive field
    ///
    /// There is no advice in CSV.
    #[arg(long, value_name = "H,W", value_parser = source::object_size)]
    object_size: Option<[i64; 2]>,

    /// What to print
    #[arg(long, value_enum, value_name = "FORM", default_value = "table")]
    format: Format,

    /// Show what is in the zoo
    #[arg(long, conflicts_with_all = ["model", "input", "classes", "object_size"])]
    list: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// One JSON object
    Json,
    /// Comma-separated values with a head, a line for each layer
    Csv,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    terminal::show_warnings(io::stderr);
    let mut page = Page::new();
    let Some(source) = &args.model else {
        zoo::list(&mut page, args.format)?;
        page.flush()?;
        return Ok(ExitCode::SUCCESS);
    };
    if args.object_size.is_some() && args.format == Format::Csv {
        let command = <Args as clap::Args>::augment_args(clap::Command::new("convscope model"));
        let why = "--object-size is for the advice, which is not in CSV: take --format table or json";
        let mut usage = command.override_usage("convscope model [OPTIONS] <NAME|FILE.toml>");
        usage.error(ErrorKind::ArgumentConflict, why).exit();
    }
    let spec = source.load(args.input, args.classes)?;
    let options = args
        .object_size
        .map_or_else(AdviceOptions::default, |size| AdviceOptions::default().object_size(size));
    let summary = spec.summary_with(&options).with_context(|| source.to_string())?;
    match args.format {
        Format::Table => show(&mut page, &summary)?,
        Format::Json => page.text(&format!("{}\n", summary.to_json()))?,
        Format::Csv => page.text(&summary.to_csv())?,
    }
    page.flush()?;
    Ok(match &summary.conflict {
        None => ExitCode::SUCCESS,
        Some(conflict) => {
            let [channels, height, width] = summary.input;
            terminal::complain(&format!(
                "error: {source} for images of {channels}x{height}x{width}: {conflict}"
            ));
            ExitCode::FAILURE
        }
    })
}

fn show(page: &mut Page, summary: &ModelSummary) -> io::Result<()> {
    let [channels, height, width] = summary.input;
    page.line(&format!("{}, for images of {channels}x{height}x{width}", summary.name))?;
    page.line("")?;
    page.table(&summary.to_table())?;
    page.line("")?;
    page.table(&summary.to_totals())?;
    page.line("")?;
    page.paragraph("  ", 2, LEGEND)?;
    // A conflict is an error of its own, told at the end.
    let advice = if summary.conflict.is_none() { summary.advice.as_slice() } else { &[] };
    for advice in advice {
        page.line("")?;
        page.paragraph("  ", 2, &advice.to_string())?;
    }
    Ok(())
}
