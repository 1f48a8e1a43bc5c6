//! Finds the very step where a loss or a gradient stops being finite.

use tch::{Kind, TchError, Tensor};

use crate::{
    callback::{Context, LOSS, Position, Schedule},
    capture::Activations,
    error::Result,
    params::Param,
    stats::{Packed, Slot},
    summary::Step,
    tch_context::TchContext as _,
};

/// Looks at loss and gradients of every step, and says once that the loss has stopped being finite, and once that the
/// gradients have; again only after a step where they were.
#[derive(Debug)]
pub(super) struct Guard {
    schedule: Schedule,
    /// The last loss that was looked at.
    loss: Option<(Step, f64)>,
    /// What was not finite in the last step that was looked at.
    bad: Bad,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bad {
    loss: bool,
    gradient: bool,
}

impl Default for Guard {
    fn default() -> Guard {
        Guard::new(Schedule::batch())
    }
}

impl Guard {
    pub fn new(schedule: Schedule) -> Guard {
        Guard { schedule, loss: None, bad: Bad::default() }
    }

    pub fn is_due(&self, position: &Position) -> bool {
        self.schedule.is_due(position)
    }

    /// The loss of `step`, where it was looked at.
    pub fn loss(&self, step: Step) -> Option<f64> {
        self.loss.filter(|&(at, _)| at == step).map(|(_, loss)| loss)
    }

    /// Looks at loss and gradients, once they are computed: one copy to the host.
    pub fn finds(&mut self, cx: &Context<'_>) -> Result<bool> {
        if !self.is_due(cx.position()) {
            return Ok(false);
        }
        let gradients: Vec<Tensor> = cx.params().iter().filter_map(Param::grad).collect();
        let (loss, sum) = loss_and_sum(cx, &gradients)?;
        self.loss = loss.map(|loss| (cx.step(), loss));
        // A sum shows in one pass that all is well. It can overflow where nothing is wrong, so then all values are asked.
        let bad = Bad {
            loss: loss.is_some_and(|loss| !loss.is_finite()),
            gradient: !sum.is_finite()
                && any_bad(&gradients).context(|| "gradients that are not finite".to_owned())?,
        };
        let before = std::mem::replace(&mut self.bad, bad);
        Ok(bad.loss && !before.loss || bad.gradient && !before.gradient)
    }
}

/// The loss, where it is known, and the sum of the values of all gradients: not finite where one of them is not.
fn loss_and_sum(cx: &Context<'_>, gradients: &[Tensor]) -> Result<(Option<f64>, f64)> {
    let mut packed = Packed::default();
    let mut queue = || -> Result<(Option<Slot>, Vec<Slot>), TchError> {
        let loss = cx.measures().iter().find(|measure| measure.name == LOSS);
        let loss = loss.map(|loss| packed.push(&loss.value)).transpose()?;
        let sums = gradients.iter().map(|gradient| packed.push(&sum(gradient)?));
        Ok((loss, sums.collect::<Result<_, _>>()?))
    };
    let (loss, sums) = tch::no_grad(&mut queue).context(|| "loss and sum of gradients".to_owned())?;
    let fetched = packed.fetch()?;
    Ok((loss.map(|slot| fetched.number(&slot)), fetched.sum(&sums)))
}

fn sum(gradient: &Tensor) -> Result<Tensor, TchError> {
    let kind = if gradient.f_kind()? == Kind::Double { Kind::Double } else { Kind::Float };
    gradient.f_sum(kind)
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
