//! How strong the noise of dropout is.

use tch::{Kind, TchError, Tensor};

use super::mask::masked;
use crate::{
    error::Result, explain::values::sum, stats::dropout_variance_ratio, tch_context::TchContext as _,
};

/// What masks of dropout did to feature maps: sums that grow with each [mask](DropoutNoise::add).
///
/// ```
/// use convscope::explain::{DropoutNoise, DropoutUnit, dropout_mask};
/// use tch::{Device, Kind, Tensor};
///
/// let maps = Tensor::arange(64, (Kind::Float, Device::Cpu)).reshape([1, 4, 4, 4]);
/// let mut rng = fastrand::Rng::with_seed(0);
/// let mut noise = DropoutNoise::new(0.5);
/// for _ in 0..100 {
///     noise.add(&maps, &dropout_mask(&maps, 0.5, DropoutUnit::Element, &mut rng)?)?;
/// }
/// let (measured, expected) = (noise.variance_ratio().unwrap(), noise.expected_ratio().unwrap());
/// assert!((measured / expected - 1.0).abs() < 0.05);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct DropoutNoise {
    p: f64,
    values: f64,
    clean: Sums,
    noisy: Sums,
    /// Factors of the masks that are not 0.
    kept: f64,
    /// Values that were not 0, and those of them that were kept.
    lit: f64,
    lit_kept: f64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Sums {
    sum: f64,
    squares: f64,
}

impl Sums {
    fn mean(self, values: f64) -> f64 {
        self.sum / values
    }

    fn variance(self, values: f64) -> f64 {
        // Sums of f64; rounding can leave a little less than 0.
        (self.squares / values - self.mean(values).powi(2)).max(0.0)
    }
}

impl DropoutNoise {
    /// No mask yet; each will drop a value with probability `p`.
    pub fn new(p: f64) -> DropoutNoise {
        let (clean, noisy) = Default::default();
        DropoutNoise { p, values: 0.0, clean, noisy, kept: 0.0, lit: 0.0, lit_kept: 0.0 }
    }

    /// Applies `mask`, of [`dropout_mask`](super::dropout_mask), to `maps`, and counts.
    ///
    /// # Errors
    /// Tensors of different shapes; too little memory.
    pub fn add(&mut self, maps: &Tensor, mask: &Tensor) -> Result<()> {
        let measure = || -> Result<Vec<f64>, TchError> {
            let noisy = masked(maps, mask)?;
            let (there, kept) = (maps.f_ne(0)?, mask.f_ne(0)?);
            let squares = |tensor: &Tensor| sum(&tensor.f_to_kind(Kind::Float)?.f_square()?);
            Ok(vec![
                sum(maps)?,
                squares(maps)?,
                sum(&noisy)?,
                squares(&noisy)?,
                sum(&kept)?,
                sum(&there)?,
                sum(&there.f_logical_and(&kept)?)?,
            ])
        };
        let found = tch::no_grad(measure).context(|| format!("dropout on {:?}", maps.size()))?;
        if let [sum, squares, noisy_sum, noisy_squares, kept, lit, lit_kept] = found[..] {
            self.values += maps.numel() as f64;
            self.clean.sum += sum;
            self.clean.squares += squares;
            self.noisy.sum += noisy_sum;
            self.noisy.squares += noisy_squares;
            self.kept += kept;
            self.lit += lit;
            self.lit_kept += lit_kept;
        }
        Ok(())
    }

    /// The probability with which a value is dropped.
    pub fn p(&self) -> f64 {
        self.p
    }

    /// The measured share of values that were kept, 0 to 1; near 1 - p. `None` without values.
    pub fn keep_rate(&self) -> Option<f64> {
        (self.values > 0.0).then(|| self.kept / self.values)
    }

    /// The same among values that were not 0, as [`stats::dropout_keep_rate`](crate::stats::dropout_keep_rate) reads it from
    /// input and output. `None` where all were 0.
    pub fn keep_rate_of_nonzero(&self) -> Option<f64> {
        (self.lit > 0.0).then(|| self.lit_kept / self.lit)
    }

    /// Mean and variance of the maps without dropout, as in evaluation. `None` without values.
    pub fn clean(&self) -> Option<(f64, f64)> {
        (self.values > 0.0).then(|| (self.clean.mean(self.values), self.clean.variance(self.values)))
    }

    /// Mean and variance of the maps behind dropout, as while training. `None` without values.
    pub fn noisy(&self) -> Option<(f64, f64)> {
        (self.values > 0.0).then(|| (self.noisy.mean(self.values), self.noisy.variance(self.values)))
    }

    /// How much larger the variance was behind dropout, measured. `None` without variance.
    pub fn variance_ratio(&self) -> Option<f64> {
        let ((_, clean), (_, noisy)) = (self.clean()?, self.noisy()?);
        (clean > 0.0).then(|| noisy / clean).filter(|ratio| ratio.is_finite())
    }

    /// The same by the formula ((σ² + μ²) / q - μ²) / σ² with q = 1 - p
    /// ([`stats::dropout_variance_ratio`](crate::stats::dropout_variance_ratio); Li et al. 2018). A batch normalisation
    /// behind the dropout learns the larger variance and meets the smaller one in evaluation. It holds for values and for
    /// channels as wholes; of channels, many masks are needed to come near it.
    pub fn expected_ratio(&self) -> Option<f64> {
        let (mean, variance) = self.clean()?;
        dropout_variance_ratio(mean, variance, 1.0 - self.p)
    }
}
