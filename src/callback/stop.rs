//! Why a training stopped early.

use std::fmt;

/// Why a training stopped before its last epoch.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum StopReason {
    /// The monitored value did not improve for long enough.
    NoImprovement {
        /// What was watched, such as `validation/loss`.
        monitor: String,
        /// Its best value.
        best: f64,
        /// Epoch of the best value.
        best_epoch: u64,
        /// How many checks in a row brought no improvement.
        checks: u64,
    },
    /// The monitored value is NaN or infinite.
    NonFinite {
        /// What was watched.
        monitor: String,
        /// What was found.
        value: f64,
    },
    /// A rule found something critical, and the user wants to stop then.
    Critical {
        /// Name of the rule, such as `exploding_gradient`.
        rule: String,
        /// Layer or parameter, or `training` for the whole.
        subject: String,
        /// What was found, in words.
        message: String,
    },
    /// The user asked, by Ctrl-C or [`Interrupter::interrupt`](crate::Interrupter::interrupt).
    Interrupted,
    /// A callback of the user's own.
    Other(String),
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StopReason::NoImprovement { monitor, best, best_epoch, checks } => write!(
                f,
                "`{monitor}` did not improve on {best:.4} (epoch {best_epoch}) in {checks} checks in a row"
            ),
            StopReason::NonFinite { monitor, value } => write!(f, "`{monitor}` is {value}"),
            StopReason::Critical { rule, subject, message } => write!(f, "{rule} ({subject}): {message}"),
            StopReason::Interrupted => f.write_str("interrupted by the user"),
            StopReason::Other(reason) => f.write_str(reason),
        }
    }
}
