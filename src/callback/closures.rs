//! Callbacks from closures, for one-liners.

use super::{Callback, Context, Flow, Metrics};
use crate::writer::SummarySink;

struct AfterBackward<F>(F);
struct BatchEnd<F>(F);
struct EpochEnd<F>(F);
struct TrainEnd<F>(F);

impl<F: FnMut(&Context<'_>, &mut dyn SummarySink) -> Flow> Callback for AfterBackward<F> {
    fn on_after_backward(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        (self.0)(cx, out)
    }
}

impl<F: FnMut(&Context<'_>, &mut dyn SummarySink) -> Flow> Callback for BatchEnd<F> {
    fn on_batch_end(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        (self.0)(cx, out)
    }
}

impl<F: FnMut(&Context<'_>, &Metrics, &mut dyn SummarySink) -> Flow> Callback for EpochEnd<F> {
    fn on_epoch_end(&mut self, cx: &Context<'_>, metrics: &Metrics, out: &mut dyn SummarySink) -> Flow {
        (self.0)(cx, metrics, out)
    }
}

impl<F: FnMut(&Context<'_>, &mut dyn SummarySink) -> Flow> Callback for TrainEnd<F> {
    fn on_train_end(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        (self.0)(cx, out)
    }
}

/// A callback that is called once the parameters' gradients are defined.
pub fn on_after_backward(f: impl FnMut(&Context<'_>, &mut dyn SummarySink) -> Flow) -> impl Callback {
    AfterBackward(f)
}

/// A callback that is called after the optimiser's step.
pub fn on_batch_end(f: impl FnMut(&Context<'_>, &mut dyn SummarySink) -> Flow) -> impl Callback {
    BatchEnd(f)
}

/// A callback that is called at the end of each epoch with the means over its training batches.
///
/// ```
/// use convscope::callback::{CONTINUE, CallbackList, on_epoch_end};
///
/// let half_time = on_epoch_end(|cx, _metrics, out| {
///     if cx.position().epoch == 5 {
///         out.add_text("note", "half of the epochs are over", cx.step())?;
///     }
///     CONTINUE
/// });
/// let _list = CallbackList::new().with(half_time);
/// ```
pub fn on_epoch_end(f: impl FnMut(&Context<'_>, &Metrics, &mut dyn SummarySink) -> Flow) -> impl Callback {
    EpochEnd(f)
}

/// A callback that is called when training is over.
pub fn on_train_end(f: impl FnMut(&Context<'_>, &mut dyn SummarySink) -> Flow) -> impl Callback {
    TrainEnd(f)
}
