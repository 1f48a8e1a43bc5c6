//! When a value was taken.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, Result};

/// When a value was taken: seconds since 1970-01-01 UTC. Always finite, because TensorBoard's data server gives up a
/// file at the first event whose time is not a number.
///
/// ```
/// use convscope::WallTime;
///
/// assert_eq!(WallTime::new(1.5e9)?.secs(), 1.5e9);
/// assert!(WallTime::new(f64::NAN).is_err());
/// assert!(WallTime::now() > WallTime::new(1.5e9)?);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct WallTime(f64);

impl WallTime {
    /// The time `secs` seconds after 1970-01-01 UTC.
    ///
    /// # Errors
    /// NaN and infinities.
    pub fn new(secs: f64) -> Result<WallTime> {
        if !secs.is_finite() {
            return Err(Error::invalid(
                "wall time",
                format!("{secs} found; TensorBoard needs a finite number of seconds since 1970"),
            ));
        }
        Ok(WallTime(secs))
    }

    /// The system clock's time. A clock before 1970 gives negative seconds.
    pub fn now() -> WallTime {
        WallTime(match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(after) => after.as_secs_f64(),
            Err(before) => -before.duration().as_secs_f64(),
        })
    }

    /// Seconds since 1970-01-01 UTC.
    pub fn secs(self) -> f64 {
        self.0
    }
}
