//! Feature maps with the noise of dropout multiplied into them.

use super::{
    canvas::Rgb,
    caption::Caption,
    colormap::{ColorMap, NON_FINITE},
    layout::WIDTH,
    legend::{Legend, Mark},
    normalize::{Normalization, Range},
    page::{FAINT, INK, MARGIN, Page},
    text::{self, Font},
    tile::{self, Plane, Zoom},
};
use crate::{
    error::{Error, Result},
    summary::Image,
};

const FONT: Font = Font::Medium;
/// Pixels of a tile, about; and the largest one.
const TILE: (usize, usize) = (104, 140);
/// Between tiles.
const GAP: usize = 6;
/// What was dropped: in none of the maps.
const DROPPED: Rgb = [198, 200, 202];

/// Feature maps of one image and what masks of dropout make of them.
#[derive(Debug, Clone, PartialEq)]
pub struct NoisyMaps<'a> {
    /// Maps, rows and columns.
    pub shape: [usize; 3],
    /// The number of each map's channel.
    pub channels: &'a [usize],
    /// The maps as they are.
    pub maps: &'a [f32],
    /// Masks, each with what it is and the factor of each value of the maps: 0 where it is dropped.
    pub masks: &'a [(String, Vec<f32>)],
    /// What the values are, for the legend.
    pub quantity: &'a str,
}

/// A picture with a row of maps as they are, and one for each mask. Up to six maps are shown, all on one scale ([`Normalization::Auto`](super::Normalization::Auto)); what was dropped is grey, and so differs from a value of 0.
///
/// # Errors
/// No map or mask, an empty side, another number of values, factors or channels.
pub fn dropout_noise(maps: &NoisyMaps<'_>, note: &str, caption: &Caption<'_>) -> Result<Image> {
    maps.check()?;
    let [count, rows, columns] = maps.shape;
    let (shown, plane) = (count.min(6), rows * columns);
    let zoom = match rows.max(columns) {
        side if side > TILE.1 => Zoom { up: 1, down: side.div_ceil(TILE.1) },
        side => Zoom { up: (TILE.0 / side).max(1), down: 1 },
    };
    let (height, width) = zoom.tile((rows, columns));
    let values = &maps.maps[..shown * plane];
    let lines: Vec<(String, Option<&[f32]>)> = std::iter::once(("as it is".to_owned(), None))
        .chain(maps.masks.iter().map(|(title, mask)| (title.clone(), Some(&mask[..shown * plane]))))
        .collect();
    let scale = Normalization::Auto.scale(&shown_values(values, maps.masks))?;
    let range = scale.range.unwrap_or(Range { lo: 0.0, hi: 0.0 });
    let map = ColorMap::suited_to(range);
    let titles = lines.iter().map(|(title, _)| FONT.measure(title)).max().unwrap_or(0);
    let inner = (shown * (width + GAP)).max(titles).max(440).min(WIDTH.end() - 2 * MARGIN);
    let line = FONT.line() + height + GAP;
    let body = (inner, FONT.line() + lines.len() * line);
    let blank = if range.hi > 0.0 { "" } else { ": all shown values are 0" };
    let mut marks = vec![(
        Mark::Swatch(DROPPED),
        "dropped: times 0; what is kept is divided by the keep rate".to_owned(),
    )];
    marks.extend(Mark::non_finite(values));
    let legend = Legend {
        map,
        range: Some(range),
        ticks: Vec::new(),
        label: format!("{}{}{blank}", maps.quantity, scale.words),
        marks,
    };
    let page = Page { caption, note, legend: Some(&legend), font: FONT, width: inner + 2 * MARGIN, body };
    let (mut canvas, (left, top)) = page.open()?;
    for (at, channel) in maps.channels.iter().take(shown).enumerate() {
        let label = text::shorten(&format!("ch. {channel}"), (width + GAP) / FONT.advance());
        text::draw(&mut canvas, (left + at * (width + GAP), top), &label, FONT, false, FAINT);
    }
    for (row, (title, mask)) in lines.iter().enumerate() {
        let y = top + FONT.line() + row * line;
        text::draw(&mut canvas, (left, y), title, FONT, true, INK);
        for at in 0..shown {
            let of_tile = |all: &[f32]| all[at * plane..][..plane].to_vec();
            let (clean, factors) = (of_tile(values), mask.map(of_tile));
            // Dropped values are no part of a cell's mean.
            let noisy: Vec<f32> = match &factors {
                None => clean,
                Some(factors) => {
                    clean.iter().zip(factors).map(|(v, r)| if *r == 0.0 { 0.0 } else { v * r }).collect()
                }
            };
            let corner = (left + at * (width + GAP), y + FONT.line());
            tile::cells(&mut canvas, corner, (rows, columns), zoom, |row, column| {
                let is_dropped = factors
                    .as_ref()
                    .is_some_and(|factors| Plane::new(factors, columns).cell(zoom, row, column) == 0.0);
                let value = Plane::new(&noisy, columns).cell(zoom, row, column);
                match value {
                    _ if is_dropped => DROPPED,
                    value if value.is_finite() => map.at(range.unit(value)),
                    _ => NON_FINITE,
                }
            });
        }
    }
    canvas.into_image()
}

impl NoisyMaps<'_> {
    fn check(&self) -> Result<()> {
        let [maps, rows, columns] = self.shape;
        let values = maps.checked_mul(rows).and_then(|values| values.checked_mul(columns)).unwrap_or(0);
        let fits = values > 0
            && self.channels.len() == maps
            && self.maps.len() == values
            && !self.masks.is_empty()
            && self.masks.iter().all(|(_, mask)| mask.len() == values);
        if fits {
            return Ok(());
        }
        let masks: Vec<usize> = self.masks.iter().map(|(_, mask)| mask.len()).collect();
        Err(Error::invalid(
            "maps with dropout",
            format!(
                "{} values, {} channels and masks of {masks:?} factors found for {maps} maps of {rows} x {columns}",
                self.maps.len(),
                self.channels.len()
            ),
        ))
    }
}

/// What is drawn, with all masks.
fn shown_values(values: &[f32], masks: &[(String, Vec<f32>)]) -> Vec<f32> {
    let factors = masks.iter().flat_map(|(_, mask)| mask.iter().zip(values).map(|(r, v)| r * v));
    values.iter().copied().chain(factors).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::summary::Step;

    fn draw(maps: &[f32], masks: &[(String, Vec<f32>)]) -> Result<Image> {
        let noisy =
            NoisyMaps { shape: [2, 4, 4], channels: &[5, 9], maps, masks, quantity: "output of relu1" };
        dropout_noise(&noisy, "", &Caption { layer: "relu1", step: Step::new(1), epoch: None })
    }

    fn dropped(image: &Image) -> usize {
        image.pixels().chunks_exact(3).filter(|pixel| **pixel == DROPPED).count()
    }

    #[test]
    fn dropped_values_are_grey_and_zeros_are_not() {
        let kept = vec![("kept".to_owned(), vec![2.0; 32])];
        let mut one = kept.clone();
        one[0].1[3] = 0.0;
        let (none, one) = (draw(&[0.0; 32], &kept).unwrap(), draw(&[0.0; 32], &one).unwrap());
        let cell = (TILE.0 / 4) * (TILE.0 / 4);
        assert_eq!(dropped(&one) - dropped(&none), cell);
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused_and_broken_ones_are_drawn() {
        assert!(draw(&[0.0; 31], &[("m".to_owned(), vec![1.0; 32])]).is_err());
        assert!(draw(&[0.0; 32], &[("m".to_owned(), vec![1.0; 31])]).is_err());
        assert!(draw(&[0.0; 32], &[]).is_err());
        assert!(draw(&[f32::NAN; 32], &[("m".to_owned(), vec![0.0; 32])]).is_ok());
    }
}
