//! Floor 6: labelled images, and the batches that training takes from them.
//!
//! | file | concept |
//! |---|---|
//! | `dataset` | [`Dataset`]: images, labels and class names; the probe batch |
//! | `idx` | reader of IDX files ([`IdxImages`], [`IdxLabels`]: without libtorch) and of folders of them |
//! | `bundled` | the sample of Fashion-MNIST that is part of the crate |
//! | `normalization` | [`Normalization`]: mean and standard deviation per channel |
//! | `batches` | [`Batches`]: shuffled, normalised, on the device |

#[cfg(feature = "tch")]
mod batches;
#[cfg(feature = "tch")]
mod bundled;
#[cfg(feature = "tch")]
mod dataset;
mod idx;
#[cfg(feature = "tch")]
mod normalization;

pub use self::idx::{IdxImages, IdxLabels};
#[cfg(feature = "tch")]
pub use self::{
    batches::{Batch, Batches, epoch_seed},
    bundled::bundled,
    dataset::{Dataset, Split},
    idx::idx,
    normalization::Normalization,
};
