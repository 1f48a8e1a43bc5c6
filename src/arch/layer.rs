//! The layers a model is made of, with PyTorch's argument names and defaults.

use super::padding::{Padding, Pair};

/// What a layer does. Every variant's `type` name in TOML is [`Layer::type_name`].
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
#[allow(missing_docs)] // the payload says it
pub enum Layer {
    Conv2d(Conv2d),
    Linear(Linear),
    BatchNorm2d(BatchNorm2d),
    /// max(x, 0).
    Relu,
    /// min(max(x, 0), 6).
    Relu6,
    LeakyRelu(LeakyRelu),
    Gelu(Gelu),
    /// x · sigmoid(x).
    Silu,
    Tanh,
    Sigmoid,
    MaxPool2d(MaxPool2d),
    AvgPool2d(AvgPool2d),
    AdaptiveAvgPool2d(AdaptiveAvgPool2d),
    /// The mean of every map: C×H×W becomes C features.
    GlobalAvgPool,
    /// Zeroes single values while training.
    Dropout(Dropout),
    /// Zeroes whole maps while training.
    Dropout2d(Dropout),
    /// C×H×W becomes C·H·W features.
    Flatten,
    /// The sum of all inputs.
    Add,
    /// The channels of all inputs, one after the other.
    Concat,
    ZeroPad2d(ZeroPad2d),
    /// Puts out what it gets: gives a place in the graph a name.
    Identity,
    /// Over channels or features. Cross-entropy losses contain it already.
    Softmax,
}

impl Layer {
    /// The name in TOML: `conv2d`, `max_pool2d`, ...
    pub fn type_name(&self) -> &'static str {
        match self {
            Layer::Conv2d(_) => "conv2d",
            Layer::Linear(_) => "linear",
            Layer::BatchNorm2d(_) => "batch_norm2d",
            Layer::Relu => "relu",
            Layer::Relu6 => "relu6",
            Layer::LeakyRelu(_) => "leaky_relu",
            Layer::Gelu(_) => "gelu",
            Layer::Silu => "silu",
            Layer::Tanh => "tanh",
            Layer::Sigmoid => "sigmoid",
            Layer::MaxPool2d(_) => "max_pool2d",
            Layer::AvgPool2d(_) => "avg_pool2d",
            Layer::AdaptiveAvgPool2d(_) => "adaptive_avg_pool2d",
            Layer::GlobalAvgPool => "global_avg_pool",
            Layer::Dropout(_) => "dropout",
            Layer::Dropout2d(_) => "dropout2d",
            Layer::Flatten => "flatten",
            Layer::Add => "add",
            Layer::Concat => "concat",
            Layer::ZeroPad2d(_) => "zero_pad2d",
            Layer::Identity => "identity",
            Layer::Softmax => "softmax",
        }
    }

    /// Whether the layer joins several inputs (`add`, `concat`). All others have exactly one.
    pub fn joins(&self) -> bool {
        matches!(self, Layer::Add | Layer::Concat)
    }
}

/// Makes a layer's struct with public fields, a constructor for the required ones, a setter for each of the others,
/// and the conversion to [`Layer`].
macro_rules! layer {
    (
        $(#[$doc:meta])* $name:ident {
            required { $($(#[$rdoc:meta])* $required:ident: $rtype:ty,)* }
            optional { $($(#[$odoc:meta])* $optional:ident: $otype:ty = $default:expr,)* }
        }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq)]
        #[non_exhaustive]
        pub struct $name {
            $($(#[$rdoc])* pub $required: $rtype,)*
            $($(#[$odoc])* pub $optional: $otype,)*
        }

        impl $name {
            /// The layer with PyTorch's defaults for everything else.
            #[allow(clippy::new_without_default)]
            pub fn new($($required: impl Into<$rtype>),*) -> $name {
                $(let $required = $required.into();)*
                $name { $($required,)* $($optional: $default,)* }
            }

            $($(#[$odoc])*
            #[must_use]
            pub fn $optional(mut self, $optional: impl Into<$otype>) -> $name {
                self.$optional = $optional.into();
                self
            })*
        }
    };
}

layer! {
    /// A convolution (cross-correlation, as everywhere in deep learning).
    ///
    /// ```
    /// use convscope::arch::{Conv2d, Pair};
    ///
    /// let conv = Conv2d::new(64, 7).stride(2).padding(3).bias(false);
    /// assert_eq!((conv.kernel_size, conv.groups), (Pair { h: 7, w: 7 }, 1));
    /// ```
    Conv2d {
        required {
            /// Number of kernels, which is the number of output channels.
            out_channels: i64,
            /// Size of the kernel.
            kernel_size: Pair,
        }
        optional {
            /// Step of the window. Default 1.
            stride: Pair = Pair { h: 1, w: 1 },
            /// Zeros around the input. Default none.
            padding: Padding = Padding::NONE,
            /// Distance of the kernel's taps, as in PyTorch. Default 1: dense, no holes.
            dilation: Pair = Pair { h: 1, w: 1 },
            /// Number of blocks of channels that do not see each other. Default 1. Must divide input and output channels.
            groups: i64 = 1,
            /// Whether a learnt number is added per output channel. Default true.
            bias: bool = true,
        }
    }
}

layer! {
    /// A fully connected layer. Its input must be flat.
    Linear {
        required {
            /// Number of outputs.
            out_features: i64,
        }
        optional {
            /// Whether a learnt number is added per output. Default true.
            bias: bool = true,
        }
    }
}

layer! {
    /// Batch normalisation per channel, with running statistics for evaluation.
    BatchNorm2d {
        required {}
        optional {
            /// Added to the variance. Default 1e-5.
            eps: f64 = 1e-5,
            /// Share of the new batch in the running statistics, 0 to 1. Default 0.1.
            momentum: f64 = 0.1,
            /// Whether there are a learnt scale (`weight`) and shift (`bias`). Default true.
            affine: bool = true,
        }
    }
}

layer! {
    /// x for x > 0, else `negative_slope` · x.
    LeakyRelu {
        required {}
        optional {
            /// Slope for negative x. Default 0.01.
            negative_slope: f64 = 0.01,
        }
    }
}

layer! {
    /// x · Φ(x), where Φ is the distribution function of the standard normal distribution.
    Gelu {
        required {}
        optional {
            /// How Φ is computed. Default exactly.
            approximate: GeluApproximation = GeluApproximation::None,
        }
    }
}

/// How [`Gelu`] computes the normal distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GeluApproximation {
    /// With the error function. `"none"` in TOML and PyTorch.
    None,
    /// With tanh. `"tanh"` in TOML and PyTorch.
    Tanh,
}

impl GeluApproximation {
    /// PyTorch's name.
    pub fn as_str(self) -> &'static str {
        match self {
            GeluApproximation::None => "none",
            GeluApproximation::Tanh => "tanh",
        }
    }
}

layer! {
    /// The largest value of every window. Padding never wins.
    ///
    /// ```
    /// use convscope::arch::{MaxPool2d, Pair};
    ///
    /// assert_eq!(MaxPool2d::new(2).stride, Pair { h: 2, w: 2 });
    /// assert_eq!(MaxPool2d::new(3).stride(2).padding(1).stride, Pair { h: 2, w: 2 });
    /// ```
    MaxPool2d {
        required {
            /// Size of the window.
            kernel_size: Pair,
        }
        optional {
            /// Step of the window. Default the kernel's size.
            stride: Pair = kernel_size,
            /// Rows and columns around the input, at most half the window. Default none.
            padding: Padding = Padding::NONE,
            /// Distance of the values compared, as in PyTorch. Default 1: dense, neighbours are compared.
            dilation: Pair = Pair { h: 1, w: 1 },
            /// Whether a last window may reach over the end. Default false. See [`Window::ceil_mode`](super::Window).
            ceil_mode: bool = false,
        }
    }
}

layer! {
    /// The mean of every window.
    AvgPool2d {
        required {
            /// Size of the window.
            kernel_size: Pair,
        }
        optional {
            /// Step of the window. Default the kernel's size.
            stride: Pair = kernel_size,
            /// Zeros around the input, at most half the window. Default none.
            padding: Padding = Padding::NONE,
            /// Whether the zeros of the padding count in the mean. Default true, as in PyTorch; TensorFlow leaves
            /// them out.
            count_include_pad: bool = true,
            /// Whether a last window may reach over the end; what lies there never counts in the mean. Default false.
            /// See [`Window::ceil_mode`](super::Window).
            ceil_mode: bool = false,
        }
    }
}

layer! {
    /// Means over as many equal regions as the output has pixels.
    AdaptiveAvgPool2d {
        required {
            /// Size of the output.
            output_size: Pair,
        }
        optional {}
    }
}

layer! {
    /// Zeroes values (`dropout`) or whole maps (`dropout2d`) while training and enlarges the rest by 1 / (1 - p).
    Dropout {
        required {}
        optional {
            /// Probability of a zero, 0 to 1. Default 0.5.
            p: f64 = 0.5,
        }
    }
}

layer! {
    /// Zeros around the maps. `"same"` has no meaning here. (PyTorch's argument lists left and right first; ours is
    /// `[top, bottom, left, right]` like every padding here.)
    ZeroPad2d {
        required {
            /// How many.
            padding: Padding,
        }
        optional {}
    }
}

macro_rules! into_layer {
    ($($name:ident),*) => {
        $(impl From<$name> for Layer {
            fn from(layer: $name) -> Layer {
                Layer::$name(layer)
            }
        })*
    };
}
into_layer!(
    Conv2d,
    Linear,
    BatchNorm2d,
    LeakyRelu,
    Gelu,
    MaxPool2d,
    AvgPool2d,
    AdaptiveAvgPool2d,
    Dropout,
    ZeroPad2d
);
