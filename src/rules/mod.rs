//! Floor 4: what goes wrong in a training, found by rules from what was measured.
//!
//! Nothing here needs libtorch: an [`Observation`] is numbers, whoever measured them, and a [`Rule`] finds
//! [`Symptom`]s in it. `diagnostics::Diagnosis` measures and examines while a network trains on libtorch.
//!
//! | file | what it holds |
//! |---|---|
//! | `observation`, `batch`, `layer`, `param`, `timing` | [`Observation`]: what was measured at one moment |
//! | `tensor_stats` | [`TensorStats`]: numbers about one tensor |
//! | `rule` | [`Rule`], and the [`Symptom`] that it finds |

mod batch;
mod layer;
mod observation;
mod param;
mod rule;
mod tensor_stats;
mod timing;

pub use self::{
    batch::{BatchObservation, ChannelStats, LabelStats, PredictionStats},
    layer::{Cause, DropoutShift, LayerObservation, SilentUnit, UnitActivity},
    observation::{Moment, Observation, Score},
    param::{ParamObservation, ParamRole, Spectrum},
    rule::{Rule, Severity, Symptom},
    tensor_stats::TensorStats,
    timing::Timing,
};
