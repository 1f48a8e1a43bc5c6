//! Numbers, alone and several in one chart: `cargo run --no-default-features --example scalars [LOGDIR]`, then the page
//! Time Series or Scalars of `tensorboard --logdir LOGDIR`.

#![allow(missing_docs)]

use std::env;

use convscope::{Result, Summary, SummaryWriter};

fn main() -> Result<()> {
    let logdir = env::args().nth(1).unwrap_or_else(|| "logs".to_owned());
    let writer = SummaryWriter::create(&logdir)?;

    // What TensorBoard shows beside a tag goes with its first value.
    let rate = Summary::scalar(1e-3).with_display_name("Learning rate").with_description("Of *Adam*.");
    writer.add("learning_rate", rate, 1)?;
    for step in 1..=100 {
        let progress = f64::from(step) / 100.0;
        if step > 1 {
            writer.add_scalar("learning_rate", 1e-3 * (1.0 - progress), step)?;
        }
        // One chart, a curve each: TensorBoard shows them as the runs `loss_train` and `loss_validation`.
        let train = 2.3 * (-3.0 * progress).exp();
        writer.add_scalars("loss", &[("train", train), ("validation", 0.1 + train)], step)?;
    }

    println!("wrote {}\nshow it: tensorboard --logdir {logdir}", writer.path().display());
    writer.close()
}
