//! A bar for long work, on the standard error stream, where that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::interrupt::{self, Interrupted};

/// Less than this is done in a moment.
const LONG: u64 = 32 << 20;

pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Of work on so many bytes.
    pub fn new(what: &'static str, bytes: u64) -> Progress {
        let progress = Progress::unmeasured(what);
        progress.measure(bytes);
        progress
    }

    /// Of work on a number of bytes that is not known yet.
    pub fn unmeasured(what: &'static str) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {eta}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_message(what);
        Progress { bar }
    }

    fn measure(&self, bytes: u64) {
        self.bar.set_length(bytes);
        if bytes >= LONG && self.bar.is_hidden() {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
    }

    /// So many bytes of so many are done; refused once Ctrl-C was pressed.
    pub fn set_of(&self, bytes: u64, all: u64) -> convscope::Result<()> {
        if self.bar.length() != Some(all) {
            self.measure(all);
        }
        self.set(bytes)
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
