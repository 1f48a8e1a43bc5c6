//! Floor 6: labelled images, and the batches that training takes from them.
//!
//! | file | concept |
//! |---|---|
//! | `dataset` | [`Dataset`]: images, labels and class names; the probe batch |
//! | `idx` | reader of IDX files ([`IdxImages`], [`IdxLabels`]: without libtorch) and of folders of them |
//! | `bundled` | the sample of Fashion-MNIST that is part of the crate |
//! | `normalization` | [`Normalization`]: mean and standard deviation per channel |
//! | `image` | [`Picture`]: a file of any size and mode |
//! | `preprocessing` | [`Preprocessing`]: how a picture becomes a model's input |
//! | `batches` | [`Batches`]: shuffled, normalised, on the device |

#[cfg(feature = "tch")]
mod batches;
#[cfg(feature = "tch")]
mod bundled;
#[cfg(feature = "tch")]
mod dataset;
mod idx;
#[cfg(feature = "tch")]
mod image;
#[cfg(feature = "tch")]
mod normalization;
#[cfg(feature = "tch")]
mod preprocessing;

pub use self::idx::{IdxImages, IdxLabels};
#[cfg(feature = "tch")]
pub use self::{
    batches::{Batch, Batches, epoch_seed},
    bundled::bundled,
    dataset::{Dataset, Split},
    idx::idx,
    image::Picture,
    normalization::Normalization,
    preprocessing::{Preprocessing, Resize},
};
