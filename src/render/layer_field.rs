//! A layer's receptive field, as it is drawn.

use super::{receptive_field::MOST_UNITS, scene::Area};
use crate::error::{Error, Result};

/// The receptive field of a layer, in numbers, with the units of which it is drawn. Pairs are `[height, width]`, sizes
/// and places are pixels of the image.
///
/// ```
/// use convscope::render::{LayerField, UnitField};
///
/// let conv = LayerField::new("conv2d", [3, 3]).stride([1, 1]).padding([1, 1]).unit(UnitField {
///     unit: [0, 0],
///     top: -1,
///     left: -1,
///     bottom: 2,
///     right: 2,
/// });
/// assert_eq!(conv.units.len(), 1);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LayerField {
    /// Type of the layer, such as `conv2d`.
    pub kind: String,
    /// Height and width of the field: from the first to the last pixel seen, also where there are holes between.
    pub size: [i64; 2],
    /// Distance of the fields of neighbouring units. `None` where all units see the same.
    pub stride: Option<[i64; 2]>,
    /// How far the field of unit (0, 0) reaches beyond the upper and the left edge. `None` where it is not known.
    pub padding: Option<[i64; 2]>,
    /// Rows and columns of the layer's map: how many units there are. `None` where it is not known.
    pub map: Option<[i64; 2]>,
    /// Which rows and columns are seen, counted from the field's first one, ascending. `None`: all of them.
    pub seen: [Option<Vec<i64>>; 2],
    /// The units that are drawn, the most important one first. With the first one come the holes and the share of the
    /// image.
    pub units: Vec<UnitField>,
}

/// What one unit sees: rows `top..bottom` and columns `left..right`, which may lie outside of the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitField {
    /// Row and column of the unit in its map.
    pub unit: [i64; 2],
    /// First row seen.
    pub top: i64,
    /// First column seen.
    pub left: i64,
    /// The row behind the last one seen.
    pub bottom: i64,
    /// The column behind the last one seen.
    pub right: i64,
}

impl LayerField {
    /// A field of `size` (height, width) without holes, of which nothing else is known, and no unit yet.
    pub fn new(kind: impl Into<String>, size: [i64; 2]) -> LayerField {
        LayerField {
            kind: kind.into(),
            size,
            stride: None,
            padding: None,
            map: None,
            seen: [None, None],
            units: Vec::new(),
        }
    }

    /// Sets the distance of the fields of neighbouring units.
    #[must_use]
    pub fn stride(mut self, stride: [i64; 2]) -> LayerField {
        self.stride = Some(stride);
        self
    }

    /// Sets how far the field of unit (0, 0) reaches beyond the upper and the left edge.
    #[must_use]
    pub fn padding(mut self, padding: [i64; 2]) -> LayerField {
        self.padding = Some(padding);
        self
    }

    /// Sets how many units the layer has.
    #[must_use]
    pub fn map(mut self, map: [i64; 2]) -> LayerField {
        self.map = Some(map);
        self
    }

    /// Sets which rows and columns of the field are seen.
    #[must_use]
    pub fn seen(mut self, rows: Vec<i64>, columns: Vec<i64>) -> LayerField {
        self.seen = [Some(rows), Some(columns)];
        self
    }

    /// Adds a unit to be drawn.
    #[must_use]
    pub fn unit(mut self, unit: UnitField) -> LayerField {
        self.units.push(unit);
        self
    }

    pub(super) fn check(&self, layer: &str) -> Result<()> {
        let refuse = |why: String| Err(Error::invalid(format!("receptive field of layer `{layer}`"), why));
        if !(1..=MOST_UNITS).contains(&self.units.len()) {
            return refuse(format!("{} units found; 1 to {MOST_UNITS} can be drawn", self.units.len()));
        }
        if self.size.iter().any(|&side| side < 1) {
            return refuse(format!("size {:?} found; each side is 1 or more", self.size));
        }
        if self.stride.is_some_and(|stride| stride.iter().any(|&step| step < 1)) {
            return refuse(format!("stride {:?} found; each is 1 or more", self.stride.unwrap_or_default()));
        }
        if self.map.is_some_and(|map| map.iter().any(|&side| side < 1)) {
            return refuse(format!("map {:?} found; each side is 1 or more", self.map.unwrap_or_default()));
        }
        for (seen, size) in self.seen.iter().zip(self.size) {
            let Some(seen) = seen else { continue };
            let is_ascending = seen.windows(2).all(|pair| pair[0] < pair[1]);
            if seen.is_empty() || !is_ascending || seen[0] < 0 || seen[seen.len() - 1] >= size {
                return refuse(format!("seen pixels are not ascending numbers from 0 to {}", size - 1));
            }
        }
        match self.units.iter().find(|unit| unit.top >= unit.bottom || unit.left >= unit.right) {
            Some(unit) => refuse(format!("unit {} sees nothing: {}", unit.name(), unit.range())),
            None => Ok(()),
        }
    }

    pub(super) fn has_holes(&self) -> bool {
        let is_partial = |(seen, &size): (&Option<Vec<i64>>, &i64)| {
            seen.as_ref().is_some_and(|seen| (seen.len() as i64) < size)
        };
        self.seen.iter().zip(&self.size).any(is_partial)
    }
}

impl UnitField {
    pub(super) fn area(&self) -> Area {
        Area { top: self.top, left: self.left, bottom: self.bottom, right: self.right }
    }

    pub(super) fn name(&self) -> String {
        format!("({}, {})", self.unit[0], self.unit[1])
    }

    fn range(&self) -> String {
        let [bottom, right] = [self.bottom, self.right].map(|behind| behind.saturating_sub(1));
        format!("rows {} to {bottom}, columns {} to {right}", self.top, self.left)
    }
}
