//! How far to believe an attribution: checks that it passes or fails, and the badge that says so.

use super::{
    attribution::Attribution,
    attributor::Attributor,
    deletion::{DeletionCurves, DeletionInsertion, DeletionScore},
    last_layer::LastLayer,
    linear_approximation::{LinearApproximation, RangeOfTrust},
    rank_correlation::rank_correlation,
    sample::Case,
    study::Subject,
};
use crate::{
    error::Result,
    render::{TrustBadge, TrustLevel, number},
};

/// Random last layers that a map is compared with.
const SEEDS: usize = 3;
/// Points of the curves of deletion and insertion beside the first one.
const STEPS: usize = 16;
/// From this rank correlation on, a map does not depend on the weights.
const INDEPENDENT: f64 = 0.9;
/// From this rank correlation on, it depends on them little.
const DOUBTFUL: f64 = 0.7;
/// The largest error of completeness, as a share of what the values should sum to.
const COMPLETE: f64 = 0.05;
/// Methods whose map is the gradient at the image, right as far as the model is linear there.
const LOCAL: [&str; 2] = ["saliency", "gradient_x_input"];

/// Checks of an attribution:
///
/// * **Weights.** The map is computed again with new random weights in the last layer ([Adebayo et al.
///   2018](https://arxiv.org/abs/1810.03292), "Sanity Checks for Saliency Maps", section 3), for 3 seeds. The check is the
///   median of the Spearman rank correlations between the magnitudes of both maps. The paper states no limits.
/// * **Pixels.** Deleting the map's pixels first must lower the class's probability faster than random orders do, and
///   inserting them first must raise it faster ([`DeletionInsertion`], 16 steps, 4 random orders).
/// * **Completeness**, where the method measures `completeness_error` and `logit_difference`: at most 5 % of the latter.
/// * **Range**, for methods that show the gradient at the image: how far the model is linear ([`LinearApproximation`]).
///
/// A map costs 3 more runs of its method, 34 images for its curves, and 136 for the random orders, which all methods of a
/// [`Report`](super::Report) share; the range costs about 80.
#[derive(Debug, Clone, PartialEq)]
pub struct Trust {
    seeds: usize,
    deletion: DeletionInsertion,
}

/// What was found out about an attribution.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checks {
    /// Why the map itself says nothing: all equal, not finite.
    pub empty: Option<String>,
    /// The median rank correlation with maps of random last layers; `None` where the last layer could not be replaced.
    pub weights: Option<f64>,
    /// The error of completeness as a share of the difference of the logits.
    pub completeness: Option<f64>,
    /// Deletion and insertion in the map's order and in random ones.
    pub pixels: Option<DeletionScore>,
    /// How far the gradient may be believed.
    pub range: Option<RangeOfTrust>,
}

impl Default for Trust {
    fn default() -> Trust {
        Trust { seeds: SEEDS, deletion: DeletionInsertion::new().steps(STEPS) }
    }
}

impl Trust {
    /// 3 random last layers; deletion and insertion in 16 steps against 4 random orders.
    pub fn new() -> Trust {
        Trust::default()
    }

    /// How many random last layers a map is compared with; the default is 3, and 0 leaves the check out.
    #[must_use]
    pub fn seeds(mut self, seeds: usize) -> Trust {
        self.seeds = seeds;
        self
    }

    /// The settings of deletion and insertion.
    #[must_use]
    pub fn deletion(mut self, deletion: DeletionInsertion) -> Trust {
        self.deletion = deletion;
        self
    }

    /// The curves of random orders for a case: the same for all methods.
    pub(super) fn random_orders(&self, subject: &Subject<'_>, case: &Case<'_>) -> Result<DeletionCurves> {
        let deletion = self.deletion.clone().seed(subject.seed);
        deletion.of_random(subject.classifier, &case.sample.input, case.class)
    }

    /// Makes the checks for a map of `attributor`. `random` are the curves of random orders.
    pub(super) fn check(
        &self,
        attributor: &dyn Attributor,
        attribution: &Attribution,
        subject: &Subject<'_>,
        case: &Case<'_>,
        last: Option<&LastLayer<'_>>,
        random: impl FnOnce() -> Result<DeletionCurves>,
    ) -> Result<Checks> {
        if let Some(empty) = empty(attribution) {
            return Ok(Checks { empty: Some(empty), ..Checks::default() });
        }
        let (classifier, image, class) = (subject.classifier, &case.sample.input, case.class);
        let mut checks = Checks { completeness: completeness(attribution), ..Checks::default() };
        if let Some(last) = last {
            let again =
                |seed| last.randomized(classifier, seed, |random| attributor.attribute(random, image, class));
            let correlations = (0..self.seeds as u64)
                .map(|seed| Ok(likeness(attribution, &again(subject.seed.wrapping_add(seed))?)))
                .collect::<Result<Vec<_>>>()?;
            checks.weights = median(correlations);
        }
        let deletion = self.deletion.clone().seed(subject.seed);
        let map = deletion.of_map(classifier, image, attribution)?;
        checks.pixels = Some(DeletionScore { map, random: random()? });
        if LOCAL.contains(&attribution.method) {
            let near = LinearApproximation::new().seed(subject.seed);
            checks.range = Some(near.range(classifier, image, class)?);
        }
        Ok(checks)
    }
}

impl Checks {
    /// The level with its reasons: the worst of the checks. Without the check of the weights it is [`TrustLevel::Caution`]
    /// at best.
    pub fn badge(&self) -> TrustBadge {
        let mut found: Vec<(TrustLevel, String)> = Vec::new();
        found.extend(self.empty.iter().map(|why| (TrustLevel::DoNotTrust, why.clone())));
        if self.empty.is_none() {
            found.push(of_weights(self.weights));
            found.extend(self.pixels.as_ref().map(of_pixels));
            found.extend(self.completeness.map(of_completeness));
        }
        // What speaks against the map comes first.
        found.sort_by_key(|(level, _)| std::cmp::Reverse(*level));
        let level = found.first().map_or(TrustLevel::Caution, |(level, _)| *level);
        let range = self.range.as_ref().map(RangeOfTrust::words);
        TrustBadge { level, reasons: found.into_iter().map(|(_, why)| why).chain(range).collect() }
    }

    /// The checks as numbers, by name, for scalars.
    pub fn measures(&self) -> Vec<(&'static str, f64)> {
        let mut measures = Vec::new();
        measures.extend(self.weights.map(|value| ("randomized_weights_correlation", value)));
        measures.extend(self.completeness.map(|value| ("relative_completeness_error", value)));
        if let Some(score) = &self.pixels {
            measures.push(("deletion_gain", score.deletion_gain()));
            measures.push(("insertion_gain", score.insertion_gain()));
        }
        measures.extend(self.range.iter().flat_map(RangeOfTrust::measures));
        measures
    }
}

fn of_weights(correlation: Option<f64>) -> (TrustLevel, String) {
    let Some(correlation) = correlation else {
        let why = "not checked against random weights: the last layer was not found".to_owned();
        return (TrustLevel::Caution, why);
    };
    let like = format!("rank correlation {correlation:.2} with maps of random last layers");
    if correlation >= INDEPENDENT {
        (TrustLevel::DoNotTrust, format!("does not depend on the weights: {like}"))
    } else if correlation >= DOUBTFUL {
        (TrustLevel::Caution, format!("depends little on the weights: {like}"))
    } else {
        (TrustLevel::Trusted, format!("depends on the weights: {like}"))
    }
}

fn of_pixels(score: &DeletionScore) -> (TrustLevel, String) {
    let areas = format!(
        "mean P {} while they go (random order {}), {} while they come ({})",
        number(score.map.deletion_area()),
        number(score.random.deletion_area()),
        number(score.map.insertion_area()),
        number(score.random.insertion_area())
    );
    // The area under a curve of P over shares is the mean of P.
    match (score.deletion_gain() > 0.0, score.insertion_gain() > 0.0) {
        (true, true) => (TrustLevel::Trusted, format!("its pixels matter: {areas}")),
        (false, false) => (TrustLevel::Caution, format!("its pixels matter no more than others: {areas}")),
        _ => (TrustLevel::Caution, format!("its pixels matter in one test of two: {areas}")),
    }
}

fn of_completeness(error: f64) -> (TrustLevel, String) {
    let percent = format!("{} %", number(100.0 * error));
    if error <= COMPLETE {
        (TrustLevel::Trusted, format!("values sum to the change of the logit up to {percent}"))
    } else {
        (TrustLevel::Caution, format!("values miss the change of the logit by {percent}: take more steps"))
    }
}

/// Why a map says nothing.
fn empty(attribution: &Attribution) -> Option<String> {
    let map = attribution.map();
    if map.iter().any(|value| !value.is_finite()) {
        return Some("it holds values that are not finite".to_owned());
    }
    (map.iter().all(|value| *value == map[0])).then(|| "no pixel stands out".to_owned())
}

/// How alike two maps order the pixels: by their values or by their magnitudes, whichever is more. A map without
/// differences has nothing of another.
fn likeness(map: &Attribution, other: &Attribution) -> f64 {
    let (map, other) = (map.map(), other.map());
    let magnitudes = |map: &[f32]| map.iter().map(|value| value.abs()).collect::<Vec<_>>();
    let alike = |a: &[f32], b: &[f32]| rank_correlation(a, b).unwrap_or(0.0);
    alike(&map, &other).max(alike(&magnitudes(&map), &magnitudes(&other)))
}

fn completeness(attribution: &Attribution) -> Option<f64> {
    let error = attribution.measure("completeness_error")?.abs();
    let sum = attribution.measure("logit_difference")?.abs();
    // A sum of nothing is met by nothing alone.
    Some(if sum > 0.0 {
        error / sum
    } else if error > 0.0 {
        f64::INFINITY
    } else {
        0.0
    })
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().checked_sub(1)? / 2).copied()
}

/// What a measured number says, for the description of its scalar.
pub(super) fn meaning(measure: &str) -> &'static str {
    match measure {
        "randomized_weights_correlation" => {
            "Spearman's rank correlation with maps of random last layers: near 1, the map does not depend on what the \
             network learned (Adebayo et al. 2018)."
        }
        "relative_completeness_error" => {
            "By how much the map's values miss what they should sum to, as a share of it."
        }
        "deletion_gain" => {
            "Mean probability of the class while pixels are deleted in random order, minus that while the map's \
             strongest are deleted first: above 0 the map is better than chance (Petsiuk et al. 2018)."
        }
        "insertion_gain" => {
            "Mean probability of the class while the map's strongest pixels are inserted first, minus that of random \
             order: above 0 the map is better than chance (Petsiuk et al. 2018)."
        }
        "range_of_trust_gradient" | "range_of_trust_random" => {
            "How far the image may change until the gradient is wrong by a tenth, as a share of the image's contrast."
        }
        _ => "",
    }
}
