//! Rules about the network, and what makes findings of what they see: without libtorch.

#![allow(clippy::unwrap_used)] // in helpers of tests

mod activations;
mod engine;
mod gradients;
mod measured;
mod non_finite;
mod parameters;
mod properties;
mod settings;
