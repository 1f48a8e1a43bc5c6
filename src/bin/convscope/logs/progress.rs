//! A bar for long work, on the standard error stream, where that is a terminal.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::interrupt::{self, Interrupted};

/// Less than this is done in a moment.
const LONG: u64 = 32 << 20;

pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Of work on so many bytes.
    pub fn new(what: &'static str, bytes: u64) -> Progress {
        let bar = if bytes < LONG { ProgressBar::hidden() } else { ProgressBar::new(bytes) };
        let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(what);
        Progress { bar }
    }

    /// Of work on so many bytes that does not say how far it is.
    pub fn endless(what: &'static str, bytes: u64) -> Progress {
        let bar = if bytes < LONG { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
        bar.set_message(format!("{what} {}", super::size::bytes(bytes)));
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress { bar }
    }

    /// So many bytes are done; refused once Ctrl-C was pressed.
    pub fn set(&self, bytes: u64) -> convscope::Result<()> {
        self.bar.set_position(bytes);
        if interrupt::is_pressed() { Err(convscope::Error::invalid("work", "interrupted")) } else { Ok(()) }
    }

    /// Works, and takes the bar away. An error that Ctrl-C led to becomes [`Interrupted`].
    pub fn end_with<T>(self, work: impl FnOnce(&Progress) -> convscope::Result<T>) -> anyhow::Result<T> {
        let result = work(&self);
        self.bar.finish_and_clear();
        match result {
            Err(_) if interrupt::is_pressed() => Err(Interrupted.into()),
            result => Ok(result?),
        }
    }
}
