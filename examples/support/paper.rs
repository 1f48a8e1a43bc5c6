//! Pixels that `plotters` draws on, with letters of their own, so that no system font is needed.
//!
//! With the default features of `plotters`, `BitMapBackend::with_buffer(&mut pixels, size)` takes the place of this.

use std::convert::Infallible;

use convscope::{Image, Result};
use embedded_graphics::{
    Drawable as _, Pixel,
    draw_target::DrawTarget,
    geometry::{OriginDimensions, Point, Size},
    mono_font::{MonoTextStyle, ascii::FONT_7X13},
    pixelcolor::{Rgb888, RgbColor as _},
    text::{Baseline, Text},
};
use plotters_backend::{
    BackendColor, BackendCoord, BackendTextStyle, DrawingBackend, DrawingErrorKind,
    text_anchor::{HPos, VPos},
};

type Never = DrawingErrorKind<Infallible>;

pub struct Paper {
    size: (u32, u32),
    rgb: Vec<u8>,
}

impl Paper {
    /// Width and height in pixels. A card of TensorBoard is 350 wide, and leaves out lines of pixels of wider pictures.
    pub fn new(size: (u32, u32)) -> Paper {
        Paper { size, rgb: vec![0; 3 * (size.0 * size.1) as usize] }
    }

    pub fn into_image(self) -> Result<Image> {
        Image::rgb(self.size.0, self.size.1, self.rgb)
    }

    fn mix(&mut self, x: i32, y: i32, color: [u8; 3], alpha: f64) {
        let (width, height) = self.size;
        if (0..width as i32).contains(&x) && (0..height as i32).contains(&y) {
            let at = 3 * (y as usize * width as usize + x as usize);
            for (old, new) in self.rgb[at..at + 3].iter_mut().zip(color) {
                *old = (f64::from(*old) * (1.0 - alpha) + f64::from(new) * alpha).round() as u8;
            }
        }
    }
}

impl DrawingBackend for &mut Paper {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        self.size
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
        let (r, g, b) = style.color().rgb;
        let letters = MonoTextStyle::new(&FONT_7X13, Rgb888::new(r, g, b));
        let Ok(_) = Text::with_baseline(text, Point::new(left, top), letters, Baseline::Top).draw(*self);
        Ok(())
    }
}

impl OriginDimensions for Paper {
    fn size(&self) -> Size {
        Size::new(self.size.0, self.size.1)
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
