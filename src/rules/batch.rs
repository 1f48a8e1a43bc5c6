//! What was measured of a batch beside the layers: what goes in, and what comes out.

/// Input, labels and predictions of one batch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BatchObservation {
    /// Images in the batch.
    pub images: u64,
    /// Values of each channel of the input, over the images and positions.
    pub channels: Vec<ChannelStats>,
    /// Index in the batch of images with a value that is NaN or infinite.
    pub bad_images: Vec<u64>,
    /// What is known of the labels.
    pub labels: Option<LabelStats>,
    /// What the model answered.
    pub predictions: Option<PredictionStats>,
}

/// Values of one channel of the input. Over the finite ones.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct ChannelStats {
    /// Mean.
    pub mean: f64,
    /// Standard deviation, biased.
    pub std: f64,
    /// Smallest value.
    pub min: f64,
    /// Greatest value.
    pub max: f64,
}

/// The labels of one batch.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LabelStats {
    /// How many images have each label that occurs, by label. Also labels outside `0..classes`.
    pub counts: Vec<(i64, u64)>,
    /// Classes that the model tells apart: the width of its output. `None` where that is not known.
    pub classes: Option<u64>,
}

/// What the model answered to one batch, in the training forward pass.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PredictionStats {
    /// How often each class had the largest logit, by class.
    pub counts: Vec<u64>,
    /// How many images of each class were answered wrongly, by true class. Empty without labels.
    pub wrong: Vec<u64>,
    /// Root of the mean square of the logits about each image's mean: their scale.
    pub logit_scale: f64,
    /// Mean probability of the predicted class, 0 to 1.
    pub confidence: f64,
}
