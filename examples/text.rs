//! Page Text: `cargo run --no-default-features --example text [LOGDIR]`, then `tensorboard --logdir LOGDIR`.

#![allow(missing_docs)]

use std::env;

use convscope::{Result, SummaryWriter, Table};

fn main() -> Result<()> {
    let logdir = env::args().nth(1).unwrap_or_else(|| "logs".to_owned());
    let writer = SummaryWriter::create(&logdir)?;

    writer.add_text("notes", "# Baseline\n\nFive layers, **no** augmentation. Next: `dropout = 0.3`.", 0)?;

    // Cells are plain text: nothing in them is taken for a mark.
    let mut settings = Table::new(["setting", "value"]);
    settings.row(["batch_size", "64"]).row(["filter", "a|b"]).row(["loss", "Vec<f32>, *mean*"]);
    writer.add_table("settings", &settings, 0)?;

    for step in [100, 200, 300] {
        let mut worst = Table::new(["image", "truth", "guess", "loss"]);
        for i in 0..3 {
            let loss = 900.0 / (step + 40 * i) as f64;
            worst.row([(step * 7 + i).to_string(), "4".to_owned(), "9".to_owned(), format!("{loss:.3}")]);
        }
        writer.add_table("worst", &worst, step)?;
    }
    println!("wrote {}\nshow it: tensorboard --logdir {logdir}", writer.path().display());
    writer.close()
}
