//! The whole picture: caption above, tiles, legend below.

use super::{
    canvas::{Canvas, Rgb},
    caption::Caption,
    layout::Layout,
    legend::Legend,
    text::{self, Font},
};
use crate::error::Result;

/// Own background, so that the white and the dark theme show the same.
pub(super) const PAPER: Rgb = [250, 250, 250];
/// Text.
pub(super) const INK: Rgb = [32, 33, 36];
/// Text of second rank, frames.
pub(super) const FAINT: Rgb = [95, 99, 104];

/// Free border around everything.
pub(super) const MARGIN: usize = 10;

/// What stands around the tiles.
pub(super) struct Page<'a> {
    pub caption: &'a Caption<'a>,
    /// What is shown, which rows and columns, what was left out.
    pub note: &'a str,
    pub legend: Option<&'a Legend>,
    pub font: Font,
    /// Width of the whole picture.
    pub width: usize,
    /// Width and height of the tiles with their labels.
    pub body: (usize, usize),
}

impl<'a> Page<'a> {
    pub fn around(
        layout: &Layout,
        caption: &'a Caption<'a>,
        note: &'a str,
        legend: Option<&'a Legend>,
    ) -> Page<'a> {
        Page { caption, note, legend, font: layout.font, width: layout.width, body: layout.body }
    }

    /// Height of the whole picture.
    pub fn height(&self) -> usize {
        let legend = self.legend.map_or(0, |legend| legend.height(self.font, self.inner()));
        self.foot(self.header_lines(self.inner()).len()) + legend + MARGIN
    }

    /// Width between the borders.
    fn inner(&self) -> usize {
        self.width.saturating_sub(2 * MARGIN)
    }

    /// Where the tiles begin below a header of so many lines.
    fn top(&self, header: usize) -> usize {
        MARGIN + header * self.font.line() + self.font.line() / 2
    }

    /// Where the legend begins.
    fn foot(&self, header: usize) -> usize {
        self.top(header) + self.body.1 + self.font.line() / 2
    }

    /// Makes the canvas with caption and legend on it, and says where the upper left corner of the tiles is.
    pub fn open(&self) -> Result<(Canvas, (usize, usize))> {
        let inner = self.inner();
        let header = self.header_lines(inner);
        let (top, foot) = (self.top(header.len()), self.foot(header.len()));
        let mut canvas = Canvas::new(self.width, self.height(), PAPER)?;
        for (i, line) in header.iter().enumerate() {
            let y = MARGIN + i * self.font.line();
            text::draw(&mut canvas, (MARGIN, y), &line.left, self.font, line.bold, INK);
            let x = MARGIN + inner.saturating_sub(self.font.measure(&line.right));
            text::draw(&mut canvas, (x, y), &line.right, self.font, false, INK);
        }
        if let Some(legend) = self.legend {
            legend.draw(&mut canvas, (MARGIN, foot), self.font, inner);
        }
        let left = MARGIN + inner.saturating_sub(self.body.0) / 2;
        Ok((canvas, (left, top)))
    }

    /// The layer on the left and the step on the right of one line, or of two where one is too short; then the note.
    fn header_lines(&self, inner: usize) -> Vec<HeaderLine> {
        let max = inner / self.font.advance();
        let when = self.caption.when();
        let left = max.saturating_sub(when.chars().count() + 2);
        let mut lines = if self.caption.layer.chars().count() <= left.max(max / 3) {
            vec![HeaderLine { left: text::shorten(self.caption.layer, left), right: when, bold: true }]
        } else {
            let layer = text::shorten(self.caption.layer, max);
            vec![HeaderLine { left: layer, bold: true, ..HeaderLine::default() }, HeaderLine::plain(when)]
        };
        lines.extend(text::wrap(self.note, max).into_iter().map(HeaderLine::plain));
        lines
    }
}

#[derive(Default)]
struct HeaderLine {
    left: String,
    right: String,
    bold: bool,
}

impl HeaderLine {
    fn plain(left: String) -> HeaderLine {
        HeaderLine { left, ..HeaderLine::default() }
    }
}
