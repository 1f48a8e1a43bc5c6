//! Many methods on many images, on one page.

use super::{
    attribution_map::{AttributionMap, AttributionScale, Heat, Picture, is_constant},
    canvas::{Canvas, Rect},
    caption::Caption,
    colormap::ColorMap,
    layout::MAX_HEIGHT,
    legend::{Legend, Mark},
    normalize::Range,
    page::{FAINT, INK, MARGIN, Page},
    shape,
    text::{self, Font},
    tile::Zoom,
    trust_badge::TrustLevel,
};
use crate::{
    error::{Error, Result},
    summary::Image,
};

/// An image with its maps.
#[derive(Debug, Clone)]
pub struct GalleryImage<'a> {
    /// Its name, true class and answer.
    pub words: String,
    /// Brightness from 0 to 1, of `shape`.
    pub pixels: &'a [f32],
    /// Channels (1 or 3), rows and columns.
    pub shape: [usize; 3],
    /// One for each method; `None` where it could not be made.
    pub maps: Vec<Option<GalleryMap<'a>>>,
}

/// The map of one method.
#[derive(Debug, Clone, Copy)]
pub struct GalleryMap<'a> {
    /// Its values, row by row.
    pub values: &'a [f32],
    /// Height and width; it may be coarser than the image.
    pub size: [usize; 2],
    /// What the sign says.
    pub scale: AttributionScale,
    /// How far to believe it, where that was checked.
    pub level: Option<TrustLevel>,
}

/// A page of attributions: for each image a line of words, the image itself, and the map of every method, each scaled by
/// itself, with a sign below it that says how far to believe it. A map without differences is crossed out.
///
/// 400 to 900 pixels wide, at most 1600 high: of more images than fit the first ones are shown, and `note` is followed by
/// how many those are.
///
/// # Errors
/// No method or image; a shape with an empty side or another number of values; an image with other than one or three
/// channels or another number of maps.
///
/// ```
/// use convscope::{Step, render::{AttributionScale, Caption, GalleryImage, GalleryMap, attribution_gallery}};
///
/// let values: Vec<f32> = (0..64).map(|i| i as f32).collect();
/// let map = GalleryMap { values: &values, size: [8, 8], scale: AttributionScale::Magnitude, level: None };
/// let words = "12 Coat: K = Coat, Q = Coat (93 %): a right prediction".to_owned();
/// let image = GalleryImage { words, pixels: &[0.5; 64], shape: [1, 8, 8], maps: vec![Some(map)] };
/// let caption = Caption { layer: "what the network looks at", step: Step::new(938), epoch: Some(1) };
/// let page = attribution_gallery(&["saliency"], &[image], "", &caption)?;
/// assert!((400..=900).contains(&page.width()) && page.height() <= 1600);
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn attribution_gallery(
    methods: &[&str],
    images: &[GalleryImage<'_>],
    note: &str,
    caption: &Caption<'_>,
) -> Result<Image> {
    check(methods, images)?;
    let titles: Vec<Vec<String>> = methods.iter().map(|method| title(method)).collect();
    let legends = legends(images);
    // Beside the image.
    let columns = methods.len().min((WIDEST - 2 * MARGIN + GAP) / (CELL + GAP) - 1);
    let width = ((1 + columns) * (CELL + GAP) - GAP).max(NARROWEST - 2 * MARGIN);
    let rows = images.iter().map(|image| Row::new(image, &titles, columns, width)).collect::<Vec<_>>();
    let legend_height: usize = legends.iter().map(|legend| legend.height(FONT, width) + GAP).sum();
    // Above the rows there are caption, note and margins.
    let room = MAX_HEIGHT - 2 * MARGIN - 6 * FONT.line() - legend_height;
    let mut height = 0;
    let shown = rows.iter().take_while(|row| {
        height += row.height + GAP;
        height <= room
    });
    let shown = shown.count().max(1);
    let rows = &rows[..shown];
    let body = rows.iter().map(|row| row.height + GAP).sum::<usize>() + legend_height;
    let counted = match shown == images.len() {
        true => String::new(),
        false => format!("showing {}", shape::shown(shown, images.len(), "image")),
    };
    let parts: Vec<&str> =
        [note, "each map scaled by itself", &counted].into_iter().filter(|part| !part.is_empty()).collect();
    let note = parts.join("; ");
    let page = Page {
        caption,
        note: &note,
        legend: None,
        font: FONT,
        width: width + 2 * MARGIN,
        body: (width, body),
    };
    let (mut canvas, (left, top)) = page.open()?;
    let mut y = top;
    for (row, image) in rows.iter().zip(images) {
        row.draw(&mut canvas, (left, y), image, &titles)?;
        y += row.height + GAP;
    }
    for legend in &legends {
        legend.draw(&mut canvas, (left, y), FONT, width);
        y += legend.height(FONT, width) + GAP;
    }
    canvas.into_image()
}

const FONT: Font = Font::Medium;
const WIDEST: usize = 900;
const NARROWEST: usize = 400;
/// Letters in a line of a title: `do not trust` and `deconvolution` fit.
const LETTERS: usize = 13;
/// Width of a cell.
const CELL: usize = LETTERS * 9;
/// Height of the tallest map.
const TALLEST: usize = 240;
const GAP: usize = 8;
/// Most pixels a value.
const LARGEST_CELL: usize = 32;

fn check(methods: &[&str], images: &[GalleryImage<'_>]) -> Result<()> {
    if methods.is_empty() || images.is_empty() {
        let why =
            format!("{} methods and {} images found; give one of each at least", methods.len(), images.len());
        return Err(Error::invalid("gallery", why));
    }
    match images.iter().find(|image| image.maps.len() != methods.len()) {
        Some(image) => Err(Error::invalid(
            format!("gallery, image `{}`", image.words),
            format!(
                "{} maps found for {} methods; give one each, or `None`",
                image.maps.len(),
                methods.len()
            ),
        )),
        None => Ok(()),
    }
}

/// A method's name in lines: a letter is left free before the next title, unless a word needs it.
fn title(method: &str) -> Vec<String> {
    let longest = method.split_whitespace().map(|word| word.chars().count()).max();
    text::wrap(method, longest.unwrap_or(0).clamp(LETTERS - 1, LETTERS))
}

/// How an image and its maps are placed: the image at the left, the maps beside it, in as many lines as it takes.
struct Row {
    words: Vec<String>,
    zoom: Zoom,
    /// Height and width of a map in pixels.
    map: (usize, usize),
    /// Maps in a line.
    columns: usize,
    /// For each line of maps how many lines its highest title has.
    titles: Vec<usize>,
    height: usize,
}

impl Row {
    fn new(image: &GalleryImage<'_>, titles: &[Vec<String>], columns: usize, width: usize) -> Row {
        let [_, height, image_width] = image.shape;
        let size = (height, image_width);
        let limit = (TALLEST, CELL);
        let least = (limit.0 / height.max(1)).min(limit.1 / image_width.max(1)).clamp(1, LARGEST_CELL);
        let zoom = Zoom::choices(size, least, least, limit)[0];
        let map = zoom.tile(size);
        let highest = |titles: &[Vec<String>]| titles.iter().map(Vec::len).max().unwrap_or(1);
        let lines: Vec<usize> = titles.chunks(columns).map(highest).collect();
        let words = text::wrap(&image.words, width / FONT.advance());
        let mut row = Row { words, zoom, map, columns, titles: lines, height: 0 };
        row.height = row.top(row.titles.len());
        row
    }

    /// Where a line of maps begins, from the top of the row.
    fn top(&self, line: usize) -> usize {
        let cells = self.titles.iter().take(line).map(|title| title * FONT.line() + self.cell() + GAP);
        self.words.len() * FONT.line() + cells.sum::<usize>()
    }

    /// Height of a map with the sign below it.
    fn cell(&self) -> usize {
        self.map.0 + FONT.line() + GAP / 2
    }

    fn draw(
        &self,
        canvas: &mut Canvas,
        (x, y): (usize, usize),
        image: &GalleryImage<'_>,
        titles: &[Vec<String>],
    ) -> Result<()> {
        for (number, line) in self.words.iter().enumerate() {
            text::draw(canvas, (x, y + number * FONT.line()), line, FONT, true, INK);
        }
        // Upper left corner of a map, below its title.
        let at = |line: usize, column: usize| {
            let title = self.titles.get(line).copied().unwrap_or(1) * FONT.line();
            (x + column * (CELL + GAP), y + self.top(line) + title)
        };
        let picture = Picture::new(image.pixels, image.shape)?;
        picture.draw(canvas, at(0, 0), self.zoom);
        self.finish(canvas, at(0, 0), &["image".to_owned()]);
        for (number, (map, title)) in image.maps.iter().zip(titles).enumerate() {
            let at = at(number / self.columns, 1 + number % self.columns);
            let Some(map) = map else {
                self.finish(canvas, at, title);
                canvas.cross(Rect::new(at.0, at.1, self.map.1, self.map.0), FAINT);
                text::draw(canvas, (at.0, self.below(at)), "not made", FONT, false, FAINT);
                continue;
            };
            let GalleryMap { values, size, scale, level } = *map;
            let map = AttributionMap { values, size, scale, unit: "", class: "" };
            Heat::new(&map, picture.size)?.draw(canvas, at, self.zoom);
            self.finish(canvas, at, title);
            match level {
                Some(level) => level.draw(canvas, (at.0, self.below(at)), FONT, CELL),
                None => text::draw(canvas, (at.0, self.below(at)), "not checked", FONT, false, FAINT),
            }
        }
        Ok(())
    }

    fn below(&self, (_, y): (usize, usize)) -> usize {
        y + self.map.0 + GAP / 2
    }

    /// Title and frame of a map.
    fn finish(&self, canvas: &mut Canvas, (x, y): (usize, usize), title: &[String]) {
        for (number, line) in title.iter().rev().enumerate() {
            text::draw(canvas, (x, y - (number + 1) * FONT.line()), line, FONT, false, FAINT);
        }
        canvas.frame(Rect::new(x - 1, y - 1, self.map.1 + 2, self.map.0 + 2), FAINT);
    }
}

/// What the colours mean, for those that occur.
fn legends(images: &[GalleryImage<'_>]) -> Vec<Legend> {
    let maps = || images.iter().flat_map(|image| image.maps.iter().flatten());
    let is_magnitude = |map: &&GalleryMap<'_>| map.scale == AttributionScale::Magnitude;
    let legend = |map: ColorMap, lo: f64, label: &str| Legend {
        map,
        range: Some(Range { lo, hi: 1.0 }),
        ticks: Vec::new(),
        label: label.to_owned(),
        marks: Vec::new(),
    };
    let signed = "red speaks for the class, blue against it; 1 is the end of a map's own scale";
    let magnitude = "how much the answer depends on a pixel; 1 is the end of a map's own scale";
    let signed = legend(ColorMap::BlueRed, -1.0, signed);
    let magnitude = legend(ColorMap::Viridis, 0.0, magnitude);
    let mut legends = Vec::new();
    legends.extend(maps().any(|map| !is_magnitude(&map)).then_some(signed));
    legends.extend(maps().any(|map| is_magnitude(&map)).then_some(magnitude));
    if let Some(last) = legends.last_mut() {
        let crossed = maps().any(|map| is_constant(map.values));
        let crossed = crossed.then(|| (Mark::Cross, "all values alike: the map says nothing".to_owned()));
        let broken = maps().any(|map| map.values.iter().any(|value| !value.is_finite()));
        let broken = broken.then(|| (Mark::NonFinite, "NaN or infinite".to_owned()));
        last.marks = crossed.into_iter().chain(broken).collect();
    }
    legends
}
