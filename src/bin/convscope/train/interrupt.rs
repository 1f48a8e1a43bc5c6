//! Ctrl-C in a training.

use std::{io::Write as _, process};

use anyhow::Context as _;
use convscope::{Interrupter, callback::Console};

use crate::terminal::INTERRUPTED;

const STOPPING: &str =
    "stopping after this step; Ctrl-C again stops at once and may lose what is not yet written\n";

/// A switch that the first Ctrl-C turns on. The second ends the program at once.
pub fn interrupter(mut console: Console) -> anyhow::Result<Interrupter> {
    let interrupter = Interrupter::new();
    let switch = interrupter.clone();
    ctrlc::set_handler(move || {
        if switch.is_interrupted() {
            process::exit(INTERRUPTED.into());
        }
        switch.interrupt();
        console.write_all(STOPPING.as_bytes()).ok();
    })
    .context("cannot take over Ctrl-C")?;
    Ok(interrupter)
}
