//! From a number of a layer to its place on a scale.

use super::{canvas::Rgb, colormap::ColorMap, legend::Legend, normalize::Range, text};
use crate::error::{Error, Result};

/// Zero and what lies at or below the floor of a logarithmic scale: black, which viridis does not hold.
pub(super) const FLOOR: Rgb = [0; 3];

/// What a number of a layer is drawn as. The ends are chosen beforehand and stay, so that pictures of different steps
/// can be compared.
///
/// ```
/// use convscope::render::LayerScale;
///
/// let scale = LayerScale::Log { floor: 1e-8, top: 1.0 };
/// assert_eq!([0.0, 1e-8, 1e-4, 1.0, 50.0].map(|value| scale.unit(value)), [0.0, 0.0, 0.5, 1.0, 1.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum LayerScale {
    /// For magnitudes that span decades: even steps for even factors. Values at or below `floor` have a colour of their
    /// own.
    Log {
        /// The low end, above 0.
        floor: f64,
        /// The high end.
        top: f64,
    },
    /// For shares and other numbers of one decade.
    Linear {
        /// The low end.
        low: f64,
        /// The high end.
        high: f64,
    },
}

impl LayerScale {
    /// Place on the scale: 0 at its low end, 1 at its high end, and those for what lies beyond. NaN for NaN.
    pub fn unit(self, value: f64) -> f64 {
        let place = match self {
            LayerScale::Log { floor, .. } if value <= floor => 0.0,
            LayerScale::Log { floor, top } => (value / floor).log10() / (top / floor).log10(),
            LayerScale::Linear { low, high } => (value - low) / (high - low),
        };
        place.clamp(0.0, 1.0)
    }

    pub(super) fn check(self, what: &str) -> Result<()> {
        let Range { lo, hi } = self.range();
        let is_log = matches!(self, LayerScale::Log { .. });
        if lo.is_finite() && hi.is_finite() && lo < hi && (!is_log || lo > 0.0) {
            return Ok(());
        }
        let expected = if is_log { "two finite numbers above 0" } else { "two finite numbers" };
        let why = format!("a scale from {lo} to {hi}; {expected} are needed, the first below the second");
        Err(Error::invalid(what, why))
    }

    /// Whether a value has the colour of the floor.
    pub(super) fn is_floor(self, value: f64) -> bool {
        matches!(self, LayerScale::Log { floor, .. } if value <= floor)
    }

    /// The colour of a finite value.
    pub(super) fn color(self, value: f64) -> Rgb {
        if self.is_floor(value) { FLOOR } else { ColorMap::Viridis.at(self.unit(value)) }
    }

    pub(super) fn range(self) -> Range {
        match self {
            LayerScale::Log { floor, top } => Range { lo: floor, hi: top },
            LayerScale::Linear { low, high } => Range { lo: low, hi: high },
        }
    }

    /// `log scale, 1e-8 to 1`.
    pub(super) fn words(self) -> String {
        let kind = if matches!(self, LayerScale::Log { .. }) { "log" } else { "linear" };
        format!("{kind} scale, {}", self.range())
    }

    /// A legend without marks.
    pub(super) fn legend(self, label: String) -> Legend {
        let range = self.range();
        let ticks = match self {
            // The middle is a whole decade where their number is even.
            LayerScale::Log { floor, top } => vec![(0.5, text::number((floor * top).sqrt()))],
            LayerScale::Linear { low, high } => vec![(0.5, text::number(f64::midpoint(low, high)))],
        };
        Legend { map: ColorMap::Viridis, range: Some(range), ticks, label, marks: Vec::new() }
    }
}
