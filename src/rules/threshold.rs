//! Thresholds with hysteresis.

use super::Severity;

/// Where something begins to be bad, and where it is over: a value between both keeps an alarm that is there, but
/// raises none (hysteresis, as a thermostat has it). So a value that wavers about one number is one alarm, not many.
///
/// ```
/// use convscope::rules::{Severity, Threshold};
///
/// let hot = Threshold::above(Severity::Warning, 30.0).clear_at(25.0);
/// assert!(hot.grade(31.0).is_some_and(|grade| grade.raises));
/// assert!(hot.grade(27.0).is_some_and(|grade| !grade.raises));
/// assert!(hot.grade(25.0).is_none() && hot.grade(f64::NAN).is_none());
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    severity: Severity,
    raise: f64,
    clear: f64,
    /// 1: bad above; -1: bad below.
    sign: f64,
}

/// How bad a value is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grade {
    /// How bad.
    pub severity: Severity,
    /// Whether it is past the threshold for raising; `false`: between that and the one for clearing.
    pub raises: bool,
    /// The threshold for raising.
    pub threshold: f64,
}

impl Threshold {
    /// Bad are values above `raise`. It is over at `raise` too, until [`clear_at`](Threshold::clear_at) says otherwise.
    pub fn above(severity: Severity, raise: f64) -> Threshold {
        Threshold { severity, raise, clear: raise, sign: 1.0 }
    }

    /// Bad are values below `raise`.
    pub fn below(severity: Severity, raise: f64) -> Threshold {
        Threshold { sign: -1.0, ..Threshold::above(severity, raise) }
    }

    /// It is over at `clear` and beyond, seen from the bad side. A value on the bad side of the threshold for raising
    /// changes nothing.
    #[must_use]
    pub fn clear_at(self, clear: f64) -> Threshold {
        let clear = if self.sign > 0.0 { clear.min(self.raise) } else { clear.max(self.raise) };
        Threshold { clear, ..self }
    }

    /// How bad `value` is; `None` where it is fine, or no number.
    pub fn grade(&self, value: f64) -> Option<Grade> {
        let (value, raise, clear) = (self.sign * value, self.sign * self.raise, self.sign * self.clear);
        let raises = value > raise;
        let grade = Grade { severity: self.severity, raises, threshold: self.raise };
        (raises || value > clear).then_some(grade)
    }

    /// The worst that any of `thresholds` says about `value`. What raises is worse than what keeps.
    ///
    /// ```
    /// use convscope::rules::{Severity, Threshold};
    ///
    /// let both = [Threshold::above(Severity::Warning, 0.1), Threshold::above(Severity::Critical, 0.5)];
    /// assert_eq!(Threshold::worst(&both, 0.3).map(|grade| grade.severity), Some(Severity::Warning));
    /// assert_eq!(Threshold::worst(&both, 0.7).map(|grade| grade.severity), Some(Severity::Critical));
    /// ```
    pub fn worst(thresholds: &[Threshold], value: f64) -> Option<Grade> {
        let grades = thresholds.iter().filter_map(|threshold| threshold.grade(value));
        grades.max_by_key(|grade| (grade.raises, grade.severity))
    }
}
