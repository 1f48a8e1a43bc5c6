//! Floor 4: what goes wrong in a training, found by rules from what was measured.
//!
//! Nothing here needs libtorch: an [`Observation`] is numbers, whoever measured them, and a [`Rule`] finds
//! [`Symptom`]s in it. `diagnostics::Diagnosis` measures and examines while a network trains on libtorch.
//!
//! | file | what it holds |
//! |---|---|
//! | `observation`, `batch`, `layer`, `param`, `timing` | [`Observation`]: what was measured at one moment |
//! | `tensor_stats` | [`TensorStats`]: numbers about one tensor |
//! | `rule`, `closure`, `setting`, `threshold` | [`Rule`], the [`Symptom`] that it finds, [`Setting`]s, [`Threshold`]s |
//! | `rule_set`, `config`, `standard` | [`RuleSet`]: which rules look, with which settings, in TOML too |
//! | `examiner`, `alarm`, `finding`, `recent` | [`Examiner`]: from symptoms that last to a [`Finding`] |
//! | `group`, `words` | many layers with the same trouble are one symptom; numbers in sentences |
//! | every other file | one rule |

mod alarm;
mod batch;
mod closure;
mod config;
mod examiner;
mod finding;
mod group;
mod layer;
mod observation;
mod param;
mod recent;
mod rule;
mod rule_set;
mod setting;
mod standard;
mod tensor_stats;
mod threshold;
mod timing;
mod words;

mod exploding_gradient;
mod non_finite;
mod vanishing_gradient;

pub use self::{
    alarm::Persistence,
    batch::{BatchObservation, ChannelStats, LabelStats, PredictionStats},
    examiner::{Changes, Examiner},
    exploding_gradient::ExplodingGradient,
    finding::Finding,
    layer::{Cause, DropoutShift, LayerObservation, SilentUnit, UnitActivity},
    non_finite::NonFinite,
    observation::{Moment, Observation, Score},
    param::{ParamObservation, ParamRole, Spectrum},
    recent::Recent,
    rule::{Rule, Severity, Symptom},
    rule_set::RuleSet,
    setting::Setting,
    tensor_stats::TensorStats,
    threshold::{Grade, Threshold},
    timing::Timing,
    vanishing_gradient::VanishingGradient,
};
