//! Scalars beside the curves: of the network as a whole, and of the layers where everything is shown.

use std::collections::BTreeSet;

use super::statistic::Statistic;
use crate::{
    callback::{Preset, TRAIN},
    error::Result,
    rules::{Observation, ParamObservation, Spectrum},
    summary::{Step, Summary, layer_tag},
    writer::{SubRun, SummarySink},
};

/// Writes what was measured of them.
pub(super) fn write(observation: &Observation, preset: Preset, out: &mut dyn SummarySink) -> Result<()> {
    let mut out = Scalars { out: out.sub_run(TRAIN), step: observation.step };
    if let Some(scale) = observation.gradient_noise_scale {
        out.add("gradient_noise_scale", scale, "Batches of much fewer images are mostly noise, in images.")?;
    }
    if let Some(norm) = observation.clipped_gradient_norm.filter(|_| preset != Preset::Economy) {
        out.add("norm/gradients_clipped", norm, "L2 norm of all gradients as the optimiser used them.")?;
    }
    if preset == Preset::Full {
        out.add_relative_gradients(observation)?;
        out.add_spectra(observation)?;
    }
    Ok(())
}

struct Scalars<'a> {
    out: SubRun<'a>,
    step: Step,
}

impl Scalars<'_> {
    fn add(&mut self, tag: &str, value: f64, description: &str) -> Result<()> {
        let value = if value.is_infinite() { f64::NAN } else { value };
        self.out.add(tag, Summary::scalar(value).with_description(description), self.step)
    }

    fn add_layer(&mut self, statistic: &str, layer: &str, value: f64, description: &str) -> Result<()> {
        self.add(&format!("layers/{statistic}/{}", layer_tag(layer)), value, description)
    }

    /// Levels of gradients differ between trainings and fall within one: what tells is how layers differ.
    fn add_relative_gradients(&mut self, observation: &Observation) -> Result<()> {
        let gradients = Statistic::GradientRms.of(observation);
        let mut sorted: Vec<f64> = gradients.iter().map(|&(_, rms)| rms).collect();
        sorted.sort_by(f64::total_cmp);
        let Some(&median) = sorted.get(sorted.len() / 2).filter(|&&median| median > 0.0) else {
            return Ok(());
        };
        for (layer, rms) in gradients {
            let meaning = "Gradient RMS as a multiple of the median layer's.";
            self.add_layer("gradient_relative", layer, rms / median, meaning)?;
        }
        Ok(())
    }

    fn add_spectra(&mut self, observation: &Observation) -> Result<()> {
        let mut seen = BTreeSet::new();
        for ParamObservation { layer, spectrum, .. } in &observation.params {
            let Some(Spectrum { stable_rank, effective_rank, full_rank, .. }) = spectrum else { continue };
            if !seen.insert(layer) {
                continue; // the second matrix of a layer
            }
            let share = |rank: f64| rank / *full_rank as f64;
            let stable = "Sum of squared singular values by the greatest, as a share of the full rank.";
            self.add_layer("stable_rank", layer, share(*stable_rank), stable)?;
            let effective = "Exponential of the entropy of the singular values, as a share of the full rank.";
            self.add_layer("effective_rank", layer, share(*effective_rank), effective)?;
        }
        Ok(())
    }
}
