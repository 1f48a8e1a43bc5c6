//! Architecture as data: a [`ModelSpec`] is a named graph of layers, read from TOML or built in code.
//!
//! Nothing here needs libtorch. From a spec come:
//!
//! | what | where |
//! |---|---|
//! | known networks by name | [`zoo`] |
//! | the graph behind the names, shapes and parameters | [`ModelSpec::resolve`], [`ResolvedModel`] |
//! | outputs, parameters, multiply-adds and memory of all layers | [`ModelSpec::summary`], [`ModelSummary`] |
//! | which pixels every unit sees | [`ModelSpec::receptive_fields`], [`ReceptiveFields`] |
//! | what is wrong with them, in words | [`ModelSpec::advice`], [`Advice`] |
//! | graphs for TensorBoard | [`ModelSpec::graph`], [`ModelSpec::conceptual_graph`] |
//! | all of it in TensorBoard, with pictures | [`ModelReport`] |
//! | convolution as a matrix, max pooling forward and backward, for small cases; the lecture's panels | [`ConvolutionMatrix`], [`MaxPoolSwitches`], [`panels`] |
//! | the sizes of images that work, where the stated one does not | the error of [`ModelSpec::validate`] |
//! | the tch module, with the names under which activations are captured | `Network` |
//!
//! # The file format
//!
//! ```
//! use convscope::arch::{ModelSpec, Shape};
//!
//! let spec = ModelSpec::from_toml(r#"
//!     name = "tiny residual net"
//!     input = [3, 32, 32]                # channels, height, width of one image
//!
//!     [[layer]]
//!     name = "conv1"
//!     type = "conv2d"
//!     out_channels = 8
//!     kernel_size = 3                    # or [height, width]
//!     padding = "same"                   # or 1, [1, 1], [top, bottom, left, right]
//!
//!     [[layer]]
//!     name = "relu1"                     # without `inputs` a layer reads the one above it
//!     type = "relu"
//!
//!     [[layer]]
//!     name = "block.conv"                # parameters: block.conv.weight, block.conv.bias
//!     type = "conv2d"
//!     out_channels = 8
//!     kernel_size = 3
//!     padding = 1
//!
//!     [[layer]]
//!     name = "block.add"
//!     type = "add"
//!     inputs = ["block.conv", "relu1"]   # "input" is the image
//!
//!     [[layer]]
//!     name = "pool"
//!     type = "global_avg_pool"
//!
//!     [[layer]]
//!     name = "fc"
//!     type = "linear"
//!     out_features = 10
//! "#)?;
//!
//! let shapes = spec.output_shapes()?;
//! assert_eq!(shapes[3], ("block.add".to_owned(), Shape::map(8, 32, 32)));
//! assert_eq!(spec.param_count()?, (3 * 9 + 1) * 8 + (8 * 9 + 1) * 8 + (8 + 1) * 10);
//! # Ok::<(), convscope::Error>(())
//! ```
//!
//! Arguments have the names and defaults of PyTorch, and its meanings: a `dilation` of 1 is dense. A field in brackets may be left out; a *pair* is a whole number
//! or `[height, width]`; see [`Padding`] for what it can be.
//!
//! | `type` | fields | input → output, without the batch |
//! |---|---|---|
//! | `conv2d` | `out_channels`, `kernel_size` pair, [`stride` pair = 1], [`padding` = 0], [`dilation` pair = 1], [`groups` = 1], [`bias` = true] | C×H×W → out_channels×H'×W' |
//! | `linear` | `out_features`, [`bias` = true] | features → out_features |
//! | `batch_norm2d` | [`eps` = 1e-5], [`momentum` = 0.1], [`affine` = true] | C×H×W → the same |
//! | `relu`, `relu6`, `silu`, `tanh`, `sigmoid` | | any → the same |
//! | `leaky_relu` | [`negative_slope` = 0.01] | any → the same |
//! | `gelu` | [`approximate` = "none" or "tanh"] | any → the same |
//! | `max_pool2d` | `kernel_size` pair, [`stride` pair = kernel_size], [`padding` = 0], [`dilation` pair = 1], [`ceil_mode` = false] | C×H×W → C×H'×W' |
//! | `avg_pool2d` | `kernel_size` pair, [`stride` pair = kernel_size], [`padding` = 0], [`count_include_pad` = true], [`ceil_mode` = false] | C×H×W → C×H'×W' |
//! | `adaptive_avg_pool2d` | `output_size` pair | C×H×W → C×output_size |
//! | `global_avg_pool` | | C×H×W → C features |
//! | `dropout`, `dropout2d` | [`p` = 0.5] | any (`dropout2d`: C×H×W) → the same |
//! | `flatten` | | any → features |
//! | `add` | `inputs`, two or more | equal shapes → the same |
//! | `concat` | `inputs`, two or more | maps of equal size → channels one after the other |
//! | `zero_pad2d` | `padding` | C×H×W → C×H'×W' |
//! | `softmax` | | any → the same, sums to 1 over channels or features |
//! | `identity` | | any → the same |
//!
//! The output of every layer but the last must be read by another one. Heads that only training uses, such as the one
//! in the middle of Inception v3, are named at the top of the file: `auxiliary = ["aux.fc"]`. See
//! [`ModelSpec::auxiliary`].

mod advice;
mod builder;
mod convolution_matrix;
mod error;
mod graph;
mod layer;
pub mod lecture;
mod max_pool_switches;
pub(crate) mod nearby;
mod padding;
pub mod panels;
mod params;
mod receptive_field;
mod report;
mod resolve;
mod role;
mod shape;
mod shapes;
mod smallest_input;
mod spec;
mod summary;
mod toml;
mod window;
pub mod zoo;

pub(crate) use self::nearby::did_you_mean;
pub use self::{
    advice::{Advice, AdviceKind, AdviceOptions},
    builder::ModelBuilder,
    convolution_matrix::{ConvolutionMatrix, dense_weight_gradients},
    error::ModelError,
    layer::{
        AdaptiveAvgPool2d, AvgPool2d, BatchNorm2d, Conv2d, Dropout, Gelu, GeluApproximation, Layer,
        LeakyRelu, Linear, MaxPool2d, ZeroPad2d,
    },
    max_pool_switches::MaxPoolSwitches,
    padding::{Padding, Pair, Sides},
    params::ParamSpec,
    receptive_field::{AxisField, PixelBox, ReceptiveField, ReceptiveFields},
    report::ModelReport,
    resolve::{ResolvedLayer, ResolvedModel, Source},
    role::Role,
    shape::Shape,
    spec::{LayerSpec, ModelSpec},
    summary::{LayerSummary, ModelSummary},
    window::Window,
};
