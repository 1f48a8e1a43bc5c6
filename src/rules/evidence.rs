//! Numbers that tell that a training is healthy.

use std::collections::VecDeque;

use super::{LayerObservation, Observation, ParamObservation, ParamRole, TensorStats, median::median, words};
use crate::{render::number, summary::Step};

/// So many steps at both ends of the training have their mean loss told.
const ENDS: usize = 10;

/// Numbers that tell that a training is healthy, each in a sentence: how far the loss fell, how well the network does on
/// validation images, whether gradients reach every layer, how large the steps are, whether units are silent. Of a
/// training that is not, they are as true, but beside the point.
///
/// ```
/// use convscope::rules::{Evidence, Observation};
///
/// let mut evidence = Evidence::default();
/// for step in 1..=40 {
///     let loss = if step <= 20 { 2.0 } else { 0.5 };
///     evidence.add(&Observation { losses: vec![(step.into(), loss)], ..Observation::default() });
/// }
/// assert_eq!(
///     evidence.reasons(),
///     ["The loss fell from 2 to 0.5 (means of the first and the last 10 of 40 steps)."]
/// );
/// ```
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    steps: u64,
    first: Vec<f64>,
    last: VecDeque<f64>,
    validation: Option<String>,
    gradients: Option<String>,
    updates: Option<String>,
    units: Option<String>,
}

impl Evidence {
    /// Takes from an observation what was measured: what it holds counts instead of what was there before.
    pub fn add(&mut self, observation: &Observation) {
        for &(_, loss) in &observation.losses {
            self.steps += 1;
            if self.first.len() < ENDS {
                self.first.push(loss);
            }
            if self.last.len() == ENDS {
                self.last.pop_front();
            }
            self.last.push_back(loss);
        }
        let weights: Vec<&ParamObservation> = observation
            .params
            .iter()
            .filter(|param| param.trainable && param.role == ParamRole::Weight)
            .collect();
        let replace = |known: &mut Option<String>, new: Option<String>| *known = new.or(known.take());
        replace(&mut self.validation, validation(observation));
        if !weights.is_empty() {
            // A layer that is reached no longer takes back what was said.
            self.gradients = gradients(&weights, observation.step);
            replace(&mut self.updates, updates(&weights));
        }
        replace(&mut self.units, units(&observation.layers));
    }

    /// A sentence for each of what was measured: five at most.
    pub fn reasons(&self) -> Vec<String> {
        let told = [&self.validation, &self.gradients, &self.updates, &self.units];
        self.loss().into_iter().chain(told.into_iter().flatten().cloned()).collect()
    }

    fn loss(&self) -> Option<String> {
        let count = self.first.len().min(self.steps as usize / 2);
        let last: Vec<f64> = self.last.iter().rev().take(count).copied().collect();
        let [first, last] =
            [&self.first[..count], &last].map(|losses| losses.iter().sum::<f64>() / count as f64);
        let ends = match count {
            0 => return None,
            1 => format!("the first and the last of {} steps", self.steps),
            _ => format!("means of the first and the last {count} of {} steps", self.steps),
        };
        let fell = if last < first { "fell" } else { "went" };
        let is_known = first.is_finite() && last.is_finite();
        is_known.then(|| format!("The loss {fell} from {} to {} ({ends}).", number(first), number(last)))
    }
}

fn validation(observation: &Observation) -> Option<String> {
    let score = observation.validation?;
    let step = observation.step;
    let loss = score.loss.map(|loss| format!("loss {}", number(loss)));
    match (score.accuracy.map(words::percent), loss) {
        (Some(right), Some(loss)) => {
            Some(format!("Of the validation images {right} were answered right at step {step} ({loss})."))
        }
        (Some(right), None) => {
            Some(format!("Of the validation images {right} were answered right at step {step}."))
        }
        (None, loss) => {
            loss.map(|loss| format!("On the validation images there was a {loss} at step {step}."))
        }
    }
}

fn gradients(weights: &[&ParamObservation], step: Step) -> Option<String> {
    let rms = |param: &&ParamObservation| {
        let rms = param.gradient.as_ref().map(TensorStats::rms).filter(|rms| *rms > 0.0)?;
        Some((rms, param.layer.clone()))
    };
    let mut reached: Vec<(f64, String)> = weights.iter().filter_map(rms).collect();
    if reached.len() < weights.len() {
        return None;
    }
    reached.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (smallest, layer) = reached.into_iter().next()?;
    let (layers, smallest) = (words::count(weights.len(), "layer"), number(smallest));
    Some(format!(
        "Gradients reach all of {layers}: the smallest RMS was {smallest} at step {step} (`{layer}`)."
    ))
}

fn updates(weights: &[&ParamObservation]) -> Option<String> {
    let ratios: Vec<f64> = weights.iter().filter_map(|param| param.update_ratio).collect();
    let layers = words::count(ratios.len(), "layer");
    let ratio = median(ratios).filter(|ratio| ratio.is_finite())?;
    Some(format!("A step changes the weights by {} of their size (median of {layers}).", number(ratio)))
}

fn units(layers: &[LayerObservation]) -> Option<String> {
    let windows = || layers.iter().filter_map(|layer| layer.units.as_ref());
    let images = windows().map(|window| window.samples).max()?;
    let all = windows().fold(0u64, |sum, window| sum.saturating_add(window.units));
    let silent: usize = windows().map(|window| window.silent.len()).sum();
    let silent = if silent == 0 { "none".to_owned() } else { silent.to_string() };
    Some(format!("Of {all} units {silent} stayed silent for the last {images} images."))
}
