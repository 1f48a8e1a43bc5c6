//! From a number between 0 and 1 to a colour.

use super::{
    canvas::Rgb,
    normalize::{Range, to_byte},
};

/// NaN and infinities: in none of the maps.
pub(super) const NON_FINITE: Rgb = [255, 0, 255];

/// Which colours stand for the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ColorMap {
    /// Dark blue over green to yellow: magnitudes. Even steps for the eye, also without colour vision.
    Viridis,
    /// Blue for negative, near-white for zero, red for positive: signed values on a symmetric scale. Colour-blind people
    /// can tell its ends apart.
    BlueRed,
    /// Black to white.
    Grey,
}

impl ColorMap {
    /// The colour at `unit`; 0 is the low end, 1 the high one, and what lies outside takes the end's colour.
    pub(super) fn at(self, unit: f64) -> Rgb {
        let unit = unit.clamp(0.0, 1.0);
        match self {
            ColorMap::Viridis => colorous::VIRIDIS.eval_continuous(unit).as_array(),
            ColorMap::BlueRed => colorous::RED_BLUE.eval_continuous(1.0 - unit).as_array(),
            ColorMap::Grey => [to_byte(unit as f32); 3],
        }
    }

    /// Colour of the lines between tiles where the background's would not be seen.
    pub(super) fn separator(self) -> Option<Rgb> {
        (self == ColorMap::BlueRed).then_some([72; 3])
    }

    /// What a range asks for: a diverging map where zero is in the middle.
    pub(super) fn suited_to(range: Range) -> ColorMap {
        if range.is_symmetric() { ColorMap::BlueRed } else { ColorMap::Viridis }
    }
}

/// Black or white, whichever can be seen on `color`.
pub(super) fn contrast(color: Rgb) -> Rgb {
    let [r, g, b] = color.map(u32::from);
    let luma = (299 * r + 587 * g + 114 * b) / 1000;
    if luma < 128 { [255; 3] } else { [0; 3] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_and_middle() {
        let [r, _, b] = ColorMap::BlueRed.at(0.0);
        assert!(b > r, "negative is blue");
        let [r, _, b] = ColorMap::BlueRed.at(1.0);
        assert!(r > b, "positive is red");
        assert!(ColorMap::BlueRed.at(0.5).iter().all(|&c| c > 230), "zero is near-white");
        assert_eq!(ColorMap::Grey.at(0.5), [128; 3]);
        assert_eq!(ColorMap::Viridis.at(7.0), ColorMap::Viridis.at(1.0));
    }

    #[test]
    fn loud_colour_is_in_no_map() {
        for map in [ColorMap::Viridis, ColorMap::BlueRed, ColorMap::Grey] {
            for i in 0..=1000 {
                let far: i32 = (map.at(f64::from(i) / 1000.0).iter().zip(NON_FINITE))
                    .map(|(&a, b)| (i32::from(a) - i32::from(b)).abs())
                    .sum();
                assert!(far > 100, "{map:?} at {i}/1000");
            }
        }
    }
}
