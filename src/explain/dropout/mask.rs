//! Which values dropout keeps, drawn by a generator of our own.

use fastrand::Rng;
use tch::{TchError, Tensor};

use crate::{
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// What dropout keeps or drops as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropoutUnit {
    /// Each value by itself: the layer `dropout`.
    Element,
    /// All values of a channel: the layer `dropout2d` (spatial dropout, Tompson et al. 2015).
    Channel,
}

impl DropoutUnit {
    /// `element` or `channel`, for tags.
    pub fn as_str(self) -> &'static str {
        match self {
            DropoutUnit::Element => "element",
            DropoutUnit::Channel => "channel",
        }
    }
}

/// The factors of inverted dropout for values of shape `[N, C, ...]` like `values`, on their device and of their kind: 0 with
/// probability `p`, else 1 / (1 - p), so that the mean stays. One for each value, or one for each channel of each image.
///
/// They are drawn by `rng`: libtorch's generator is left alone.
///
/// ```
/// use convscope::explain::{DropoutUnit, dropout_mask};
/// use tch::{Device, Kind, Tensor};
///
/// let maps = Tensor::zeros([1, 3, 2, 2], (Kind::Float, Device::Cpu));
/// let mask = dropout_mask(&maps, 0.5, DropoutUnit::Channel, &mut fastrand::Rng::with_seed(0))?;
/// let factors = Vec::<f32>::try_from(mask.reshape([-1])).unwrap();
/// assert!(factors.chunks(4).all(|channel| channel == [0.0; 4] || channel == [2.0; 4]));
/// # Ok::<(), convscope::Error>(())
/// ```
///
/// # Errors
/// A probability that is not at least 0 and below 1; values without a channel axis.
pub fn dropout_mask(values: &Tensor, p: f64, unit: DropoutUnit, rng: &mut Rng) -> Result<Tensor> {
    check_probability(p)?;
    let shape = values.size();
    if shape.len() < 2 {
        return Err(Error::invalid(
            "dropout",
            format!("values of shape {shape:?} found; [N, C, ...] expected"),
        ));
    }
    let kept = (1.0 / (1.0 - p)) as f32;
    let mut draw =
        |count: i64| -> Vec<f32> { (0..count).map(|_| if rng.f64() < p { 0.0 } else { kept }).collect() };
    let mut make = || -> Result<Tensor, TchError> {
        let mask = match unit {
            DropoutUnit::Element => Tensor::from_slice(&draw(shape.iter().product())).f_reshape(&shape)?,
            DropoutUnit::Channel => {
                let mut one: Vec<i64> = vec![1; shape.len()];
                one[..2].copy_from_slice(&shape[..2]);
                Tensor::from_slice(&draw(one.iter().product())).f_reshape(one)?.f_expand(&shape, false)?
            }
        };
        mask.f_to_device(values.device())?.f_to_kind(values.kind())
    };
    make().context(|| format!("a mask of shape {shape:?}"))
}

/// That a share can be dropped.
pub(super) fn check_probability(p: f64) -> Result<()> {
    if (0.0..1.0).contains(&p) {
        return Ok(());
    }
    Err(Error::invalid("dropout", format!("p = {p} found; at least 0 and below 1 expected")))
}

/// What is left of `values` behind a mask: what is dropped is 0, also where it was not finite.
pub(super) fn masked(values: &Tensor, mask: &Tensor) -> Result<Tensor, TchError> {
    values.f_mul(mask)?.f_masked_fill(&mask.f_eq(0)?, 0)
}
