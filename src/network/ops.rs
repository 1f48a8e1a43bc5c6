//! What each layer does to its inputs. Nothing works in place, so what was captured stays what it was.

use tch::{TchError, Tensor};

use crate::{
    arch::{
        AvgPool2d, BatchNorm2d, Conv2d, Layer, LeakyRelu, MaxPool2d, Padding, ResolvedLayer, Shape, Sides,
        Window,
    },
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// The tensors of one layer; those that it does not have are `None`.
#[derive(Debug, Default)]
pub(super) struct Weights {
    weight: Option<Tensor>,
    bias: Option<Tensor>,
    running_mean: Option<Tensor>,
    running_var: Option<Tensor>,
}

impl Weights {
    pub(super) fn set(&mut self, name: &str, tensor: Tensor) {
        let place = match name {
            "weight" => &mut self.weight,
            "bias" => &mut self.bias,
            "running_mean" => &mut self.running_mean,
            _ => &mut self.running_var,
        };
        *place = Some(tensor);
    }

    pub(super) fn get(&self, name: &str) -> Option<&Tensor> {
        match name {
            "weight" => self.weight.as_ref(),
            "bias" => self.bias.as_ref(),
            "running_mean" => self.running_mean.as_ref(),
            _ => self.running_var.as_ref(),
        }
    }

    fn weight(&self) -> Result<&Tensor, TchError> {
        self.weight.as_ref().ok_or_else(|| TchError::Torch("the layer has no weight".to_owned()))
    }
}

/// The output of one layer.
pub(super) fn forward(
    layer: &ResolvedLayer,
    weights: &Weights,
    inputs: &[&Tensor],
    train: bool,
) -> Result<Tensor> {
    let context = || {
        let sizes: Vec<String> =
            inputs.iter().map(|input| format!("{:?} {:?}", input.size(), input.kind())).collect();
        format!("layer `{}` ({}) on {}", layer.name, layer.layer.type_name(), sizes.join(" and "))
    };
    let Some(&input) = inputs.first() else {
        return Err(Error::invalid(format!("layer `{}`", layer.name), "it has no input"));
    };
    if train && matches!(layer.layer, Layer::BatchNorm2d(_)) {
        check_more_than_one(layer, input)?;
    }
    apply(layer, weights, input, inputs, train).context(context)
}

fn apply(
    layer: &ResolvedLayer,
    weights: &Weights,
    input: &Tensor,
    inputs: &[&Tensor],
    train: bool,
) -> Result<Tensor, TchError> {
    match &layer.layer {
        Layer::Conv2d(conv) => convolve(conv, sides(layer), weights, input),
        Layer::Linear(_) => input.f_linear(weights.weight()?, weights.bias.as_ref()),
        Layer::BatchNorm2d(norm) => normalise(norm, weights, input, train),
        Layer::Relu => input.f_relu(),
        Layer::Relu6 => input.f_relu6(),
        Layer::LeakyRelu(leaky) => leaky_relu(leaky, input),
        Layer::Gelu(gelu) => input.f_gelu(gelu.approximate.as_str()),
        Layer::Silu => input.f_silu(),
        Layer::Tanh => input.f_tanh(),
        Layer::Sigmoid => input.f_sigmoid(),
        Layer::MaxPool2d(pool) => max_pool(pool, &around(layer), input),
        Layer::AvgPool2d(pool) => avg_pool(pool, &around(layer), input),
        Layer::AdaptiveAvgPool2d(pool) => input.f_adaptive_avg_pool2d(<[i64; 2]>::from(pool.output_size)),
        Layer::GlobalAvgPool => input.f_mean_dim([2, 3].as_slice(), false, None),
        Layer::Dropout(dropout) => input.f_dropout(dropout.p, train),
        Layer::Dropout2d(dropout) => input.f_feature_dropout(dropout.p, train),
        Layer::Flatten => input.f_flatten(1, -1),
        Layer::Add => inputs[1..].iter().try_fold(input.shallow_clone(), |sum, next| sum.f_add(next)),
        Layer::Concat => Tensor::f_cat(inputs, 1),
        Layer::ZeroPad2d(pad) => match pad.padding {
            Padding::Fixed(sides) => pad_with(input, sides, 0.0),
            Padding::Same => Err(TchError::Torch("padding \"same\" needs a kernel".to_owned())),
        },
        Layer::Identity => Ok(input.shallow_clone()),
        Layer::Softmax => input.f_softmax(1, None),
    }
}

/// libtorch would divide by n - 1 = 0 and leave NaN in the running variance for good.
fn check_more_than_one(layer: &ResolvedLayer, input: &Tensor) -> Result<()> {
    let size = input.size();
    let values = size.iter().product::<i64>() / layer.output_shape.channels();
    if values > 1 {
        return Ok(());
    }
    Err(Error::invalid(
        format!("layer `{}`", layer.name),
        format!(
            "batch normalisation needs more than one value per channel while training, and its input is {size:?}: use \
             batches of two or more images"
        ),
    ))
}

fn convolve(conv: &Conv2d, sides: Sides, weights: &Weights, input: &Tensor) -> Result<Tensor, TchError> {
    let (input, padding) = padded(input, sides, 0.0)?;
    input.f_conv2d(
        weights.weight()?,
        weights.bias.as_ref(),
        <[i64; 2]>::from(conv.stride),
        padding,
        <[i64; 2]>::from(conv.dilation),
        conv.groups,
    )
}

fn normalise(norm: &BatchNorm2d, weights: &Weights, input: &Tensor, train: bool) -> Result<Tensor, TchError> {
    input.f_batch_norm(
        weights.weight.as_ref(),
        weights.bias.as_ref(),
        weights.running_mean.as_ref(),
        weights.running_var.as_ref(),
        train,
        norm.momentum,
        norm.eps,
        true, // cuDNN where there is one
    )
}

/// tch's `leaky_relu` has no argument for the slope; PReLU with a constant slope is the same function.
fn leaky_relu(leaky: &LeakyRelu, input: &Tensor) -> Result<Tensor, TchError> {
    input.f_prelu(&Tensor::f_full([1], leaky.negative_slope, (input.kind(), input.device()))?)
}

/// What a pooling adds around its input.
struct Around {
    /// The padding that the layer states.
    stated: Sides,
    /// Where the windows end: other than `stated` in ceil mode, where the last one may reach further, or be left out.
    reached: Sides,
}

fn max_pool(pool: &MaxPool2d, around: &Around, input: &Tensor) -> Result<Tensor, TchError> {
    let [kernel, stride, dilation] = [pool.kernel_size, pool.stride, pool.dilation].map(<[i64; 2]>::from);
    let Asked { added, padding, ceil_mode } = Asked::of(pool, around);
    around_input(input, added)?.f_max_pool2d(kernel, stride, padding, dilation, ceil_mode)
}

/// How libtorch is asked for a max pooling.
struct Asked {
    /// What is added to the input beforehand.
    added: Sides,
    padding: [i64; 2],
    ceil_mode: bool,
}

impl Asked {
    fn of(pool: &MaxPool2d, around: &Around) -> Asked {
        match around.stated.symmetric() {
            // libtorch refuses more than half the kernel, even where its dilation makes the window larger.
            Some([h, w]) if h <= pool.kernel_size.h / 2 && w <= pool.kernel_size.w / 2 => {
                Asked { added: Sides::NONE, padding: [h, w], ceil_mode: pool.ceil_mode }
            }
            _ => Asked { added: around.reached, padding: [0, 0], ceil_mode: false },
        }
    }
}

/// An input with so much of what never wins around it.
fn around_input(input: &Tensor, added: Sides) -> Result<Tensor, TchError> {
    if added == Sides::NONE {
        return Ok(input.shallow_clone());
    }
    pad_with(input, added, f64::NEG_INFINITY)
}

/// A max pooling that tells which inputs won.
pub(crate) struct MaxPooled {
    pub output: Tensor,
    /// The place of each winner in its channel of the input with what was [added](MaxPooled::added), row by row.
    pub indices: Tensor,
    /// What was added to the input beforehand.
    pub added: Sides,
    /// How far the windows reach beyond the input; negative where they do not reach its end.
    pub reached: Sides,
}

/// The max pooling of a layer as its forward pass does it, with the winners.
pub(crate) fn max_pool_with_indices(
    layer: &ResolvedLayer,
    pool: &MaxPool2d,
    input: &Tensor,
) -> Result<MaxPooled, TchError> {
    let around = around(layer);
    let [kernel, stride, dilation] = [pool.kernel_size, pool.stride, pool.dilation].map(<[i64; 2]>::from);
    let Asked { added, padding, ceil_mode } = Asked::of(pool, &around);
    let (output, indices) = around_input(input, added)?
        .f_max_pool2d_with_indices(kernel, stride, padding, dilation, ceil_mode)?;
    Ok(MaxPooled { output, indices, added, reached: around.reached })
}

fn avg_pool(pool: &AvgPool2d, around: &Around, input: &Tensor) -> Result<Tensor, TchError> {
    let [kernel, stride] = [pool.kernel_size, pool.stride].map(<[i64; 2]>::from);
    if let Some(padding) = around.stated.symmetric() {
        return input.f_avg_pool2d(kernel, stride, padding, pool.ceil_mode, pool.count_include_pad, None);
    }
    let mean = |padded: &Tensor| padded.f_avg_pool2d(kernel, stride, [0, 0], false, true, None);
    let means = mean(&pad_with(input, around.reached, 0.0)?)?;
    if pool.count_include_pad && !pool.ceil_mode {
        return Ok(means);
    }
    // libtorch cannot tell our zeros from the input's: divide by the share of every window that counts.
    let input = input.f_slice(0, 0, 1, 1)?.f_slice(1, 0, 1, 1)?.f_detach()?.f_ones_like()?;
    let counted = if pool.count_include_pad {
        let (stated, reached) = (around.stated, around.reached);
        let beyond = Sides {
            bottom: reached.bottom - stated.bottom,
            right: reached.right - stated.right,
            ..Sides::NONE
        };
        pad_with(&pad_with(&input, stated, 1.0)?, beyond, 0.0)?
    } else {
        pad_with(&input, around.reached, 0.0)?
    };
    means.f_div(&mean(&counted)?)
}

/// What is added around the input of a sliding window.
fn sides(layer: &ResolvedLayer) -> Sides {
    layer.window.map_or(Sides::NONE, |Window { padding, .. }| padding)
}

/// What a pooling of this layer adds around its input.
fn around(layer: &ResolvedLayer) -> Around {
    let stated = sides(layer);
    let (
        Some(window),
        Some(Shape::Map { height, width, .. }),
        Shape::Map { height: rows, width: columns, .. },
    ) = (layer.window, layer.input_shapes.first(), layer.output_shape)
    else {
        return Around { stated, reached: stated };
    };
    let after = |places: i64, stride: i64, dilation: i64, kernel: i64, size: i64, before: i64| {
        (places - 1) * stride + dilation * (kernel - 1) + 1 - size - before
    };
    let Window { kernel, stride, dilation, .. } = window;
    let bottom = after(rows, stride.h, dilation.h, kernel.h, *height, stated.top);
    let right = after(columns, stride.w, dilation.w, kernel.w, *width, stated.left);
    Around { stated, reached: Sides { bottom, right, ..stated } }
}

/// libtorch's own padding where it can express the sides, else an input padded beforehand.
fn padded(input: &Tensor, sides: Sides, value: f64) -> Result<(Tensor, [i64; 2]), TchError> {
    match sides.symmetric() {
        Some(padding) => Ok((input.shallow_clone(), padding)),
        None => Ok((pad_with(input, sides, value)?, [0, 0])),
    }
}

fn pad_with(input: &Tensor, sides: Sides, value: f64) -> Result<Tensor, TchError> {
    input.f_pad([sides.left, sides.right, sides.top, sides.bottom], "constant", value)
}
