//! Dilated convolutions: kernels and their holes drawn on an image, and what stacks of them see: `cargo run
//! --no-default-features --example dilation [LOGDIR]`, then the pages Images and Text of `tensorboard --logdir LOGDIR`.
//!
//! `dilation` has PyTorch's meaning: the distance of a kernel's taps, so that 1 is dense. Some courses count the holes:
//! their "rate 1" is dilation 2.

#![allow(missing_docs)]

use std::env;

use convscope::{
    Image, Result, Step, Summary, SummaryWriter, Table,
    arch::{AdviceOptions, Conv2d, ModelReport, ModelSpec},
    data::IdxImages,
    render::{self, Caption, Taps},
};

/// A sneaker.
const IMAGE: usize = 12;

fn main() -> Result<()> {
    let logdir = env::args().nth(1).unwrap_or_else(|| "logs".to_owned());
    let writer = SummaryWriter::create(&logdir)?;
    let image = image()?;

    // The 2x2 kernel of the lecture with one hole between its taps, and 3x3 kernels.
    let kernels =
        [("2x2_dilation2", 2, 2), ("3x3_dilation1", 3, 1), ("3x3_dilation2", 3, 2), ("3x3_dilation4", 3, 4)];
    for (name, kernel, dilation) in kernels {
        let taps = Taps::new([kernel; 2], [dilation; 2]);
        let caption = Caption { layer: name, step: Step::new(0), epoch: None };
        writer.add_image(&format!("kernels/{name}"), render::taps(&image, &taps, &caption)?, 0)?;
    }
    // A kernel with weights: a vertical edge.
    let edge = vec![-1.0, 0.0, 1.0, -2.0, 0.0, 2.0, -1.0, 0.0, 1.0];
    let caption = Caption { layer: "sobel", step: Step::new(0), epoch: None };
    let picture = render::taps(&image, &Taps::new([3, 3], [2, 2]).weights(edge), &caption)?;
    writer.add_image("kernels/sobel_dilation2", picture, 0)?;

    // Stacks of three layers. A stack sees each pixel of its field where, from the smallest dilation to the largest, none
    // exceeds the field of those before it: 1, 2, 5 do (fields 1, 3, 7), while 2 exceeds 1 and 9 exceeds 7. Choosing
    // dilations like that is hybrid dilated convolution (Wang et al., 2018, "Understanding convolution for semantic
    // segmentation").
    let mut table = Table::new(["dilations", "field", "density", "advice"]);
    for dilations in [[1, 1, 1], [2, 2, 2], [1, 2, 5], [1, 2, 9]] {
        let spec = stack(dilations)?;
        let fields = spec.receptive_fields()?;
        let Some(field) = fields.get("conv3") else { continue };
        let advice = spec.advice(&AdviceOptions::default())?;
        table.row([
            format!("{dilations:?}"),
            format!("{}x{}", field.size()[0], field.size()[1]),
            field.density().map_or_else(String::new, |density| format!("{density:.2}")),
            advice.first().map_or_else(String::new, ToString::to_string),
        ]);
        let mut run = writer.sub_run(&spec.name)?;
        ModelReport::new(&spec).probe(image.clone()).write(&mut run)?;
    }
    writer.add("stacks", Summary::table(&table), 0)?;
    print!("{}", table.to_text());
    println!("wrote {}\nshow it: tensorboard --logdir {logdir}", writer.path().display());
    writer.close()
}

/// Three convolutions of 3x3 whose outputs are as large as the image.
fn stack(dilations: [i64; 3]) -> Result<ModelSpec> {
    let [a, b, c] = dilations;
    let conv = |dilation: i64| Conv2d::new(8, 3).dilation(dilation).padding(dilation);
    ModelSpec::builder(format!("dilations_{a}_{b}_{c}"), [1, 28, 28])
        .layer("conv1", conv(a))
        .layer("conv2", conv(b))
        .layer("conv3", conv(c))
        .build()
}

fn image() -> Result<Image> {
    let file = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/data/t10k-images-idx3-ubyte.gz"));
    let images = IdxImages::from_bytes("bundled images", file)?;
    let [_, rows, columns] = images.size();
    let len = rows as usize * columns as usize;
    Image::gray(columns, rows, images.pixels()[IMAGE * len..][..len].to_vec())
}
