//! Pictures with boxes, as a detector finds them: `cargo run --no-default-features --example image_boxes [LOGDIR]`,
//! then `tensorboard --logdir LOGDIR`.

#![allow(missing_docs)]

use std::env;

use convscope::{Image, Result, SummaryWriter, render::BoundingBox};

const WIDTH: u32 = 200;
const HEIGHT: u32 = 140;

/// What is to be found: left, top, width, height, grey, name.
const THINGS: [(u32, u32, u32, u32, u8, &str); 3] =
    [(20, 40, 50, 30, 90, "box"), (110, 20, 36, 36, 200, "crate"), (150, 90, 60, 60, 30, "barrel")];

fn main() -> Result<()> {
    let logdir = env::args().nth(1).unwrap_or_else(|| "logs".to_owned());
    let writer = SummaryWriter::create(&logdir)?;
    let scene = scene()?;
    for step in 1..=5 {
        let off = 30.0 / f64::from(step); // a detector that comes closer with each step
        let found: Vec<BoundingBox> = (0..)
            .zip(THINGS)
            .map(|(class, (x, y, width, height, _, name))| {
                let [left, top] = [x, y].map(|edge| f64::from(edge) - off);
                let (right, bottom) = (f64::from(x + width), f64::from(y + height) + off / 2.0);
                let label = format!("{name} {:.2}", 1.0 - off / 40.0);
                BoundingBox::new(left, top, right, bottom).label(label).class(class)
            })
            .collect();
        writer.add_image_with_boxes("validation/found", &scene, &found, step)?;
    }
    println!("wrote {}\nshow it: tensorboard --logdir {logdir}", writer.path().display());
    writer.close()
}

/// Grey things before a gradient. One of them is cut by the edges of the picture.
fn scene() -> Result<Image> {
    let pixel = |i: u32| {
        let (x, y) = (i % WIDTH, i / WIDTH);
        let thing = THINGS.iter().find(|&&(left, top, width, height, ..)| {
            (left..left + width).contains(&x) && (top..top + height).contains(&y)
        });
        thing.map_or([120, (100 + y) as u8, 160], |&(.., grey, _)| [grey; 3])
    };
    Image::rgb(WIDTH, HEIGHT, (0..WIDTH * HEIGHT).flat_map(pixel).collect())
}
