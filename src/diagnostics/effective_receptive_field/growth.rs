//! The sizes of all layers at all steps so far.

use super::view::Measure;
use crate::{
    error::Result,
    render::{self, Caption, GrowthCurve},
    summary::{Image, Step},
};

/// Points of the growth curves that are kept; from there on every second one goes.
const MOST_POINTS: usize = 1000;

/// The sizes at all steps so far.
#[derive(Debug, Default)]
pub(super) struct Growth(Vec<(Step, Vec<Measure>)>);

impl Growth {
    pub fn add(&mut self, step: Step, measured: Vec<Measure>) {
        if self.0.len() >= MOST_POINTS {
            let mut number = 0;
            self.0.retain(|_| {
                number += 1;
                number % 2 == 1
            });
        }
        self.0.retain(|(earlier, _)| *earlier < step);
        self.0.push((step, measured));
    }

    pub fn draw(&self, layers: &[String], caption: &Caption<'_>) -> Result<Image> {
        let steps: Vec<Step> = self.0.iter().map(|(step, _)| *step).collect();
        let of_layer = |layer: usize| self.0.iter().filter_map(move |(_, measured)| measured.get(layer));
        let sizes: Vec<Vec<f64>> =
            (0..layers.len()).map(|layer| of_layer(layer).map(|measure| measure.size).collect()).collect();
        let curves: Vec<GrowthCurve<'_>> = layers
            .iter()
            .zip(&sizes)
            .enumerate()
            .map(|(number, (layer, sizes))| {
                let limit = of_layer(number).next_back().and_then(|measure| measure.limit);
                GrowthCurve { layer, sizes, limit }
            })
            .collect();
        let mut note =
            "rows and columns that hold 95 % of the mass; dotted: theoretical field within the image"
                .to_owned();
        let unknown = sizes.iter().filter(|sizes| sizes.last().is_some_and(|size| size.is_nan())).count();
        if unknown > 0 {
            note +=
                &format!("; of {unknown} of {} layers not known at this step: NaN or infinite", layers.len());
        }
        render::growth(&steps, &curves, &note, caption)
    }
}
