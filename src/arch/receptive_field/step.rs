//! What a layer does to the receptive field along one axis.

use crate::arch::{
    layer::Layer,
    padding::{Padding, Pair, Sides},
    resolve::ResolvedLayer,
    shape::Shape,
};

/// What a layer does along one axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Each unit sees what its input's unit sees.
    Keep,
    /// A window moves over the units.
    Slide {
        /// Its taps.
        kernel: i64,
        /// Units it moves by.
        stride: i64,
        /// Units between its taps.
        dilation: i64,
        /// Units it begins before the first one; `None` where that depends on a size that is not known.
        before: Option<i64>,
    },
    /// Each unit sees what all units of the input see.
    Everything,
    /// Each unit sees one of several regions of different sizes. No stride describes them: it is taken to see what all
    /// units of the input see, which is more.
    AtMostEverything,
    /// Each unit sees what the units at its place in all inputs see.
    Join,
}

/// What `layer` does along the height and the width. With `any_size`, nothing may be taken from the sizes of maps.
pub(super) fn steps(layer: &ResolvedLayer, any_size: bool) -> [Step; 2] {
    let input = units(layer.input_shapes.first().copied());
    match layer.layer {
        Layer::Conv2d(conv) => {
            slide(layer, conv.kernel_size, conv.stride, conv.dilation, conv.padding, any_size)
        }
        Layer::MaxPool2d(pool) => {
            slide(layer, pool.kernel_size, pool.stride, pool.dilation, pool.padding, any_size)
        }
        Layer::AvgPool2d(pool) => {
            slide(layer, pool.kernel_size, pool.stride, Pair::from(1), pool.padding, any_size)
        }
        Layer::ZeroPad2d(pad) => match pad.padding {
            Padding::Fixed(Sides { top, left, .. }) => {
                [top, left].map(|before| window(1, 1, 1, Some(before)))
            }
            Padding::Same => [Step::Keep; 2], // no resolved model has it
        },
        Layer::AdaptiveAvgPool2d(_) if any_size => [Step::Everything; 2],
        Layer::AdaptiveAvgPool2d(pool) => {
            [regions(input[0], pool.output_size.h), regions(input[1], pool.output_size.w)]
        }
        Layer::Flatten if any_size => [Step::Everything; 2],
        Layer::Flatten => input.map(|units| if units == 1 { Step::Keep } else { Step::Everything }),
        Layer::GlobalAvgPool | Layer::Linear(_) => [Step::Everything; 2],
        Layer::Add | Layer::Concat => [Step::Join; 2],
        Layer::BatchNorm2d(_)
        | Layer::Relu
        | Layer::Relu6
        | Layer::LeakyRelu(_)
        | Layer::Gelu(_)
        | Layer::Silu
        | Layer::Tanh
        | Layer::Sigmoid
        | Layer::Dropout(_)
        | Layer::Dropout2d(_)
        | Layer::Identity
        | Layer::Softmax => [Step::Keep; 2],
    }
}

/// Rows and columns of units. A vector counts as one unit.
pub(super) fn units(shape: Option<Shape>) -> [i64; 2] {
    shape.and_then(Shape::size).unwrap_or([1, 1])
}

fn window(kernel: i64, stride: i64, dilation: i64, before: Option<i64>) -> Step {
    Step::Slide { kernel, stride, dilation, before }
}

fn slide(
    layer: &ResolvedLayer,
    kernel: Pair,
    stride: Pair,
    dilation: Pair,
    padding: Padding,
    any_size: bool,
) -> [Step; 2] {
    let before = match (padding, layer.window) {
        (Padding::Fixed(Sides { top, left, .. }), _) => [Some(top), Some(left)],
        (Padding::Same, Some(window)) if !any_size => [Some(window.padding.top), Some(window.padding.left)],
        (Padding::Same, _) => [same(kernel.h, stride.h, dilation.h), same(kernel.w, stride.w, dilation.w)],
    };
    [window(kernel.h, stride.h, dilation.h, before[0]), window(kernel.w, stride.w, dilation.w, before[1])]
}

/// Units that `SAME` adds before the first one of a map of any size: the same number for all sizes only if the window
/// moves by one unit or covers one.
fn same(kernel: i64, stride: i64, dilation: i64) -> Option<i64> {
    if kernel == 1 {
        return Some(0);
    }
    (stride == 1).then(|| dilation * (kernel - 1) / 2)
}

/// Means over `output` regions of `input` units.
fn regions(input: i64, output: i64) -> Step {
    match input / output {
        1 if input == output => Step::Keep,
        _ if output == 1 || input == 1 => Step::Everything, // as `global_avg_pool`
        size if input % output == 0 => window(size, size, 1, Some(0)),
        _ => Step::AtMostEverything,
    }
}
