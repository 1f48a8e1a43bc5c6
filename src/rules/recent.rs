//! The last steps of a training in short.

use std::collections::VecDeque;

use super::{Moment, Observation, ParamRole, TensorStats};
use crate::{
    render::number,
    summary::{Step, Table},
};

/// One step of a training in short. What was not measured at that step is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Recent {
    /// The step.
    pub step: Step,
    /// Training loss of its batch.
    pub loss: Option<f64>,
    /// The learning rate.
    pub learning_rate: Option<f64>,
    /// L2 norm of all gradients before clipping.
    pub gradient_norm: Option<f64>,
    /// The greatest update ratio of a weight.
    pub update_ratio: Option<f64>,
    /// The greatest absolute value in an output of a layer.
    pub activation: Option<f64>,
    /// Values that are NaN or infinite, in outputs, gradients and parameters together.
    pub non_finite: Option<u64>,
}

impl Recent {
    /// A Markdown table of steps.
    ///
    /// ```
    /// use convscope::rules::Recent;
    ///
    /// let steps = [Recent { step: 3.into(), loss: Some(f64::NAN), ..Recent::default() }];
    /// assert!(Recent::to_markdown(&steps).ends_with("| 3 | NaN |  |  |  |  |  |\n"));
    /// ```
    pub fn to_markdown(steps: &[Recent]) -> String {
        Recent::table(steps).to_markdown()
    }

    /// A table of steps.
    pub fn table(steps: &[Recent]) -> Table {
        let mut table = Table::new([
            "step",
            "loss",
            "learning rate",
            "gradient norm",
            "greatest update ratio",
            "greatest activation",
            "NaN or infinite",
        ]);
        for recent in steps {
            let numbers = [
                recent.loss,
                recent.learning_rate,
                recent.gradient_norm,
                recent.update_ratio,
                recent.activation,
                recent.non_finite.map(|count| count as f64),
            ];
            let cells = numbers.map(|value| value.map_or_else(String::new, number));
            table.row([recent.step.to_string()].into_iter().chain(cells));
        }
        table
    }

    fn measured(observation: &Observation) -> Recent {
        let weights = observation.params.iter().filter(|param| param.role == ParamRole::Weight);
        let tensors = observation
            .layers
            .iter()
            .flat_map(|layer| [Some(&layer.output), layer.gradient.as_ref()])
            .chain(observation.params.iter().flat_map(|param| [Some(&param.value), param.gradient.as_ref()]))
            .flatten();
        Recent {
            step: observation.step,
            loss: None,
            learning_rate: observation.learning_rate,
            gradient_norm: observation.gradient_norm,
            update_ratio: greatest(weights.filter_map(|param| param.update_ratio)),
            activation: greatest(observation.layers.iter().map(|layer| layer.output.max_abs())),
            non_finite: tensors.map(TensorStats::non_finite).reduce(u64::saturating_add),
        }
    }
}

fn greatest(values: impl Iterator<Item = f64>) -> Option<f64> {
    values.filter(|value| !value.is_nan()).max_by(f64::total_cmp)
}

/// The last steps: a row for each batch whose loss is known, or that was measured.
#[derive(Debug)]
pub(super) struct Ring {
    rows: VecDeque<Recent>,
    length: usize,
}

impl Ring {
    pub(super) fn new(length: usize) -> Ring {
        Ring { rows: VecDeque::with_capacity(length), length }
    }

    pub(super) fn add(&mut self, observation: &Observation) {
        for &(step, loss) in &observation.losses {
            self.row(step).loss = Some(loss);
        }
        if observation.moment == Moment::Batch {
            let measured = Recent::measured(observation);
            let row = self.row(observation.step);
            *row = Recent { loss: row.loss, ..measured };
        }
    }

    /// The row of `step`: the last one, or a new one behind it.
    fn row(&mut self, step: Step) -> &mut Recent {
        if self.rows.back().is_none_or(|last| last.step != step) {
            if self.rows.len() >= self.length {
                self.rows.pop_front();
            }
            self.rows.push_back(Recent { step, ..Recent::default() });
        }
        let last = self.rows.len() - 1;
        &mut self.rows[last]
    }

    pub(super) fn rows(&self) -> &VecDeque<Recent> {
        &self.rows
    }
}
