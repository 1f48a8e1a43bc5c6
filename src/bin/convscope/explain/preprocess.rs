//! How pictures become the model's input.

use std::{fs, path::PathBuf};

use anyhow::{Context as _, ensure};
use convscope::data::{Normalization, Preprocessing, Resize};

use super::flags;
use crate::terminal::complain;

const IMAGENET: &str = "imagenet";

/// What is not given is as the checkpoint says; where it says nothing, the picture is fitted into the model's input.
#[derive(clap::Args)]
#[group(skip)]
#[command(
    next_help_heading = "Preprocessing, where the checkpoint does not say it or something else is wanted (of --index: mean and std)"
)]
pub struct Args {
    /// All of it: that of torchvision's networks, or a file with `resize`, `crop`, `invert`, `mean` and `std`
    #[arg(long, value_name = "imagenet|FILE.toml")]
    preprocessing: Option<PathBuf>,

    /// Pixels of the shorter side, rows and columns, or `keep`
    #[arg(long, value_name = "N|H,W|keep", value_parser = flags::resize)]
    resize: Option<Resize>,

    /// Side of the square, or rows and columns, that is cut from the middle
    #[arg(long, value_name = "N|H,W", value_parser = flags::crop)]
    crop: Option<[u32; 2]>,

    /// Swap black and white, for models that learned bright things on black
    #[arg(long)]
    invert: bool,

    /// Mean of each channel, with pixels from 0 to 1
    #[arg(long, value_name = "R,G,B", value_delimiter = ',', value_parser = flags::finite, allow_negative_numbers = true)]
    mean: Option<Vec<f64>>,

    /// Standard deviation of each channel
    #[arg(long, value_name = "R,G,B", value_delimiter = ',', value_parser = flags::positive, allow_negative_numbers = true)]
    std: Option<Vec<f64>>,
}

impl Args {
    /// The preprocessing for a model that takes `input`, where the checkpoint states `stored`. A guess is told.
    pub fn resolve(&self, stored: Option<&Preprocessing>, input: [i64; 3]) -> anyhow::Result<Preprocessing> {
        let base = match &self.preprocessing {
            Some(name) if name.as_os_str() == IMAGENET => Some(Preprocessing::imagenet()),
            Some(path) => {
                let text =
                    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
                Some(Preprocessing::from_toml(&text).with_context(|| path.display().to_string())?)
            }
            None => stored.cloned(),
        };
        let known = base.is_some() || (self.mean.is_some() && self.std.is_some());
        if !known {
            complain(
                "warning: mean and standard deviation of the training images are not known, and without them answers may be \
                 wrong: pixels from 0 to 1 are given to the model; say them by --mean and --std, or --preprocessing",
            );
        }
        let channels = usize::try_from(input[0]).unwrap_or(0);
        let mut chosen = match base {
            Some(base) => base,
            None => Preprocessing::for_input(input, Normalization::identity(channels))?,
        };
        if let Some(resize) = self.resize {
            chosen.resize = resize;
            chosen.crop = None; // it belonged to the other size
        }
        if let Some(crop) = self.crop {
            chosen.crop = Some(crop);
        }
        chosen.invert |= self.invert;
        let normalization = &mut chosen.normalization;
        normalization.mean = self.mean.clone().unwrap_or_else(|| normalization.mean.clone());
        normalization.std = self.std.clone().unwrap_or_else(|| normalization.std.clone());
        for (flag, found) in [("mean", normalization.mean.len()), ("std", normalization.std.len())] {
            ensure!(
                found == channels,
                "--{flag}: {found} numbers found; the model takes images of {channels} channels"
            );
        }
        Ok(chosen)
    }
}
