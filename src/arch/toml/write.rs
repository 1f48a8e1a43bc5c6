//! A model to TOML text.

use toml::Value;

use crate::arch::{
    layer::{AvgPool2d, BatchNorm2d, Conv2d, Dropout, Gelu, Layer, LeakyRelu, Linear, MaxPool2d},
    padding::{Padding, Pair},
    spec::{LayerSpec, ModelSpec},
};

/// The text of a model. Fields that have their default are left out.
pub(in crate::arch) fn write(spec: &ModelSpec) -> String {
    let mut out = Lines::default();
    out.field("name", spec.name.as_str());
    out.field("input", spec.input.to_vec());
    if !spec.auxiliary.is_empty() {
        out.field("auxiliary", spec.auxiliary.clone());
    }
    for layer in &spec.layers {
        write_layer(layer, &mut out);
    }
    out.text
}

fn write_layer(spec: &LayerSpec, out: &mut Lines) {
    out.text.push_str("\n[[layer]]\n");
    out.field("name", spec.name.as_str());
    out.field("type", spec.layer.type_name());
    if !spec.inputs.is_empty() {
        out.field("inputs", spec.inputs.clone());
    }
    write_arguments(&spec.layer, out);
}

fn write_arguments(layer: &Layer, out: &mut Lines) {
    match layer {
        Layer::Conv2d(conv) => {
            let default = Conv2d::new(conv.out_channels, conv.kernel_size);
            out.field("out_channels", conv.out_channels);
            out.field("kernel_size", pair(conv.kernel_size));
            out.unless("stride", conv.stride, default.stride, pair);
            out.unless("padding", conv.padding, default.padding, padding);
            out.unless("dilation", conv.dilation, default.dilation, pair);
            out.unless("groups", conv.groups, default.groups, Value::from);
            out.unless("bias", conv.bias, default.bias, Value::from);
        }
        Layer::Linear(linear) => {
            out.field("out_features", linear.out_features);
            out.unless("bias", linear.bias, Linear::new(linear.out_features).bias, Value::from);
        }
        Layer::BatchNorm2d(norm) => {
            let default = BatchNorm2d::new();
            out.unless("eps", norm.eps, default.eps, Value::from);
            out.unless("momentum", norm.momentum, default.momentum, Value::from);
            out.unless("affine", norm.affine, default.affine, Value::from);
        }
        Layer::LeakyRelu(leaky) => {
            out.unless("negative_slope", leaky.negative_slope, LeakyRelu::new().negative_slope, Value::from);
        }
        Layer::Gelu(gelu) => {
            out.unless("approximate", gelu.approximate, Gelu::new().approximate, |kind| {
                Value::from(kind.as_str())
            });
        }
        Layer::MaxPool2d(pool) => {
            let default = MaxPool2d::new(pool.kernel_size);
            out.field("kernel_size", pair(pool.kernel_size));
            out.unless("stride", pool.stride, default.stride, pair);
            out.unless("padding", pool.padding, default.padding, padding);
            out.unless("dilation", pool.dilation, default.dilation, pair);
            out.unless("ceil_mode", pool.ceil_mode, default.ceil_mode, Value::from);
        }
        Layer::AvgPool2d(pool) => {
            let default = AvgPool2d::new(pool.kernel_size);
            out.field("kernel_size", pair(pool.kernel_size));
            out.unless("stride", pool.stride, default.stride, pair);
            out.unless("padding", pool.padding, default.padding, padding);
            out.unless("count_include_pad", pool.count_include_pad, default.count_include_pad, Value::from);
            out.unless("ceil_mode", pool.ceil_mode, default.ceil_mode, Value::from);
        }
        Layer::AdaptiveAvgPool2d(pool) => out.field("output_size", pair(pool.output_size)),
        Layer::Dropout(dropout) | Layer::Dropout2d(dropout) => {
            out.unless("p", dropout.p, Dropout::new().p, Value::from);
        }
        Layer::ZeroPad2d(pad) => out.field("padding", padding(pad.padding)),
        Layer::Relu
        | Layer::Relu6
        | Layer::Silu
        | Layer::Tanh
        | Layer::Sigmoid
        | Layer::GlobalAvgPool
        | Layer::Flatten
        | Layer::Add
        | Layer::Concat
        | Layer::Identity
        | Layer::Softmax => {}
    }
}

/// `key = value` lines.
#[derive(Default)]
struct Lines {
    text: String,
}

impl Lines {
    fn field(&mut self, name: &str, value: impl Into<Value>) {
        // The crate quotes and escapes; the names are bare keys.
        self.text.push_str(&format!("{name} = {}\n", value.into()));
    }

    fn unless<T: Copy + PartialEq>(
        &mut self,
        name: &str,
        value: T,
        default: T,
        to_value: impl FnOnce(T) -> Value,
    ) {
        if value != default {
            self.field(name, to_value(value));
        }
    }
}

/// The shortest way to write it.
fn pair(pair: Pair) -> Value {
    if pair.h == pair.w { Value::from(pair.h) } else { Value::from(vec![pair.h, pair.w]) }
}

/// The shortest way to write it.
fn padding(padding: Padding) -> Value {
    let Padding::Fixed(sides) = padding else { return Value::from("same") };
    match sides.symmetric() {
        Some([h, w]) => pair(Pair { h, w }),
        None => Value::from(sides.to_array().to_vec()),
    }
}
