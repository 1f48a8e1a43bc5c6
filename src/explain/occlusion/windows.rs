//! Where patches begin, along one side of the image.

use crate::error::{Error, Result};

/// Which patches there are. Along a side of `n` pixels with patches of `p` at distance `s` they begin at 0, s, 2s, …;
/// the last ones may be cut off at the border.
///
/// ```
/// use convscope::explain::PatchStarts;
///
/// assert_eq!(PatchStarts::Covering.along(4, 3, 1)?, [0, 1]);
/// assert_eq!(PatchStarts::EveryStride.along(4, 3, 1)?, [0, 1, 2, 3]);
/// assert_eq!(PatchStarts::Covering.along(10, 4, 4)?, [0, 4, 8]); // the last one is cut off
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PatchStarts {
    /// As many as cover the side: ⌈(n − p) / s⌉ + 1, captum's. At most one is cut off.
    #[default]
    Covering,
    /// As many as begin inside: ⌈n / s⌉, a loop over `range(0, n, s)`. All that begin behind n − p are cut off.
    EveryStride,
}

impl PatchStarts {
    /// First pixels of the patches, rising.
    ///
    /// # Errors
    /// A patch without pixels or larger than the side; a stride of 0; a stride beyond the patch, which leaves pixels that no
    /// patch covers (unless one patch covers all).
    pub fn along(self, side: usize, patch: usize, stride: usize) -> Result<Vec<usize>> {
        if patch == 0 || patch > side {
            return refuse("patch", patch, &format!("1 to {side} pixels, the side of the image, expected"));
        }
        if stride == 0 || (stride > patch && patch < side) {
            let why =
                format!("1 to {patch} expected: with more, no patch covers the pixels between two patches");
            return refuse("stride", stride, &why);
        }
        let count = match self {
            PatchStarts::Covering => (side - patch).div_ceil(stride) + 1,
            PatchStarts::EveryStride => side.div_ceil(stride),
        };
        Ok((0..count).map(|number| number * stride).collect())
    }
}

fn refuse<T>(what: &str, found: usize, why: &str) -> Result<T> {
    Err(Error::invalid(format!("{what} of occlusion"), format!("{found} found; {why}")))
}
