//! What a callback must be given.

use std::ops::{BitOr, BitOrAssign};

/// What must be captured in a step: asked before the forward pass and merged over all callbacks, so that a step on
/// which nothing is due costs nothing.
///
/// ```
/// use convscope::callback::Needs;
///
/// let merged = Needs::NONE | Needs::ACTIVATION_GRADIENTS;
/// assert!(merged.contains(Needs::ACTIVATIONS)); // gradients of activations imply the activations
/// assert!(!Needs::ACTIVATIONS.contains(Needs::ACTIVATION_GRADIENTS));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs(u8);

impl Needs {
    /// Nothing beyond loss, parameters and their gradients, which are always there.
    pub const NONE: Needs = Needs(0);
    /// The output of every observed layer in the training forward pass.
    pub const ACTIVATIONS: Needs = Needs(1 | 8);
    /// The gradient of the loss by each of these outputs: one extra backward pass.
    pub const ACTIVATION_GRADIENTS: Needs = Needs(1 | 2 | 8);
    /// A copy of the trainable parameters as they were when the step began: one copy of the model, freed with the step.
    pub const PARAMETERS_BEFORE: Needs = Needs(4 | 8);
    /// Values from the device: the callback fetches some in this step, after the backward pass or at its end. On an
    /// accelerator the session then waits for the device before it calls, so that the time counts as the training's and
    /// not as the callback's. The other needs imply it.
    pub const VALUES: Needs = Needs(8);

    /// Whether everything of `other` is among these needs.
    pub const fn contains(self, other: Needs) -> bool {
        self.0 & other.0 == other.0
    }

    /// These needs where `due`, else none.
    #[must_use]
    pub const fn when(self, due: bool) -> Needs {
        if due { self } else { Needs::NONE }
    }
}

impl BitOr for Needs {
    type Output = Needs;

    fn bitor(self, other: Needs) -> Needs {
        Needs(self.0 | other.0)
    }
}

impl BitOrAssign for Needs {
    fn bitor_assign(&mut self, other: Needs) {
        *self = *self | other;
    }
}
