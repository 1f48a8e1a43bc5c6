//! What a layer's output is to diagnostics.

use super::Layer;

/// What a layer's output is. It decides which diagnostics apply: feature maps are drawn for convolutions and activation
/// functions, exact zeros mean a silent unit behind a ReLU only, and saturation is a matter of tanh and sigmoid.
///
/// ```
/// use convscope::arch::{Layer, Role};
///
/// assert_eq!(Layer::Tanh.role(), Role::Tanh);
/// assert!(Role::Tanh.is_activation() && Role::Activation.is_activation());
/// assert!(!Role::Convolution.is_activation());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Output of a convolution, before its activation.
    Convolution,
    /// Output of a fully connected layer, before its activation.
    Linear,
    /// Output of a normalisation, such as BatchNorm.
    Normalization,
    /// Output of dropout: its zeros are noise, not silence.
    Dropout,
    /// Output of an activation function that is not known any closer. Taken for one with exact zeros, like ReLU.
    Activation,
    /// max(x, 0), also where it is cut off above (ReLU6): exact zeros.
    Relu,
    /// An activation function that is small but not zero for negative inputs: leaky ReLU, GELU, SiLU.
    SoftRelu,
    /// Hyperbolic tangent, -1 to 1: saturates at both ends.
    Tanh,
    /// Logistic function, 0 to 1: saturates at both ends.
    Sigmoid,
    /// Any other output.
    Other,
}

impl Role {
    /// Whether it is the output of an activation function.
    pub fn is_activation(self) -> bool {
        matches!(self, Role::Activation | Role::Relu | Role::SoftRelu | Role::Tanh | Role::Sigmoid)
    }

    /// Whether an exact zero says that a unit is silent: behind ReLU, and where the function is not known.
    pub fn is_silent_at_zero(self) -> bool {
        matches!(self, Role::Activation | Role::Relu)
    }
}

impl Layer {
    /// What the layer's output is to diagnostics.
    pub fn role(&self) -> Role {
        match self {
            Layer::Conv2d(_) => Role::Convolution,
            Layer::Linear(_) => Role::Linear,
            Layer::BatchNorm2d(_) => Role::Normalization,
            Layer::Dropout(_) | Layer::Dropout2d(_) => Role::Dropout,
            Layer::Relu | Layer::Relu6 => Role::Relu,
            Layer::LeakyRelu(_) | Layer::Gelu(_) | Layer::Silu => Role::SoftRelu,
            Layer::Tanh => Role::Tanh,
            Layer::Sigmoid => Role::Sigmoid,
            _ => Role::Other,
        }
    }
}
