//! The lecture's panels, each with all its numbers: max pooling forward and backward, convolutions as matrices, and what
//! dropout does to them: `cargo run --no-default-features --example lecture_panels [LOGDIR]`, then the page Images of
//! `tensorboard --logdir LOGDIR`.

#![allow(missing_docs)]

use std::env;

use convscope::{
    Image, Result, Step, SummaryWriter,
    arch::{Conv2d, ConvolutionMatrix, MaxPool2d, panels},
    render::Caption,
};

fn main() -> Result<()> {
    let logdir = env::args().nth(1).unwrap_or_else(|| "logs".to_owned());
    let writer = SummaryWriter::create(&logdir)?;
    for (tag, picture) in max_pooling()?.into_iter().chain(convolutions()?).chain(dropout()?) {
        println!("{tag}: {} x {}", picture.width(), picture.height());
        writer.add_image(&format!("lecture/{tag}"), picture, 0)?;
    }
    println!("wrote {}\nshow it: tensorboard --logdir {logdir}", writer.path().display());
    writer.close()
}

fn caption(layer: &str) -> Caption<'_> {
    Caption { layer, step: Step::new(0), epoch: None }
}

/// Windows side by side, windows that overlap, and windows of zeros and of ties.
fn max_pooling() -> Result<Vec<(&'static str, Image)>> {
    let map = [1., 3., 2., 4., 5., 6., 8., 7., 9., 2., 1., 0., 3., 4., 5., 6.];
    let gradient = [1., 2., 3., 4.];
    let apart = caption("Max pooling 2x2, stride 2");
    let overlapping = caption("Max pooling 2x2, stride 1");
    let ties = caption("Max pooling 2x2, stride 2: zeros and ties");
    let behind_relu = [0., 0., 2., 1., 0., 0., 1., 2., 5., 0., 0., 0., 0., 5., 0., 3.];
    Ok(vec![
        ("max_pool", panels::max_pool(&map, [4, 4], &MaxPool2d::new(2), &gradient, &apart)?),
        (
            "max_pool_overlap",
            panels::max_pool(
                &[1., 3., 2., 9., 5., 4., 6., 8., 7.],
                [3, 3],
                &MaxPool2d::new(2).stride(1),
                &gradient,
                &overlapping,
            )?,
        ),
        ("max_pool_ties", panels::max_pool(&behind_relu, [4, 4], &MaxPool2d::new(2), &gradient, &ties)?),
    ])
}

fn convolutions() -> Result<Vec<(&'static str, Image)>> {
    let small = ConvolutionMatrix::new(&Conv2d::new(1, 2), [1, 3, 3])?;
    let padded = padded()?;
    let (w4, w9) = (counted(4), counted(9));
    let of_small = caption("2x2 kernel on 3x3 pixels as a matrix");
    let of_padded = caption("3x3 kernel, padding 1, as a matrix");
    Ok(vec![
        ("matrix_4x9", panels::symbols(&small, None, &of_small)?),
        ("matrix_4x9_numbers", panels::numbers(&small, &w4, &w9, &of_small)?),
        ("matrix_9x9", panels::symbols(&padded, None, &of_padded)?),
        ("matrix_9x9_numbers", panels::numbers(&padded, &w9, &w9, &of_padded)?),
    ])
}

fn dropout() -> Result<Vec<(&'static str, Image)>> {
    let matrix = padded()?;
    let open = caption("Dropout before a convolution: M diag(r) x");
    let only_first = caption("Dropout before a convolution: only x1 is kept");
    let learning = caption("Which weights learn behind dropout?");
    let w5 = Some(4);
    let only_x1: Vec<bool> = (0..9).map(|at| at == 0).collect();
    let masks = [
        ("nothing dropped", vec![true; 9]),
        ("x5 dropped", (0..9).map(|at| at != 4).collect()),
        ("only x1 kept", only_x1.clone()),
    ];
    Ok(vec![
        ("dropout", panels::masked_symbols(&matrix, &[], w5, &open)?),
        ("dropout_only_x1", panels::masked_symbols(&matrix, &only_x1, w5, &only_first)?),
        ("dropout_gradients", panels::surviving_gradients(&matrix, 3, &counted(9), &masks, &learning)?),
    ])
}

/// The lecture's second case.
fn padded() -> Result<ConvolutionMatrix> {
    ConvolutionMatrix::new(&Conv2d::new(1, 3).padding(1), [1, 3, 3])
}

/// 1, 2, 3, ...
fn counted(count: i32) -> Vec<f64> {
    (1..=count).map(f64::from).collect()
}
