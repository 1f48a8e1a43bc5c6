//! Max pooling of one map: which input of each window wins, and where the gradient goes.

use super::{
    layer::{Layer, MaxPool2d},
    shapes,
};
use crate::{
    error::{Error, Result},
    render::WindowKind,
};

/// What max pooling made of one map: the largest value of each window, and its place, the *switch*. Backward, the gradient of
/// an output goes to the switch alone; where windows overlap, gradients add up.
///
/// libtorch's rule on the CPU: of several equal maxima the first one, row by row, wins; a NaN wins over every number, and
/// the last one over those before it (`aten/src/ATen/native/cpu/MaxPoolKernel.cpp`). Padding never wins.
///
/// ```
/// use convscope::arch::{MaxPool2d, MaxPoolSwitches};
///
/// let map = [1.0, 3.0, 2.0, 4.0, 5.0, 6.0, 8.0, 7.0];
/// let pooled = MaxPoolSwitches::new(&map, [2, 4], &MaxPool2d::new(2))?;
/// assert_eq!(pooled.output, [6.0, 8.0]);
/// assert_eq!(pooled.switches, [Some(5), Some(6)]);
/// assert_eq!(pooled.backward(&[1.0, 2.0])?, [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0, 0.0]);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MaxPoolSwitches {
    /// The largest value of each window, row by row; negative infinity for a window that lies in the padding.
    pub output: Vec<f32>,
    /// The place of the input that won, row by row from 0; `None` for a window that lies in the padding.
    pub switches: Vec<Option<usize>>,
    /// What each window held.
    pub kinds: Vec<WindowKind>,
    /// Rows and columns of the output.
    pub size: [usize; 2],
    inputs: usize,
}

impl MaxPoolSwitches {
    /// Pools `values`, one map of these rows and columns, row by row.
    ///
    /// # Errors
    /// Another number of values; what a model with this layer is refused for: a window that does not fit.
    pub fn new(values: &[f32], [height, width]: [usize; 2], pool: &MaxPool2d) -> Result<MaxPoolSwitches> {
        if height.checked_mul(width) != Some(values.len()) {
            let why = format!("{} values found for {height} x {width}", values.len());
            return Err(Error::invalid("max pooling", why));
        }
        let side = |side: usize| i64::try_from(side).unwrap_or(i64::MAX);
        let (rows, columns) = (side(height), side(width));
        let (window, [_, down, across]) = shapes::windowed(&Layer::MaxPool2d(*pool), [1, rows, columns])?;
        let mut pooled = MaxPoolSwitches {
            output: Vec::new(),
            switches: Vec::new(),
            kinds: Vec::new(),
            size: [down as usize, across as usize],
            inputs: values.len(),
        };
        for (v, u) in (0..down).flat_map(|v| (0..across).map(move |u| (v, u))) {
            let taps = (0..window.kernel.h).flat_map(|i| (0..window.kernel.w).map(move |j| (i, j)));
            let held = taps.filter_map(|(i, j)| {
                let y = v * window.stride.h - window.padding.top + i * window.dilation.h;
                let x = u * window.stride.w - window.padding.left + j * window.dilation.w;
                ((0..rows).contains(&y) && (0..columns).contains(&x)).then_some((y * columns + x) as usize)
            });
            pooled.push(values, held);
        }
        Ok(pooled)
    }

    /// One more window, which holds the values at these places.
    fn push(&mut self, values: &[f32], held: impl Iterator<Item = usize>) {
        let (mut best, mut switch, mut equal, mut count) = (f32::NEG_INFINITY, None, 0, 0);
        for place in held {
            let value = values[place];
            count += 1;
            equal = if value > best || switch.is_none() { 1 } else { equal + usize::from(value == best) };
            if switch.is_none() || value > best || value.is_nan() {
                (best, switch) = (value, Some(place));
            }
        }
        self.kinds.push(match switch {
            None => WindowKind::Empty,
            Some(_) if best.is_nan() => WindowKind::Nan,
            Some(_) if best == 0.0 && equal == count => WindowKind::AllZero,
            Some(_) if equal > 1 => WindowKind::Tie,
            Some(_) => WindowKind::Single,
        });
        self.output.push(best);
        self.switches.push(switch);
    }

    /// The gradient by each input, from the one by each output.
    ///
    /// # Errors
    /// Another number of gradients than of outputs.
    pub fn backward(&self, gradient: &[f32]) -> Result<Vec<f32>> {
        if gradient.len() != self.output.len() {
            return Err(Error::invalid(
                "gradient of a max pooling",
                format!("{} values found for {} outputs", gradient.len(), self.output.len()),
            ));
        }
        let mut routed = vec![0.0; self.inputs];
        for (switch, gradient) in self.switches.iter().zip(gradient) {
            if let Some(place) = switch {
                routed[*place] += gradient;
            }
        }
        Ok(routed)
    }
}
