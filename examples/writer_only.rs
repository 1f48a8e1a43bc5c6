//! The writer alone, beside any framework: `cargo run --no-default-features --example writer_only [LOGDIR]`, then
//! `tensorboard --logdir LOGDIR`.

#![allow(missing_docs)]

use std::{
    env,
    path::{Path, PathBuf},
};

use convscope::{Image, Result, SummaryWriter};

fn main() -> Result<()> {
    let logdir = env::args().nth(1).unwrap_or_else(|| "logs".to_owned());
    let run = write_a_run(Path::new(&logdir))?;
    println!("wrote {}\nshow it: tensorboard --logdir {logdir}", run.display());
    Ok(())
}

/// Writes a run that pretends to be a training; returns its folder.
pub fn write_a_run(logdir: &Path) -> Result<PathBuf> {
    let writer = SummaryWriter::create(logdir)?;
    writer.add_text("configuration", "| name | value |\n|---|---|\n| learning rate | 0.001 |", 0)?;

    let (train, validation) = (writer.sub_run("train")?, writer.sub_run("validation")?);
    for step in 1..=100 {
        let progress = step as f64 / 100.0;
        train.add_scalar("loss", 2.3 * (-3.0 * progress).exp(), step)?;
        if step % 10 == 0 {
            validation.add_scalar("loss", 0.1 + 2.2 * (-2.5 * progress).exp(), step)?;
            train.add_histogram("weights/conv1", &weights(progress), step)?;
            train.add_image("filters/conv1", filter(progress)?, step)?;
        }
    }

    let run = writer.path().to_owned();
    writer.close()?; // what could not be written is an error here, not silence
    Ok(run)
}

/// Weights that spread while they are learned.
fn weights(progress: f64) -> Vec<f64> {
    (-500..=500).map(|i| f64::from(i) / 500.0).map(|x| x * x * x * (0.1 + progress)).collect()
}

/// A filter of 8 by 8 pixels that turns.
fn filter(progress: f64) -> Result<Image> {
    let pixel = |i: i32| (f64::from(i % 8) * progress.cos() + f64::from(i / 8) * progress.sin()).sin();
    Image::gray(8, 8, (0..64).map(|i| (127.5 + 127.5 * pixel(i)) as u8).collect())
}
