//! Callbacks from closures, for one-liners.

use super::{BatchView, Callback, Context, Flow, Metrics};
use crate::writer::SummarySink;

/// A function that makes a callback of one event from a closure, and the type of that callback.
macro_rules! from_closure {
    ($(#[$doc:meta])* $event:ident: $callback:ident($($given:ident)?)) => {
        struct $callback<F>(F);

        impl<F> Callback for $callback<F>
        where
            F: FnMut(&Context<'_>, $(&$given,)? &mut dyn SummarySink) -> Flow,
        {
            from_closure!(@method $event $($given)?);
        }

        $(#[$doc])*
        pub fn $event(f: impl FnMut(&Context<'_>, $(&$given,)? &mut dyn SummarySink) -> Flow) -> impl Callback {
            $callback(f)
        }
    };
    (@method $event:ident) => {
        fn $event(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
            (self.0)(cx, out)
        }
    };
    (@method $event:ident $given:ident) => {
        fn $event(&mut self, cx: &Context<'_>, given: &$given, out: &mut dyn SummarySink) -> Flow {
            (self.0)(cx, given, out)
        }
    };
}

from_closure! {
    /// A callback that is called once, before the first batch.
    on_train_start: TrainStart()
}
from_closure! {
    /// A callback that is called when the loss is computed and its graph is intact.
    on_before_backward: BeforeBackward()
}
from_closure! {
    /// A callback that is called once the parameters' gradients are defined.
    on_after_backward: AfterBackward()
}
from_closure! {
    /// A callback that is called after the optimiser's step.
    on_batch_end: BatchEnd()
}
from_closure! {
    /// A callback that is called for every batch of validation data that the loop shows, with what the model answered.
    on_validation_batch: ValidationBatch(BatchView)
}
from_closure! {
    /// A callback that is called after each pass over the validation data, with its metrics.
    on_validation_end: ValidationEnd(Metrics)
}
from_closure! {
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
    on_epoch_end: EpochEnd(Metrics)
}
from_closure! {
    /// A callback that is called when training is over.
    on_train_end: TrainEnd()
}
