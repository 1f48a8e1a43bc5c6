//! How well a classifier tells each class from the others: `cargo run --no-default-features --example pr_curve [LOGDIR]`,
//! then the page PR Curves of `tensorboard --logdir LOGDIR`.

#![allow(missing_docs)]

use std::env;

use convscope::{PrCurve, Result, SummaryWriter};

const CLASSES: [&str; 3] = ["cat", "dog", "ship"];
const THRESHOLDS: usize = 201;

fn main() -> Result<()> {
    let logdir = env::args().nth(1).unwrap_or_else(|| "logs".to_owned());
    let writer = SummaryWriter::create(&logdir)?;
    let labels: Vec<usize> = (0..600).map(|sample| sample % CLASSES.len()).collect();
    for epoch in 1..=5 {
        let scores: Vec<f32> = (0..labels.len()).flat_map(|sample| probabilities(sample, epoch)).collect();
        let curves = PrCurve::one_vs_rest(&scores, CLASSES.len(), &labels, THRESHOLDS)?;
        for (class, curve) in CLASSES.iter().zip(curves) {
            writer.add_pr_curve(&format!("pr/{class}"), curve, epoch)?;
        }
    }
    println!("wrote {}\nshow it: tensorboard --logdir {logdir}", writer.path().display());
    writer.close()
}

/// What a network that learns would say of a sample: cats and dogs are hard to tell apart, ships are not.
fn probabilities(sample: usize, epoch: usize) -> [f32; 3] {
    let noise = |class: usize| (sample as f32 * 12.99 + class as f32 * 78.23).sin();
    let mut logits = [0, 1, 2].map(|class| 1.5 * noise(class));
    let class = sample % CLASSES.len();
    logits[class] += 0.4 * epoch as f32;
    if class < 2 {
        logits[1 - class] += 0.3 * epoch as f32;
    }
    let exponentials = logits.map(f32::exp);
    let sum: f32 = exponentials.iter().sum();
    exponentials.map(|e| e / sum)
}
