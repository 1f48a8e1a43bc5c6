//! Trainings with different settings in one table: `cargo run --no-default-features --example hparams [LOGDIR]`, then
//! the page HParams of `tensorboard --logdir LOGDIR`.

#![allow(missing_docs)]

use std::{env, path::Path};

use convscope::{HParams, Result, SessionStatus, SummaryWriter};

fn main() -> Result<()> {
    let logdir = env::args().nth(1).unwrap_or_else(|| "logs".to_owned());
    let search = Path::new(&logdir).join("search");

    // The trainings need not have the same settings, nor measure the same: the table has a column for each.
    let sgd = HParams::new().with("optimizer", "sgd").with("learning rate", 0.1).with("momentum", 0.9);
    // The group is the name of a row, which the page cuts off soon: of its default, the run's folder, little is seen.
    train(&search, &sgd.with("augmentation", true).group("sgd 0.1"), 0.1)?;
    for rate in [1e-2, 1e-3] {
        let adam = HParams::new().with("optimizer", "adam").with("learning rate", rate);
        train(&search, &adam.with("augmentation", false).group(format!("adam {rate}")), rate)?;
    }
    println!("wrote {}\nshow it: tensorboard --logdir {logdir}", search.display());
    Ok(())
}

/// Pretends to train.
fn train(search: &Path, hparams: &HParams, rate: f64) -> Result<()> {
    let writer = SummaryWriter::create(search)?; // a run of its own
    writer.add_hparams(hparams)?;
    let validation = writer.sub_run("validation")?;
    for step in 1..=20 {
        let loss = (-rate.sqrt() * f64::from(step)).exp();
        writer.add_scalar("loss", loss, step)?;
        validation.add_scalar("accuracy", 1.0 - 0.5 * loss, step)?; // a metric of its own: `validation.accuracy`
    }
    writer.finish_hparams(SessionStatus::Success)?;
    writer.close()
}
