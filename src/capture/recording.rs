//! What one capture has seen so far.

use tch::{TchError, Tensor};

use super::{
    activations::{Activation, Activations},
    name::{Passes, check_name},
};
use crate::{
    arch::Role,
    error::{Error, Result},
};

/// What one [`Capture`](super::Capture) has seen so far.
pub(super) struct Recording {
    pub(super) id: u64,
    seen: Vec<Seen>,
    passes: Passes,
    /// `forward` cannot fail, so the first failure waits here for [`finish`](Recording::finish).
    failure: Option<Error>,
}

struct Seen {
    activation: Activation,
    /// libtorch's count of in-place changes of the tensor. `None` where it does not count.
    version: Option<i64>,
}

impl Recording {
    pub(super) fn new(id: u64) -> Recording {
        Recording { id, seen: Vec::new(), passes: Passes::default(), failure: None }
    }

    /// Takes one layer's output, or why there is none.
    pub(super) fn record(&mut self, name: &str, role: Role, output: Result<&Tensor, &TchError>) {
        match check_name(name).and_then(|()| Seen::new(self.passes.next(name), role, output)) {
            Ok(seen) => self.seen.push(seen),
            Err(error) => {
                self.failure.get_or_insert(error);
            }
        }
    }

    pub(super) fn finish(self) -> Result<Activations> {
        if let Some(error) = self.failure {
            return Err(error);
        }
        self.seen.iter().try_for_each(Seen::check_unchanged)?;
        Ok(Activations(self.seen.into_iter().map(|seen| seen.activation).collect()))
    }
}

impl Seen {
    fn new(name: String, role: Role, output: Result<&Tensor, &TchError>) -> Result<Seen> {
        let refuse = |why: String| Error::invalid(format!("activation `{name}`"), why);
        let tensor = output.map_err(|error| refuse(format!("it could not be copied: {error}")))?;
        if !tensor.defined() {
            return Err(refuse("the tensor is undefined".to_owned()));
        }
        let tensor = tensor.shallow_clone();
        let version = tensor.f_internal_version().ok();
        Ok(Seen { activation: Activation { name, role, tensor }, version })
    }

    fn check_unchanged(&self) -> Result<()> {
        if self.activation.tensor.f_internal_version().ok() == self.version {
            return Ok(());
        }
        Err(Error::invalid(
            format!("activation `{}`", self.activation.name),
            "an in-place operation changed the tensor after it was captured, so it no longer holds the layer's \
             output; use the operation without the trailing `_`, or `Probe::copying()` for this layer",
        ))
    }
}
