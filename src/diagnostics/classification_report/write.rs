//! The tags of a report.

use tch::{Device, Kind, Tensor};

use super::{brightness::Brightness, pass::Pass};
use crate::{
    callback::Context,
    classification::{ZeroDivision, class_name},
    error::{Error, Result},
    render::{ConfusionScale, WrongAnswer, mistakes},
    summary::{Image, Summary, thousands},
    tch_context::TchContext as _,
    writer::{SubRun, SummarySink as _},
};

/// Classes that a table of the whole matrix may have.
const MATRIX: usize = 20;
/// Rows of a table of many classes or confusions.
const ROWS: usize = 50;

/// A pass that is over, and how to show it.
pub(super) struct Report<'a> {
    pub pass: &'a Pass,
    /// Names of the classes.
    pub names: &'a [String],
    /// How each class ends a tag.
    pub tags: Vec<String>,
    /// Classes with tags of their own.
    pub curves: Vec<usize>,
    pub brightness: &'a Brightness,
    pub thresholds: usize,
    pub top_k: Option<usize>,
}

impl Report<'_> {
    /// Texts and scalars.
    pub fn write_numbers(&self, cx: &Context<'_>, out: &mut SubRun<'_>) -> Result<()> {
        out.add("confusion", Summary::text(self.confusion_table()).with_description(COUNTS), cx.step())?;
        out.add("classes", Summary::text(self.class_table()).with_description(CLASSES), cx.step())?;
        self.write_scalars(cx, out)?;
        self.curves.iter().try_for_each(|&class| self.write_class(class, cx, out))
    }

    /// Pictures and PR curves, which cost more.
    pub fn write_pictures(&self, cx: &Context<'_>, out: &mut SubRun<'_>) -> Result<()> {
        self.draw_confusion(cx, out)?;
        let picture = self.pass.evaluation.calibration().to_image(&cx.caption("calibration"))?;
        out.add("calibration", Summary::image(picture).with_description(CALIBRATION), cx.step())?;
        if let Some(picture) = self.mistakes(cx)? {
            out.add("mistakes", Summary::image(picture).with_description(MISTAKES), cx.step())?;
        }
        for &class in &self.curves {
            let curve = Summary::pr_curve(self.pass.evaluation.pr_curve(class, self.thresholds)?);
            out.add(&format!("pr/{}", self.tags[class]), curve.with_description(PR), cx.step())?;
        }
        Ok(())
    }

    fn draw_confusion(&self, cx: &Context<'_>, out: &mut SubRun<'_>) -> Result<()> {
        let matrix = self.pass.evaluation.confusion();
        let caption = cx.caption("confusion matrix");
        for (tag, scale, words) in [
            ("confusion/counts", ConfusionScale::Counts, COUNTS),
            ("confusion/normalized", ConfusionScale::Shares, SHARES),
        ] {
            let picture = matrix.to_image(self.names, scale, &caption)?;
            out.add(tag, Summary::image(picture).with_description(words), cx.step())?;
        }
        Ok(())
    }

    fn confusion_table(&self) -> String {
        let matrix = self.pass.evaluation.confusion();
        if matrix.classes() <= MATRIX {
            matrix.to_table(self.names).to_markdown()
        } else {
            let all = matrix.confusions().len();
            let shown = all.min(ROWS);
            let table = matrix.to_confusions_table(self.names, ROWS).to_markdown();
            format!("The {shown} most frequent of {} confusions.\n\n{table}", thousands(&all))
        }
    }

    fn write_scalars(&self, cx: &Context<'_>, out: &mut SubRun<'_>) -> Result<()> {
        let evaluation = &self.pass.evaluation;
        let averages = evaluation.report().macro_average(ZeroDivision::Zero);
        let top_k = self.top_k.map(|k| format!("top_{k}_accuracy"));
        let top_k = top_k.as_ref().map(|tag| (tag.as_str(), evaluation.top_k_accuracy(), TOP_K));
        for (tag, value, words) in [
            ("calibration/ece", evaluation.calibration().ece(), ECE),
            ("calibration/mce", evaluation.calibration().mce(), MCE),
            ("macro_average/precision", averages.precision, MACRO),
            ("macro_average/recall", averages.recall, MACRO),
            ("macro_average/f1", averages.f1, MACRO),
        ]
        .into_iter()
        .chain(top_k)
        {
            add_scalar(tag, value, words, cx, out)?;
        }
        Ok(())
    }

    fn write_class(&self, class: usize, cx: &Context<'_>, out: &mut SubRun<'_>) -> Result<()> {
        let (evaluation, end) = (&self.pass.evaluation, &self.tags[class]);
        let scores = evaluation.confusion().scores(class);
        for (group, value, words) in [
            ("precision", scores.precision, PRECISION),
            ("recall", scores.recall, RECALL),
            ("f1", scores.f1, F1),
            ("average_precision", evaluation.average_precision(class), AVERAGE_PRECISION),
            ("loss_per_class", evaluation.loss_of(class), LOSS),
        ] {
            add_scalar(&format!("{group}/{end}"), value, words, cx, out)?;
        }
        Ok(())
    }

    /// What holds for the whole pass, and the table.
    fn class_table(&self) -> String {
        let evaluation = &self.pass.evaluation;
        let classes = evaluation.classes();
        let mut lines = vec![evaluation.calibration().words()];
        let left_out = evaluation.left_out();
        if !left_out.is_empty() {
            lines.push(format!("Of {} samples {}.", thousands(&evaluation.given()), left_out.words()));
        }
        if classes > ROWS {
            lines.push(format!(
                "The {ROWS} classes with the lowest F1 of {}, lowest first.",
                thousands(&classes)
            ));
        }
        if self.curves.len() < classes {
            lines.push(format!(
                "{} of {} classes have curves of their own; `ClassificationReport::curves_of` names others.",
                self.curves.len(),
                thousands(&classes)
            ));
        }
        lines.push(evaluation.to_table(self.names, ROWS).to_markdown());
        lines.join("\n\n")
    }

    /// The gallery. `None` where the model takes no images, or none shall be shown.
    fn mistakes(&self, cx: &Context<'_>) -> Result<Option<Image>> {
        let evaluation = &self.pass.evaluation;
        let wrong = evaluation.confusion().total() - evaluation.confusion().correct();
        let total = thousands(&evaluation.confusion().total());
        let caption = cx.caption("mistakes");
        if wrong == 0 {
            let note = format!("no mistake among {total} images");
            return mistakes(&[], [0; 4], &[], &note, &caption).map(Some);
        }
        let Some(images) = self.pass.images_of_mistakes()? else { return Ok(None) };
        let (images, scale) = self.brightness.of(&images)?;
        let (pixels, shape) = pixels(&images)?;
        let found = evaluation.mistakes();
        let names: Vec<[String; 2]> = (found.iter())
            .map(|mistake| [mistake.truth, mistake.predicted].map(|class| class_name(self.names, class)))
            .collect();
        let answers: Vec<WrongAnswer<'_>> = (found.iter().zip(&names))
            .map(|(mistake, [truth, predicted])| WrongAnswer {
                truth,
                predicted,
                confidence: mistake.confidence,
            })
            .collect();
        let which = format!("the most confident of {} mistakes among {total} images", thousands(&wrong));
        let note = [which.as_str(), scale].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>();
        mistakes(&pixels, shape, &answers, &note.join("; "), &caption).map(Some)
    }
}

/// Values on the host, with their shape `[N, C, H, W]`.
fn pixels(images: &Tensor) -> Result<(Vec<f32>, [usize; 4])> {
    let side = |side: &i64| usize::try_from(*side).unwrap_or_default();
    let sizes: Vec<usize> = images.size().iter().map(side).collect();
    let shape = <[usize; 4]>::try_from(sizes).map_err(|sizes| {
        let why = format!("shape {sizes:?} found; [N, C, H, W] expected of `ClassificationReport::pixels`");
        Error::invalid("images of mistakes", why)
    })?;
    let values = || Vec::try_from(&images.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_reshape([-1])?);
    Ok((values().context(|| "images of mistakes".to_owned())?, shape))
}

/// Nothing where the number is not defined.
fn add_scalar(
    tag: &str,
    value: Option<f64>,
    words: &str,
    cx: &Context<'_>,
    out: &mut SubRun<'_>,
) -> Result<()> {
    match value {
        Some(value) => out.add(tag, Summary::scalar(value).with_description(words), cx.step()),
        None => Ok(()),
    }
}

const COUNTS: &str = "How often images of each class (rows) were taken for each class (columns).";
const SHARES: &str = "How often images of each class (rows) were taken for each class (columns), in percent of the row: \
    the diagonal is the recall.";
const CLASSES: &str = "Measures of each class against all others, as scikit-learn defines them. Blank: 0/0, which the \
    averages count as 0.";
const CALIBRATION: &str = "Reliability diagram: accuracy of the answers by their confidence (the probability of the \
    predicted class), in 15 bins `(low, high]`.";
const MISTAKES: &str =
    "The most confident wrong answers: predicted class, true class, probability of the predicted one.";
const ECE: &str = "Expected calibration error: mean distance of accuracy and confidence over 15 bins, weighted by their \
    answers (Naeini et al. 2015, Guo et al. 2017). 0: the answers are as often right as they claim.";
const MCE: &str = "Maximum calibration error: the greatest distance of accuracy and confidence of 15 bins.";
const MACRO: &str = "Mean over the classes; 0/0 counts as 0.";
const TOP_K: &str = "Share of the images whose class is among the k largest logits.";
const PRECISION: &str = "How often the answer is right where it is this class.";
const RECALL: &str = "How often this class is recognised.";
const F1: &str = "Harmonic mean of precision and recall.";
const AVERAGE_PRECISION: &str = "Precision averaged over the recall that each score gains (as scikit-learn's \
    `average_precision_score`).";
const LOSS: &str = "Mean cross-entropy of the images of this class, in nats.";
const PR: &str = "This class against all others, by its probability.";
