//! A step that is running.

use tch::Tensor;

use super::{Phase, Session, wait_for};
use crate::{
    callback::{BatchView, Flow, LOSS, Measure, Needs},
    capture::Capture,
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// A step that is running. [`end`](Scope::end) it after the optimiser's step; dropped without that, the batch counts as
/// seen, but nothing is reported of it.
pub struct Scope<'s, 'a> {
    session: &'s mut Session<'a>,
    needs: Needs,
    capture: Option<Capture>,
    gradients_seen: bool,
}

impl<'s, 'a> Scope<'s, 'a> {
    pub(super) fn new(session: &'s mut Session<'a>, needs: Needs, capture: Option<Capture>) -> Scope<'s, 'a> {
        Scope { session, needs, capture, gradients_seen: false }
    }

    /// Says how many images the batch holds: means over batches are weighted by it, and throughput is known.
    #[must_use]
    pub fn images(self, images: usize) -> Self {
        self.session.report.images = Some(images as u64);
        self
    }

    /// Shows the batch itself: what the model took, `[N, C, H, W]`, the class of each image, `[N]`, and what it answered,
    /// `[N, classes]`. For diagnostics of inputs, labels and predictions; optional. The tensors are not copied, so do not
    /// change them in place before the step ends. Call it before [`before_backward`](Scope::before_backward), so that the
    /// input can be looked at where the loss is not finite.
    ///
    /// # Errors
    /// Logits that are not two-dimensional; another number of images, labels and rows of logits.
    pub fn batch(&mut self, images: &Tensor, labels: &Tensor, logits: &Tensor) -> Result<()> {
        self.session.report.batch = Some(BatchView::new(images, labels, logits)?);
        Ok(())
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
            self.session.wait()?;
            self.session.clock.enter(Phase::Diagnostics); // a backward pass for callbacks alone
            let gradients = activations.gradients(loss);
            self.session.wait()?;
            self.session.clock.enter(Phase::Training);
            self.session.report.activation_gradients = Some(gradients?);
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
        self.session.report.announced = true;
        self.tell_gradients()
    }

    fn tell_gradients(&mut self) -> Result<()> {
        self.wait()?;
        let (waits, device) = (self.waits(), self.session.var_store.device());
        self.session.tell(|callbacks, cx, out| {
            let flow = callbacks.on_after_backward(cx, out)?;
            if waits {
                wait_for(device)?; // for what they computed and did not fetch
            }
            Ok(flow)
        })
    }

    /// Whether a callback fetches values in this step.
    fn waits(&self) -> bool {
        self.needs.contains(Needs::VALUES)
    }

    /// Waits for the device where callbacks would have to.
    fn wait(&self) -> Result<()> {
        if self.waits() { self.session.wait() } else { Ok(()) }
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
            self.tell_gradients()?;
        }
        self.wait()?;
        let Scope { session, .. } = self;
        session.tell(|callbacks, cx, out| callbacks.on_batch_end(cx, out))?;
        session.means.add(&session.report)?;
        session.report.params_before = None;
        if session.position.batches.is_some() {
            // Nobody can ask for them any more: free them before the validation pass allocates.
            session.report.activations = None;
            session.report.activation_gradients = None;
            session.report.batch = None;
        }
        session.overhead.end_step(&session.clock.spent(), &session.position, session.sink.as_mut())?;
        session.clock.enter(Phase::Data);
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
