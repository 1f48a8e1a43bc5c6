//! A figure of a plotting crate: `cargo run --no-default-features --example figure [LOGDIR]`, then
//! `tensorboard --logdir LOGDIR`.
//!
//! `plotters` draws here on a buffer of pixels with letters of its own, so that no system font is needed. With its
//! default features `BitMapBackend::with_buffer(&mut pixels, size)` takes the place of `Paper`.

#![allow(missing_docs)]

use std::{convert::Infallible, env};

use convscope::{Error, Figure, Image, Result, SummaryWriter};
use embedded_graphics::{
    Drawable as _, Pixel,
    draw_target::DrawTarget,
    geometry::{OriginDimensions, Point, Size},
    mono_font::{MonoTextStyle, ascii::FONT_7X13},
    pixelcolor::{Rgb888, RgbColor as _},
    text::{Baseline, Text},
};
use plotters::prelude::*;
use plotters_backend::{
    BackendColor, BackendCoord, BackendTextStyle, DrawingErrorKind,
    text_anchor::{HPos, VPos},
};

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
        let mut paper = Paper { rgb: vec![0; 3 * (SIZE.0 * SIZE.1) as usize] };
        self.draw(&mut paper).map_err(|error| Error::invalid("figure", error.to_string()))?;
        Image::rgb(SIZE.0, SIZE.1, paper.rgb)
    }
}

type Never = DrawingErrorKind<Infallible>;

/// Pixels that `plotters` draws on.
struct Paper {
    rgb: Vec<u8>,
}

impl DrawingBackend for &mut Paper {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        SIZE
    }

    fn ensure_prepared(&mut self) -> Result<(), Never> {
        Ok(())
    }

    fn present(&mut self) -> Result<(), Never> {
        Ok(())
    }

    fn draw_pixel(&mut self, (x, y): BackendCoord, color: BackendColor) -> Result<(), Never> {
        let (r, g, b) = color.rgb;
        self.mix(x, y, [r, g, b], color.alpha);
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(&self, text: &str, _: &S) -> Result<(u32, u32), Never> {
        let letter = FONT_7X13.character_size;
        Ok((letter.width * text.chars().count() as u32, letter.height))
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        (x, y): BackendCoord,
    ) -> Result<(), Never> {
        let (width, height) = self.estimate_text_size(text, style)?;
        let left = match style.anchor().h_pos {
            HPos::Left => x,
            HPos::Center => x - width as i32 / 2,
            HPos::Right => x - width as i32,
        };
        let top = match style.anchor().v_pos {
            VPos::Top => y,
            VPos::Center => y - height as i32 / 2,
            VPos::Bottom => y - height as i32,
        };
        let letters = MonoTextStyle::new(&FONT_7X13, Rgb888::BLACK);
        let Ok(_) = Text::with_baseline(text, Point::new(left, top), letters, Baseline::Top).draw(*self);
        Ok(())
    }
}

impl Paper {
    fn mix(&mut self, x: i32, y: i32, color: [u8; 3], alpha: f64) {
        if (0..SIZE.0 as i32).contains(&x) && (0..SIZE.1 as i32).contains(&y) {
            let at = 3 * (y as usize * SIZE.0 as usize + x as usize);
            for (old, new) in self.rgb[at..at + 3].iter_mut().zip(color) {
                *old = (f64::from(*old) * (1.0 - alpha) + f64::from(new) * alpha).round() as u8;
            }
        }
    }
}

impl OriginDimensions for Paper {
    fn size(&self) -> Size {
        Size::new(SIZE.0, SIZE.1)
    }
}

impl DrawTarget for Paper {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        for Pixel(at, color) in pixels {
            self.mix(at.x, at.y, [color.r(), color.g(), color.b()], 1.0);
        }
        Ok(())
    }
}
