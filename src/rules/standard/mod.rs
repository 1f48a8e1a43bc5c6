//! The rules that look at every training.

mod checks;
mod group;
mod label_counts;
mod losses;
mod peak_rate;

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
    batch_norm_drift::BatchNormDrift, class_imbalance::ClassImbalance, dead_relu::DeadRelu,
    dropout_shift::DropoutShiftRule, exploding_gradient::ExplodingGradient,
    input_not_normalized::InputNotNormalized, label_range::LabelRange, loss_divergence::LossDivergence,
    loss_not_decreasing::LossNotDecreasing, loss_plateau::LossPlateau, loss_spike::LossSpike,
    no_generalization::NoGeneralization, non_finite::NonFinite, overfitting::Overfitting,
    overtraining::Overtraining, poor_initialization::PoorInitialization,
    prediction_collapse::PredictionCollapse, saturated_activation::SaturatedActivation,
    sparse_activations::SparseActivations, stalled_data_loading::StalledDataLoading,
    unchanged_parameter::UnchangedParameter, unshuffled_data::UnshuffledData, update_ratio::UpdateRatio,
    vanishing_gradient::VanishingGradient,
};
// What the rules are written with.
use super::{
    BatchObservation, Cause, ChannelStats, DropoutShift, Grade, LabelStats, LayerObservation, Moment,
    Observation, ParamObservation, ParamRole, Persistence, PredictionStats, Rule, RuleSet, Score, Setting,
    Severity, SilentUnit, Symptom, TensorStats, Threshold, Timing, UnitActivity, median, words,
};

impl RuleSet {
    /// All rules of convscope with their defaults, causes before what follows from them.
    pub fn standard() -> RuleSet {
        RuleSet::new()
            // The data comes first.
            .with_rule(InputNotNormalized::default())
            .with_rule(LabelRange::default())
            .with_rule(UnshuffledData::default())
            .with_rule(ClassImbalance::default())
            .with_rule(StalledDataLoading::default())
            // What happens in the network.
            .with_rule(PoorInitialization::default())
            .with_rule(ExplodingGradient::default())
            .with_rule(NonFinite::default())
            .with_rule(SaturatedActivation::default())
            .with_rule(DeadRelu::default())
            .with_rule(SparseActivations::default())
            .with_rule(VanishingGradient::default())
            .with_rule(UpdateRatio::default())
            .with_rule(UnchangedParameter::default())
            .with_rule(DropoutShiftRule::default())
            .with_rule(BatchNormDrift::default())
            // What comes out of it.
            .with_rule(LossSpike::default())
            .with_rule(LossDivergence::default())
            .with_rule(LossNotDecreasing::default())
            .with_rule(LossPlateau::default())
            .with_rule(PredictionCollapse::default())
            .with_rule(NoGeneralization::default())
            .with_rule(Overfitting::default())
            .with_rule(Overtraining::default())
    }
}
