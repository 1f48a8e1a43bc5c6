//! A figure of a plotting crate: `cargo run --no-default-features --example figure [LOGDIR]`, then
//! `tensorboard --logdir LOGDIR`.
//!
//! `plotters` draws here on a `Paper` of our own, so that no system font is needed. With its default features
//! `BitMapBackend::with_buffer(&mut pixels, size)` takes its place.

#![allow(missing_docs)]

#[path = "support/paper.rs"]
mod paper;

use std::env;

use convscope::{Error, Figure, Image, Result, SummaryWriter};
use paper::Paper;
use plotters::prelude::*;

/// As wide as a card of TensorBoard, which leaves out lines of pixels of wider pictures.
const SIZE: (u32, u32) = (350, 240);

fn main() -> Result<()> {
    let logdir = env::args().nth(1).unwrap_or_else(|| "logs".to_owned());
    let writer = SummaryWriter::create(&logdir)?;
    for step in (0..=1000).step_by(250) {
        writer.add_figure("schedule/learning_rate", &LearningRates { now: step }, step)?;
    }
    writer.add_figure("a/closure", &|| Image::rgb(2, 1, vec![255, 0, 0, 0, 0, 255]), 0)?;
    println!("wrote {}\nshow it: tensorboard --logdir {logdir}", writer.path().display());
    writer.close()
}

/// The learning rate over all steps, and where the training is.
struct LearningRates {
    now: i32,
}

impl LearningRates {
    fn at(step: i32) -> f64 {
        0.05 * (1.0 + (std::f64::consts::PI * f64::from(step) / 1000.0).cos())
    }

    fn draw(&self, paper: &mut Paper) -> Result<(), Box<dyn std::error::Error + '_>> {
        let area = paper.into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(40)
            .build_cartesian_2d(0..1000, 0.0..0.1)?;
        chart.configure_mesh().x_desc("step").y_labels(6).x_labels(6).max_light_lines(1).draw()?;
        chart.draw_series(LineSeries::new(
            (0..=1000).map(|step| (step, Self::at(step))),
            BLUE.stroke_width(2),
        ))?;
        let now = [(self.now, Self::at(self.now))];
        chart.draw_series(now.map(|at| Circle::new(at, 5, RED.filled())))?;
        area.present()?;
        Ok(())
    }
}

impl Figure for LearningRates {
    fn to_image(&self) -> Result<Image> {
        let mut paper = Paper::new(SIZE);
        self.draw(&mut paper).map_err(|error| Error::invalid("figure", error.to_string()))?;
        paper.into_image()
    }
}
