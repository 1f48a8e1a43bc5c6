//! The lecture's panels, each with all its numbers: max pooling forward and backward, convolutions as matrices, and what
//! dropout does to them: `cargo run --no-default-features --example lecture_panels [LOGDIR]`, then the page Images of
//! `tensorboard --logdir LOGDIR`.

#![allow(missing_docs)]

use std::env;

use convscope::{Result, Step, SummaryWriter, arch::lecture};

fn main() -> Result<()> {
    let logdir = env::args().nth(1).unwrap_or_else(|| "logs".to_owned());
    let writer = SummaryWriter::create(&logdir)?;
    let step = Step::new(0);
    let panels = [lecture::max_pooling(step)?, lecture::convolutions(step)?, lecture::dropout(step)?];
    for (tag, picture) in panels.into_iter().flatten() {
        println!("{tag}: {} x {}", picture.width(), picture.height());
        writer.add_image(&format!("lecture/{tag}"), picture, 0)?;
    }
    println!("wrote {}\nshow it: tensorboard --logdir {logdir}", writer.path().display());
    writer.close()
}
