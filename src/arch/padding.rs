//! Sizes in two directions, and what is added around a picture.

use std::fmt;

/// A size, stride or dilation: height first, then width.
///
/// ```
/// use convscope::arch::Pair;
///
/// assert_eq!(Pair::from(3), Pair { h: 3, w: 3 });
/// assert_eq!(Pair::from([1, 7]).to_string(), "1x7");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Pair {
    /// Along the height.
    pub h: i64,
    /// Along the width.
    pub w: i64,
}

impl From<i64> for Pair {
    fn from(both: i64) -> Pair {
        Pair { h: both, w: both }
    }
}

impl From<[i64; 2]> for Pair {
    fn from([h, w]: [i64; 2]) -> Pair {
        Pair { h, w }
    }
}

impl From<Pair> for [i64; 2] {
    fn from(pair: Pair) -> [i64; 2] {
        [pair.h, pair.w]
    }
}

impl fmt::Display for Pair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.h, self.w)
    }
}

/// Rows and columns added around a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Sides {
    /// Rows above.
    pub top: i64,
    /// Rows below.
    pub bottom: i64,
    /// Columns on the left.
    pub left: i64,
    /// Columns on the right.
    pub right: i64,
}

impl Sides {
    /// Nothing on any side.
    pub const NONE: Sides = Sides { top: 0, bottom: 0, left: 0, right: 0 };

    /// Top, bottom, left, right.
    pub fn to_array(self) -> [i64; 4] {
        [self.top, self.bottom, self.left, self.right]
    }

    /// `[h, w]`, if top equals bottom and left equals right: what libtorch's own `padding` argument can express.
    pub fn symmetric(self) -> Option<[i64; 2]> {
        (self.top == self.bottom && self.left == self.right).then_some([self.top, self.left])
    }
}

/// How a picture is padded before a window slides over it.
///
/// In TOML: a whole number for all sides, `[h, w]`, `[top, bottom, left, right]`, or `"same"`. In code the same
/// through `From`:
///
/// ```
/// use convscope::arch::{Padding, Sides};
///
/// assert_eq!(Padding::from(1), Padding::from([1, 1, 1, 1]));
/// assert_eq!(Padding::from([0, 2]), Padding::Fixed(Sides { top: 0, bottom: 0, left: 2, right: 2 }));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Padding {
    /// As many rows and columns as stated.
    Fixed(Sides),
    /// TensorFlow's `SAME`: the output has ⌈n / stride⌉ rows. In all, max((⌈n / stride⌉ - 1) · stride + k - n, 0) rows
    /// are added, where k is the dilated kernel; of an odd number the smaller half comes first.
    Same,
}

impl Padding {
    /// No padding, the default.
    pub const NONE: Padding = Padding::Fixed(Sides::NONE);
}

impl From<i64> for Padding {
    fn from(all: i64) -> Padding {
        Padding::from([all; 4])
    }
}

impl From<[i64; 2]> for Padding {
    fn from([h, w]: [i64; 2]) -> Padding {
        Padding::from([h, h, w, w])
    }
}

impl From<[i64; 4]> for Padding {
    fn from([top, bottom, left, right]: [i64; 4]) -> Padding {
        Padding::Fixed(Sides { top, bottom, left, right })
    }
}
