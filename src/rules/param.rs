//! What was measured of a parameter.

use super::TensorStats;
use crate::summary::{Step, layer_and_part};

/// What a parameter is to its layer, by its name and shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ParamRole {
    /// Kernel of a convolution or matrix of a fully connected layer.
    Weight,
    /// What is added to a weight's products.
    Bias,
    /// Scale (gamma) of a normalisation.
    Scale,
    /// Shift (beta) of a normalisation.
    Shift,
    /// Running mean of a normalisation: no gradient.
    RunningMean,
    /// Running variance of a normalisation: no gradient.
    RunningVar,
    /// Anything else.
    Other,
}

/// What was measured of a parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct ParamObservation {
    /// Path in the store, such as `conv1.weight`.
    pub name: String,
    /// The layer that it belongs to: its path without the last part, such as `conv1`; without the network's own path in the
    /// store before it, where the layers are known.
    pub layer: String,
    /// What it is.
    pub role: ParamRole,
    /// Whether training changes it: it asks for a gradient.
    pub trainable: bool,
    /// Its values after the optimiser's step.
    pub value: TensorStats,
    /// Gradient of the batch's loss, before clipping where the loop announces that moment. `None` where there is none.
    pub gradient: Option<TensorStats>,
    /// L2 norm of the gradient that the optimiser used. `None` where the loop does not announce the moment before clipping.
    pub clipped_norm: Option<f64>,
    /// ‖w after − w before‖₂ / ‖w before‖₂ around this step. `None` where it was not measured or ‖w before‖ is 0.
    pub update_ratio: Option<f64>,
    /// The first observation since which its bits did not change. `None` where they changed since the one before, and for
    /// what is not trainable.
    pub unchanged_since: Option<Step>,
    /// Of weights, where it was asked for.
    pub spectrum: Option<Spectrum>,
}

impl ParamObservation {
    /// A parameter of which the values alone are known.
    pub fn new(name: impl Into<String>, role: ParamRole, value: TensorStats) -> ParamObservation {
        let name = name.into();
        let layer = layer_and_part(&name).0.to_owned();
        ParamObservation {
            name,
            layer,
            role,
            trainable: !matches!(role, ParamRole::RunningMean | ParamRole::RunningVar),
            value,
            gradient: None,
            clipped_norm: None,
            update_ratio: None,
            unchanged_since: None,
            spectrum: None,
        }
    }
}

/// What the singular values of a weight tell; a kernel `[O, I, H, W]` is taken as a matrix of O rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spectrum {
    /// The greatest singular value.
    pub norm: f64,
    /// Σs² / max s² : 1 where one direction holds everything (Rudelson and Vershynin 2007). 0 for a matrix of zeros.
    pub stable_rank: f64,
    /// exp of the entropy of s / Σs (Roy and Vetterli 2007). 0 for a matrix of zeros.
    pub effective_rank: f64,
    /// The smaller side of the matrix: the most that either rank can be.
    pub full_rank: u64,
}
