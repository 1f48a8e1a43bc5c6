//! What is known of a model before it is trained: graph, table of layers, receptive fields drawn on an image, and advice.
//! `cargo run --no-default-features --example architecture [LOGDIR [MODEL [SIDE]]]`, then `tensorboard --logdir LOGDIR`.
//!
//! MODEL is a name of the zoo, such as `resnet18` (the default is `default`), or a TOML file; SIDE is the side of its
//! images in pixels, if they shall not have the model's usual size.

#![allow(missing_docs)]

use std::env;

use convscope::{
    Error, Image, Result, SummaryWriter,
    arch::{AdviceOptions, ModelReport, ModelSpec, zoo},
    data::IdxImages,
};

/// A sneaker.
const IMAGE: usize = 12;

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let logdir = arguments.next().unwrap_or_else(|| "logs".to_owned());
    let name = arguments.next().unwrap_or_else(|| "default".to_owned());
    let side = arguments.next().map(|side| parse_side(&side)).transpose()?;
    let mut spec =
        if name.ends_with(".toml") { ModelSpec::load(&name)? } else { zoo::model(&name, None, None)? };
    if let Some(side) = side {
        spec.input = [spec.input[0], side, side];
    }

    for advice in spec.advice(&AdviceOptions::default())? {
        println!("{advice}");
    }
    let writer = SummaryWriter::create(&logdir)?;
    let [_, height, width] = spec.input;
    ModelReport::new(&spec).probe(image(height, width)?).write(&mut writer.clone())?;
    println!("wrote {}\nshow it: tensorboard --logdir {logdir}", writer.path().display());
    writer.close()
}

fn parse_side(text: &str) -> Result<i64> {
    let side = text.parse().ok().filter(|side| (1..=4096).contains(side));
    side.ok_or_else(|| Error::invalid("SIDE", format!("`{text}` found, expected 1 to 4096 pixels")))
}

/// An image of the bundled ones, enlarged or shrunk to this size.
fn image(height: i64, width: i64) -> Result<Image> {
    let file = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/data/t10k-images-idx3-ubyte.gz"));
    let images = IdxImages::from_bytes("bundled images", file)?;
    let [_, rows, columns] = images.size().map(|side| side as usize);
    let pixels = &images.pixels()[IMAGE * rows * columns..][..rows * columns];
    let (height, width) = (height as usize, width as usize);
    let nearest = (0..height * width)
        .map(|at| pixels[at / width * rows / height * columns + at % width * columns / width]);
    Image::gray(width as u32, height as u32, nearest.collect())
}
