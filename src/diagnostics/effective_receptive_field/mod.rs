//! The effective receptive field: which pixels really move a unit, and how much.

mod callback;
mod field;
mod graph;
mod growth;
mod view;

pub use self::{
    callback::EffectiveReceptiveField,
    field::EffectiveField,
    graph::{ForwardGraph, Unit, effective_receptive_field},
};
