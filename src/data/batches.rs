//! Batches of one epoch.

use tch::{Device, Tensor, no_grad_guard};

use super::{
    dataset::{Dataset, select},
    normalization::{Normalization, OnDevice},
};
use crate::{
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// Images and labels that are trained on in one step.
#[derive(Debug)]
pub struct Batch {
    /// Normalised `f32`, `[B, C, H, W]`, on the device.
    pub images: Tensor,
    /// `i64`, `[B]`, on the device.
    pub labels: Tensor,
}

/// The batches of one epoch. Every image comes once; the last batch may be smaller.
///
/// Shuffling uses an own random generator, so libtorch's is left alone.
///
/// ```
/// use convscope::data::{Batches, Normalization, epoch_seed};
/// use tch::Device;
///
/// let train = convscope::data::bundled()?.train;
/// let normalization = Normalization::of(&train)?;
/// let batches = Batches::new(&train, 64, Device::Cpu, &normalization)?.shuffled(epoch_seed(7, 0));
/// assert_eq!(batches.len(), 94); // 93 of 64 images and one of 48
/// for batch in batches.take(2) {
///     assert_eq!(batch?.images.size(), [64, 1, 28, 28]);
/// }
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug)]
pub struct Batches {
    images: Tensor,
    labels: Tensor,
    order: Vec<usize>,
    next: usize,
    batch_size: usize,
    normalization: OnDevice,
    device: Device,
}

impl Batches {
    /// Batches of `batch_size` images in the order of the data set.
    ///
    /// # Errors
    /// A batch size of 0; a normalisation for another number of channels; a device that is absent.
    pub fn new(
        data: &Dataset,
        batch_size: usize,
        device: Device,
        normalization: &Normalization,
    ) -> Result<Batches> {
        if batch_size == 0 {
            return Err(Error::invalid("batch size", "0 found; at least 1 image is needed"));
        }
        let normalization = normalization.on(device)?;
        normalization.check(data.images())?;
        Ok(Batches {
            images: data.images().shallow_clone(),
            labels: Tensor::f_from_slice(data.labels()).context(|| "labels".to_owned())?,
            order: (0..data.len()).collect(),
            next: 0,
            batch_size,
            normalization,
            device,
        })
    }

    /// The same images in an order that `seed` alone determines: see [`epoch_seed`].
    #[must_use]
    pub fn shuffled(mut self, seed: u64) -> Batches {
        fastrand::Rng::with_seed(seed).shuffle(&mut self.order);
        self
    }

    /// Positions in the data set, in the order in which the images come.
    pub fn order(&self) -> &[usize] {
        &self.order
    }

    fn batch(&self, indices: &[usize]) -> Result<Batch> {
        let _no_grad = no_grad_guard();
        let context = || format!("batch of {} images", indices.len());
        let images = select(&self.images, indices).context(context)?;
        let labels =
            select(&self.labels, indices).and_then(|t| t.f_to_device(self.device)).context(context)?;
        Ok(Batch { images: self.normalization.apply(&images)?, labels })
    }
}

impl Iterator for Batches {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        let rest = self.order.get(self.next..)?;
        let indices = rest.get(..self.batch_size).unwrap_or(rest);
        if indices.is_empty() {
            return None;
        }
        let batch = self.batch(indices);
        self.next += indices.len();
        Some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.order.len() - self.next).div_ceil(self.batch_size);
        (left, Some(left))
    }
}

/// `len()` is the number of batches that are still to come.
impl ExactSizeIterator for Batches {}

/// A seed for the order of one epoch, from the seed of the run: epochs differ, and so do runs whose seeds are close.
pub fn epoch_seed(seed: u64, epoch: u64) -> u64 {
    // The generator scrambles its seed, so its first number is a hash of it.
    fastrand::Rng::with_seed(fastrand::Rng::with_seed(seed).u64(..) ^ epoch).u64(..)
}
