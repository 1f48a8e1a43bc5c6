//! The loss of every step.

use tch::Tensor;

use crate::{
    callback::{Context, LOSS},
    error::Result,
    stats::all_to_host,
    summary::Step,
    tch_context::TchContext as _,
};

/// How many losses wait before they are fetched together and handed on.
const FETCH: usize = 256;

/// The losses since the last observation. Those that nobody had to know stay on their device until then.
#[derive(Debug, Default)]
pub(super) struct Losses {
    known: Vec<(Step, f64)>,
    waiting: Vec<(Step, Tensor)>,
}

impl Losses {
    /// Keeps the loss of this step, of which the value may be known.
    pub fn keep(&mut self, cx: &Context<'_>, value: Option<f64>) -> Result<()> {
        if let Some(value) = value {
            self.fetch()?; // those before it come first
            self.known.push((cx.step(), value));
        } else if let Some(loss) = cx.measures().iter().find(|measure| measure.name == LOSS) {
            self.waiting.push((cx.step(), loss.value.shallow_clone()));
        }
        Ok(())
    }

    /// Whether there are so many that they are handed on without an observation: a training that is never observed must
    /// not keep them all.
    pub fn are_many(&self) -> bool {
        self.known.len() + self.waiting.len() >= FETCH
    }

    /// All of them, oldest first.
    pub fn take(&mut self) -> Result<Vec<(Step, f64)>> {
        self.fetch()?;
        Ok(std::mem::take(&mut self.known))
    }

    fn fetch(&mut self) -> Result<()> {
        let (steps, losses): (Vec<Step>, Vec<Tensor>) = self.waiting.drain(..).unzip();
        let losses =
            all_to_host(&losses).context(|| "losses of the last batches: copy to the host".to_owned())?;
        self.known.extend(steps.into_iter().zip(losses));
        Ok(())
    }
}
