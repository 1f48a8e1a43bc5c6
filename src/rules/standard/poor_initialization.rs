//! A training that begins from bad weights.

use super::{
    LayerObservation, Moment, Observation, ParamObservation, ParamRole, Persistence, Rule, Setting, Severity,
    Symptom,
    words::{count, names, number},
};
use crate::{arch::Role, summary::Step};

/// The first steps show that the weights were not drawn well.
///
/// * *All values of a weight are the same*, such as 0, and its gradient is exactly 0: all units of the layer are the
///   same, and nothing tells them apart. Critical. (A last layer of zeros alone is fine: its gradient is not 0.)
/// * *Variance over depth*: the greatest variance of an output of a convolution or fully connected layer over the
///   smallest. PoorWeightInitialization of Amazon SageMaker Debugger alarms above 10. That is less than the default
///   initialisation of PyTorch and tch makes of five healthy layers (each has about a sixth of the variance before it), so
///   that here it is a warning above 1e5.
/// * *Initial loss* far above ln C, which is what guessing among C classes costs, and *logits* of great scale: the
///   network begins with confident wrong answers, and spends its first steps on forgetting them. Warnings.
///
/// Looks in the first steps alone; after them a finding stays as long as it is so. Nothing new is found where the loss has
/// more than doubled since the first batch: what a step that was too large made of the weights is not how they began.
#[derive(Debug, Clone, PartialEq)]
pub struct PoorInitialization {
    /// The last step that is the beginning. Default 20.
    pub steps: u64,
    /// Greatest over smallest variance of the layers' outputs: a warning above. Default 1e5.
    pub variance_ratio: f64,
    /// Loss of the first batch over ln C: a warning above. Default 3.
    pub loss_ratio: f64,
    /// RMS of the logits about each image's mean: a warning above. Default 10.
    pub logit_scale: f64,
    first_loss: Option<f64>,
}

impl Default for PoorInitialization {
    fn default() -> PoorInitialization {
        PoorInitialization {
            steps: 20,
            variance_ratio: 1e5,
            loss_ratio: 3.0,
            logit_scale: 10.0,
            first_loss: None,
        }
    }
}

/// Something that looks bad: value, threshold, words, advice.
struct Sign {
    severity: Severity,
    value: f64,
    threshold: f64,
    words: String,
    advice: &'static str,
}

/// A weight that holds the same number everywhere and is not told to change.
fn is_symmetric(param: &&ParamObservation) -> bool {
    // A gradient that was not measured says nothing: a last layer of zeros learns.
    let stuck = param.gradient.as_ref().is_some_and(|gradient| gradient.l2 == 0.0);
    param.role == ParamRole::Weight
        && param.trainable
        && param.value.count > 1
        && param.value.min == param.value.max
        && stuck
}

fn symmetry(observation: &Observation) -> Option<Sign> {
    let same: Vec<&ParamObservation> = observation.params.iter().filter(is_symmetric).collect();
    let first = same.first()?;
    Some(Sign {
        severity: Severity::Critical,
        value: same.len() as f64,
        threshold: 0.0,
        words: format!(
            "all values of {} are the same ({}: {}, gradient 0), so that its units cannot become different",
            count(same.len(), "weight"),
            names(same.iter().map(|param| param.name.as_str())),
            number(first.value.mean)
        ),
        advice: "Draw the weights at random (He for ReLU, Xavier for tanh and sigmoid); only biases may begin at 0.",
    })
}

impl PoorInitialization {
    fn variance(&self, observation: &Observation) -> Option<Sign> {
        let linear = |layer: &&LayerObservation| matches!(layer.role, Role::Convolution | Role::Linear);
        let variances = observation.layers.iter().filter(linear).filter_map(|layer| {
            let variance = layer.output.std * layer.output.std;
            (variance.is_finite() && layer.output.count > 1).then_some((&layer.name, variance))
        });
        let variances: Vec<_> = variances.collect();
        let least = variances.iter().min_by(|a, b| a.1.total_cmp(&b.1))?;
        let most = variances.iter().max_by(|a, b| a.1.total_cmp(&b.1))?;
        let ratio = most.1 / least.1;
        (ratio > self.variance_ratio).then(|| Sign {
            severity: Severity::Warning,
            value: ratio,
            threshold: self.variance_ratio,
            words: format!(
                "the variance of outputs is {} in `{}` and {} in `{}`: {} times (limit {})",
                number(most.1),
                most.0,
                number(least.1),
                least.0,
                number(ratio),
                number(self.variance_ratio)
            ),
            advice: "Draw the weights so that variance stays from layer to layer (He for ReLU, Xavier for tanh), or put \
                     BatchNorm between the layers.",
        })
    }

    fn initial_loss(&self, observation: &Observation) -> Option<Sign> {
        let classes = observation.batch.as_ref()?.classes().filter(|&classes| classes > 1)?;
        let guess = (classes as f64).ln();
        let loss = self.first_loss?;
        let ratio = loss / guess;
        (ratio > self.loss_ratio).then(|| Sign {
            severity: Severity::Warning,
            value: ratio,
            threshold: self.loss_ratio,
            words: format!(
                "the loss of the first batch is {}; guessing among {classes} classes costs {} (limit {} times)",
                number(loss),
                number(guess),
                number(self.loss_ratio)
            ),
            advice: "Normalise the input, and begin with smaller weights in the last layer.",
        })
    }

    fn logits(&self, observation: &Observation) -> Option<Sign> {
        let scale = observation.batch.as_ref()?.predictions.as_ref()?.logit_scale;
        (scale > self.logit_scale).then(|| Sign {
            severity: Severity::Warning,
            value: scale,
            threshold: self.logit_scale,
            words: format!("logits have a scale of {} (limit {})", number(scale), number(self.logit_scale)),
            advice: "Normalise the input, and begin with smaller weights in the last layer.",
        })
    }
}

impl Rule for PoorInitialization {
    fn name(&self) -> &str {
        "poor_initialization"
    }

    fn about(&self) -> &str {
        "The first steps show that training begins from bad weights."
    }

    fn explains(&self) -> &[&str] {
        &[
            "exploding_gradient",
            "saturated_activation",
            "dead_relu",
            "sparse_activations",
            "vanishing_gradient",
            "update_ratio",
            "unchanged_parameter",
            "loss_divergence",
            "loss_not_decreasing",
            "loss_spike",
            "loss_plateau",
            "prediction_collapse",
            "no_generalization",
        ]
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        if observation.moment != Moment::Batch {
            return None;
        }
        // Only a training from its beginning has an initial loss; a resumed one has learned already.
        let first = observation.losses.first().filter(|(step, _)| *step <= Step::new(1));
        let begins = first.map(|&(_, loss)| loss).filter(|loss| loss.is_finite());
        self.first_loss = begins.or(self.first_loss);
        let early = u64::try_from(observation.step.get()).unwrap_or(0) <= self.steps;
        let grown = self
            .first_loss
            .is_some_and(|first| !observation.last_loss().is_none_or(|last| last <= 2.0 * first));
        let mut signs = vec![symmetry(observation), self.variance(observation)];
        if early {
            // Later, great logits and the loss of the first batch say nothing about how it began.
            signs.extend([self.logits(observation), self.initial_loss(observation)]);
        } else if observation.params.is_empty() && observation.layers.is_empty() {
            return None;
        }
        let mut signs: Vec<Sign> = signs.into_iter().flatten().collect();
        signs.sort_by_key(|sign| std::cmp::Reverse(sign.severity));
        let Some(worst) = signs.first() else { return Some(Vec::new()) };
        let words: Vec<&str> = signs.iter().map(|sign| sign.words.as_str()).collect();
        Some(vec![Symptom {
            subject: "training".to_owned(),
            severity: worst.severity,
            raises: early && !grown,
            value: worst.value,
            threshold: worst.threshold,
            message: words.join("; "),
            advice: worst.advice.to_owned(),
        }])
    }

    fn persistence(&self) -> Persistence {
        Persistence::at_once().clear(3)
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        vec![
            Setting::whole("steps", &mut self.steps, 1..=1_000_000, "the last step that is the beginning"),
            Setting::number(
                "variance_ratio",
                &mut self.variance_ratio,
                1.0..=1e30,
                "greatest over smallest variance of the layers' outputs: a warning above",
            ),
            Setting::number(
                "loss_ratio",
                &mut self.loss_ratio,
                1.0..=1e6,
                "loss of the first batch over ln(classes): a warning above",
            ),
            Setting::number(
                "logit_scale",
                &mut self.logit_scale,
                0.0..=1e6,
                "RMS of the logits about each image's mean: a warning above",
            ),
        ]
    }
}
