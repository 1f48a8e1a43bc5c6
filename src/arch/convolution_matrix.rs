//! A convolution as a matrix, for small cases.

use super::{
    layer::{Conv2d, Layer},
    padding::Pair,
    shapes,
    window::Window,
};
use crate::error::{Error, Result};

const WHAT: &str = "convolution as a matrix";

/// The matrix M with y = M x that does what a convolution does to a small image: each row makes one output, each column
/// belongs to one input, and each weight of the kernel stands in many places.
///
/// Inputs, outputs and weights are counted channel by channel, row by row, as PyTorch lays them out. The bias is no part of
/// it.
///
/// ```
/// use convscope::arch::{Conv2d, ConvolutionMatrix};
///
/// // The lecture's second case: a 3x3 kernel on 3x3 pixels with padding 1.
/// let matrix = ConvolutionMatrix::new(&Conv2d::new(1, 3).padding(1), [1, 3, 3])?;
/// assert_eq!(matrix.size(), [9, 9]);
/// assert_eq!(matrix.symbols()[0], ["w5", "w6", "0", "w8", "w9", "0", "0", "0", "0"]);
///
/// let kernel: Vec<f64> = (1..=9).map(f64::from).collect();
/// let image = kernel.clone();
/// assert_eq!(matrix.apply(&kernel, &image)?[0], 94.0);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConvolutionMatrix {
    /// Which weight stands at each place, row by row; `None` where there is always 0.
    entries: Vec<Option<usize>>,
    outputs: usize,
    inputs: usize,
    weights: usize,
    /// Channels, rows and columns of the output.
    output_shape: [usize; 3],
}

impl ConvolutionMatrix {
    /// The most rows, and the most columns.
    pub const MOST: usize = 64;

    /// The matrix of `conv` for images of these channels, rows and columns.
    ///
    /// # Errors
    /// More than [`MOST`](ConvolutionMatrix::MOST) inputs or outputs; what a model with this layer is refused for: an image
    /// that is smaller than the kernel, channels that `groups` does not divide, sizes below 1.
    pub fn new(conv: &Conv2d, input: [i64; 3]) -> Result<ConvolutionMatrix> {
        let layer = Layer::Conv2d(*conv);
        let (window, output) = shapes::windowed(&layer, input)?;
        let (inputs, outputs) = (few("inputs", input)?, few("outputs", output)?);
        let of_group = input[0] / conv.groups;
        // Dilation and stride make no weights, and each channel and each place of the kernel comes in: not many.
        let Pair { h, w } = conv.kernel_size;
        let weights = [of_group, h, w].iter().try_fold(conv.out_channels, |all, &side| all.checked_mul(side));
        let weights = weights.filter(|&weights| weights <= 1 << 20).ok_or_else(|| {
            let why =
                format!("{} kernels of {of_group}x{h}x{w} weights are no small case", conv.out_channels);
            Error::invalid(WHAT, why)
        })?;
        let mut matrix = ConvolutionMatrix {
            entries: vec![None; inputs * outputs],
            outputs,
            inputs,
            weights: weights as usize,
            output_shape: output.map(|side| side as usize),
        };
        matrix.fill(&window, conv.groups, input, output);
        Ok(matrix)
    }

    /// y[o, v, u] = Σ w[o, c, i, j] · x[group of o, c][v · stride - padding + i · dilation][u ...].
    fn fill(&mut self, window: &Window, groups: i64, input: [i64; 3], output: [i64; 3]) {
        let [channels, height, width] = input;
        let [kernels, rows, columns] = output;
        let of_group = channels / groups;
        let Window { kernel, stride, dilation, padding, .. } = *window;
        let mut row = 0;
        for out in 0..kernels {
            for (v, u) in (0..rows).flat_map(|v| (0..columns).map(move |u| (v, u))) {
                for c in 0..of_group {
                    for (i, j) in (0..kernel.h).flat_map(|i| (0..kernel.w).map(move |j| (i, j))) {
                        let y = v * stride.h - padding.top + i * dilation.h;
                        let x = u * stride.w - padding.left + j * dilation.w;
                        if (0..height).contains(&y) && (0..width).contains(&x) {
                            let channel = out / (kernels / groups) * of_group + c;
                            let column = (channel * height + y) * width + x;
                            let weight = ((out * of_group + c) * kernel.h + i) * kernel.w + j;
                            self.entries[row * self.inputs + column as usize] = Some(weight as usize);
                        }
                    }
                }
                row += 1;
            }
        }
    }

    /// Rows and columns: numbers of outputs and inputs.
    pub fn size(&self) -> [usize; 2] {
        [self.outputs, self.inputs]
    }

    /// Channels, rows and columns of the output.
    pub fn output_shape(&self) -> [usize; 3] {
        self.output_shape
    }

    /// How many weights all kernels have together.
    pub fn weights(&self) -> usize {
        self.weights
    }

    /// The weight that stands at a place, counted from 0; `None` where there is always 0, and outside.
    pub fn entry(&self, row: usize, column: usize) -> Option<usize> {
        if column >= self.inputs {
            return None;
        }
        self.entries.get(row * self.inputs + column).copied().flatten()
    }

    /// The rows in symbols, counted from 1 as in the lecture: `w5`, and `0` where no weight stands.
    pub fn symbols(&self) -> Vec<Vec<String>> {
        let symbol =
            |entry: &Option<usize>| entry.map_or_else(|| "0".to_owned(), |at| format!("w{}", at + 1));
        self.entries.chunks(self.inputs).map(|row| row.iter().map(symbol).collect()).collect()
    }

    /// The entries as numbers, row by row.
    ///
    /// # Errors
    /// Another number of weights than the kernels have.
    pub fn values(&self, kernel: &[f64]) -> Result<Vec<f64>> {
        check("weights", kernel, self.weights)?;
        Ok(self.entries.iter().map(|entry| entry.map_or(0.0, |at| kernel[at])).collect())
    }

    /// M x: what the convolution without its bias makes of `image`.
    ///
    /// # Errors
    /// Another number of weights or inputs.
    pub fn apply(&self, kernel: &[f64], image: &[f64]) -> Result<Vec<f64>> {
        check("inputs", image, self.inputs)?;
        let values = self.values(kernel)?;
        let dot = |row: &[f64]| row.iter().zip(image).map(|(weight, x)| weight * x).sum();
        Ok(values.chunks(self.inputs).map(dot).collect())
    }

    /// M diag(r) x: the same behind dropout, where `mask` holds the factor r of each input: 0 where it was dropped, 1 (or
    /// 1 / q in inverted dropout with the keep rate q) where it was kept.
    ///
    /// # Errors
    /// Another number of weights, inputs or factors.
    pub fn apply_masked(&self, kernel: &[f64], mask: &[f64], image: &[f64]) -> Result<Vec<f64>> {
        self.apply(kernel, &self.masked(mask, image)?)
    }

    /// The gradient of the loss by each weight, where `mask` was applied to the image and `upstream` is the gradient by
    /// each output: dL/dw = Σ upstream · r · x over all places of the weight.
    ///
    /// # Errors
    /// Another number of factors, inputs or outputs.
    pub fn weight_gradients(&self, mask: &[f64], image: &[f64], upstream: &[f64]) -> Result<Vec<f64>> {
        check("gradients", upstream, self.outputs)?;
        let masked = self.masked(mask, image)?;
        let mut gradients = vec![0.0; self.weights];
        for (row, upstream) in self.entries.chunks(self.inputs).zip(upstream) {
            for (weight, x) in row.iter().zip(&masked).filter_map(|(entry, x)| Some(((*entry)?, x))) {
                gradients[weight] += upstream * x;
            }
        }
        Ok(gradients)
    }

    /// The variance of each output over all masks of inverted dropout, which keeps each input with probability `keep_rate`
    /// q and divides it by q: (1 - q) / q · Σ (w · x)². Dropout is noise that is multiplied into the inputs; this is how
    /// strong it is behind the convolution.
    ///
    /// # Errors
    /// Another number of weights or inputs; a keep rate that is not above 0 and at most 1.
    pub fn dropout_variance(&self, kernel: &[f64], image: &[f64], keep_rate: f64) -> Result<Vec<f64>> {
        check("inputs", image, self.inputs)?;
        if !(keep_rate > 0.0 && keep_rate <= 1.0) {
            let why = format!("{keep_rate} found; above 0 and at most 1 expected");
            return Err(Error::invalid("keep rate", why));
        }
        let values = self.values(kernel)?;
        let strength = (1.0 - keep_rate) / keep_rate;
        let squares =
            |row: &[f64]| row.iter().zip(image).map(|(weight, x)| (weight * x).powi(2)).sum::<f64>();
        Ok(values.chunks(self.inputs).map(|row| strength * squares(row)).collect())
    }

    fn masked(&self, mask: &[f64], image: &[f64]) -> Result<Vec<f64>> {
        check("factors of the mask", mask, self.inputs)?;
        check("inputs", image, self.inputs)?;
        // What is dropped is 0, also where it was infinite.
        Ok(mask.iter().zip(image).map(|(&r, &x)| if r == 0.0 { 0.0 } else { r * x }).collect())
    }
}

/// The gradient of the loss by each weight of a fully connected layer y = W diag(r) x, row by row (one row an output):
/// dL/dW = upstream · (r · x)ᵀ. Where an input was dropped, its whole column gets no gradient.
///
/// ```
/// use convscope::arch::dense_weight_gradients;
///
/// let gradients = dense_weight_gradients(&[1.0, 0.0], &[3.0, 5.0], &[1.0, 1.0])?;
/// assert_eq!(gradients, [3.0, 0.0, 3.0, 0.0]);
/// # Ok::<(), convscope::Error>(())
/// ```
///
/// # Errors
/// Another number of factors than of inputs.
pub fn dense_weight_gradients(mask: &[f64], inputs: &[f64], upstream: &[f64]) -> Result<Vec<f64>> {
    check("factors of the mask", mask, inputs.len())?;
    let masked = |(&r, &x): (&f64, &f64)| if r == 0.0 { 0.0 } else { r * x };
    let row =
        |upstream: &f64| mask.iter().zip(inputs).map(|both| upstream * masked(both)).collect::<Vec<_>>();
    Ok(upstream.iter().flat_map(row).collect())
}

/// How many values a shape has, if they can be shown.
fn few(what: &str, shape: [i64; 3]) -> Result<usize> {
    let most = ConvolutionMatrix::MOST;
    let count = shape.iter().try_fold(1_i64, |all, &side| all.checked_mul(side));
    count.and_then(|count| usize::try_from(count).ok()).filter(|&count| count <= most).ok_or_else(|| {
        let [channels, height, width] = shape;
        let found = format!("{channels} x {height} x {width} {what} found, at most {most} can be shown");
        Error::invalid(WHAT, format!("{found}: take a part of the image, or fewer channels"))
    })
}

fn check(what: &str, found: &[f64], expected: usize) -> Result<()> {
    if found.len() == expected {
        return Ok(());
    }
    Err(Error::invalid(what, format!("{} found, {expected} expected", found.len())))
}
