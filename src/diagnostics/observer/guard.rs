//! Finds the very step where a loss or a gradient stops being finite.

use tch::{Kind, TchError, Tensor};

use crate::{
    callback::{Context, Schedule},
    capture::Activations,
    error::Result,
    params::Param,
    summary::Step,
    tch_context::TchContext as _,
};

/// Looks at loss and gradients of every step, and says once that they have stopped being finite; again only after a step
/// where they were.
#[derive(Debug)]
pub(super) struct Guard {
    schedule: Schedule,
    /// The last loss that was looked at.
    loss: Option<(Step, f64)>,
    /// Whether the last step that was looked at was not finite.
    broken: bool,
}

impl Default for Guard {
    fn default() -> Guard {
        Guard::new(Schedule::batch())
    }
}

impl Guard {
    pub fn new(schedule: Schedule) -> Guard {
        Guard { schedule, loss: None, broken: false }
    }

    /// The loss of `step`, where it was looked at.
    pub fn loss(&self, step: Step) -> Option<f64> {
        self.loss.filter(|&(at, _)| at == step).map(|(_, loss)| loss)
    }

    /// Looks at the loss, once in a step.
    pub fn finds_bad_loss(&mut self, cx: &Context<'_>) -> Result<bool> {
        if !self.schedule.is_due(cx.position()) || self.loss(cx.step()).is_some() {
            return Ok(false);
        }
        let Some(loss) = cx.loss()? else { return Ok(false) };
        self.loss = Some((cx.step(), loss));
        let before = std::mem::replace(&mut self.broken, !loss.is_finite());
        Ok(self.broken && !before)
    }

    /// Looks at the gradients of a step whose loss is finite.
    pub fn finds_bad_gradient(&mut self, cx: &Context<'_>) -> Result<bool> {
        if !self.schedule.is_due(cx.position()) || self.broken {
            return Ok(false);
        }
        let gradients: Vec<Tensor> = cx.params().iter().filter_map(Param::grad).collect();
        // A sum shows in one pass that all is well. It can overflow where nothing is wrong, so then all values are asked.
        self.broken = !sum(&gradients).context(|| "sum of gradients".to_owned())?.is_finite()
            && any_bad(&gradients).context(|| "gradients that are not finite".to_owned())?;
        Ok(self.broken)
    }
}

/// The sum of all values, not finite where one of them is not.
fn sum(gradients: &[Tensor]) -> Result<f64, TchError> {
    tch::no_grad(|| {
        let mut sums = Vec::with_capacity(gradients.len());
        for gradient in gradients {
            let kind = if gradient.f_kind()? == Kind::Double { Kind::Double } else { Kind::Float };
            sums.push(gradient.f_sum(kind)?);
        }
        Ok(crate::stats::all_to_host(&sums)?.into_iter().sum())
    })
}

fn any_bad(gradients: &[Tensor]) -> Result<bool, TchError> {
    tch::no_grad(|| {
        for gradient in gradients {
            if gradient.f_isfinite()?.f_logical_not()?.f_any()?.f_int64_value(&[])? != 0 {
                return Ok(true);
            }
        }
        Ok(false)
    })
}

/// The layers' outputs for the batch, by running the model once more with `train = false`. `None` where the loop shows no
/// batch or gave no model.
pub(super) fn replay(cx: &Context<'_>) -> Option<Activations> {
    let images = &cx.batch()?.images;
    cx.observe(images).unwrap_or_else(|error| {
        // The training has a greater trouble: say what is known of it without the layers.
        tracing::warn!("the batch of step {} cannot be run again: {error}", cx.step());
        None
    })
}
