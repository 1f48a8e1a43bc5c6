//! Floor 5: outputs of layers, taken on their way through a model.
//!
//! libtorch's C++ modules have no forward hooks, so the model itself says where it can be looked at: with a [`Probe`],
//! an identity layer, or with one call of [`Tap::observe`]. Both do nothing but look at one atomic number until a
//! [`Capture`] of the same [`Tap`] is alive.
//!
//! ```
//! use convscope::capture::Tap;
//! use tch::{Device, Kind, Tensor, nn, nn::Module as _};
//!
//! let store = nn::VarStore::new(Device::Cpu);
//! let tap = Tap::new();
//! let model = nn::seq()
//!     .add(nn::linear(store.root() / "fc", 4, 3, Default::default()))
//!     .add_fn(|x| x.relu())
//!     .add(tap.probe("relu")?);
//!
//! let capture = tap.capture();
//! let output = model.forward(&Tensor::ones([2, 4], (Kind::Float, Device::Cpu)));
//! let activations = capture.finish()?;
//! assert_eq!(activations.get("relu").map(|a| a.tensor.size()), Some(vec![2, 3]));
//! assert!(output.equal(&activations.get("relu").unwrap().tensor));
//! # Ok::<(), convscope::Error>(())
//! ```

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tch::{TchError, Tensor, nn};

use crate::error::{Error, Result, TchContext as _};

/// What a captured output is. It decides which diagnostics apply: feature maps are drawn for convolutions and
/// activations, the fraction of exact zeros only means something after an activation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// Output of a convolution, before its activation.
    Convolution,
    /// Output of an activation function, such as ReLU.
    Activation,
    /// Any other output.
    Other,
}

/// The place where the outputs of one model come together: hands out probes, and captures what passes them.
///
/// Cheap to clone; all clones are the same tap. One tap serves one model; models that share a tap must name their
/// layers apart.
#[derive(Clone, Default)]
pub struct Tap(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// How many captures are alive. Read before any lock, so that a tap that is not in use costs one load.
    armed: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    probes: BTreeMap<String, Role>,
    recordings: Vec<Recording>,
    last_id: u64,
}

/// What one [`Capture`] has seen so far.
struct Recording {
    id: u64,
    seen: Vec<Seen>,
    /// How often each name came by.
    times: BTreeMap<String, usize>,
    /// `forward` cannot fail, so the first failure waits here for [`Capture::finish`].
    failure: Option<Error>,
}

struct Seen {
    activation: Activation,
    /// libtorch's count of in-place changes of the tensor. `None` where it does not count.
    version: Option<i64>,
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
        Ok(Probe { tap: self.clone(), name: name.into(), role, copying: false })
    }

    /// Shows one layer's output to the captures that are alive; does nothing where there is none.
    ///
    /// For a `forward` that is written as a function. It needs no probe: the name is checked while capturing, and a
    /// bad one is reported by [`Capture::finish`].
    pub fn observe(&self, name: &str, role: Role, tensor: &Tensor) {
        if self.is_armed() {
            self.record(name, role, tensor, None);
        }
    }

    /// Begins to capture, until the result is finished or dropped.
    ///
    /// Captures do not disturb one another: each sees everything that passes while it lives, from any thread.
    pub fn capture(&self) -> Capture {
        let mut state = self.lock();
        state.last_id += 1;
        let id = state.last_id;
        state.recordings.push(Recording { id, seen: Vec::new(), times: BTreeMap::new(), failure: None });
        self.0.armed.store(state.recordings.len(), Ordering::Release);
        drop(state);
        Capture { tap: self.clone(), id }
    }

    /// Whether a capture is alive.
    pub fn is_armed(&self) -> bool {
        self.0.armed.load(Ordering::Acquire) > 0
    }

    /// Names of all probes, sorted.
    pub fn names(&self) -> Vec<String> {
        self.lock().probes.keys().cloned().collect()
    }

    fn record(&self, name: &str, role: Role, tensor: &Tensor, failure: Option<&TchError>) {
        for recording in &mut self.lock().recordings {
            recording.record(name, role, tensor, failure);
        }
    }

    /// Ends the capture `id`; `None` if that was done before.
    fn disarm(&self, id: u64) -> Option<Recording> {
        let mut state = self.lock();
        let at = state.recordings.iter().position(|recording| recording.id == id)?;
        let recording = state.recordings.remove(at);
        self.0.armed.store(state.recordings.len(), Ordering::Release);
        Some(recording)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic leaves the state half changed, so a poisoned lock is as good as any.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tap").field("probes", &self.names()).field("armed", &self.is_armed()).finish()
    }
}

impl Recording {
    fn record(&mut self, name: &str, role: Role, tensor: &Tensor, failure: Option<&TchError>) {
        let seen = check_name(name).and_then(|()| Seen::new(self.next_name(name), role, tensor, failure));
        match seen {
            Ok(seen) => self.seen.push(seen),
            Err(error) => {
                self.failure.get_or_insert(error);
            }
        }
    }

    /// `conv1` the first time, `conv1:2` the second.
    fn next_name(&mut self, name: &str) -> String {
        let times = self.times.entry(name.to_owned()).or_default();
        *times += 1;
        if *times == 1 { name.to_owned() } else { format!("{name}:{times}") }
    }

    fn finish(self) -> Result<Activations> {
        if let Some(error) = self.failure {
            return Err(error);
        }
        self.seen.iter().try_for_each(Seen::check_unchanged)?;
        Ok(Activations(self.seen.into_iter().map(|seen| seen.activation).collect()))
    }
}

impl Seen {
    fn new(name: String, role: Role, tensor: &Tensor, failure: Option<&TchError>) -> Result<Seen> {
        if let Some(failure) = failure {
            return Err(Error::invalid(
                format!("activation `{name}`"),
                format!("it could not be copied: {failure}"),
            ));
        }
        if !tensor.defined() {
            return Err(Error::invalid(format!("activation `{name}`"), "the tensor is undefined"));
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

/// An identity layer that shows what passes it to its [`Tap`]. Put it behind the layer whose output is wanted.
///
/// An output that passes while a [`Capture`] is alive is stored without a copy: an in-place operation behind the probe
/// (`relu_`) would change what was captured. [`Capture::finish`] finds that out and fails;
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
        let (output, failure) = match if self.copying { copy(xs) } else { Ok(xs.shallow_clone()) } {
            Ok(output) => (output, None),
            Err(error) => (xs.shallow_clone(), Some(error)),
        };
        self.tap.record(&self.name, self.role, xs, failure.as_ref());
        output
    }
}

/// A copy that the graph knows of: the gradient flows through it to `tensor`.
fn copy(tensor: &Tensor) -> Result<Tensor, TchError> {
    let mut copy = tensor.f_empty_like()?;
    copy.f_copy_(tensor)?;
    Ok(copy)
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

/// One layer's output.
#[derive(Debug)]
pub struct Activation {
    /// The layer, as named by its probe; `name:2` for the second pass within one capture.
    pub name: String,
    /// What the output is.
    pub role: Role,
    /// The output, as part of the graph. Do not change it in place.
    pub tensor: Tensor,
}

/// Outputs of layers, in the order in which they were computed.
#[derive(Debug, Default)]
pub struct Activations(Vec<Activation>);

impl Activations {
    /// All outputs, in the order of the forward pass.
    pub fn iter(&self) -> std::slice::Iter<'_, Activation> {
        self.0.iter()
    }

    /// The output of the layer `name`.
    pub fn get(&self, name: &str) -> Option<&Activation> {
        self.0.iter().find(|activation| activation.name == name)
    }

    /// How many outputs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was captured.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The gradient of `loss` with respect to each output, in the order of [`iter`](Activations::iter). `None` where
    /// the loss does not depend on the output or the output has no graph.
    ///
    /// One extra backward pass that leaves every `.grad` alone and keeps the graph, so that the ordinary backward pass
    /// of the training step can follow.
    ///
    /// # Errors
    /// A loss without a graph (computed under `no_grad`), or whose graph was freed by a backward pass before.
    pub fn gradients(&self, loss: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let inputs: Vec<&Tensor> = self.iter().map(|a| &a.tensor).filter(|t| t.requires_grad()).collect();
        if inputs.is_empty() {
            return Ok(self.iter().map(|_| None).collect());
        }
        let mut gradients = Tensor::f_run_backward(&[loss], &inputs, true, false)
            .context(|| "gradients of activations".to_owned())?
            .into_iter();
        let of = |a: &Activation| if a.tensor.requires_grad() { gradients.next() } else { None };
        Ok(self.iter().map(of).map(|gradient| gradient.filter(Tensor::defined)).collect())
    }
}

impl IntoIterator for Activations {
    type Item = Activation;
    type IntoIter = std::vec::IntoIter<Activation>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Activations {
    type Item = &'a Activation;
    type IntoIter = std::slice::Iter<'a, Activation>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// A name becomes part of a tag, where `/` makes groups. `:` counts passes.
fn check_name(name: &str) -> Result<()> {
    let allowed = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '/');
    let why = if name.is_empty() {
        "it is empty; give the layer a name such as `conv1`".to_owned()
    } else if let Some(found) = name.chars().find(|&c| !allowed(c)) {
        format!("{found:?} found; use letters, digits, `_`, `-`, `.`, and `/` for groups")
    } else if name.split('/').any(str::is_empty) {
        "there is nothing before, after or between `/`".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::invalid(format!("layer name {name:?}"), why))
}
