//! What occlusion finds.

use serde_json::{Map, Value, json};

use super::super::{
    attribution::{number, numbers},
    classifier::Prediction,
};

/// A part of the image that was hidden, as far as it lies inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patch {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// What the answer loses with each patch of an image.
#[derive(Debug, Clone, PartialEq)]
pub struct OcclusionMap {
    /// Q: what the model answers for the image that is not occluded.
    pub prediction: Prediction,
    /// The class of both losses: Q in the lecture.
    pub class: i64,
    /// L_noccl = −log P(class), 0 or more.
    pub loss: f64,
    /// The class's logit.
    pub logit: f64,
    /// Rows and columns of the image.
    pub sides: [usize; 2],
    /// Rows and columns of a patch.
    pub patch: [usize; 2],
    /// Rows and columns from one patch to the next.
    pub stride: [usize; 2],
    /// What stands in a patch, in words with its values.
    pub fill: String,
    /// First rows of the patches.
    pub tops: Vec<usize>,
    /// First columns of the patches.
    pub lefts: Vec<usize>,
    /// δ = L_noccl − L_occl = log P_occl(class) − log P(class) of each patch, row by row. **Smaller is more important.**
    pub deltas: Vec<f64>,
    /// By how much the class's logit falls with each patch, f(x) − f(x_occl): larger is more important.
    pub drops: Vec<f64>,
    /// Which patches were measured: all, or those that coarse-to-fine found worth it. The others are interpolated.
    pub measured: Vec<bool>,
}

impl OcclusionMap {
    /// The patch at a row and a column of the grid of patches.
    pub fn patch_at(&self, row: usize, column: usize) -> Patch {
        let (top, left) = (self.tops[row], self.lefts[column]);
        let inside = |start: usize, axis: usize| self.patch[axis].min(self.sides[axis] - start);
        Patch { top, left, height: inside(top, 0), width: inside(left, 1) }
    }

    /// The patch with the smallest δ, the first of several, and its δ. `None` where no δ is a number.
    pub fn most_important(&self) -> Option<(Patch, f64)> {
        let mut best: Option<(usize, f64)> = None;
        for (number, &delta) in self.deltas.iter().enumerate() {
            if !delta.is_nan() && best.is_none_or(|(_, least)| delta < least) {
                best = Some((number, delta));
            }
        }
        let columns = self.lefts.len();
        best.map(|(number, delta)| (self.patch_at(number / columns, number % columns), delta))
    }

    /// Forward passes of one image: one for each measured patch, and one of the image itself.
    pub fn forwards(&self) -> usize {
        1 + self.measured.iter().filter(|measured| **measured).count()
    }

    /// The share of all patches that were measured, 0 to 1.
    pub fn cost(&self) -> f64 {
        (self.forwards() - 1) as f64 / self.measured.len() as f64
    }

    /// δ at every pixel, row by row: the mean over the patches that cover it.
    pub fn delta_map(&self) -> Vec<f32> {
        self.per_pixel(&self.deltas)
    }

    /// Captum's attribution at every pixel, row by row: the fall of the logit, as the mean over the patches that cover it.
    pub fn attributions(&self) -> Vec<f32> {
        self.per_pixel(&self.drops)
    }

    /// What was measured patch by patch, and captum's values for every pixel.
    pub(super) fn to_json(&self) -> Map<String, Value> {
        let many = |values: &[f64]| values.iter().map(|value| number(*value)).collect::<Vec<_>>();
        let details = [
            ("patch", json!(self.patch)),
            ("stride", json!(self.stride)),
            ("tops", json!(self.tops)),
            ("lefts", json!(self.lefts)),
            ("deltas", json!(many(&self.deltas))),
            ("logit_drops", json!(many(&self.drops))),
            ("measured", json!(self.measured)),
            ("patches", json!(self.measured.len())),
            ("patches_measured", json!(self.forwards() - 1)),
            ("captum", numbers(&self.attributions())),
        ];
        details.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Means over the patches that cover a pixel: along the rows of the image first, then along its columns. A value that
    /// is no number stays within its patch.
    fn per_pixel(&self, values: &[f64]) -> Vec<f32> {
        let [height, width] = self.sides;
        let across: Vec<Vec<f64>> = (values.chunks(self.lefts.len()))
            .map(|row| covered(row, &self.lefts, self.patch[1], width))
            .collect();
        let mut map = vec![0.0; height * width];
        for column in 0..width {
            let values: Vec<f64> = across.iter().map(|row| row[column]).collect();
            for (row, mean) in covered(&values, &self.tops, self.patch[0], height).into_iter().enumerate() {
                map[row * width + column] = mean as f32;
            }
        }
        map
    }
}

/// Along a line: the mean of the values of the patches that cover each place.
fn covered(values: &[f64], starts: &[usize], patch: usize, side: usize) -> Vec<f64> {
    let mut sums = vec![(0.0, 0.0); side];
    for (value, &start) in values.iter().zip(starts) {
        for (sum, count) in &mut sums[start..(start + patch).min(side)] {
            *sum += value;
            *count += 1.0;
        }
    }
    sums.into_iter().map(|(sum, count)| sum / count).collect()
}
