//! Gradients that shrink on their way to the first layers.

use super::{
    Moment, Observation, ParamRole, Persistence, Rule, Setting, Severity, Symptom, Threshold,
    group::Group,
    losses::{LATEST, Losses},
    median::median,
    words::{count, number},
};

/// The gradient of some weights is tiny: absolutely, beside the median layer, or falling from layer to layer.
///
/// Looks at the gradients of the weights of convolutions and fully connected layers; biases and the parameters of
/// normalisations have gradients of another scale, and may begin at 0. One symptom: the worst layer, which names the
/// others.
///
/// * *Beside the median layer*: RMS of the gradient over the median RMS of all layers. Gradients of healthy layers lie
///   within three decades of each other, because a kernel gathers its gradient from many positions and a large matrix
///   spreads it. Loss scale, batch size and reduction do not matter here.
/// * *Absolutely*: mean |g| below 1e-7, as VanishingGradient of Amazon SageMaker Debugger and TorchLens have it.
/// * *Falling with depth*: a line through log₁₀ RMS over depth, from the first layer to the last. Sees that a
///   net of 30 sigmoids loses a factor at each, also where half of the layers are as bad as the median.
///
/// The last two do not count while the loss is small: a network that fits has no gradient, and needs none.
#[derive(Debug, Clone, PartialEq)]
pub struct VanishingGradient {
    /// RMS over the median layer's RMS: a warning below. Default 1e-4.
    pub ratio_warning: f64,
    /// The same: critical below. Default 1e-6.
    pub ratio_critical: f64,
    /// Mean absolute gradient: a warning below, critical where more than half of the layers are. Default 1e-7.
    pub absolute: f64,
    /// Decades that the line falls from the last to the first layer: a warning above. Default 4.
    pub decades_warning: f64,
    /// The same: critical above. Default 6.
    pub decades_critical: f64,
    /// With fewer layers there is no line, and no median worth it. Default 5.
    pub min_layers: u64,
    /// Below this loss only what stands beside the median layer counts: in nats for cross-entropy with known classes, else
    /// as a share of the first losses. Default 0.1.
    pub fitted_loss: f64,
    losses: Losses,
    group: Group,
}

impl Default for VanishingGradient {
    fn default() -> VanishingGradient {
        VanishingGradient {
            ratio_warning: 1e-4,
            ratio_critical: 1e-6,
            absolute: 1e-7,
            decades_warning: 4.0,
            decades_critical: 6.0,
            min_layers: 5,
            fitted_loss: 0.1,
            losses: Losses::default(),
            group: Group::default(),
        }
    }
}

/// The gradient of a layer's weight.
struct Reading<'o> {
    layer: &'o str,
    rms: f64,
    mean_abs: f64,
}

/// An exact 0 has no logarithm, and one such layer is not to draw the line alone: what is below this share of the median
/// is taken for it, and what is below the smallest number of a 32-bit float for that.
const FLOOR: f64 = 1e-12;
const SMALLEST: f64 = 1e-45;

const ADVICE: &str = "Put BatchNorm (or residual connections) between the layers and use ReLU in place of sigmoid or \
                      tanh; begin from He or Xavier weights. Fewer layers help too.";

impl VanishingGradient {
    fn readings<'o>(&self, observation: &'o Observation) -> Vec<Reading<'o>> {
        let weights =
            observation.params.iter().filter(|param| param.role == ParamRole::Weight && param.trainable);
        weights
            .filter_map(|param| {
                let gradient = param.gradient.as_ref()?;
                let (rms, mean_abs) = (gradient.rms(), gradient.mean_abs());
                let sound = gradient.non_finite() == 0 && rms.is_finite() && mean_abs.is_finite();
                sound.then_some(Reading { layer: &param.layer, rms, mean_abs })
            })
            .collect()
    }

    /// What is wrong with one layer.
    fn symptom(&self, reading: &Reading<'_>, all: &All, fitted: bool) -> Option<Symptom> {
        let ratio = reading.rms / all.median;
        let relative = [
            Threshold::below(Severity::Warning, self.ratio_warning).clear_at(3.0 * self.ratio_warning),
            Threshold::below(Severity::Critical, self.ratio_critical),
        ];
        let relative = Threshold::worst(&relative, ratio).filter(|_| all.many).map(|grade| {
            (grade, ratio, format!("{} of the median layer's {}", number(ratio), number(all.median)))
        });
        let severity = if all.mostly_tiny { Severity::Critical } else { Severity::Warning };
        let absolute = Threshold::below(severity, self.absolute)
            .clear_at(3.0 * self.absolute)
            .grade(reading.mean_abs)
            .filter(|_| !fitted)
            .map(|grade| (grade, reading.mean_abs, format!("mean |g| {}", number(reading.mean_abs))));
        let worst = [relative, absolute].into_iter().flatten();
        let (grade, value, words) = worst.max_by_key(|(grade, ..)| (grade.raises, grade.severity))?;
        Some(Symptom {
            subject: reading.layer.to_owned(),
            severity: grade.severity,
            raises: grade.raises,
            value,
            threshold: grade.threshold,
            message: format!(
                "the gradient of its weights has an RMS of {} ({words}; limit {}){}",
                number(reading.rms),
                number(grade.threshold),
                all.trend
            ),
            advice: ADVICE.to_owned(),
        })
    }

    /// The line's fall as a symptom of the first layer.
    fn falling(&self, readings: &[Reading<'_>], decades: f64) -> Option<Symptom> {
        let limits = [
            Threshold::above(Severity::Warning, self.decades_warning).clear_at(0.8 * self.decades_warning),
            Threshold::above(Severity::Critical, self.decades_critical),
        ];
        let grade = Threshold::worst(&limits, decades)?;
        let (first, last) = (readings.first()?, readings.last()?);
        Some(Symptom {
            subject: first.layer.to_owned(),
            severity: grade.severity,
            raises: grade.raises,
            value: decades,
            threshold: grade.threshold,
            message: format!(
                "gradients fall by {} decades from the last layer to the first (limit {}): RMS {} in `{}`, {} here",
                number(decades),
                number(grade.threshold),
                number(last.rms),
                last.layer,
                number(first.rms)
            ),
            advice: ADVICE.to_owned(),
        })
    }
}

/// What the layers are as a whole.
struct All {
    median: f64,
    many: bool,
    mostly_tiny: bool,
    trend: String,
}

/// Decades from the first to the last layer of the line of least squares through log₁₀ RMS; positive where gradients
/// fall towards the first layer.
fn decades(readings: &[Reading<'_>], median: f64) -> f64 {
    let n = readings.len() as f64;
    let middle = (n - 1.0) / 2.0;
    let floor = SMALLEST.max(FLOOR * median);
    let log = |reading: &Reading<'_>| reading.rms.max(floor).log10();
    let mean = readings.iter().map(log).sum::<f64>() / n;
    let (mut covariance, mut variance) = (0.0, 0.0);
    for (depth, reading) in readings.iter().enumerate() {
        let x = depth as f64 - middle;
        covariance += x * (log(reading) - mean);
        variance += x * x;
    }
    covariance / variance * (n - 1.0)
}

impl Rule for VanishingGradient {
    fn name(&self) -> &str {
        "vanishing_gradient"
    }

    fn about(&self) -> &str {
        "Gradients shrink on their way to the first layers, which then learn nothing."
    }

    fn explains(&self) -> &[&str] {
        &[
            "unchanged_parameter",
            "update_ratio",
            "loss_divergence",
            "loss_not_decreasing",
            "loss_plateau",
            "prediction_collapse",
        ]
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        self.losses.add(observation, LATEST);
        let readings = self.readings(observation);
        if observation.moment != Moment::Batch || readings.is_empty() {
            return None;
        }
        let many = readings.len() as u64 >= self.min_layers;
        let median = median(readings.iter().map(|reading| reading.rms)).unwrap_or(f64::NAN);
        let decades = if many { decades(&readings, median) } else { 0.0 };
        let tiny = readings.iter().filter(|reading| reading.mean_abs < self.absolute).count();
        let trend = if decades > 1.0 {
            let layers = count(readings.len(), "layer");
            format!("; gradients fall by {} decades over {layers} towards the input", number(decades))
        } else {
            String::new()
        };
        let all = All { median, many, mostly_tiny: 2 * tiny > readings.len(), trend };
        let fitted = self.losses.are_fitted(self.fitted_loss);
        let mut worst_first: Vec<&Reading<'_>> = readings.iter().collect();
        worst_first.sort_by(|a, b| a.rms.total_cmp(&b.rms));
        let mut symptoms: Vec<Symptom> =
            worst_first.iter().filter_map(|reading| self.symptom(reading, &all, fitted)).collect();
        if let Some(falling) = self.falling(&readings, decades).filter(|_| !fitted) {
            symptoms.retain(|symptom| symptom.subject != falling.subject);
            symptoms.insert(0, falling);
        }
        Some(self.group.one(symptoms))
    }

    fn persistence(&self) -> Persistence {
        Persistence::new(3, 5)
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        vec![
            Setting::number(
                "ratio_warning",
                &mut self.ratio_warning,
                0.0..=1.0,
                "RMS over the median layer's: a warning below",
            ),
            Setting::number(
                "ratio_critical",
                &mut self.ratio_critical,
                0.0..=1.0,
                "the same: critical below",
            ),
            Setting::number("absolute", &mut self.absolute, 0.0..=1.0, "mean |g|: a warning below"),
            Setting::number(
                "decades_warning",
                &mut self.decades_warning,
                0.0..=100.0,
                "fall from the last to the first layer in powers of ten: a warning above",
            ),
            Setting::number(
                "decades_critical",
                &mut self.decades_critical,
                0.0..=100.0,
                "the same: critical above",
            ),
            Setting::whole(
                "min_layers",
                &mut self.min_layers,
                3..=1000,
                "with fewer layers only `absolute` counts",
            ),
            Setting::number(
                "fitted_loss",
                &mut self.fitted_loss,
                0.0..=1e6,
                "below this loss `absolute` and the fall do not count: nats, or a share of the first losses",
            ),
        ]
    }
}
