//! The model that is explained.

use std::cell::Cell;

use tch::{Device, Kind, TchError, Tensor};

use super::{
    head::Head,
    memory::{Memory, Pass as Cost},
};
use crate::{
    callback::{Context, Forward},
    capture::{Activations, Tap},
    error::{Error, ErrorKind, Result},
    network::Network,
    tch_context::TchContext as _,
};

/// A classifier whose answers are explained: a function from images to logits, and the tap of its layers.
///
/// All passes run with `train = false`, in as many images at a time as the [memory](Classifier::memory) allows. Gradients
/// come from [`Tensor::f_run_backward`]: no `.grad`, parameter or running statistic is touched, and libtorch's random
/// generator is not used.
///
/// ```
/// use convscope::{Network, arch::ModelSpec, explain::Classifier};
/// use tch::{Device, Kind, Tensor, nn};
///
/// let store = nn::VarStore::new(Device::Cpu);
/// let network = Network::new(&store.root(), &ModelSpec::default_model(10)?)?;
/// let classifier = Classifier::of_network(&network);
///
/// let images = Tensor::ones([3, 1, 28, 28], (Kind::Float, Device::Cpu));
/// assert_eq!(classifier.logits(&images)?.size(), [3, 10]);
/// let found = classifier.gradients(&images, 7)?; // of the logit of class 7
/// assert_eq!(found.gradients.size(), [3, 1, 28, 28]);
/// assert!(store.variables().values().all(|variable| !variable.grad().defined()));
/// # Ok::<(), convscope::Error>(())
/// ```
pub struct Classifier<'a> {
    forward: Box<Forward<'a>>,
    tap: Tap,
    /// What stands in for the model's last layer.
    head: Option<Head>,
    memory: Memory,
    /// Images that were run so far.
    passed: Cell<u64>,
    watch: Option<Box<dyn Fn(u64) + 'a>>,
    /// Whether the caller gives the work up.
    interrupt: Option<Box<dyn Fn() -> bool + 'a>>,
}

/// Scores of images and their gradients: see [`Classifier::gradients`].
#[derive(Debug)]
pub struct Gradients {
    /// The logit of the class for every image, `[N]`.
    pub scores: Tensor,
    /// Its derivative by the image's values, of the images' shape.
    pub gradients: Tensor,
}

/// One forward pass with its graph: see [`Classifier::trace`].
#[derive(Debug)]
pub struct Trace {
    /// The images, as the leaf of the graph.
    pub images: Tensor,
    /// What the model answers, `[N, classes]`.
    pub logits: Tensor,
    /// Outputs of the observed layers, with the graph from the images to the logits through them.
    pub activations: Activations,
}

/// What a classifier answers for one image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// The class with the largest logit; the first of several.
    pub class: i64,
    /// Its natural logarithm of the probability, at most 0.
    pub log_probability: f64,
}

impl Prediction {
    /// The probability of the class, 0 to 1.
    pub fn probability(&self) -> f64 {
        self.log_probability.exp()
    }
}

impl<'a> Classifier<'a> {
    /// A classifier that `forward` runs **with `train = false`**: images `[N, C, H, W]`, normalised as in training, become
    /// logits `[N, classes]`, before any softmax. It may be called with or without a graph; let it set neither.
    pub fn new(forward: impl Fn(&Tensor) -> Result<Tensor> + 'a) -> Classifier<'a> {
        Classifier {
            forward: Box::new(forward),
            tap: Tap::new(),
            head: None,
            memory: Memory::default(),
            passed: Cell::new(0),
            watch: None,
            interrupt: None,
        }
    }

    /// A network with all its layers in sight.
    pub fn of_network(network: &'a Network) -> Classifier<'a> {
        Classifier::new(|images| network.f_forward_t(images, false)).tap(network.tap())
    }

    /// The model and the tap that a session's callbacks see; `None` where the session was given no model.
    pub fn of_context(cx: &Context<'a>) -> Option<Classifier<'a>> {
        let forward = cx.model?;
        Some(Classifier::new(move |images| forward(images)).tap(cx.tap))
    }

    /// The tap of the model's probes: for explanations that look at layers.
    #[must_use]
    pub fn tap(mut self, tap: &Tap) -> Classifier<'a> {
        self.tap = tap.clone();
        self
    }

    /// The bytes that the layers' outputs for images in one pass may take; the default is 256 MiB. As many images run at a
    /// time as fit, at least one. What one image takes is measured on the outputs that pass the tap, in a pass of one
    /// image.
    #[must_use]
    pub fn memory(mut self, bytes: u64) -> Classifier<'a> {
        self.memory = Memory::new(bytes);
        self
    }

    /// `watch` is told after every pass how many images were run in all, for a progress bar.
    #[must_use]
    pub fn watch(mut self, watch: impl Fn(u64) + 'a) -> Classifier<'a> {
        self.watch = Some(Box::new(watch));
        self
    }

    /// `is_given_up` is asked before every pass of this classifier and of those that are made from it. Where it says so,
    /// the pass ends with [`ErrorKind::Interrupted`](crate::ErrorKind::Interrupted), and with it whatever asked for it.
    ///
    /// ```
    /// use convscope::explain::Classifier;
    /// use tch::{Device, Kind, Tensor};
    ///
    /// let classifier = Classifier::new(|images| Ok(images.flatten(1, -1))).interrupt(|| true);
    /// let images = Tensor::ones([1, 1, 2, 2], (Kind::Float, Device::Cpu));
    /// assert!(classifier.logits(&images).unwrap_err().is_interrupted());
    /// ```
    #[must_use]
    pub fn interrupt(mut self, is_given_up: impl Fn() -> bool + 'a) -> Classifier<'a> {
        self.interrupt = Some(Box::new(is_given_up));
        self
    }

    /// The same classifier with another last layer.
    pub fn with_head(&self, head: Head) -> Classifier<'_> {
        let run = |images: &Tensor| (self.forward)(images);
        Classifier { head: Some(head), ..self.instead(run) }.tap(&self.tap)
    }

    /// Another network under the same memory; its images count as those of this classifier.
    pub fn with_network<'n>(&'n self, network: &'n Network) -> Classifier<'n> {
        self.instead(|images| network.f_forward_t(images, false)).tap(network.tap())
    }

    /// A model that is asked in place of this one: within its memory, for those who watch and interrupt it.
    fn instead<'n>(&'n self, forward: impl Fn(&Tensor) -> Result<Tensor> + 'n) -> Classifier<'n> {
        let run = move |images: &Tensor| {
            self.go_on()?;
            let logits = forward(images)?;
            self.count(images);
            Ok(logits)
        };
        Classifier { memory: self.memory.clone(), ..Classifier::new(run) }
    }

    /// How many images were run so far, in forward passes with or without a backward one.
    pub fn passed(&self) -> u64 {
        self.passed.get()
    }

    /// The tap of the observed layers.
    pub fn observed(&self) -> &Tap {
        &self.tap
    }

    /// The logits of `images`, `[N, classes]`, without a graph.
    ///
    /// # Errors
    /// Images that the model cannot take; an output that is not `[N, classes]`.
    pub fn logits(&self, images: &Tensor) -> Result<Tensor> {
        tch::no_grad(|| {
            let logits = self.in_chunks(images, Cost::Forward, |chunk| self.answer(chunk))?;
            Tensor::f_cat(&logits, 0).context(|| "logits".to_owned())
        })
    }

    /// The natural logarithms of the classes' probabilities, `[N, classes]`: log-softmax of the logits, without a graph.
    ///
    /// # Errors
    /// As [`logits`](Classifier::logits).
    pub fn log_probabilities(&self, images: &Tensor) -> Result<Tensor> {
        let kind = |logits: &Tensor| if logits.kind() == Kind::Double { Kind::Double } else { Kind::Float };
        let logits = self.logits(images)?;
        tch::no_grad(|| logits.f_log_softmax(1, kind(&logits))).context(|| "log-softmax".to_owned())
    }

    /// What the model answers for every image.
    ///
    /// # Errors
    /// As [`logits`](Classifier::logits).
    pub fn predict(&self, images: &Tensor) -> Result<Vec<Prediction>> {
        let log_probabilities = self.log_probabilities(images)?;
        let best = || -> Result<(Vec<f64>, Vec<i64>), TchError> {
            let (values, classes) = log_probabilities.f_max_dim(1, false)?;
            Ok((
                Vec::try_from(&values.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?)?,
                Vec::try_from(&classes.f_to_device(Device::Cpu)?)?,
            ))
        };
        let (values, classes) = best().context(|| "predictions".to_owned())?;
        let prediction = |(log_probability, class)| Prediction { class, log_probability };
        Ok(values.into_iter().zip(classes).map(prediction).collect())
    }

    /// The logit of `class` for every image, and its gradient by the image's values. In evaluation mode no image has a
    /// part in another's answer, so one backward pass serves all images of a pass. An answer that does not depend on the
    /// images has a gradient of 0.
    ///
    /// # Errors
    /// As [`logits`](Classifier::logits); a class that the model does not have; images of whole numbers; a model that
    /// works under `no_grad`.
    pub fn gradients(&self, images: &Tensor, class: i64) -> Result<Gradients> {
        let of_chunk = |chunk: &Tensor| {
            let trace = self.trace_pass(chunk)?;
            let scores = trace.scores(class)?;
            let gradients = trace.gradient(&scores)?;
            Ok((scores.f_detach().context(|| "logits".to_owned())?, gradients))
        };
        let (scores, gradients): (Vec<Tensor>, Vec<Tensor>) =
            self.in_chunks(images, Cost::Backward, of_chunk)?.into_iter().unzip();
        let cat = |parts: &[Tensor]| Tensor::f_cat(parts, 0).context(|| "gradients".to_owned());
        Ok(Gradients { scores: cat(&scores)?, gradients: cat(&gradients)? })
    }

    /// One forward pass of all `images` at once, with the graph: for gradients by or of layers. The caller sees to it
    /// that they fit ([`images_at_a_time`](Classifier::images_at_a_time)).
    ///
    /// # Errors
    /// As [`gradients`](Classifier::gradients).
    pub fn trace(&self, images: &Tensor) -> Result<Trace> {
        let trace = self.trace_pass(images)?;
        self.count(images);
        Ok(trace)
    }

    /// Outputs of the observed layers for all `images` at once, without a graph.
    ///
    /// # Errors
    /// As [`logits`](Classifier::logits); a layer's output that was changed in place.
    pub fn activations(&self, images: &Tensor) -> Result<Activations> {
        self.answers_and_activations(images).map(|(_, activations)| activations)
    }

    /// The same with the logits of that pass.
    pub(super) fn answers_and_activations(&self, images: &Tensor) -> Result<(Tensor, Activations)> {
        let seen = tch::no_grad(|| self.observe(images))?;
        self.count(images);
        Ok(seen)
    }

    /// How many images like these fit into the [memory](Classifier::memory) in one pass with a graph, at least 1.
    ///
    /// # Errors
    /// As [`logits`](Classifier::logits).
    pub fn images_at_a_time(&self, images: &Tensor) -> Result<i64> {
        self.memory.images(Cost::Backward, images, |image| self.activations(image))
    }

    /// The bytes of its memory.
    pub(super) fn memory_bytes(&self) -> u64 {
        self.memory.bytes()
    }

    fn trace_pass(&self, images: &Tensor) -> Result<Trace> {
        if !matches!(images.kind(), Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16) {
            let why =
                format!("values of kind {:?} have no gradient: give floating-point numbers", images.kind());
            return Err(Error::invalid("images", why));
        }
        tch::with_grad(|| {
            // A tensor of its own that shares the values: the caller's one keeps its graph and its flags.
            let leaf = images.f_detach().and_then(|images| images.f_set_requires_grad(true));
            let images = leaf.context(|| "preparing the images".to_owned())?;
            let (logits, activations) = self.observe(&images)?;
            Ok(Trace { images, logits, activations })
        })
    }

    fn observe(&self, images: &Tensor) -> Result<(Tensor, Activations)> {
        let capture = self.tap.capture();
        let logits = self.answer(images)?;
        Ok((logits, capture.finish()?))
    }

    /// The logits of one pass, whatever the mode.
    fn answer(&self, images: &Tensor) -> Result<Tensor> {
        let logits = match &self.head {
            None => self.run(images)?,
            Some(head) => {
                let capture = self.tap.capture();
                drop(self.run(images)?);
                head.answer(&capture.finish()?)?
            }
        };
        check_logits(&logits, images)?;
        Ok(logits)
    }

    fn run(&self, images: &Tensor) -> Result<Tensor> {
        self.go_on()?;
        self.tap.begin_pass();
        (self.forward)(images)
    }

    /// Refuses to go on where the caller has given the work up.
    fn go_on(&self) -> Result<()> {
        match &self.interrupt {
            Some(is_given_up) if is_given_up() => Err(Error::new(ErrorKind::Interrupted)),
            _ => Ok(()),
        }
    }

    /// Runs `work` on pieces of `images` that fit into the memory.
    fn in_chunks<T>(
        &self,
        images: &Tensor,
        cost: Cost,
        work: impl Fn(&Tensor) -> Result<T>,
    ) -> Result<Vec<T>> {
        let count = images.size().first().copied().unwrap_or(0);
        if count == 0 {
            return Err(Error::invalid(
                "images",
                format!("shape {:?} found; at least one image expected", images.size()),
            ));
        }
        let step = match count {
            1 => 1, // nothing to divide, so nothing to measure
            _ => self
                .memory
                .images(cost, images, |image| tch::no_grad(|| self.observe(image)).map(|seen| seen.1))?,
        };
        let mut done = Vec::new();
        let mut start = 0;
        while start < count {
            let chunk = images
                .f_narrow(0, start, step.min(count - start))
                .context(|| format!("images from {start} on"))?;
            done.push(work(&chunk)?);
            self.count(&chunk);
            start += step;
        }
        Ok(done)
    }

    fn count(&self, images: &Tensor) {
        let count = images.size().first().copied().unwrap_or(0).unsigned_abs();
        self.passed.set(self.passed.get() + count);
        if let Some(watch) = &self.watch {
            watch(self.passed.get());
        }
    }
}

impl Trace {
    /// The derivative of the sum of `scores`, which come from this pass, by the images: of their shape, 0 where there is no
    /// dependence. The graph stays.
    ///
    /// # Errors
    /// Scores without a graph.
    pub fn gradient(&self, scores: &Tensor) -> Result<Tensor> {
        let mut gradients = self.gradients_by(scores, &[&self.images])?;
        gradients.pop().ok_or_else(|| Error::invalid("gradient", "libtorch returned none"))
    }

    /// The same by any tensors of the graph, in their order.
    ///
    /// # Errors
    /// Scores without a graph; a tensor that asks for no gradient.
    pub fn gradients_by(&self, scores: &Tensor, inputs: &[&Tensor]) -> Result<Vec<Tensor>> {
        let context = || "gradient of the answer".to_owned();
        if !scores.requires_grad() {
            return Err(Error::invalid(
                "model",
                "its output has no graph back to the images: it works under `no_grad` or detaches something",
            ));
        }
        let sum = tch::with_grad(|| scores.f_sum(scores.kind())).context(context)?;
        let gradients = Tensor::f_run_backward(&[&sum], inputs, true, false).context(context)?;
        (gradients.into_iter().zip(inputs))
            .map(|(gradient, input)| if gradient.defined() { Ok(gradient) } else { input.f_zeros_like() })
            .collect::<Result<_, TchError>>()
            .context(context)
    }

    /// The logits of `class`, `[N]`, with their graph.
    ///
    /// # Errors
    /// A class that the model does not have.
    pub fn scores(&self, class: i64) -> Result<Tensor> {
        tch::with_grad(|| select_class(&self.logits, class))
    }
}

/// The column of a class.
pub(super) fn select_class(logits: &Tensor, class: i64) -> Result<Tensor> {
    let classes = logits.size().get(1).copied().unwrap_or(0);
    if !(0..classes).contains(&class) {
        return Err(Error::invalid(
            "class",
            format!("{class} found; the model has {classes} classes, counted from 0"),
        ));
    }
    logits.f_select(1, class).context(|| format!("logit of class {class}"))
}

fn check_logits(logits: &Tensor, images: &Tensor) -> Result<()> {
    let (found, expected) = (logits.size(), images.size().first().copied().unwrap_or(0));
    if matches!(found.as_slice(), &[rows, classes] if rows == expected && classes > 0) {
        return Ok(());
    }
    Err(Error::invalid(
        "model",
        format!(
            "its output has shape {found:?} for {expected} images; logits of shape [images, classes] expected"
        ),
    ))
}
