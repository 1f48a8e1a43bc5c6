//! A buffer of pixels to draw on.

use std::convert::Infallible;

use embedded_graphics::{
    Drawable as _,
    draw_target::DrawTarget,
    geometry::{OriginDimensions, Point, Size},
    pixelcolor::{Rgb888, RgbColor as _},
    primitives::{Line, Primitive as _, PrimitiveStyle},
};

use crate::{
    error::{Error, Result},
    summary::Image,
};

/// Red, green, blue.
pub(super) type Rgb = [u8; 3];

/// A rectangle in pixels, origin at the upper left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rect {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
}

impl Rect {
    pub fn new(x: usize, y: usize, width: usize, height: usize) -> Rect {
        Rect { x, y, width, height }
    }

    /// Whether the pixel at `(x, y)` is one of it.
    pub fn holds(self, x: usize, y: usize) -> bool {
        (self.x..self.x + self.width).contains(&x) && (self.y..self.y + self.height).contains(&y)
    }
}

/// No picture of ours comes near this; a slip in a layout must not ask for all memory.
const MAX_SIDE: usize = 4096;

/// The most memory that an enlarged picture from outside takes: 1 GiB.
const MAX_BYTES: usize = 1 << 30;

/// An opaque picture in the making. What is drawn outside of it is left out.
#[derive(Debug, Clone)]
pub(super) struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<u8>,
}

impl Canvas {
    /// A canvas of one colour.
    pub fn new(width: usize, height: usize, color: Rgb) -> Result<Canvas> {
        if !(1..=MAX_SIDE).contains(&width) || !(1..=MAX_SIDE).contains(&height) {
            return Err(Error::invalid(
                "picture",
                format!("{width} x {height} pixels; each side can have 1 to {MAX_SIDE}"),
            ));
        }
        Ok(Canvas { width, height, pixels: color.repeat(width * height) })
    }

    /// A picture on white where it can be seen through, each of its pixels `zoom` by `zoom` large.
    pub fn from_image(image: &Image, zoom: usize) -> Result<Canvas> {
        let (columns, rows) = (image.width() as usize, image.height() as usize);
        let size = columns.checked_mul(zoom).zip(rows.checked_mul(zoom));
        let bytes = size.and_then(|(width, height)| width.checked_mul(height)?.checked_mul(3));
        let (Some((width, height)), true) = (size, bytes.is_some_and(|bytes| bytes <= MAX_BYTES)) else {
            let why = format!("{columns} x {rows} pixels, enlarged {zoom} times, are too many to draw on");
            return Err(Error::invalid("picture", why));
        };
        let mut pixels = Vec::with_capacity(3 * width * height);
        let mut colors = image.opaque_pixels();
        for _ in 0..rows {
            let line: Vec<u8> = colors.by_ref().take(columns).flat_map(|color| color.repeat(zoom)).collect();
            (0..zoom).for_each(|_| pixels.extend_from_slice(&line));
        }
        Ok(Canvas { width, height, pixels })
    }

    /// Width and height in pixels.
    pub fn sides(&self) -> (usize, usize) {
        (self.width, self.height)
    }

    /// Copies another canvas with its upper left corner at `(x, y)`, each of its pixels `zoom` by `zoom` large.
    pub fn paste(&mut self, other: &Canvas, (x, y): (usize, usize), zoom: usize) {
        for (i, pixel) in other.pixels.as_chunks().0.iter().enumerate() {
            let (column, row) = (i % other.width, i / other.width);
            self.fill(Rect::new(x + column * zoom, y + row * zoom, zoom, zoom), *pixel);
        }
    }

    /// The colour of a pixel; `None` outside.
    pub fn get(&self, x: usize, y: usize) -> Option<Rgb> {
        let at = 3 * (y * self.width + x);
        (x < self.width && y < self.height)
            .then(|| [self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]])
    }

    pub fn set(&mut self, x: usize, y: usize, color: Rgb) {
        if x < self.width && y < self.height {
            let at = 3 * (y * self.width + x);
            self.pixels[at..at + 3].copy_from_slice(&color);
        }
    }

    pub fn fill(&mut self, rect: Rect, color: Rgb) {
        let (left, right) = (rect.x.min(self.width), rect.x.saturating_add(rect.width).min(self.width));
        for y in rect.y..rect.y.saturating_add(rect.height).min(self.height) {
            let line = &mut self.pixels[3 * (y * self.width + left)..3 * (y * self.width + right)];
            for pixel in line.chunks_exact_mut(3) {
                pixel.copy_from_slice(&color);
            }
        }
    }

    /// One pixel wide, both ends included.
    pub fn line(&mut self, from: (usize, usize), to: (usize, usize), color: Rgb) {
        let line = Line::new(point(from), point(to));
        let Ok(()) = line.into_styled(PrimitiveStyle::with_stroke(rgb888(color), 1)).draw(self);
    }

    /// The frame of a rectangle, one pixel wide, inside of it.
    pub fn frame(&mut self, rect: Rect, color: Rgb) {
        let Rect { x, y, width, height } = rect;
        self.fill(Rect::new(x, y, width, 1), color);
        self.fill(Rect::new(x, y + height.saturating_sub(1), width, 1), color);
        self.fill(Rect::new(x, y, 1, height), color);
        self.fill(Rect::new(x + width.saturating_sub(1), y, 1, height), color);
    }

    /// Both diagonals of a rectangle.
    pub fn cross(&mut self, rect: Rect, color: Rgb) {
        let (right, bottom) = (rect.x + rect.width.saturating_sub(1), rect.y + rect.height.saturating_sub(1));
        self.line((rect.x, rect.y), (right, bottom), color);
        self.line((rect.x, bottom), (right, rect.y), color);
    }

    pub fn into_image(self) -> Result<Image> {
        Image::rgb(self.width as u32, self.height as u32, self.pixels)
    }
}

pub(super) fn rgb888([r, g, b]: Rgb) -> Rgb888 {
    Rgb888::new(r, g, b)
}

pub(super) fn point((x, y): (usize, usize)) -> Point {
    Point::new(i32::try_from(x).unwrap_or(i32::MAX), i32::try_from(y).unwrap_or(i32::MAX))
}

impl OriginDimensions for Canvas {
    fn size(&self) -> Size {
        Size::new(self.width as u32, self.height as u32)
    }
}

impl DrawTarget for Canvas {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I>(&mut self, pixels: I) -> Result<(), Infallible>
    where
        I: IntoIterator<Item = embedded_graphics::Pixel<Rgb888>>,
    {
        for embedded_graphics::Pixel(at, color) in pixels {
            if let (Ok(x), Ok(y)) = (usize::try_from(at.x), usize::try_from(at.y)) {
                self.set(x, y, [color.r(), color.g(), color.b()]);
            }
        }
        Ok(())
    }
}
