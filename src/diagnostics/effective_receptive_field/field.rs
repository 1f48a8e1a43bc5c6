//! The numbers of an effective receptive field.

use crate::{
    arch::PixelBox,
    error::{Error, Result},
};

/// How much each pixel moves a unit: a map of the image's size, with the numbers that sum it up.
///
/// The *mass* of a pixel is its value in the map, the mean over the probe images of |∂y/∂x|, summed over the image's
/// channels. Rows are the vertical axis and come first everywhere. Values that are not finite are counted
/// ([`non_finite`](EffectiveField::non_finite)) and have no mass.
///
/// ```
/// use convscope::diagnostics::EffectiveField;
///
/// // Two 3x3 kernels of ones, one after the other, in the middle of 7x7 pixels.
/// let profile = [0.0, 1.0, 2.0, 3.0, 2.0, 1.0, 0.0];
/// let map = profile.iter().flat_map(|row| profile.map(|column| row * column)).collect();
/// let field = EffectiveField::new(map, [7, 7])?;
///
/// assert_eq!(field.mass(), 81.0);
/// assert_eq!(field.extent(0.95), [5, 5]); // rows, columns
/// assert_eq!(field.extent(0.6), [3, 3]); // 2 + 3 + 2 of 9
/// assert_eq!(field.center_of_mass(), Some([3.0, 3.0]));
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct EffectiveField {
    map: Vec<f64>,
    size: [usize; 2],
    silent_images: usize,
}

impl EffectiveField {
    /// A field from its map, row by row; `size` is height and width.
    ///
    /// # Errors
    /// Another number of values than the size says, a side of 0, a negative value.
    pub fn new(map: Vec<f64>, size: [usize; 2]) -> Result<EffectiveField> {
        let [height, width] = size;
        let refuse = |why: String| Err(Error::invalid("effective receptive field", why));
        if map.is_empty() || height.checked_mul(width) != Some(map.len()) {
            return refuse(format!("{} values found for {height} x {width} pixels", map.len()));
        }
        if let Some(value) = map.iter().find(|value| **value < 0.0) {
            return refuse(format!("{value} found; magnitudes are 0 or more"));
        }
        Ok(EffectiveField { map, size, silent_images: 0 })
    }

    /// The field with the number of probe images that moved the unit not at all.
    pub(super) fn with_silent_images(self, silent_images: usize) -> EffectiveField {
        EffectiveField { silent_images, ..self }
    }

    /// The mass of every pixel, row by row.
    pub fn map(&self) -> &[f64] {
        &self.map
    }

    /// Height and width of the map in pixels: those of the image.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }

    /// On how many of the probe images no pixel moved the unit: there it is dead, or its gradient underflowed.
    pub fn silent_images(&self) -> usize {
        self.silent_images
    }

    /// How many pixels are NaN or infinite.
    pub fn non_finite(&self) -> usize {
        self.map.iter().filter(|value| !value.is_finite()).count()
    }

    /// Whether no pixel moves the unit, so that all extents are 0: a unit behind a dead ReLU, on every image. Pixels that
    /// are not finite count as moved: a field of them alone has no mass, but is not empty.
    pub fn is_empty(&self) -> bool {
        self.map.iter().all(|value| *value == 0.0)
    }

    /// The sum of the map, in the units of the layer's output by those of the network's input.
    pub fn mass(&self) -> f64 {
        self.finite().sum()
    }

    /// The largest value of the map.
    pub fn peak(&self) -> f64 {
        self.finite().fold(0.0, f64::max)
    }

    /// The smallest number of rows, and of columns, that hold `share` of the mass: the size of the field in pixels.
    ///
    /// The mass of a row is the sum over its pixels; the same for columns. They need not lie side by side:
    /// [`span`](EffectiveField::span) tells from where to where they reach. `share` is from 0 to 1, usually 0.95; what
    /// lies outside counts as the end.
    pub fn extent(&self, share: f64) -> [usize; 2] {
        [heaviest(&self.rows(), share).len(), heaviest(&self.columns(), share).len()]
    }

    /// [`extent`](EffectiveField::extent) as parts of the rows and columns of `theoretical` that lie in the image; above 1
    /// only where the box is wrong. `None` where no pixel of the box lies in the image.
    pub fn ratio(&self, share: f64, theoretical: &PixelBox) -> Option<[f64; 2]> {
        let seen = theoretical.clip(self.size[0] as i64, self.size[1] as i64)?;
        let [rows, columns] = self.extent(share);
        Some([rows as f64 / seen.height() as f64, columns as f64 / seen.width() as f64])
    }

    /// First and last row, then first and last column, of those that [`extent`](EffectiveField::extent) counts; `None`
    /// for a field without mass. Of equally heavy ones the first count.
    pub fn span(&self, share: f64) -> Option<[(usize, usize); 2]> {
        let ends = |sums: &[f64]| {
            let chosen = heaviest(sums, share);
            Some((*chosen.iter().min()?, *chosen.iter().max()?))
        };
        Some([ends(&self.rows())?, ends(&self.columns())?])
    }

    /// The smallest number of pixels that hold `share` of the mass, wherever they lie. `share` as in
    /// [`extent`](EffectiveField::extent).
    pub fn area(&self, share: f64) -> usize {
        heaviest(&self.masses(), share).len()
    }

    /// First and last row, then first and last column, of the pixels with any mass; `None` for an empty field. Pixels
    /// that are not finite count as moved.
    pub fn support(&self) -> Option<[(usize, usize); 2]> {
        let moved = |pixel: &usize| self.map[*pixel] != 0.0;
        let ends = |index: fn(usize, usize) -> usize| {
            let places = || (0..self.map.len()).filter(moved).map(|pixel| index(pixel, self.size[1]));
            Some((places().min()?, places().max()?))
        };
        Some([ends(|pixel, width| pixel / width)?, ends(|pixel, width| pixel % width)?])
    }

    /// Where the mass balances: row and column, 0 being the centre of the first pixel. `None` for a field without
    /// mass.
    pub fn center_of_mass(&self) -> Option<[f64; 2]> {
        Some([mean(&self.rows())?, mean(&self.columns())?])
    }

    /// The standard deviation of the mass along the vertical and the horizontal axis, in pixels. `None` for a field
    /// without mass.
    ///
    /// For n layers of k-wide kernels of ones it is √(n (k² - 1) / 12): the field grows with the root of the depth (Luo
    /// et al. 2016).
    pub fn spread(&self) -> Option<[f64; 2]> {
        let deviation = |sums: &[f64]| {
            let center = mean(sums)?;
            let squares = sums.iter().enumerate().map(|(place, mass)| mass * (place as f64 - center).powi(2));
            Some((squares.sum::<f64>() / sums.iter().sum::<f64>()).sqrt())
        };
        Some([deviation(&self.rows())?, deviation(&self.columns())?])
    }

    fn finite(&self) -> impl Iterator<Item = f64> + '_ {
        self.map.iter().copied().filter(|value| value.is_finite())
    }

    /// The finite values; as parts of the peak where their sum would overflow.
    fn masses(&self) -> Vec<f64> {
        let unit = if self.mass().is_finite() { 1.0 } else { self.peak() };
        self.map.iter().map(|value| if value.is_finite() { value / unit } else { 0.0 }).collect()
    }

    fn rows(&self) -> Vec<f64> {
        self.masses().chunks(self.size[1]).map(|row| row.iter().sum()).collect()
    }

    fn columns(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.size[1]];
        for row in self.masses().chunks(self.size[1]) {
            for (sum, mass) in sums.iter_mut().zip(row) {
                *sum += mass;
            }
        }
        sums
    }
}

/// Places of the largest values that together hold `share` of the sum, as few as possible; of equal values the first.
/// Values of 0 are never among them.
fn heaviest(masses: &[f64], share: f64) -> Vec<usize> {
    let mut places: Vec<usize> = (0..masses.len()).filter(|&place| masses[place] > 0.0).collect();
    places.sort_by(|&a, &b| masses[b].total_cmp(&masses[a])); // stable
    if share >= 1.0 {
        return places;
    }
    let wanted = share.max(0.0) * places.iter().map(|&place| masses[place]).sum::<f64>();
    let mut held = 0.0;
    let enough = places.iter().position(|&place| {
        held += masses[place];
        held >= wanted
    });
    places.truncate(if wanted > 0.0 { enough.map_or(places.len(), |last| last + 1) } else { 0 });
    places
}

/// The mean place, weighted by mass.
fn mean(masses: &[f64]) -> Option<f64> {
    let total: f64 = masses.iter().sum();
    let moments = masses.iter().enumerate().map(|(place, mass)| place as f64 * mass);
    (total > 0.0).then(|| moments.sum::<f64>() / total)
}
