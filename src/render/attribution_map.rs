//! The colours of an attribution, alone and over its image.

use super::{
    canvas::{Canvas, Rgb},
    colormap::{ColorMap, NON_FINITE, contrast},
    legend::{Legend, Mark},
    normalize::{Range, strong_magnitude, to_byte},
    shape, text,
    tile::{self, Plane, Zoom},
};
use crate::error::{Error, Result};

/// A map with fewer values is drawn to its largest one: a percentile of few is one of them.
const CLIPPED_FROM: usize = 400;
/// So many times the 99th percentile: what goes further would darken all others.
const OUTLIER: f64 = 1.5;
/// How much of an overlay's colour is the map's.
const OPACITY: f64 = 0.55;

/// How much each pixel has to do with a class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AttributionMap<'a> {
    /// Rows of the map, one after the other.
    pub values: &'a [f32],
    /// Height and width. It may be coarser than the image, and is spread evenly over it.
    pub size: [usize; 2],
    /// What the sign says.
    pub scale: AttributionScale,
    /// What a value is, for the legend: `d logit / d pixel`.
    pub unit: &'a str,
    /// Name of the class that is explained.
    pub class: &'a str,
}

/// What the sign of an attribution says, and so its colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AttributionScale {
    /// Positive speaks for the class: red. Negative against it: blue. Zero is near-white.
    Signed,
    /// Negative speaks for the class: red, so that a colour says the same on all pictures.
    Reversed,
    /// From 0, dark blue over green to yellow.
    Magnitude,
}

impl AttributionMap<'_> {
    /// What a reader would not see in the colours: a map that says nothing, or nothing for the class. `None` where it
    /// says something.
    ///
    /// ```
    /// use convscope::render::{AttributionMap, AttributionScale};
    ///
    /// let scale = AttributionScale::Signed;
    /// let map = AttributionMap { values: &[-1.0, -0.5], size: [1, 2], scale, unit: "logit", class: "Coat" };
    /// assert_eq!(map.finding().unwrap(), "all values <= 0: nothing speaks for Coat");
    /// ```
    pub fn finding(&self) -> Option<String> {
        let count = self.values.len();
        let finite: Vec<f32> = self.values.iter().copied().filter(|value| value.is_finite()).collect();
        let Some(range) = Range::of(&finite) else {
            return Some(format!("none of {count} values is finite: nothing can be said"));
        };
        let (broken, class) = (count - finite.len(), self.class);
        let found = if range.is_constant() && range.hi == 0.0 {
            Some(format!("all values 0: no pixel has a part in the score of {class}"))
        } else if range.is_constant() && count == 1 {
            Some("a single value for the whole image: it does not say where".to_owned())
        } else if range.is_constant() {
            Some(format!("all values equal {}: no pixel stands out", text::number(range.hi)))
        } else {
            match self.scale {
                AttributionScale::Signed if range.hi <= 0.0 => {
                    Some(format!("all values <= 0: nothing speaks for {class}"))
                }
                AttributionScale::Reversed if range.lo >= 0.0 => {
                    Some(format!("all values >= 0: nothing speaks for {class}"))
                }
                _ => None,
            }
        };
        let broken = (broken > 0).then(|| format!("{broken} of {count} values NaN or infinite"));
        match (found, broken) {
            (Some(found), Some(broken)) => Some(format!("{broken}; the others: {found}")),
            (found, broken) => found.or(broken),
        }
    }
}

/// A map made ready to be drawn over an image.
pub(super) struct Heat<'a> {
    map: &'a AttributionMap<'a>,
    plane: Plane<'a>,
    /// Height and width of the image.
    image: (usize, usize),
    range: Range,
    /// Whether values lie beyond the range.
    clipped: bool,
    pub is_constant: bool,
}

impl<'a> Heat<'a> {
    pub fn new(map: &'a AttributionMap<'a>, image: (usize, usize)) -> Result<Heat<'a>> {
        let [height, width] = map.size;
        shape::check("attribution", "1, 1, H, W", [1, 1, height, width], map.values.len())?;
        let most = Range::of(map.values).map_or(0.0, Range::magnitude);
        let strong = strong_magnitude(map.values);
        let clipped = map.values.len() >= CLIPPED_FROM && most > OUTLIER * strong;
        let end = if clipped { strong } else { most };
        let symmetric = Range { lo: -end, hi: end };
        let range = match map.scale {
            AttributionScale::Signed => symmetric,
            AttributionScale::Reversed => symmetric.reversed(),
            AttributionScale::Magnitude => Range { lo: 0.0, hi: end },
        };
        let is_constant = is_constant(map.values);
        let plane = Plane::new(map.values, width);
        Ok(Heat { map, plane, image, range, clipped, is_constant })
    }

    fn colors(&self) -> ColorMap {
        match self.map.scale {
            AttributionScale::Magnitude => ColorMap::Viridis,
            AttributionScale::Signed | AttributionScale::Reversed => ColorMap::BlueRed,
        }
    }

    /// The map's colour at a cell of the image.
    fn color(&self, zoom: Zoom, row: usize, column: usize) -> Rgb {
        let [height, width] = self.map.size;
        let rows = below(row, zoom.down, self.image.0, height);
        let columns = below(column, zoom.down, self.image.1, width);
        let value = self.plane.mean(rows, columns);
        if value.is_finite() { self.colors().at(self.range.unit(value)) } else { NON_FINITE }
    }

    /// Draws the map alone, as large as the image.
    pub fn draw(&self, canvas: &mut Canvas, at: (usize, usize), zoom: Zoom) {
        tile::cells(canvas, at, self.image, zoom, |row, column| self.color(zoom, row, column));
        self.cross_out(canvas, at, zoom);
    }

    /// Draws the map over its image in grey.
    pub fn draw_over(&self, canvas: &mut Canvas, at: (usize, usize), zoom: Zoom, image: &Picture<'_>) {
        tile::cells(canvas, at, self.image, zoom, |row, column| {
            let color = self.color(zoom, row, column);
            if color == NON_FINITE { color } else { mix(color, image.grey(zoom, row, column)) }
        });
        self.cross_out(canvas, at, zoom);
    }

    fn cross_out(&self, canvas: &mut Canvas, at: (usize, usize), zoom: Zoom) {
        if self.is_constant {
            tile::cross(canvas, at, self.image, zoom, contrast(self.color(zoom, 0, 0)));
        }
    }

    /// What the colours mean.
    pub fn legend(&self) -> Legend {
        let AttributionMap { values, size, scale, unit, class } = *self.map;
        let signs = match scale {
            AttributionScale::Magnitude => None,
            AttributionScale::Signed => Some(format!("red speaks for {class}, blue against it")),
            AttributionScale::Reversed => {
                Some(format!("red (negative) speaks for {class}, blue (positive) against it"))
            }
        };
        let unit = match signs {
            Some(signs) if unit.is_empty() => signs,
            Some(signs) => format!("{unit}: {signs}"),
            None => unit.to_owned(),
        };
        let clipped = Range::of(values).filter(|_| self.clipped);
        let clipped = clipped.map(|range| format!("scale ends at the 99th percentile (found: {range})"));
        let is_coarse = size != [self.image.0, self.image.1];
        let coarse = is_coarse.then(|| format!("{} x {} values, enlarged", size[0], size[1]));
        let parts = [Some(unit), clipped, coarse].into_iter().flatten().filter(|part| !part.is_empty());
        let ticks = match scale {
            AttributionScale::Reversed => vec![(0.5, "0".to_owned())],
            AttributionScale::Signed | AttributionScale::Magnitude => Vec::new(),
        };
        Legend {
            map: self.colors(),
            range: Some(self.range),
            ticks,
            label: parts.collect::<Vec<_>>().join("; "),
            marks: Mark::non_finite(values).into_iter().collect(),
        }
    }
}

/// Whether a map has no differences, apart from values that are not finite.
pub(super) fn is_constant(values: &[f32]) -> bool {
    let finite = || values.iter().filter(|value| value.is_finite());
    finite().all(|value| Some(value) == finite().next())
}

/// The values of a map that lie below a cell of `down` pixels of an image: as many as it covers, at least one.
fn below(cell: usize, down: usize, image: usize, map: usize) -> std::ops::Range<usize> {
    let first = cell * down * map / image;
    let end = ((cell + 1) * down).min(image) * map / image;
    first..end.max(first + 1)
}

fn mix(color: Rgb, grey: u8) -> Rgb {
    color.map(|part| (OPACITY * f64::from(part) + (1.0 - OPACITY) * f64::from(grey)).round() as u8)
}

/// An image in brightness from 0 to 1.
pub(super) struct Picture<'a> {
    pixels: &'a [f32],
    channels: usize,
    /// Height and width.
    pub size: (usize, usize),
}

impl<'a> Picture<'a> {
    /// Of `[channels, rows, columns]`.
    pub fn new(pixels: &'a [f32], [channels, height, width]: [usize; 3]) -> Result<Picture<'a>> {
        let what = "image of an attribution";
        shape::check(what, "1, C, H, W", [1, channels, height, width], pixels.len())?;
        if channels != 1 && channels != 3 {
            let why = format!("{channels} channels found; 1 (grey) or 3 (red, green, blue) can be shown");
            return Err(Error::invalid(what, why));
        }
        Ok(Picture { pixels, channels, size: (height, width) })
    }

    pub fn draw(&self, canvas: &mut Canvas, at: (usize, usize), zoom: Zoom) {
        let byte = |value: f32| value.is_finite().then(|| to_byte(value));
        if self.channels == 3 {
            tile::color_planes(canvas, at, self.pixels, self.size, zoom, byte);
        } else {
            tile::grey_plane(canvas, at, Plane::new(self.pixels, self.size.1), zoom, byte);
        }
    }

    /// Brightness of a cell, of colours as ITU-R BT.601 weighs them; what is not finite is taken for middle grey.
    fn grey(&self, zoom: Zoom, row: usize, column: usize) -> u8 {
        let weights: &[f32] = if self.channels == 3 { &[0.299, 0.587, 0.114] } else { &[1.0] };
        let planes = self.pixels.chunks_exact(self.size.0 * self.size.1);
        let grey: f32 = planes
            .zip(weights)
            .map(|(plane, weight)| weight * Plane::new(plane, self.size.1).cell(zoom, row, column))
            .sum();
        if grey.is_finite() { to_byte(grey) } else { 128 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_of_a_map_lies_below_a_cell() {
        for (image, map) in [(28usize, 28), (28, 7), (28, 13), (100, 33), (9, 9), (4, 1), (6, 12)] {
            for down in 1..=5 {
                let cells = image.div_ceil(down);
                let mut covered = vec![false; map];
                for cell in 0..cells {
                    let values = below(cell, down, image, map);
                    assert!(!values.is_empty() && values.end <= map, "{image} {map} {down}: {values:?}");
                    values.for_each(|value| covered[value] = true);
                }
                assert!(covered.iter().all(|&covered| covered), "{image} {map} {down}");
            }
        }
    }

    #[test]
    fn a_coarse_map_is_enlarged_by_nearest_neighbour() {
        let columns: Vec<usize> = (0..8).map(|cell| below(cell, 1, 8, 2).start).collect();
        assert_eq!(columns, [0, 0, 0, 0, 1, 1, 1, 1]);
        assert!((0..8).all(|cell| below(cell, 1, 8, 2).len() == 1), "no value is mixed with its neighbour");
    }
}
