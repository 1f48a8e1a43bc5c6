//! Mean and standard deviation per channel.

use tch::{Device, Kind, TchError, Tensor, no_grad_guard};

use super::dataset::{Dataset, scaled};
use crate::{
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// Pixels whose sums are taken at a time: 512 KiB as `f64`, so that they stay in the cache.
const CHUNK: i64 = 1 << 16;

/// How pixels are shifted and scaled before a model sees them: `(pixel - mean) / std`, per channel, with pixels in
/// `0..=1`. Computed from the training images and used for all others too.
///
/// ```
/// use convscope::data::{Dataset, Normalization};
/// use tch::Tensor;
///
/// let images = Tensor::from_slice(&[0u8, 255]).view([2, 1, 1, 1]);
/// let data = Dataset::new(&images, &Tensor::from_slice(&[0i64, 0]), vec!["any".into()])?;
/// let normalization = Normalization::of(&data)?;
/// assert_eq!((normalization.mean[0], normalization.std[0]), (0.5, 0.5));
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Normalization {
    /// Mean of each channel.
    pub mean: Vec<f64>,
    /// Standard deviation of each channel (of the population). A channel of equal pixels has 1 here, so that it becomes
    /// 0 and not NaN.
    pub std: Vec<f64>,
}

impl Normalization {
    /// Measures all images of `data`.
    ///
    /// # Errors
    /// Too little memory.
    pub fn of(data: &Dataset) -> Result<Normalization> {
        let _no_grad = no_grad_guard();
        let (mean, variance) = moments(data).context(|| "mean and deviation of the pixels".to_owned())?;
        let std = mean.iter().zip(&variance).map(|(mean, variance)| deviation(*mean, *variance)).collect();
        Ok(Normalization { mean, std })
    }

    /// One that leaves pixels as they are.
    pub fn identity(channels: usize) -> Normalization {
        Normalization { mean: vec![0.0; channels], std: vec![1.0; channels] }
    }

    /// Images as a model wants them: bytes are scaled to `0..=1`, moved to `device`, shifted and scaled. `images` is
    /// `[N, C, H, W]`; so is the result, as `f32`.
    ///
    /// # Errors
    /// Another number of channels than the normalisation has; a mean or deviation that is no finite number as `f32`; a
    /// deviation that is not above 0; a device that is absent.
    pub fn apply(&self, images: &Tensor, device: Device) -> Result<Tensor> {
        self.on(device)?.apply(images)
    }

    /// The inverse of [`apply`](Normalization::apply): brightness again, `0..=1` where it was, as `f32` on the device of
    /// `images`.
    ///
    /// # Errors
    /// As [`apply`](Normalization::apply).
    ///
    /// ```
    /// use convscope::data::Normalization;
    /// use tch::{Device, Kind, Tensor};
    ///
    /// let normalization = Normalization { mean: vec![0.25], std: vec![0.5] };
    /// let pixels = Tensor::rand([2, 1, 4, 4], (Kind::Float, Device::Cpu));
    /// let again = normalization.undo(&normalization.apply(&pixels, Device::Cpu)?)?;
    /// assert!(again.allclose(&pixels, 1e-6, 1e-6, false));
    /// # Ok::<(), convscope::Error>(())
    /// ```
    pub fn undo(&self, images: &Tensor) -> Result<Tensor> {
        self.on(images.device())?.undo(images)
    }

    /// Puts the constants on `device` once, for many batches.
    pub(super) fn on(&self, device: Device) -> Result<OnDevice> {
        // Pixels meet them as f32, in which 1e-50 is 0 and 1e50 infinite.
        let finite = |value: &f64| (*value as f32).is_finite();
        let usable = |std: &f64| finite(std) && *std as f32 > 0.0;
        if self.mean.len() != self.std.len() || !self.mean.iter().all(finite) || !self.std.iter().all(usable)
        {
            return Err(Error::invalid(
                "normalization",
                format!(
                    "mean {:?} and std {:?} found; both need one finite f32 for each channel, std above 0",
                    self.mean, self.std
                ),
            ));
        }
        let constant = |values: &[f64]| -> Result<Tensor, TchError> {
            let tensor = Tensor::f_from_slice(values)?.f_to_kind(Kind::Float)?;
            tensor.f_reshape([1, -1, 1, 1])?.f_to_device(device)
        };
        let constants = || Ok((constant(&self.mean)?, constant(&self.std)?));
        let (mean, std) = constants().context(|| format!("normalization on the device {device:?}"))?;
        Ok(OnDevice { mean, std, device })
    }
}

/// A normalisation whose constants are on a device.
#[derive(Debug)]
pub(super) struct OnDevice {
    mean: Tensor,
    std: Tensor,
    device: Device,
}

impl OnDevice {
    pub(super) fn apply(&self, images: &Tensor) -> Result<Tensor> {
        let _no_grad = no_grad_guard();
        self.check(images)?;
        let apply = || scaled(&images.f_to_device(self.device)?)?.f_sub(&self.mean)?.f_div(&self.std);
        apply().context(|| format!("normalise images of shape {:?}", images.size()))
    }

    fn undo(&self, images: &Tensor) -> Result<Tensor> {
        let _no_grad = no_grad_guard();
        self.check(images)?;
        let undo = || images.f_to_kind(Kind::Float)?.f_mul(&self.std)?.f_add(&self.mean);
        undo().context(|| format!("undo the normalisation of images of shape {:?}", images.size()))
    }

    /// Whether the number of channels is right.
    pub(super) fn check(&self, images: &Tensor) -> Result<()> {
        let (size, channels) = (images.size(), self.mean.numel());
        match size.as_slice() {
            &[_, found, _, _] if usize::try_from(found) == Ok(channels) => Ok(()),
            _ => Err(Error::invalid(
                "images",
                format!("shape {size:?} found; the normalization is for [N, {channels}, H, W]"),
            )),
        }
    }
}

/// The deviation to divide by. The mean of equal pixels is rounded, so their variance is not always 0: what is so small
/// beside the mean is no signal.
fn deviation(mean: f64, variance: f64) -> f64 {
    let std = variance.sqrt();
    if std > 1e-6 * mean.abs().max(1e-3) { std } else { 1.0 }
}

/// Mean and variance of each channel, in two passes: the second around the mean of the first.
fn moments(data: &Dataset) -> Result<(Vec<f64>, Vec<f64>), TchError> {
    let mean = channel_means(data, |pixels| Ok(pixels.shallow_clone()))?;
    let center = mean.f_reshape([1, -1, 1, 1])?;
    let variance = channel_means(data, |pixels| pixels.f_sub(&center)?.f_square())?;
    Ok((Vec::try_from(&mean)?, Vec::try_from(&variance)?))
}

/// The mean of `map(pixels)` of each channel, over chunks of whole images.
fn channel_means(
    data: &Dataset,
    map: impl Fn(&Tensor) -> Result<Tensor, TchError>,
) -> Result<Tensor, TchError> {
    let [channels, height, width] = data.image_shape();
    let images = i64::try_from(data.len()).unwrap_or(i64::MAX);
    let chunk = (CHUNK / (channels * height * width)).max(1);
    let scale = if data.images().f_kind()? == Kind::Uint8 { 255.0 } else { 1.0 };
    let mut sum = Tensor::f_zeros([channels], (Kind::Double, Device::Cpu))?;
    let mut start = 0;
    while start < images {
        let count = chunk.min(images - start);
        let pixels = data.images().f_narrow(0, start, count)?.f_to_kind(Kind::Double)?.f_div_scalar(scale)?;
        sum = sum.f_add(&map(&pixels)?.f_sum_dim_intlist([0i64, 2, 3].as_slice(), false, Kind::Double)?)?;
        start += count;
    }
    sum.f_div_scalar((images * height * width) as f64)
}
