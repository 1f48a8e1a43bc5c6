//! Points of three classes in eight dimensions, with labels and a small picture each: `cargo run --no-default-features
//! --example embedding [LOGDIR]`, then the page Projector of `tensorboard --logdir LOGDIR`. "Color by" is in its panel on
//! the left.

#![allow(missing_docs)]

use std::env;

use convscope::{Image, Result, SummaryWriter, summary::Embedding};

/// Points of each class.
const POINTS: usize = 60;
const CLASSES: [&str; 3] = ["circle", "square", "stripes"];

fn main() -> Result<()> {
    let logdir = env::args().nth(1).unwrap_or_else(|| "logs".to_owned());
    let points: Vec<(usize, f32)> = (0..CLASSES.len() * POINTS)
        .map(|i| (i % CLASSES.len(), (i / CLASSES.len()) as f32 / POINTS as f32))
        .collect();
    let labels = points.iter().map(|(class, size)| vec![CLASSES[*class].to_owned(), format!("{size:.2}")]);
    let pictures: Vec<Image> = points.iter().map(|point| picture(*point)).collect::<Result<_>>()?;

    let writer = SummaryWriter::create(&logdir)?;
    for (step, trained) in [(1, 0.1), (100, 1.0)] {
        let features: Vec<[f32; 8]> = points.iter().map(|point| features(*point, trained)).collect();
        let embedding = Embedding::from_rows(&features)?
            .metadata(&["class", "size"], labels.clone().collect())?
            .sprites(pictures.clone())?;
        writer.add_embedding("features", &embedding, step)?;
    }
    println!("wrote {}\nshow it: tensorboard --logdir {logdir}", writer.path().display());
    writer.close()
}

/// A cloud for each class; the more the network is trained, the farther apart they are.
fn features((class, size): (usize, f32), trained: f32) -> [f32; 8] {
    std::array::from_fn(|axis| {
        let spread = (size * 40.0 * (axis + 1) as f32 + class as f32).sin();
        if axis == class { 3.0 * trained + spread } else { spread }
    })
}

/// 24 x 24 pixels that show the class and the size.
fn picture((class, size): (usize, f32)) -> Result<Image> {
    let color = [[230, 90, 70], [70, 150, 230], [80, 180, 90]][class];
    let radius = 4.0 + 7.0 * size;
    let pixels = (0..24 * 24).flat_map(|i| {
        let (x, y) = ((i % 24) as f32 - 11.5, (i / 24) as f32 - 11.5);
        let inside = match class {
            0 => x.hypot(y) <= radius,
            1 => x.abs().max(y.abs()) <= radius,
            _ => i / 24 % 4 < 2 && x.abs() <= radius,
        };
        if inside { color } else { [255; 3] }
    });
    Image::rgb(24, 24, pixels.collect())
}
