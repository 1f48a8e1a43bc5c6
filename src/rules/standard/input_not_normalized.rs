//! The inputs have values that a network learns badly from.

use super::{
    ChannelStats, Grade, Observation, ParamRole, Persistence, Rule, Setting, Severity, Symptom, Threshold,
    losses::Losses, words::number,
};
use crate::arch::Role;

/// The images are not normalised: a channel's mean is far from 0, or its values are far too large or too small.
///
/// Initialisations such as Kaiming's and Glorot's keep the scale of what comes in, so inputs of the size 100 make
/// outputs of the size 100, and steps of the learning rates in use overshoot. Inputs with a mean of one sign give the
/// weights of a first layer gradients of one sign (LeCun et al. 1998, "Efficient BackProp", 4.3).
///
/// Per channel, over all images that were observed:
///
/// * root of the mean square above `huge`: critical. Pixels of 0 to 255 have 80 to 150, normalised ones 1.
/// * above `large`, or a standard deviation below `tiny`: a warning. Pixels that were divided by 255 twice have a
///   standard deviation of 0.001.
/// * AWS SageMaker Debugger's `CheckInputImages`: after 500 images a mean above 0.2 or below −0.2. For information
///   alone: pixels of 0 to 1 have means of 0.3 to 0.5 and train well. Likewise a channel with one value everywhere.
///
/// Where the network is made for such values they are a warning at most: where the first layer with parameters is a
/// normalisation, the training is resumed, or its first losses are below ln C, so that the weights know such inputs.
/// (Networks from Caffe take pixels of 0 to 255 less their mean.)
///
/// Size is judged from the first batch on: it is thousands of pixels. Subject: `input`, for the first of the worst
/// channels.
///
/// ```
/// use convscope::rules::{BatchObservation, ChannelStats, InputNotNormalized, Observation, Rule, Severity};
///
/// let pixels = ChannelStats { mean: 73.0, std: 90.0, min: 0.0, max: 255.0 };
/// let batch = BatchObservation { images: 64, channels: vec![pixels], ..BatchObservation::default() };
/// let observation = Observation { batch: Some(batch), ..Observation::default() };
/// let found = InputNotNormalized::default().examine(&observation).unwrap();
/// assert_eq!((found[0].severity, found[0].subject.as_str()), (Severity::Critical, "input"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct InputNotNormalized {
    /// Greatest absolute mean, for information. Default 0.2 (AWS).
    pub mean: f64,
    /// Root mean square above which there is a warning. Default 5.
    pub large: f64,
    /// Root mean square above which a finding is critical. Default 20.
    pub huge: f64,
    /// Standard deviation below which there is a warning. Default 0.01.
    pub tiny: f64,
    /// Images before the mean is judged. Default 500 (AWS).
    pub images: u64,
    /// A finding is kept where the value is within this factor of the threshold. Default 0.8.
    pub keep: f64,
    channels: Vec<Channel>,
    losses: Losses,
    normalizes: bool,
}

/// Sums over the images so far.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Channel {
    images: f64,
    /// Sum of the means, each times its images, and the same for mean squares.
    sum: f64,
    squares: f64,
    max: f64,
}

impl Channel {
    fn add(&mut self, stats: &ChannelStats, images: f64) {
        if !(stats.mean.is_finite() && stats.std.is_finite()) {
            return; // no finite value at all
        }
        self.images += images;
        self.sum += images * stats.mean;
        self.squares += images * (stats.mean * stats.mean + stats.std * stats.std);
        self.max = self.max.max(stats.min.abs()).max(stats.max.abs());
    }

    fn mean(&self) -> f64 {
        self.sum / self.images
    }

    fn rms(&self) -> f64 {
        (self.squares / self.images).sqrt()
    }

    fn std(&self) -> f64 {
        (self.squares / self.images - self.mean().powi(2)).max(0.0).sqrt()
    }
}

impl Default for InputNotNormalized {
    fn default() -> InputNotNormalized {
        InputNotNormalized {
            mean: 0.2,
            large: 5.0,
            huge: 20.0,
            tiny: 0.01,
            images: 500,
            keep: 0.8,
            channels: Vec::new(),
            losses: Losses::default(),
            normalizes: false,
        }
    }
}

impl Rule for InputNotNormalized {
    fn name(&self) -> &str {
        "input_not_normalized"
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        self.losses.add(observation, 1);
        self.normalizes |= begins_with_a_normalization(observation);
        let batch = observation.batch.as_ref()?;
        if batch.channels.is_empty() || batch.images == 0 {
            return None;
        }
        if self.channels.len() != batch.channels.len() {
            self.channels = vec![Channel::default(); batch.channels.len()];
        }
        for (channel, stats) in self.channels.iter_mut().zip(&batch.channels) {
            channel.add(stats, batch.images as f64);
        }
        let found = self.channels.iter().enumerate().filter(|(_, channel)| channel.images > 0.0);
        let found = found.filter_map(|(index, channel)| self.judge(index, channel));
        // Of equally bad ones the first channel's.
        let worst = found.rev().max_by_key(|symptom| (symptom.raises, symptom.severity));
        Some(worst.into_iter().collect())
    }

    fn about(&self) -> &str {
        "The channels of the input have a mean far from 0, or values far from 1."
    }

    fn persistence(&self) -> Persistence {
        Persistence::at_once().clear(3)
    }

    fn explains(&self) -> &[&str] {
        &[
            "poor_initialization",
            "exploding_gradient",
            "dead_relu",
            "saturated_activation",
            "update_ratio",
            "loss_spike",
            "loss_divergence",
            "loss_not_decreasing",
            "prediction_collapse",
        ]
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        vec![
            Setting::number("mean", &mut self.mean, 0.0..=1e12, "greatest absolute mean, for information"),
            Setting::number(
                "large",
                &mut self.large,
                0.0..=1e12,
                "root mean square above which there is a warning",
            ),
            Setting::number(
                "huge",
                &mut self.huge,
                0.0..=1e12,
                "root mean square above which it is critical",
            ),
            Setting::number(
                "tiny",
                &mut self.tiny,
                0.0..=1e12,
                "standard deviation below which there is a warning",
            ),
            Setting::whole("images", &mut self.images, 1..=1_000_000_000, "images before the mean is judged"),
            Setting::number(
                "keep",
                &mut self.keep,
                0.1..=1.0,
                "a finding is kept within this factor of the threshold",
            ),
        ]
    }
}

/// Whether the first layer with parameters brings the values to mean 0 and variance 1 itself.
fn begins_with_a_normalization(observation: &Observation) -> bool {
    let weighs = |role: Role| matches!(role, Role::Convolution | Role::Linear | Role::Normalization);
    let layer = observation.layers.iter().map(|layer| layer.role).find(|&role| weighs(role));
    let param = observation.params.first().map(|param| param.role);
    layer == Some(Role::Normalization)
        || matches!(
            param,
            Some(ParamRole::Scale | ParamRole::Shift | ParamRole::RunningMean | ParamRole::RunningVar)
        )
}

impl InputNotNormalized {
    /// Whether the network seems to be made for great values.
    fn is_meant(&self) -> bool {
        let losses = &self.losses;
        let resumed = losses.seen() > 0 && !losses.saw_the_start();
        let knows = losses.guessing().is_some_and(|(_, guessing)| losses.start() < guessing);
        self.normalizes || resumed || knows || losses.began_trained()
    }

    /// What is wrong with a channel, its size before its mean.
    fn judge(&self, index: usize, channel: &Channel) -> Option<Symptom> {
        let (mean, std, rms) = (channel.mean(), channel.std(), channel.rms());
        let values =
            format!("channel {index} has mean {} and standard deviation {}", number(mean), number(std));
        let large = [
            Threshold::above(Severity::Warning, self.large).clear_at(self.keep * self.large),
            Threshold::above(Severity::Critical, self.huge),
        ];
        if let Some(grade) = Threshold::worst(&large, rms) {
            let message =
                format!("{values}: far larger than the values around 1 that initial weights are made for");
            let most = if self.is_meant() { Severity::Warning } else { Severity::Critical };
            let grade = Grade { severity: grade.severity.min(most), ..grade };
            return Some(symptom(grade, rms, message, NORMALIZE));
        }
        if channel.images < self.images as f64 {
            return None;
        }
        // What is left of a constant after squares were subtracted.
        if std <= 1e-6 * rms {
            let message = format!("channel {index} is {} everywhere: it tells nothing", number(mean));
            let grade = Grade { severity: Severity::Info, raises: true, threshold: 0.0 };
            return Some(symptom(grade, std, message, "Leave it out, or look how the data is read."));
        }
        if let Some(grade) =
            Threshold::below(Severity::Warning, self.tiny).clear_at(self.tiny / self.keep).grade(std)
        {
            let message = format!("{values}: hardly any differences for the first layer to see");
            return Some(symptom(grade, std, message, ENLARGE));
        }
        let grade =
            Threshold::above(Severity::Info, self.mean).clear_at(self.keep * self.mean).grade(mean.abs())?;
        Some(symptom(grade, mean.abs(), format!("{values}: the mean is not near 0"), NORMALIZE))
    }
}

const NORMALIZE: &str = "Subtract the mean of the training data and divide by its standard deviation, for each channel or \
                         feature (pixels of 0 to 255: divide by 255 first). Prepare the validation data with the same numbers.";
const ENLARGE: &str = "Divide by the standard deviation, for each channel or feature; look whether pixels are divided by 255 twice.";

fn symptom(grade: Grade, value: f64, message: String, advice: &str) -> Symptom {
    let Grade { severity, raises, threshold } = grade;
    let (subject, advice) = ("input".to_owned(), advice.to_owned());
    Symptom { subject, severity, raises, value, threshold, message, advice }
}
