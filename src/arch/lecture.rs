//! The lecture's small cases as [`super::panels`], with all their numbers: pictures that need no model. The studies of max
//! pooling, dropout and the convolution's matrix draw them beside those of a network.

use super::{
    convolution_matrix::ConvolutionMatrix,
    layer::{Conv2d, MaxPool2d},
    panels,
};
use crate::{
    error::Result,
    render::Caption,
    summary::{Image, Step},
};

/// Names and pictures.
pub type Pictures = Vec<(&'static str, Image)>;

/// Max pooling 2x2 forward and backward: windows side by side, windows that overlap, and windows of zeros and of ties.
///
/// ```
/// use convscope::{Step, arch::lecture};
///
/// let names: Vec<&str> = lecture::max_pooling(Step::new(0))?.into_iter().map(|(name, _)| name).collect();
/// assert_eq!(names, ["max_pool", "max_pool_overlap", "max_pool_ties"]);
/// # Ok::<(), convscope::Error>(())
/// ```
///
/// # Errors
/// None is expected: the numbers are fixed.
pub fn max_pooling(step: Step) -> Result<Pictures> {
    let map = [1., 3., 2., 4., 5., 6., 8., 7., 9., 2., 1., 0., 3., 4., 5., 6.];
    let small = [1., 3., 2., 9., 5., 4., 6., 8., 7.];
    let behind_relu = [0., 0., 2., 1., 0., 0., 1., 2., 5., 0., 0., 0., 0., 5., 0., 3.];
    let (apart, overlapping) = (MaxPool2d::new(2), MaxPool2d::new(2).stride(1));
    let draw = |map: &[f32], size: [usize; 2], pool: &MaxPool2d, title: &str| {
        panels::max_pool(map, size, pool, &[1., 2., 3., 4.], &caption(title, step))
    };
    Ok(vec![
        ("max_pool", draw(&map, [4, 4], &apart, "Max pooling 2x2, stride 2")?),
        ("max_pool_overlap", draw(&small, [3, 3], &overlapping, "Max pooling 2x2, stride 1")?),
        ("max_pool_ties", draw(&behind_relu, [4, 4], &apart, "Max pooling 2x2, stride 2: zeros and ties")?),
    ])
}

/// A 2x2 kernel on 3x3 pixels and a 3x3 kernel with padding 1 as matrices, in symbols and in numbers, and the second one with
/// dropout in front of it: M diag(r) x, where r is 0 for what is dropped.
///
/// # Errors
/// None is expected: the numbers are fixed.
pub fn convolutions(step: Step) -> Result<Pictures> {
    let small = ConvolutionMatrix::new(&Conv2d::new(1, 2), [1, 3, 3])?;
    let padded = padded()?;
    let (w4, w9) = (counted(4), counted(9));
    let of_small = caption("2x2 kernel on 3x3 pixels as a matrix", step);
    let of_padded = caption("3x3 kernel, padding 1, as a matrix", step);
    let behind_dropout = caption("Dropout before a convolution: M diag(r) x", step);
    Ok(vec![
        ("matrix_4x9", panels::symbols(&small, None, &of_small)?),
        ("matrix_4x9_numbers", panels::numbers(&small, &w4, &w9, &of_small)?),
        ("matrix_9x9", panels::symbols(&padded, None, &of_padded)?),
        ("matrix_9x9_numbers", panels::numbers(&padded, &w9, &w9, &of_padded)?),
        ("matrix_9x9_dropout", panels::masked_symbols(&padded, &[], Some(4), &behind_dropout)?),
    ])
}

/// Dropout in front of the 3x3 kernel: M diag(r) x where x1 alone is kept, and which weights of the kernel and of a fully
/// connected layer learn behind it.
///
/// # Errors
/// None is expected: the numbers are fixed.
pub fn dropout(step: Step) -> Result<Pictures> {
    let matrix = padded()?;
    let only_x1: Vec<bool> = (0..9).map(|at| at == 0).collect();
    let masks = [
        ("nothing dropped", vec![true; 9]),
        ("x5 dropped", (0..9).map(|at| at != 4).collect()),
        ("only x1 kept", only_x1.clone()),
    ];
    let only_first = caption("Dropout before a convolution: only x1 is kept", step);
    let learning = caption("Which weights learn behind dropout?", step);
    Ok(vec![
        ("dropout_only_x1", panels::masked_symbols(&matrix, &only_x1, Some(4), &only_first)?),
        ("dropout_gradients", panels::surviving_gradients(&matrix, 3, &counted(9), &masks, &learning)?),
    ])
}

fn caption(layer: &str, step: Step) -> Caption<'_> {
    Caption { layer, step, epoch: None }
}

/// The second case: a 3x3 kernel, padding 1, on 3x3 pixels.
fn padded() -> Result<ConvolutionMatrix> {
    ConvolutionMatrix::new(&Conv2d::new(1, 3).padding(1), [1, 3, 3])
}

/// 1, 2, 3, ...
fn counted(count: i32) -> Vec<f64> {
    (1..=count).map(f64::from).collect()
}
