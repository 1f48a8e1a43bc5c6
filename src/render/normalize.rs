//! From a value to a number between 0 and 1.

use std::fmt;

use crate::error::{Error, Result};

/// Which values get the darkest and the brightest colour. Values outside take the end's colour. NaN and infinities
/// never count: they have a colour of their own.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Normalization {
    /// [`Symmetric`](Self::Symmetric) where a value of the layer is negative, else 0 to the largest value of the layer.
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
    /// The range for all tiles; `None` where each tile has its own, or where no value is finite.
    pub(super) fn layer_range(self, values: &[f32]) -> Result<Option<Range>> {
        if let Normalization::Fixed { lo, hi } = self {
            return Range::fixed(lo, hi).map(Some);
        }
        Ok(Range::of(values).and_then(|found| match self {
            Normalization::PerFilter => None,
            Normalization::PerLayer => Some(found),
            Normalization::Auto if found.lo >= 0.0 => Some(Range { lo: 0.0, hi: found.hi }),
            _ => Some(found.symmetric()),
        }))
    }

    /// The choice in words, for a legend that shows `range`.
    pub(super) fn words(self, range: Option<Range>) -> &'static str {
        match (self, range) {
            (Normalization::PerFilter, _) => "each tile scaled by itself",
            (_, None) => "no finite value",
            (Normalization::Fixed { .. }, _) => "fixed scale",
            (_, Some(range)) if range.is_symmetric() => "one scale for the layer, symmetric around 0",
            _ => "one scale for the layer",
        }
    }
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

    fn symmetric(self) -> Range {
        let m = self.hi.abs().max(self.lo.abs());
        Range { lo: -m, hi: m }
    }

    /// Whether zero is in the middle. From -0 to 0 is, from 0 to 0 is not: that one is a magnitude.
    pub fn is_symmetric(self) -> bool {
        self.lo == -self.hi && self.lo.is_sign_negative()
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
