//! An image at true scale with what lies around it: where boxes that leave the image are drawn.

use super::{
    canvas::{Canvas, Rect, Rgb},
    tile::{self, Zoom},
};
use crate::summary::Image;

/// Ground of what lies outside of the image, and the lines on it.
const OUTSIDE: Rgb = [60, 64, 67];
const HATCH: Rgb = [105, 110, 115];
/// Pixels from one line of the hatch to the next.
const HATCH_PITCH: usize = 8;

/// A rectangle of image pixels, half-open. It may leave the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Area {
    pub top: i64,
    pub left: i64,
    pub bottom: i64,
    pub right: i64,
}

impl Area {
    pub fn of_image(image: &Image) -> Area {
        Area { top: 0, left: 0, bottom: image.height().into(), right: image.width().into() }
    }

    pub fn height(self) -> i64 {
        self.bottom.saturating_sub(self.top)
    }

    pub fn width(self) -> i64 {
        self.right.saturating_sub(self.left)
    }

    pub fn contains(self, other: Area) -> bool {
        self.top <= other.top
            && self.left <= other.left
            && self.bottom >= other.bottom
            && self.right >= other.right
    }

    /// What both have in common; of no height or width where that is nothing.
    pub fn intersect(self, other: Area) -> Area {
        let (top, left) = (self.top.max(other.top), self.left.max(other.left));
        Area {
            top,
            left,
            bottom: self.bottom.min(other.bottom).max(top),
            right: self.right.min(other.right).max(left),
        }
    }

    /// The smallest area with both in it.
    pub fn hull(self, other: Area) -> Area {
        Area {
            top: self.top.min(other.top),
            left: self.left.min(other.left),
            bottom: self.bottom.max(other.bottom),
            right: self.right.max(other.right),
        }
    }

    /// With so many pixels more on each side.
    pub fn grown(self, by: i64) -> Area {
        Area {
            top: self.top.saturating_sub(by),
            left: self.left.saturating_sub(by),
            bottom: self.bottom.saturating_add(by),
            right: self.right.saturating_add(by),
        }
    }

    /// How far it reaches beyond `other` where it does most.
    pub fn overhang(self, other: Area) -> i64 {
        [
            other.top.saturating_sub(self.top),
            other.left.saturating_sub(self.left),
            self.bottom.saturating_sub(other.bottom),
            self.right.saturating_sub(other.right),
        ]
        .into_iter()
        .fold(0, i64::max)
    }
}

/// The pixels of an image, on white where it can be seen through.
pub(super) struct Pixels {
    colors: Vec<Rgb>,
    area: Area,
}

impl Pixels {
    pub fn of(image: &Image) -> Pixels {
        Pixels { colors: image.opaque_pixels().collect(), area: Area::of_image(image) }
    }

    /// `None` outside of the image.
    fn at(&self, row: i64, column: i64) -> Option<Rgb> {
        let is_inside = (0..self.area.bottom).contains(&row) && (0..self.area.right).contains(&column);
        is_inside.then(|| self.colors[(row * self.area.right + column) as usize])
    }

    /// The mean over those pixels of an area that lie in the image.
    fn mean(&self, area: Area) -> Option<Rgb> {
        let area = area.intersect(self.area);
        let (mut sum, mut count) = ([0_u64; 3], 0);
        for color in (area.top..area.bottom)
            .flat_map(|row| (area.left..area.right).filter_map(move |column| self.at(row, column)))
        {
            sum.iter_mut().zip(color).for_each(|(sum, value)| *sum += u64::from(value));
            count += 1;
        }
        (count > 0).then(|| sum.map(|sum| ((sum + count / 2) / count) as u8))
    }
}

/// Part of an image with what lies around it, at a place of a canvas.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scene {
    /// What is shown, in pixels of the image.
    pub area: Area,
    pub zoom: Zoom,
    /// Upper left corner on the canvas.
    pub at: (usize, usize),
}

impl Scene {
    /// Width and height on the canvas.
    pub fn sides(&self) -> (usize, usize) {
        (self.zoom.pixels(self.area.width() as usize), self.zoom.pixels(self.area.height() as usize))
    }

    /// The image where it is, and a hatch outside.
    pub fn draw(&self, canvas: &mut Canvas, pixels: &Pixels) {
        let size = (self.area.height() as usize, self.area.width() as usize);
        tile::cells(canvas, self.at, size, self.zoom, |row, column| {
            pixels.mean(self.block(row, column)).unwrap_or(OUTSIDE)
        });
        let ((x, y), (width, height)) = (self.at, self.sides());
        let image = self.rect(pixels.area);
        for (dx, dy) in (0..height).flat_map(|dy| (0..width).map(move |dx| (dx, dy))) {
            if (dx + dy).is_multiple_of(HATCH_PITCH) && !image.is_some_and(|i| i.holds(x + dx, y + dy)) {
                canvas.set(x + dx, y + dy, HATCH);
            }
        }
    }

    /// Fills the place of one pixel with a colour through which the image is seen.
    pub fn tint(&self, canvas: &mut Canvas, pixels: &Pixels, (row, column): (i64, i64), color: Rgb) {
        let ground = pixels.at(row, column).unwrap_or(OUTSIDE);
        if let Some(rect) = self.rect(Area { top: row, left: column, bottom: row + 1, right: column + 1 }) {
            canvas.fill(rect, mix(ground, color));
        }
    }

    /// The part of an area that is shown, on the canvas; at least one pixel large.
    pub fn rect(&self, area: Area) -> Option<Rect> {
        let area = area.intersect(self.area);
        if area.height() <= 0 || area.width() <= 0 {
            return None;
        }
        let (left, right) = (self.x(area.left as f64), self.x(area.right as f64));
        let (top, bottom) = (self.y(area.top as f64), self.y(area.bottom as f64));
        Some(Rect::new(left, top, (right - left).max(1), (bottom - top).max(1)))
    }

    /// Where a point lies on the canvas: whole numbers are the edges of the image's pixels.
    pub fn point(&self, row: f64, column: f64) -> Option<(usize, usize)> {
        let is_shown = (self.area.top as f64..self.area.bottom as f64).contains(&row)
            && (self.area.left as f64..self.area.right as f64).contains(&column);
        is_shown.then(|| (self.x(column), self.y(row)))
    }

    fn x(&self, column: f64) -> usize {
        self.at.0 + self.scaled(column - self.area.left as f64)
    }

    fn y(&self, row: f64) -> usize {
        self.at.1 + self.scaled(row - self.area.top as f64)
    }

    fn scaled(&self, length: f64) -> usize {
        (length * self.zoom.up as f64 / self.zoom.down as f64).round().max(0.0) as usize
    }

    /// The image's pixels in a cell.
    fn block(&self, row: usize, column: usize) -> Area {
        let side = self.zoom.down as i64;
        let (top, left) = (self.area.top + row as i64 * side, self.area.left + column as i64 * side);
        Area { top, left, bottom: top + side, right: left + side }
    }
}

/// A sample of the hatch, for a legend.
pub(super) fn draw_outside(canvas: &mut Canvas, rect: Rect) {
    canvas.fill(rect, OUTSIDE);
    for (dx, dy) in (0..rect.height).flat_map(|dy| (0..rect.width).map(move |dx| (dx, dy))) {
        if (dx + dy).is_multiple_of(HATCH_PITCH) {
            canvas.set(rect.x + dx, rect.y + dy, HATCH);
        }
    }
}

/// A colour of which six tenths cover another.
fn mix(ground: Rgb, color: Rgb) -> Rgb {
    std::array::from_fn(|i| ((u16::from(ground[i]) * 4 + u16::from(color[i]) * 6 + 5) / 10) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn area(top: i64, left: i64, bottom: i64, right: i64) -> Area {
        Area { top, left, bottom, right }
    }

    #[test]
    fn areas_meet_and_reach_beyond() {
        let image = area(0, 0, 10, 20);
        assert_eq!(area(-3, 5, 4, 25).intersect(image), area(0, 5, 4, 20));
        assert_eq!(area(-3, 5, 4, 25).overhang(image), 5);
        assert_eq!(area(12, 0, 14, 3).intersect(image).height(), 0);
        assert_eq!(area(i64::MIN, 0, i64::MAX, 3).overhang(image), i64::MAX, "no overflow");
    }

    #[test]
    fn boxes_lie_where_their_pixels_are() {
        let scene = Scene { area: area(-2, -1, 8, 9), zoom: Zoom { up: 7, down: 1 }, at: (100, 50) };
        assert_eq!(scene.sides(), (70, 70));
        assert_eq!(scene.rect(area(0, 0, 3, 2)), Some(Rect::new(107, 64, 14, 21)));
        assert_eq!(scene.rect(area(-9, -9, 3, 2)), Some(Rect::new(100, 50, 21, 35)), "cut at its edge");
        assert_eq!(scene.rect(area(-9, -9, -3, 2)), None);
        assert_eq!(scene.point(0.5, 0.5), Some((111, 68)));
        assert_eq!(scene.point(8.0, 0.5), None);
    }

    #[test]
    fn large_images_are_averaged() {
        let image = Image::gray(4, 2, vec![0, 100, 10, 10, 0, 100, 10, 30]).unwrap();
        let pixels = Pixels::of(&image);
        let scene = Scene { area: area(0, 0, 2, 4), zoom: Zoom { up: 1, down: 2 }, at: (0, 0) };
        assert_eq!(scene.sides(), (2, 1));
        assert_eq!(pixels.mean(scene.block(0, 0)), Some([50; 3]));
        assert_eq!(pixels.mean(scene.block(0, 1)), Some([15; 3]));
        assert_eq!(pixels.mean(area(5, 5, 6, 6)), None);
    }
}
