//! The first tensor with a value that is no number.

use super::{
    LayerObservation, Moment, Observation, ParamObservation, Persistence, Rule, Severity, Symptom,
    TensorStats,
    words::{count, number},
};

/// A value is NaN or infinite: critical at the first sight, as ExplodingTensor of Amazon SageMaker Debugger has it.
///
/// One finding, about the tensor where it began. That is the first bad one in the order in which a training step makes
/// them: images, outputs from the first layer to the last, loss, gradients of outputs and of parameters from the last
/// layer to the first, parameters. Everything behind it is spoiled by it. The message has the statistics of what
/// fed it; the finding has the last steps.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NonFinite {
    /// What was said, while it lasts: the next steps begin with spoiled parameters, which is not where it began.
    first: Option<Symptom>,
}

const SPOILED: &str = "Go back to a checkpoint from before; its parameters are spoiled by now.";

impl NonFinite {
    fn find(observation: &Observation) -> Option<Symptom> {
        bad_input(observation)
            .or_else(|| bad_output(observation))
            .or_else(|| bad_loss(observation))
            .or_else(|| bad_gradient(observation))
            .or_else(|| bad_param(observation))
            .or_else(|| bad_score(observation))
    }
}

fn symptom(subject: impl Into<String>, bad: f64, message: String, advice: &str) -> Symptom {
    Symptom {
        subject: subject.into(),
        severity: Severity::Critical,
        raises: true,
        value: bad,
        threshold: 0.0,
        message,
        advice: advice.to_owned(),
    }
}

fn bad_input(observation: &Observation) -> Option<Symptom> {
    let batch = observation.batch.as_ref()?;
    let first = batch.bad_images.first()?;
    let bad = batch.bad_images.len();
    let message = format!(
        "image {first} of the batch holds NaN or infinite values ({} of {} in the batch of step {})",
        count(bad, "image"),
        batch.images,
        observation.step
    );
    let advice = "Find the image in the data and mend or leave it out; check that no channel is divided by a standard \
                  deviation of 0. Then begin again: the parameters are spoiled by now.";
    Some(symptom("input", bad as f64, message, advice))
}

fn bad_output(observation: &Observation) -> Option<Symptom> {
    let index = observation.layers.iter().position(|layer| layer.output.non_finite() > 0)?;
    let layer = &observation.layers[index];
    let params: Vec<&ParamObservation> =
        observation.params.iter().filter(|param| param.layer == layer.name).collect();
    let spoiled = params.iter().find(|param| param.value.non_finite() > 0);
    let fed = fed_by(observation, index);
    let mut message = format!("its output has {} at step {}", bad_values(&layer.output), observation.step);
    let mut sources: Vec<String> =
        fed.iter().map(|source| format!("`{}`: {}", source.name, summary(&source.output))).collect();
    sources.extend(params.iter().map(|param| format!("`{}`: {}", param.name, summary(&param.value))));
    if !sources.is_empty() {
        message = format!("{message}; it was made from {}", sources.join("; "));
    }
    message.push_str(&since_loss(observation));
    let advice = match spoiled {
        Some(param) => format!(
            "`{}` was spoiled by an earlier step: see the gradient norm and the loss of the steps before. Lower the \
             learning rate or clip gradients, and begin again",
            param.name
        ),
        None => "Its input is finite: the layer itself overflows or divides by 0. Lower the learning rate; look at the \
                 greatest activation of the steps before"
            .to_owned(),
    };
    Some(symptom(layer.name.clone(), layer.output.non_finite() as f64, message, &format!("{advice}.")))
}

/// The layers that a layer reads, or the one before it where that is not known.
fn fed_by(observation: &Observation, index: usize) -> Vec<&LayerObservation> {
    let layer = &observation.layers[index];
    if layer.inputs.is_empty() {
        return index.checked_sub(1).map(|before| &observation.layers[before]).into_iter().collect();
    }
    layer.inputs.iter().filter_map(|name| observation.layer(name)).collect()
}

fn bad_loss(observation: &Observation) -> Option<Symptom> {
    let (step, loss) = first_bad_loss(observation)?;
    let logits = observation.layers.last();
    let made = logits.map_or_else(String::new, |layer| {
        format!("; the last layer `{}` is finite: {}", layer.name, summary(&layer.output))
    });
    let advice = "Look at the loss function: a logarithm of 0, a division by 0, a label out of range, an exponential of \
                  logits that are too large.";
    Some(symptom("loss", 1.0, format!("it is {loss} at step {step}{made}"), advice))
}

fn first_bad_loss(observation: &Observation) -> Option<(crate::summary::Step, f64)> {
    observation.losses.iter().copied().find(|(_, loss)| !loss.is_finite())
}

/// ` (the loss is NaN since step 7)`, where it is.
fn since_loss(observation: &Observation) -> String {
    first_bad_loss(observation)
        .map_or_else(String::new, |(step, loss)| format!(" (the loss is {loss} since step {step})"))
}

fn bad_gradient(observation: &Observation) -> Option<Symptom> {
    let layers = observation.layers.iter().rev().filter_map(|layer| {
        layer.gradient.as_ref().map(|gradient| (&layer.name, "of its output", gradient, &layer.output))
    });
    let params = observation.params.iter().rev().filter_map(|param| {
        param.gradient.as_ref().map(|gradient| (&param.name, "by the loss", gradient, &param.value))
    });
    let (name, whose, gradient, value) =
        layers.chain(params).find(|(_, _, gradient, _)| gradient.non_finite() > 0)?;
    let message = format!(
        "the gradient {whose} has {} at step {}, while the forward pass is finite; its values: {}",
        bad_values(gradient),
        observation.step,
        summary(value)
    );
    let advice = "Something has no derivative there: a root or a logarithm of 0, a division by a standard deviation of 0. \
                  Add a small epsilon in it. If the gradient norm grew in the steps before, clip gradients.";
    Some(symptom(name.clone(), gradient.non_finite() as f64, message, advice))
}

fn bad_param(observation: &Observation) -> Option<Symptom> {
    let param = observation.params.iter().find(|param| param.value.non_finite() > 0)?;
    let message = format!(
        "its values have {} after step {}, while outputs and gradients were finite",
        bad_values(&param.value),
        observation.step
    );
    let advice = format!("The optimiser's step overflowed: lower the learning rate. {SPOILED}");
    Some(symptom(param.name.clone(), param.value.non_finite() as f64, message, &advice))
}

fn bad_score(observation: &Observation) -> Option<Symptom> {
    let scores = [("training loss", observation.training), ("validation loss", observation.validation)];
    let (name, loss) = scores
        .into_iter()
        .find_map(|(name, score)| Some((name, score?.loss?)).filter(|(_, loss)| !loss.is_finite()))?;
    let advice =
        "Look at the images that this mean was taken of, and at the running statistics of BatchNorm.";
    Some(symptom(name, 1.0, format!("it is {loss} at step {}", observation.step), advice))
}

/// `12 NaN and 3 infinite values of 640`.
fn bad_values(stats: &TensorStats) -> String {
    let kinds = [(stats.nan, "NaN"), (stats.infinite, "infinite")];
    let kinds: Vec<String> =
        kinds.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    format!("{} of {} values", kinds.join(" and "), stats.count.saturating_add(stats.non_finite()))
}

/// The statistics of a tensor in a few words.
fn summary(stats: &TensorStats) -> String {
    let bad = if stats.non_finite() > 0 { format!(", {}", bad_values(stats)) } else { String::new() };
    if stats.count == 0 {
        return format!("nothing finite{bad}");
    }
    format!(
        "mean {}, standard deviation {}, {} to {}{bad}",
        number(stats.mean),
        number(stats.std),
        number(stats.min),
        number(stats.max)
    )
}

impl Rule for NonFinite {
    fn name(&self) -> &str {
        "non_finite"
    }

    fn about(&self) -> &str {
        "A value is NaN or infinite; the first such tensor is named."
    }

    fn explains(&self) -> &[&str] {
        &[
            "saturated_activation",
            "dead_relu",
            "sparse_activations",
            "vanishing_gradient",
            "update_ratio",
            "unchanged_parameter",
            "batch_norm_drift",
            "loss_divergence",
            "loss_not_decreasing",
            "loss_spike",
            "loss_plateau",
            "prediction_collapse",
            "overfitting",
            "overtraining",
            "no_generalization",
        ]
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        let found = NonFinite::find(observation);
        if found.is_none() && observation.moment != Moment::Batch {
            return None;
        }
        if found.is_none() {
            self.first = None;
        }
        let symptom = found.map(|found| self.first.get_or_insert(found).clone());
        Some(symptom.into_iter().collect())
    }

    fn persistence(&self) -> Persistence {
        Persistence::at_once().clear(3)
    }
}
