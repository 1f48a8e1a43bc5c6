//! The loss is higher than where it was.

use super::{Observation, Persistence, Rule, Setting, Severity, Symptom, losses::Losses, words::number};

/// The training loss went up for good: above where the training began, far above what guessing costs, or back over half
/// of what it had fallen. Mostly a learning rate that is too large.
///
/// Three tests on the mean of the last `window` batches, from the `patience`-th batch on; each must be exceeded by
/// three standard errors of that mean:
///
/// * above the first losses by the share `rise` (0.05: what AWS SageMaker Debugger's `LossNotDecreasing` tolerates),
/// * above `guessing` times ln C and the first losses by the share `rise`, where the number of classes C is known and the
///   first losses look like cross-entropy; not while the loss falls from one window to the next,
/// * above the lowest mean so far by the share `lost` of what the loss had fallen until then, if that was at least a
///   tenth of the first losses.
///
/// Resumed trainings have the second test alone. Where the weights were trained before (first losses below half of
/// ln C), the first test asks for half of ln C too, and there is no third: of a loss of nearly nothing everything is a
/// large share. A single high batch is a [spike](super::LossSpike). Subject: `training`. A warning: the rules on
/// gradients and inputs are critical where they find the cause.
#[derive(Debug, Clone, PartialEq)]
pub struct LossDivergence {
    /// Tolerated rise above the first losses, as a share of them. Default 0.05 (AWS).
    pub rise: f64,
    /// Tolerated multiple of ln C. Default 1.5: worse than guessing by what a network has to be sure of, and wrong.
    pub guessing: f64,
    /// Tolerated loss of what was gained, as a share. Default 0.5.
    pub lost: f64,
    /// Batches over which losses are averaged. Default 30.
    pub window: u64,
    /// Batches before the first judgement. Default 50.
    pub patience: u64,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct State {
    losses: Losses,
    lowest: Option<f64>,
}

impl Default for LossDivergence {
    fn default() -> LossDivergence {
        LossDivergence {
            rise: 0.05,
            guessing: 1.5,
            lost: 0.5,
            window: 30,
            patience: 50,
            state: State::default(),
        }
    }
}

impl Rule for LossDivergence {
    fn name(&self) -> &str {
        "loss_divergence"
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        if self.state.losses.add(observation, self.window.saturating_mul(2)) == 0 {
            return None;
        }
        let losses = &self.state.losses;
        let ((now, error), before) = losses.levels(self.window);
        let falling = before.is_some_and(|(before, noise)| before - now > 2.0 * noise.hypot(error));
        if losses.seen() < self.window {
            return None;
        }
        let lowest = self.state.lowest.map_or(now, |lowest| lowest.min(now));
        self.state.lowest = Some(lowest);
        if losses.seen() < self.patience {
            return None;
        }
        // The limit that is exceeded by the most is the one to tell.
        let worst = self
            .limits(lowest, falling)
            .into_iter()
            .filter(|limit| now > limit.keep)
            .max_by(|a, b| (now - a.raise).total_cmp(&(now - b.raise)));
        Some(worst.into_iter().map(|limit| symptom(now, &limit, now - 3.0 * error > limit.raise)).collect())
    }

    fn about(&self) -> &str {
        "The training loss went up for good: above the first losses, above guessing, or back over what it had fallen."
    }

    fn persistence(&self) -> Persistence {
        Persistence::new(2, 3).warm_up(0).clear(3)
    }

    fn explains(&self) -> &[&str] {
        &["loss_not_decreasing", "prediction_collapse"]
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        vec![
            Setting::number(
                "rise",
                &mut self.rise,
                0.0..=1e6,
                "tolerated rise above the first losses, as a share of them",
            ),
            Setting::number(
                "guessing",
                &mut self.guessing,
                1.0..=1e6,
                "tolerated multiple of ln C, what guessing costs",
            ),
            Setting::number(
                "lost",
                &mut self.lost,
                0.0..=1.0,
                "tolerated loss of what was gained, as a share",
            ),
            Setting::whole("window", &mut self.window, 2..=100_000, "batches over which losses are averaged"),
            Setting::whole(
                "patience",
                &mut self.patience,
                2..=1_000_000_000,
                "batches before the first judgement",
            ),
        ]
    }
}

/// A level that the loss should not exceed.
struct Limit {
    /// Above it the alarm is raised.
    raise: f64,
    /// Down to it the alarm is kept.
    keep: f64,
    what: String,
}

impl LossDivergence {
    fn limits(&self, lowest: f64, falling: bool) -> Vec<Limit> {
        let losses = &self.state.losses;
        let start = losses.start();
        let mut limits = Vec::new();
        let above_start = |share: f64| start + share * start.abs();
        let trained = losses.began_trained();
        if losses.saw_the_start() {
            let least = losses
                .classes()
                .filter(|_| trained)
                .map_or(f64::NEG_INFINITY, |(_, guessing)| 0.5 * guessing);
            limits.push(Limit {
                raise: above_start(self.rise).max(least),
                keep: above_start(0.5 * self.rise).max(0.9 * least),
                what: format!("above where the training began, {}", number(start)),
            });
            let gained = start - lowest;
            if gained > 0.1 * start.abs() && !trained {
                limits.push(Limit {
                    raise: lowest + self.lost * gained,
                    keep: lowest + 0.5 * self.lost * gained,
                    what: format!(
                        "{} % of the way back up from its lowest mean, {}, to the start, {}",
                        number(100.0 * self.lost),
                        number(lowest),
                        number(start)
                    ),
                });
            }
        }
        if let Some((classes, guessing)) = losses.guessing().filter(|_| !falling) {
            // Where a resumed training began is not known.
            let first = |share| if losses.saw_the_start() { above_start(share) } else { f64::NEG_INFINITY };
            limits.push(Limit {
                raise: (self.guessing * guessing).max(first(self.rise)),
                keep: (0.5 * (1.0 + self.guessing) * guessing).max(first(0.5 * self.rise)),
                what: format!("far above guessing, ln {classes} = {}", number(guessing)),
            });
        }
        limits
    }
}

fn symptom(now: f64, limit: &Limit, raises: bool) -> Symptom {
    Symptom {
        subject: "training".to_owned(),
        severity: Severity::Warning,
        raises,
        value: now,
        threshold: limit.raise,
        message: format!("the loss is {} on average over the last batches, {}", number(now), limit.what),
        advice: "Divide the learning rate by ten and begin again, or from the last good checkpoint. If that does not \
                 help, clip the norm of the gradient, and look at the range of the inputs."
            .to_owned(),
    }
}
