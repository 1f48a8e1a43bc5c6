//! Floor 6: diagnostics of a network, each a pure function that gives numbers and a small
//! [`Callback`](crate::Callback) that runs it while training.
//!
//! | file | what it holds |
//! |---|---|
//! | `architecture` | [`Architecture`]: what is known of a model before it is trained |
//! | `diagnosis` | [`Diagnosis`]: what is wrong with a training, said while it runs |
//! | `effective_receptive_field` | how much each pixel really moves a unit: [`effective_receptive_field`] |
//! | `observer` | [`Observer`]: measures a training for the [`rules`](crate::rules) |
//! | `classification_report` | how well a classifier answers, class by class: [`ClassificationReport`] |
//! | `containment` | whether a spec says of a hand-written model what is true: [`check_receptive_field`] |

mod architecture;
mod classification_report;
mod containment;
mod diagnosis;
mod effective_receptive_field;
mod observer;

pub use self::{
    architecture::Architecture,
    classification_report::ClassificationReport,
    containment::{Containment, FieldCheck, LayerCheck, check_receptive_field},
    diagnosis::{Diagnosis, OnCritical, VerdictHandle},
    effective_receptive_field::{
        EffectiveField, EffectiveReceptiveField, ForwardGraph, Unit, effective_receptive_field,
    },
    observer::Observer,
};
