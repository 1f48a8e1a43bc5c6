//! A share for each layer, from the first layer to the last: one curve over the depth.

use super::{
    canvas::{Canvas, Rect, Rgb},
    caption::Caption,
    page::{FAINT, INK, MARGIN, Page},
    spread::spread,
    text::{self, Font},
};
use crate::{
    error::{Error, Result},
    summary::Image,
};

/// A measured share of a layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LayerShare<'a> {
    /// Name of the layer.
    pub layer: &'a str,
    /// From 0 to 1; NaN where there is none.
    pub share: f64,
    /// Ends of its confidence interval, where there is one.
    pub interval: Option<[f64; 2]>,
}

/// A share that does not belong to a layer, drawn as a line through all of them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReferenceShare<'a> {
    /// What it is, in a few words.
    pub name: &'a str,
    /// From 0 to 1.
    pub share: f64,
}

/// Most layers shown: what fits into a picture.
const MOST_LAYERS: usize = 80;
/// Most references shown.
const MOST_REFERENCES: usize = 4;
/// Most letters of a layer's name.
const NAME: usize = 24;
const FONT: Font = Font::Small;
/// Width of the plot itself.
const PLOT: usize = 300;
/// Pixels between names, plot and numbers.
const GAP: usize = 8;
/// Height of a row; lower where there are many.
const ROW: usize = 20;
const GRID: Rgb = [225, 226, 228];
/// Numbers at the axis, in percent.
const TICKS: [u32; 5] = [0, 25, 50, 75, 100];

/// A picture of one share for each layer: layers from top to bottom in the order of the forward pass, shares from left to
/// right on a fixed axis from 0 to 100 %, with the confidence interval as a bar and the number beside it. Up to four
/// references are dashed lines with their names above. Of more than 80 layers an even choice is shown.
///
/// # Errors
/// No layer, more than four references, a share below 0 or above 1.
///
/// ```
/// use convscope::{Step, render::{Caption, LayerShare, ReferenceShare, layer_curve}};
///
/// let layers = [("conv1", 0.42), ("conv2", 0.71)]
///     .map(|(layer, share)| LayerShare { layer, share, interval: Some([share - 0.04, share + 0.04]) });
/// let references = [ReferenceShare { name: "chance", share: 0.1 }];
/// let caption = Caption { layer: "linear probes", step: Step::new(938), epoch: Some(1) };
/// let image = layer_curve(&layers, &references, "accuracy on 500 images", &caption)?;
/// assert!((400..=900).contains(&image.width()));
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn layer_curve(
    layers: &[LayerShare<'_>],
    references: &[ReferenceShare<'_>],
    note: &str,
    caption: &Caption<'_>,
) -> Result<Image> {
    check(layers, references)?;
    let shown = spread(layers, MOST_LAYERS);
    let note = if shown.len() < layers.len() {
        format!("{note}; showing {} of {} layers, evenly spread", shown.len(), layers.len())
    } else {
        note.to_owned()
    };
    let names: Vec<String> = shown.iter().map(|layer| text::shorten(layer.layer, NAME)).collect();
    let gutter = names.iter().map(|name| FONT.measure(name)).max().unwrap_or(0) + GAP;
    let row = if shown.len() > 40 { FONT.line() } else { ROW };
    let head = references.len() * FONT.line() + GAP / 2;
    let numbers = FONT.measure("100.0 %") + GAP;
    let body = (gutter + PLOT + numbers, head + shown.len() * row + 2 * FONT.line());
    let page =
        Page { caption, note: &note, legend: None, font: FONT, width: (body.0 + 2 * MARGIN).max(400), body };
    let (mut canvas, (x, y)) = page.open()?;
    let area = Rect::new(x + gutter, y + head, PLOT, shown.len() * row);
    let plot = Plot { area, row };
    plot.draw_grid(&mut canvas);
    plot.draw_references(&mut canvas, references, y);
    plot.draw_layers(&mut canvas, &shown, &names);
    canvas.into_image()
}

fn check(layers: &[LayerShare<'_>], references: &[ReferenceShare<'_>]) -> Result<()> {
    let refuse = |why: String| Err(Error::invalid("shares of layers", why));
    if layers.is_empty() || references.len() > MOST_REFERENCES {
        return refuse(format!(
            "{} layers and {} references found; a layer at least, and at most {MOST_REFERENCES} references expected",
            layers.len(),
            references.len()
        ));
    }
    let of_layers = layers.iter().flat_map(|LayerShare { layer, share, interval }| {
        interval.iter().flatten().chain([share]).map(move |share| (*layer, *share))
    });
    let of_references = references.iter().map(|reference| (reference.name, reference.share));
    match of_layers.chain(of_references).find(|(_, share)| *share < 0.0 || *share > 1.0) {
        Some((name, share)) => refuse(format!("`{name}`: {share} found; a share is from 0 to 1")),
        None => Ok(()),
    }
}

struct Plot {
    area: Rect,
    /// Height of a row.
    row: usize,
}

impl Plot {
    fn column(&self, share: f64) -> usize {
        self.area.x + (share * (self.area.width - 1) as f64).round() as usize
    }

    fn middle(&self, row: usize) -> usize {
        self.area.y + row * self.row + self.row / 2
    }

    fn draw_grid(&self, canvas: &mut Canvas) {
        let Rect { y, height, .. } = self.area;
        for percent in TICKS {
            let (column, label) = (self.column(f64::from(percent) / 100.0), format!("{percent}"));
            canvas.fill(Rect::new(column, y, 1, height + 4), GRID);
            let left = column.saturating_sub(FONT.measure(&label) / 2);
            text::draw(canvas, (left, y + height + 5), &label, FONT, false, FAINT);
        }
        let beside = self.area.x + self.area.width + GAP + 4;
        text::draw(canvas, (beside, y + height + 5), "%", FONT, false, FAINT);
    }

    /// Dashed lines, each with its name on a line of its own above the plot.
    fn draw_references(&self, canvas: &mut Canvas, references: &[ReferenceShare<'_>], top: usize) {
        let known =
            references.iter().zip(colors().skip(1)).filter(|(reference, _)| reference.share.is_finite());
        for (place, (reference, color)) in known.enumerate() {
            let column = self.column(reference.share);
            let label_top = top + place * FONT.line();
            for dash in (label_top + FONT.line()..self.area.y + self.area.height).step_by(6) {
                canvas.fill(Rect::new(column, dash, 2, 3), color);
            }
            let label = format!("{} {}", reference.name, percent(reference.share));
            let width = FONT.measure(&label);
            // To the left of the line where there is no room to its right.
            let end = self.area.x + self.area.width;
            let left = if column + width > end { column.saturating_sub(width) } else { column };
            canvas.fill(Rect::new(left, label_top + 3, 7, 7), color);
            text::draw(canvas, (left + 11, label_top), &label, FONT, false, INK);
        }
    }

    fn draw_layers(&self, canvas: &mut Canvas, layers: &[LayerShare<'_>], names: &[String]) {
        let Some(color) = colors().next() else { return };
        let points: Vec<Option<(usize, usize)>> = (layers.iter().enumerate())
            .map(|(row, layer)| layer.share.is_finite().then(|| (self.column(layer.share), self.middle(row))))
            .collect();
        for pair in points.windows(2) {
            if let [Some(from), Some(to)] = *pair {
                for beside in [0, 1] {
                    canvas.line((from.0 + beside, from.1), (to.0 + beside, to.1), color);
                }
            }
        }
        for (row, (layer, point)) in layers.iter().zip(&points).enumerate() {
            let top = self.middle(row).saturating_sub(FONT.height() / 2);
            let left = self.area.x.saturating_sub(GAP + FONT.measure(&names[row]));
            text::draw(canvas, (left, top), &names[row], FONT, false, INK);
            let number = point.map_or("none".to_owned(), |_| percent(layer.share));
            let beside = self.area.x + self.area.width + GAP;
            text::draw(canvas, (beside, top), &number, FONT, false, INK);
            if let (Some([low, high]), Some((_, y))) = (layer.interval, point) {
                let (from, to) = (self.column(low), self.column(high));
                canvas.fill(Rect::new(from, *y, to - from + 1, 1), INK);
                for end in [from, to] {
                    canvas.fill(Rect::new(end, y.saturating_sub(3), 1, 7), INK);
                }
            }
            if let Some((x, y)) = point {
                canvas.fill(Rect::new(x.saturating_sub(3), y.saturating_sub(3), 7, 7), color);
            }
        }
    }
}

fn colors() -> impl Iterator<Item = Rgb> {
    colorous::TABLEAU10.iter().map(colorous::Color::as_array)
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::summary::Step;

    fn draw(layers: &[LayerShare<'_>], references: &[ReferenceShare<'_>]) -> Result<Image> {
        let caption = Caption { layer: "probes", step: Step::new(1), epoch: None };
        layer_curve(layers, references, "note", &caption)
    }

    #[test]
    fn hundreds_of_layers_fit() {
        let layers: Vec<LayerShare<'_>> = (0..300)
            .map(|i| LayerShare { layer: "a", share: f64::from(i) / 300.0, interval: None })
            .collect();
        let image = draw(&layers, &[]).unwrap();
        assert!(image.height() <= 1600 && (400..=900).contains(&image.width()), "{image:?}");
    }

    #[test]
    fn what_is_no_share_is_refused() {
        let layer = |share| LayerShare { layer: "conv1", share, interval: Some([0.2, 0.3]) };
        let told = |result: Result<Image>| result.unwrap_err().to_string();
        assert!(told(draw(&[layer(1.5)], &[])).contains("`conv1`: 1.5 found"));
        assert!(told(draw(&[], &[])).contains("0 layers"));
        let reference = ReferenceShare { name: "chance", share: -0.1 };
        assert!(told(draw(&[layer(0.5)], &[reference])).contains("`chance`"));
        assert!(draw(&[layer(f64::NAN)], &[]).is_ok(), "not measured is no error");
    }

    #[test]
    fn a_share_stands_at_its_place() {
        let plot = Plot { area: Rect::new(50, 10, PLOT, 40), row: 20 };
        assert_eq!([0.0, 0.5, 1.0].map(|share| plot.column(share)), [50, 200, 349]);
        assert_eq!([0, 1].map(|row| plot.middle(row)), [20, 40]);
    }
}
