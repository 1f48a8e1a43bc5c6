//! The callback: its settings, and when it writes.

use tch::Tensor;

use super::{
    brightness::Brightness,
    class_tags::{class_tags, with_curves},
    pass::Pass,
    write::Report,
};
use crate::{
    callback::{BatchView, CONTINUE, Callback, Context, Flow, Metrics, Schedule, VALIDATION},
    classification::Evaluation,
    data::Normalization,
    error::{Error, Result},
    writer::SummarySink,
};

/// Classes that have curves of their own.
const CURVES: usize = 20;
/// Mistakes that are shown.
const MISTAKES: usize = 16;
/// Thresholds of a PR curve.
const THRESHOLDS: usize = 201;

/// Writes how well a classifier answers, class by class, after a pass over the validation data: see
/// [`classification`](crate::classification) for what the numbers mean.
///
/// | tag | kind |
/// |---|---|
/// | `confusion/counts`, `confusion/normalized` | image: the confusion matrix, in samples and in percent of the true class |
/// | `confusion` | text: the same as a table; of more than 20 classes the 50 most frequent confusions |
/// | `classes` | text: precision, recall, F1, support, loss and average precision; of more than 50 classes the 50 worst |
/// | `mistakes` | image: the most confident wrong answers |
/// | `calibration` | image: reliability diagram |
/// | `calibration/ece`, `calibration/mce` | scalar: expected and maximum calibration error, 0 to 1 |
/// | `macro_average/precision`, `/recall`, `/f1` | scalar: mean over the classes, 0 to 1 |
/// | `top_<k>_accuracy` | scalar, where [`top_k`](ClassificationReport::top_k) was asked for |
/// | `precision/<class>`, `recall/<class>`, `f1/<class>`, `average_precision/<class>` | scalar, 0 to 1; no point where it is 0/0 |
/// | `loss_per_class/<class>` | scalar: mean cross-entropy in nats |
/// | `pr/<class>` | PR curve of the class against all others |
///
/// All stand in the run `validation`. Of more than 20 classes only the first 20 have tags of their own, unless others
/// are [named](ClassificationReport::curves_of); the text `classes` says so. A class whose name another one has too gets
/// its number behind it.
///
/// It needs the batches of the pass: the [`Trainer`](crate::Trainer) shows them, an own loop does with
/// [`Session::validation_batch`](crate::Session::validation_batch). Logits and labels come to the host, with one copy for
/// each batch; of the images only those of the worst mistakes are kept, on their device, until the pass ends. Training
/// does not notice. A pass over 1,000 images of ten classes costs about 30 ms on a CPU, most of it for the pictures.
///
/// Samples that cannot be judged (a label that is no class, logits that are NaN) are left out of everything; the text
/// `classes` and a warning count them.
///
/// ```
/// use convscope::{MemorySink, Metrics, Session, diagnostics::ClassificationReport};
/// use tch::{Device, Kind, Tensor, nn};
///
/// let store = nn::VarStore::new(Device::Cpu);
/// let mut sink = MemorySink::default();
/// let mut session = Session::new(&store, ClassificationReport::new(["cat", "dog"]), &mut sink);
///
/// let images = Tensor::rand([3, 1, 8, 8], (Kind::Float, Device::Cpu));
/// let logits = Tensor::from_slice2(&[[2.0f32, 0.0], [0.0, 3.0], [4.0, 0.0]]);
/// let _ = session.validation_batch(&images, &Tensor::from_slice(&[0i64, 1, 1]), &logits)?;
/// let _ = session.end_validation(&Metrics::default())?;
/// drop(session);
/// let recall = sink.entries.iter().find(|entry| entry.tag.as_str() == "recall/dog").unwrap();
/// assert_eq!((recall.run.as_str(), recall.summary.as_scalar()), ("validation", Some(0.5)));
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug)]
pub struct ClassificationReport {
    names: Vec<String>,
    schedule: Schedule,
    mistakes: usize,
    thresholds: usize,
    top_k: Option<usize>,
    curves_of: Option<Vec<String>>,
    brightness: Brightness,
    pass: Option<Pass>,
    warned: Warned,
}

/// What was warned of already.
#[derive(Debug, Default)]
struct Warned {
    no_batches: bool,
    left_out: bool,
}

impl ClassificationReport {
    /// Of a classifier whose classes have these names, in the order of its logits; without any, classes are called by
    /// their number. After every pass over the validation data.
    pub fn new<S: Into<String>>(classes: impl IntoIterator<Item = S>) -> ClassificationReport {
        ClassificationReport {
            names: classes.into_iter().map(Into::into).collect(),
            schedule: Schedule::epoch(),
            mistakes: MISTAKES,
            thresholds: THRESHOLDS,
            top_k: None,
            curves_of: None,
            brightness: Brightness::EachByItself,
            pass: None,
            warned: Warned::default(),
        }
    }

    /// Which passes to report: those at a step, or in an epoch, that is due. The default is [`Schedule::epoch`], every
    /// pass.
    #[must_use]
    pub fn schedule(mut self, schedule: Schedule) -> ClassificationReport {
        self.schedule = schedule;
        self
    }

    /// How many mistakes to show, the most confident ones; up to 64 have room. The default is 16; 0 shows none.
    #[must_use]
    pub fn mistakes(mut self, most: usize) -> ClassificationReport {
        self.mistakes = most;
        self
    }

    /// Number of thresholds of the PR curves. The default is 201; 2 to 2^20 are possible.
    #[must_use]
    pub fn thresholds(mut self, thresholds: usize) -> ClassificationReport {
        self.thresholds = thresholds;
        self
    }

    /// Writes also how often the label is among the `k` largest logits. The default does not.
    #[must_use]
    pub fn top_k(mut self, k: usize) -> ClassificationReport {
        self.top_k = Some(k);
        self
    }

    /// Classes that have tags of their own, by name. The default is the first 20. Each costs six tags, and 4 bytes of
    /// memory for each sample of a pass.
    #[must_use]
    pub fn curves_of<S: Into<String>>(
        mut self,
        classes: impl IntoIterator<Item = S>,
    ) -> ClassificationReport {
        self.curves_of = Some(classes.into_iter().map(Into::into).collect());
        self
    }

    /// The normalisation of the validation images, which is undone for the pictures of mistakes. Without it (and without
    /// [`pixels`](ClassificationReport::pixels)) each image is scaled from its smallest to its largest value, and the
    /// picture says so.
    #[must_use]
    pub fn normalization(mut self, normalization: Normalization) -> ClassificationReport {
        self.brightness = Brightness::Undo(normalization);
        self
    }

    /// How images as the model takes them, `[N, C, H, W]`, become what a person shall see: brightness from 0 to 1, with
    /// one or three channels.
    #[must_use]
    pub fn pixels(
        mut self,
        brightness: impl Fn(&Tensor) -> Result<Tensor> + 'static,
    ) -> ClassificationReport {
        self.brightness = Brightness::Own(Box::new(brightness));
        self
    }

    fn is_due(&self, cx: &Context<'_>) -> bool {
        self.schedule.batch_is_due(cx.position()) || self.schedule.epoch_is_due(cx.position())
    }

    /// An evaluation of no samples yet, for a classifier of so many classes.
    fn evaluation(&self, classes: usize) -> Result<Evaluation> {
        if !self.names.is_empty() && self.names.len() != classes {
            let why = format!(
                "{} names were given to `ClassificationReport::new`, but the logits have {classes} columns",
                self.names.len()
            );
            return Err(Error::invalid("classes", why));
        }
        let curves = with_curves(&self.names, classes, self.curves_of.as_deref(), CURVES)?;
        let evaluation = Evaluation::new(classes)?.keep_mistakes(self.mistakes).keep_scores(curves)?;
        match self.top_k {
            Some(k) => evaluation.top_k(k),
            None => Ok(evaluation),
        }
    }

    fn add(&mut self, cx: &Context<'_>, batch: &BatchView) -> Result<()> {
        let classes = usize::try_from(batch.logits.size()[1]).unwrap_or_default();
        // One of an earlier step was never ended: its loop has an error, or validates without saying so.
        let pass = match self.pass.take().filter(|pass| pass.step == cx.step()) {
            Some(pass) => pass,
            None => Pass::new(cx.step(), self.evaluation(classes)?),
        };
        self.pass.insert(pass).add(batch)
    }

    fn write(&mut self, pass: &Pass, cx: &Context<'_>, out: &mut dyn SummarySink) -> Result<()> {
        let left_out = pass.evaluation.left_out();
        if !left_out.is_empty() && !std::mem::replace(&mut self.warned.left_out, true) {
            tracing::warn!(
                "classification report at step {}: of {} validation samples {}",
                cx.step().get(),
                pass.evaluation.given(),
                left_out.words()
            );
        }
        let classes = pass.evaluation.classes();
        let report = Report {
            pass,
            names: &self.names,
            tags: &class_tags(&self.names, classes),
            curves: &with_curves(&self.names, classes, self.curves_of.as_deref(), CURVES)?,
            brightness: &self.brightness,
            thresholds: self.thresholds,
            top_k: self.top_k,
        };
        report.write(cx, &mut out.sub_run(VALIDATION))
    }
}

impl Callback for ClassificationReport {
    fn on_validation_batch(&mut self, cx: &Context<'_>, batch: &BatchView, _: &mut dyn SummarySink) -> Flow {
        if self.is_due(cx) {
            self.add(cx, batch)?;
        }
        CONTINUE
    }

    fn on_validation_end(&mut self, cx: &Context<'_>, _: &Metrics, out: &mut dyn SummarySink) -> Flow {
        match self.pass.take().filter(|pass| pass.step == cx.step()) {
            Some(pass) => self.write(&pass, cx, out)?,
            None if self.is_due(cx) && !std::mem::replace(&mut self.warned.no_batches, true) => {
                tracing::warn!(
                    "no classification report: the loop showed no validation batches; do so with \
                     `Session::validation_batch`"
                );
            }
            None => {}
        }
        CONTINUE
    }
}
