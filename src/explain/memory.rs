//! How many images run at a time.

use std::cell::RefCell;

use tch::Tensor;

use crate::{
    capture::{Activation, Activations},
    error::Result,
    tch_context::TchContext as _,
};

/// Bytes where the caller says nothing.
const DEFAULT: u64 = 256 << 20;
/// Outputs of layers, in sizes of the image, where no layer is observed. VGG-16's are 90, those of a network that does not
/// shrink its maps have more.
const UNSEEN: u64 = 256;
/// A backward pass keeps outputs and makes gradients of the same sizes.
const BACKWARD: u64 = 3;

/// What is done with the images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pass {
    /// Forward without a graph. Outputs are freed early, but convolutions need room to work in: counted once.
    Forward,
    /// Forward with a graph and backward.
    Backward,
}

/// A number of bytes that decides how many images run at a time.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    bytes: u64,
    /// Shape of an image, and what its layers' outputs take.
    measured: RefCell<Option<(Vec<i64>, u64)>>,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory::new(DEFAULT)
    }
}

impl Memory {
    pub fn new(bytes: u64) -> Memory {
        Memory { bytes, measured: RefCell::new(None) }
    }

    /// The bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How many of `images` fit into one pass, at least 1. `observe` gives the layers' outputs for one image; it is asked
    /// once for each shape.
    pub fn images(
        &self,
        pass: Pass,
        images: &Tensor,
        observe: impl Fn(&Tensor) -> Result<Activations>,
    ) -> Result<i64> {
        let shape = images.size().split_off(1);
        let known = self.measured.borrow().as_ref().filter(|(of, _)| *of == shape).map(|(_, bytes)| *bytes);
        let of_one = match known {
            Some(bytes) => bytes,
            None => {
                let one = images.f_narrow(0, 0, 1).context(|| "the first image".to_owned())?;
                let bytes = outputs(&one, &observe(&one)?);
                *self.measured.borrow_mut() = Some((shape, bytes));
                bytes
            }
        };
        let of_pass = if pass == Pass::Backward { of_one.saturating_mul(BACKWARD) } else { of_one };
        Ok(i64::try_from(self.bytes / of_pass.max(1)).unwrap_or(i64::MAX).max(1))
    }
}

/// Bytes of an image and of all that layers make of it.
fn outputs(image: &Tensor, activations: &Activations) -> u64 {
    let bytes = |tensor: &Tensor| (tensor.numel() * tensor.kind().elt_size_in_bytes()) as u64;
    match activations.iter().map(|Activation { tensor, .. }| bytes(tensor)).sum::<u64>() {
        0 => bytes(image).saturating_mul(UNSEEN),
        seen => bytes(image) + seen,
    }
}
