//! The loss has stopped falling.

use super::{Observation, Persistence, Rule, Setting, Severity, Symptom, losses::Losses, words::number};

/// The training loss has stopped falling: it is time for a smaller learning rate, or for the end.
///
/// The loss is averaged over stretches of an epoch, but of `shortest` batches at least. It stands still when `patience`
/// stretches in a row were not lower than the lowest one by more than the share `improvement`. PyTorch's and Keras'
/// `ReduceLROnPlateau` wait for 10 epochs as well; the least improvement is theirs, 0.0001, for every single epoch,
/// which within 10 epochs the noise of the batches reaches by chance. Here it is a share of the lowest mean, however
/// many stretches it takes: 0.01, a tenth of what AWS SageMaker Debugger's `LossNotDecreasing` (0.1 % in 10 steps) asks
/// for within 100 batches.
///
/// Every training ends on a plateau, so it is for information; a warning where the loss is still above the share `high`
/// of the first losses. A loss that never fell is [`LossNotDecreasing`](super::LossNotDecreasing)'s, one below the
/// share `done` of the first losses has nowhere to go. Subject: `training`.
#[derive(Debug, Clone, PartialEq)]
pub struct LossPlateau {
    /// Least improvement that counts, as a share of the lowest mean. Default 0.01.
    pub improvement: f64,
    /// Stretches without an improvement. Default 10 (PyTorch, Keras).
    pub patience: u64,
    /// Batches in a stretch at least; epochs that are longer are one stretch each. Default 100.
    pub shortest: u64,
    /// A plateau above this share of the first losses is a warning. Default 0.5.
    pub high: f64,
    /// No alarm below this share of the first losses. Default 0.01.
    pub done: f64,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct State {
    losses: Losses,
    /// Sum and number of the losses of the stretch that is not full yet.
    sum: f64,
    count: u64,
    lowest: Option<f64>,
    /// Stretches since the last improvement, and their batches.
    waited: u64,
    batches: u64,
}

impl Default for LossPlateau {
    fn default() -> LossPlateau {
        LossPlateau {
            improvement: 0.01,
            patience: 10,
            shortest: 100,
            high: 0.5,
            done: 0.01,
            state: State::default(),
        }
    }
}

impl Rule for LossPlateau {
    fn name(&self) -> &str {
        "loss_plateau"
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        let length = self.shortest.max(observation.batches_per_epoch.unwrap_or(0)).max(1);
        let mut closed = false;
        for (_, loss) in self.state.losses.fresh(observation) {
            self.state.losses.push(loss, 1);
            self.state.sum += loss;
            self.state.count += 1;
            if self.state.count >= length {
                let mean = self.state.sum / self.state.count as f64;
                self.close(mean);
                closed = true;
            }
        }
        closed.then(|| self.symptom().into_iter().collect())
    }

    fn about(&self) -> &str {
        "The training loss has stopped falling."
    }

    fn persistence(&self) -> Persistence {
        Persistence::at_once()
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        vec![
            Setting::number(
                "improvement",
                &mut self.improvement,
                0.0..=1.0,
                "least improvement that counts, as a share of the lowest mean",
            ),
            Setting::whole("patience", &mut self.patience, 1..=1_000_000, "stretches without an improvement"),
            Setting::whole(
                "shortest",
                &mut self.shortest,
                1..=1_000_000_000,
                "batches in a stretch at least; longer epochs are one each",
            ),
            Setting::number(
                "high",
                &mut self.high,
                0.0..=1.0,
                "a plateau above this share of the first losses is a warning",
            ),
            Setting::number(
                "done",
                &mut self.done,
                0.0..=1.0,
                "no alarm below this share of the first losses",
            ),
        ]
    }
}

impl LossPlateau {
    /// A stretch is full.
    fn close(&mut self, mean: f64) {
        let state = &mut self.state;
        let batches = std::mem::take(&mut state.count);
        state.sum = 0.0;
        match state.lowest {
            Some(lowest) if mean >= lowest - self.improvement * lowest.abs() => {
                state.waited += 1;
                state.batches += batches;
            }
            _ => {
                state.lowest = Some(mean);
                (state.waited, state.batches) = (0, 0);
            }
        }
    }

    fn symptom(&self) -> Option<Symptom> {
        let state = &self.state;
        let lowest = state.lowest?;
        // Where a resumed training began is not known: then a plateau is for information.
        let start = state.losses.saw_the_start().then(|| state.losses.start());
        let never_fell = start.is_some_and(|start| lowest > start - 0.05 * start.abs());
        let done = start.is_some_and(|start| start > 0.0 && lowest < self.done * start);
        if state.waited < self.patience.max(1) || never_fell || done {
            return None;
        }
        let high = start.is_some_and(|start| start > 0.0 && lowest > self.high * start);
        Some(Symptom {
            subject: "training".to_owned(),
            severity: if high { Severity::Warning } else { Severity::Info },
            raises: true,
            value: state.waited as f64,
            threshold: self.patience as f64,
            message: format!(
                "the loss has not fallen below {} by more than {} % for {} batches",
                number(lowest),
                number(100.0 * self.improvement),
                state.batches
            ),
            advice: if high {
                "Divide the learning rate by ten. If the loss does not fall then, the network is too small for the \
                 task, or the labels are not in the images."
                    .to_owned()
            } else {
                "If it is good enough, stop here. Else divide the learning rate by ten; if that does not help, a larger \
                 network may."
                    .to_owned()
            },
        })
    }
}
