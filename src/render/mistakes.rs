//! Images that a classifier got wrong.

use super::{
    caption::Caption,
    layout::{Cut, Layout, Matrix},
    normalize::to_byte,
    page::{FAINT, INK, MARGIN, Page},
    shape,
    text::{self, Font},
    tile::{self, Plane, TILE_LIMIT, Zoom},
};
use crate::{
    error::{Error, Result},
    summary::Image,
};

/// A wrong answer in words.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WrongAnswer<'a> {
    /// Name of the true class.
    pub truth: &'a str,
    /// Name of the class it was taken for.
    pub predicted: &'a str,
    /// Probability of that class, 0 to 1.
    pub confidence: f64,
}

/// Most images shown.
const MAX_IMAGES: usize = 64;
/// Smallest side of a tile, so that a label fits below it.
const TILE: usize = 96;
/// Most pixels a value.
const LARGEST_CELL: usize = 16;
/// Most letters of a label.
const LABEL: usize = 16;

/// A gallery of images that were answered wrongly, in the order in which they are given. Below each stands what was
/// predicted, the true class, and the probability of the prediction.
///
/// `pixels` holds the brightness, 0 to 1, of shape `[N, C, H, W]`, row by row; C is 1 for grey or 3 for red, green, blue.
/// `note` says which images these are. Up to 64 are shown as far as they fit. Without any image the note stands alone.
/// 400 to 900 pixels wide, at most 1600 high.
///
/// # Errors
/// A shape with an empty side or another number of values; other than one or three channels; another number of answers.
///
/// ```
/// use convscope::{Step, render::{Caption, WrongAnswer, mistakes}};
///
/// let pixels = vec![0.5; 2 * 8 * 8];
/// let answer = WrongAnswer { truth: "Coat", predicted: "Shirt", confidence: 0.98 };
/// let caption = Caption { layer: "mistakes", step: Step::new(94), epoch: Some(1) };
/// let image = mistakes(&pixels, [2, 1, 8, 8], &[answer; 2], "most confident first", &caption)?;
/// assert!((400..=900).contains(&image.width()));
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn mistakes(
    pixels: &[f32],
    [images, channels, height, width]: [usize; 4],
    answers: &[WrongAnswer<'_>],
    note: &str,
    caption: &Caption<'_>,
) -> Result<Image> {
    let what = "mistakes";
    if answers.len() != images {
        let why = format!("{} answers found for {images} images; give one each", answers.len());
        return Err(Error::invalid(what, why));
    }
    if images == 0 {
        let font = Font::Small;
        let page = Page { caption, note, legend: None, font, width: 420, body: (420 - 2 * MARGIN, 0) };
        return page.open()?.0.into_image();
    }
    shape::check(what, "N, C, H, W", [images, channels, height, width], pixels.len())?;
    if channels != 1 && channels != 3 {
        let why = format!("{channels} channels found; 1 (grey) or 3 (red, green, blue) can be shown");
        return Err(Error::invalid(what, why));
    }
    let lines: Vec<[String; 3]> = answers.iter().map(lines).collect();
    let size = (height, width);
    let longest = lines.iter().flatten().map(|line| line.chars().count()).max();
    let layout = Layout::best(&Matrix {
        rows: 1,
        columns: images.min(MAX_IMAGES),
        tile: size,
        zooms: zooms(size),
        cut: Cut::Columns,
        labels: longest.unwrap_or(0).min(LABEL),
        label_lines: 3,
        lines: 4,
    });
    let shown = shape::shown(layout.columns, images, "image");
    let averaged = match layout.zoom.down {
        1 => String::new(),
        down => format!("; each pixel the mean of {down} x {down}"),
    };
    let note = format!("{note}; {shown}, below each: predicted, true class, confidence{averaged}");
    let (mut canvas, origin) = Page::around(&layout, caption, &note, None).open()?;
    let font = layout.font;
    for ((_, image, at), values) in layout.tiles(origin).zip(pixels.chunks_exact(channels * height * width)) {
        let byte = |value: f32| value.is_finite().then(|| to_byte(value));
        if channels == 3 {
            tile::color_planes(&mut canvas, at, values, size, layout.zoom, byte);
        } else {
            tile::grey_plane(&mut canvas, at, Plane::new(values, width), layout.zoom, byte);
        }
        let room = layout.zoom.pixels(width) / font.advance();
        for (number, line) in lines[image].iter().enumerate() {
            let below = (at.0, at.1 + layout.zoom.pixels(height) + 1 + number * font.line());
            let line = text::shorten(line, room);
            text::draw(&mut canvas, below, &line, font, number == 0, if number == 2 { FAINT } else { INK });
        }
    }
    canvas.into_image()
}

/// `Shirt`, `is Coat`, `98 %`.
fn lines(answer: &WrongAnswer<'_>) -> [String; 3] {
    let percent = (100.0 * answer.confidence).round();
    [answer.predicted.to_owned(), format!("is {}", answer.truth), format!("{percent} %")]
}

fn zooms(size: (usize, usize)) -> Vec<Zoom> {
    let least = TILE.div_ceil(size.0.min(size.1).max(1)).clamp(1, LARGEST_CELL);
    let mut zooms = Zoom::choices(size, least, LARGEST_CELL, TILE_LIMIT);
    zooms.extend((2..=size.0.min(size.1) / TILE).map(|down| Zoom { up: 1, down }));
    zooms
}
