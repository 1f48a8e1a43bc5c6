//! Numbers of the layers at all steps.

use std::collections::HashMap;

use super::statistic::Statistic;
use crate::{
    error::Result,
    render::{self, Caption, HeatMap},
    summary::{Image, Step},
};

/// So many columns are kept; of more measurements, neighbours are merged.
const MOST: usize = 2048;

/// One number of each layer at all steps.
#[derive(Debug)]
pub(super) struct History {
    pub statistic: Statistic,
    layers: Vec<String>,
    /// Where each of them stands.
    rows: HashMap<String, usize>,
    /// The last step of each column.
    steps: Vec<Step>,
    /// Of each layer, one for each column. NaN: not measured.
    values: Vec<Vec<f64>>,
    /// Measurements in a full column.
    merged: usize,
    /// Measurements in the last column.
    open: usize,
}

impl History {
    pub fn new(statistic: Statistic) -> History {
        History {
            statistic,
            layers: Vec::new(),
            rows: HashMap::new(),
            steps: Vec::new(),
            values: Vec::new(),
            merged: 1,
            open: 0,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// The layers in the order of depth.
    pub fn layers(&self) -> &[String] {
        &self.layers
    }

    /// What was measured last of a layer; NaN: nothing.
    pub fn last(&self, layer: &str) -> f64 {
        let row = self.rows.get(layer).map(|&row| &self.values[row]);
        let last = row.and_then(|row| row.iter().rev().find(|value| !value.is_nan()));
        last.copied().unwrap_or(f64::NAN)
    }

    /// Adds what was measured at `step` of layers in the order of depth, if anything was.
    pub fn add(&mut self, step: Step, measured: &[(&str, f64)]) {
        if measured.is_empty() || self.steps.last().is_some_and(|last| *last > step) {
            return;
        }
        self.open_column(step);
        let mut next = 0;
        for &(layer, value) in measured {
            let row = self.row(layer, next);
            next = row + 1;
            let share = 1.0 / self.open as f64;
            if let Some(cell) = self.values[row].last_mut() {
                *cell = if cell.is_nan() { value } else { *cell + share * (value - *cell) };
                if value.is_infinite() || cell.is_nan() {
                    *cell = f64::INFINITY;
                }
            }
        }
    }

    /// Makes a column for `step`, unless the last one has room or is of this step.
    fn open_column(&mut self, step: Step) {
        let is_again = self.steps.last() == Some(&step);
        if let (false, Some(last)) = (is_again || self.open >= self.merged, self.steps.last_mut()) {
            *last = step;
            self.open += 1;
        } else if !is_again {
            if self.steps.len() >= MOST {
                self.merge();
            }
            self.steps.push(step);
            self.values.iter_mut().for_each(|row| row.push(f64::NAN));
            self.open = 1;
        }
    }

    /// Halves the number of columns.
    fn merge(&mut self) {
        self.merged *= 2;
        self.steps = self.steps.chunks(2).map(|pair| pair[pair.len() - 1]).collect();
        for row in &mut self.values {
            *row = row.chunks(2).map(render::mean_of_measured).collect();
        }
    }

    /// The row of a layer; where it is new, `next` becomes its row: behind the layer that it was measured behind.
    fn row(&mut self, layer: &str, next: usize) -> usize {
        if let Some(&row) = self.rows.get(layer) {
            return row;
        }
        self.layers.insert(next, layer.to_owned());
        self.values.insert(next, vec![f64::NAN; self.steps.len()]);
        self.rows.values_mut().filter(|row| **row >= next).for_each(|row| *row += 1);
        self.rows.insert(layer.to_owned(), next);
        next
    }

    pub fn draw(&self, caption: &Caption<'_>) -> Result<Image> {
        let mut note = self.statistic.meaning().to_owned();
        if self.merged > 1 {
            note.push_str(&format!("; a measurement is the mean of {} neighbouring ones", self.merged));
        }
        let map = HeatMap {
            quantity: self.statistic.title(),
            layers: &self.layers.iter().map(String::as_str).collect::<Vec<_>>(),
            steps: &self.steps,
            values: &self.values.concat(),
            scale: self.statistic.scale(),
        };
        render::heat_map(&map, &note, caption)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_trainings_are_merged_and_nothing_that_is_not_finite_is_lost() {
        let mut history = History::new(Statistic::ActivationRms);
        let count = 3 * MOST as i64;
        for step in 1..=count {
            let broken = if step == 7 { f64::INFINITY } else { 3.0 };
            history.add(Step::new(step), &[("a", step as f64), ("b", broken)]);
        }
        assert!(history.steps.len() <= MOST && history.merged == 4);
        assert_eq!(history.steps.last(), Some(&Step::new(count)));
        assert!(history.steps.is_sorted_by(|a, b| a < b));
        let mean = history.values[0].iter().sum::<f64>() / history.values[0].len() as f64;
        assert!((mean - (count as f64 + 1.0) / 2.0).abs() < 1e-6, "{mean}");
        let broken: Vec<usize> =
            (0..history.steps.len()).filter(|&column| history.values[1][column].is_infinite()).collect();
        assert_eq!(broken, [1]);
        assert_eq!(history.values[1][2], 3.0);
    }

    #[test]
    fn layers_that_come_later_have_no_past() {
        let mut history = History::new(Statistic::ActivationRms);
        history.add(Step::new(1), &[("a", 1.0)]);
        history.add(Step::new(2), &[("a", 2.0), ("b", 5.0)]);
        history.add(Step::new(2), &[("b", 5.0)]); // the same step again
        history.add(Step::new(3), &[]);
        assert_eq!(history.steps, [1, 2].map(Step::new));
        assert_eq!(history.values[0], [1.0, 2.0]);
        assert!(history.values[1][0].is_nan() && history.values[1][1] == 5.0);
        assert_eq!((history.last("b"), history.last("c").is_nan()), (5.0, true));
    }

    /// Layers that were frozen at first, and one that is first of all.
    #[test]
    fn layers_that_come_later_stand_where_they_belong() {
        let mut history = History::new(Statistic::GradientRms);
        history.add(Step::new(1), &[("b", 1.0), ("e", 2.0)]);
        history.add(Step::new(2), &[("a", 3.0), ("b", 4.0), ("c", 5.0), ("d", 6.0), ("e", 7.0), ("f", 8.0)]);
        assert_eq!(history.layers(), ["a", "b", "c", "d", "e", "f"]);
        let last: Vec<f64> = history.values.iter().map(|row| row[1]).collect();
        assert_eq!(last, [3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        assert_eq!(
            (history.values[1][0], history.values[4][0], history.values[2][0].is_nan()),
            (1.0, 2.0, true)
        );
        assert_eq!(history.last("e"), 7.0);
    }
}
