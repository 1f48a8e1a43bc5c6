//! Units behind a ReLU that are never active.

use std::fmt::Write;

use super::{
    Cause, LayerObservation, Observation, Persistence, Rule, Setting, Severity, SilentUnit, Symptom,
    Threshold, UnitActivity,
    group::Group,
    words::{count, number, percent},
};

/// Many units (channels of a map, features of a vector) of a layer were not active for a single image and position of
/// a whole window. Nothing flows through a dead unit, forward or backward, so that it does not come back by itself.
///
/// Judged by windows of hundreds of images ([`UnitActivity`]): a channel that answers to 1 % of the images is silent
/// in 72 % of all batches of 32. It is the share of *silent units* that counts: half of the *values* behind a ReLU are
/// zeros in any healthy network.
///
/// A warning above 50 % of a layer, which is where DeadRelu of Amazon SageMaker Debugger alarms; keras-contrib warns from
/// 10 % on. But a healthy network has more units than it needs: the fully connected layers of 32 units in
/// `examples/pathologies` lose up to 47 %, and learn. Critical above 80 %: what is left is a bottleneck.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadRelu {
    /// Share of silent units of a layer: a warning above. Default 0.5.
    pub warning: f64,
    /// The same: critical above. Default 0.8.
    pub critical: f64,
    /// Windows with fewer images say nothing. Default 100.
    pub min_samples: u64,
    group: Group,
}

impl Default for DeadRelu {
    fn default() -> DeadRelu {
        DeadRelu { warning: 0.5, critical: 0.8, min_samples: 100, group: Group::default() }
    }
}

/// Why the silent units of a layer are silent, in numbers.
struct Reasons<'u> {
    bias: Vec<(&'u str, f64)>,
    scale: Vec<(&'u str, f64)>,
    input: Vec<&'u str>,
}

impl<'u> Reasons<'u> {
    fn of(silent: &'u [SilentUnit]) -> Reasons<'u> {
        let mut reasons = Reasons { bias: Vec::new(), scale: Vec::new(), input: Vec::new() };
        for unit in silent {
            match &unit.cause {
                Some(Cause::NegativeBias { param, value }) => reasons.bias.push((param, *value)),
                Some(Cause::ZeroScale { param, value }) => reasons.scale.push((param, *value)),
                Some(Cause::SilentInput { layer }) => reasons.input.push(layer),
                None => {}
            }
        }
        reasons
    }

    fn words(&self) -> String {
        let mut words = String::new();
        let valued = [(&self.bias, "a negative bias"), (&self.scale, "a scale near 0")];
        for (units, what) in valued {
            if let Some((param, value)) = units.first() {
                let _ = write!(words, "; {} by {what} (`{param}`, such as {})", units.len(), number(*value));
            }
        }
        if let Some(layer) = self.input.first() {
            let _ = write!(words, "; {} because `{layer}`, which they read, is silent", self.input.len());
        }
        words
    }

    fn advice(&self) -> &'static str {
        let most = self.bias.len().max(self.scale.len()).max(self.input.len());
        if most == 0 {
            "Lower the learning rate and begin from He weights and biases of 0; leaky ReLU in its place cannot die."
        } else if most == self.bias.len() {
            "Begin with biases of 0. If they became negative in training, lower the learning rate; leaky ReLU in its \
             place cannot die."
        } else if most == self.scale.len() {
            "Begin with scales of 1, keep weight decay away from them, and lower the learning rate."
        } else {
            "Mend the layer that it reads first."
        }
    }
}

impl DeadRelu {
    fn symptom(&self, layer: &LayerObservation, units: &UnitActivity) -> Option<Symptom> {
        let share = units.silent_share();
        let limits = [
            Threshold::above(Severity::Warning, self.warning).clear_at(0.8 * self.warning),
            Threshold::above(Severity::Critical, self.critical),
        ];
        let grade = Threshold::worst(&limits, share)?;
        let reasons = Reasons::of(&units.silent);
        Some(Symptom {
            subject: layer.name.clone(),
            severity: grade.severity,
            raises: grade.raises,
            value: share,
            threshold: grade.threshold,
            message: format!(
                "{} of {} ({}; limit {}) were silent for all {} images of a window{}{}{}",
                units.silent.len(),
                count(usize::try_from(units.units).unwrap_or(usize::MAX), "unit"),
                percent(share),
                percent(grade.threshold),
                units.samples,
                history(&units.silent),
                reasons.words(),
                positions(units),
            ),
            advice: reasons.advice().to_owned(),
        })
    }
}

/// Since when they are silent.
fn history(silent: &[SilentUnit]) -> String {
    let died = silent.iter().filter_map(|unit| unit.last_active).max();
    let never = silent.iter().filter(|unit| unit.last_active.is_none()).count();
    match died {
        None => "; none was ever seen active".to_owned(),
        Some(step) if never == 0 => format!("; the last of them was active at step {step}"),
        Some(step) => format!("; {never} were never seen active, the last of the others was at step {step}"),
    }
}

/// The stricter count, position by position, where it says more than that of whole units.
fn positions(units: &UnitActivity) -> String {
    let more = units.silent_positions.filter(|&silent| silent > units.silent.len() as u64);
    more.map_or_else(String::new, |silent| format!("; {silent} positions of the maps were silent"))
}

/// Whether it is silent because of the layer before it: that one is named first.
fn follows(units: &UnitActivity) -> bool {
    let by_input =
        units.silent.iter().filter(|unit| matches!(unit.cause, Some(Cause::SilentInput { .. }))).count();
    2 * by_input > units.silent.len()
}

impl Rule for DeadRelu {
    fn name(&self) -> &str {
        "dead_relu"
    }

    fn about(&self) -> &str {
        "Units behind a ReLU are silent for a whole window of images: nothing flows through them any more."
    }

    fn explains(&self) -> &[&str] {
        &[
            "sparse_activations",
            "vanishing_gradient",
            "update_ratio",
            "unchanged_parameter",
            "batch_norm_drift",
            "loss_divergence",
            "loss_not_decreasing",
            "loss_plateau",
            "prediction_collapse",
            "no_generalization",
        ]
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        let measured = observation.layers.iter().filter_map(|layer| Some((layer, layer.units.as_ref()?)));
        let mut windows: Vec<_> = measured.filter(|(_, units)| units.samples >= self.min_samples).collect();
        if windows.is_empty() {
            return None;
        }
        windows.sort_by_key(|(_, units)| follows(units)); // stable: else from the first layer on
        let symptoms = windows.into_iter().filter_map(|(layer, units)| self.symptom(layer, units)).collect();
        Some(self.group.one(symptoms))
    }

    /// A window is hundreds of images: one is enough.
    fn persistence(&self) -> Persistence {
        Persistence::at_once()
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        vec![
            Setting::number(
                "warning",
                &mut self.warning,
                0.0..=1.0,
                "share of silent units of a layer: a warning above",
            ),
            Setting::number("critical", &mut self.critical, 0.0..=1.0, "the same: critical above"),
            Setting::whole(
                "min_samples",
                &mut self.min_samples,
                1..=1_000_000,
                "windows with fewer images say nothing",
            ),
        ]
    }
}
