//! What the singular values of a weight tell.

use tch::{Device, Kind, TchError, Tensor, no_grad_guard};

use super::pieces::{describe, flat, real_kind};
use crate::{
    error::{Error, Result},
    rules::Spectrum,
    tch_context::TchContext as _,
};

/// Multiplications of the product W·Wᵀ that are still done: about a second on one core. ResNet-152's largest kernel
/// needs 2.4·10⁹, VGG-16's first linear layer 4·10¹¹.
const MULTIPLICATIONS: f64 = 4.3e9;

/// Norm, stable rank and effective rank of a weight of two or more dimensions, taken as a matrix with one row per output:
/// a kernel `[O, I, H, W]` as O × I·H·W.
///
/// The singular values are the roots of the eigenvalues of W·Wᵀ in `f64`, on the host, whereto the weight is copied.
/// Those below about 10⁻⁸ of the greatest cannot be told from 0 and count as 0. The stable rank is Σs² / max s²
/// (Rudelson and Vershynin 2007), the effective rank is exp(−Σ p ln p) with p = s / Σs (Roy and Vetterli 2007); both are 0
/// for a matrix of zeros and for one without values. With a value that is not finite, all of it is NaN.
///
/// ```
/// use convscope::stats::spectrum;
/// use tch::Tensor;
///
/// let weight = Tensor::from_slice(&[3.0f32, 0.0, 0.0, 0.0, 2.0, 0.0]).view([2, 3]);
/// let spectrum = spectrum(&weight)?;
/// assert!((spectrum.norm - 3.0).abs() < 1e-12);
/// assert!((spectrum.stable_rank - 13.0 / 9.0).abs() < 1e-12);
/// assert_eq!(spectrum.full_rank, 2);
/// # Ok::<(), convscope::Error>(())
/// ```
///
/// # Errors
/// A tensor of fewer than two dimensions; a matrix whose product with itself takes more than 4.3·10⁹ multiplications
/// (about a second on one core); complex or quantised values; an undefined tensor.
pub fn spectrum(weight: &Tensor) -> Result<Spectrum> {
    let _no_grad = no_grad_guard();
    real_kind(weight)?;
    let size = weight.size();
    let (Some(&rows), true) = (size.first(), size.len() >= 2) else {
        return Err(Error::invalid(
            "spectrum",
            format!("the tensor has the shape {size:?}; a weight of two or more dimensions is expected"),
        ));
    };
    let columns: i64 = size[1..].iter().product();
    let (short, long) = (rows.min(columns), rows.max(columns));
    if (short as f64).powi(2) * long as f64 > MULTIPLICATIONS {
        return Err(Error::invalid(
            "spectrum",
            format!(
                "a matrix of {rows} × {columns} is too large: its smaller side squared times the larger may be 4.3e9"
            ),
        ));
    }
    let squares = || eigenvalues(weight, rows, columns);
    Ok(figures(&squares().context(|| describe("spectrum", weight))?, short, long))
}

/// Squares of the singular values, in any order. One of them is NaN where a value is not finite.
fn eigenvalues(weight: &Tensor, rows: i64, columns: i64) -> Result<Vec<f64>, TchError> {
    if rows == 0 || columns == 0 {
        return Ok(Vec::new());
    }
    let matrix = flat(weight)?.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?.f_view([rows, columns])?;
    if !matrix.f_sum(Kind::Double)?.f_double_value(&[])?.is_finite() {
        return Ok(vec![f64::NAN]);
    }
    let transposed = matrix.f_transpose(0, 1)?;
    let product =
        if rows <= columns { matrix.f_matmul(&transposed)? } else { transposed.f_matmul(&matrix)? };
    Vec::try_from(&product.f_linalg_eigvalsh("L")?)
}

fn figures(squares: &[f64], short: i64, long: i64) -> Spectrum {
    let full_rank = short.unsigned_abs();
    let greatest =
        squares.iter().fold(
            0.0,
            |greatest: f64, &square| {
                if square > greatest || square.is_nan() { square } else { greatest }
            },
        );
    if greatest.is_nan() {
        return Spectrum { norm: f64::NAN, stable_rank: f64::NAN, effective_rank: f64::NAN, full_rank };
    }
    let resolution = greatest * f64::EPSILON * long as f64;
    let squares: Vec<f64> = squares.iter().copied().filter(|&square| square > resolution).collect();
    if squares.is_empty() {
        return Spectrum { norm: 0.0, stable_rank: 0.0, effective_rank: 0.0, full_rank };
    }
    let values: Vec<f64> = squares.iter().map(|square| square.sqrt()).collect();
    let sum: f64 = values.iter().sum();
    let entropy: f64 = values.iter().map(|value| value / sum).map(|share| -share * share.ln()).sum();
    Spectrum {
        norm: greatest.sqrt(),
        stable_rank: squares.iter().sum::<f64>() / greatest,
        effective_rank: entropy.exp(),
        full_rank,
    }
}
