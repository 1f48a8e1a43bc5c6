//! Floor 7: a plain training loop for image classifiers. Nothing depends on it; an own loop gets the same from a
//! [`Session`].

use tch::{Device, Kind, Tensor, nn};

use crate::{
    callback::{Callback, CallbackList, Metrics, StopReason},
    capture::Tap,
    data::{Batch, Batches, Dataset, Normalization, epoch_seed},
    error::{Error, Result},
    network::Network,
    session::Session,
    summary::Step,
    tch_context::TchContext as _,
    writer::SummarySink,
};

/// Trains a classifier with cross-entropy and reports accuracy: any `tch` module that gives logits `[B, classes]` for
/// images `[B, C, H, W]`, with any `tch` optimiser.
///
/// ```no_run
/// use convscope::{Network, SummaryWriter, TensorBoard, Trainer, arch::ModelSpec, data};
/// use tch::{Device, nn, nn::OptimizerConfig as _};
///
/// let data = data::bundled()?;
/// let store = nn::VarStore::new(Device::Cpu);
/// let network = Network::new(&store.root(), &ModelSpec::default_model(10)?)?;
/// let mut optimizer = nn::Adam::default().build(&store, 1e-3)?;
///
/// let outcome = Trainer::of_network(&network, &store, &mut optimizer)
///     .callbacks(TensorBoard::new())
///     .sink(SummaryWriter::create("logs")?)
///     .fit(&data.train, &data.validation, 10)?;
/// println!("{}", outcome.validation);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Trainer<'a> {
    forward: Box<ForwardT<'a>>,
    var_store: &'a nn::VarStore,
    optimizer: &'a mut nn::Optimizer,
    callbacks: CallbackList<'a>,
    sink: Box<dyn SummarySink + 'a>,
    tap: Tap,
    learning_rate: Option<f64>,
    batch_size: usize,
    seed: u64,
    normalization: Option<Normalization>,
    max_overhead: Option<f64>,
}

/// Runs a model on images, training (`true`) or not.
type ForwardT<'a> = dyn Fn(&Tensor, bool) -> Result<Tensor> + 'a;

/// How a training ended.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Why it stopped before its last epoch; `None` where it did not.
    pub stop: Option<StopReason>,
    /// Batches trained.
    pub steps: Step,
    /// Epochs begun.
    pub epochs: u64,
    /// Means over the training batches of the last complete epoch: `loss`, `accuracy`.
    pub train: Metrics,
    /// Means over the validation images after the last complete epoch: `loss`, `accuracy`.
    pub validation: Metrics,
}

impl<'a> Trainer<'a> {
    /// A trainer of `model`, whose parameters are in `var_store` and are moved by `optimizer`. It trains on the device
    /// of `var_store`, reports to nobody and writes nothing unless told otherwise.
    ///
    /// A `forward_t` of `tch` cannot fail: it panics on images that it cannot take.
    pub fn new(
        model: &'a dyn nn::ModuleT,
        var_store: &'a nn::VarStore,
        optimizer: &'a mut nn::Optimizer,
    ) -> Trainer<'a> {
        let forward = |images: &Tensor, train: bool| Ok(model.forward_t(images, train));
        Trainer::with(Box::new(forward), Tap::new(), var_store, optimizer)
    }

    /// A trainer of a network built from a spec: as [`new`](Trainer::new), with the network's tap, and with errors that
    /// name the layer where a batch cannot pass.
    pub fn of_network(
        network: &'a Network,
        var_store: &'a nn::VarStore,
        optimizer: &'a mut nn::Optimizer,
    ) -> Trainer<'a> {
        let forward = |images: &Tensor, train: bool| network.f_forward_t(images, train);
        Trainer::with(Box::new(forward), network.tap().clone(), var_store, optimizer)
    }

    fn with(
        forward: Box<ForwardT<'a>>,
        tap: Tap,
        var_store: &'a nn::VarStore,
        optimizer: &'a mut nn::Optimizer,
    ) -> Trainer<'a> {
        Trainer {
            forward,
            var_store,
            optimizer,
            callbacks: CallbackList::new(),
            sink: Box::new(Nowhere),
            tap,
            learning_rate: None,
            batch_size: 64,
            seed: 0,
            normalization: None,
            max_overhead: None,
        }
    }

    /// Who is told of every stage: one callback, or a [`CallbackList`], behind those given before. The default is nobody.
    #[must_use]
    pub fn callbacks(mut self, callbacks: impl Callback + 'a) -> Trainer<'a> {
        self.callbacks.push(callbacks);
        self
    }

    /// Where the callbacks write: usually a [`SummaryWriter`](crate::SummaryWriter). The default throws away.
    #[must_use]
    pub fn sink(mut self, sink: impl SummarySink + 'a) -> Trainer<'a> {
        self.sink = Box::new(sink);
        self
    }

    /// The tap of the model's probes, for a hand-written model.
    #[must_use]
    pub fn tap(mut self, tap: &Tap) -> Trainer<'a> {
        self.tap = tap.clone();
        self
    }

    /// Sets the learning rate of all of the optimiser's parameter groups, and logs it. The default leaves the optimiser
    /// as it is and logs none, because tch's optimisers do not tell theirs.
    #[must_use]
    pub fn learning_rate(mut self, learning_rate: f64) -> Trainer<'a> {
        self.learning_rate = Some(learning_rate);
        self
    }

    /// Images in a batch. The default is 64; the last batch of an epoch may be smaller.
    #[must_use]
    pub fn batch_size(mut self, images: usize) -> Trainer<'a> {
        self.batch_size = images;
        self
    }

    /// Seed of the order of the training images, which differs in every epoch. The default is 0.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Trainer<'a> {
        self.seed = seed;
        self
    }

    /// How pixels become numbers. The default is mean 0 and standard deviation 1 over the training images.
    #[must_use]
    pub fn normalization(mut self, normalization: Normalization) -> Trainer<'a> {
        self.normalization = Some(normalization);
        self
    }

    /// Sets the share of the time that diagnostics may take: see [`Session::max_overhead`]. The default is 0.05.
    #[must_use]
    pub fn max_overhead(mut self, share: f64) -> Trainer<'a> {
        self.max_overhead = Some(share);
        self
    }

    /// Trains for `epochs` passes over `train`, with a pass over `validation` after each.
    ///
    /// It ends early, without an error, where a callback asks for it. Whatever happens, what was written stays.
    ///
    /// # Errors
    /// Data that cannot be batched, a model that cannot take it, an error of a callback, a value that could not be
    /// written.
    pub fn fit(self, train: &Dataset, validation: &Dataset, epochs: u64) -> Result<Outcome> {
        let normalization = match self.normalization {
            Some(normalization) => normalization,
            None => Normalization::of(train)?,
        };
        let device = self.var_store.device();
        let batches = |epoch| -> Result<Batches> {
            let in_order = Batches::new(train, self.batch_size, device, &normalization)?;
            Ok(in_order.shuffled(epoch_seed(self.seed, epoch)))
        };
        let forward = self.forward;
        let mut sink = self.sink;
        let mut session = Session::new(self.var_store, self.callbacks, sink.as_mut())
            .tap(&self.tap)
            .f_model(|images| forward(images, false))
            .batches_per_epoch(batches(1)?.len() as u64);
        if let Some(share) = self.max_overhead {
            session = session.max_overhead(share);
        }
        if let Some(learning_rate) = self.learning_rate {
            self.optimizer.set_lr(learning_rate);
            session.set_learning_rate(learning_rate);
        }

        let (mut trained, mut validated) = (Metrics::default(), Metrics::default());
        let mut begun = 0;
        for epoch in 1..=epochs {
            begun = epoch;
            if !train_epoch(&forward, self.optimizer, &mut session, batches(epoch)?)? {
                break;
            }
            trained = session.epoch_metrics()?;
            let in_order = Batches::new(validation, self.batch_size, device, &normalization)?;
            validated = evaluate_batches(
                |images| forward(images, false),
                in_order,
                |batch, logits| session.validation_batch(&batch.images, &batch.labels, logits).map(drop),
            )?;
            let stop = session.end_validation(&validated)?.is_break();
            if session.end_epoch()?.is_break() || stop {
                break;
            }
            apply_learning_rate(self.optimizer, &mut session);
        }
        let steps = session.position().step;
        let stop = session.finish()?;
        Ok(Outcome { stop, steps, epochs: begun, train: trained, validation: validated })
    }
}

/// One pass over the training data; answers whether to go on.
fn train_epoch(
    forward: &ForwardT<'_>,
    optimizer: &mut nn::Optimizer,
    session: &mut Session<'_>,
    batches: Batches,
) -> Result<bool> {
    for batch in batches {
        let Batch { images, labels } = batch?;
        let mut scope = session.begin_step()?.images(labels.size()[0] as usize);
        let logits = forward(&images, true)?;
        let loss = cross_entropy(&logits, &labels)?;
        scope.batch(&images, &labels, &logits)?;
        scope.measure("accuracy", &accuracy(&logits, &labels)?)?;
        scope.before_backward(&loss)?;
        optimizer.zero_grad();
        loss.f_backward().context(|| "backward pass".to_owned())?;
        scope.after_backward()?;
        optimizer.step();
        if scope.end(&loss)?.is_break() {
            return Ok(false);
        }
        apply_learning_rate(optimizer, session);
    }
    Ok(true)
}

/// Sets the learning rate that a callback asked for.
fn apply_learning_rate(optimizer: &mut nn::Optimizer, session: &mut Session<'_>) {
    if let Some(learning_rate) = session.requested_learning_rate() {
        optimizer.set_lr(learning_rate);
    }
}

/// Mean cross-entropy (`loss`, natural logarithm) and share of right answers (`accuracy`, 0 to 1) over all images of
/// `data`. `forward` runs the model with `train = false`; it is called under `no_grad`.
///
/// # Errors
/// Data without images; a model that cannot take them or gives something else than logits `[B, classes]`.
pub fn evaluate(
    forward: impl Fn(&Tensor) -> Result<Tensor>,
    data: &Dataset,
    batch_size: usize,
    device: Device,
    normalization: &Normalization,
) -> Result<Metrics> {
    evaluate_batches(forward, Batches::new(data, batch_size, device, normalization)?, |_, _| Ok(()))
}

/// As [`evaluate`]; shows `each` the batches with the model's logits, such as a session that passes them on to its
/// callbacks ([`Session::validation_batch`]). `examples/custom_loop.rs` does so.
///
/// # Errors
/// As [`evaluate`], and those of `each`.
pub fn evaluate_batches(
    forward: impl Fn(&Tensor) -> Result<Tensor>,
    batches: Batches,
    mut each: impl FnMut(&Batch, &Tensor) -> Result<()>,
) -> Result<Metrics> {
    tch::no_grad(|| {
        let (mut loss, mut right, mut images) = (0.0, 0.0, 0.0);
        for batch in batches {
            let batch = batch?;
            let labels = &batch.labels;
            let images_in_batch = labels.size()[0] as f64;
            let logits = forward(&batch.images)?;
            loss += number(&cross_entropy(&logits, labels)?)? * images_in_batch;
            right += number(&accuracy(&logits, labels)?)? * images_in_batch;
            images += images_in_batch;
            each(&batch, &logits)?;
        }
        Ok(Metrics::from([("loss", loss / images), ("accuracy", right / images)]))
    })
}

fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    if logits.dim() != 2 || logits.size()[0] != labels.size()[0] {
        return Err(Error::invalid(
            "model",
            format!(
                "its output has shape {:?} for {} images; logits of shape [images, classes] expected",
                logits.size(),
                labels.size()[0]
            ),
        ));
    }
    logits
        .f_cross_entropy_loss(labels, None::<&Tensor>, tch::Reduction::Mean, -100, 0.0)
        .context(|| "cross-entropy of the model's output".to_owned())
}

/// Share of rows whose largest logit is the label's.
fn accuracy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    tch::no_grad(|| logits.f_argmax(-1, false)?.f_eq_tensor(labels)?.f_mean(Kind::Float))
        .context(|| "accuracy of the model's output".to_owned())
}

fn number(tensor: &Tensor) -> Result<f64> {
    tensor.f_double_value(&[]).context(|| "fetching a result".to_owned())
}

/// A sink for those who write nothing.
struct Nowhere;

impl SummarySink for Nowhere {
    fn write(&mut self, _: crate::writer::Entry) -> Result<()> {
        Ok(())
    }
}
