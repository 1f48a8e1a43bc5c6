//! A method that says how much each pixel has to do with an answer.

use tch::Tensor;

use super::{attribution::Attribution, classifier::Classifier};
use crate::error::Result;

/// An attribution method with its settings. [`Attribute`](super::Attribute) makes a [`Study`](super::Study) of it, with
/// pictures and a badge that says how far to believe them.
pub trait Attributor {
    /// Its name on the command line and in tags, such as `integrated_gradients`.
    fn name(&self) -> &'static str;

    /// What a reader sees on the picture, and whose definition it is: the tag's description, Markdown.
    fn description(&self) -> &'static str;

    /// What is to be known before any of its maps is believed, such as a check that the method fails: printed once, and no
    /// map of it is called trusted.
    fn warning(&self) -> Option<&'static str> {
        None
    }

    /// How much each pixel of `image`, `[1, C, H, W]` on the model's device, has to do with the score of `class`.
    ///
    /// # Errors
    /// What the model refuses; a class that it does not have. [`ErrorKind::NotApplicable`](crate::ErrorKind::NotApplicable)
    /// says that the method is not for this model (no layer of the kind that it looks at): then it is left out, and nothing
    /// has failed.
    fn attribute(&self, classifier: &Classifier<'_>, image: &Tensor, class: i64) -> Result<Attribution>;

    /// The method with settings that cost little, for checks that run it again and again: of random networks and, to compare
    /// them with, of this one. `None`, as for most methods, is the method itself.
    fn control(&self) -> Option<Box<dyn Attributor>> {
        None
    }
}
