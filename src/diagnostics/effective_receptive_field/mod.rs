//! The effective receptive field: which pixels really move a unit, and how much.

mod callback;
mod field;
mod graph;

pub use self::{
    callback::EffectiveReceptiveField,
    field::EffectiveField,
    graph::{ForwardGraph, Unit, effective_receptive_field},
};
