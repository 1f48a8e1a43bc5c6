//! What was measured of a layer's output.

use super::TensorStats;
use crate::{arch::Role, summary::Step};

/// What was measured of a layer's output.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerObservation {
    /// Name of the probe or the network's node.
    pub name: String,
    /// What the output is.
    pub role: Role,
    /// The layers that it reads, where the architecture is known; empty for the first layer and for probes.
    pub inputs: Vec<String>,
    /// The output for the batch.
    pub output: TensorStats,
    /// Gradient of the batch's loss by the output, where it was taken.
    pub gradient: Option<TensorStats>,
    /// tanh, sigmoid: share of outputs where the derivative is below the threshold of the measurement, 0 to 1.
    pub saturated: Option<f64>,
    /// Leaky and smooth activation functions: share of outputs that are tiny beside the layer's RMS, 0 to 1.
    pub near_zero: Option<f64>,
    /// Which units were active, where a window closed with this observation.
    pub units: Option<UnitActivity>,
    /// Of a dropout layer: what it does to the values that the next layer sees.
    pub dropout: Option<DropoutShift>,
}

impl LayerObservation {
    /// A layer of which the output alone is known.
    pub fn new(name: impl Into<String>, role: Role, output: TensorStats) -> LayerObservation {
        LayerObservation {
            name: name.into(),
            role,
            inputs: Vec::new(),
            output,
            gradient: None,
            saturated: None,
            near_zero: None,
            units: None,
            dropout: None,
        }
    }
}

/// Which units (channels of a map, features of a vector) were active in a window of samples.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UnitActivity {
    /// Images in the window.
    pub samples: u64,
    /// Units of the layer.
    pub units: u64,
    /// Those that were not active for a single image and position of the window, in the order of their index.
    pub silent: Vec<SilentUnit>,
    /// How many positions of the map (channel, row, column), not only whole channels, were never active. `None` where
    /// they were not counted.
    pub silent_positions: Option<u64>,
}

impl UnitActivity {
    /// Share of silent units, 0 to 1. NaN without units.
    pub fn silent_share(&self) -> f64 {
        self.silent.len() as f64 / self.units as f64
    }
}

/// A unit that was not active in a whole window.
#[derive(Debug, Clone, PartialEq)]
pub struct SilentUnit {
    /// Index of the channel or feature.
    pub index: u64,
    /// The step at which it was active last; `None` for a unit that was never seen active.
    pub last_active: Option<Step>,
    /// Why, where the parameters before it tell.
    pub cause: Option<Cause>,
}

/// What keeps a unit silent.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Cause {
    /// The scale of the normalisation before it is close to 0.
    ZeroScale {
        /// Name of the parameter, such as `bn1.weight`.
        param: String,
        /// Its value for this unit.
        value: f64,
    },
    /// The bias before it is negative and outweighs what the weights bring.
    NegativeBias {
        /// Name of the parameter.
        param: String,
        /// Its value for this unit.
        value: f64,
    },
    /// Everything that it reads is silent.
    SilentInput {
        /// The layer that it reads.
        layer: String,
    },
}

/// What dropout does to the mean and variance of values: while training it multiplies by Bernoulli noise divided by the
/// keep rate q, in evaluation it does nothing. Train variance (σ² + μ²)/q − μ², evaluation variance σ².
#[derive(Debug, Clone, PartialEq)]
pub struct DropoutShift {
    /// The dropout layer.
    pub dropout: String,
    /// The next normalisation behind it, whose running variance learns the training's; `None` where there is none.
    pub normalization: Option<String>,
    /// Share of values that were kept, as measured, 0 to 1.
    pub keep_rate: f64,
    /// Variance while training divided by variance in evaluation, at least 1.
    pub variance_ratio: f64,
    /// Whether whole maps are dropped (`dropout2d`).
    pub whole_maps: bool,
}
