//! What is asked of a model: the seam between explanations and those who run them.

use tch::Tensor;

use super::{classifier::Classifier, report::Report, sample::Case};
use crate::{
    arch::ModelSpec,
    data::{Dataset, Normalization},
    error::Result,
};

/// One explanation that looks at a [`Subject`] and writes what it finds to a [`Report`]. The
/// [`Explain`](super::Explain) callback runs studies while training, `convscope explain` on a saved model.
///
/// A study that cannot be made for this subject (no layer of a kind, no data given) says so by [`Report::skip`] and is no
/// error. It may keep what it needs to compare with the next time.
pub trait Study {
    /// Its name on the command line, in the JSON file and in tags: `explain/<name>/…`.
    fn name(&self) -> &'static str;

    /// Looks, and writes.
    ///
    /// # Errors
    /// What the model refuses; a value that could not be written.
    fn run(&mut self, subject: &Subject<'_>, report: &mut Report<'_>) -> Result<()>;
}

/// What is explained.
pub struct Subject<'a> {
    /// The model.
    pub classifier: &'a Classifier<'a>,
    /// Images whose answers are explained one by one. May be empty.
    pub cases: &'a [Case<'a>],
    /// Names of the classes; empty where they are not known.
    pub classes: &'a [String],
    /// Labelled images that the model was not trained on, for what needs many; `None` where there are none.
    pub data: Option<Evidence<'a>>,
    /// All variables of the model, sorted by name. Not to be changed in place.
    pub variables: &'a [(String, Tensor)],
    /// What the model is made of, where that is known.
    pub spec: Option<&'a ModelSpec>,
    /// Where the random numbers of the studies begin.
    pub seed: u64,
}

/// Labelled images and how they become the model's input.
#[derive(Debug, Clone, Copy)]
pub struct Evidence<'a> {
    /// The images.
    pub images: &'a Dataset,
    /// What was done with the training images.
    pub normalization: &'a Normalization,
}
