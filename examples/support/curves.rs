//! A chart of accuracy over receptive field, drawn by `plotters`.

use convscope::{Error, Figure, Image, Result};
use plotters::prelude::*;

use crate::paper::Paper;

/// As wide as a card of TensorBoard.
const SIZE: (u32, u32) = (350, 260);
/// Height of a letter of `Paper`.
const LETTER: i32 = 13;
/// Colours that everybody can tell apart (Okabe and Ito).
const COLORS: [RGBColor; 3] = [RGBColor(0, 114, 178), RGBColor(213, 94, 0), RGBColor(0, 158, 115)];

/// A line through the means of each curve and a dot for each training.
pub struct Chart {
    pub curves: Vec<Curve>,
    /// Trainings that belong to several curves.
    pub shared: Vec<Point>,
    /// Side of the images in pixels, which is marked.
    pub image: i64,
}

pub struct Curve {
    pub name: &'static str,
    /// From the smallest field to the largest.
    pub means: Vec<Point>,
    pub dots: Vec<Point>,
}

/// A receptive field in pixels, and an accuracy from 0 to 1.
type Point = (i64, f64);

impl Figure for Chart {
    fn to_image(&self) -> Result<Image> {
        let mut paper = Paper::new(SIZE);
        self.draw(&mut paper).map_err(|error| Error::invalid("figure", error.to_string()))?;
        paper.into_image()
    }
}

impl Chart {
    fn draw(&self, paper: &mut Paper) -> Result<(), Box<dyn std::error::Error + '_>> {
        let (widest, low, high) = self.range();
        let area = paper.into_drawing_area();
        area.fill(&WHITE)?;
        let font = ("", LETTER).into_font();
        area.draw(&Text::new("accuracy in %: dot = one training, line = mean", (12, 6), font.clone()))?;
        let mut chart = ChartBuilder::on(&area)
            .margin(8)
            .margin_top(26)
            .margin_right(66)
            .x_label_area_size(36)
            .y_label_area_size(30)
            .build_cartesian_2d(0.0..widest, low..high)?;
        chart
            .configure_mesh()
            .x_desc("receptive field in pixels")
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&|pixels| format!("{pixels:.0}"))
            .y_label_formatter(&|percent| format!("{percent:.0}"))
            .max_light_lines(0)
            .draw()?;

        let image = self.image as f64;
        let mark = BLACK.mix(0.5).stroke_width(1);
        chart.draw_series(LineSeries::new([(image, low), (image, high)], mark))?;
        let beside = (image + 0.5, low + 0.08 * (high - low));
        chart.draw_series([Text::new(format!("image: {image} px"), beside, font.clone())])?;

        let mut ends = Vec::new();
        for (curve, color) in self.curves.iter().zip(COLORS) {
            let line: Vec<_> = curve.means.iter().map(scaled).collect();
            ends.extend(line.last().map(|end| (chart.backend_coord(end), curve.name, color)));
            chart.draw_series(LineSeries::new(line, color.stroke_width(2)))?;
        }
        let dots = self.curves.iter().map(|curve| &curve.dots).zip(COLORS);
        for (dots, color) in dots.chain([(&self.shared, BLACK)]) {
            chart.draw_series(dots.iter().map(|dot| Circle::new(scaled(dot), 3, color.filled())))?;
        }

        // A name at the end of each line, none upon another.
        ends.sort_by_key(|&((_, y), ..)| y);
        let mut free = 0;
        for ((x, y), name, color) in ends {
            let top = (y - LETTER / 2).max(free);
            area.draw(&Text::new(name, (x + 8, top), font.color(&color)))?;
            free = top + LETTER;
        }
        area.present()?;
        Ok(())
    }

    /// The largest field, and whole steps of 5 % below and above all dots.
    fn range(&self) -> (f64, f64, f64) {
        let dots = self.curves.iter().flat_map(|curve| &curve.dots).chain(&self.shared).map(scaled);
        let (widest, low, high) = dots
            .fold((1.0_f64, 100.0_f64, 0.0_f64), |(widest, low, high), (field, percent)| {
                (widest.max(field), low.min(percent), high.max(percent))
            });
        let low = (low / 5.0).floor() * 5.0;
        (widest, low, ((high / 5.0).ceil() * 5.0).max(low + 5.0))
    }
}

fn scaled(&(field, accuracy): &Point) -> (f64, f64) {
    (field as f64, 100.0 * accuracy)
}
