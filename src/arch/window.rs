//! A window that slides over maps: the arithmetic of convolution and pooling.

use super::{
    layer::Layer,
    padding::{Padding, Pair, Sides},
    shape::Shape,
};

/// The window of a convolution or pooling over an input of known size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// Size of the kernel, without the holes of a dilation.
    pub kernel: Pair,
    /// Step.
    pub stride: Pair,
    /// Distance of the kernel's taps. 1 is dense, without holes, as in PyTorch.
    pub dilation: Pair,
    /// What is added around the input, with `"same"` worked out.
    pub padding: Sides,
    /// Whether the number of places is rounded up, so that the last window may reach over the end of the padded input.
    /// PyTorch's rule holds: a window that would start beyond the input and its leading padding is left out.
    pub ceil_mode: bool,
}

impl Window {
    /// The window of `layer` over `input`: `None` for layers that have none, and for flat input.
    ///
    /// `adaptive_avg_pool2d` and `global_avg_pool` have none, because their windows depend on the place.
    pub(super) fn of(layer: &Layer, input: Shape) -> Option<Window> {
        let Shape::Map { height, width, .. } = input else { return None };
        let (kernel, stride, dilation, padding, ceil_mode) = match layer {
            Layer::Conv2d(conv) => (conv.kernel_size, conv.stride, conv.dilation, conv.padding, false),
            Layer::MaxPool2d(pool) => {
                (pool.kernel_size, pool.stride, pool.dilation, pool.padding, pool.ceil_mode)
            }
            Layer::AvgPool2d(pool) => {
                (pool.kernel_size, pool.stride, Pair::from(1), pool.padding, pool.ceil_mode)
            }
            _ => return None,
        };
        let open = Window { kernel, stride, dilation, padding: Sides::NONE, ceil_mode };
        let padding = match padding {
            Padding::Fixed(sides) => sides,
            Padding::Same => {
                let reach = open.reach();
                let (top, bottom) = same(height, reach.h, stride.h);
                let (left, right) = same(width, reach.w, stride.w);
                Sides { top, bottom, left, right }
            }
        };
        Some(Window { padding, ..open })
    }

    /// Size of the kernel with the holes of the dilation: d · (k - 1) + 1.
    pub(super) fn reach(&self) -> Pair {
        Pair { h: self.dilation.h * (self.kernel.h - 1) + 1, w: self.dilation.w * (self.kernel.w - 1) + 1 }
    }

    /// Size of the input with its padding.
    pub(super) fn padded(&self, height: i64, width: i64) -> Pair {
        Pair {
            h: height + self.padding.top + self.padding.bottom,
            w: width + self.padding.left + self.padding.right,
        }
    }

    /// Number of places of the window: ⌊(padded - reach) / stride⌋ + 1, rounded up in ceil mode. `None` if it does not
    /// fit.
    pub(super) fn output(&self, height: i64, width: i64) -> Option<Pair> {
        let (padded, reach) = (self.padded(height, width), self.reach());
        Some(Pair {
            h: self.places(padded.h, reach.h, self.stride.h, height + self.padding.top)?,
            w: self.places(padded.w, reach.w, self.stride.w, width + self.padding.left)?,
        })
    }

    /// The same along one axis; in ceil mode, windows start before `end`.
    fn places(&self, padded: i64, reach: i64, stride: i64, end: i64) -> Option<i64> {
        let room = padded - reach + if self.ceil_mode { stride - 1 } else { 0 };
        let places = (room >= 0).then(|| room / stride + 1)?;
        let beyond = self.ceil_mode && (places - 1) * stride >= end;
        Some(places - i64::from(beyond))
    }
}

/// Rows before and after in TensorFlow's `SAME`: the smaller half first.
fn same(n: i64, reach: i64, stride: i64) -> (i64, i64) {
    let steps = (n + stride - 1) / stride;
    let total = ((steps - 1) * stride + reach - n).max(0);
    (total / 2, total - total / 2)
}
