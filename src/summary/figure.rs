//! Pictures that another crate draws.

use super::image::Image;
use crate::error::Result;

/// Something that can be drawn: what [`add_figure`](crate::SummaryWriter::add_figure) takes.
///
/// A closure is one, and an [`Image`] is. A plotting crate needs no more than a buffer of pixels to draw in: see
/// `examples/figure.rs` for `plotters`.
///
/// ```
/// use convscope::{Image, Result, summary::Figure};
///
/// /// A bar per number.
/// struct Bars<'a>(&'a [u8]);
///
/// impl Figure for Bars<'_> {
///     fn to_image(&self) -> Result<Image> {
///         let rows = self.0.iter().flat_map(|&bar| (0..10).map(move |x| if x < bar { 0 } else { 255 }));
///         Image::gray(10, self.0.len() as u32, rows.collect())
///     }
/// }
///
/// assert_eq!(Bars(&[3, 7, 1]).to_image()?.height(), 3);
/// let closure = || Image::rgb(1, 1, vec![255, 0, 0]);
/// assert_eq!(closure.to_image()?.channels(), 3);
/// # Ok::<(), convscope::Error>(())
/// ```
pub trait Figure {
    /// Draws it.
    ///
    /// # Errors
    /// Why it cannot be drawn; [`Error::invalid`](crate::Error::invalid) makes one of another crate's error.
    fn to_image(&self) -> Result<Image>;
}

impl Figure for Image {
    fn to_image(&self) -> Result<Image> {
        Ok(self.clone())
    }
}

impl<F: Fn() -> Result<Image>> Figure for F {
    fn to_image(&self) -> Result<Image> {
        self()
    }
}
