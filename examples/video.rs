//! Videos on the page Images: `cargo run --no-default-features --example video [LOGDIR]`, then
//! `tensorboard --logdir LOGDIR`.

#![allow(missing_docs)]

use std::{env, f64::consts::TAU};

use convscope::{Image, Result, Summary, SummaryWriter, Video};

const SIZE: u32 = 96;
const FRAMES: u32 = 24;

fn main() -> Result<()> {
    let logdir = env::args().nth(1).unwrap_or_else(|| "logs".to_owned());
    let writer = SummaryWriter::create(&logdir)?;
    for step in 0..3 {
        let frames: Result<Vec<Image>> =
            (0..FRAMES).map(|i| frame(step, f64::from(i) / f64::from(FRAMES))).collect();
        let video = Video::new(frames?, 12.0)?;
        let described = Summary::video(video.clone())
            .with_display_name("waves, animated PNG")
            .with_description("All colours: at step *n*, wave number *n* + 1.");
        writer.add("waves/png", described, step)?;
        writer.add_video("waves/gif", video.gif(), step)?; // at most 256 colours per frame
    }
    println!("wrote {}\nshow it: tensorboard --logdir {logdir}", writer.path().display());
    writer.close()
}

/// Two waves that run through each other, and a ramp in blue.
fn frame(step: i64, time: f64) -> Result<Image> {
    let wave = |at: u32| {
        let phase = (step + 1) as f64 * f64::from(at) / f64::from(SIZE) - time;
        (127.5 + 127.5 * (TAU * phase).sin()) as u8
    };
    let pixel = |i: u32| [wave(i % SIZE), wave(i / SIZE), (255 * (i % SIZE) / SIZE) as u8];
    Image::rgb(SIZE, SIZE, (0..SIZE * SIZE).flat_map(pixel).collect())
}
