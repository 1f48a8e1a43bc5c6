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
//! | `verdict`, `verdict_page`, `catalogue` | [`Verdict`]: all of it in words, in Markdown and for the terminal |
//! | `group`, `words` | many layers with the same trouble are one symptom; numbers in sentences |
//! | `losses`, `checks`, `label_counts` | what several rules about loss, validation and labels remember |
//! | `median`, `peak_rate` | what several rules compute |
//! | every other file | one rule |

mod alarm;
mod batch;
mod catalogue;
mod checks;
mod closure;
mod config;
mod examiner;
mod finding;
mod group;
mod label_counts;
mod layer;
mod losses;
mod median;
mod observation;
mod param;
mod peak_rate;
mod recent;
mod rule;
mod rule_set;
mod setting;
mod standard;
mod tensor_stats;
mod threshold;
mod timing;
mod verdict;
mod verdict_page;
mod words;

mod batch_norm_drift;
mod dead_relu;
mod dropout_shift;
mod exploding_gradient;
mod non_finite;
mod poor_initialization;
mod saturated_activation;
mod sparse_activations;
mod unchanged_parameter;
mod update_ratio;
mod vanishing_gradient;

mod class_imbalance;
mod input_not_normalized;
mod label_range;
mod loss_divergence;
mod loss_not_decreasing;
mod loss_plateau;
mod loss_spike;
mod no_generalization;
mod overfitting;
mod overtraining;
mod prediction_collapse;
mod stalled_data_loading;
mod unshuffled_data;

pub use self::{
    alarm::Persistence,
    batch::{BatchObservation, ChannelStats, LabelStats, PredictionStats},
    batch_norm_drift::BatchNormDrift,
    dead_relu::DeadRelu,
    dropout_shift::DropoutShiftRule,
    examiner::{Changes, Examiner},
    exploding_gradient::ExplodingGradient,
    finding::Finding,
    layer::{Cause, DropoutShift, LayerObservation, SilentUnit, UnitActivity},
    non_finite::NonFinite,
    observation::{Moment, Observation, Score},
    param::{ParamObservation, ParamRole, Spectrum},
    poor_initialization::PoorInitialization,
    recent::Recent,
    rule::{Rule, Severity, Symptom},
    rule_set::RuleSet,
    saturated_activation::SaturatedActivation,
    setting::Setting,
    sparse_activations::SparseActivations,
    tensor_stats::TensorStats,
    threshold::{Grade, Threshold},
    timing::Timing,
    unchanged_parameter::UnchangedParameter,
    update_ratio::UpdateRatio,
    vanishing_gradient::VanishingGradient,
    verdict::{Looks, Verdict},
};
pub use self::{
    class_imbalance::ClassImbalance, input_not_normalized::InputNotNormalized, label_range::LabelRange,
    loss_divergence::LossDivergence, loss_not_decreasing::LossNotDecreasing, loss_plateau::LossPlateau,
    loss_spike::LossSpike, no_generalization::NoGeneralization, overfitting::Overfitting,
    overtraining::Overtraining, prediction_collapse::PredictionCollapse,
    stalled_data_loading::StalledDataLoading, unshuffled_data::UnshuffledData,
};
