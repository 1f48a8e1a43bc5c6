//! How far the work is, on the terminal.

use std::{
    io::{self, Write},
    time::Duration,
};

use convscope::summary::thousands;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar of studies, with the number of images that were run. Clones are of one bar.
#[derive(Clone)]
pub struct Progress(ProgressBar);

impl Progress {
    /// On the standard error stream, where that is a terminal; `hidden` anywhere.
    pub fn new(studies: usize, hidden: bool) -> Progress {
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(studies as u64), target);
        let style = ProgressStyle::with_template("{spinner} {pos}/{len} {prefix} {wide_msg} {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        if !bar.is_hidden() {
            bar.enable_steady_tick(Duration::from_millis(200));
        }
        Progress(bar)
    }

    /// What is done now.
    pub fn say(&self, what: &str) {
        self.0.set_prefix(what.to_owned());
    }

    /// So many images were run in all.
    pub fn images(&self, count: u64) {
        if !self.0.is_hidden() {
            self.0.set_message(format!("{} images run", thousands(&count)));
        }
    }

    /// A study is done.
    pub fn next(&self) {
        self.0.inc(1);
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.0.finish_and_clear();
    }

    /// Runs `print` with the bar out of the way.
    pub fn beside(&self, print: impl FnOnce()) {
        self.0.suspend(print);
    }
}

/// The standard error stream beside the bar.
impl Write for Progress {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
