//! Letters: three sizes of bitmap fonts, breaking of lines, numbers that fit under a legend.

use std::convert::Infallible;

use embedded_graphics::{
    Drawable as _, Pixel,
    draw_target::DrawTarget,
    geometry::{OriginDimensions, Point, Size},
    mono_font::{MonoFont, MonoTextStyle, iso_8859_1 as fonts},
    pixelcolor::Rgb888,
    text::{Baseline, Text},
};

use super::canvas::{Canvas, Rgb, point, rgb888};

/// A size of letters. All characters of a size are equally wide.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Font {
    /// 13 px, for pictures that a card shows at their natural size.
    Small,
    /// 18 px.
    Medium,
    /// 20 px, for pictures that a card shows at less than half of their size.
    Large,
}

impl Font {
    pub const ALL: [Font; 3] = [Font::Small, Font::Medium, Font::Large];

    fn regular(self) -> &'static MonoFont<'static> {
        match self {
            Font::Small => &fonts::FONT_7X13,
            Font::Medium => &fonts::FONT_9X18,
            Font::Large => &fonts::FONT_10X20,
        }
    }

    fn bold(self) -> &'static MonoFont<'static> {
        match self {
            Font::Small => &fonts::FONT_7X13_BOLD,
            Font::Medium => &fonts::FONT_9X18_BOLD,
            Font::Large => &fonts::FONT_10X20,
        }
    }

    /// Pixels from one character to the next.
    pub fn advance(self) -> usize {
        (self.regular().character_size.width + self.regular().character_spacing) as usize
    }

    /// Pixels from the top of a character to its foot.
    pub fn height(self) -> usize {
        self.regular().character_size.height as usize
    }

    /// Pixels from one line to the next.
    pub fn line(self) -> usize {
        self.height() + 2
    }

    /// Width of a text in pixels.
    pub fn measure(self, text: &str) -> usize {
        text.chars().count() * self.advance()
    }
}

/// Writes one line with its upper left corner at `at`.
pub(super) fn draw(canvas: &mut Canvas, at: (usize, usize), text: &str, font: Font, bold: bool, color: Rgb) {
    let face = if bold { font.bold() } else { font.regular() };
    let style = MonoTextStyle::new(face, rgb888(color));
    let Ok(_) = Text::with_baseline(text, point(at), style, Baseline::Top).draw(canvas);
    if bold && font == Font::Large {
        // This size has no bold face: struck twice.
        let Ok(_) = Text::with_baseline(text, point((at.0 + 1, at.1)), style, Baseline::Top).draw(canvas);
    }
}

/// Writes one line from bottom to top, its first letter's foot at the right: the upper left corner of the whole is `at`.
pub(super) fn draw_upwards(canvas: &mut Canvas, at: (usize, usize), text: &str, font: Font, color: Rgb) {
    let style = MonoTextStyle::new(font.regular(), rgb888(color));
    let mut turned = Upwards { canvas, at: point(at), length: font.measure(text) as i32 };
    let Ok(_) = Text::with_baseline(text, Point::zero(), style, Baseline::Top).draw(&mut turned);
}

/// A canvas turned by a quarter against the clock.
struct Upwards<'a> {
    canvas: &'a mut Canvas,
    /// Upper left corner of the turned text.
    at: Point,
    /// Pixels that the text takes.
    length: i32,
}

impl OriginDimensions for Upwards<'_> {
    fn size(&self) -> Size {
        let Size { width, height } = self.canvas.size();
        Size::new(height, width)
    }
}

impl DrawTarget for Upwards<'_> {
    type Color = Rgb888;
    type Error = Infallible;

    fn draw_iter<I: IntoIterator<Item = Pixel<Rgb888>>>(&mut self, pixels: I) -> Result<(), Infallible> {
        let Upwards { at, length, .. } = *self;
        let turned = |Pixel(Point { x, y }, color)| Pixel(at + Point::new(y, length - 1 - x), color);
        self.canvas.draw_iter(pixels.into_iter().map(turned))
    }
}

/// Text from outside on one line: control characters become spaces; the middle goes where `max` characters are too few,
/// because names of layers differ at both ends.
pub(super) fn shorten(text: &str, max: usize) -> String {
    let chars: Vec<char> = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if chars.len() <= max {
        return chars.into_iter().collect();
    }
    let kept = max.saturating_sub(2);
    let head = kept.div_ceil(2);
    let tail = &chars[chars.len() - (kept - head)..];
    chars[..head].iter().chain(&['.', '.']).chain(tail).take(max).collect()
}

/// Breaks a text at its spaces into lines of at most `max` characters; longer words are shortened.
pub(crate) fn wrap(text: &str, max: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        let word = shorten(word, max);
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= max => {
                line.push(' ');
                line.push_str(&word);
            }
            _ => lines.push(word),
        }
    }
    lines
}

/// A number with three significant digits, as short as it goes: `0.25`, `-1.2e-5`, `30400`.
pub(crate) fn number(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude == 0.0 {
        return "0".to_owned();
    }
    if !value.is_finite() {
        return value.to_string();
    }
    if (1e-3..1e5).contains(&magnitude) {
        // Digits after the point, so that three significant ones remain.
        let places = (2 - magnitude.log10().floor() as i32).max(0) as usize;
        let fixed = format!("{value:.places$}");
        return if fixed.contains('.') { trim_zeros(&fixed).to_owned() } else { fixed };
    }
    let scientific = format!("{value:.2e}");
    match scientific.split_once('e') {
        Some((mantissa, exponent)) => format!("{}e{exponent}", trim_zeros(mantissa)),
        None => scientific,
    }
}

fn trim_zeros(text: &str) -> &str {
    text.trim_end_matches('0').trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (0.25, "0.25"),
            (-0.123_456, "-0.123"),
            (1.0, "1"),
            (12.345, "12.3"),
            (30_412.0, "30412"),
            (100.0, "100"),
            (1.234e-5, "1.23e-5"),
            (-2e9, "-2e9"),
            (f64::NAN, "NaN"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(shorten("conv1", 5), "conv1");
        assert_eq!(shorten("features.stage1.conv2", 12), "featu..conv2");
        assert_eq!(shorten("a\nb", 9), "a b");
        assert_eq!(shorten("abcdef", 1), ".");
        assert_eq!(shorten("abcdef", 0), "");
    }

    #[test]
    fn lines_break_at_spaces() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("", 7), Vec::<String>::new());
        assert!(wrap("antidisestablishment now", 8).iter().all(|line| line.chars().count() <= 8));
    }
}
