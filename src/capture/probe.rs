//! An identity layer to look through.

use std::sync::Arc;

use tch::{TchError, Tensor, nn};

use super::tap::Tap;
use crate::arch::Role;

/// An identity layer that shows what passes it to its [`Tap`]. Put it behind the layer whose output is wanted.
///
/// An output that passes while a [`Capture`](super::Capture) is alive is stored without a copy: an in-place operation behind the probe
/// (`relu_`) would change what was captured. [`Capture::finish`](super::Capture::finish) finds that out and fails;
/// [`copying`](Probe::copying) is the way around it.
///
/// A probe that is passed more than once during a capture (a shared layer, a second forward pass) keeps all outputs:
/// the second is named `name:2`, the third `name:3`.
#[derive(Debug, Clone)]
pub struct Probe {
    tap: Tap,
    name: Arc<str>,
    role: Role,
    copying: bool,
}

impl Probe {
    pub(super) fn new(tap: Tap, name: &str, role: Role) -> Probe {
        Probe { tap, name: name.into(), role, copying: false }
    }

    /// The same probe, which hands a copy on while capturing: what happens behind it in place cannot reach what was
    /// captured. It costs one copy of the output per captured pass. Values and gradients stay the same, and the
    /// captured tensor stays part of the graph.
    #[must_use]
    pub fn copying(mut self) -> Probe {
        self.copying = true;
        self
    }

    /// The name given to [`Tap::probe`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the output is.
    pub fn role(&self) -> Role {
        self.role
    }
}

impl nn::Module for Probe {
    fn forward(&self, xs: &Tensor) -> Tensor {
        if !self.tap.is_armed() {
            return xs.shallow_clone();
        }
        if !self.copying {
            return self.tap.pass(&self.name, self.role, xs.shallow_clone());
        }
        let edited = self.tap.edited(&self.name, self.role, xs.shallow_clone());
        let copied = copy(&edited);
        self.tap.record(&self.name, self.role, copied.as_ref().map(|_| &edited));
        copied.unwrap_or(edited)
    }
}

/// A copy that the graph knows of: the gradient flows through it to `tensor`.
fn copy(tensor: &Tensor) -> Result<Tensor, TchError> {
    let mut copy = tensor.f_empty_like()?;
    copy.f_copy_(tensor)?;
    Ok(copy)
}
