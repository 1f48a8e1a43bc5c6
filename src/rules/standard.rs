//! The rules that look at every training.

use super::{
    BatchNormDrift, ClassImbalance, DeadRelu, DropoutShiftRule, ExplodingGradient, InputNotNormalized,
    LabelRange, LossDivergence, LossNotDecreasing, LossPlateau, LossSpike, NoGeneralization, NonFinite,
    Overfitting, Overtraining, PoorInitialization, PredictionCollapse, RuleSet, SaturatedActivation,
    SparseActivations, StalledDataLoading, UnchangedParameter, UnshuffledData, UpdateRatio,
    VanishingGradient,
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
