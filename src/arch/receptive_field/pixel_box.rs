//! A rectangle of pixels.

use std::fmt;

/// A rectangle of pixels, half-open: `top` and `left` are in it, `bottom` and `right` are not. It may reach beyond the
/// image, where the padding is; the image begins at (0, 0).
///
/// ```
/// use convscope::arch::PixelBox;
///
/// let seen = PixelBox { top: -1, left: 3, bottom: 2, right: 8 };
/// assert_eq!((seen.height(), seen.width()), (3, 5));
/// assert_eq!(seen.clip(4, 6), Some(PixelBox { top: 0, left: 3, bottom: 2, right: 6 }));
/// assert_eq!(seen.clip(4, 3), None); // it lies beside the image
/// assert!(seen.contains(1, 7) && !seen.contains(2, 7));
/// assert_eq!(seen.to_string(), "rows -1..2, columns 3..8");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PixelBox {
    /// First row.
    pub top: i64,
    /// First column.
    pub left: i64,
    /// Row after the last one.
    pub bottom: i64,
    /// Column after the last one.
    pub right: i64,
}

impl PixelBox {
    /// Number of rows; 0 if `bottom` is not below `top`.
    pub fn height(&self) -> i64 {
        self.bottom.saturating_sub(self.top).max(0)
    }

    /// Number of columns; 0 if `right` is not behind `left`.
    pub fn width(&self) -> i64 {
        self.right.saturating_sub(self.left).max(0)
    }

    /// Whether the pixel in row `y` and column `x` is in the box.
    pub fn contains(&self, y: i64, x: i64) -> bool {
        (self.top..self.bottom).contains(&y) && (self.left..self.right).contains(&x)
    }

    /// The part of the box that lies in an image of `height` rows and `width` columns. `None` if that is nothing.
    #[must_use]
    pub fn clip(&self, height: i64, width: i64) -> Option<PixelBox> {
        let clipped = PixelBox {
            top: self.top.max(0),
            left: self.left.max(0),
            bottom: self.bottom.min(height),
            right: self.right.min(width),
        };
        (clipped.top < clipped.bottom && clipped.left < clipped.right).then_some(clipped)
    }
}

impl fmt::Display for PixelBox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rows {}..{}, columns {}..{}", self.top, self.bottom, self.left, self.right)
    }
}
