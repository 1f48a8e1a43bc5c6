//! The weights of a linear model: an image for each class, or a matrix of classes and features.

use super::{
    canvas::Rect,
    caption::Caption,
    colormap::{ColorMap, NON_FINITE},
    layout::{Cut, Layout, Matrix},
    legend::{Legend, Mark},
    normalize::Normalization,
    page::{INK, MARGIN, Page},
    shape,
    text::{self, Font},
    tile::{self, Plane, TILE_LIMIT, Zoom},
};
use crate::{
    error::{Error, Result},
    summary::Image,
};

/// Most classes and features shown.
const MOST_CLASSES: usize = 40;
const MOST_FEATURES: usize = 40;
/// Characters of a class's name.
const NAME: usize = 14;

/// A picture of the weights that each class gives to the pixels of an image: red speaks for the class where the pixel is
/// above 0, blue against it. One scale for all, symmetric around 0. Images of several channels have a row for each one.
///
/// `weights` holds the values of shape `[classes, C, H, W]`. At most 40 classes and 3 channels are shown, which the
/// picture says. Constant tiles (crossed) and non-finite weights (magenta) are counted.
///
/// # Errors
/// A shape with an empty side, another number of weights or names.
///
/// ```
/// use convscope::{Step, render::{Caption, class_weights}};
///
/// let weights: Vec<f32> = (0..2 * 64).map(|i| (i as f32).sin()).collect();
/// let caption = Caption { layer: "weights", step: Step::new(100), epoch: None };
/// let image = class_weights(&weights, [2, 1, 8, 8], &["Coat", "Bag"], "centred over classes", &caption)?;
/// assert!((400..=900).contains(&image.width()));
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn class_weights(
    weights: &[f32],
    [classes, channels, height, width]: [usize; 4],
    names: &[&str],
    note: &str,
    caption: &Caption<'_>,
) -> Result<Image> {
    let what = "weights of the classes";
    shape::check(what, "classes, C, H, W", [classes, channels, height, width], weights.len())?;
    check_names(what, classes, names)?;
    let (size, plane) = ((height, width), height * width);
    let scale = Normalization::Symmetric.scale(weights)?;
    let mut zooms = Zoom::choices(size, 2, 24, TILE_LIMIT);
    zooms.extend((2..=height.min(width) / 28).map(|down| Zoom { up: 1, down }));
    let layout = Layout::best(&Matrix {
        rows: channels.min(3),
        columns: classes.min(MOST_CLASSES),
        tile: size,
        zooms,
        cut: Cut::Columns,
        labels: NAME,
        label_lines: 1,
        lines: 6,
    });
    let mut marks = Vec::new();
    let constant = weights.chunks_exact(plane).filter(|tile| tile::is_constant(tile)).count();
    if constant > 0 {
        marks.push((Mark::Cross, format!("{constant} of {} tiles constant", classes * channels)));
    }
    marks.extend(Mark::non_finite(weights));
    let label =
        format!("weight, one scale for all{}", if scale.range.is_none() { ": no finite value" } else { "" });
    let legend = Legend { map: ColorMap::BlueRed, range: scale.range, ticks: Vec::new(), label, marks };
    let rows = if channels > 1 {
        format!(", {} down", shape::shown(layout.rows, channels, "channel"))
    } else {
        String::new()
    };
    let note = format!("{note}; {}{rows}", shown_classes(layout.columns, classes));
    let (mut canvas, origin) = Page::around(&layout, caption, &note, Some(&legend)).open()?;
    let font = layout.font;
    for (channel, class, at) in layout.tiles(origin) {
        let values = &weights[(class * channels + channel) * plane..][..plane];
        let colors = (scale.range, ColorMap::BlueRed);
        tile::plane(
            &mut canvas,
            at,
            Plane::new(values, width),
            layout.zoom,
            colors,
            tile::is_constant(values),
        );
        let (wide, high) = (layout.zoom.pixels(width), layout.zoom.pixels(height));
        canvas.frame(Rect::new(at.0, at.1, wide, high), [200; 3]);
        let name = text::shorten(names[class], wide / font.advance());
        text::draw(&mut canvas, (at.0, at.1 + high + 1), &name, font, false, INK);
    }
    canvas.into_image()
}

/// A picture of the weights of a linear layer: a row for each class, a column for each feature, with a name above it where
/// there is room. Red speaks for the class, blue against it. One scale, symmetric around 0.
///
/// `weights` holds `[classes, features]`. At most 40 classes and 40 features are shown, which the picture says.
///
/// # Errors
/// No class or feature; another number of weights or names.
///
/// ```
/// use convscope::{Step, render::{Caption, weight_matrix}};
///
/// let caption = Caption { layer: "fc", step: Step::new(100), epoch: None };
/// let image = weight_matrix(&[1.0, -1.0, 0.5, 0.0], &["Coat", "Bag"], &["relu 0", "relu 1"], "", &caption)?;
/// assert!((400..=900).contains(&image.width()));
/// # Ok::<(), convscope::Error>(())
/// ```
pub fn weight_matrix(
    weights: &[f32],
    classes: &[&str],
    features: &[&str],
    note: &str,
    caption: &Caption<'_>,
) -> Result<Image> {
    let what = "matrix of weights";
    shape::check(what, "classes, features, 1, 1", [classes.len(), features.len(), 1, 1], weights.len())?;
    let (rows, columns) = (classes.len().min(MOST_CLASSES), features.len().min(MOST_FEATURES));
    let font = Font::Small;
    let names: Vec<String> = classes[..rows].iter().map(|name| text::shorten(name, NAME)).collect();
    let heads: Vec<String> = features[..columns].iter().map(|name| text::shorten(name, 20)).collect();
    let gutter = names.iter().map(|name| font.measure(name)).max().unwrap_or(0) + 6;
    let head = heads.iter().map(|name| font.measure(name)).max().unwrap_or(0) + 4;
    let cell = ((440 - 2 * MARGIN - gutter) / columns).clamp(font.line(), 28);
    let inner = (gutter + columns * cell).max(440 - 2 * MARGIN);
    let scale = Normalization::Symmetric.scale(weights)?;
    let label = "weight, one scale for all".to_owned();
    let marks = Mark::non_finite(weights).into_iter().collect();
    let legend = Legend { map: ColorMap::BlueRed, range: scale.range, ticks: Vec::new(), label, marks };
    let shown = format!(
        "{} down, {} across",
        shown_classes(rows, classes.len()),
        shape::shown(columns, features.len(), "feature")
    );
    let note = if note.is_empty() { shown } else { format!("{note}; {shown}") };
    let body = (inner, head + rows * cell);
    let page = Page { caption, note: &note, legend: Some(&legend), font, width: inner + 2 * MARGIN, body };
    let (mut canvas, (left, top)) = page.open()?;
    for (column, name) in heads.iter().enumerate() {
        let x = left + gutter + column * cell + (cell.saturating_sub(font.height())) / 2;
        let y = top + head - 4 - font.measure(name);
        text::draw_upwards(&mut canvas, (x, y), name, font, INK);
    }
    for (row, name) in names.iter().enumerate() {
        let y = top + head + row * cell;
        let x = left + gutter - 6 - font.measure(name);
        text::draw(&mut canvas, (x, y + (cell - font.height()) / 2), name, font, false, INK);
        for column in 0..columns {
            let value = weights[row * features.len() + column];
            let color = match scale.range {
                Some(range) if value.is_finite() => ColorMap::BlueRed.at(range.unit(value)),
                _ => NON_FINITE,
            };
            canvas.fill(Rect::new(left + gutter + column * cell, y, cell - 1, cell - 1), color);
        }
    }
    canvas.into_image()
}

fn shown_classes(shown: usize, of: usize) -> String {
    if shown == of { format!("{of} classes") } else { format!("the first {shown} of {of} classes") }
}

fn check_names(what: &str, classes: usize, names: &[&str]) -> Result<()> {
    if names.len() == classes {
        return Ok(());
    }
    Err(Error::invalid(what, format!("{} names found for {classes} classes; give one each", names.len())))
}
