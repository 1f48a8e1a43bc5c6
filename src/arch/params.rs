//! The tensors a layer learns or keeps.

use super::{
    layer::{Conv2d, Layer},
    shape::Shape,
};

/// A tensor of a layer, as PyTorch's state dict has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParamSpec {
    /// Name below the layer's: `weight`, `bias`, `running_mean`, `running_var`.
    pub name: &'static str,
    /// Its size: `[out, in / groups, kh, kw]` for the weight of a convolution, `[out, in]` for that of a linear layer.
    pub dims: Vec<i64>,
    /// False for the running statistics of batch normalisation.
    pub trainable: bool,
}

impl ParamSpec {
    fn learnt(name: &'static str, dims: Vec<i64>) -> ParamSpec {
        ParamSpec { name, dims, trainable: true }
    }

    fn kept(name: &'static str, dims: Vec<i64>) -> ParamSpec {
        ParamSpec { name, dims, trainable: false }
    }

    /// Number of values. Those of a resolved model never overflow here; others saturate.
    #[allow(clippy::len_without_is_empty)] // a parameter holds at least one value
    pub fn len(&self) -> i64 {
        self.checked_len().unwrap_or(i64::MAX)
    }

    /// Number of values, if an `i64` can hold it.
    pub(super) fn checked_len(&self) -> Option<i64> {
        self.dims.iter().try_fold(1_i64, |n, &dim| n.checked_mul(dim))
    }
}

/// The tensors of `layer` over `input`, in PyTorch's order, which is also the order of initialisation.
pub(super) fn params(layer: &Layer, input: Shape) -> Vec<ParamSpec> {
    let channels = input.channels();
    match layer {
        Layer::Conv2d(conv) => weight_and_bias(kernel_dims(conv, channels), conv.bias),
        Layer::Linear(linear) => weight_and_bias(vec![linear.out_features, channels], linear.bias),
        Layer::BatchNorm2d(norm) => {
            let mut params = if norm.affine { weight_and_bias(vec![channels], true) } else { Vec::new() };
            params.push(ParamSpec::kept("running_mean", vec![channels]));
            params.push(ParamSpec::kept("running_var", vec![channels]));
            params
        }
        _ => Vec::new(),
    }
}

fn kernel_dims(conv: &Conv2d, in_channels: i64) -> Vec<i64> {
    vec![conv.out_channels, in_channels / conv.groups, conv.kernel_size.h, conv.kernel_size.w]
}

fn weight_and_bias(dims: Vec<i64>, bias: bool) -> Vec<ParamSpec> {
    let outputs = dims[..1].to_vec();
    let mut params = vec![ParamSpec::learnt("weight", dims)];
    if bias {
        params.push(ParamSpec::learnt("bias", outputs));
    }
    params
}
