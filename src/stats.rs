//! Floor 5: numbers about tensors, computed on the tensor's own device; only scalars come to the host, except for
//! [`histogram`], which needs the values.
//!
//! Any kind of integers, floats or booleans will do. Nothing here touches the graph, `.grad` or libtorch's random
//! numbers. Results are taken in `f64` (`f32` on devices that lack it), piece by piece, so that a half-precision
//! gradient does not overflow and a big tensor does not need another of its size.

use std::borrow::Borrow;

use tch::{Device, Kind, TchError, Tensor, no_grad_guard};

use crate::{
    error::{Error, Result},
    summary::Histogram,
    tch_context::TchContext as _,
};

/// Values that are converted and copied at a time: 16 MiB as `f32`.
const CHUNK: i64 = 1 << 22;

/// The distribution of all values. NaN and infinities are counted apart: see [`Histogram::nan`].
///
/// Values come to the host as `f32`; those of `f64` and of integers of 32 bits and more as `f64`. An empty tensor gives
/// an empty histogram.
///
/// ```
/// use tch::Tensor;
///
/// let histogram = convscope::stats::histogram(&Tensor::from_slice(&[0.0f32, 3.0, f32::NAN]))?;
/// assert_eq!((histogram.count(), histogram.nan(), histogram.max()), (2, 1, Some(3.0)));
/// # Ok::<(), convscope::Error>(())
/// ```
///
/// # Errors
/// Complex or quantised values, an undefined tensor, too little memory.
pub fn histogram(tensor: &Tensor) -> Result<Histogram> {
    let _no_grad = no_grad_guard();
    let wide = matches!(real_kind(tensor)?, Kind::Double | Kind::Int64 | Kind::Int);
    let mut histogram = Histogram::default();
    let count = |chunk: &Tensor| -> Result<(), TchError> {
        let chunk = chunk.f_to_device(Device::Cpu)?;
        let part = if wide {
            Histogram::from_f64(&Vec::try_from(&chunk)?)
        } else {
            Histogram::from_f32(&Vec::try_from(&chunk)?)
        };
        histogram.merge(&part);
        Ok(())
    };
    for_each_chunk(tensor, count).context(|| describe("histogram", tensor))?;
    Ok(histogram)
}

/// The fraction of values that are exactly zero, in `0..=1`. NaN and infinities count as values that are not zero.
/// NaN for an empty tensor.
///
/// ```
/// use tch::Tensor;
///
/// assert_eq!(convscope::stats::zero_fraction(&Tensor::from_slice(&[0.0f32, 2.0, -0.0, 0.5]))?, 0.5);
/// # Ok::<(), convscope::Error>(())
/// ```
///
/// # Errors
/// An undefined or quantised tensor.
pub fn zero_fraction(tensor: &Tensor) -> Result<f64> {
    let _no_grad = no_grad_guard();
    real_kind(tensor)?;
    let nonzero = || i64::try_from(tensor.f_detach()?.f_count_nonzero(None)?);
    let nonzero = nonzero().context(|| describe("zero fraction", tensor))?;
    Ok(zero_part(nonzero, tensor.numel()))
}

/// The fraction of exact zeros of every channel (dimension 1), over all images and positions. A fraction of 1 says
/// that the channel was silent in this batch, which is not yet a proof that it is dead.
///
/// # Errors
/// A tensor without a dimension 1, an undefined or quantised tensor.
pub fn channel_zero_fractions(tensor: &Tensor) -> Result<Vec<f64>> {
    let _no_grad = no_grad_guard();
    real_kind(tensor)?;
    let size = tensor.size();
    let Some(&channels) = size.get(1) else {
        return Err(Error::invalid(
            "zero fraction per channel",
            format!(
                "the tensor has the shape {size:?}; channels are expected in dimension 1, as in [N, C, H, W]"
            ),
        ));
    };
    let others: Vec<i64> = (0..).take(size.len()).filter(|&dim| dim != 1).collect();
    let nonzero =
        || Vec::<i64>::try_from(&to_host(&tensor.f_detach()?.f_count_nonzero_dim_intlist(others)?)?);
    let nonzero = nonzero().context(|| describe("zero fraction per channel", tensor))?;
    let values = tensor.numel() / usize::try_from(channels).unwrap_or(1).max(1);
    Ok(nonzero.into_iter().map(|nonzero| zero_part(nonzero, values)).collect())
}

#[allow(clippy::cast_precision_loss)] // tensors have far fewer than 2^53 values
fn zero_part(nonzero: i64, values: usize) -> f64 {
    if values == 0 { f64::NAN } else { 1.0 - nonzero as f64 / values as f64 }
}

/// Which norm of a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Norm {
    /// Sum of absolute values.
    L1,
    /// Root of the sum of squares. The default.
    #[default]
    L2,
    /// The greatest absolute value.
    Max,
}

impl Norm {
    fn order(self) -> f64 {
        match self {
            Norm::L1 => 1.0,
            Norm::L2 => 2.0,
            Norm::Max => f64::INFINITY,
        }
    }

    /// The norm of one long vector from the norms of its parts. NaN if a part is NaN, 0 without parts.
    fn of_parts(self, parts: &[f64]) -> f64 {
        match self {
            Norm::L1 => parts.iter().sum(),
            Norm::L2 => parts.iter().map(|part| part * part).sum::<f64>().sqrt(),
            Norm::Max => {
                parts.iter().fold(0.0, |max, &part| if part > max || part.is_nan() { part } else { max })
            }
        }
    }
}

/// The L2 norm of all values: the root of the sum of their squares. NaN if a value is NaN, infinite if one is infinite,
/// 0 for an empty tensor.
///
/// # Errors
/// Complex or quantised values, an undefined tensor.
pub fn norm(tensor: &Tensor) -> Result<f64> {
    Ok(norms(&[tensor], Norm::L2)?.into_iter().sum())
}

/// The norm of every tensor, in order: as [`norm`], with one copy to the host for all of them.
///
/// # Errors
/// As [`norm`].
pub fn norms(tensors: &[impl Borrow<Tensor>], norm: Norm) -> Result<Vec<f64>> {
    let _no_grad = no_grad_guard();
    let mut parts = Vec::new();
    let mut counts = Vec::with_capacity(tensors.len());
    for tensor in tensors.iter().map(Borrow::borrow) {
        let before = parts.len();
        real_kind(tensor)?;
        append_norms(tensor, norm, &mut parts).context(|| describe("norm", tensor))?;
        counts.push(parts.len() - before);
    }
    let parts = all_to_host(&parts).context(|| "norms: copy to the host".to_owned())?;
    let mut rest = parts.as_slice();
    let of_next = |count: usize| {
        let (head, tail) = rest.split_at(count.min(rest.len()));
        rest = tail;
        norm.of_parts(head)
    };
    Ok(counts.into_iter().map(of_next).collect())
}

/// The norm of all tensors taken as one long vector, from the norms of each: the p-norm of p-norms.
///
/// ```
/// use convscope::stats::{Norm, total_norm};
///
/// assert_eq!(total_norm(&[5.0, 12.0], Norm::L2), 13.0);
/// assert_eq!(total_norm(&[4.0, 12.0], Norm::Max), 12.0);
/// ```
pub fn total_norm(norms: &[f64], norm: Norm) -> f64 {
    norm.of_parts(norms)
}

/// Appends the norm of each chunk, as a tensor of one value on the tensor's device.
fn append_norms(tensor: &Tensor, norm: Norm, parts: &mut Vec<Tensor>) -> Result<(), TchError> {
    let wide = if tensor.device() == Device::Mps { Kind::Float } else { Kind::Double };
    for_each_chunk(tensor, |chunk| {
        parts.push(chunk.f_to_kind(wide)?.f_norm_scalaropt_dtype(norm.order(), wide)?);
        Ok(())
    })
}

/// Values of tensors of one value each: one copy where all are on one device.
pub(crate) fn all_to_host(scalars: &[Tensor]) -> Result<Vec<f64>, TchError> {
    let Some(first) = scalars.first() else { return Ok(Vec::new()) };
    let device = first.device();
    let on_device = scalars.iter().map(|scalar| scalar.f_to_device(device)).collect::<Result<Vec<_>, _>>()?;
    Vec::try_from(&to_host(&Tensor::f_stack(&on_device, 0)?)?)
}

fn to_host(tensor: &Tensor) -> Result<Tensor, TchError> {
    tensor.f_to_device(Device::Cpu)
}

/// Calls `each` with one-dimensional pieces of at most [`CHUNK`] values, without their graph.
fn for_each_chunk(
    tensor: &Tensor,
    mut each: impl FnMut(&Tensor) -> Result<(), TchError>,
) -> Result<(), TchError> {
    let flat = tensor.f_detach()?.f_reshape([-1])?;
    let len = i64::try_from(flat.numel()).unwrap_or(i64::MAX);
    let mut start = 0;
    while start < len {
        let part = CHUNK.min(len - start);
        each(&flat.f_narrow(0, start, part)?)?;
        start += part;
    }
    Ok(())
}

/// The kind of a tensor whose values are real numbers.
fn real_kind(tensor: &Tensor) -> Result<Kind> {
    if !tensor.defined() {
        return Err(Error::invalid("statistics of a tensor", "the tensor is undefined"));
    }
    let kind = tensor.f_kind().context(|| "statistics of a tensor".to_owned())?;
    match kind {
        Kind::ComplexHalf
        | Kind::ComplexFloat
        | Kind::ComplexDouble
        | Kind::QInt8
        | Kind::QUInt8
        | Kind::QInt32 => Err(Error::invalid(
            "statistics of a tensor",
            format!("it holds {kind:?}; real numbers are expected"),
        )),
        real => Ok(real),
    }
}

fn describe(what: &str, tensor: &Tensor) -> String {
    format!("{what} of a tensor of shape {:?}", tensor.size())
}
