//! Floor 6: drives callbacks through a training loop, the user's own or the [`Trainer`](crate::Trainer)'s.
//!
//! Three lines in an own loop: make a [`Session`], begin a step before the forward pass, end it after the optimiser's
//! step. Optimiser and loss code stay as they are.
//!
//! ```
//! use convscope::{MemorySink, Session, callback::TensorBoard};
//! use tch::{Device, Kind, Tensor, nn, nn::{Module as _, OptimizerConfig as _}};
//!
//! let store = nn::VarStore::new(Device::Cpu);
//! let model = nn::linear(store.root() / "fc", 4, 3, Default::default());
//! let mut optimizer = nn::Adam::default().build(&store, 1e-3)?;
//!
//! let mut session = Session::new(&store, TensorBoard::new(), MemorySink::default());
//! for _ in 0..3 {
//!     let scope = session.begin_step()?;
//!     let images = Tensor::ones([2, 4], (Kind::Float, Device::Cpu));
//!     let loss = model.forward(&images).cross_entropy_for_logits(&Tensor::from_slice(&[0i64, 2]));
//!     optimizer.backward_step(&loss);
//!     if scope.end(&loss)?.is_break() {
//!         break; // a callback asked to stop
//!     }
//! }
//! assert_eq!(session.position().step.get(), 3);
//! session.finish()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod clock;
mod overhead;
mod scope;

use std::{cell::Cell, ops::ControlFlow};

use tch::{Tensor, nn};

use crate::{
    callback::{
        BatchReport, BatchView, Callback, Context, Flow, Forward, Means, Metrics, Needs, Position, StopReason,
    },
    capture::Tap,
    error::Result,
    params::{Param, Params},
    summary::Step,
    tch_context::TchContext as _,
    writer::SummarySink,
};

pub use self::scope::Scope;
use self::{
    clock::{Clock, Phase, wait_for},
    overhead::Overhead,
};

/// Callbacks attached to a training loop. See the [module](self) for the three lines that a loop needs.
///
/// End it with [`finish`](Session::finish), which tells the callbacks that training is over and reports errors. What was
/// written before stays, also where a session is dropped.
pub struct Session<'a> {
    var_store: &'a nn::VarStore,
    callbacks: Box<dyn Callback + 'a>,
    sink: Box<dyn SummarySink + 'a>,
    tap: Tap,
    model: Option<Box<Forward<'a>>>,
    learning_rate: Option<f64>,
    /// The rate that a callback asked for, until the loop takes it.
    requested_rate: Cell<Option<f64>>,
    clock: Clock,
    overhead: Overhead,
    position: Position,
    report: BatchReport,
    means: Means,
    /// The first reason to stop, and where training stood.
    stop: Option<(StopReason, Position)>,
    started: bool,
}

impl<'a> Session<'a> {
    /// Attaches `callbacks` (one, or a [`CallbackList`](crate::callback::CallbackList)) to the training of the
    /// parameters in `var_store`; what they find goes to `sink`, usually a [`SummaryWriter`](crate::SummaryWriter).
    pub fn new(
        var_store: &'a nn::VarStore,
        callbacks: impl Callback + 'a,
        sink: impl SummarySink + 'a,
    ) -> Session<'a> {
        Session {
            var_store,
            callbacks: Box::new(callbacks),
            sink: Box::new(sink),
            tap: Tap::new(),
            model: None,
            learning_rate: None,
            requested_rate: Cell::new(None),
            clock: Clock::new(),
            overhead: Overhead::new(),
            position: Position { epoch: 1, ..Position::default() },
            report: BatchReport::default(),
            means: Means::default(),
            stop: None,
            started: false,
        }
    }

    /// The tap of the model's probes ([`Network::tap`](crate::Network::tap), or the one that handed out the
    /// [`Probe`](crate::capture::Probe)s): without it nothing is known of activations.
    #[must_use]
    pub fn tap(mut self, tap: &Tap) -> Session<'a> {
        self.tap = tap.clone();
        self
    }

    /// The model, as a function that runs it on a batch of images **with `train = false`**: needed for feature maps of
    /// fixed probe images and effective receptive fields. It is called on steps where something is due, under `no_grad`
    /// unless a callback takes gradients of its outputs by the images; so let it set neither.
    #[must_use]
    pub fn model(self, forward: impl Fn(&Tensor) -> Tensor + 'a) -> Session<'a> {
        self.f_model(move |images| Ok(forward(images)))
    }

    /// As [`model`](Session::model), for a forward pass that may fail.
    #[must_use]
    pub fn f_model(mut self, forward: impl Fn(&Tensor) -> Result<Tensor> + 'a) -> Session<'a> {
        self.model = Some(Box::new(forward));
        self
    }

    /// Goes on where an earlier training ended: `step` batches were seen and `epochs` epochs are complete. The default
    /// is 0 of both.
    #[must_use]
    pub fn start_after(mut self, step: impl Into<Step>, epochs: u64) -> Session<'a> {
        self.position.step = step.into();
        self.position.epoch = epochs.saturating_add(1);
        self
    }

    /// How many batches an epoch has: what is due at the end of an epoch is then captured in its last batch only, not
    /// in every batch.
    #[must_use]
    pub fn batches_per_epoch(mut self, batches: u64) -> Session<'a> {
        self.position.batches = Some(batches);
        self
    }

    /// Sets the share of the time that diagnostics may take, from 0: what is costly (histograms, pictures, statistics of
    /// layers) is left out when it comes due while they have taken more, so that its points become rarer in a long
    /// training. 10 s are free, so that a short one shows everything. The default is 0.05; infinity is no limit. A number
    /// below 0, or none, is an error of the first step.
    ///
    /// The scalar `train/overhead_fraction` shows what they take, at the end of every epoch, and every 100 steps where the
    /// loop does not say how long an epoch is; the text `overhead` says when something had to wait.
    #[must_use]
    pub fn max_overhead(mut self, share: f64) -> Session<'a> {
        self.overhead.most = share;
        self
    }

    /// The learning rate that a callback has asked for since the last call ([`Context::set_learning_rate`]): set the
    /// optimiser's to it. The [`Trainer`](crate::Trainer) does so.
    ///
    /// ```
    /// use convscope::{MemorySink, Session, callback::{CONTINUE, on_batch_end}};
    /// use tch::{Device, Tensor, nn};
    ///
    /// let store = nn::VarStore::new(Device::Cpu);
    /// let careful = on_batch_end(|cx, _| {
    ///     cx.set_learning_rate(1e-4)?;
    ///     CONTINUE
    /// });
    /// let mut session = Session::new(&store, careful, MemorySink::default());
    /// session.begin_step()?.end(&Tensor::from(0.5))?;
    /// assert_eq!(session.requested_learning_rate(), Some(1e-4));
    /// assert_eq!(session.requested_learning_rate(), None);
    /// # Ok::<(), convscope::Error>(())
    /// ```
    pub fn requested_learning_rate(&mut self) -> Option<f64> {
        let rate = self.requested_rate.take();
        self.learning_rate = rate.or(self.learning_rate);
        rate
    }

    /// Says what the learning rate is from now on, because tch's optimisers do not tell it.
    pub fn set_learning_rate(&mut self, learning_rate: f64) {
        self.learning_rate = Some(learning_rate);
    }

    /// Where training stands: the batch that is running or ran last.
    pub fn position(&self) -> &Position {
        &self.position
    }

    /// Why training shall stop, once a callback has asked for it.
    pub fn stop_reason(&self) -> Option<&StopReason> {
        self.stop.as_ref().map(|(reason, _)| reason)
    }

    /// Begins a step; call it before the forward pass. Captures activations if a callback needs them in this step.
    ///
    /// # Errors
    /// Those of the callbacks' `on_train_start`, before the first step; a [`max_overhead`](Session::max_overhead) that is no
    /// share.
    pub fn begin_step(&mut self) -> Result<Scope<'_, 'a>> {
        self.start()?;
        self.clock.enter(Phase::Diagnostics);
        self.position.step = Step::new(self.position.step.get() + 1);
        self.position.batch += 1;
        self.report = BatchReport::default(); // frees what the last batch left before this one allocates
        self.position.over_budget =
            self.overhead.begin_step(&self.clock.spent(), &self.position, self.sink.as_mut())?;
        let needs = self.callbacks.needs(&self.position);
        if needs.contains(Needs::PARAMETERS_BEFORE) {
            self.report.params_before = Some(copies(&Params::trainable(self.var_store))?);
        }
        let capture = needs.contains(Needs::ACTIVATIONS).then(|| self.tap.capture());
        self.clock.enter(Phase::Training);
        Ok(Scope::new(self, needs, capture))
    }

    /// Shows callbacks a batch of validation data and what the model answered, with `train = false`: for confusion
    /// matrices and whatever needs single predictions. Optional; call it before
    /// [`end_validation`](Session::end_validation), once for every batch. The answer is that of all callbacks so far.
    ///
    /// # Errors
    /// Shapes as those of [`Scope::batch`]; those of the callbacks.
    pub fn validation_batch(&mut self, images: &Tensor, labels: &Tensor, logits: &Tensor) -> Flow {
        self.start()?;
        self.clock.leave();
        let batch = BatchView::new(images, labels, logits)?;
        self.wait()?;
        self.tell(|callbacks, cx, out| callbacks.on_validation_batch(cx, &batch, out))?;
        self.flow()
    }

    /// Tells the callbacks what a pass over the validation data gave.
    ///
    /// # Errors
    /// Those of the callbacks.
    pub fn end_validation(&mut self, metrics: &Metrics) -> Flow {
        self.start()?;
        self.clock.leave();
        self.tell(|callbacks, cx, out| callbacks.on_validation_end(cx, metrics, out))?;
        self.flow()
    }

    /// Ends an epoch. Without such calls all steps belong to epoch 1.
    ///
    /// # Errors
    /// Those of the callbacks.
    pub fn end_epoch(&mut self) -> Flow {
        self.start()?;
        self.clock.leave();
        let metrics = self.means.take()?;
        let told = self.tell(|callbacks, cx, out| callbacks.on_epoch_end(cx, &metrics, out));
        self.overhead.write(&self.clock.spent(), self.position.step, self.sink.as_mut())?;
        self.position.epoch += 1;
        self.position.batch = 0;
        told?;
        self.flow()
    }

    /// Means over the training batches of the running epoch so far, by name: `loss` and what
    /// [`Scope::measure`] added. Begins anew at every [`end_epoch`](Session::end_epoch).
    ///
    /// # Errors
    /// A value that cannot be fetched from its device.
    pub fn epoch_metrics(&mut self) -> Result<Metrics> {
        self.means.peek()
    }

    /// Ends the training: tells the callbacks, logs why it stopped early, if it did, and waits until everything is
    /// written.
    ///
    /// # Errors
    /// Those of the callbacks, and the first value that could not be written.
    pub fn finish(mut self) -> Result<Option<StopReason>> {
        self.start()?;
        self.clock.leave();
        let told = self.tell(|callbacks, cx, out| callbacks.on_train_end(cx, out));
        self.overhead.finish(&self.clock.spent(), self.position.step, self.sink.as_mut())?;
        if let Some((reason, Position { step, epoch, .. })) = &self.stop {
            self.sink.add_text(
                "stop_reason",
                &format!("Stopped in epoch {epoch}, step {step}: {reason}"),
                *step,
            )?;
        }
        self.sink.flush()?;
        told?;
        Ok(self.stop.take().map(|(reason, _)| reason))
    }

    fn start(&mut self) -> Result<()> {
        if !self.started {
            self.overhead.check()?;
            self.started = true;
            self.tell(|callbacks, cx, out| callbacks.on_train_start(cx, out))?;
        }
        Ok(())
    }

    /// Waits for the device, on the time of the running phase.
    fn wait(&self) -> Result<()> {
        wait_for(self.var_store.device())
    }

    /// Calls the callbacks, on their time, and remembers the first reason to stop.
    fn tell(
        &mut self,
        call: impl FnOnce(&mut (dyn Callback + 'a), &Context<'_>, &mut dyn SummarySink) -> Flow,
    ) -> Result<()> {
        let phase = self.clock.enter(Phase::Diagnostics);
        let cx = Context {
            position: self.position,
            var_store: self.var_store,
            report: &self.report,
            learning_rate: self.learning_rate,
            tap: &self.tap,
            model: self.model.as_deref(),
            timing: self.clock.totals(),
            requested: &self.requested_rate,
        };
        let told = call(self.callbacks.as_mut(), &cx, self.sink.as_mut());
        self.clock.enter(phase);
        if let ControlFlow::Break(reason) = told? {
            self.stop.get_or_insert((reason, self.position));
        }
        Ok(())
    }

    fn flow(&self) -> Flow {
        Ok(self.stop_reason().cloned().map_or(ControlFlow::Continue(()), ControlFlow::Break))
    }
}

fn copies(params: &Params) -> Result<Vec<(String, Tensor)>> {
    let copy = |param: &Param| -> Result<(String, Tensor)> {
        let copy = param.tensor().f_detach_copy();
        Ok((param.name().to_owned(), copy.context(|| format!("copying parameter `{}`", param.name()))?))
    };
    tch::no_grad(|| params.iter().map(copy).collect())
}
