//! A column of marks beside a picture, each with what it means.

use super::{
    boxes,
    canvas::{Canvas, Rect, Rgb},
    page::{FAINT, INK},
    scene,
    text::{self, Font},
};

/// What stands before a meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// The frame of a box.
    Frame(Rgb),
    /// A filled cell.
    Cell(Rgb),
    /// What lies outside of the image.
    Outside,
    /// A dot.
    Dot,
    /// A hatched cell: ground and lines.
    Hatched([Rgb; 2]),
    /// No mark: a remark.
    None,
}

/// Marks with their meanings, in the order in which they stand.
#[derive(Debug, Clone, Default)]
pub(super) struct Key {
    entries: Vec<(Mark, Vec<String>)>,
}

impl Key {
    /// Adds a mark and the lines that say what it means; long ones are broken.
    pub fn push(&mut self, mark: Mark, lines: impl IntoIterator<Item = String>) {
        self.entries.push((mark, lines.into_iter().collect()));
    }

    /// Pixels from the top of the first line to the foot of the last.
    pub fn height(&self, font: Font, width: usize) -> usize {
        let entry = |(_, lines): &(Mark, Vec<String>)| {
            lines.iter().map(|line| wrapped(line, font, width).len()).sum::<usize>() * font.line() + gap(font)
        };
        self.entries.iter().map(entry).sum::<usize>().saturating_sub(gap(font))
    }

    pub fn draw(&self, canvas: &mut Canvas, (x, mut y): (usize, usize), font: Font, width: usize) {
        for (mark, lines) in &self.entries {
            let side = font.height() - 4;
            mark.draw(canvas, Rect::new(x, y + 2, side, side));
            for line in lines.iter().flat_map(|line| wrapped(line, font, width)) {
                text::draw(canvas, (x + indent(font), y), &line, font, false, INK);
                y += font.line();
            }
            y += gap(font);
        }
    }
}

impl Mark {
    fn draw(self, canvas: &mut Canvas, rect: Rect) {
        match self {
            Mark::Frame(color) => {
                (0..4).for_each(|inset| canvas.frame(boxes::shrink(rect, inset), color));
            }
            Mark::Cell(color) => canvas.fill(rect, color),
            Mark::Outside => {
                scene::draw_outside(canvas, rect);
                canvas.frame(rect, INK);
            }
            Mark::Dot => {
                canvas.fill(rect, FAINT);
                dot(canvas, (rect.x + rect.width / 2, rect.y + rect.height / 2));
            }
            Mark::Hatched(colors) => hatch(canvas, rect, colors),
            Mark::None => {}
        }
    }
}

/// A small square around a point, white in black: it is seen on any ground.
pub(super) fn dot(canvas: &mut Canvas, (x, y): (usize, usize)) {
    canvas.fill(Rect::new(x.saturating_sub(2), y.saturating_sub(2), 4, 4), [0; 3]);
    canvas.fill(Rect::new(x.saturating_sub(1), y.saturating_sub(1), 2, 2), [255; 3]);
}

/// A cell with diagonal lines: ground and lines.
pub(super) fn hatch(canvas: &mut Canvas, cell: Rect, [ground, lines]: [Rgb; 2]) {
    canvas.fill(cell, ground);
    for (x, y) in (0..cell.width).flat_map(|x| (0..cell.height).map(move |y| (x, y))) {
        if (cell.x + x + cell.y + y).is_multiple_of(5) {
            canvas.set(cell.x + x, cell.y + y, lines);
        }
    }
}

fn wrapped(line: &str, font: Font, width: usize) -> Vec<String> {
    text::wrap(line, width.saturating_sub(indent(font)) / font.advance())
}

fn indent(font: Font) -> usize {
    font.height() + font.advance() / 2
}

fn gap(font: Font) -> usize {
    font.line() / 3
}
