//! From a value to a number between 0 and 1.

use std::fmt;

use crate::error::{Error, Result};

/// Which values get the darkest and the brightest colour. Values outside take the end's colour. NaN and infinities
/// never count: they have a colour of their own.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Normalization {
    /// As [`Symmetric`](Self::Symmetric) where a value of the layer is negative, else from 0; but the scale ends at the
    /// 99th percentile of the magnitudes other than 0, so that a few strong channels do not darken all others. What lies
    /// beyond takes the end's colour, and the legend says how far it goes.
    #[default]
    Auto,
    /// Each tile from its smallest to its largest value: shows the structure of each, hides which one is strong.
    PerFilter,
    /// All tiles from the smallest to the largest value of the layer: magnitudes can be compared.
    PerLayer,
    /// All tiles from `-m` to `m`, `m` being the largest magnitude of the layer: zero is the middle colour and the sign
    /// can be seen, `v / (2 m) + 0.5`.
    Symmetric,
    /// From `lo` to `hi`: steps can be compared too.
    Fixed {
        /// Value of the darkest colour.
        lo: f32,
        /// Value of the brightest colour; above `lo`.
        hi: f32,
    },
}

impl Normalization {
    /// The scale that this choice gives a layer.
    pub(super) fn scale(self, values: &[f32]) -> Result<Scale> {
        let fixed = match self {
            Normalization::Fixed { lo, hi } => Some(Range::fixed(lo, hi)?),
            _ => None,
        };
        let Some(found) = Range::of(values) else {
            return Ok(Scale { range: fixed, words: ": no finite value".to_owned() });
        };
        let layer = |range| Scale { range: Some(range), words: ", one scale for the layer".to_owned() };
        Ok(match (self, fixed) {
            (_, Some(range)) => {
                Scale { range: Some(range), words: format!(", fixed scale (found: {found})") }
            }
            (Normalization::PerFilter, _) => {
                Scale { range: None, words: format!(", each tile scaled by itself (all: {found})") }
            }
            (Normalization::PerLayer, _) => layer(found),
            (Normalization::Symmetric, _) => layer(Range::symmetric(found.magnitude())),
            (Normalization::Auto | Normalization::Fixed { .. }, _) => Scale::auto(values, found),
        })
    }
}

/// The range for all tiles, with the choice in words.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    /// `None` where each tile has its own, or where no value is finite.
    pub range: Option<Range>,
    /// For the legend, after what is measured.
    pub words: String,
}

impl Scale {
    fn auto(values: &[f32], found: Range) -> Scale {
        let end = strong_magnitude(values);
        let range = if found.lo < 0.0 { Range::symmetric(end) } else { Range { lo: 0.0, hi: end } };
        let words = if end < found.magnitude() {
            format!(", one scale up to the layer's 99th percentile (all: {found})")
        } else {
            ", one scale for the layer".to_owned()
        };
        Scale { range: Some(range), words }
    }
}

/// The 99th percentile of the finite magnitudes other than 0; 0 where there is none.
pub(super) fn strong_magnitude(values: &[f32]) -> f64 {
    let mut magnitudes: Vec<f32> =
        values.iter().map(|v| v.abs()).filter(|&v| v.is_finite() && v > 0.0).collect();
    if magnitudes.is_empty() {
        return 0.0;
    }
    let rank = (magnitudes.len() - 1) * 99 / 100;
    f64::from(*magnitudes.select_nth_unstable_by(rank, f32::total_cmp).1)
}

/// Lowest and highest value of a scale, `lo <= hi`, both finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Range {
    pub lo: f64,
    pub hi: f64,
}

impl Range {
    /// Smallest to largest of the finite values, if there is one.
    pub fn of(values: &[f32]) -> Option<Range> {
        values.iter().filter(|v| v.is_finite()).map(|&v| f64::from(v)).fold(None, |range, v| match range {
            None => Some(Range { lo: v, hi: v }),
            Some(Range { lo, hi }) => Some(Range { lo: lo.min(v), hi: hi.max(v) }),
        })
    }

    fn fixed(lo: f32, hi: f32) -> Result<Range> {
        if !(lo.is_finite() && hi.is_finite() && lo < hi) {
            return Err(Error::invalid(
                "fixed normalisation",
                format!("from {lo} to {hi}; two finite numbers are needed, the first below the second"),
            ));
        }
        Ok(Range { lo: lo.into(), hi: hi.into() })
    }

    fn symmetric(magnitude: f64) -> Range {
        Range { lo: -magnitude, hi: magnitude }
    }

    /// The largest distance from 0.
    pub fn magnitude(self) -> f64 {
        self.hi.abs().max(self.lo.abs())
    }

    /// Whether zero is in the middle. From -0 to 0 is, from 0 to 0 is not: that one is a magnitude.
    pub fn is_symmetric(self) -> bool {
        self.lo == -self.hi && self.lo.is_sign_negative()
    }

    /// The same with its ends swapped: 0 at the highest value, 1 at the lowest.
    pub fn reversed(self) -> Range {
        Range { lo: self.hi, hi: self.lo }
    }

    pub fn is_constant(self) -> bool {
        self.lo == self.hi
    }

    /// 0 at `lo`, 1 at `hi`. A range without extent gives 0, or the middle where it is that of zero: torchvision's
    /// rule, except that its smallest divisor of 1e-5 would blank the kernels and gradients of deep networks.
    pub fn unit(self, value: f32) -> f64 {
        if self.is_constant() {
            return if self.is_symmetric() { 0.5 } else { 0.0 };
        }
        ((f64::from(value) - self.lo) / (self.hi - self.lo)).clamp(0.0, 1.0)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", super::text::number(self.lo), super::text::number(self.hi))
    }
}

/// The byte of a brightness of 0 to 1, with the rounding of torchvision's `save_image`: `v * 255 + 0.5`, limited to
/// 0..=255, fraction cut off. NaN gives 0.
///
/// ```
/// use convscope::render::to_byte;
///
/// assert_eq!([-0.1, 0.0, 0.5, 1.2].map(to_byte), [0, 0, 128, 255]);
/// ```
pub fn to_byte(unit: f32) -> u8 {
    (unit * 255.0 + 0.5).clamp(0.0, 255.0) as u8
}
