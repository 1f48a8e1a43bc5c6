//! Several callbacks as one.

use std::ops::ControlFlow;

use super::{BatchView, Callback, Context, Flow, Metrics, Needs, Position};
use crate::writer::SummarySink;

/// Callbacks that are called in the order in which they were added; itself a callback.
///
/// Every callback hears of every event, also after one of them asked to stop (the first reason counts). An error ends
/// the round: those behind it do not hear of that event.
#[derive(Default)]
pub struct CallbackList<'a>(Vec<Box<dyn Callback + 'a>>);

impl<'a> CallbackList<'a> {
    /// An empty list.
    pub fn new() -> CallbackList<'a> {
        CallbackList::default()
    }

    /// Adds a callback behind the others.
    #[must_use]
    pub fn with(mut self, callback: impl Callback + 'a) -> CallbackList<'a> {
        self.push(callback);
        self
    }

    /// Adds a callback behind the others.
    pub fn push(&mut self, callback: impl Callback + 'a) {
        self.0.push(Box::new(callback));
    }

    fn round(&mut self, mut call: impl FnMut(&mut (dyn Callback + 'a)) -> Flow) -> Flow {
        let mut first = ControlFlow::Continue(());
        for callback in &mut self.0 {
            let answer = call(callback.as_mut())?;
            if first.is_continue() {
                first = answer;
            }
        }
        Ok(first)
    }
}

impl Callback for CallbackList<'_> {
    fn needs(&self, position: &Position) -> Needs {
        self.0.iter().fold(Needs::NONE, |needs, callback| needs | callback.needs(position))
    }

    fn on_train_start(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        self.round(|callback| callback.on_train_start(cx, out))
    }

    fn on_before_backward(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        self.round(|callback| callback.on_before_backward(cx, out))
    }

    fn on_after_backward(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        self.round(|callback| callback.on_after_backward(cx, out))
    }

    fn on_batch_end(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        self.round(|callback| callback.on_batch_end(cx, out))
    }

    fn on_validation_batch(
        &mut self,
        cx: &Context<'_>,
        batch: &BatchView,
        out: &mut dyn SummarySink,
    ) -> Flow {
        self.round(|callback| callback.on_validation_batch(cx, batch, out))
    }

    fn on_validation_end(&mut self, cx: &Context<'_>, metrics: &Metrics, out: &mut dyn SummarySink) -> Flow {
        self.round(|callback| callback.on_validation_end(cx, metrics, out))
    }

    fn on_epoch_end(&mut self, cx: &Context<'_>, metrics: &Metrics, out: &mut dyn SummarySink) -> Flow {
        self.round(|callback| callback.on_epoch_end(cx, metrics, out))
    }

    fn on_train_end(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        self.round(|callback| callback.on_train_end(cx, out))
    }
}
