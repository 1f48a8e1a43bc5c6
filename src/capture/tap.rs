//! The handle that probes and captures share.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tch::{TchError, Tensor};

use super::{
    activations::Activations,
    edit::{Edit, Editor},
    name::check_name,
    probe::Probe,
    recording::Recording,
};
use crate::{
    arch::Role,
    error::{Error, Result},
};

/// The place where the outputs of one model come together: hands out probes, and captures what passes them.
///
/// Cheap to clone; all clones are the same tap. One tap serves one model; models that share a tap must name their
/// layers apart.
#[derive(Clone, Default)]
pub struct Tap(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// How many captures and edits are alive. Read before any lock, so that a tap that is not in use costs one load.
    armed: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    probes: BTreeMap<String, Role>,
    recordings: Vec<Recording>,
    edits: Vec<(u64, Arc<Mutex<Editor>>)>,
    last_id: u64,
}

impl Tap {
    /// A tap without probes.
    pub fn new() -> Tap {
        Tap::default()
    }

    /// A probe for the output of an activation function: see [`probe_as`](Tap::probe_as).
    ///
    /// # Errors
    /// As [`probe_as`](Tap::probe_as).
    pub fn probe(&self, name: &str) -> Result<Probe> {
        self.probe_as(name, Role::Activation)
    }

    /// A probe with the name under which its layer's output is found. The name becomes part of tags
    /// (`activations/<name>`), so name it as the layer's parameters: probe `conv1` beside variables `conv1.weight`.
    ///
    /// # Errors
    /// A name that this tap gave out before; a name that is empty, has other characters than letters, digits, `_`,
    /// `-`, `.`, `/`, or begins or ends with `/` or has two of them in a row.
    pub fn probe_as(&self, name: &str, role: Role) -> Result<Probe> {
        check_name(name)?;
        let mut state = self.lock();
        if state.probes.contains_key(name) {
            return Err(Error::invalid(
                format!("probe `{name}`"),
                "this tap has a probe of that name already; give every layer its own name",
            ));
        }
        state.probes.insert(name.to_owned(), role);
        Ok(Probe::new(self.clone(), name, role))
    }

    /// Shows one layer's output to the captures that are alive; does nothing where there is none.
    ///
    /// For a `forward` that is written as a function. It needs no probe: the name is checked while capturing, and a
    /// bad one is reported by [`Capture::finish`].
    pub fn observe(&self, name: &str, role: Role, tensor: &Tensor) {
        if self.is_armed() {
            self.editors().iter().for_each(|editor| lock(editor).skip(name));
            self.record(name, role, Ok(tensor));
        }
    }

    /// Begins to capture, until the result is finished or dropped.
    ///
    /// Captures do not disturb one another: each sees everything that passes while it lives, from any thread.
    pub fn capture(&self) -> Capture {
        let mut state = self.lock();
        state.last_id += 1;
        let id = state.last_id;
        state.recordings.push(Recording::new(id));
        self.count(&state);
        drop(state);
        Capture { tap: self.clone(), id }
    }

    /// Hands every output that passes to `change`, which may answer another tensor that goes on in its place, until the
    /// result is finished or dropped: for "what if" passes, such as one with a channel set to 0. Never during a training
    /// pass. Several edits work one after the other; captures see what goes on.
    ///
    /// `change` gets the names that a capture gives: a layer that passes a second time is `name:2`. Before each forward pass
    /// but the first, call [`begin_pass`](Tap::begin_pass).
    pub fn edit(
        &self,
        change: impl FnMut(&str, Role, &Tensor) -> Result<Option<Tensor>> + Send + 'static,
    ) -> Edit {
        let editor = Arc::new(Mutex::new(Editor::new(Box::new(change))));
        let mut state = self.lock();
        state.last_id += 1;
        let id = state.last_id;
        state.edits.push((id, editor.clone()));
        self.count(&state);
        drop(state);
        Edit::new(self.clone(), id, editor)
    }

    /// Shows one layer's output to the captures that are alive, and returns what goes on in its place: the output itself,
    /// unless an [edit](Tap::edit) changes it. For a `forward` that is written as a function, as
    /// [`observe`](Tap::observe).
    pub fn pass(&self, name: &str, role: Role, tensor: Tensor) -> Tensor {
        if !self.is_armed() {
            return tensor;
        }
        let tensor = self.edited(name, role, tensor);
        self.record(name, role, Ok(&tensor));
        tensor
    }

    /// What the edits that are alive make of an output.
    pub(super) fn edited(&self, name: &str, role: Role, tensor: Tensor) -> Tensor {
        let change =
            |tensor, editor: &Arc<Mutex<Editor>>| lock(editor).apply(name, role, &tensor).unwrap_or(tensor);
        self.editors().iter().fold(tensor, change)
    }

    /// Lets the [edits](Tap::edit) that are alive count the passes of each layer anew: a forward pass begins. The
    /// classifier that explanations are given does so by itself.
    pub fn begin_pass(&self) {
        if self.is_armed() {
            self.editors().iter().for_each(|editor| lock(editor).begin_pass());
        }
    }

    /// The edits that are alive, without the tap's lock: their functions may run operations that take long.
    fn editors(&self) -> Vec<Arc<Mutex<Editor>>> {
        self.lock().edits.iter().map(|(_, editor)| editor.clone()).collect()
    }

    pub(super) fn end_edit(&self, id: u64) {
        let mut state = self.lock();
        state.edits.retain(|(other, _)| *other != id);
        self.count(&state);
    }

    /// Whether a capture or an edit is alive.
    pub fn is_armed(&self) -> bool {
        self.0.armed.load(Ordering::Acquire) > 0
    }

    /// Names of all probes, sorted.
    pub fn names(&self) -> Vec<String> {
        self.lock().probes.keys().cloned().collect()
    }

    pub(super) fn record(&self, name: &str, role: Role, output: Result<&Tensor, &TchError>) {
        for recording in &mut self.lock().recordings {
            recording.record(name, role, output);
        }
    }

    /// Ends the capture `id`; `None` if that was done before.
    fn disarm(&self, id: u64) -> Option<Recording> {
        let mut state = self.lock();
        let at = state.recordings.iter().position(|recording| recording.id == id)?;
        let recording = state.recordings.remove(at);
        self.count(&state);
        Some(recording)
    }

    fn count(&self, state: &State) {
        self.0.armed.store(state.recordings.len() + state.edits.len(), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic leaves the state half changed, so a poisoned lock is as good as any.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock(editor: &Mutex<Editor>) -> MutexGuard<'_, Editor> {
    editor.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").field("probes", &self.names()).field("armed", &self.is_armed()).finish()
    }
}

/// What passes a [`Tap`] from [`Tap::capture`] on. Dropped without [`finish`](Capture::finish), it frees what it holds.
///
/// It keeps every tensor that passes alive, with its graph: finish it after one forward pass.
#[must_use = "a dropped capture captures nothing"]
pub struct Capture {
    tap: Tap,
    id: u64,
}

impl Capture {
    /// Ends the capture and returns what was seen.
    ///
    /// The tensors are part of the graph, where there is one, so that [`Activations::gradients`] works.
    ///
    /// # Errors
    /// A captured tensor that was changed in place since (found through libtorch's version counter, which sees changes
    /// through views and `detach`, and does not see those made through `data`); a bad name or an undefined tensor
    /// given to [`Tap::observe`]; a copy that did not fit in memory.
    pub fn finish(self) -> Result<Activations> {
        self.tap.disarm(self.id).map_or_else(|| Ok(Activations::default()), Recording::finish)
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        // The tensors are freed here, after the lock is: freeing a graph can take a while.
        drop(self.tap.disarm(self.id));
    }
}

impl fmt::Debug for Capture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Capture").field("id", &self.id).finish_non_exhaustive()
    }
}
