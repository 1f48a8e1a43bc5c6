//! From tensors to attributions: what all methods that work with tensors share.

use tch::{Device, Kind, TchError, Tensor};

use super::attribution::{Attribution, Sign};
use crate::{
    error::{Error, Result},
    tch_context::TchContext as _,
};

/// What a gradient of the logit is measured in.
pub(super) const GRADIENT: &str = "d logit / d pixel";

/// What parts of a logit are measured in.
pub(super) const LOGIT: &str = "logit";

/// Refuses what is not one image with a gradient: attributions are of one at a time.
pub(super) fn check_one(image: &Tensor) -> Result<()> {
    let shape = if image.defined() { image.size() } else { Vec::new() };
    if shape.len() < 2 || shape[0] != 1 || image.numel() == 0 {
        return Err(Error::invalid(
            "image",
            format!("shape {shape:?} found; one image, [1, C, H, W], expected"),
        ));
    }
    if matches!(image.kind(), Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16) {
        return Ok(());
    }
    let why = format!("values of kind {:?} have no gradient: give floating-point numbers", image.kind());
    Err(Error::invalid("image", why))
}

/// An attribution with these values: `[1, C, H, W]` is C channels of H rows, any other shape one row of all values.
pub(super) fn attribution(
    method: &'static str,
    class: i64,
    values: &Tensor,
    sign: Sign,
    unit: &str,
) -> Result<Attribution> {
    let shape = match values.size().as_slice() {
        &[1, channels, height, width] => [channels, height, width],
        _ => [1, 1, values.numel() as i64],
    };
    let on_host = tch::no_grad(|| {
        values.f_detach()?.f_to_kind(Kind::Float)?.f_to_device(Device::Cpu)?.f_contiguous()?.f_reshape([-1])
    });
    let on_host = on_host.and_then(|values| Vec::try_from(&values));
    let values: Vec<f32> = on_host.context(|| format!("values of `{method}`"))?;
    let shape = shape.map(|side| side.unsigned_abs() as usize);
    let unit = unit.to_owned();
    Ok(Attribution { unit, ..Attribution::new(method, class, values, shape, sign)? })
}

/// A gradient of the logit, by its magnitude unless `signed`.
pub(super) fn gradient(
    method: &'static str,
    class: i64,
    gradient: &Tensor,
    signed: bool,
) -> Result<Attribution> {
    if signed {
        return attribution(method, class, gradient, Sign::Signed, GRADIENT);
    }
    let magnitude = tch::no_grad(|| gradient.f_abs()).context(|| format!("values of `{method}`"))?;
    attribution(method, class, &magnitude, Sign::Magnitude, &format!("|{GRADIENT}|"))
}

/// The number of a tensor of one, in double precision on the CPU: not every device has that.
pub(super) fn scalar(tensor: &Tensor) -> Result<f64, TchError> {
    f64::try_from(&tensor.f_to_device(Device::Cpu)?)
}

/// The sum of all values: of rows on the device in at least single precision, of the rows' sums on the CPU in double.
pub(super) fn sum(tensor: &Tensor) -> Result<f64, TchError> {
    let rows = match tensor.dim() {
        0 => tensor.shallow_clone(),
        _ => tensor.f_sum_dim_intlist([-1i64].as_slice(), false, exact(tensor))?,
    };
    f64::try_from(&rows.f_to_device(Device::Cpu)?.f_sum(Kind::Double)?)
}

/// In which kind gradients of this kind are summed: at least single precision.
pub(super) fn exact(gradients: &Tensor) -> Kind {
    if gradients.kind() == Kind::Double { Kind::Double } else { Kind::Float }
}
