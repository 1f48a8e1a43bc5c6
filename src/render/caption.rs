//! What a picture is of.

use crate::summary::Step;

/// What stands above a picture: the layer (or whatever else it shows), and when it was taken.
///
/// ```
/// use convscope::{Step, render::Caption};
///
/// let caption = Caption { layer: "conv1", step: Step::new(938), epoch: Some(1) };
/// assert_eq!(caption.when(), "step 938, epoch 1");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caption<'a> {
    /// Name of the layer. Latin-1 characters can be shown, others become `?`; long names lose their middle.
    pub layer: &'a str,
    /// Global step at which the values were taken.
    pub step: Step,
    /// Epoch, where there is one.
    pub epoch: Option<u64>,
}

impl Caption<'_> {
    /// Step and epoch in words.
    pub fn when(&self) -> String {
        match self.epoch {
            Some(epoch) => format!("step {}, epoch {epoch}", self.step),
            None => format!("step {}", self.step),
        }
    }
}
