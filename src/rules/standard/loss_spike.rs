//! A batch whose loss is far above that of the batches before it.

use std::collections::VecDeque;

use super::{
    Observation, Persistence, Rule, Setting, Severity, Symptom,
    losses::{Losses, deviation},
    median::median,
    words::number,
};

/// One batch's loss jumps far above that of the batches before it: broken images or labels in that batch, or a step
/// that was too large.
///
/// Lightning's `SpikeDetection` (`fabric/utilities/spike.py`) compares with the running mean of 10 losses: a spike lies
/// at least 2 means above it. A mean and a window of 10 suffer from the spikes themselves, and near the end of a
/// training, where most batches cost next to nothing, a single mistake is many means. This rule compares with the
/// median m of the last `window` losses and their deviation s = 1.4826 · median |loss − m|. A spike is above m
///
/// * by at least `deviations` · s,
/// * by at least `relative` · |m|,
/// * by at least one and a half times what the highest of the last losses was, so that a heavy tail is no row of
///   spikes.
///
/// It is for information. It is a warning where Lightning's threshold is reached too (`large` · |m|) and the
/// spike is higher than where the training began, or where it is the `repeated`-th within `memory` batches that is at
/// least half as high as that. Losses that are not finite are the rule `non_finite`'s. Subject: `training`.
///
/// ```
/// use convscope::rules::{LossSpike, Observation, Rule};
///
/// let mut rule = LossSpike::default();
/// let loss = |step: i64| if step == 100 { 9.0 } else { 1.0 + 0.1 * (step % 7) as f64 };
/// let observation = |step: i64| Observation { losses: vec![(step.into(), loss(step))], ..Observation::default() };
/// let spikes: Vec<_> = (1..=100).filter_map(|step| rule.examine(&observation(step))).flatten().collect();
/// assert_eq!(spikes[0].message, "the loss of batch 100 jumped to 9, from 1.3 in the middle of the batches before");
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LossSpike {
    /// Least height in robust standard deviations. Default 8.
    pub deviations: f64,
    /// Least height relative to the median. Default 0.5.
    pub relative: f64,
    /// Height relative to the median from which a spike can be a warning. Default 2 (Lightning's `rtol`).
    pub large: f64,
    /// Batches to compare with; half of them must be there before the first judgement. Default 50.
    pub window: u64,
    /// So many large spikes within `memory` batches are a warning. Default 3.
    pub repeated: u64,
    /// Batches after which a spike is forgotten. Default 1000.
    pub memory: u64,
    state: State,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct State {
    losses: Losses,
    /// Batches, counted by this rule, with a large spike.
    spikes: VecDeque<u64>,
}

impl Default for LossSpike {
    fn default() -> LossSpike {
        LossSpike {
            deviations: 8.0,
            relative: 0.5,
            large: 2.0,
            window: 50,
            repeated: 3,
            memory: 1000,
            state: State::default(),
        }
    }
}

impl Rule for LossSpike {
    fn name(&self) -> &str {
        "loss_spike"
    }

    fn examine(&mut self, observation: &Observation) -> Option<Vec<Symptom>> {
        let new = self.state.losses.fresh(observation);
        let mut worst: Option<Spike> = None;
        for &(step, loss) in &new {
            if let Some(spike) = self.judge(step, loss)
                && worst.as_ref().is_none_or(|worst| spike.height() > worst.height())
            {
                worst = Some(spike);
            }
            self.state.losses.push(loss, self.window);
        }
        // What came before a spike decides; before the window is half full nothing can be said.
        let ready = self.state.losses.seen() > self.ready_after();
        (!new.is_empty() && ready).then(|| worst.into_iter().map(|spike| self.symptom(&spike)).collect())
    }

    fn about(&self) -> &str {
        "One batch's loss jumps far above that of the batches before it."
    }

    fn persistence(&self) -> Persistence {
        Persistence::at_once().clear(10)
    }

    fn settings(&mut self) -> Vec<Setting<'_>> {
        vec![
            Setting::number(
                "deviations",
                &mut self.deviations,
                0.0..=1e6,
                "least height in robust standard deviations",
            ),
            Setting::number("relative", &mut self.relative, 0.0..=1e6, "least height relative to the median"),
            Setting::number(
                "large",
                &mut self.large,
                0.0..=1e6,
                "height relative to the median from which a spike can be a warning",
            ),
            Setting::whole("window", &mut self.window, 6..=100_000, "batches to compare with"),
            Setting::whole(
                "repeated",
                &mut self.repeated,
                1..=1000,
                "so many large spikes within `memory` batches are a warning",
            ),
            Setting::whole(
                "memory",
                &mut self.memory,
                1..=1_000_000,
                "batches after which a spike is forgotten",
            ),
        ]
    }
}

/// A batch that stands out.
struct Spike {
    step: i64,
    loss: f64,
    /// Median of the losses before it.
    median: f64,
    /// What it had to reach.
    threshold: f64,
    warning: bool,
}

impl Spike {
    fn height(&self) -> f64 {
        self.loss - self.median
    }
}

impl LossSpike {
    fn ready_after(&self) -> u64 {
        (self.window / 2).max(3)
    }

    fn judge(&mut self, step: i64, loss: f64) -> Option<Spike> {
        let losses = &self.state.losses;
        if losses.seen() < self.ready_after() {
            return None;
        }
        let median = median(losses.recent())?;
        let highest = losses.recent().fold(f64::MIN, f64::max);
        let least = (self.deviations * deviation(losses.recent()))
            .max(self.relative * median.abs())
            .max(1.5 * (highest - median));
        let height = loss - median;
        if height < least || height <= 0.0 {
            return None;
        }
        let start = match losses.guessing() {
            _ if losses.saw_the_start() => losses.start().abs(),
            Some((_, guessing)) => guessing,
            None => f64::INFINITY, // a resumed training: where it began is not known
        };
        let now = losses.seen();
        while self.state.spikes.front().is_some_and(|&batch| now - batch > self.memory) {
            self.state.spikes.pop_front();
        }
        let large = height >= self.large * median.abs();
        if large && height >= 0.5 * start {
            self.state.spikes.push_back(now);
        }
        let often = large && self.state.spikes.len() as u64 >= self.repeated.max(1);
        Some(Spike {
            step,
            loss,
            median,
            threshold: median + least,
            warning: often || (large && loss > start),
        })
    }

    fn symptom(&self, spike: &Spike) -> Symptom {
        let often = match self.state.spikes.len() {
            0 | 1 => String::new(),
            n => format!("; the {n}. large one within {} batches", self.memory),
        };
        Symptom {
            subject: "training".to_owned(),
            severity: if spike.warning { Severity::Warning } else { Severity::Info },
            raises: true,
            value: spike.loss,
            threshold: spike.threshold,
            message: format!(
                "the loss of batch {} jumped to {}, from {} in the middle of the batches before{often}",
                spike.step,
                number(spike.loss),
                number(spike.median)
            ),
            advice: "Look at the images and labels of that batch. If it comes again, clip the norm of the gradient or \
                     lower the learning rate."
                .to_owned(),
        }
    }
}
