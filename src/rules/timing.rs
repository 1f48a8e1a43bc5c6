//! Where the time went.

/// Seconds since the observation before, by what they were spent on. Validation passes are in none of them.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Timing {
    /// Waiting for the next batch: from the end of a step to the beginning of the next.
    pub data: f64,
    /// Forward and backward pass and the optimiser's step.
    pub training: f64,
    /// What convscope did itself: callbacks, and extra backward passes for them.
    pub diagnostics: f64,
}

impl Timing {
    /// All of it.
    pub fn total(&self) -> f64 {
        self.data + self.training + self.diagnostics
    }
}
