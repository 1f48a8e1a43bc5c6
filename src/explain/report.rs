//! Where studies write.

use serde_json::{Map, Value};

use super::shared::Shared;
use crate::{
    arch::lecture,
    error::Result,
    render::Caption,
    summary::{Image, Step, Summary},
    writer::SummarySink,
};

/// Takes what a study finds: pictures, curves and words for TensorBoard, and raw values for a JSON file.
///
/// All tags lie below `explain/<study>/`.
pub struct Report<'a> {
    out: &'a mut dyn SummarySink,
    step: Step,
    epoch: Option<u64>,
    study: &'static str,
    values: Values<'a>,
    skipped: Vec<(&'static str, String)>,
    /// What earlier studies found for the same images.
    pub(super) shared: Shared,
    /// Whether the sink refused something.
    refused: bool,
}

/// What becomes of raw values: they may be many.
enum Values<'a> {
    Unwanted,
    Kept(Map<String, Value>),
    HandedOn(&'a mut dyn FnMut(&'static str, &str, Value)),
}

impl<'a> Report<'a> {
    /// A report of a model at `step`; its values go to `out`.
    pub fn new(out: &'a mut dyn SummarySink, step: Step, epoch: Option<u64>) -> Report<'a> {
        let (values, skipped, shared) = (Values::Unwanted, Vec::new(), Shared::default());
        Report { out, step, epoch, study: "", values, skipped, shared, refused: false }
    }

    /// Keeps raw values of all studies for [`into_json`](Report::into_json). Of large images that is much: see
    /// [`values_to`](Report::values_to).
    #[must_use]
    pub fn with_values(mut self) -> Report<'a> {
        self.values = Values::Kept(Map::new());
        self
    }

    /// Hands raw values on as soon as they are found, and keeps none: the study, what the values are of (an image, a layer)
    /// and the values. Those of a study come one after the other.
    #[must_use]
    pub fn values_to(mut self, take: &'a mut dyn FnMut(&'static str, &str, Value)) -> Report<'a> {
        self.values = Values::HandedOn(take);
        self
    }

    /// What follows is written by `study`.
    pub fn begin(&mut self, study: &'static str) {
        self.study = study;
    }

    /// The step of everything in it.
    pub fn step(&self) -> Step {
        self.step
    }

    /// The caption of a picture of `what`.
    pub fn caption<'c>(&self, what: &'c str) -> Caption<'c> {
        Caption { layer: what, step: self.step, epoch: self.epoch }
    }

    /// Takes a summary under `explain/<study>/<tag>`.
    ///
    /// # Errors
    /// Why it could not be written.
    pub fn add(&mut self, tag: &str, summary: Summary) -> Result<()> {
        let tag = format!("explain/{}/{tag}", self.study);
        self.out.add(&tag, summary, self.step).inspect_err(|_| self.refused = true)
    }

    /// Whether something could not be written: tells an error of the sink from one of a study.
    pub fn could_not_write(&self) -> bool {
        self.refused
    }

    /// Takes a picture; `description` says what one sees, for the tag's help in TensorBoard.
    ///
    /// # Errors
    /// Why it could not be written.
    pub fn picture(&mut self, tag: &str, image: Image, description: &str) -> Result<()> {
        self.add(tag, Summary::image(image).with_description(description))
    }

    /// Takes pictures of small cases that need no model, under `example/`.
    pub(super) fn examples(&mut self, pictures: lecture::Pictures, description: &str) -> Result<()> {
        let mut each = pictures.into_iter();
        each.try_for_each(|(name, image)| self.picture(&format!("example/{name}"), image, description))
    }

    /// Takes a number.
    ///
    /// # Errors
    /// Why it could not be written.
    pub fn scalar(&mut self, tag: &str, value: f64, description: &str) -> Result<()> {
        self.add(tag, Summary::scalar(value).with_description(description))
    }

    /// Takes raw values of `what` (an image, a layer); they are made only where they are wanted.
    pub fn values(&mut self, what: &str, values: impl FnOnce() -> Value) {
        match &mut self.values {
            Values::Unwanted => {}
            Values::HandedOn(take) => take(self.study, what, values()),
            Values::Kept(all) => {
                if let Value::Object(of_study) =
                    all.entry(self.study).or_insert_with(|| Value::Object(Map::new()))
                {
                    of_study.insert(what.to_owned(), values());
                }
            }
        }
    }

    /// Says why the study, or a part of it, was not made.
    pub fn skip(&mut self, why: impl Into<String>) {
        self.skipped.push((self.study, why.into()));
    }

    /// Studies that were not made, with the reason.
    pub fn skipped(&self) -> &[(&'static str, String)] {
        &self.skipped
    }

    /// The [kept](Report::with_values) raw values by study, then by image or layer.
    pub fn into_json(self) -> Value {
        match self.values {
            Values::Kept(values) => Value::Object(values),
            Values::Unwanted | Values::HandedOn(_) => Value::Object(Map::new()),
        }
    }
}
