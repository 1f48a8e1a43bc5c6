//! The effective receptive field: which pixels really move a unit, and how much.

mod field;
mod graph;

pub use self::{
    field::EffectiveField,
    graph::{ForwardGraph, Unit, effective_receptive_field},
};
