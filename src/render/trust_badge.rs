//! How far to believe a picture.

use super::{
    canvas::{Canvas, Rect, Rgb},
    page::INK,
    text::{self, Font},
};

/// How far a map can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrustLevel {
    /// Every check that could be made was passed.
    Trusted,
    /// A check is in doubt, or too few could be made.
    Caution,
    /// A check failed: the map does not say what it seems to say.
    DoNotTrust,
}

impl TrustLevel {
    /// The level in words, as it stands on pictures.
    pub fn words(self) -> &'static str {
        match self {
            TrustLevel::Trusted => "trusted",
            TrustLevel::Caution => "caution",
            TrustLevel::DoNotTrust => "do not trust",
        }
    }

    /// Draws a sign of this width with the level.
    pub(super) fn draw(self, canvas: &mut Canvas, (x, y): (usize, usize), font: Font, width: usize) {
        canvas.fill(Rect::new(x, y, width, font.line() + 2), self.color());
        let left = x + width.saturating_sub(font.measure(self.words())) / 2;
        text::draw(canvas, (left, y + 2), self.words(), font, true, [255; 3]);
    }

    /// Dark enough for white letters, and of different lightness for those who see no colours.
    fn color(self) -> Rgb {
        match self {
            TrustLevel::Trusted => [0, 104, 55],
            TrustLevel::Caution => [166, 97, 0],
            TrustLevel::DoNotTrust => [178, 24, 43],
        }
    }
}

/// A level with the reasons for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustBadge {
    /// How far to believe.
    pub level: TrustLevel,
    /// Why, one check each, the weightiest first.
    pub reasons: Vec<String>,
}

/// Free space around the level's words.
const PADDING: usize = 4;

impl TrustBadge {
    /// Pixels from the top of the sign to the foot of the last reason.
    pub(super) fn height(&self, font: Font, width: usize) -> usize {
        self.lines(font, width).len().max(1) * font.line() + PADDING
    }

    /// A coloured sign with the level, the reasons to its right and below it.
    pub(super) fn draw(&self, canvas: &mut Canvas, (x, y): (usize, usize), font: Font, width: usize) {
        self.level.draw(canvas, (x, y), font, self.indent(font) - font.advance());
        for (number, line) in self.lines(font, width).iter().enumerate() {
            let at = (x + self.indent(font), y + 2 + number * font.line());
            text::draw(canvas, at, line, font, false, INK);
        }
    }

    /// Where the reasons begin.
    fn indent(&self, font: Font) -> usize {
        font.measure(self.level.words()) + 2 * PADDING + font.advance()
    }

    /// Each reason begins with a dash, so that one is told from the next.
    fn lines(&self, font: Font, width: usize) -> Vec<String> {
        let room = (width.saturating_sub(self.indent(font)) / font.advance()).saturating_sub(2);
        let lines = |reason: &String| {
            let lines = text::wrap(reason, room).into_iter().enumerate();
            lines.map(|(number, line)| format!("{} {line}", if number == 0 { '-' } else { ' ' }))
        };
        self.reasons.iter().flat_map(lines).collect()
    }
}
