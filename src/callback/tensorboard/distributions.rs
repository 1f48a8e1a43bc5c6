//! Histograms of weights, gradients and activations, and the numbers that fall out of the same pass.

use std::collections::BTreeMap;

use super::super::{Context, Schedule};
use crate::{
    capture::{Activation, Role},
    error::Result,
    stats,
    summary::{Histogram, Step, Summary},
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

    pub fn write_weights(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Result<()> {
        for param in &cx.params() {
            let histogram = stats::histogram(param.tensor())?;
            self.write(
                "weights",
                &param.tag(),
                &histogram,
                "Values of the parameter after the optimiser's step.",
                cx,
                out,
            )?;
        }
        Ok(())
    }

    pub fn write_gradients(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Result<()> {
        for param in &cx.params() {
            let Some(gradient) = param.grad() else { continue };
            let histogram = stats::histogram(&gradient)?;
            self.write(
                "gradients",
                &param.tag(),
                &histogram,
                "Gradient of the batch's loss by the parameter.",
                cx,
                out,
            )?;
        }
        Ok(())
    }

    pub fn write_activations(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Result<()> {
        for activation in cx.activations().into_iter().flatten() {
            let histogram = stats::histogram(&activation.tensor)?;
            self.write(
                "activations",
                &activation.name,
                &histogram,
                "Output of the layer for the batch.",
                cx,
                out,
            )?;
            if activation.role == Role::Activation {
                write_sparsity(activation, &histogram, cx.step(), out)?;
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

    fn write(
        &mut self,
        group: &str,
        name: &str,
        histogram: &Histogram,
        description: &str,
        cx: &Context<'_>,
        out: &mut dyn SummarySink,
    ) -> Result<()> {
        let tag = format!("{group}/{name}");
        let non_finite = histogram.nan() + histogram.pos_inf() + histogram.neg_inf();
        out.add(&tag, Summary::histogram(histogram).with_description(description), cx.step())?;
        if non_finite > 0 {
            *self.non_finite.entry(tag).or_default() += non_finite;
        }
        Ok(())
    }
}

fn write_sparsity(
    activation: &Activation,
    histogram: &Histogram,
    step: Step,
    out: &mut dyn SummarySink,
) -> Result<()> {
    let Activation { name, tensor, .. } = activation;
    if let Some(share) = histogram.zero_fraction() {
        let summary = Summary::scalar(share)
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
