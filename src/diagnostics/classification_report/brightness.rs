//! From what a model takes to what a person shall see.

use std::fmt;

use tch::{Kind, TchError, Tensor};

use crate::{data::Normalization, error::Result, tch_context::TchContext as _};

/// How normalised images become brightness, 0 to 1.
pub(super) enum Brightness {
    /// The smallest value of each image is black, the largest white.
    EachByItself,
    /// The normalisation is undone.
    Undo(Normalization),
    /// The user knows.
    Own(Box<OwnBrightness>),
}

/// From images `[N, C, H, W]` as the model takes them to brightness.
pub(super) type OwnBrightness = dyn Fn(&Tensor) -> Result<Tensor>;

impl Brightness {
    /// Images `[N, C, H, W]`, with what is to be said of their scale.
    pub fn of(&self, images: &Tensor) -> Result<(Tensor, &'static str)> {
        match self {
            Brightness::EachByItself => {
                let scaled = each_by_itself(images).context(|| "scale the images of mistakes".to_owned())?;
                Ok((scaled, "each image scaled by itself"))
            }
            Brightness::Undo(normalization) => Ok((normalization.undo(images)?, "")),
            Brightness::Own(own) => Ok((own(images)?, "")),
        }
    }
}

fn each_by_itself(images: &Tensor) -> Result<Tensor, TchError> {
    let images = images.f_to_kind(Kind::Float)?;
    let (lowest, highest) =
        (images.f_amin([1i64, 2, 3].as_slice(), true)?, images.f_amax([1i64, 2, 3].as_slice(), true)?);
    let extent = highest.f_sub(&lowest)?;
    // An image of one value is black.
    let divisor = extent.f_where_self(&extent.f_gt(0.0)?, &extent.f_ones_like()?)?;
    images.f_sub(&lowest)?.f_div(&divisor)
}

impl fmt::Debug for Brightness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Brightness::EachByItself => write!(f, "EachByItself"),
            Brightness::Undo(normalization) => write!(f, "Undo({normalization:?})"),
            Brightness::Own(_) => write!(f, "Own"),
        }
    }
}
