//! What a filter wants to see: images that excite one channel, or one class, most.

use tch::{Device, Kind, TchError, Tensor};

use super::{
    classifier::{Classifier, Trace},
    features::{output, to_host},
};
use crate::{
    capture::Activations,
    data::Normalization,
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// Gradient ascent on the image (Erhan et al. 2009; Simonyan et al. 2014): from faint noise on, the pixels are changed so that
/// one unit answers as strongly as possible.
///
/// A step adds `step_size · (1 - step / steps) · (g - decay · x - total_variation · v)` to the normalised image `x`. `g` is
/// the gradient of the unit's activation, scaled to a root mean square of 1, so that the settings mean the same in every
/// layer; `v` is half the gradient of the sum of squared differences of neighbouring pixels (total variation with β = 2,
/// Mahendran and Vedaldi 2015); `decay` draws towards 0, the mean of the training images (L2 regularisation). The unit is
/// shown the image shifted by up to `jitter` pixels each way (Mordvintsev et al. 2015). After each step pixels are
/// limited to what an image can hold, where the normalisation is known.
///
/// A unit that has no gradient at the start, such as a silent ReLU, is tried again from noise of more contrast, and at last
/// from an image given for it. One that never has any is [dead](Maximized::is_dead) to all of these.
///
/// ```
/// use convscope::{capture::{Role, Tap}, data::Normalization, explain::{ActivationMaximization, Classifier, Units}};
/// use tch::{Device, Kind, Tensor};
///
/// // One filter that likes bright pixels on the left and dark ones on the right.
/// let kernel = Tensor::from_slice(&[1.0f32, -1.0]).reshape([1, 1, 1, 2]);
/// let tap = Tap::new();
/// let classifier = Classifier::new(|images: &Tensor| {
///     let maps = tap.pass("conv1", Role::Convolution, images.conv2d(&kernel, None::<Tensor>, [2, 2], [0, 0], [1, 1], 1));
///     Ok(maps.flatten(1, -1))
/// });
/// let settings =
///     ActivationMaximization { decay: 0.0, total_variation: 0.0, jitter: 0, ..ActivationMaximization::default() };
/// let range = Normalization::identity(1); // pixels from 0 to 1
/// let (units, like) = (Units::Channels("conv1".into()), Tensor::zeros([1, 1, 1, 2], (Kind::Float, Device::Cpu)));
/// let found = settings.maximize(&classifier.tap(&tap), &units, &[0], &like, Some(&range))?;
/// assert_eq!(Vec::<f32>::try_from(found[0].image.flatten(0, -1)).unwrap(), [1.0, 0.0]);
/// assert_eq!(found[0].activation, 1.0);
/// # Ok::<(), convscope::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ActivationMaximization {
    /// Steps of the ascent. The default is 96.
    pub steps: usize,
    /// Length of the first step, in standard deviations of a pixel of the training images. The default is 0.2.
    pub step_size: f64,
    /// How strongly pixels are drawn towards the mean, from 0. The default is 0.1.
    pub decay: f64,
    /// How strongly neighbouring pixels are drawn together, from 0. The default is 0.1.
    pub total_variation: f64,
    /// Pixels by which the image is shifted at most. The default is 2.
    pub jitter: i64,
    /// Where noise and shifts begin. The default is 0.
    pub seed: u64,
}

impl Default for ActivationMaximization {
    fn default() -> ActivationMaximization {
        ActivationMaximization {
            steps: 96,
            step_size: 0.2,
            decay: 0.1,
            total_variation: 0.1,
            jitter: 2,
            seed: 0,
        }
    }
}

/// What is to answer strongly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Units {
    /// Channels of the layer of this name: the mean of the channel's map, or the unit's value in a layer without maps.
    Channels(String),
    /// Classes: the logit.
    Classes,
}

/// Where an ascent began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Noise; this is the how manieth try, from 1.
    Noise(usize),
    /// The image that was given for it.
    Image,
}

/// The image that a unit wants to see.
#[derive(Debug)]
pub struct Maximized {
    /// The channel or class.
    pub unit: i64,
    /// `[1, C, H, W]`, normalised as the model takes it, on its device.
    pub image: Tensor,
    /// The unit's activation for it, without shift.
    pub activation: f64,
    /// From where it was found.
    pub start: Start,
    /// Whether no start gave a gradient: the image is that of the last one.
    pub is_dead: bool,
}

/// Contrast of the noise at the start, as a share of what the range of pixels allows: the first is faint, so that little of
/// it remains.
const CONTRASTS: [f64; 3] = [0.1, 0.5, 1.0];
/// Contrast where the range is not known, in standard deviations.
const UNKNOWN: f64 = 2.0;

impl Units {
    /// The activation of each image's own unit, `[N]`; `units` has one for each image.
    fn of_each(&self, logits: &Tensor, activations: &Activations, units: &Tensor) -> Result<Tensor> {
        let all = self.all(logits, activations)?;
        all.f_gather(1, &units.f_unsqueeze(1).context(|| self.words())?, false)
            .and_then(|each| each.f_squeeze_dim(1))
            .context(|| self.words())
    }

    /// The activations of all units, `[N, units]`.
    pub(super) fn all(&self, logits: &Tensor, activations: &Activations) -> Result<Tensor> {
        match self {
            Units::Classes => Ok(logits.shallow_clone()),
            Units::Channels(layer) => {
                let output = output(activations, layer)?;
                let means = || match output.dim() {
                    0..=2 => output.f_flatten(1, -1),
                    _ => output.f_flatten(2, -1)?.f_mean_dim([2i64].as_slice(), false, output.kind()),
                };
                means().context(|| self.words())
            }
        }
    }

    /// What they are, for messages and pictures.
    pub fn words(&self) -> String {
        match self {
            Units::Channels(layer) => format!("channels of `{layer}`"),
            Units::Classes => "logits of the classes".to_owned(),
        }
    }
}

impl ActivationMaximization {
    /// The images that the units `of` want to see, of the shape and on the device of `like`, `[1, C, H, W]`. With the
    /// `normalization` that made the model's input of pixels of 0 to 1, they stay in that range. As many run at a time as
    /// the classifier's memory allows.
    ///
    /// # Errors
    /// Settings that are negative or not finite, a unit that the layer does not have, a layer that is not observed, what the
    /// model refuses.
    pub fn maximize(
        &self,
        classifier: &Classifier<'_>,
        units: &Units,
        of: &[i64],
        like: &Tensor,
        normalization: Option<&Normalization>,
    ) -> Result<Vec<Maximized>> {
        self.maximize_from(classifier, units, of, like, normalization, &[])
    }

    /// As [`maximize`](ActivationMaximization::maximize), with an image for each unit, or none, from which those begin at
    /// last that noise does not move.
    pub(super) fn maximize_from(
        &self,
        classifier: &Classifier<'_>,
        units: &Units,
        of: &[i64],
        like: &Tensor,
        normalization: Option<&Normalization>,
        images: &[Option<Tensor>],
    ) -> Result<Vec<Maximized>> {
        self.check()?;
        let &[1, channels, _, _] = like.size().as_slice() else {
            let why = format!("shape {:?} found; that of one image, [1, C, H, W], expected", like.size());
            return Err(Error::invalid("activation maximisation", why));
        };
        let bounds = normalization.map(|pixels| Bounds::of(pixels, channels, like.device())).transpose()?;
        let blank = tch::no_grad(|| like.f_zeros_like()).context(|| "an image".to_owned())?;
        let (logits, activations) = classifier.answers_and_activations(&blank)?;
        let width = units.all(&logits, &activations)?.size()[1];
        if let Some(unit) = of.iter().find(|unit| !(0..width).contains(*unit)) {
            let why = format!("{unit} asked for; there are {width}, counted from 0");
            return Err(Error::invalid(units.words(), why));
        }
        drop((logits, activations));
        let at_a_time = classifier.images_at_a_time(&blank)?.min(256).unsigned_abs() as usize;
        let climb = Climb { settings: self, classifier, units, bounds: bounds.as_ref() };
        let mut found: Vec<Option<Maximized>> = of.iter().map(|_| None).collect();
        let tries =
            CONTRASTS.iter().enumerate().map(|(number, contrast)| (Start::Noise(number + 1), *contrast));
        for (start, contrast) in tries.chain([(Start::Image, 0.0)]) {
            let begin = |place: usize| -> Result<Option<Tensor>> {
                match start {
                    Start::Noise(number) => {
                        noise(&blank, contrast, bounds.as_ref(), self.seed ^ number as u64).map(Some)
                    }
                    Start::Image => {
                        Ok(images.get(place).and_then(|image| image.as_ref().map(Tensor::shallow_clone)))
                    }
                }
            };
            let waiting: Vec<usize> =
                (0..of.len()).filter(|&at| found[at].as_ref().is_none_or(|found| found.is_dead)).collect();
            for places in waiting.chunks(at_a_time) {
                let mut begun = Vec::new();
                for &place in places {
                    if let Some(image) = begin(place)? {
                        begun.push((place, image));
                    }
                }
                if begun.is_empty() {
                    continue;
                }
                let units: Vec<i64> = begun.iter().map(|(place, _)| of[*place]).collect();
                let images: Vec<&Tensor> = begun.iter().map(|(_, image)| image).collect();
                for ((place, _), climbed) in begun.iter().zip(climb.run(&units, &images, start)?) {
                    found[*place] = Some(climbed);
                }
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    fn check(&self) -> Result<()> {
        let fits = |value: f64| value.is_finite() && value >= 0.0;
        if fits(self.step_size)
            && fits(self.decay)
            && fits(self.total_variation)
            && self.jitter >= 0
            && self.steps > 0
        {
            return Ok(());
        }
        Err(Error::invalid(
            "activation maximisation",
            format!("{self:?} found; one step at least, and finite numbers that are not negative, expected"),
        ))
    }
}

/// The values that pixels can have, `[1, C, 1, 1]` each.
struct Bounds {
    low: Tensor,
    high: Tensor,
}

impl Bounds {
    fn of(normalization: &Normalization, channels: i64, device: Device) -> Result<Bounds> {
        let options = (Kind::Float, Device::Cpu);
        let of = |brightness: f64| {
            let pixel =
                Tensor::f_full([1, channels, 1, 1], brightness, options).context(|| "a pixel".to_owned())?;
            normalization.apply(&pixel, device)
        };
        Ok(Bounds { low: of(0.0)?, high: of(1.0)? })
    }
}

/// Uniform noise around the middle of the range: the same for all units.
fn noise(like: &Tensor, contrast: f64, bounds: Option<&Bounds>, seed: u64) -> Result<Tensor> {
    let mut random = fastrand::Rng::with_seed(seed);
    let values: Vec<f32> =
        (0..like.numel()).map(|_| ((2.0 * random.f64() - 1.0) * contrast) as f32).collect();
    let noise = || -> Result<Tensor, TchError> {
        let noise = Tensor::f_from_slice(&values)?.f_reshape(like.size())?.f_to_device(like.device())?;
        let noise = match bounds {
            None => noise.f_mul_scalar(UNKNOWN)?,
            Some(Bounds { low, high }) => {
                let (middle, half) =
                    (low.f_add(high)?.f_div_scalar(2.0)?, high.f_sub(low)?.f_div_scalar(2.0)?);
                noise.f_mul(&half)?.f_add(&middle)?
            }
        };
        noise.f_to_kind(like.kind())
    };
    tch::no_grad(noise).context(|| "noise to begin with".to_owned())
}

/// One ascent of several images at once.
struct Climb<'a> {
    settings: &'a ActivationMaximization,
    classifier: &'a Classifier<'a>,
    units: &'a Units,
    bounds: Option<&'a Bounds>,
}

impl Climb<'_> {
    fn run(&self, of: &[i64], images: &[&Tensor], start: Start) -> Result<Vec<Maximized>> {
        let context = || format!("activation maximisation of {}", self.units.words());
        let settings = self.settings;
        let mut images = Tensor::f_cat(images, 0).context(context)?;
        let device = images.device();
        let index = Tensor::f_from_slice(of).and_then(|of| of.f_to_device(device)).context(context)?;
        // The same shifts whatever the number of images at a time.
        let mut random = fastrand::Rng::with_seed(settings.seed);
        let mut moved = vec![false; of.len()];
        for step in 0..settings.steps {
            let shift = [(); 2].map(|()| random.i64(-settings.jitter..=settings.jitter));
            let shifted = roll(&images, shift).context(context)?;
            let trace = self.classifier.trace(&shifted)?;
            let gradient = self.gradient(&trace, &index)?;
            let rate = settings.step_size * (1.0 - step as f64 / settings.steps as f64);
            let climb = || -> Result<(Tensor, Vec<bool>), TchError> {
                let gradient = roll(&gradient, shift.map(|by| -by))?;
                let (direction, has_gradient) = unit_mean_square(&gradient)?;
                Ok((self.step(&images, &direction, rate)?, has_gradient))
            };
            let (climbed, has_gradient) = tch::no_grad(climb).context(context)?;
            moved.iter_mut().zip(has_gradient).for_each(|(moved, has)| *moved |= has);
            images = climbed;
        }
        let (logits, activations) = self.classifier.answers_and_activations(&images)?;
        let reached = tch::no_grad(|| self.units.of_each(&logits, &activations, &index))?;
        let reached = to_host(&reached)?;
        (of.iter().zip(reached).zip(moved).enumerate())
            .map(|(row, ((&unit, activation), moved))| {
                // A copy: a view would keep all of them.
                let image = images.f_narrow_copy(0, row as i64, 1).context(context)?;
                Ok(Maximized { unit, image, activation: f64::from(activation), start, is_dead: !moved })
            })
            .collect()
    }

    fn gradient(&self, trace: &Trace, index: &Tensor) -> Result<Tensor> {
        let scores = tch::with_grad(|| self.units.of_each(&trace.logits, &trace.activations, index))?;
        trace.gradient(&scores)
    }

    fn step(&self, images: &Tensor, direction: &Tensor, rate: f64) -> Result<Tensor, TchError> {
        let ActivationMaximization { decay, total_variation, .. } = *self.settings;
        let pull = images.f_mul_scalar(decay)?.f_add(&roughness(images)?.f_mul_scalar(total_variation)?)?;
        let next = images.f_add(&direction.f_sub(&pull)?.f_mul_scalar(rate)?)?;
        match self.bounds {
            Some(Bounds { low, high }) => next.f_maximum(low)?.f_minimum(high)?.f_to_kind(images.kind()),
            None => Ok(next),
        }
    }
}

fn roll(images: &Tensor, [down, right]: [i64; 2]) -> Result<Tensor, TchError> {
    if (down, right) == (0, 0) { Ok(images.shallow_clone()) } else { images.f_roll([down, right], [2, 3]) }
}

/// Each image's gradient with a root mean square of 1, and whether it has one: not where all is 0. What is not finite counts
/// as 0. By the largest magnitude first: squares of very small numbers are 0.
fn unit_mean_square(gradient: &Tensor) -> Result<(Tensor, Vec<bool>), TchError> {
    const EACH: [i64; 3] = [1, 2, 3];
    let finite = gradient.f_nan_to_num(0.0, 0.0, 0.0)?;
    let largest = finite.f_abs()?.f_amax(EACH.as_slice(), true)?;
    let one = largest.f_ones_like()?;
    let scaled = finite.f_div(&largest.f_where_self(&largest.f_gt(0.0)?, &one)?)?;
    let size = scaled.f_square()?.f_mean_dim(EACH.as_slice(), true, scaled.kind())?.f_sqrt()?;
    let has = Vec::try_from(&largest.f_gt(0.0)?.f_reshape([-1])?.f_to_device(Device::Cpu)?)?;
    Ok((scaled.f_div(&size.f_where_self(&size.f_gt(0.0)?, &one)?)?, has))
}

/// For each pixel the sum of its differences from its neighbours above, below, left and right: half the gradient of the sum
/// of squared differences.
fn roughness(images: &Tensor) -> Result<Tensor, TchError> {
    let along = |dim: i64, pad: [i64; 4]| -> Result<Tensor, TchError> {
        let last = images.size()[dim as usize] - 1;
        let differences = images.f_narrow(dim, 1, last)?.f_sub(&images.f_narrow(dim, 0, last)?)?;
        // Differences from the one before; 0 at both ends.
        let padded = differences.f_constant_pad_nd(pad)?;
        padded.f_narrow(dim, 0, last + 1)?.f_sub(&padded.f_narrow(dim, 1, last + 1)?)
    };
    along(2, [0, 0, 1, 1])?.f_add(&along(3, [1, 1, 0, 0])?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Against central differences of the sum of squared differences, summed pair by pair.
    #[test]
    fn roughness_is_half_the_gradient_of_the_squared_differences() {
        let (height, width) = (3, 4);
        let image: Vec<f64> = (0..height * width).map(|i| f64::from((i * i * 7) as u32 % 11)).collect();
        let energy = |x: &[f64]| {
            let at = |row: usize, column: usize| x[row * width + column];
            let mut sum = 0.0;
            for row in 0..height {
                for column in 0..width {
                    if row + 1 < height {
                        sum += (at(row + 1, column) - at(row, column)).powi(2);
                    }
                    if column + 1 < width {
                        sum += (at(row, column + 1) - at(row, column)).powi(2);
                    }
                }
            }
            sum
        };
        let found =
            roughness(&Tensor::from_slice(&image).reshape([1, 1, height as i64, width as i64])).unwrap();
        let found: Vec<f64> = Vec::try_from(found.flatten(0, -1)).unwrap();
        for place in 0..image.len() {
            let moved = |by: f64| {
                let mut x = image.clone();
                x[place] += by;
                energy(&x)
            };
            let expected = (moved(0.5) - moved(-0.5)) / 2.0; // exact for a square
            assert!((found[place] - expected).abs() < 1e-9, "{place}: {} {expected}", found[place]);
        }
        let single = roughness(&Tensor::from_slice(&[3.0f32]).reshape([1, 1, 1, 1])).unwrap();
        assert_eq!(f64::try_from(single.sum(Kind::Double)).unwrap(), 0.0);
    }

    #[test]
    fn gradients_of_any_size_become_directions_and_none_stays_none() {
        let rows = [[3e-30f32, -4e-30], [0.0, 0.0], [f32::NAN, 2e20]].concat();
        let (found, has) = unit_mean_square(&Tensor::from_slice(&rows).reshape([3, 1, 1, 2])).unwrap();
        let found: Vec<f32> = Vec::try_from(found.flatten(0, -1)).unwrap();
        let root = 2f32.sqrt();
        for (value, expected) in found.iter().zip([0.6 * root, -0.8 * root, 0.0, 0.0, 0.0, root]) {
            assert!((value - expected).abs() < 1e-6, "{found:?}");
        }
        assert_eq!(has, [true, false, true]);
    }
}
