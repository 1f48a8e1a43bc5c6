//! The strip below the tiles that says what a colour means.

use super::{
    canvas::{Canvas, Rect, Rgb},
    colormap::{ColorMap, NON_FINITE},
    normalize::Range,
    page::{FAINT, INK},
    text::{self, Font},
};

/// What the colours and marks of a picture mean.
#[derive(Debug, Clone)]
pub(super) struct Legend {
    pub map: ColorMap,
    /// `None` where each tile has its own range.
    pub range: Option<Range>,
    /// Numbers along the bar, between its ends: where, from 0 to 1, and what.
    pub ticks: Vec<(f64, String)>,
    /// What is measured and which range was chosen, in a few words.
    pub label: String,
    /// Marks that occur, each with what it means.
    pub marks: Vec<(Mark, String)>,
}

/// A mark besides the colours of the scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// A crossed tile.
    Cross,
    /// The colour of NaN and infinities.
    NonFinite,
    /// A colour that is not on the scale.
    Swatch(Rgb),
    /// A frame of a colour.
    Frame(Rgb),
}

impl Legend {
    /// Pixels from the top of the bar to the foot of the last line.
    pub fn height(&self, font: Font, width: usize) -> usize {
        let label = self.label_lines(font, width).len() * font.line();
        let bar = 2 * font.line() + 2;
        label.max(bar)
            + self
                .marks
                .iter()
                .map(|(_, text)| mark_lines(text, font, width).len() * font.line())
                .sum::<usize>()
    }

    pub fn draw(&self, canvas: &mut Canvas, (x, y): (usize, usize), font: Font, width: usize) {
        let bar = Rect::new(x, y, bar_width(width), font.line());
        self.draw_bar(canvas, bar, font);
        let lines = self.label_lines(font, width);
        let left = bar.x + bar.width + font.advance() + font.advance();
        for (i, line) in lines.iter().enumerate() {
            text::draw(canvas, (left, y + i * font.line()), line, font, false, INK);
        }
        let mut top = y + (lines.len() * font.line()).max(2 * font.line() + 2);
        for (mark, meaning) in &self.marks {
            let side = font.height() - 2;
            mark.draw(canvas, Rect::new(x, top + 1, side, side));
            for line in mark_lines(meaning, font, width) {
                text::draw(canvas, (x + mark_indent(font), top), &line, font, false, INK);
                top += font.line();
            }
        }
    }

    fn draw_bar(&self, canvas: &mut Canvas, bar: Rect, font: Font) {
        let last = bar.width.saturating_sub(1).max(1) as f64;
        for i in 0..bar.width {
            canvas.fill(Rect::new(bar.x + i, bar.y, 1, bar.height), self.map.at(i as f64 / last));
        }
        canvas.frame(bar, FAINT);
        let (low, high) = match self.range {
            Some(range) => (text::number(range.lo), text::number(range.hi)),
            None => ("min".to_owned(), "max".to_owned()),
        };
        let below = bar.y + bar.height + 2;
        let right = |label: &str, at: usize| at.saturating_sub(font.measure(label));
        text::draw(canvas, (bar.x, below), &low, font, true, INK);
        text::draw(canvas, (right(&high, bar.x + bar.width), below), &high, font, true, INK);
        let zero = self.range.is_some_and(Range::is_symmetric).then(|| (0.5, "0".to_owned()));
        for (at, number) in self.ticks.iter().chain(&zero) {
            let x = bar.x + (at * bar.width as f64) as usize;
            canvas.fill(Rect::new(x, bar.y + bar.height, 1, 3), INK);
            let left = x.saturating_sub(font.measure(number) / 2);
            text::draw(canvas, (left, below), number, font, true, INK);
        }
    }

    fn label_lines(&self, font: Font, width: usize) -> Vec<String> {
        let left = width.saturating_sub(bar_width(width) + 2 * font.advance());
        text::wrap(&self.label, left / font.advance())
    }
}

impl Mark {
    /// The mark of non-finite values, where there are some.
    pub fn non_finite(values: &[f32]) -> Option<(Mark, String)> {
        let count = values.iter().filter(|v| !v.is_finite()).count();
        (count > 0).then(|| (Mark::NonFinite, format!("{count} of {} values NaN or infinite", values.len())))
    }

    fn draw(self, canvas: &mut Canvas, rect: Rect) {
        let ground: Rgb = match self {
            Mark::Cross | Mark::Frame(_) => [255; 3],
            Mark::NonFinite => NON_FINITE,
            Mark::Swatch(color) => color,
        };
        canvas.fill(rect, ground);
        canvas.frame(rect, INK);
        if let Mark::Frame(color) = self {
            for inset in 1..=3 {
                let Rect { x, y, width, height } = rect;
                let inner = |side: usize| side.saturating_sub(2 * inset);
                canvas.frame(Rect::new(x + inset, y + inset, inner(width), inner(height)), color);
            }
        }
        if self == Mark::Cross {
            canvas.cross(rect, INK);
        }
    }
}

fn bar_width(width: usize) -> usize {
    (width * 2 / 5).min(320)
}

fn mark_indent(font: Font) -> usize {
    font.height() + font.advance()
}

fn mark_lines(meaning: &str, font: Font, width: usize) -> Vec<String> {
    text::wrap(meaning, width.saturating_sub(mark_indent(font)) / font.advance())
}
