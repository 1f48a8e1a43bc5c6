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

mod activations;
mod edit;
mod name;
mod probe;
mod recording;
mod tap;

pub use crate::arch::Role;

pub use self::{
    activations::{Activation, Activations},
    edit::Edit,
    probe::Probe,
    tap::{Capture, Tap},
};
