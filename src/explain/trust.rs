//! How far to believe an attribution: checks that it passes or fails, and the badge that says so.

use super::{
    attribution::Attribution,
    attributor::Attributor,
    deletion::{DeletionCurves, DeletionInsertion, DeletionScore},
    last_layer::LastLayer,
    linear_approximation::{LinearApproximation, RangeOfTrust},
    rank_correlation::rank_correlation,
    sample::Case,
    shared::Shared,
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
/// By how much a map's order must be better than random ones, as a mean probability.
const MARGIN: f64 = 0.02;
/// The largest error of completeness, as a share of what the values should sum to.
const COMPLETE: f64 = 0.05;
/// The check with random last layers.
const WEIGHTS: &str = "random weights";
/// Methods whose map is made of gradients, beside which the range of the linear model stands. Of integrated gradients it tells
/// whether the gradient at the image alone would have done.
const OF_GRADIENTS: [&str; 8] = [
    "saliency",
    "gradient_x_input",
    "smooth_grad",
    "smooth_grad_squared",
    "var_grad",
    "integrated_gradients",
    "guided_backprop",
    "deconvolution",
];

/// Checks of an attribution, for its [badge](Checks::badge):
///
/// * **Weights.** The map is computed again with new random weights in the last layer ([Adebayo et al.
///   2018](https://arxiv.org/abs/1810.03292), "Sanity Checks for Saliency Maps", section 3), with 3 seeds. How alike the maps
///   are is Spearman's rank correlation of their values or of their magnitudes, whichever is larger; the median over the
///   seeds counts. From 0.9 on the map does not depend on what the network learned: *do not trust*. From 0.7 on it does
///   little: *caution*.
/// * **Pixels.** The mean probability of the class must be lower while the map's strongest pixels are deleted first than in
///   random order, and higher while they are inserted first, both by more than 0.02 ([`DeletionInsertion`], 16 steps, 4
///   random orders); else *caution*.
/// * **Completeness**, where the method measures `completeness_error` and `logit_difference`: the error is at most 5 % of the
///   difference, or of the sum of the values' magnitudes where that is larger: large values that cancel are rounded as large
///   values are; else *caution*.
/// * **Range**, for methods whose map is made of gradients: how far the model is linear at the image
///   ([`LinearApproximation`]). It is told, and changes no level.
///
/// A map that is the same everywhere, or holds values that are not finite, is not to be trusted.
///
/// # Where the limits come from
///
/// The paper shows curves and states no limits. `cargo run --example trust_thresholds -- --epochs 2 --images 30` prints, for
/// the default network after 2 epochs on the bundled images, correlations of the magnitudes with a median (95th percentile)
/// over 30 images and 3 seeds of 0.24 (0.41) for saliency, 0.33 (0.47) for integrated gradients, 0.12 (0.70) for Grad-CAM,
/// 0.75 (0.92) for VarGrad and 0.89 (0.95) for guided backpropagation, which is known to fail; of its values 0.96 (0.98).
/// An edge detector and random numbers, which do not know the network, have 1 always. 90 % of the gains of random numbers
/// over random orders lie between -0.07 and 0.11 (deletion), -0.06 and 0.03 (insertion); the medians of saliency are 0.11 and
/// 0.14.
///
/// # Cost
///
/// A map costs 3 more runs of its method, or 4 of its [control](Attributor::control) where it has one, and 34 images for its
/// curves; for each image and class the random orders cost 136 and the range about 80, which all methods of a
/// [`Report`](super::Report) share.
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
    /// The error of completeness as a share of the difference of the logits, or of the sum of the values' magnitudes where
    /// that is larger.
    pub completeness: Option<f64>,
    /// Deletion and insertion in the map's order and in random ones.
    pub pixels: Option<DeletionScore>,
    /// How far the gradient may be believed.
    pub range: Option<RangeOfTrust>,
    /// Checks that failed, with the reason: they say nothing, and the others count.
    pub failed: Vec<(&'static str, String)>,
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

    /// How far the model is linear at a case: the same for all methods.
    pub(super) fn range(subject: &Subject<'_>, case: &Case<'_>) -> Result<RangeOfTrust> {
        let near = LinearApproximation::new().seed(subject.seed);
        near.range(subject.classifier, &case.sample.input, case.class)
    }

    /// Makes the checks for a map of `attributor`. `shared` has what does not depend on the method.
    pub(super) fn check(
        &self,
        attributor: &dyn Attributor,
        attribution: &Attribution,
        subject: &Subject<'_>,
        case: &Case<'_>,
        last: Option<&LastLayer<'_>>,
        shared: &mut Shared,
    ) -> Result<Checks> {
        if let Some(empty) = empty(attribution) {
            return Ok(Checks { empty: Some(empty), ..Checks::default() });
        }
        let (classifier, image) = (subject.classifier, &case.sample.input);
        let mut checks = Checks { completeness: completeness(attribution), ..Checks::default() };
        if let Some(last) = last {
            let correlation = self.correlation(attributor, attribution, subject, case, last);
            checks.weights = checks.made(WEIGHTS, correlation)?.flatten();
        }
        let deletion = self.deletion.clone().seed(subject.seed);
        let score = deletion
            .of_map(classifier, image, attribution)
            .and_then(|map| Ok(DeletionScore { map, random: shared.random_orders(self, subject, case)? }));
        checks.pixels = checks.made("deletion and insertion", score)?;
        if OF_GRADIENTS.contains(&attribution.method) {
            checks.range = checks.made("range of the gradient", shared.range(subject, case))?;
        }
        Ok(checks)
    }

    /// The median rank correlation with maps of random last layers.
    fn correlation(
        &self,
        attributor: &dyn Attributor,
        attribution: &Attribution,
        subject: &Subject<'_>,
        case: &Case<'_>,
        last: &LastLayer<'_>,
    ) -> Result<Option<f64>> {
        let (classifier, image, class) = (subject.classifier, &case.sample.input, case.class);
        let control = attributor.control();
        let method = control.as_deref().unwrap_or(attributor);
        let of_control = match &control {
            Some(control) if self.seeds > 0 => Some(control.attribute(classifier, image, class)?),
            _ => None,
        };
        let map = of_control.as_ref().unwrap_or(attribution);
        let again = |seed| last.randomized(classifier, seed, |random| method.attribute(random, image, class));
        let correlations = (0..self.seeds as u64)
            .map(|seed| Ok(likeness(map, &again(subject.seed.wrapping_add(seed))?)))
            .collect::<Result<Vec<_>>>()?;
        Ok(median(correlations))
    }
}

impl Checks {
    /// What a check found, or why it failed: that is no reason to give up the others, unless nobody wants them any more.
    fn made<T>(&mut self, check: &'static str, found: Result<T>) -> Result<Option<T>> {
        match found {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.is_interrupted() => Err(error),
            Err(error) => {
                self.failed.push((check, error.to_string()));
                Ok(None)
            }
        }
    }

    /// The level with its reasons: the worst of the checks. Without the check of the weights it is [`TrustLevel::Caution`]
    /// at best.
    pub fn badge(&self) -> TrustBadge {
        let mut found: Vec<(TrustLevel, String)> = Vec::new();
        found.extend(self.empty.iter().map(|why| (TrustLevel::DoNotTrust, why.clone())));
        if self.empty.is_none() {
            if !self.failed.iter().any(|(check, _)| *check == WEIGHTS) {
                found.push(of_weights(self.weights));
            }
            let failed = self.failed.iter().map(|(check, why)| format!("not checked ({check}): {why}"));
            found.extend(failed.map(|why| (TrustLevel::Caution, why)));
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
    match (score.deletion_gain() > MARGIN, score.insertion_gain() > MARGIN) {
        (true, true) => (TrustLevel::Trusted, format!("its pixels matter: {areas}")),
        (false, false) => (TrustLevel::Caution, format!("its pixels matter no more than others: {areas}")),
        _ => (TrustLevel::Caution, format!("its pixels matter in one test of two: {areas}")),
    }
}

fn of_completeness(error: f64) -> (TrustLevel, String) {
    let percent = format!("{} %", number(100.0 * error));
    if error <= COMPLETE {
        (TrustLevel::Trusted, format!("values sum to the change of the logit up to {percent} of their size"))
    } else {
        (
            TrustLevel::Caution,
            format!("values miss the change of the logit by {percent} of their size: take more steps"),
        )
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
    let magnitudes: f64 = attribution.values.iter().map(|value| f64::from(value.abs())).sum();
    // Rounding is as large as the values: where they cancel, it may be many times their sum.
    let size = magnitudes.max(attribution.measure("logit_difference")?.abs());
    // A sum of nothing is met by nothing alone.
    Some(if size > 0.0 {
        error / size
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
            "By how much the map's values miss what they should sum to, as a share of it or of their magnitudes' sum, \
             whichever is larger."
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
