//! Histograms of weights, gradients and activations, and the numbers that fall out of the same pass.

use std::collections::BTreeMap;

use tch::Tensor;

use super::{
    super::{Context, Schedule},
    Chosen,
};
use crate::{
    capture::Activation,
    error::Result,
    stats,
    summary::{Histogram, Step, Summary, layer_tag},
    writer::SummarySink,
};

/// What is written at every `histogram_freq`.
#[derive(Debug)]
pub(super) struct Distributions {
    pub schedule: Schedule,
    /// Number of values that are not finite, by the tag of their tensor: since the last point, and 0 for tags that had
    /// some before.
    non_finite: BTreeMap<String, u64>,
}

impl Distributions {
    pub fn new(schedule: Schedule) -> Distributions {
        Distributions { schedule, non_finite: BTreeMap::new() }
    }

    pub fn write_weights(
        &mut self,
        chosen: &Chosen,
        cx: &Context<'_>,
        out: &mut dyn SummarySink,
    ) -> Result<()> {
        for param in chosen.tagged(&chosen.params(cx), cx) {
            self.write(&format!("weights/{}", param.tag()), param.tensor(), WEIGHTS, cx.step(), out)?;
        }
        Ok(())
    }

    pub fn write_gradients(
        &mut self,
        chosen: &Chosen,
        cx: &Context<'_>,
        out: &mut dyn SummarySink,
    ) -> Result<()> {
        let (params, step) = (chosen.params(cx), cx.step());
        for param in chosen.tagged(&params, cx) {
            if let Some(gradient) = param.grad() {
                self.write(&format!("gradients/{}", param.tag()), &gradient, GRADIENTS, step, out)?;
            }
        }
        let without = params.without_gradient().len() as f64;
        out.add("health/without_gradient", Summary::scalar(without).with_description(WITHOUT_GRADIENT), step)
    }

    pub fn write_activations(
        &mut self,
        chosen: &Chosen,
        cx: &Context<'_>,
        out: &mut dyn SummarySink,
    ) -> Result<()> {
        for activation in chosen.activations(cx.activations().into_iter().flatten(), |_| true) {
            let Activation { name, role, tensor } = activation;
            let name = layer_tag(name);
            let histogram =
                self.write(&format!("activations/{name}"), tensor, ACTIVATIONS, cx.step(), out)?;
            if role.is_silent_at_zero() {
                write_sparsity(&name, tensor, &histogram, cx.step(), out)?;
            }
        }
        Ok(())
    }

    /// Writes how many values were not finite in what was written since the last call.
    pub fn write_health(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Result<()> {
        let total: u64 = self.non_finite.values().sum();
        let summary = Summary::scalar(total as f64).with_description(
            "NaN and infinite values among weights, gradients and activations. Should be 0.",
        );
        out.add("health/non_finite", summary, cx.step())?;
        for (tag, count) in &mut self.non_finite {
            out.add_scalar(&format!("health/non_finite/{tag}"), *count as f64, cx.step())?;
            *count = 0;
        }
        Ok(())
    }

    /// Writes the histogram of a tensor, and counts what is not finite.
    fn write(
        &mut self,
        tag: &str,
        tensor: &Tensor,
        description: &str,
        step: Step,
        out: &mut dyn SummarySink,
    ) -> Result<Histogram> {
        let histogram = stats::histogram(tensor)?;
        out.add(tag, Summary::histogram(&histogram).with_description(description), step)?;
        let non_finite = histogram.nan() + histogram.pos_inf() + histogram.neg_inf();
        if non_finite > 0 {
            *self.non_finite.entry(tag.to_owned()).or_default() += non_finite;
        }
        Ok(histogram)
    }
}

const WEIGHTS: &str = "Values of the parameter after the optimiser's step.";
const GRADIENTS: &str = "Gradient of the batch's loss by the parameter.";
const ACTIVATIONS: &str = "Outputs of the layer for the batch.";
const WITHOUT_GRADIENT: &str = "Trainable parameters that the loss does not depend on. Should be 0.";

fn write_sparsity(
    name: &str,
    tensor: &Tensor,
    histogram: &Histogram,
    step: Step,
    out: &mut dyn SummarySink,
) -> Result<()> {
    if !histogram.is_empty() {
        let summary = Summary::scalar(histogram.zeros() as f64 / histogram.len() as f64)
            .with_description("Share of the layer's outputs that are exactly 0, from 0 to 1.");
        out.add(&format!("sparsity/{name}"), summary, step)?;
    }
    if tensor.dim() >= 2 {
        let channels = Histogram::from_f64(&stats::channel_zero_fractions(tensor)?);
        let summary = Summary::histogram(&channels).with_description(
            "Over the channels: share of outputs that are exactly 0. 1 is a silent channel.",
        );
        out.add(&format!("channel_sparsity/{name}"), summary, step)?;
    }
    Ok(())
}
