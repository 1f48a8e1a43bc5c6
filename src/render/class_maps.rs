//! What channels answer to each class on average.

use super::{
    canvas::Rect,
    caption::Caption,
    colormap::ColorMap,
    layout::MAX_HEIGHT,
    legend::{Legend, Mark},
    normalize::Normalization,
    page::{FAINT, INK, MARGIN, Page},
    text::{self, Font},
    tile::{self, Plane, Zoom},
};
use crate::{
    error::{Error, Result},
    summary::Image,
};

/// Maps of some channels for some classes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassMaps<'a> {
    /// Values, class by class, channel by channel, row by row.
    pub values: &'a [f32],
    /// Rows and columns of a map.
    pub size: [usize; 2],
    /// Names of the classes, from top to bottom.
    pub classes: &'a [String],
    /// Lines above each column, from left to right: the channel, and what is known of it. All have as many lines.
    pub channels: &'a [Vec<String>],
}

const FONT: Font = Font::Small;
/// Most letters of a class's name.
const NAME: usize = 14;
/// Most pixels a value.
const LARGEST_CELL: usize = 16;
/// Widest picture.
const WIDTH: usize = 900;
/// Height that caption, legend and the lines above the columns may take.
const AROUND: usize = 240;
/// Pixels between tiles.
const LINE: usize = 2;
/// Narrowest tile: the lines above a column must fit.
const NARROWEST: usize = 44;

/// A picture of classes by channels, all on one scale. Maps of one value everywhere are crossed and counted, values that
/// are not finite are magenta and counted. 400 to 900 pixels wide, at most 1600 high.
///
/// # Errors
/// No class or no channel, another number of values, columns with different numbers of lines, and more classes or channels
/// than fit at one pixel a value (20 of each always do, of maps of up to 32 x 32).
///
/// ```
/// use convscope::{Step, render::{Caption, ClassMaps, class_maps}};
///
/// let classes = ["cat".to_owned(), "dog".to_owned()];
/// let channels = [vec!["#3".to_owned()], vec!["#7".to_owned()]];
/// let values: Vec<f32> = (0..2 * 2 * 16).map(|i| i as f32).collect();
/// let maps = ClassMaps { values: &values, size: [4, 4], classes: &classes, channels: &channels };
/// let caption = Caption { layer: "relu2", step: Step::new(94), epoch: Some(1) };
/// assert!(class_maps(&maps, "mean over 50 images a class", &caption)?.height() <= 1600);
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn class_maps(maps: &ClassMaps<'_>, note: &str, caption: &Caption<'_>) -> Result<Image> {
    maps.check(caption.layer)?;
    let [height, width] = maps.size;
    let names: Vec<String> = maps.classes.iter().map(|name| text::shorten(name, NAME)).collect();
    let gutter = names.iter().map(|name| FONT.measure(name)).max().unwrap_or(0) + FONT.advance();
    let head = maps.channels.first().map_or(0, Vec::len) * FONT.line() + 2;
    let (down, across) = (maps.classes.len(), maps.channels.len());
    let room = (
        ((MAX_HEIGHT - AROUND) / down).saturating_sub(LINE),
        ((WIDTH - 2 * MARGIN).saturating_sub(gutter) / across).saturating_sub(LINE),
    );
    let zooms = Zoom::choices((height, width), 1, LARGEST_CELL, room);
    // The largest that keeps the picture about as high as it is wide.
    let fair = |zoom: &&Zoom| zoom.pixels(height) <= 64 || zoom.up == 1;
    let zoom = zooms.iter().rev().find(fair).or(zooms.first()).copied().unwrap_or(Zoom { up: 1, down: 1 });
    let tile = (zoom.pixels(height), zoom.pixels(width));
    let pitch = (tile.0.max(FONT.line()) + LINE, tile.1.max(NARROWEST.min(room.1)) + LINE);

    let scale = Normalization::Auto.scale(maps.values)?;
    let map = scale.range.map_or(ColorMap::Viridis, ColorMap::suited_to);
    let constant = (0..down * across).filter(|&place| tile::is_constant(maps.map(place))).count();
    let mut marks = Vec::new();
    if constant > 0 {
        let what = format!("{constant} of {} maps have one value everywhere", down * across);
        marks.push((Mark::Cross, what));
    }
    marks.extend(Mark::non_finite(maps.values));
    let label = format!("mean activation{}", scale.words);
    let legend = Legend { map, range: scale.range, ticks: Vec::new(), label, marks };
    let body = (gutter + across * pitch.1, head + down * pitch.0);
    let averaged = match zoom.down {
        1 => String::new(),
        down => format!("; each pixel the mean of {down} x {down}"),
    };
    let note = format!("{note}{averaged}");
    let page = Page {
        caption,
        note: &note,
        legend: Some(&legend),
        font: FONT,
        width: (body.0 + 2 * MARGIN).max(400),
        body,
    };
    let (mut canvas, (x, y)) = page.open()?;
    for (column, lines) in maps.channels.iter().enumerate() {
        let left = x + gutter + column * pitch.1;
        for (number, line) in lines.iter().enumerate() {
            let line = text::shorten(line, pitch.1 / FONT.advance());
            text::draw(&mut canvas, (left, y + number * FONT.line()), &line, FONT, number == 0, INK);
        }
    }
    for (row, name) in names.iter().enumerate() {
        let top = y + head + row * pitch.0;
        let left = x + gutter - FONT.advance() - FONT.measure(name);
        let middle = top + (tile.0 / 2).saturating_sub(FONT.height() / 2);
        text::draw(&mut canvas, (left, middle), name, FONT, false, INK);
        for column in 0..across {
            let values = maps.map(row * across + column);
            let at = (x + gutter + column * pitch.1, top);
            let frame = Rect::new(at.0 - 1, at.1 - 1, tile.1 + 2, tile.0 + 2);
            canvas.frame(frame, FAINT);
            let plane = Plane::new(values, width);
            tile::plane(&mut canvas, at, plane, zoom, (scale.range, map), tile::is_constant(values));
        }
    }
    canvas.into_image()
}

impl<'a> ClassMaps<'a> {
    fn check(&self, layer: &str) -> Result<()> {
        let (classes, channels, [height, width]) = (self.classes.len(), self.channels.len(), self.size);
        let refuse = |why: String| Err(Error::invalid(format!("class maps of layer `{layer}`"), why));
        let values =
            [classes, channels, height, width].iter().try_fold(1usize, |all, side| all.checked_mul(*side));
        if values != Some(self.values.len()) || self.values.is_empty() {
            return refuse(format!(
                "{} values found for {classes} classes, {channels} channels and maps of {height} x {width}",
                self.values.len()
            ));
        }
        if let Some(lines) = self.channels.iter().find(|lines| lines.len() != self.channels[0].len()) {
            return refuse(format!(
                "{} lines above a channel, {} above the first",
                lines.len(),
                self.channels[0].len()
            ));
        }
        let (most_down, most_across) = ((MAX_HEIGHT - AROUND) / FONT.line(), (WIDTH - 120) / (LINE + 1));
        if classes > most_down || channels > most_across {
            return refuse(format!(
                "{classes} classes and {channels} channels found; at most {most_down} and {most_across} can be shown"
            ));
        }
        Ok(())
    }

    /// The map at a place: class times channels plus channel.
    fn map(&self, place: usize) -> &'a [f32] {
        let len = self.size[0] * self.size[1];
        &self.values[place * len..][..len]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::summary::Step;

    fn draw(classes: usize, channels: usize, size: [usize; 2], values: &[f32]) -> Result<Image> {
        let classes = vec!["a long name of a class".to_owned(); classes];
        let channels = vec![vec!["#123".to_owned(), "0.93".to_owned()]; channels];
        let caption = Caption { layer: "conv1", step: Step::new(1), epoch: None };
        class_maps(&ClassMaps { values, size, classes: &classes, channels: &channels }, "note", &caption)
    }

    #[test]
    fn twenty_classes_and_channels_fit_whatever_the_maps() {
        for size in [[1, 1], [7, 7], [14, 20], [32, 32]] {
            for (classes, channels) in [(1, 1), (10, 12), (20, 20)] {
                let values: Vec<f32> =
                    (0..classes * channels * size[0] * size[1]).map(|i| (i as f32).sin()).collect();
                let image = draw(classes, channels, size, &values).unwrap();
                let fits = image.height() <= 1600 && (400..=900).contains(&image.width());
                assert!(fits, "{classes} {channels} {size:?} {image:?}");
            }
        }
    }

    #[test]
    fn other_numbers_of_values_are_refused() {
        assert!(draw(2, 2, [2, 2], &[0.0; 15]).unwrap_err().to_string().contains("15 values found"));
        assert!(draw(0, 2, [2, 2], &[]).is_err());
        assert!(draw(1000, 1, [1, 1], &[0.0; 1000]).unwrap_err().to_string().contains("1000 classes"));
    }
}
