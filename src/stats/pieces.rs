//! Tensors in pieces, so that a big one is not copied as a whole, and how results come to the host.

use tch::{Device, Kind, TchError, Tensor};

use crate::{
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// Values that are converted at a time on an accelerator: 32 MiB as `f64`.
const ON_ACCELERATOR: i64 = 1 << 22;

/// On the host: 512 KiB as `f64`, so that the passes over a piece find it in the processor's cache.
const ON_HOST: i64 = 1 << 16;

/// The kind in which results are taken on `device`.
pub(super) fn wide_kind(device: Device) -> Kind {
    if device == Device::Mps { Kind::Float } else { Kind::Double }
}

/// Calls `each` with one-dimensional pieces of the values, without their graph. Not for an empty tensor.
pub(super) fn for_each_piece(
    tensor: &Tensor,
    mut each: impl FnMut(&Tensor) -> Result<(), TchError>,
) -> Result<(), TchError> {
    let flat = flat(tensor)?;
    for (start, len) in ranges(&flat) {
        each(&flat.f_narrow(0, start, len)?)?;
    }
    Ok(())
}

/// Where the pieces of a tensor of one dimension begin, and how long they are.
pub(super) fn ranges(flat: &Tensor) -> impl Iterator<Item = (i64, i64)> + use<> {
    let most = if flat.device() == Device::Cpu { ON_HOST } else { ON_ACCELERATOR };
    let len = length(flat);
    (0..len).step_by(most as usize).map(move |start| (start, most.min(len - start)))
}

/// Values of a piece on the host: in single precision where that holds them.
pub(super) enum HostValues {
    Single(Vec<f32>),
    Double(Vec<f64>),
}

impl HostValues {
    pub fn of(piece: &Tensor) -> Result<HostValues, TchError> {
        match piece.f_kind()? {
            Kind::Double | Kind::Int64 | Kind::Int => {
                Vec::try_from(&piece.f_to_kind(Kind::Double)?).map(HostValues::Double)
            }
            _ => Vec::try_from(&piece.f_to_kind(Kind::Float)?).map(HostValues::Single),
        }
    }
}

/// All values in one dimension, without their graph.
pub(super) fn flat(tensor: &Tensor) -> Result<Tensor, TchError> {
    tensor.f_detach()?.f_reshape([-1])
}

/// Number of values, as libtorch counts.
pub(super) fn length(tensor: &Tensor) -> i64 {
    i64::try_from(tensor.numel()).unwrap_or(i64::MAX)
}

/// Values of tensors of one value each: one copy where all are on one device.
pub(crate) fn all_to_host(scalars: &[Tensor]) -> Result<Vec<f64>, TchError> {
    let Some(first) = scalars.first() else { return Ok(Vec::new()) };
    let device = first.device();
    let on_device = scalars.iter().map(|scalar| scalar.f_to_device(device)).collect::<Result<Vec<_>, _>>()?;
    Vec::try_from(&to_host(&Tensor::f_stack(&on_device, 0)?)?)
}

pub(super) fn to_host(tensor: &Tensor) -> Result<Tensor, TchError> {
    tensor.f_to_device(Device::Cpu)
}

/// The kind of a tensor whose values are real numbers.
pub(super) fn real_kind(tensor: &Tensor) -> Result<Kind> {
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

pub(super) fn describe(what: &str, tensor: &Tensor) -> String {
    format!("{what} of a tensor of shape {:?}", tensor.size())
}
