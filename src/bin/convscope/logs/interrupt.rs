//! Ctrl-C in work that can be given up at any point.

use std::{
    fmt, process,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::Context as _;

use crate::terminal::INTERRUPTED;

static PRESSED: AtomicBool = AtomicBool::new(false);

/// The first Ctrl-C is noted, so that half-written files can be removed; the second ends the program at once.
pub fn listen() -> anyhow::Result<()> {
    let pressed = || {
        if PRESSED.swap(true, Ordering::Relaxed) {
            process::exit(INTERRUPTED.into());
        }
    };
    ctrlc::set_handler(pressed).context("cannot take over Ctrl-C")
}

/// Whether Ctrl-C was pressed.
pub fn is_pressed() -> bool {
    PRESSED.load(Ordering::Relaxed)
}

/// Refuses to go on once Ctrl-C was pressed.
pub fn check() -> Result<(), Interrupted> {
    if is_pressed() { Err(Interrupted) } else { Ok(()) }
}

/// The user gave the work up.
#[derive(Debug)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}
