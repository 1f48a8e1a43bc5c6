//! The rules that look at every training.

use super::{ExplodingGradient, NonFinite, RuleSet, VanishingGradient};

impl RuleSet {
    /// All rules of convscope with their defaults, causes before what follows from them.
    pub fn standard() -> RuleSet {
        RuleSet::new()
            .with_rule(ExplodingGradient::default())
            .with_rule(NonFinite::default())
            .with_rule(VanishingGradient::default())
    }
}
