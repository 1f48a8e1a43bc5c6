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

use std::ops::ControlFlow;

use tch::{Tensor, nn};

use crate::{
    callback::{
        BatchReport, Callback, Context, Flow, Forward, LOSS, Means, Measure, Metrics, Needs, Position,
        StopReason,
    },
    capture::{Capture, Tap},
    error::{Error, Result},
    summary::Step,
    tch_context::TchContext as _,
    writer::SummarySink,
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
    /// Those of the callbacks' `on_train_start`, before the first step.
    pub fn begin_step(&mut self) -> Result<Scope<'_, 'a>> {
        self.start()?;
        self.position.step = Step::new(self.position.step.get() + 1);
        self.position.batch += 1;
        self.report = BatchReport::default(); // frees what the last batch left before this one allocates
        let needs = self.callbacks.needs(&self.position);
        let capture = needs.contains(Needs::ACTIVATIONS).then(|| self.tap.capture());
        Ok(Scope { session: self, needs, capture, gradients_seen: false })
    }

    /// Tells the callbacks what a pass over the validation data gave.
    ///
    /// # Errors
    /// Those of the callbacks.
    pub fn end_validation(&mut self, metrics: &Metrics) -> Flow {
        self.start()?;
        self.tell(|callbacks, cx, out| callbacks.on_validation_end(cx, metrics, out))?;
        self.flow()
    }

    /// Ends an epoch. Without such calls all steps belong to epoch 1.
    ///
    /// # Errors
    /// Those of the callbacks.
    pub fn end_epoch(&mut self) -> Flow {
        self.start()?;
        let metrics = self.means.take()?;
        let told = self.tell(|callbacks, cx, out| callbacks.on_epoch_end(cx, &metrics, out));
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
        let told = self.tell(|callbacks, cx, out| callbacks.on_train_end(cx, out));
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
            self.started = true;
            self.tell(|callbacks, cx, out| callbacks.on_train_start(cx, out))?;
        }
        Ok(())
    }

    /// Calls the callbacks and remembers the first reason to stop.
    fn tell(
        &mut self,
        call: impl FnOnce(&mut (dyn Callback + 'a), &Context<'_>, &mut dyn SummarySink) -> Flow,
    ) -> Result<()> {
        let cx = Context {
            position: self.position,
            var_store: self.var_store,
            report: &self.report,
            learning_rate: self.learning_rate,
            tap: &self.tap,
            model: self.model.as_deref(),
        };
        if let ControlFlow::Break(reason) = call(self.callbacks.as_mut(), &cx, self.sink.as_mut())? {
            self.stop.get_or_insert((reason, self.position));
        }
        Ok(())
    }

    fn flow(&self) -> Flow {
        Ok(self.stop_reason().cloned().map_or(ControlFlow::Continue(()), ControlFlow::Break))
    }
}

/// A step that is running. [`end`](Scope::end) it after the optimiser's step; dropped without that, the batch counts as
/// seen, but nothing is reported of it.
pub struct Scope<'s, 'a> {
    session: &'s mut Session<'a>,
    needs: Needs,
    capture: Option<Capture>,
    gradients_seen: bool,
}

impl Scope<'_, '_> {
    /// Says how many images the batch holds: means over batches are weighted by it, and throughput is known.
    #[must_use]
    pub fn images(self, images: usize) -> Self {
        self.session.report.images = Some(images as u64);
        self
    }

    /// Reports a number beside the loss, such as `accuracy`: a tensor of one element, averaged and logged like the loss
    /// (`train/<name>`). It is not fetched from its device now.
    ///
    /// # Errors
    /// A tensor of more than one element; a name that was reported before in this step; the name `loss`, which is
    /// reported by [`end`](Scope::end).
    pub fn measure(&mut self, name: &str, value: &Tensor) -> Result<()> {
        if name == LOSS || self.session.report.measures.iter().any(|measure| measure.name == name) {
            return Err(Error::invalid(
                format!("measure `{name}`"),
                "this step reports one of that name already; give it another name",
            ));
        }
        self.add_measure(name, value)
    }

    fn add_measure(&mut self, name: &str, value: &Tensor) -> Result<()> {
        if value.numel() != 1 {
            return Err(Error::invalid(
                format!("measure `{name}`"),
                format!("a tensor of shape {:?} found; give one number, such as its mean", value.size()),
            ));
        }
        // A copy, because it is fetched later, and the loop may change its tensor in place until then.
        let value =
            tch::no_grad(|| value.f_detach_copy()?.f_reshape([])).context(|| format!("measure `{name}`"))?;
        self.session.report.measures.push(Measure { name: name.to_owned(), value });
        Ok(())
    }

    /// Announces that the loss is computed and the backward pass comes next: callbacks may now look at the gradients of
    /// activations. Optional.
    ///
    /// # Errors
    /// Those of the callbacks; a captured activation that was changed in place.
    pub fn before_backward(&mut self, loss: &Tensor) -> Result<()> {
        self.take_loss(loss)?;
        if self.needs.contains(Needs::ACTIVATION_GRADIENTS)
            && let Some(activations) = &self.session.report.activations
        {
            self.session.report.activation_gradients = Some(activations.gradients(loss)?);
        }
        self.session.tell(|callbacks, cx, out| callbacks.on_before_backward(cx, out))
    }

    /// Announces that the gradients are computed and not yet clipped or used. Optional: without it callbacks see the
    /// gradients in [`end`](Scope::end), after clipping.
    ///
    /// # Errors
    /// Those of the callbacks.
    pub fn after_backward(&mut self) -> Result<()> {
        self.gradients_seen = true;
        self.session.tell(|callbacks, cx, out| callbacks.on_after_backward(cx, out))
    }

    /// Ends the step, after the optimiser moved the weights. Answers whether training shall go on.
    ///
    /// Callbacks read the parameters' gradients here (and at [`Session::end_epoch`], where the length of an epoch is
    /// unknown), so let `zero_grad` come later: before the next backward pass, as in tch's `backward_step`.
    ///
    /// # Errors
    /// Those of the callbacks; a loss of more than one element; a captured activation that was changed in place.
    pub fn end(mut self, loss: &Tensor) -> Flow {
        self.take_loss(loss)?;
        if !self.gradients_seen {
            self.after_backward()?;
        }
        let Scope { session, .. } = self;
        session.tell(|callbacks, cx, out| callbacks.on_batch_end(cx, out))?;
        session.means.add(&session.report)?;
        if session.position.batches.is_some() {
            // Nobody can ask for them any more: free them before the validation pass allocates.
            session.report.activations = None;
            session.report.activation_gradients = None;
        }
        session.flow()
    }

    /// Takes over loss and activations, the first time it is called.
    fn take_loss(&mut self, loss: &Tensor) -> Result<()> {
        if !self.session.report.measures.iter().any(|measure| measure.name == LOSS) {
            self.add_measure(LOSS, loss)?;
        }
        if let Some(capture) = self.capture.take() {
            self.session.report.activations = Some(capture.finish()?);
        }
        Ok(())
    }
}
