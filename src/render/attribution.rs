//! The card of an attribution: image, map and overlay side by side, and what a reader must know.

use super::{
    attribution_map::{AttributionMap, Heat, Picture},
    canvas::{Canvas, Rect, Rgb},
    caption::Caption,
    page::{FAINT, INK, MARGIN, Page},
    text::{self, Font},
    tile::Zoom,
    trust_badge::TrustBadge,
};
use crate::{error::Result, summary::Image};

/// An image with how much each of its pixels has to do with an answer, and the words that belong to it.
#[derive(Debug, Clone, Copy)]
pub struct AttributionCard<'a> {
    /// Brightness of the image from 0 to 1, of `shape`.
    pub pixels: &'a [f32],
    /// Channels (1 or 3), rows and columns of the image.
    pub shape: [usize; 3],
    /// The map.
    pub map: AttributionMap<'a>,
    /// True class, answer, and which choices were made, for the line above the panels.
    pub note: &'a str,
    /// What was measured beside the map, below the panels.
    pub measures: &'a [String],
    /// What a reader must know before believing the map.
    pub warning: Option<&'a str>,
    /// How far to believe it.
    pub badge: Option<&'a TrustBadge>,
}

/// A picture of an attribution, 400 to 760 pixels wide: the image, the map, and the map over the image in grey. A map
/// coarser than the image is enlarged, each value a block; images that are too large are reduced to means of blocks. Very
/// flat images stand one below the other.
///
/// Signed maps are red where a pixel speaks for the class and blue where it speaks against it, on a scale that is
/// symmetric about 0; magnitudes go from dark blue to yellow. Where the largest of 400 values or more is more than 1.5 times
/// the 99th percentile of the magnitudes other than 0, the scale ends at that percentile, which the legend says. A map without differences is crossed out, and words say so; what
/// is not finite is magenta and counted.
///
/// # Errors
/// A shape with an empty side or another number of values; an image with other than one or three channels.
///
/// ```
/// use convscope::{Step, render::{AttributionCard, AttributionMap, AttributionScale, Caption, attribution}};
///
/// let values: Vec<f32> = (0..16).map(|i| i as f32 - 8.0).collect();
/// let scale = AttributionScale::Signed;
/// let map = AttributionMap { values: &values, size: [4, 4], scale, unit: "d logit / d pixel", class: "Coat" };
/// let card = AttributionCard {
///     pixels: &[0.5; 64],
///     shape: [1, 8, 8],
///     map,
///     note: "K = Coat, Q = Coat (93 %): a right prediction",
///     measures: &[],
///     warning: None,
///     badge: None,
/// };
/// let caption = Caption { layer: "saliency of 12 Coat", step: Step::new(938), epoch: Some(1) };
/// assert!((400..=760).contains(&attribution(&card, &caption)?.width()));
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn attribution(card: &AttributionCard<'_>, caption: &Caption<'_>) -> Result<Image> {
    let picture = Picture::new(card.pixels, card.shape)?;
    let heat = Heat::new(&card.map, picture.size)?;
    let panels = Panels::of(picture.size);
    let width = panels.size().0.max(NARROWEST - 2 * MARGIN);
    let words = words(card, panels.font, width);
    let words_height = words.len() * panels.font.line();
    let badge_height = card.badge.map_or(0, |badge| badge.height(panels.font, width) + GAP);
    let reduced = match panels.zoom.down {
        1 => String::new(),
        down => format!("; each pixel the mean of {down} x {down}"),
    };
    let note = format!("{}{reduced}", card.note);
    let legend = heat.legend();
    let page = Page {
        caption,
        note: &note,
        legend: Some(&legend),
        font: panels.font,
        width: width + 2 * MARGIN,
        body: (width, panels.size().1 + GAP + words_height + badge_height),
    };
    let (mut canvas, (left, top)) = page.open()?;
    let aside = (width - panels.size().0) / 2;
    let at = |number| panels.at((left + aside, top), number);
    for (number, title) in TITLES.iter().enumerate() {
        let (x, y) = at(number);
        let y = y - panels.font.line();
        text::draw(&mut canvas, (x, y), title, panels.font, false, FAINT);
    }
    picture.draw(&mut canvas, at(0), panels.zoom);
    heat.draw(&mut canvas, at(1), panels.zoom);
    heat.draw_over(&mut canvas, at(2), panels.zoom, &picture);
    (0..TITLES.len()).for_each(|number| panels.frame(&mut canvas, at(number)));
    let mut y = top + panels.size().1 + GAP;
    for (line, color, bold) in &words {
        text::draw(&mut canvas, (left, y), line, panels.font, *bold, *color);
        y += panels.font.line();
    }
    if let Some(badge) = card.badge {
        badge.draw(&mut canvas, (left, y + GAP / 2), panels.font, width);
    }
    canvas.into_image()
}

const TITLES: [&str; 3] = ["image", "map", "map over image"];
/// Between the panels, and between them and what follows.
const GAP: usize = 8;
/// The smallest width of a picture.
const NARROWEST: usize = 400;
/// The lines about images that need no more than this are readable on a card of TensorBoard, 380 pixels wide.
const SMALL: usize = 440;
/// Larger images get larger letters, up to this width.
const LARGE: usize = 740;
/// Most pixels that the panels take from top to bottom.
const TALLEST: usize = 480;
/// Most pixels a value.
const LARGEST_CELL: usize = 32;

/// Where the three panels stand.
#[derive(Debug, Clone, Copy)]
struct Panels {
    font: Font,
    zoom: Zoom,
    /// Height and width of one, in pixels.
    panel: (usize, usize),
    /// From one to the next: across, down.
    pitch: (usize, usize),
}

impl Panels {
    /// Side by side as large as fits; flat images below one another where that shows them larger. Small letters, unless
    /// the image would have to be reduced for them, or is seen larger with others on a card.
    fn of(image: (usize, usize)) -> Panels {
        let arranged = |font: Font, width: usize| {
            let beside = Panels::new(image, font, (TALLEST, (width - 2 * GAP) / 3), false);
            let stacked = Panels::new(image, font, (TALLEST / 3 - font.line() - GAP, width), true);
            if image.1 > 2 * image.0 && stacked.scale() > beside.scale() { stacked } else { beside }
        };
        let (small, large) = (arranged(Font::Small, SMALL), arranged(Font::Large, LARGE));
        let on_card =
            |panels: Panels| panels.panel.1 as f64 / (panels.size().0 + 2 * MARGIN).max(NARROWEST) as f64;
        if small.zoom.down == 1 && on_card(small) * 1.15 >= on_card(large) { small } else { large }
    }

    fn new(image: (usize, usize), font: Font, limit: (usize, usize), stacked: bool) -> Panels {
        let least = (limit.0 / image.0).min(limit.1 / image.1).clamp(1, LARGEST_CELL);
        let zoom = Zoom::choices(image, least, least, limit)[0];
        let panel = zoom.tile(image);
        let widest = TITLES.iter().map(|title| font.measure(title)).max().unwrap_or(0);
        let pitch = if stacked { (0, panel.0 + font.line() + GAP) } else { (panel.1.max(widest) + GAP, 0) };
        Panels { font, zoom, panel, pitch }
    }

    fn scale(self) -> f64 {
        self.zoom.up as f64 / self.zoom.down as f64
    }

    /// Width and height of all.
    fn size(self) -> (usize, usize) {
        let (across, down) = (self.pitch.0 * 2, self.pitch.1 * 2);
        (across + self.panel.1.max(self.pitch.0.saturating_sub(GAP)), down + self.panel.0 + self.font.line())
    }

    /// Upper left corner of a panel, below its title.
    fn at(self, (x, y): (usize, usize), number: usize) -> (usize, usize) {
        (x + number * self.pitch.0, y + self.font.line() + number * self.pitch.1)
    }

    /// A near-white map ends somewhere.
    fn frame(self, canvas: &mut Canvas, (x, y): (usize, usize)) {
        canvas.frame(Rect::new(x - 1, y - 1, self.panel.1 + 2, self.panel.0 + 2), FAINT);
    }
}

/// The lines below the panels, with their colour, and whether they are bold.
fn words(card: &AttributionCard<'_>, font: Font, width: usize) -> Vec<(String, Rgb, bool)> {
    let lines = |text: &str| text::wrap(text, width / font.advance());
    let bold = |text: String| lines(&text).into_iter().map(|line| (line, INK, true)).collect::<Vec<_>>();
    let mut words: Vec<_> = card.map.finding().map_or_else(Vec::new, bold);
    words.extend(card.warning.map_or_else(Vec::new, |warning| bold(format!("Warning: {warning}"))));
    words.extend(lines(&card.measures.join("; ")).into_iter().map(|line| (line, FAINT, false)));
    words
}
