//! The shape of what a layer puts out, for one image.

use std::fmt;

/// The shape of a layer's input or output without the batch dimension.
///
/// ```
/// use convscope::arch::Shape;
///
/// let maps = Shape::map(16, 14, 14);
/// assert_eq!((maps.to_string().as_str(), maps.len()), ("16x14x14", 16 * 14 * 14));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Shape {
    /// Feature maps, or an image.
    Map {
        /// Number of maps, or colour channels.
        channels: i64,
        /// Rows.
        height: i64,
        /// Columns.
        width: i64,
    },
    /// A vector.
    Flat {
        /// Its length.
        features: i64,
    },
}

/// What [`Shape::size`] counts, and what the lines are called that it counts.
pub(super) const AXES: [&str; 2] = ["height", "width"];
/// One line along each of the [`AXES`].
pub(super) const LINES: [&str; 2] = ["row", "column"];

impl Shape {
    /// Feature maps of `height` by `width`.
    pub fn map(channels: i64, height: i64, width: i64) -> Shape {
        Shape::Map { channels, height, width }
    }

    /// A vector of `features` values.
    pub fn flat(features: i64) -> Shape {
        Shape::Flat { features }
    }

    /// `[channels, height, width]` or `[features]`.
    pub fn dims(self) -> Vec<i64> {
        match self {
            Shape::Map { channels, height, width } => vec![channels, height, width],
            Shape::Flat { features } => vec![features],
        }
    }

    /// Number of values. The shapes of a resolved model never overflow here; others saturate.
    #[allow(clippy::len_without_is_empty)] // a shape holds at least one value
    pub fn len(self) -> i64 {
        self.checked_len().unwrap_or(i64::MAX)
    }

    /// Number of values, if an `i64` can hold it.
    pub(super) fn checked_len(self) -> Option<i64> {
        self.dims().into_iter().try_fold(1_i64, i64::checked_mul)
    }

    /// Height and width of maps; a vector has none.
    ///
    /// ```
    /// use convscope::arch::Shape;
    ///
    /// assert_eq!(Shape::map(16, 14, 7).size(), Some([14, 7]));
    /// assert_eq!(Shape::flat(16).size(), None);
    /// ```
    pub fn size(self) -> Option<[i64; 2]> {
        match self {
            Shape::Map { height, width, .. } => Some([height, width]),
            Shape::Flat { .. } => None,
        }
    }

    /// Channels of maps, features of a vector: the size of dimension 1 of a batch.
    pub fn channels(self) -> i64 {
        match self {
            Shape::Map { channels, .. } => channels,
            Shape::Flat { features } => features,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shape::Map { channels, height, width } => write!(f, "{channels}x{height}x{width}"),
            Shape::Flat { features } => write!(f, "{features}"),
        }
    }
}
