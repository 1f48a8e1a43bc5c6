//! The standard error stream beside a progress bar.

use std::io::{self, Write};

/// The standard error stream of a program that may show a bar there: what is written stands above the bar, not in its
/// line. Write whole lines at once. [`Progress::console`](super::Progress::console) makes it; the default is the stream
/// alone.
#[derive(Clone, Default)]
pub struct Console {
    /// Weak, so that the bar goes with its owner.
    #[cfg(feature = "cli")]
    pub(super) bar: Option<indicatif::WeakProgressBar>,
}

impl Write for Console {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        #[cfg(feature = "cli")]
        if let Some(bar) = self.bar.as_ref().and_then(indicatif::WeakProgressBar::upgrade) {
            return bar.suspend(|| io::stderr().write(bytes));
        }
        io::stderr().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
