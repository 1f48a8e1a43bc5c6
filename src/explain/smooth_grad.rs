//! Gradients at many noisy copies of the image.

use std::f64::consts::TAU;

use fastrand::Rng;
use tch::{Device, Kind, TchError, Tensor};

use super::{
    attribution::{Attribution, Sign},
    attributor::Attributor,
    classifier::Classifier,
    settings::Settings,
    values::{self, GRADIENT},
};
use crate::{
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// Gradients of the class's logit at noisy copies of the image: their mean (SmoothGrad, Smilkov et al. 2017), the mean of
/// their squares (SmoothGrad squared, Hooker et al. 2019) or their variance (VarGrad, Adebayo et al. 2018).
///
/// Noise is normal with a standard deviation of 15 % of the image's value range (largest minus smallest; the paper
/// advises 10 to 20 %), 50 copies as in the paper, from an own generator that starts at `seed`, 0. captum's defaults
/// differ: 5 copies, and a deviation of 1 whatever the range.
///
/// ```
/// use convscope::explain::{Attributor as _, Classifier, SmoothGrad};
/// use tch::Tensor;
///
/// // A kink of |a - 0.5| at the image, and a slope of 3 in b.
/// let classifier = Classifier::new(|inputs| {
///     let (a, b) = (inputs.narrow(1, 0, 1), inputs.narrow(1, 1, 1));
///     Ok((a - 0.5).abs() + 3.0 * b)
/// });
/// let input = Tensor::from_slice(&[0.5f32, 1.0]).reshape([1, 2]);
/// let attribute = |method: SmoothGrad| method.samples(2000).attribute(&classifier, &input, 0);
///
/// let mean = attribute(SmoothGrad::new())?.values;
/// assert!(mean[0] < 0.1 && (mean[1] - 3.0).abs() < 1e-5); // the slopes ±1 cancel
/// let squared = attribute(SmoothGrad::squared())?.values;
/// assert!((squared[0] - 1.0).abs() < 1e-5 && (squared[1] - 9.0).abs() < 1e-5);
/// let variance = attribute(SmoothGrad::variance())?.values;
/// assert!((variance[0] - 1.0).abs() < 0.01 && variance[1].abs() < 1e-5);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SmoothGrad {
    statistic: Statistic,
    samples: usize,
    noise: f64,
    seed: u64,
    signed: bool,
}

/// What is said of the gradients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Statistic {
    Mean,
    Squared,
    Variance,
}

impl SmoothGrad {
    /// The magnitude of the mean gradient: opposite gradients cancel.
    pub fn new() -> SmoothGrad {
        SmoothGrad { statistic: Statistic::Mean, samples: 50, noise: 0.15, seed: 0, signed: false }
    }

    /// The mean of the squared gradients.
    pub fn squared() -> SmoothGrad {
        SmoothGrad { statistic: Statistic::Squared, ..SmoothGrad::new() }
    }

    /// The variance of the gradients, E\[g²\] - E\[g\]²: where the gradient is *unsteady*, not where it is large.
    pub fn variance() -> SmoothGrad {
        SmoothGrad { statistic: Statistic::Variance, ..SmoothGrad::new() }
    }

    /// How many noisy copies.
    #[must_use]
    pub fn samples(mut self, samples: usize) -> SmoothGrad {
        self.samples = samples;
        self
    }

    /// The standard deviation of the noise, as a share of the image's value range.
    #[must_use]
    pub fn noise(mut self, share: f64) -> SmoothGrad {
        self.noise = share;
        self
    }

    /// Where the random numbers begin.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> SmoothGrad {
        self.seed = seed;
        self
    }

    /// The mean gradient with its sign, as captum's `smoothgrad` of a signed gradient. Squares and variances have none.
    #[must_use]
    pub fn signed(mut self) -> SmoothGrad {
        self.signed = true;
        self
    }

    /// What a user has set.
    ///
    /// # Errors
    /// No samples; noise that is no share.
    pub(super) fn with(mut self, settings: &Settings) -> Result<SmoothGrad> {
        self.samples = settings.samples.unwrap_or(self.samples);
        self.noise = settings.noise.unwrap_or(self.noise);
        self.check().map(|()| self)
    }

    fn check(&self) -> Result<()> {
        let wrong =
            |what: &str, why: String| Err(Error::invalid(format!("{what} of `{}`", self.name()), why));
        if self.samples == 0 {
            return wrong("samples", "0 found; at least 1 expected (50 is usual)".to_owned());
        }
        if !self.noise.is_finite() || self.noise < 0.0 {
            let found = self.noise;
            return wrong("noise", format!("{found} found; a share of the value range from 0 on expected"));
        }
        Ok(())
    }
}

impl Default for SmoothGrad {
    fn default() -> SmoothGrad {
        SmoothGrad::new()
    }
}

impl Attributor for SmoothGrad {
    fn name(&self) -> &'static str {
        match self.statistic {
            Statistic::Mean => "smooth_grad",
            Statistic::Squared => "smooth_grad_squared",
            Statistic::Variance => "var_grad",
        }
    }

    fn description(&self) -> &'static str {
        match self.statistic {
            Statistic::Mean => {
                "**SmoothGrad**: the mean gradient of the class's logit at noisy copies of the image, by its magnitude: what \
                 the answer is sensitive to around this image. (Smilkov et al. 2017, *SmoothGrad: removing noise by adding \
                 noise*)"
            }
            Statistic::Squared => {
                "**SmoothGrad squared**: the mean squared gradient of the class's logit at noisy copies of the image. \
                 Gradients that change their sign do not cancel. (Hooker et al. 2019, *A Benchmark for Interpretability \
                 Methods in Deep Neural Networks*)"
            }
            Statistic::Variance => {
                "**VarGrad**: the variance of the gradient of the class's logit at noisy copies of the image: where the \
                 gradient is unsteady, not where it is large. (Adebayo et al. 2018, *Local Explanation Methods for Deep \
                 Neural Networks Lack Sensitivity to Parameter Values*)"
            }
        }
    }

    fn attribute(&self, classifier: &Classifier<'_>, image: &Tensor, class: i64) -> Result<Attribution> {
        self.check()?;
        values::check_one(image)?;
        tch::no_grad(|| {
            let range = value_range(image).context(|| "value range of the image".to_owned())?;
            let deviation = self.noise * range;
            let (mean, variance) = self.moments(classifier, image, class, deviation)?;
            let of = || {
                Ok(match self.statistic {
                    Statistic::Mean => mean,
                    Statistic::Squared => variance.f_add(&mean.f_square()?)?,
                    Statistic::Variance => variance,
                })
            };
            let of: Result<Tensor, TchError> = of();
            let of = of.context(|| format!("values of `{}`", self.name()))?;
            let mut found = match self.statistic {
                Statistic::Mean => values::gradient(self.name(), class, &of, self.signed)?,
                Statistic::Squared | Statistic::Variance => {
                    let unit = format!("({GRADIENT})²");
                    values::attribution(self.name(), class, &of, Sign::Magnitude, &unit)?
                }
            };
            found.settings = vec![
                format!("{} samples", self.samples),
                format!("noise {} % of the value range, deviation {deviation:.3}", 100.0 * self.noise),
            ];
            if range == 0.0 {
                found.warning = Some(
                    "All values of the image are equal, so their range is 0 and there was no noise."
                        .to_owned(),
                );
            }
            Ok(found)
        })
    }
}

impl SmoothGrad {
    /// Mean and variance of the gradients over the noisy copies, in double precision on the CPU. Made in pieces that fit into
    /// the memory; of each piece the device gives the mean and the squared deviations from it, which lose nothing to a large
    /// mean, and pieces are put together by Chan, Golub and LeVeque 1983.
    fn moments(
        &self,
        classifier: &Classifier<'_>,
        image: &Tensor,
        class: i64,
        deviation: f64,
    ) -> Result<(Tensor, Tensor)> {
        let mut random = Rng::with_seed(self.seed);
        let at_a_time = usize::try_from(classifier.images_at_a_time(image)?).unwrap_or(usize::MAX);
        let zeros = || Tensor::f_zeros(image.size(), (Kind::Double, Device::Cpu));
        let begin = || Ok::<_, TchError>((zeros()?, zeros()?));
        let (mut mean, mut deviations) = begin().context(|| "sums of gradients".to_owned())?;
        let mut left = self.samples;
        while left > 0 {
            let count = left.min(at_a_time);
            left -= count;
            let mut noisy = || image.f_add(&normal(&mut random, count, image)?.f_mul_scalar(deviation)?);
            let noisy = noisy().context(|| "noisy images".to_owned())?;
            let gradients = classifier.gradients(&noisy, class)?.gradients;
            let mut add = || {
                let host = |tensor: &Tensor| tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double);
                let gradients = gradients.f_to_kind(values::exact(&gradients))?;
                let own = gradients.f_mean_dim([0i64].as_slice(), true, None)?;
                let around = gradients.f_sub(&own)?.f_square()?;
                let around = host(&around.f_sum_dim_intlist([0i64].as_slice(), true, None)?)?;
                let (before, now) = ((self.samples - left - count) as f64, count as f64);
                let apart = host(&own)?.f_sub(&mean)?;
                mean = mean.f_add(&apart.f_mul_scalar(now / (before + now))?)?;
                let between = apart.f_square()?.f_mul_scalar(before * now / (before + now))?;
                deviations = deviations.f_add(&around)?.f_add(&between)?;
                Ok::<_, TchError>(())
            };
            add().context(|| "sums of gradients".to_owned())?;
        }
        let variance = deviations.f_div_scalar(self.samples as f64);
        Ok((mean, variance.context(|| "variance of gradients".to_owned())?))
    }
}

/// Largest minus smallest value.
fn value_range(image: &Tensor) -> Result<f64, TchError> {
    values::scalar(&image.f_max()?.f_sub(&image.f_min()?)?)
}

/// Standard normal numbers for `count` images, of the kind and on the device of `image`.
fn normal(random: &mut Rng, count: usize, image: &Tensor) -> Result<Tensor, TchError> {
    let mut shape = image.size();
    shape[0] = count as i64;
    let numel = image.numel();
    // Box and Muller 1958: two independent ones from two uniform ones. 1 - u is never 0.
    let mut pair = || {
        let (radius, angle) = ((-2.0 * (1.0 - random.f64()).ln()).sqrt(), TAU * random.f64());
        [radius * angle.cos(), radius * angle.sin()].map(|value| value as f32)
    };
    let mut values: Vec<f32> = Vec::with_capacity(count * numel);
    for _ in 0..count {
        // Image by image, so that the numbers do not depend on how many are made at a time.
        values.extend((0..numel.div_ceil(2)).flat_map(|_| pair()).take(numel));
    }
    Tensor::f_from_slice(&values)?.f_reshape(shape)?.f_to_kind(image.kind())?.f_to_device(image.device())
}
