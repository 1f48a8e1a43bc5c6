//! Stopping from outside, as by Ctrl-C.

use std::{
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{CONTINUE, Callback, Context, Flow, Metrics, StopReason};
use crate::writer::SummarySink;

/// A switch that stops the training after the step, or the validation pass, that is running. Clones share the switch: keep one for a signal
/// handler or another thread, and add one to the callbacks.
///
/// ```
/// use convscope::Interrupter;
///
/// let interrupter = Interrupter::new();
/// let handler = interrupter.clone();
/// std::thread::spawn(move || handler.interrupt()).join().unwrap();
/// assert!(interrupter.is_interrupted());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Interrupter(Arc<AtomicBool>);

impl Interrupter {
    /// A switch that is off.
    pub fn new() -> Interrupter {
        Interrupter::default()
    }

    /// Turns the switch on. Never blocks: may be called in a signal handler.
    pub fn interrupt(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the switch is on.
    pub fn is_interrupted(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Interrupter {
    fn flow(&self) -> Flow {
        if self.is_interrupted() { Ok(ControlFlow::Break(StopReason::Interrupted)) } else { CONTINUE }
    }
}

impl Callback for Interrupter {
    fn on_batch_end(&mut self, _: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
        self.flow()
    }

    fn on_validation_end(&mut self, _: &Context<'_>, _: &Metrics, _: &mut dyn SummarySink) -> Flow {
        self.flow()
    }

    fn on_epoch_end(&mut self, _: &Context<'_>, _: &Metrics, _: &mut dyn SummarySink) -> Flow {
        self.flow()
    }
}
