//! Charts of several tags: `cargo run --no-default-features --example custom_scalars [LOGDIR]`, then the page Custom
//! Scalars of `tensorboard --logdir LOGDIR`.

#![allow(missing_docs)]

use std::env;

use convscope::{
    Result, SummaryWriter,
    summary::{Category, Chart, Layout},
};

fn main() -> Result<()> {
    let logdir = env::args().nth(1).unwrap_or_else(|| "logs".to_owned());
    let writer = SummaryWriter::create(&logdir)?;
    writer.add_custom_scalars(&Layout::new(vec![
        Category::new(
            "Training",
            vec![
                // These tags alone, or all that a regular expression matches from the start of the tag.
                Chart::tags("Loss and its penalty", ["loss", "loss/penalty"]),
                Chart::multiline("Norms of all layers", ["norm/.*"]),
            ],
        ),
        // A curve and the edges of its band.
        Category::new("Folds", vec![Chart::margin("Loss", [("folds/mean", "folds/min", "folds/max")])]),
    ])?)?;

    for step in 1..=100 {
        let loss = 2.3 * (-f64::from(step) / 33.0).exp();
        writer.add_scalar("loss", loss, step)?;
        writer.add_scalar("loss/penalty", 0.1 * loss, step)?;
        for layer in 1..=3 {
            let norm = f64::from(layer) + f64::from(step).sqrt();
            writer.add_scalar(&format!("norm/conv{layer}"), norm, step)?;
        }
        writer.add_scalar("folds/mean", loss, step)?;
        writer.add_scalar("folds/min", 0.8 * loss, step)?;
        writer.add_scalar("folds/max", 1.3 * loss, step)?;
    }
    println!("wrote {}\nshow it: tensorboard --logdir {logdir}", writer.path().display());
    writer.close()
}
