//! Page Audio: `cargo run --no-default-features --example audio [LOGDIR]`, then `tensorboard --logdir LOGDIR`.

#![allow(missing_docs)]

use std::{env, f32::consts::TAU};

use convscope::{Audio, Result, Summary, SummaryWriter};

const RATE: u32 = 16_000;

fn main() -> Result<()> {
    let logdir = env::args().nth(1).unwrap_or_else(|| "logs".to_owned());
    let writer = SummaryWriter::create(&logdir)?;
    for step in 0..5 {
        let noise = 0.4 / (step + 1) as f32;
        let left: Vec<f32> = (0..RATE).map(|i| tone(i, 440.0) + noise * hiss(i)).collect();
        let right: Vec<f32> = (0..RATE).map(|i| tone(i, 660.0) + noise * hiss(i + RATE)).collect();

        writer.add_audio("denoised/left", Audio::mono(RATE, &left)?, step)?;
        let both: Vec<[f32; 2]> = left.iter().zip(&right).map(|(&left, &right)| [left, right]).collect();
        let stereo = Summary::audio(Audio::stereo(RATE, &both)?)
            .with_display_name("denoised, in stereo")
            .with_description("A fifth: **440 Hz** on the left, **660 Hz** on the right.");
        writer.add("denoised/both", stereo, step)?;
    }
    println!("wrote {}\nshow it: tensorboard --logdir {logdir}", writer.path().display());
    writer.close()
}

/// A sine that fades in and out within its second.
fn tone(i: u32, hertz: f32) -> f32 {
    let t = i as f32 / RATE as f32;
    0.5 * (TAU * hertz * t).sin() * (4.0 * t * (1.0 - t)).sqrt()
}

/// Noise between -1 and 1, the same in each run.
fn hiss(i: u32) -> f32 {
    let mixed = (i ^ (i >> 7)).wrapping_mul(0x9E37_79B1);
    (mixed ^ (mixed >> 15)).wrapping_mul(0x85EB_CA77) as f32 / (u32::MAX / 2) as f32 - 1.0
}
