//! Changing what layers hand on, for "what if" passes.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tch::Tensor;

use super::{name::Passes, tap::Tap};
use crate::{
    arch::Role,
    error::{Error, Result},
};

/// Name and role of a layer, and its output: answers what is handed on in its place, `None` for the output itself.
type Change = dyn FnMut(&str, Role, &Tensor) -> Result<Option<Tensor>> + Send;

/// A function over the outputs that pass a [`Tap`], from [`Tap::edit`] on until this is dropped.
///
/// ```
/// use convscope::capture::Tap;
/// use tch::{Tensor, nn::Module as _};
///
/// let tap = Tap::new();
/// let model = tch::nn::seq().add_fn(|x| x.relu()).add(tap.probe("relu")?).add_fn(|x| x + 1.0);
/// let images = Tensor::from_slice(&[-1.0f32, 2.0]);
///
/// let silenced = tap.edit(|name, _, output| Ok((name == "relu").then(|| output.zeros_like())));
/// assert_eq!(Vec::<f32>::try_from(model.forward(&images)).unwrap(), [1.0, 1.0]);
/// assert_eq!(silenced.finish()?, 1);
/// assert_eq!(Vec::<f32>::try_from(model.forward(&images)).unwrap(), [1.0, 3.0]);
/// # Ok::<(), convscope::Error>(())
/// ```
#[must_use = "a dropped edit changes nothing"]
pub struct Edit {
    tap: Tap,
    pub(super) id: u64,
    editor: Arc<Mutex<Editor>>,
}

/// The function, what it did, and why it failed.
pub(super) struct Editor {
    change: Box<Change>,
    /// Of the forward pass that runs.
    passes: Passes,
    changed: usize,
    /// A forward pass through a probe cannot fail, so the first failure waits here.
    failure: Option<Error>,
}

impl Edit {
    pub(super) fn new(tap: Tap, id: u64, editor: Arc<Mutex<Editor>>) -> Edit {
        Edit { tap, id, editor }
    }

    /// Ends it, and tells how many outputs were changed: 0 where a layer of that name does not hand on what the tap gives
    /// (it only [observes](Tap::observe)).
    ///
    /// # Errors
    /// The first one of the function.
    pub fn finish(self) -> Result<usize> {
        let mut editor = self.editor.lock().unwrap_or_else(PoisonError::into_inner);
        match editor.failure.take() {
            Some(failure) => Err(failure),
            None => Ok(editor.changed),
        }
    }
}

impl Editor {
    pub(super) fn new(change: Box<Change>) -> Editor {
        Editor { change, passes: Passes::default(), changed: 0, failure: None }
    }

    /// A forward pass begins.
    pub(super) fn begin_pass(&mut self) {
        self.passes = Passes::default();
    }

    /// Counts an output that cannot be changed.
    pub(super) fn skip(&mut self, name: &str) {
        self.passes.next(name);
    }

    /// What is handed on in place of `output`.
    pub(super) fn apply(&mut self, name: &str, role: Role, output: &Tensor) -> Option<Tensor> {
        match (self.change)(&self.passes.next(name), role, output) {
            Ok(changed) => {
                self.changed += usize::from(changed.is_some());
                changed
            }
            Err(error) => {
                self.failure.get_or_insert(error);
                None
            }
        }
    }
}

impl Drop for Edit {
    fn drop(&mut self) {
        self.tap.end_edit(self.id);
    }
}

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edit").field("id", &self.id).finish_non_exhaustive()
    }
}
