//! What a finding of each rule means, for somebody who does not know its name.

use super::{Finding, Severity};

/// What is to be said of a training of which this is the worst.
pub(super) fn opening(finding: &Finding) -> &'static str {
    match (finding.severity, finding.rule.as_str()) {
        (Severity::Critical, "no_generalization" | "overfitting" | "overtraining") => {
            "Training works, but not for images that it has not seen"
        }
        (Severity::Critical, "class_imbalance") => "Training works, but not for all classes",
        (Severity::Critical, _) => "Training does not work",
        (Severity::Warning, _) => "Training goes on, but worse than it could",
        (Severity::Info, _) => "Training looks healthy, with a remark",
    }
}

/// What it means for a training that the rule found this: a clause behind the [`opening`]. `None` for rules that are not
/// ours.
pub(super) fn meaning(finding: &Finding) -> Option<&'static str> {
    Some(match finding.rule.as_str() {
        "batch_norm_drift" => "what batch normalisation remembers for evaluation is not what training sees",
        "class_imbalance" => "some classes are far rarer than others",
        "dead_relu" => "units are silent for every image, so that they neither help nor learn",
        "dropout_shift" => "dropout makes layers see other values in training than in evaluation",
        "exploding_gradient" => "the steps are so large that they throw the weights about",
        "input_not_normalized" => "the images are not normalised",
        "label_range" if finding.severity == Severity::Critical => {
            "there are labels that the network has no class for"
        }
        "label_range" => "there are classes without labels",
        "loss_divergence" => "the loss rises instead of falling",
        "loss_not_decreasing" => "the loss does not fall",
        "loss_plateau" => "the loss has stopped falling",
        "loss_spike" => "the loss jumps",
        "no_generalization" => "what is learnt from the training images does not hold for others",
        "non_finite" => "numbers became NaN or infinite",
        "overfitting" => "the network learns its training images by heart",
        "overtraining" => "it has gone on for longer than it helps",
        "poor_initialization" => "the first weights do not suit the network",
        "prediction_collapse" => "the network gives nearly every image the same answer",
        "saturated_activation" => "activation functions are at their ends, where hardly any gradient passes",
        "sparse_activations" => "hardly any unit is active",
        "stalled_data_loading" => "much of the time goes into waiting for data",
        "unchanged_parameter" => "there are weights that do not change",
        "unshuffled_data" => "the images are not shuffled",
        "update_ratio" => "the size of the steps does not suit that of the weights",
        "vanishing_gradient" => "hardly any gradient reaches some layers, so that they do not learn",
        _ => return None,
    })
}

/// The rule's name as words: `dead ReLU`.
pub(super) fn title(rule: &str) -> String {
    let words = rule.split('_').map(|word| if word == "relu" { "ReLU" } else { word });
    words.collect::<Vec<_>>().join(" ")
}
