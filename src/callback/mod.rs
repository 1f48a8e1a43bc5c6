//! Floor 6: what happens beside training, and when. A [`Callback`] is told of every stage of a step; the
//! [`CallbackList`] holds several; a [`Session`](crate::Session) drives them, in an own loop or in the
//! [`Trainer`](crate::Trainer).

mod checkpoint;
mod closures;
mod console;
mod context;
mod early_stopping;
mod interrupter;
mod list;
mod means;
mod metrics;
mod model_card;
mod monitor;
mod needs;
mod preset;
mod progress;
mod schedule;
mod stop;
mod tensorboard;

pub use self::{
    checkpoint::Checkpoint,
    closures::{
        on_after_backward, on_batch_end, on_before_backward, on_epoch_end, on_train_end, on_train_start,
        on_validation_batch, on_validation_end,
    },
    console::Console,
    context::{BatchView, Context, Measure},
    early_stopping::EarlyStopping,
    interrupter::Interrupter,
    list::CallbackList,
    metrics::Metrics,
    model_card::ModelCard,
    monitor::Mode,
    needs::Needs,
    preset::Preset,
    progress::Progress,
    schedule::{Position, Schedule},
    stop::StopReason,
    tensorboard::{ProbeImages, TensorBoard},
};

pub(crate) use self::{
    context::{BatchReport, Forward, LOSS},
    means::Means,
    tensorboard::{TRAIN, VALIDATION},
};

use std::ops::ControlFlow;

use crate::{error::Result, writer::SummarySink};

/// What a callback answers: go on, stop for a reason, or an error.
pub type Flow = Result<ControlFlow<StopReason>>;

/// "Go on."
pub const CONTINUE: Flow = Ok(ControlFlow::Continue(()));

/// Something that watches a training and may stop it. Every method defaults to "go on".
///
/// The order of calls (names as in PyTorch Lightning), for every batch and every epoch:
///
/// | method | when | can read |
/// |---|---|---|
/// | [`on_train_start`](Callback::on_train_start) | once, before the first batch | parameters |
/// | [`needs`](Callback::needs) | before the forward pass of each batch | position |
/// | [`on_before_backward`](Callback::on_before_backward) | loss computed, graph intact | loss, activations and their gradients |
/// | [`on_after_backward`](Callback::on_after_backward) | parameter gradients defined, weights not yet moved (see below) | the same, gradients |
/// | [`on_batch_end`](Callback::on_batch_end) | after the optimiser's step | all of it |
/// | [`on_validation_batch`](Callback::on_validation_batch) | for every batch of validation data that the loop shows | the batch and its logits |
/// | [`on_validation_end`](Callback::on_validation_end) | after a pass over the validation data | its metrics |
/// | [`on_epoch_end`](Callback::on_epoch_end) | after the last batch (and the validation) of an epoch | the last batch, training metrics |
/// | [`on_train_end`](Callback::on_train_end) | once, also after a stop; not after an error | parameters |
///
/// `on_before_backward` is called only where the loop announces that moment (the [`Trainer`](crate::Trainer) does; an
/// own loop with [`Scope::before_backward`](crate::Scope::before_backward)). In a loop that announces nothing
/// `on_after_backward` runs after the optimiser's step, with the same gradients, because tch keeps them until the next
/// `zero_grad`.
///
/// A callback that answers "stop" does not keep the others from hearing of the same event; the first reason counts.
///
/// Diagnostics must do no harm: read parameters and gradients, never write them; use `tch::no_grad`; draw no number
/// from libtorch's generator; run the model only through [`Context::observe`].
pub trait Callback {
    /// What this callback must be given at `position`. The answers of all callbacks are merged, and only what somebody
    /// needs is captured.
    fn needs(&self, position: &Position) -> Needs {
        let _ = position;
        Needs::NONE
    }

    /// Before the first batch.
    ///
    /// # Errors
    /// The callback's own; training does not start then.
    fn on_train_start(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        let _ = (cx, out);
        CONTINUE
    }

    /// The loss is computed and its graph is intact.
    ///
    /// # Errors
    /// The callback's own.
    fn on_before_backward(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        let _ = (cx, out);
        CONTINUE
    }

    /// The parameters' gradients are defined.
    ///
    /// # Errors
    /// The callback's own.
    fn on_after_backward(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        let _ = (cx, out);
        CONTINUE
    }

    /// The optimiser has moved the weights.
    ///
    /// # Errors
    /// The callback's own.
    fn on_batch_end(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        let _ = (cx, out);
        CONTINUE
    }

    /// The model answered a batch of validation data, with `train = false`: called where the loop shows its batches
    /// ([`Session::validation_batch`](crate::Session::validation_batch); the [`Trainer`](crate::Trainer) does).
    ///
    /// # Errors
    /// The callback's own.
    fn on_validation_batch(
        &mut self,
        cx: &Context<'_>,
        batch: &BatchView,
        out: &mut dyn SummarySink,
    ) -> Flow {
        let _ = (cx, batch, out);
        CONTINUE
    }

    /// A pass over the validation data gave `metrics`.
    ///
    /// # Errors
    /// The callback's own.
    fn on_validation_end(&mut self, cx: &Context<'_>, metrics: &Metrics, out: &mut dyn SummarySink) -> Flow {
        let _ = (cx, metrics, out);
        CONTINUE
    }

    /// An epoch ended; `metrics` are the means over its training batches.
    ///
    /// # Errors
    /// The callback's own.
    fn on_epoch_end(&mut self, cx: &Context<'_>, metrics: &Metrics, out: &mut dyn SummarySink) -> Flow {
        let _ = (cx, metrics, out);
        CONTINUE
    }

    /// Training is over, by itself or by a stop.
    ///
    /// # Errors
    /// The callback's own.
    fn on_train_end(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        let _ = (cx, out);
        CONTINUE
    }
}
