//! Curves.

use std::time::{Duration, Instant};

use tch::Tensor;

use super::{
    super::{Context, Means, Metrics, Schedule},
    Chosen,
};
use crate::{
    error::Result,
    params::Param,
    stats::{self, Norm},
    summary::{Step, Summary},
    writer::SummarySink,
};

/// Loss, measures, norms, learning rate and throughput of the training.
#[derive(Debug)]
pub(super) struct Scalars {
    pub schedule: Schedule,
    /// Since the last point.
    means: Means,
    batches: u64,
    /// Images since the last point; `None` where a batch did not say how many it held.
    images: Option<u64>,
    busy: Duration,
    /// End of the last batch, or begin of the epoch.
    since: Option<Instant>,
}

impl Scalars {
    pub fn new(schedule: Schedule) -> Scalars {
        Scalars {
            schedule,
            means: Means::default(),
            batches: 0,
            images: Some(0),
            busy: Duration::ZERO,
            since: None,
        }
    }

    /// Begins to count time: what lies between two epochs (validation, checkpoints) is not throughput.
    pub fn start_clock(&mut self) {
        self.since = Some(Instant::now());
    }

    pub fn add(&mut self, cx: &Context<'_>) -> Result<()> {
        self.means.add(cx.report)?;
        self.batches += 1;
        self.images = self.images.zip(cx.images()).map(|(sum, images)| sum + images);
        let now = Instant::now();
        self.busy += self.since.map_or(Duration::ZERO, |since| now - since);
        self.since = Some(now);
        Ok(())
    }

    /// Whether a batch was added since the last point.
    pub fn is_pending(&self) -> bool {
        !self.means.is_empty()
    }

    pub fn write(&mut self, chosen: &Chosen, cx: &Context<'_>, out: &mut dyn SummarySink) -> Result<()> {
        let step = cx.step();
        for (name, value) in self.means.take()?.iter() {
            out.add(name, Summary::scalar(value).with_description(TRAINING_MEAN), step)?;
        }
        if let Some(learning_rate) = cx.learning_rate() {
            let summary = Summary::scalar(learning_rate).with_description("As the training loop said it.");
            out.add("learning_rate", summary, step)?;
        }
        let params = chosen.params(cx);
        let weights = params.iter().map(|param| (param, param.tensor().shallow_clone()));
        write_norms("norm/weights", weights, &chosen.tagged(&params, cx), step, out)?;
        self.write_throughput(cx, out)
    }

    pub fn write_gradient_norms(
        &self,
        chosen: &Chosen,
        cx: &Context<'_>,
        out: &mut dyn SummarySink,
    ) -> Result<()> {
        let params = chosen.params(cx);
        let gradients = params.iter().filter_map(|param| Some((param, param.grad()?)));
        write_norms("norm/gradients", gradients, &chosen.tagged(&params, cx), cx.step(), out)
    }

    fn write_throughput(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Result<()> {
        let secs = self.busy.as_secs_f64();
        if secs > 0.0 {
            let batches = self.batches as f64 / secs;
            let summary = Summary::scalar(batches)
                .with_description("Batches trained per second, data loading included.");
            out.add("throughput/batches_per_second", summary, cx.step())?;
            if let Some(images) = self.images {
                let summary = Summary::scalar(images as f64 / secs)
                    .with_description("Images trained per second, data loading included.");
                out.add("throughput/images_per_second", summary, cx.step())?;
            }
        }
        (self.batches, self.images, self.busy) = (0, Some(0), Duration::ZERO);
        Ok(())
    }
}

/// The L2 norm of all tensors together, and of each that has a tag of its own.
fn write_norms<'p>(
    group: &str,
    tensors: impl Iterator<Item = (&'p Param, Tensor)>,
    tagged: &[&Param],
    step: Step,
    out: &mut dyn SummarySink,
) -> Result<()> {
    let (params, tensors): (Vec<&Param>, Vec<Tensor>) = tensors.unzip();
    let norms = stats::norms(&tensors, Norm::L2)?;
    let total = stats::total_norm(&norms, Norm::L2);
    out.add(group, Summary::scalar(total).with_description("L2 norm of all of them as one vector."), step)?;
    let is_tagged = |param: &Param| tagged.iter().any(|tagged| tagged.name() == param.name());
    for (param, norm) in params.iter().zip(norms).filter(|(param, _)| is_tagged(param)) {
        out.add(
            &format!("{group}/{}", param.tag()),
            Summary::scalar(norm).with_description("L2 norm."),
            step,
        )?;
    }
    Ok(())
}

const TRAINING_MEAN: &str =
    "Mean over the training batches since the last point, each weighted by its images.";

pub(super) fn write_validation(cx: &Context<'_>, metrics: &Metrics, out: &mut dyn SummarySink) -> Result<()> {
    for (name, value) in metrics.iter() {
        out.add(
            name,
            Summary::scalar(value).with_description("Mean over the validation images."),
            cx.step(),
        )?;
    }
    Ok(())
}
