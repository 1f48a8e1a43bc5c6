//! Whether a tensor is still the same, bit for bit.

use tch::{Kind, Tensor, no_grad_guard};

use super::pieces::{describe, for_each_piece, real_kind, to_host};
use crate::{error::Result, tch_context::TchContext as _};

/// CRC-32 (ISO-HDLC, as in PNG) of the bits of all values, in their logical order: two tensors of the same kind with the
/// same fingerprint hold the same values, but for one case in 4·10⁹. Shape and strides do not count; 0 and −0 differ.
///
/// The values come to the host, piece by piece.
///
/// ```
/// use convscope::stats::fingerprint;
/// use tch::Tensor;
///
/// let weight = Tensor::from_slice(&[1.0f32, 2.0]);
/// assert_eq!(fingerprint(&weight)?, fingerprint(&weight.copy())?);
/// assert_ne!(fingerprint(&weight)?, fingerprint(&(&weight + 1e-7))?);
/// # Ok::<(), convscope::Error>(())
/// ```
///
/// # Errors
/// Complex or quantised values, an undefined tensor.
pub fn fingerprint(tensor: &Tensor) -> Result<u32> {
    let _no_grad = no_grad_guard();
    real_kind(tensor)?;
    let mut hasher = crc32fast::Hasher::new();
    for_each_piece(tensor, |piece| {
        let bytes = to_host(piece)?.f_contiguous()?.f_view_dtype(Kind::Uint8)?;
        hasher.update(&Vec::<u8>::try_from(&bytes)?);
        Ok(())
    })
    .context(|| describe("fingerprint", tensor))?;
    Ok(hasher.finalize())
}
