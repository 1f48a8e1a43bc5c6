//! The callback: its settings, and when it writes.

use tch::Tensor;

use super::{
    brightness::Brightness,
    class_tags::{class_tags, with_curves},
    pass::Pass,
    write::Report,
};
use crate::{
    callback::{BatchView, CONTINUE, Callback, Context, Flow, Metrics, Preset, Schedule, VALIDATION},
    classification::Evaluation,
    data::Normalization,
    error::{Error, Result},
    summary::PrCurve,
    writer::SummarySink,
};

/// Classes that have tags of their own.
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
/// are [named](ClassificationReport::curves_of) or a [preset](ClassificationReport::preset) wants none or all; the text
/// `classes` says so. A class whose name another one has too gets its number behind it.
///
/// While diagnostics are [over their budget](crate::Session::max_overhead) pictures and PR curves are left out; scalars
/// and texts stay. Where the last pass of a training is one of these, its pictures and curves are made up for at the end.
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
    /// Classes with tags of their own where none are named.
    most: usize,
    brightness: Brightness,
    pass: Option<Pass>,
    /// The last pass, where its pictures were left out.
    undrawn: Option<Pass>,
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
            most: CURVES,
            brightness: Brightness::EachByItself,
            pass: None,
            undrawn: None,
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

    /// How many classes have tags of their own, six of them each. The default is [`Preset::Standard`].
    ///
    /// | preset | classes |
    /// |---|---|
    /// | [`Economy`](Preset::Economy) | none: 11 tags, whatever the number of classes |
    /// | [`Standard`](Preset::Standard) | the first 20 |
    /// | [`Full`](Preset::Full) | all |
    ///
    /// Classes that are [named](ClassificationReport::curves_of) have theirs with any preset. The average precision of
    /// the first 20 stands in the text `classes` with any preset too.
    #[must_use]
    pub fn preset(mut self, preset: Preset) -> ClassificationReport {
        self.most = match preset {
            Preset::Economy => 0,
            Preset::Standard => CURVES,
            Preset::Full => usize::MAX,
        };
        self
    }

    /// Classes that have tags of their own, by name. The default is that of the [preset](ClassificationReport::preset).
    /// Each costs six tags, and 4 bytes of memory for each sample of a pass.
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

    /// What is wrong whatever the data: nobody shall hear of it after an epoch of training.
    fn check(&self) -> Result<()> {
        if self.top_k == Some(0) {
            return Err(Error::invalid("k of the top-k accuracy", "0 found, 1 or more expected"));
        }
        PrCurve::new(&[], &[], self.thresholds)?;
        if !self.names.is_empty() {
            self.evaluation(self.names.len())?;
        }
        Ok(())
    }

    /// The classes that are named, else the first ones.
    fn classes_with(&self, most: usize, classes: usize) -> Result<Vec<usize>> {
        with_curves(&self.names, classes, self.curves_of.as_deref(), most)
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
        let scores = self.classes_with(self.most.max(CURVES), classes)?;
        let evaluation = Evaluation::new(classes)?.keep_mistakes(self.mistakes).keep_scores(scores)?;
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

    fn warn_of_left_out(&mut self, pass: &Pass) {
        let left_out = pass.evaluation.left_out();
        if !left_out.is_empty() && !std::mem::replace(&mut self.warned.left_out, true) {
            tracing::warn!(
                "classification report at step {}: of {} validation samples {}",
                pass.step.get(),
                pass.evaluation.given(),
                left_out.words()
            );
        }
    }

    fn report<'a>(&'a self, pass: &'a Pass) -> Result<Report<'a>> {
        let classes = pass.evaluation.classes();
        Ok(Report {
            pass,
            names: &self.names,
            tags: class_tags(&self.names, classes),
            curves: self.classes_with(self.most, classes)?,
            brightness: &self.brightness,
            thresholds: self.thresholds,
            top_k: self.top_k,
        })
    }
}

impl Callback for ClassificationReport {
    fn on_train_start(&mut self, _: &Context<'_>, _: &mut dyn SummarySink) -> Flow {
        self.check()?;
        CONTINUE
    }

    fn on_validation_batch(&mut self, cx: &Context<'_>, batch: &BatchView, _: &mut dyn SummarySink) -> Flow {
        if self.is_due(cx) {
            self.add(cx, batch)?;
        }
        CONTINUE
    }

    fn on_validation_end(&mut self, cx: &Context<'_>, _: &Metrics, out: &mut dyn SummarySink) -> Flow {
        match self.pass.take().filter(|pass| pass.step == cx.step()) {
            Some(pass) => {
                self.warn_of_left_out(&pass);
                let (report, out) = (self.report(&pass)?, &mut out.sub_run(VALIDATION));
                report.write_numbers(cx, out)?;
                if !cx.over_budget() {
                    report.write_pictures(cx, out)?;
                }
                self.undrawn = cx.over_budget().then_some(pass);
            }
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

    fn on_train_end(&mut self, cx: &Context<'_>, out: &mut dyn SummarySink) -> Flow {
        // A pass of an earlier step is not how the training ended.
        if let Some(pass) = self.undrawn.take().filter(|pass| pass.step == cx.step()) {
            self.report(&pass)?.write_pictures(cx, &mut out.sub_run(VALIDATION))?;
        }
        CONTINUE
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, collections::BTreeSet};

    use tch::{Device, nn};

    use super::*;
    use crate::{
        callback::{BatchReport, Position},
        capture::Tap,
        rules::Timing,
        summary::Step,
        writer::MemorySink,
    };

    /// A pass over two images at each of these steps, over budget or not, and the end of the training at `end`: which
    /// tags were written at each step.
    fn written(passes: &[(i64, bool)], end: i64) -> Vec<(i64, String)> {
        let (var_store, tap) = (nn::VarStore::new(Device::Cpu), Tap::new());
        let (batch_report, requested) = (BatchReport::default(), Cell::new(None));
        let at = |step, over_budget| Context {
            position: Position { step: Step::new(step), epoch: 1, over_budget, ..Position::default() },
            var_store: &var_store,
            report: &batch_report,
            learning_rate: None,
            tap: &tap,
            model: None,
            timing: Timing::default(),
            requested: &requested,
        };
        let images = Tensor::zeros([2, 1, 4, 4], (tch::Kind::Float, Device::Cpu));
        let logits = Tensor::from_slice2(&[[1f32, 0.0], [1.0, 0.0]]);
        let batch = BatchView::new(&images, &Tensor::from_slice(&[0i64, 1]), &logits).unwrap();
        let (mut report, mut sink) = (ClassificationReport::new(["a", "b"]), MemorySink::default());
        for &(step, over_budget) in passes {
            let cx = at(step, over_budget);
            assert!(report.on_validation_batch(&cx, &batch, &mut sink).unwrap().is_continue());
            assert!(report.on_validation_end(&cx, &Metrics::default(), &mut sink).unwrap().is_continue());
        }
        assert!(report.on_train_end(&at(end, true), &mut sink).unwrap().is_continue());
        sink.entries.iter().map(|entry| (entry.step.get(), entry.tag.to_string())).collect()
    }

    const COSTLY: [&str; 6] =
        ["calibration", "confusion/counts", "confusion/normalized", "mistakes", "pr/a", "pr/b"];

    /// The costly tags of each step, and how many others there are.
    fn costly(written: &[(i64, String)], step: i64) -> (Vec<&str>, usize) {
        let found: Vec<&str> =
            written.iter().filter(|(at, _)| *at == step).map(|(_, tag)| tag.as_str()).collect();
        let costly: BTreeSet<&str> = found.iter().copied().filter(|tag| COSTLY.contains(tag)).collect();
        (costly.into_iter().collect(), found.iter().filter(|tag| !COSTLY.contains(tag)).count())
    }

    #[test]
    fn over_budget_numbers_stay_and_pictures_wait() {
        let all = written(&[(1, false), (2, true), (3, false)], 3);
        let (drawn, numbers) = costly(&all, 1);
        assert_eq!(drawn, COSTLY);
        assert!(numbers > 10, "{all:?}");
        assert_eq!(costly(&all, 2), (vec![], numbers));
        assert_eq!(costly(&all, 3), (COSTLY.to_vec(), numbers));
        assert_eq!(all.iter().filter(|(_, tag)| tag == "mistakes").count(), 2, "not again at the end");
    }

    #[test]
    fn the_last_pass_is_drawn_at_the_end() {
        let all = written(&[(1, true), (2, true)], 2);
        assert_eq!(costly(&all, 1).0, Vec::<&str>::new());
        assert_eq!(costly(&all, 2).0, COSTLY);
        // Training went on after it: that is not how it ended.
        let all = written(&[(1, true)], 2);
        assert_eq!(costly(&all, 1).0, Vec::<&str>::new());
        assert_eq!(costly(&all, 2), (vec![], 0));
    }
}
