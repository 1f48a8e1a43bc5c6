//! Which studies are run, and with which settings.

use std::process::ExitCode;

use clap::{
    Arg, Command,
    builder::{PossibleValue, PossibleValuesParser, RangedU64ValueParser},
    error::ErrorKind,
};
use convscope::{
    data::Normalization,
    explain::{CatalogueEntry, Settings, Study, catalogue},
};

use super::flags::{self, Fill};
use crate::{page::Page, terminal::with_causes};

/// `--method all`.
const ALL: &str = "all";
/// More steps or copies than anybody has the time for.
const MOST: u64 = 1_000_000;

#[derive(clap::Args)]
#[group(skip)]
#[command(next_help_heading = "Methods")]
pub struct Args {
    /// What to explain with; several names with `,` between them
    ///
    /// `convscope explain --list` says what each shows.
    #[arg(long, value_name = "all|LIST", default_value = ALL, value_delimiter = ',', value_parser = names(), hide_possible_values = true)]
    method: Vec<String>,

    /// Occlusion: rows and columns of the patch, in pixels of the model's input
    #[arg(long, value_name = "N|H,W", value_parser = flags::window)]
    patch: Option<[i64; 2]>,

    /// Occlusion: rows and columns from one patch to the next
    #[arg(long, value_name = "N|H,W", value_parser = flags::window)]
    stride: Option<[i64; 2]>,

    /// Occlusion: what a patch shows: the `mean` of the image's channels, the image blurred by 5 or SIGMA pixels, or a brightness from 0, black, to 1, white
    #[arg(long, value_name = "mean|blur[:SIGMA]|BRIGHTNESS", allow_negative_numbers = true, value_parser = flags::fill)]
    fill: Option<Fill>,

    /// Occlusion: look closely only where the coarse map is extreme
    #[arg(long)]
    coarse_to_fine: bool,

    /// Steps of integrated gradients and of activation maximisation
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=MOST))]
    steps: Option<usize>,

    /// Integrated gradients: rule of quadrature
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,

    /// Noisy copies of SmoothGrad, VarGrad and dropout
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=MOST))]
    samples: Option<usize>,

    /// SmoothGrad, VarGrad: deviation of the noise, as a share of the input's range
    #[arg(long, value_name = "SHARE", value_parser = flags::positive, allow_negative_numbers = true)]
    noise: Option<f64>,

    /// Dropout: share of values that is dropped
    #[arg(long, value_name = "SHARE", value_parser = flags::share, allow_negative_numbers = true)]
    drop: Option<f64>,

    /// The layer that Grad-CAM, activation maximisation and features look at [default: each its own]
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,

    /// How many filters of a layer are shown
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=MOST))]
    filters: Option<usize>,

    /// How many nearest neighbours are shown
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(1..=MOST))]
    neighbors: Option<usize>,
}

fn names() -> PossibleValuesParser {
    let all = PossibleValue::new(ALL).help("all of them");
    let named = catalogue().into_iter().map(|entry| PossibleValue::new(entry.name).help(entry.about));
    PossibleValuesParser::new([all].into_iter().chain(named))
}

impl Args {
    /// The settings that were given, for images that are normalised so.
    fn settings(&self, normalization: &Normalization) -> Settings {
        let mut settings = Settings::default();
        settings.patch = self.patch;
        settings.stride = self.stride;
        settings.fill = self.fill.as_ref().map(|fill| fill.of(normalization));
        settings.coarse_to_fine = self.coarse_to_fine.then_some(true);
        settings.steps = self.steps;
        settings.rule.clone_from(&self.rule);
        settings.samples = self.samples;
        settings.noise = self.noise;
        settings.drop = self.drop;
        settings.layer.clone_from(&self.layer);
        settings.filters = self.filters;
        settings.neighbors = self.neighbors;
        settings
    }

    /// The studies, in the order of the catalogue, for images that are normalised so. A setting that one of them cannot take
    /// ends the program as wrong usage.
    pub fn studies(&self, normalization: &Normalization) -> Vec<Box<dyn Study>> {
        let settings = self.settings(normalization);
        let is_chosen =
            |entry: &CatalogueEntry| self.method.iter().any(|name| name == ALL || name == entry.name);
        let made = catalogue().into_iter().filter(is_chosen).map(|entry| (entry.make)(&settings));
        made.collect::<Result<_, _>>().unwrap_or_else(|error| {
            let error = with_causes(&error.into());
            Command::new("convscope explain")
                .override_usage("convscope explain [OPTIONS] --checkpoint <FILE.safetensors> --out <DIR>")
                .arg(Arg::new("method"))
                .error(ErrorKind::ValueValidation, error)
                .exit()
        })
    }
}

/// `--list`.
pub fn list() -> anyhow::Result<ExitCode> {
    let mut page = Page::new();
    let entries = catalogue();
    let width = entries.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
    for CatalogueEntry { name, about, .. } in entries {
        page.line(&format!("{name:width$}  {about}"))?;
    }
    page.flush()?;
    Ok(ExitCode::SUCCESS)
}
